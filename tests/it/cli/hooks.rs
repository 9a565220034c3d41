//! `dynwf init`, `dynwf hooks`, and what git's hook does.

use super::landed;
use crate::support::{Dynwf, TestRepo};

#[test]
fn init_writes_what_it_says_and_nothing_else() {
    let repo = TestRepo::small();
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("init").success();
    let paths: Vec<&str> = said.stdout.lines().collect();
    let wrote = |name: &str| format!("wrote {}", repo.join(name).display());
    assert_eq!(
        paths,
        [wrote("dynwf.toml"), wrote(".git/info/exclude")],
        "{said}"
    );
    let new = ["file dynwf.toml"];
    before
        .without(&new)
        .assert_same(&repo.fingerprint().without(&new));
    assert!(repo.read(".git/info/exclude").contains("/.workflow/*"));
    // Comments only: it changes nothing.
    let settings = dynwf.line("doctor --settings --json").success().json();
    let settings = settings["settings"].as_array().expect("a list");
    // The harness sets one, by a variable.
    let set: Vec<_> = settings
        .iter()
        .filter(|setting| setting["origin"] != "default")
        .map(|setting| &setting["key"])
        .collect();
    assert_eq!(set, ["sandbox.mode"]);
    let mine = "[limits]\nminutes = 7\n";
    repo.write("dynwf.toml", mine);
    let said = dynwf.line("init").success();
    assert_eq!(said.stdout, "", "{said}");
    assert_eq!(repo.read("dynwf.toml"), mine);
    dynwf
        .line("doctor --settings")
        .success()
        .says("limits.minutes = 7  (dynwf.toml:2");
}

#[test]
fn every_setting_that_init_names_is_one() {
    let repo = TestRepo::small();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("init").success();
    let text = repo.read("dynwf.toml");
    let mut shown = 0;
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => {
                shown += 1;
                rest.to_owned()
            }
            _ => line.to_owned(),
        })
        .collect();
    assert!(shown > 20, "{text}");
    repo.write("dynwf.toml", &lines.join("\n"));
    dynwf.line("doctor --settings").success();
    repo.write(
        "dynwf.toml",
        &lines.join("\n").replace("silence =", "silense ="),
    );
    dynwf
        .line("doctor --settings")
        .expect_code(2)
        .complains("silence");
}

#[test]
fn a_bare_repository_has_no_place_for_settings() {
    let repo = TestRepo::small().with_remote();
    Dynwf::at(repo.place(), &repo.remote_path())
        .line("init")
        .expect_code(2)
        .complains("bare");
}

#[test]
fn the_hook_is_installed_proved_and_taken_away() {
    let repo = TestRepo::small();
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("hooks status").success().says("not installed");
    dynwf
        .line("init --hooks")
        .success()
        .says(".git/hooks/pre-push");
    let state = dynwf.line("hooks status --json").success().json();
    assert_eq!(state["state"], "installed");
    let probes = state["probes"].as_array().expect("a list");
    assert!(
        !probes.is_empty() && probes.iter().all(|probe| probe["fires"] == true),
        "{state}"
    );
    dynwf
        .line("hooks status")
        .success()
        .says("fires from the main worktree");
    dynwf
        .line("doctor")
        .success()
        .says("fires from a linked worktree");
    repo.git(["config", "core.hooksPath", "/nowhere"]);
    let said = dynwf.line("hooks status");
    assert_ne!(said.code(), 0, "{said}");
    repo.git(["config", "--unset", "core.hooksPath"]);
    dynwf.line("hooks uninstall").success();
    dynwf.line("hooks uninstall").success();
    let new = ["file dynwf.toml"];
    before
        .without(&new)
        .assert_same(&repo.fingerprint().without(&new));
}

#[test]
fn git_pushes_the_work_of_a_workflow_only_once_it_is_approved() {
    let repo = TestRepo::small().with_remote();
    let dynwf = landed(&repo);
    dynwf.line("hooks install").success();
    let there = || repo.remote_git(["rev-parse", "main"]);
    let base = there();
    let said = repo.try_git(["push", "origin", "main"]);
    assert_ne!(said.code(), 0, "{said}");
    assert!(said.stderr.contains("not approved"), "{said}");
    assert_eq!(there(), base);
    // What is the person's own goes through.
    repo.git(["push", "-q", "origin", &format!("{base}:refs/heads/mine")]);
    dynwf.line("push lines").expect_code(3);
    dynwf.line("approve lines push:origin --yes").success();
    dynwf.line("push lines").success();
    assert_eq!(there(), repo.git(["rev-parse", "main"]));
}

#[test]
fn a_hook_that_cannot_decide_refuses() {
    let repo = TestRepo::small().with_remote();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("hooks install").success();
    repo.write("dynwf.toml", "[nothing]\n");
    let said = repo.try_git(["push", "origin", "main:refs/heads/other"]);
    assert_ne!(said.code(), 0, "{said}");
    assert!(said.stderr.contains("could not decide"), "{said}");
    std::fs::remove_file(repo.join("dynwf.toml")).unwrap();
    repo.git(["push", "-q", "origin", "main:refs/heads/other"]);
    // Called by hand with lines that git does not write, or nowhere near a repository.
    let mut command = dynwf.command(["hook", "pre-push", "origin", "x"]);
    command.stdin(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"one two three\n").unwrap();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    Dynwf::at(repo.place(), &repo.place().path())
        .line("hook pre-push origin x")
        .expect_code(1)
        .complains("could not decide");
    dynwf.line("hook pre-push").expect_code(2);
}
