//! The end of units in a sandbox: whoever is killed, nothing of them is left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dynwf::model::unit::UnitOutcome;
use dynwf::process::sandbox::Sandbox;
use dynwf::process::{Ended, Stop, Task, UnitDir, attend, launch_with};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// A unit in a sandbox that holds the lock on `work/held` as long as anything of it lives.
struct Held {
    temp: tempfile::TempDir,
    dir: UnitDir,
    stop: watch::Sender<Stop>,
}

/// Starts what must be gone in the end: a process in a session of its own that is deaf to TERM, and one that
/// threw its environment away.
const STUBBORN: &str = "exec 9> held; flock 9; \
    setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' & \
    setsid env -i /bin/sleep 1000 & ";

impl Held {
    fn start(script: &str, change: impl FnOnce(&mut Task)) -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().canonicalize().expect("real");
        fs::create_dir(root.join("work")).expect("made");
        fs::create_dir(root.join("units")).expect("made");
        let dir = UnitDir::new(root.join("units/1"));
        dir.create().expect("made");
        let view = Sandbox {
            workspace: root.join("work"),
            io: Some(dir.io()),
            home: Some(root.join("home")),
            ..Sandbox::default()
        };
        let mut env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let argv = view.wrap(argv, &mut env).expect("there is a sandbox");
        let mut task = Task::new(argv, root.join("work").display().to_string());
        task.env = Some(env);
        change(&mut task);
        launch_with(Path::new(env!("CARGO_BIN_EXE_dynwf")), &dir, &task).expect("launched");
        let (stop, _) = watch::channel(Stop::No);
        Self { temp, dir, stop }
    }

    fn work(&self) -> PathBuf {
        self.temp.path().join("work")
    }

    /// Waits until it runs and is recorded.
    fn wait_until_up(&self) {
        let file = self.work().join("up");
        for _ in 0..24_000 {
            if file.exists() && self.recorded("child").is_some() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("waited in vain for {}", file.display());
    }

    fn end(&self) -> Ended {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let ended = runtime.block_on(attend(self.dir.clone(), self.stop.subscribe()));
        ended.expect("it ends")
    }

    /// Whether anything of the unit still lives.
    fn is_held(&self) -> bool {
        let file = fs::File::open(self.work().join("held")).expect("it made the file");
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// The number of the shim or of its child, as recorded.
    fn recorded(&self, who: &str) -> Option<Pid> {
        let begun = fs::read(self.dir.ctl().join("begun")).ok()?;
        let begun: serde_json::Value = serde_json::from_slice(&begun).expect("a record");
        let number = begun[who]["pid"].as_i64()?;
        Pid::from_raw(i32::try_from(number).expect("a process number"))
    }

    fn kill(&self, who: &str) {
        let pid = self.recorded(who).expect("it is recorded");
        kill_process(pid, Signal::KILL).expect("it lives");
    }
}

#[test]
fn what_it_leaves_dies_with_it() {
    need_bubblewrap!();
    let unit = Held::start(&format!("{STUBBORN} exit 7"), |_| {});
    assert_eq!(unit.end().outcome, UnitOutcome::Exited(7));
    assert!(!unit.is_held());
}

#[test]
fn a_deadline_gives_grace_and_then_ends_everything() {
    need_bubblewrap!();
    let script = format!(
        "{STUBBORN} trap 'echo bye > bye; exit 0' TERM; : > up; while :; do sleep 0.01; done"
    );
    let unit = Held::start(&script, |task| {
        task.seconds = 1;
        task.grace = 1;
    });
    assert_eq!(unit.end().outcome, UnitOutcome::TimedOut);
    assert!(unit.work().join("bye").exists(), "it heard TERM");
    assert!(!unit.is_held());
}

#[test]
fn a_killed_shim_means_lost_and_leaves_nothing() {
    need_bubblewrap!();
    let unit = Held::start(&format!("{STUBBORN} : > up; wait"), |_| {});
    unit.wait_until_up();
    unit.kill("shim");
    assert_eq!(unit.end().outcome, UnitOutcome::Lost);
    assert!(!unit.is_held());
}

#[test]
fn a_killed_outer_process_leaves_nothing() {
    need_bubblewrap!();
    let unit = Held::start(&format!("{STUBBORN} : > up; wait"), |_| {});
    unit.wait_until_up();
    unit.kill("child");
    assert!(!unit.end().outcome.is_success());
    assert!(!unit.is_held());
}

#[test]
#[expect(clippy::print_stdout, reason = "says what is not tried")]
fn tools_of_the_machine_work_in_it() {
    need_bubblewrap!();
    let temp = tempfile::tempdir().expect("a folder");
    let mut env: BTreeMap<String, String> = ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect();
    let view = Sandbox {
        workspace: temp.path().to_owned(),
        home: env.get("HOME").map(PathBuf::from),
        ..Sandbox::default()
    };
    fs::create_dir(temp.path().join("src")).expect("made");
    let main = "fn main() {}\n#[test]\nfn it_works() {\n    assert_eq!(1 + 1, 2);\n}\n";
    fs::write(temp.path().join("src/main.rs"), main).expect("written");
    let package =
        r#"{"name": "x", "version": "1.0.0", "scripts": {"test": "node -e 'process.exit(0)'"}}"#;
    fs::write(temp.path().join("package.json"), package).expect("written");
    let manifest =
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    fs::write(temp.path().join("Cargo.toml"), manifest).expect("written");
    let mut lines = vec![
        "git --version",
        "cargo test --offline",
        "cargo metadata --offline --format-version 1",
    ];
    let path = env.get("PATH").cloned().unwrap_or_default();
    if path
        .split(':')
        .any(|folder| Path::new(folder).join("npm").is_file())
    {
        lines.push("npm test");
    } else {
        println!("skipped for npm: it is not on PATH");
    }
    for line in lines {
        let argv = line.split(' ').map(str::to_owned).collect();
        let wrapped = view.wrap(argv, &mut env).expect("there is a sandbox");
        let output = std::process::Command::new(&wrapped[0])
            .args(&wrapped[1..])
            .env_clear()
            .envs(&env)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{line}: {output:?}");
    }
}
