//! Units as real processes: how they end, what they may not do, and what is left when somebody is killed.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dynwf::model::unit::UnitOutcome;
use dynwf::process::{Ended, Follow, Look, Stop, Task, UnitDir, attend, launch_with, look, tail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

const DYNWF: &str = env!("CARGO_BIN_EXE_dynwf");

/// A folder with a unit in it, and the folder that the unit works in.
struct Place {
    temp: tempfile::TempDir,
    dir: UnitDir,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("work")).unwrap();
        let dir = UnitDir::new(temp.path().join("units/1"));
        fs::create_dir(temp.path().join("units")).unwrap();
        Self { temp, dir }
    }

    fn work(&self) -> PathBuf {
        self.temp.path().join("work")
    }

    fn task(&self, script: &str) -> Task {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Task::new(argv, self.work().to_str().unwrap())
    }

    fn launch(&self, task: &Task) {
        launch_with(Path::new(DYNWF), &self.dir, task).unwrap();
    }

    async fn end(&self) -> Ended {
        let (_stop, stopped) = watch::channel(Stop::No);
        attend(self.dir.clone(), stopped).await.unwrap()
    }

    async fn run(&self, script: &str) -> Ended {
        self.launch(&self.task(script));
        self.end().await
    }

    /// Launches, waits for the line `ready`, asks the unit to stop, and waits for its end.
    async fn stop_when_ready(&self, task: &Task, how: Stop) -> Ended {
        self.launch(task);
        self.wait_for_line("ready");
        let (stop, stopped) = watch::channel(Stop::No);
        stop.send(how).unwrap();
        attend(self.dir.clone(), stopped).await.unwrap()
    }

    fn wait_for_line(&self, line: &str) {
        let mut follow = Follow::new(self.dir.stdout());
        until("a line of output", || {
            follow.line().unwrap().is_some_and(|found| found == line)
        });
    }

    /// Waits until no shim lives; one that was launched holds the lock from before the launch returns.
    fn wait_until_unlocked(&self) {
        let lock = fs::File::open(self.dir.ctl().join("lock")).unwrap();
        lock.lock().unwrap();
    }

    fn stdout(&self) -> String {
        tail(&self.dir.stdout(), 10_000).unwrap()
    }

    fn stderr(&self) -> String {
        tail(&self.dir.stderr(), 10_000).unwrap()
    }

    fn shim(&self) -> Pid {
        let text = fs::read_to_string(self.dir.ctl().join("begun")).unwrap();
        let begun: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pid = begun["shim"]["pid"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// The processes whose current folder is the unit's: all that it started, wherever they hide.
    fn survivors(&self) -> Vec<String> {
        let work = self.work();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(Result::ok)
            .filter(|entry| {
                fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&work))
            })
            .map(|entry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
            .collect()
    }
}

/// A test that fails must not leave processes behind.
impl Drop for Place {
    fn drop(&mut self) {
        if matches!(look(&self.dir), Ok(Look::Alive)) {
            let _ = kill_process(self.shim(), Signal::QUIT);
        }
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sets a variable of a task, whose other ones are ours.
fn set(task: &mut Task, name: &str, value: &str) {
    task.env
        .get_or_insert_with(|| std::env::vars().collect())
        .insert(name.to_owned(), value.to_owned());
}

#[tokio::test]
async fn a_unit_runs_in_its_folder_and_its_end_says_how() {
    let place = Place::new();
    let mut task = place.task("pwd; cat; echo \"$WORD\" >&2; exit 7");
    set(&mut task, "WORD", "se cret");
    assert_eq!(look(&place.dir).unwrap(), Look::Nothing);
    place.launch(&task);
    let ended = place.end().await;
    assert_eq!(ended.outcome, UnitOutcome::Exited(7));
    assert_eq!(place.stdout(), format!("{}\n", place.work().display()));
    assert_eq!(place.stderr(), "se cret\n");
    let both = place.stdout() + &place.stderr();
    assert_eq!(ended.output_digest, format!("{:x}", Sha256::digest(both)));
    assert_eq!(look(&place.dir).unwrap(), Look::Ended(ended));
    for entry in fs::read_dir(place.dir.ctl()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(
            !text.contains("se cret"),
            "the environment is on disk: {text}"
        );
    }
}

#[tokio::test]
async fn a_signal_that_is_not_ours_is_told() {
    let ended = Place::new().run("kill -9 $$").await;
    assert_eq!(ended.outcome, UnitOutcome::Signalled(9));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let place = Place::new();
    place.launch(&Task::new(
        vec!["no-such-program".to_owned()],
        place.work().to_str().unwrap(),
    ));
    let UnitOutcome::NotStarted(why) = place.end().await.outcome else {
        panic!("it started");
    };
    assert!(why.contains("no-such-program"), "{why}");

    let place = Place::new();
    place.launch(&Task::new(vec!["true".to_owned()], "/no/such/folder"));
    let UnitOutcome::NotStarted(why) = place.end().await.outcome else {
        panic!("it started");
    };
    assert!(why.contains("/no/such/folder"), "{why}");
}

#[tokio::test]
async fn a_deadline_ends_it() {
    let place = Place::new();
    let task = Task {
        seconds: 1,
        ..place.task("while :; do echo busy; sleep 0.1; done")
    };
    place.launch(&task);
    assert_eq!(place.end().await.outcome, UnitOutcome::TimedOut);
    assert_eq!(place.survivors(), Vec::<String>::new());
}

#[tokio::test]
async fn silence_ends_it() {
    let place = Place::new();
    let task = Task {
        silence: 1,
        ..place.task("echo word; sleep 1000")
    };
    place.launch(&task);
    assert_eq!(place.end().await.outcome, UnitOutcome::Silent);
    assert_eq!(place.stdout(), "word\n");
}

#[tokio::test]
async fn a_flood_is_cut_and_ends_it() {
    let place = Place::new();
    let limit = 1 << 20;
    let task = Task {
        output_limit: limit,
        ..place.task("echo told >&2; yes | head -c 1000000000; sleep 1000")
    };
    place.launch(&task);
    assert_eq!(place.end().await.outcome, UnitOutcome::TooMuchOutput);
    let length = fs::metadata(place.dir.stdout()).unwrap().len();
    assert!((limit..limit + 100).contains(&length), "{length}");
    assert!(
        place
            .stdout()
            .ends_with("y\n\n[dynwf: stopped here, more than 1048576 bytes were printed]\n")
    );
    assert_eq!(place.stderr(), "told\n");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept_and_shown() {
    let place = Place::new();
    let ended = place.run(r"printf '\377a\nb'").await;
    assert_eq!(ended.outcome, UnitOutcome::Exited(0));
    assert_eq!(fs::read(place.dir.stdout()).unwrap(), b"\xffa\nb");
    assert_eq!(place.stdout(), "\u{fffd}a\nb");
}

#[tokio::test]
async fn a_daemon_that_it_leaves_behind_goes_with_it() {
    let place = Place::new();
    // The daemon has its own session, is deaf, and holds the output open; the unit ends once it runs.
    let ended = place
        .run("setsid sh -c 'trap \"\" TERM HUP; echo > up; sleep 1000; sleep 1000' & until [ -e up ]; do sleep 0.01; done; exit 3")
        .await;
    assert_eq!(ended.outcome, UnitOutcome::Exited(3));
    assert_eq!(place.survivors(), Vec::<String>::new());
}

#[tokio::test]
async fn who_is_deaf_to_term_is_killed_after_the_grace_time() {
    let place = Place::new();
    let script = "trap '' TERM; echo ready; while :; do sleep 1000; done";
    let task = Task {
        grace: 1,
        ..place.task(script)
    };
    let ended = place.stop_when_ready(&task, Stop::Term).await;
    assert_eq!(ended.outcome, UnitOutcome::Cancelled);
    assert_eq!(place.survivors(), Vec::<String>::new());
}

#[tokio::test]
async fn every_process_has_the_grace_time_not_only_the_first() {
    let place = Place::new();
    // The outer shell dies of TERM at once; the inner one needs a moment to save its work.
    let script = "sh -c 'trap \"sleep 0.3; echo saved; exit\" TERM; echo ready; while :; do sleep 1; done' & wait";
    let task = Task {
        grace: 600,
        ..place.task(script)
    };
    let ended = place.stop_when_ready(&task, Stop::Term).await;
    assert_eq!(ended.outcome, UnitOutcome::Cancelled);
    assert_eq!(place.stdout(), "ready\nsaved\n");
}

#[tokio::test]
async fn a_kill_does_not_wait_for_the_grace_time() {
    let place = Place::new();
    let script = "trap '' TERM; echo ready; while :; do sleep 1000; done";
    let task = Task {
        grace: 100_000,
        ..place.task(script)
    };
    place.launch(&task);
    place.wait_for_line("ready");
    let (stop, stopped) = watch::channel(Stop::Term);
    let attending = tokio::spawn(attend(place.dir.clone(), stopped));
    stop.send(Stop::Kill).unwrap();
    assert_eq!(
        attending.await.unwrap().unwrap().outcome,
        UnitOutcome::Cancelled
    );
    assert_eq!(place.survivors(), Vec::<String>::new());
}

#[tokio::test]
async fn a_unit_is_started_once_however_often_it_is_launched() {
    let place = Place::new();
    let task = place.task("echo once >> count; echo ready; until [ -e go ]; do sleep 0.01; done");
    place.launch(&task);
    place.wait_for_line("ready");
    assert_eq!(look(&place.dir).unwrap(), Look::Alive);
    place.launch(&task);
    fs::write(place.work().join("go"), "").unwrap();
    let (first, second) = tokio::join!(place.end(), place.end());
    assert_eq!(first, second);
    place.launch(&task);
    assert_eq!(place.end().await, first);
    place.wait_until_unlocked();
    assert_eq!(
        fs::read_to_string(place.work().join("count")).unwrap(),
        "once\n"
    );
}

#[tokio::test]
async fn a_unit_outlives_its_launcher_and_is_adopted() {
    let place = Place::new();
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{}a_launcher", prefix())])
        .env("LAUNCH_IN", place.temp.path())
        .env("GIT_DIR", "/elsewhere")
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    place.wait_for_line("ready");
    let group = Pid::from_raw(i32::try_from(launcher.id()).unwrap()).unwrap();
    kill_process_group(group, Signal::HUP).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    launcher.wait().unwrap();
    assert_eq!(look(&place.dir).unwrap(), Look::Alive);
    fs::write(place.work().join("go"), "").unwrap();
    assert_eq!(place.end().await.outcome, UnitOutcome::Exited(5));
    assert_eq!(place.stdout(), "ready\nunset\n");
}

/// The path of this module in the test binary.
fn prefix() -> String {
    module_path!()
        .split_once("::")
        .map_or(String::new(), |(_, path)| format!("{path}::"))
}

#[test]
fn a_launcher() {
    let Some(folder) = std::env::var_os("LAUNCH_IN").map(PathBuf::from) else {
        return;
    };
    let script = "echo ready; until [ -e go ]; do sleep 0.01; done; echo ${GIT_DIR-unset}; exit 5";
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let task = Task::new(argv, folder.join("work").to_str().unwrap());
    launch_with(
        Path::new(DYNWF),
        &UnitDir::new(folder.join("units/1")),
        &task,
    )
    .unwrap();
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn a_unit_whose_shim_is_killed_is_lost_and_leaves_nothing() {
    let place = Place::new();
    // The daemon is in another session, and its parent is gone: only its mark gives it away.
    let script = "(setsid sh -c 'trap \"\" TERM PIPE; echo > up; sleep 1000; sleep 1000' &)
        until [ -e up ]; do sleep 0.01; done; trap '' PIPE; echo ready; sleep 1000; sleep 1000";
    place.launch(&place.task(script));
    place.wait_for_line("ready");
    kill_process(place.shim(), Signal::KILL).unwrap();
    until("the death of the shim", || {
        look(&place.dir).unwrap() == Look::Dead
    });
    assert!(
        !place.survivors().is_empty(),
        "somebody must be there to be killed"
    );
    let (first, second) = tokio::join!(place.end(), place.end());
    assert_eq!(first.outcome, UnitOutcome::Lost);
    assert_eq!(first, second);
    assert_eq!(place.survivors(), Vec::<String>::new());
    assert_eq!(look(&place.dir).unwrap(), Look::Ended(first));
}

#[tokio::test]
async fn a_record_of_another_boot_kills_nobody() {
    let place = Place::new();
    let other = Place::new();
    other.launch(&other.task("echo ready; until [ -e go ]; do sleep 0.01; done"));
    other.wait_for_line("ready");
    // A record that names the live processes of another unit, but in a boot that is over.
    place.dir.create().unwrap();
    let begun = fs::read_to_string(other.dir.ctl().join("begun")).unwrap();
    let mut begun: serde_json::Value = serde_json::from_str(&begun).unwrap();
    begun["boot"] = "an earlier boot".into();
    fs::write(place.dir.ctl().join("begun"), begun.to_string()).unwrap();
    fs::write(place.dir.ctl().join("lock"), "").unwrap();
    assert_eq!(look(&place.dir).unwrap(), Look::Dead);
    assert_eq!(place.end().await.outcome, UnitOutcome::Lost);
    fs::write(other.work().join("go"), "").unwrap();
    assert_eq!(other.end().await.outcome, UnitOutcome::Exited(0));
}

#[tokio::test]
async fn a_unit_that_never_began_is_lost() {
    let place = Place::new();
    assert_eq!(place.end().await.outcome, UnitOutcome::Lost);
    place.launch(&place.task("echo > ran"));
    assert_eq!(place.end().await.outcome, UnitOutcome::Lost);
    place.wait_until_unlocked();
    assert!(!place.work().join("ran").exists());
}

#[tokio::test]
async fn wherever_the_shim_crashes_the_unit_has_one_end_and_leaves_nothing() {
    for (point, outcome, ran) in [
        ("unit:begun:before", UnitOutcome::Lost, false),
        ("unit:begun:after", UnitOutcome::Lost, false),
        ("unit:started", UnitOutcome::Lost, true),
        ("unit:status:before", UnitOutcome::Lost, true),
        ("unit:status:after", UnitOutcome::Exited(0), true),
    ] {
        let place = Place::new();
        let log = place.temp.path().join("passed");
        let mut task = place.task("echo > ran");
        set(&mut task, "DYNWF_CRASH_AT", point);
        set(&mut task, "DYNWF_CRASH_LOG", log.to_str().unwrap());
        place.launch(&task);
        let ended = place.end().await;
        assert_eq!(ended.outcome, outcome, "{point}");
        assert_eq!(place.survivors(), Vec::<String>::new(), "{point}");
        place.wait_until_unlocked();
        let passed = fs::read_to_string(log).unwrap();
        assert_eq!(passed.lines().last(), Some(format!("{point}:1").as_str()));
        if !ran {
            assert!(!place.work().join("ran").exists(), "{point}");
        }
        assert_eq!(look(&place.dir).unwrap(), Look::Ended(ended), "{point}");
    }
}

#[test]
fn nobody_runs_a_unit_by_hand() {
    let place = Place::new();
    place.dir.create().unwrap();
    let task = place.task("echo > ran");
    fs::write(
        place.dir.ctl().join("task.json"),
        serde_json::to_vec(&task).unwrap(),
    )
    .unwrap();
    fs::write(place.dir.ctl().join("lock"), "").unwrap();
    let output = Command::new(DYNWF)
        .arg("__unit")
        .arg(place.dir.root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by dynwf alone"));
    assert!(!place.work().join("ran").exists());
    assert_eq!(look(&place.dir).unwrap(), Look::Nothing);
}
