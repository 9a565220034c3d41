//! The support itself: what it promises to the other tests.

use std::fs;

use crate::support::{CommandOutput, Dynwf, Place, TestRepo, skip, wait_until_gone};

fn agent(place: &Place, cwd: &std::path::Path, steps: &[&str]) -> CommandOutput {
    let output = place
        .command("fake-agent")
        .args(steps)
        .current_dir(cwd)
        .env("DYNWF_PACKET", "01-net")
        .output()
        .expect("the fake agent can be started");
    CommandOutput::new(format!("fake-agent {steps:?}"), &output)
}

#[test]
fn a_repository_of_each_shape_can_be_made() {
    for repo in [
        TestRepo::small().with_remote(),
        TestRepo::with_odd_name().detached(),
        TestRepo::small().in_use(),
        TestRepo::small().with_submodule(),
        TestRepo::small().with_filter(),
        TestRepo::small().with_relative_hooks(),
        TestRepo::small().sparse("crates/net"),
    ] {
        repo.git(["fsck", "--strict"]);
        assert!(repo.resolve("refs/heads/main").is_some());
        let linked = repo.linked_worktree("other");
        assert!(linked.join(".git").is_file());
    }
    assert!(TestRepo::unborn().resolve("HEAD").is_none());
}

#[test]
fn sha256_and_reftable_are_made_where_git_knows_them() {
    match TestRepo::sha256() {
        Ok(repo) => assert_eq!(repo.resolve("HEAD").expect("it has a commit").len(), 64),
        Err(said) => skip!("this git has no SHA-256 repositories: {}", said.stderr),
    }
    match TestRepo::reftable() {
        Ok(repo) => assert!(repo.common_dir().join("reftable").is_dir()),
        Err(said) => skip!("this git has no reftable: {}", said.stderr),
    }
}

#[test]
fn filters_keep_one_form_and_show_another() {
    let repo = TestRepo::small().with_filter();
    assert_eq!(
        repo.git(["cat-file", "-p", "HEAD:assets/model.big"]),
        "pointer heavy"
    );
    assert_eq!(repo.read("assets/model.big"), "heavy\n");
}

#[test]
fn a_fingerprint_sees_every_kind_of_change_and_no_reading() {
    let repo = TestRepo::small().in_use();
    let before = repo.fingerprint();
    repo.git(["--no-optional-locks", "status", "--short"]);
    repo.git(["update-ref", "refs/heads/dynwf/x/01-net", "HEAD"]);
    repo.write(".workflow/x/plan.toml", "goal = \"x\"\n");
    before.assert_same(&repo.fingerprint());

    let changes: [(&str, &dyn Fn()); 8] = [
        ("file README.md", &|| repo.write("README.md", "other\n")),
        ("file new/", &|| repo.write("new/file.txt", "")),
        ("index entries", &|| drop(repo.git(["add", "new/file.txt"]))),
        ("git config", &|| drop(repo.git(["config", "a.b", "c"]))),
        ("hook pre-commit: gone", &|| {
            fs::remove_file(repo.join(".git/hooks/pre-commit")).expect("it is there");
        }),
        ("git logs/refs/stash", &|| {
            drop(repo.git(["stash", "drop", "-q"]));
        }),
        ("ref refs/tags/v1: new", &|| drop(repo.git(["tag", "v1"]))),
        ("git HEAD", &|| {
            drop(repo.git(["symbolic-ref", "HEAD", "refs/heads/main"]));
        }),
    ];
    for (expected, change) in changes {
        let before = repo.fingerprint();
        change();
        let difference = before.difference(&repo.fingerprint());
        assert!(
            difference.contains(expected),
            "{expected} is not in:\n{difference}"
        );
    }
}

#[test]
fn the_fake_agent_follows_its_steps() {
    let repo = TestRepo::small();
    let place = repo.place();
    let note = place.join("env note");
    let said = agent(
        place,
        repo.path(),
        &[
            "say hello\\tthere",
            "warn careful",
            "json {\"type\":\"result\"}",
            "write \"a folder/x.txt\" one\\n",
            "append \"a folder/x.txt\" two\\n",
            "delete README.md",
            "symlink link.txt /etc/hostname",
            &format!("env {}", note.display()),
            "commit my own",
            "invalid-utf8",
            "print-bytes 3000",
            "exit 7",
            "say never",
        ],
    )
    .expect_code(7)
    .says("hello\tthere\n{\"type\":\"result\"}\n")
    .complains("careful");
    assert!(said.stdout.contains('\u{fffd}') && said.stdout.len() > 3000);
    assert!(!said.stdout.contains("never"));
    assert_eq!(repo.read("a folder/x.txt"), "one\ntwo\n");
    assert_eq!(
        repo.git(["log", "-1", "--format=%s %an"]),
        "my own Fake Agent"
    );
    assert!(repo.git(["status", "--porcelain"]).is_empty());
    let noted = fs::read_to_string(note).expect("the note is there");
    assert_eq!(noted, "DYNWF_PACKET=01-net\n");
}

#[test]
fn the_fake_agent_can_do_harm_and_says_when_its_script_is_wrong() {
    let repo = TestRepo::small();
    let place = repo.place();
    let linked = repo.linked_worktree("victim");
    agent(place, &linked, &["nested-repo sub", "replace-git"]).success();
    assert!(linked.join(".git").is_dir() && linked.join("sub/.git").is_dir());
    let outside = place.join("outside.txt");
    agent(
        place,
        &linked,
        &[
            &format!("outside \"{}\" x", outside.display()),
            "outside /proc/none/x x",
            "delete-worktree",
        ],
    )
    .success()
    .says(": written")
    .says("outside /proc/none/x: ");
    assert!(outside.is_file() && !linked.exists());
    agent(place, repo.path(), &["delete nothing"])
        .expect_code(99)
        .complains("step `delete nothing`");
    agent(place, repo.path(), &["dance"])
        .expect_code(99)
        .complains("`dance` is no step");
}

#[test]
fn a_daemon_of_the_fake_agent_lives_until_it_is_killed() {
    let place = Place::new();
    let note = place.join("daemon.pid");
    // stdout is null: the daemon holds what the agent had.
    let status = place
        .command("fake-agent")
        .arg(format!("fork-daemon {}", note.display()))
        .stdout(std::process::Stdio::null())
        .status()
        .expect("the fake agent can be started");
    assert!(status.success());
    let text = fs::read_to_string(&note).expect("the pid is there");
    let pid: i32 = text.trim().parse().expect("a number");
    let process = rustix::process::Pid::from_raw(pid).expect("no process has the id 0");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("it lives");
    wait_until_gone(pid.unsigned_abs());
}

#[test]
fn the_binary_sees_no_more_of_the_machine_than_the_place_shows() {
    let repo = TestRepo::small();
    let calls = Dynwf::new(&repo).env("EXTRA", "1");
    let command = calls.command(["status"]);
    let names: Vec<_> = command
        .get_envs()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    assert!(names.contains(&"EXTRA".to_owned()) && names.contains(&"HOME".to_owned()));
    assert!(
        !names
            .iter()
            .any(|name| name == "GIT_DIR" || name == "CLAUDECODE")
    );
}
