//! Which worktrees use a branch.

use super::{Sample, name, on_every_kind};
use crate::git::{Git, Use};

fn uses(git: &Git, branch: &str) -> Vec<(String, Use)> {
    git.branch_uses(&name(branch))
        .expect("reads")
        .into_iter()
        .map(|found| {
            let top = found.work_tree.file_name().expect("has a name");
            (top.to_string_lossy().into_owned(), found.how)
        })
        .collect()
}

#[test]
fn a_branch_in_use_anywhere_is_found() {
    on_every_kind(|sample| {
        sample.write("f", "1\n");
        sample.commit("base");
        let main = sample
            .top
            .file_name()
            .expect("named")
            .to_string_lossy()
            .into_owned();
        let linked = sample.top.with_file_name("linked");
        sample.git(&[
            "worktree",
            "add",
            "-q",
            "-b",
            "side",
            linked.to_str().expect("text"),
        ]);
        let git = sample.door();
        assert_eq!(
            uses(&git, "refs/heads/main"),
            [(main.clone(), Use::CheckedOut)]
        );
        assert_eq!(
            uses(&git, "refs/heads/side"),
            [("linked".to_owned(), Use::CheckedOut)]
        );
        assert_eq!(uses(&git, "refs/heads/none"), []);

        // A rebase that stops at a conflict detaches HEAD and still holds the branch.
        std::fs::write(linked.join("f"), "side\n").expect("writes");
        sample.git_in(&linked, &["commit", "-q", "-a", "-m", "side"]);
        sample.write("f", "main\n");
        sample.commit("main");
        for backend in ["--merge", "--apply"] {
            assert!(
                !sample
                    .raw(&linked, &["rebase", "-q", backend, "main"])
                    .status
                    .success()
            );
            assert_eq!(
                uses(&git, "refs/heads/side"),
                [("linked".to_owned(), Use::Rebase)]
            );
            sample.git_in(&linked, &["rebase", "--abort"]);
        }

        sample.git(&["bisect", "start", "HEAD", "HEAD~1"]);
        sample.git(&["checkout", "-q", "--detach"]);
        assert_eq!(uses(&git, "refs/heads/main"), [(main, Use::Bisect)]);
    });
}

#[test]
fn the_head_of_a_bare_repository_is_no_checkout() {
    let sample = Sample::new();
    sample.commit("one");
    let bare = sample.top.with_file_name("bare.git");
    sample.git(&["clone", "-q", "--bare", ".", bare.to_str().expect("text")]);
    let git = Git::discover(&bare).expect("opens");
    assert_eq!(uses(&git, "refs/heads/main"), []);
}
