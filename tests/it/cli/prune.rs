//! `dynwf prune`.

use super::waiting;
use crate::support::{Dynwf, TestRepo};

#[test]
fn what_is_in_use_is_no_case() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    repo.git(["worktree", "add", "-q", "../mine"]);
    let said = dynwf
        .line("prune --dry-run")
        .success()
        .complains("nothing is left behind");
    assert_eq!(said.stdout, "", "{said}");
    let document = dynwf.line("prune --json").success().json();
    assert_eq!(document["cases"], serde_json::json!([]));
}

#[test]
fn worktrees_that_no_workflow_knows_are_rescued_and_removed() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    repo.git(["worktree", "add", "-q", "../mine"]);
    let folder = repo.place().join("repo.dynwf/lines/03-core");
    std::fs::write(folder.join("unsaved.txt"), "precious\n").unwrap();
    std::fs::remove_dir_all(repo.common_dir().join("dynwf/w/lines")).unwrap();
    let before = repo.fingerprint();
    let said = dynwf.line("prune --dry-run").success();
    assert!(
        said.stdout.contains(&folder.display().to_string()),
        "{said}"
    );
    assert!(said.stdout.contains("there is no workflow lines"), "{said}");
    assert!(folder.exists(), "a dry run removes nothing");
    dynwf.line("prune").expect_code(2).complains("--yes");
    assert!(folder.exists());
    dynwf.line("prune --yes").success();
    assert!(!repo.place().join("repo.dynwf").exists());
    let worktrees = repo.git(["worktree", "list", "--porcelain"]);
    assert_eq!(worktrees.matches("worktree ").count(), 2, "{worktrees}");
    before.assert_same(&repo.fingerprint());
    let list = dynwf.line("rescue --json").success().json();
    let rescued = list["rescued"].as_array().expect("a list");
    let ours = rescued
        .iter()
        .find(|one| one["packet"] == "03-core")
        .expect("was rescued");
    let name = ours["ref"].as_str().expect("a ref");
    assert_eq!(
        repo.git(["show", &format!("{name}:unsaved.txt")]),
        "precious"
    );
    dynwf
        .line("prune")
        .success()
        .complains("nothing is left behind");
}

#[test]
fn what_killed_runs_left_goes_and_a_folder_that_was_replaced_stays() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let common = repo.common_dir().join("dynwf");
    // A staging folder of a process that is long gone, trash, and the mark of a git process that has ended.
    let stage = common.join("stage.lines.09-x~4000000000-0");
    std::fs::create_dir_all(&stage).unwrap();
    let trash = common.join("trash/lines.08-y");
    std::fs::create_dir_all(&trash).unwrap();
    // One of this very process is in use.
    let live = common.join(format!("stage.lines.07-z~{}-0", std::process::id()));
    std::fs::create_dir(&live).unwrap();
    let said = dynwf.line("prune -n").success();
    for text in ["half-made worktree", "was killed", "trash"] {
        assert!(said.stdout.contains(text), "{text}\n{said}");
    }
    dynwf.line("doctor").success().says("dynwf prune");
    dynwf.line("prune --yes").success();
    assert!(!stage.exists() && !trash.exists() && live.exists());
    std::fs::remove_dir(&live).unwrap();
    // An abandoned worktree whose folder is somebody else's now.
    let folder = repo.place().join("repo.dynwf/lines/03-core");
    // Moved, not removed: a new folder could get the old one's inode.
    std::fs::rename(&folder, repo.place().join("elsewhere")).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("theirs"), "theirs\n").unwrap();
    std::fs::remove_dir_all(common.join("w/lines")).unwrap();
    let said = dynwf.line("prune --yes").expect_code(1);
    assert!(said.stderr.contains("stays"), "{said}");
    assert!(folder.join("theirs").exists());
}

#[test]
fn nowhere_near_a_repository_it_says_so() {
    let repo = TestRepo::small();
    Dynwf::at(repo.place(), &repo.place().path())
        .line("prune")
        .expect_code(2);
}
