//! Repositories and machines where a workflow cannot go on: each is refused with a reason and a way out, and
//! nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{
    CommandOutput, Dynwf, Place, TestRepo, assert_packet, line_in, plan_of, skip, wait_until_gone,
};

fn two() -> String {
    plan_of(&[("net", &line_in("net")), ("db", &line_in("db"))])
}

/// Up to the gate for landing, and through it.
#[track_caller]
fn to_landing(dynwf: &Dynwf<'_>) {
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
}

#[test]
fn outside_a_repository_every_verb_says_so() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    for line in [
        "plan x --from plan.toml",
        "run x",
        "status",
        "gates",
        "land x",
        "packet next x",
    ] {
        dynwf
            .line(line)
            .expect_code(2)
            .complains("there is no git repository at or above")
            .complains("hint: ");
    }
    dynwf.line("plan --schema").success().says("\"$schema\"");
}

#[test]
fn a_repository_without_a_commit_is_refused() {
    let repo = TestRepo::unborn();
    for base in ["", "base = \"main\"\n"] {
        let plan = two().replace("base = \"main\"\n", base);
        repo.try_plan(&plan).expect_code(2).complains("hint: ");
        assert!(!repo.join(".workflow").exists());
    }
    repo.try_plan(&two().replace("base = \"main\"\n", ""))
        .complains("the repository has no commit yet");
}

#[test]
fn an_orphan_branch_is_a_branch_without_a_commit() {
    let repo = TestRepo::small();
    repo.git(["checkout", "-q", "--orphan", "fresh"]);
    // The plan names base and target: HEAD does not matter.
    let repo = repo.planned(&two());
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    to_landing(&dynwf);
    dynwf.line("land lines").success();
    let main = ["ref refs/heads/main"];
    before
        .without(&main)
        .assert_same(&repo.fingerprint().without(&main));
}

#[test]
fn in_a_bare_repository_a_worktree_is_asked_for() {
    let repo = TestRepo::small().with_remote();
    let bare = repo.remote_path();
    let dynwf = Dynwf::at(repo.place(), &bare);
    fs::write(repo.place().join("plan.toml"), two()).expect("the plan can be written");
    dynwf
        .line("plan lines --from ../plan.toml")
        .expect_code(2)
        .complains("is a bare repository")
        .complains("git worktree add");
    dynwf.line("status").success();
    assert!(!bare.join("dynwf/w").exists());
}

#[test]
fn a_target_that_is_checked_out_elsewhere_moves_there_with_its_edits() {
    let repo = TestRepo::small();
    repo.git(["checkout", "-q", "-b", "my-work"]);
    let other = repo.place().join("other place");
    repo.git([
        "worktree",
        "add",
        "-q",
        &other.display().to_string(),
        "main",
    ]);
    fs::write(other.join("README.md"), "mine\n").expect("it can be edited");
    let repo = repo.planned(&two());
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    to_landing(&dynwf);
    // In the way of the landing: refused, with git's reason, and nothing is overwritten.
    fs::write(other.join("crates/db/src/lib.rs"), "mine\n").expect("it can be edited");
    let main = repo.git(["rev-parse", "main"]);
    dynwf
        .line("land lines")
        .expect_code(1)
        .complains("is checked out in")
        .complains("crates/db/src/lib.rs");
    assert_eq!(repo.git(["rev-parse", "main"]), main);
    let text = fs::read_to_string(other.join("crates/db/src/lib.rs"));
    assert_eq!(text.expect("it is there"), "mine\n");
    repo.git_in(&other, ["checkout", "-q", "crates"]).success();
    // The approval was for this very move, and is not spent.
    dynwf.line("land lines").success();
    let text = fs::read_to_string(other.join("crates/db/src/lib.rs"));
    assert!(text.expect("it is there").ends_with("// db\n"));
    let said = repo.git_in(&other, ["status", "--porcelain"]).success();
    assert_eq!(said.stdout, " M README.md\n");
    let main = ["ref refs/heads/main"];
    before
        .without(&main)
        .assert_same(&repo.fingerprint().without(&main));
}

#[test]
fn a_target_that_a_rebase_or_bisect_holds_is_not_moved() {
    let repo = TestRepo::small();
    repo.write("README.md", "one\n");
    repo.commit("one");
    repo.write("README.md", "two\n");
    repo.commit("two");
    let repo = repo.planned(&two());
    let dynwf = Dynwf::new(&repo);
    to_landing(&dynwf);
    let main = repo.git(["rev-parse", "main"]);
    let editor = "GIT_SEQUENCE_EDITOR=sed -i s/^pick/edit/";
    let (name, value) = editor.split_once('=').expect("both");
    let mut rebase = repo.place().command("git");
    rebase
        .args(["rebase", "-q", "-i", "HEAD~1"])
        .env(name, value)
        .current_dir(repo.path());
    assert!(rebase.output().expect("git runs").status.success());
    dynwf
        .line("land lines")
        .expect_code(1)
        .complains("held by a rebase");
    assert_eq!(repo.git(["rev-parse", "main"]), main);
    repo.git(["rebase", "--abort"]);
    repo.git(["bisect", "start", "-q", "HEAD", "HEAD~2"]);
    dynwf
        .line("land lines")
        .expect_code(1)
        .complains("held by a bisect");
    assert_eq!(repo.git(["rev-parse", "main"]), main);
    repo.git(["bisect", "reset"]);
    dynwf.line("land lines").success();
    assert_eq!(repo.git(["status", "--porcelain"]), "");
}

#[test]
fn branch_names_that_are_taken_are_refused_with_the_way_out() {
    for (branch, why) in [
        ("dynwf", "a branch is called `dynwf`"),
        ("dynwf/lines", "the branch dynwf/lines exists already"),
        (
            "dynwf/lines/net",
            "the branch dynwf/lines/net exists already",
        ),
        (
            "dynwf/lines/integration",
            "the branch dynwf/lines/integration exists already",
        ),
    ] {
        let repo = TestRepo::small().in_use().planned(&two());
        repo.git(["branch", branch]);
        let before = repo.fingerprint();
        let refs = repo.git(["for-each-ref"]);
        let dynwf = Dynwf::new(&repo);
        for verb in ["split", "run"] {
            dynwf
                .line(&format!("{verb} lines"))
                .expect_code(2)
                .complains(why)
                .complains(&format!("git branch -m {branch} "));
        }
        assert_eq!(repo.git(["for-each-ref"]), refs);
        before.assert_same(&repo.fingerprint());
        repo.git(["branch", "-m", branch, "mine"]);
        dynwf.line("run lines").expect_code(3);
    }
}

#[test]
fn a_branch_that_takes_a_name_in_mid_run_fails_that_packet_alone() {
    let repo = TestRepo::small().in_use().planned(&format!(
        "{}after = [\"db\"]\n",
        plan_of(&[("db", &line_in("db")), ("net", &line_in("net"))])
    ));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("split lines").success();
    repo.git(["branch", "dynwf/lines/net", "main"]);
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "integrated", "");
    assert_packet(&status, "net", "failed", "dynwf/lines/net");
    assert_eq!(repo.resolve("dynwf/lines/net"), repo.resolve("main"));
    repo.git(["branch", "-m", "dynwf/lines/net", "mine"]);
    dynwf.line("packet retry lines net").success();
    dynwf.line("run lines").expect_code(3);
    assert_packet(&dynwf.status("lines"), "net", "integrated", "");
}

/// Goes on until the workflow waits for its landing, and compares with how it looks undisturbed.
#[track_caller]
fn assert_goes_on(repo: &TestRepo) {
    let dynwf = Dynwf::new(repo);
    dynwf.line("run lines").expect_code(3);
    for id in ["net", "db"] {
        assert_packet(&dynwf.status("lines"), id, "integrated", "");
        let file = format!("dynwf/lines/integration:crates/{id}/src/lib.rs");
        assert!(repo.git(["show", &file]).ends_with(&format!("// {id}")));
    }
    repo.git(["fsck", "--strict"]);
}

#[test]
fn a_disk_that_is_full_for_the_journal_stops_the_run_and_loses_nothing() {
    for pass in [1, 2, 3, 5, 8, 13] {
        let repo = TestRepo::small().in_use().planned(&two());
        let before = repo.fingerprint();
        let said = Dynwf::new(&repo)
            .env("DYNWF_FAIL_AT", format!("journal:{pass}"))
            .line("run lines");
        assert!(said.code() != 0 && said.code() != 3, "pass {pass}: {said}");
        said.complains("journal.jsonl")
            .complains("hint: mend what keeps the file from growing");
        assert_goes_on(&repo);
        before.assert_same(&repo.fingerprint());
    }
}

#[test]
fn a_disk_that_is_full_for_units_stops_the_run_and_loses_nothing() {
    for pass in [1, 2, 3] {
        let repo = TestRepo::small().in_use().planned(&two());
        let before = repo.fingerprint();
        let said = Dynwf::new(&repo)
            .env("DYNWF_FAIL_AT", format!("file:{pass}"))
            .line("run lines");
        assert!(said.code() != 0, "pass {pass}: {said}");
        let dynwf = Dynwf::new(&repo);
        for packet in dynwf.status("lines")["packets"]
            .as_array()
            .expect("packets")
        {
            if packet["status"] == "failed" {
                let id = packet["id"].as_str().expect("an id");
                dynwf.line(&format!("packet retry lines {id}")).success();
            }
        }
        assert_goes_on(&repo);
        before.assert_same(&repo.fingerprint());
    }
}

#[test]
fn a_disk_that_is_really_full_stops_the_run_and_loses_nothing() {
    let repo = TestRepo::small().in_use();
    // Only the packets' workspaces lie on the small disk.
    let disk = repo.place().join("repo.dynwf");
    fs::create_dir(&disk).expect("the folder can be made");
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk);
    if !mount.output().is_ok_and(|output| output.status.success()) {
        skip!("a file system can be mounted by root only");
    }
    let _mounted = Mounted(&disk);
    repo.place()
        .user_config("[workspace]\nmin_free_gb = 0\n[sandbox]\nmode = \"none\"\n");
    let fat = "head -c 1000000 /dev/zero > crates/net/big || exit 7";
    let plan = plan_of(&[("net", fat), ("db", &line_in("db"))]);
    let repo = repo.planned(&plan);
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("run lines");
    assert!(matches!(said.code(), 1 | 3), "{said}");
    assert_packet(&dynwf.status("lines"), "net", "failed", "");
    repo.git(["fsck", "--strict"]);
    before.assert_same(&repo.fingerprint());
}

/// Unmounts when the test ends.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).output());
    }
}

#[test]
fn too_little_room_for_workspaces_is_said_before_anything_is_made() {
    let repo = TestRepo::small().in_use();
    repo.place()
        .user_config("[workspace]\nmin_free_gb = 4000000\n");
    let repo = repo.planned(&two());
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(1);
    assert_packet(&dynwf.status("lines"), "net", "failed", "min_free_gb");
    before.assert_same(&repo.fingerprint());
}

/// Runs dynwf as somebody who is not root: root may write anywhere.
fn as_nobody(repo: &TestRepo, line: &str) -> Option<CommandOutput> {
    let is_root = rustix::process::geteuid().is_root();
    let binary = env!("CARGO_BIN_EXE_dynwf");
    let mut command = repo
        .place()
        .command(if is_root { "setpriv" } else { binary });
    if is_root {
        let chown = Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(repo.place().path())
            .output();
        assert!(chown.is_ok_and(|output| output.status.success()));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", binary]);
    }
    command
        .args(line.split_whitespace())
        .current_dir(repo.path());
    let output = command.output().ok()?;
    let said = CommandOutput::new(format!("dynwf {line} (as nobody)"), &output);
    if said.stderr.contains("setpriv: ") {
        return None;
    }
    Some(said)
}

fn set_writable(folder: &Path, writable: bool) {
    let mode = if writable { 0o755 } else { 0o555 };
    let of = |mode| fs::Permissions::from_mode(mode);
    if writable {
        fs::set_permissions(folder, of(mode)).expect("it is ours");
    }
    for entry in fs::read_dir(folder).expect("it can be read").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            set_writable(&entry.path(), writable);
        }
    }
    fs::set_permissions(folder, of(mode)).expect("it is ours");
}

#[test]
fn a_read_only_repository_can_be_read_and_is_refused_for_everything_else() {
    let repo = TestRepo::small().planned(&two());
    set_writable(&repo.join(".git"), false);
    let Some(said) = as_nobody(&repo, "run lines") else {
        set_writable(&repo.join(".git"), true);
        skip!("no setpriv");
    };
    let code = said.code();
    let status = as_nobody(&repo, "status").expect("it ran before");
    set_writable(&repo.join(".git"), true);
    assert_eq!(code, 2, "{said}");
    said.complains(".git/dynwf")
        .complains("ermission denied")
        .complains("hint: ");
    status.success();
    let again = as_nobody(&repo, "run lines").expect("it ran before");
    assert_eq!(again.code(), 3, "{again}");
}

#[test]
fn a_second_dynwf_is_told_which_process_holds_the_workflow() {
    let repo = TestRepo::small().in_use();
    repo.place().user_config("[sandbox]\nmode = \"none\"\n");
    let agent = "exec fake-agent \"touch $HOME/is-there\" \"wait-for $HOME/go\"";
    let repo = repo.planned(&plan_of(&[("net", agent)]));
    let home = repo.place().home();
    let dynwf = Dynwf::new(&repo);
    let mut first = dynwf.spawn(["run", "lines"]);
    first.wait_for(&home.join("is-there"));
    let lock = repo.common_dir().join("dynwf/w/lines/lock");
    let lock = fs::read_to_string(lock).expect("the lock names its holder");
    let pid = lock.trim().trim_start_matches("pid ").to_owned();
    for verb in ["run", "split", "integrate", "verify", "land"] {
        dynwf
            .line(&format!("{verb} lines"))
            .expect_code(5)
            .complains(&format!("workflow lines is held by process {pid} (dynwf)"))
            .complains("dynwf stop lines");
    }
    // Reading needs no lock.
    dynwf.line("status lines").success();
    first.kill();
    wait_until_gone(pid.parse().expect("a number"));
    fs::write(home.join("go"), "").expect("the agent can be released");
    dynwf.line("run lines").success();
}
