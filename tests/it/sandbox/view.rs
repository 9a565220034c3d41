//! What a worker in the sandbox can and cannot do, tried by workers that want to.
//!
//! Everything runs through the real binary, in bubblewrap or not at all: some of what is tried would do harm outside.
//! Where bubblewrap does not work, the tests say so and end.

use dynwf::process::sandbox::{Kind, available};

use crate::support::{Dynwf, Fingerprint, TestRepo, skip};

/// A packet whose command is this, with the scope `crates/net/**`.
fn plan(run: &str) -> String {
    format!(
        "goal = \"g\"\n[[packet]]\nid = \"01-net\"\nobjective = \"o\"\nscope = [\"crates/net/**\"]\nrun = '''\n{run}\n'''\n"
    )
}

struct Scene {
    repo: TestRepo,
    before: Fingerprint,
}

impl Scene {
    fn new() -> Self {
        let repo = TestRepo::small().in_use();
        let before = repo.fingerprint();
        Self { repo, before }
    }

    /// Runs a packet with this command in the sandbox; none where there is no sandbox.
    fn run(run: &str) -> Option<Self> {
        if available() == Kind::None {
            return None;
        }
        let scene = Self::new();
        std::fs::write(scene.repo.place().join("plan.toml"), plan(run)).unwrap();
        scene.dynwf().line("plan box --from ../plan.toml").success();
        scene.dynwf().line("run box");
        Some(scene)
    }

    fn dynwf(&self) -> Dynwf<'_> {
        Dynwf::new(&self.repo).env("DYNWF_CONFIG_SANDBOX__MODE", "bubblewrap")
    }

    /// What the packet's units printed.
    fn log(&self) -> String {
        self.dynwf().line("packet log box 01-net").success().stdout
    }

    fn status(&self) -> String {
        let status = self.dynwf().status("box");
        status["packets"][0]["status"].as_str().unwrap().to_owned()
    }
}

macro_rules! scene {
    ($run:expr) => {
        match Scene::run($run) {
            Some(scene) => scene,
            None => skip!("bubblewrap does not work here"),
        }
    };
}

#[test]
fn every_git_command_works_and_the_repository_stays_as_it_was() {
    let scene = scene!(
        "echo // a >> crates/net/src/lib.rs
git add -A && git commit -qm one && echo committed
echo // b >> crates/net/src/lib.rs
git stash -q && git stash pop -q && echo stashed
git branch other && git update-ref -d refs/heads/main && git gc -q && echo ruled
git config core.hooksPath /nowhere && git worktree add -q ../inner HEAD 2>/dev/null; echo configured"
    );
    let log = scene.log();
    for word in ["committed", "stashed", "ruled", "configured"] {
        assert!(log.contains(word), "{word}: {log}");
    }
    assert_eq!(scene.status(), "integrated");
    scene.before.assert_same(&scene.repo.fingerprint());
    let tip = scene
        .repo
        .git(["show", "dynwf/box/01-net:crates/net/src/lib.rs"]);
    assert!(
        tip.ends_with("// a\n// b") || tip.contains("// a\n// b"),
        "{tip}"
    );
}

#[test]
fn what_lies_outside_the_workspace_cannot_be_written() {
    let scene = scene!(
        "common=${DYNWF_PROMPT_FILE%%/dynwf/w/*}
echo evil > \"${common%/.git}/README.md\" # into an empty folder of its own, if anywhere: the fingerprint tells
for f in \"$common/config\" \"$common/hooks/x\" \"$common/refs/heads/main\" /etc/evil \"$DYNWF_PROMPT_FILE/../../ctl/status\"; do
  (echo evil > \"$f\") 2>/dev/null && test -d \"$common\" && echo WROTE $f
done
(echo evil > .git) 2>/dev/null && echo WROTE .git
rm -rf .git 2>/dev/null; test -e .git && echo kept
ls \"$(dirname \"$DYNWF_PROMPT_FILE\")/..\"
echo // a >> crates/net/src/lib.rs"
    );
    let log = scene.log();
    assert!(!log.contains("WROTE"), "{log}");
    assert!(log.contains("kept") && !log.contains("ctl"), "{log}");
    assert_eq!(scene.status(), "integrated");
    scene.before.assert_same(&scene.repo.fingerprint());
}

#[test]
fn secrets_of_the_person_cannot_be_read() {
    need_bubblewrap!();
    let scene = Scene::new();
    let home = scene.repo.place().home();
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    std::fs::write(home.join(".ssh/id"), "PRIVATE").unwrap();
    std::fs::create_dir_all(home.join(".cargo")).unwrap();
    std::fs::write(home.join(".cargo/credentials.toml"), "TOKEN").unwrap();
    let run = "cat ~/.ssh/id ~/.cargo/credentials.toml 2>&1; env; echo \"sock=$SSH_AUTH_SOCK\"\necho // a >> crates/net/src/lib.rs";
    std::fs::write(scene.repo.place().join("plan.toml"), plan(run)).unwrap();
    scene.dynwf().line("plan box --from ../plan.toml").success();
    scene
        .dynwf()
        .env("SSH_AUTH_SOCK", "/tmp/agent.sock")
        .env("MY_SECRET", "HIDDEN")
        .line("run box");
    let log = scene.log();
    for secret in ["PRIVATE", "TOKEN", "HIDDEN", "agent.sock"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert_eq!(scene.status(), "integrated");
}

#[test]
fn processes_of_the_machine_are_out_of_reach_and_daemons_die() {
    let scene = scene!(
        "setsid sh -c 'echo $$ > alive; exec sleep 1000' &
until [ -s alive ]; do :; done
mv alive crates/net/alive
ls /proc | grep -c '^[0-9]'
(echo hi > /dev/tty) 2>/dev/null && echo TTY
kill -9 -1 2>/dev/null; echo survived"
    );
    let log = scene.log();
    assert!(!log.contains("TTY"), "{log}");
    let seen: u32 = log
        .lines()
        .find_map(|line| line.trim().parse().ok())
        .unwrap_or(0);
    assert!(seen < 20, "only its own processes: {log}");
    assert!(["integrated", "failed", "waiting"].contains(&scene.status().as_str()));
}

#[test]
fn a_stash_is_not_lost() {
    let scene = scene!(
        "echo // a >> crates/net/src/lib.rs; echo // kept > crates/net/new.rs; git add -A; git stash -q
echo // b >> crates/net/src/lib.rs"
    );
    assert_eq!(scene.status(), "integrated");
    let refs = scene
        .repo
        .git(["for-each-ref", "--format=%(refname)", "refs/dynwf/rescue"]);
    let name = refs
        .lines()
        .find(|name| name.ends_with("-git"))
        .expect("a rescue ref");
    let shown = scene
        .repo
        .git(["show", &format!("{name}:crates/net/new.rs")]);
    assert!(shown.contains("// kept"), "{shown}");
}
