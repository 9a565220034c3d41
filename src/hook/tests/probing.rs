//! The proof that git reaches the hook.

use std::fs;

use super::{Repo, run};
use crate::git::Git;
use crate::hook::{fires, install};

/// Answers as `dynwf hook pre-push` does.
const ANSWERS: &str = "echo \"dynwf answers the probe $DYNWF_HOOK_PROBE\" >&2; exit 1";

/// What is missing from the main and from a linked worktree.
fn missing(repo: &Repo) -> Vec<Option<String>> {
    let fired = fires(&repo.git).expect("the probe is made");
    assert_eq!(fired.len(), 2, "{fired:?}");
    fired.into_iter().map(|fired| fired.missing).collect()
}

#[test]
fn an_installed_hook_answers_from_everywhere_and_nothing_changes() {
    let repo = Repo::new();
    install(&repo.git, &repo.program(ANSWERS)).expect("is installed");
    let refs = run(&repo.top(), &["for-each-ref"]);
    assert_eq!(missing(&repo), [None, None]);
    assert_eq!(run(&repo.top(), &["for-each-ref"]), refs);
    assert_eq!(
        run(&repo.top(), &["worktree", "list", "--porcelain"])
            .matches("worktree ")
            .count(),
        1
    );
    assert!(!repo.git.common_dir().join("worktrees").exists());
}

#[test]
fn a_hook_that_is_not_there_is_missed() {
    let repo = Repo::new();
    for missing in missing(&repo) {
        assert!(missing.is_some_and(|why| why.contains("without asking")));
    }
}

#[test]
fn a_relative_path_is_missed_from_a_linked_worktree() {
    let repo = Repo::new();
    run(&repo.top(), &["config", "core.hooksPath", ".hooks"]);
    install(&repo.git, &repo.program(ANSWERS)).expect("is installed");
    let [main, linked] = &missing(&repo)[..] else {
        panic!("two answers");
    };
    assert_eq!(*main, None);
    assert!(
        linked
            .as_ref()
            .is_some_and(|why| why.contains("without asking")),
        "{linked:?}"
    );
}

#[test]
fn another_hook_in_the_way_is_told_apart_from_ours() {
    let repo = Repo::new();
    super::write_script(&repo.hook(), "#!/bin/sh\nexit 1\n");
    for missing in missing(&repo) {
        assert!(missing.is_some_and(|why| why.contains("before dynwf was asked")));
    }
}

#[test]
fn the_hook_from_before_is_not_run_by_the_probe() {
    let repo = Repo::new();
    let mark = repo.dir.path().join("ran");
    super::write_script(
        &repo.hook(),
        &format!("#!/bin/sh\ntouch '{}'\n", mark.display()),
    );
    install(&repo.git, &repo.program(ANSWERS)).expect("is installed");
    assert_eq!(missing(&repo), [None, None]);
    assert!(!mark.exists());
}

#[test]
fn setting_the_probes_variable_lets_nothing_through() {
    let repo = Repo::new();
    install(&repo.git, &repo.program("exit 0")).expect("is installed");
    let seen = missing(&repo);
    assert!(
        seen[0]
            .as_ref()
            .is_some_and(|why| why.contains("before dynwf was asked")),
        "{seen:?}"
    );
}

#[test]
fn without_a_commit_there_is_nothing_to_probe_with() {
    let dir = tempfile::TempDir::new().expect("a temporary folder");
    run(dir.path(), &["init", "-q", "."]);
    let git = Git::discover(dir.path()).expect("is found");
    assert_eq!(fires(&git).expect("asks"), []);
    assert_eq!(
        fs::read_dir(git.common_dir().join("refs/heads"))
            .expect("lists")
            .count(),
        0
    );
}
