//! Resetting in place, and conflicts laid out for a person.

use std::fs;

use super::{Fixture, sh, try_sh, work};
use crate::model::id::CommitId;
use crate::model::path::RepoPath;
use crate::workspace::{Resolution, open_conflict, reset, resolution};

/// Two commits that conflict in one text file, and where one side deletes what the other changes.
fn two_sides(fixture: &Fixture) -> (CommitId, CommitId) {
    let ids = sh(
        &fixture.root,
        "git checkout -q -b ours; echo ours >src/one.txt; git rm -q docs/doc.txt; git commit -qam ours
         git checkout -q -b packet main; echo theirs >src/one.txt; echo more >docs/doc.txt; echo n >new
         git add -A; git commit -qm theirs; git checkout -q main; git rev-parse ours packet",
    );
    let (ours, theirs) = ids.split_once('\n').expect("two ids");
    (ours.parse().expect("id"), theirs.parse().expect("id"))
}

fn conflicted() -> [RepoPath; 2] {
    [
        RepoPath::from("src/one.txt"),
        RepoPath::from("docs/doc.txt"),
    ]
}

#[test]
fn a_reset_keeps_ignored_files_and_nothing_else() {
    let fixture = Fixture::new();
    let workspace = fixture.detached("demo.integration");
    let there = work(&workspace);
    let (ours, _) = two_sides(&fixture);
    sh(
        there,
        "mkdir ignored; echo cache >ignored/c; echo x >untracked; git init -q nested; echo edit >run.sh; rm link
         rm .git; git init -q .",
    );
    let index_lock = std::path::Path::new(&workspace.admin).join("index.lock");
    fs::write(index_lock, "").expect("written");
    for _ in 0..2 {
        reset(&fixture.git, &workspace, &ours).expect("reset");
        assert_eq!(
            sh(there, "git status --porcelain; git rev-parse HEAD"),
            ours.as_str()
        );
        assert_eq!(
            sh(there, "cat ignored/c src/one.txt run.sh"),
            "cache\nours\nx"
        );
        assert!(!there.join("untracked").exists() && !there.join("nested").exists());
        assert!(!there.join("docs").exists());
    }
    reset(&fixture.git, &workspace, &fixture.base()).expect("reset");
    assert_eq!(
        sh(
            there,
            "git status --porcelain; cat src/one.txt docs/doc.txt"
        ),
        "one\ndoc"
    );
}

#[test]
fn a_conflict_is_laid_out_and_its_resolution_taken() {
    let fixture = Fixture::new();
    let workspace = fixture.detached("demo.integration");
    let there = work(&workspace);
    let (ours, theirs) = two_sides(&fixture);
    sh(&fixture.root, "mkdir -p .git/hooks; printf '#!/bin/sh\\ntouch ran\\nexit 1\\n' >.git/hooks/pre-merge-commit
                       cp .git/hooks/pre-merge-commit .git/hooks/post-merge; chmod +x .git/hooks/*");
    open_conflict(&fixture.git, &workspace, &ours, &theirs, "packet", false).expect("laid out");
    assert_eq!(
        sh(there, "git rev-parse HEAD MERGE_HEAD"),
        format!("{ours}\n{theirs}")
    );
    let text = fs::read_to_string(there.join("src/one.txt")).expect("there");
    assert!(
        text.contains("<<<<<<< HEAD\nours\n") && text.contains(">>>>>>> packet"),
        "{text}"
    );
    let unresolved = |paths: &[&str]| {
        Resolution::Unresolved(paths.iter().map(|path| RepoPath::from(*path)).collect())
    };
    let ask = || resolution(&fixture.git, &workspace, &conflicted()).expect("looked");
    assert_eq!(ask(), unresolved(&["docs/doc.txt", "src/one.txt"]));

    fs::write(there.join("src/one.txt"), "both\n").expect("written");
    open_conflict(&fixture.git, &workspace, &ours, &theirs, "packet", false)
        .expect("still laid out");
    assert_eq!(
        ask(),
        unresolved(&["docs/doc.txt"]),
        "a person's work is not overwritten"
    );
    sh(there, "git rm -q docs/doc.txt");
    let Resolution::Tree { tree, .. } = ask() else {
        panic!("resolved")
    };
    let files = sh(
        &fixture.root,
        &format!("git ls-tree -r --name-only {tree}; git show {tree}:src/one.txt"),
    );
    assert!(
        files.contains("\nnew\n") && !files.contains("docs/doc.txt") && files.ends_with("both"),
        "{files}"
    );
    assert!(!there.join("ran").exists());
}

#[test]
fn a_person_may_have_committed_by_himself() {
    let fixture = Fixture::new();
    let workspace = fixture.detached("demo.integration");
    let there = work(&workspace);
    let (ours, theirs) = two_sides(&fixture);
    open_conflict(
        &fixture.git,
        &workspace,
        &ours,
        &theirs,
        "no such name",
        false,
    )
    .expect("laid out");
    let text = fs::read_to_string(there.join("src/one.txt")).expect("there");
    assert!(text.contains(&format!(">>>>>>> {theirs}")), "{text}");
    sh(there, "git add -A; git commit -qm 'with markers'");
    let Resolution::Unresolved(left) =
        resolution(&fixture.git, &workspace, &conflicted()).expect("looked")
    else {
        panic!("markers are left");
    };
    assert_eq!(left, [RepoPath::from("src/one.txt")]);
    sh(there, "echo both >src/one.txt; git commit -qam resolved");
    let Resolution::Tree { tree, .. } =
        resolution(&fixture.git, &workspace, &conflicted()).expect("looked")
    else {
        panic!("resolved");
    };
    assert_eq!(sh(there, "git rev-parse HEAD^{tree}"), tree.as_str());
    reset(&fixture.git, &workspace, &fixture.base()).expect("reset");
    assert!(
        resolution(&fixture.git, &workspace, &conflicted()).is_err(),
        "nothing is laid out any more"
    );
}

#[test]
fn a_text_about_conflicts_is_no_conflict() {
    let fixture = Fixture::new();
    let markers = "printf '<<<<<<< a\\n=======\\n>>>>>>> b\\n'";
    let ids = sh(
        &fixture.root,
        &format!(
            "git checkout -q -b ours; {{ echo ours; {markers}; }} >src/one.txt; git commit -qam ours
             git checkout -q -b packet main; echo theirs >src/one.txt; git commit -qam theirs
             git checkout -q main; git rev-parse ours packet"
        ),
    );
    let (ours, theirs) = ids.split_once('\n').expect("two ids");
    let workspace = fixture.detached("demo.integration");
    let (ours, theirs) = (ours.parse().expect("id"), theirs.parse().expect("id"));
    open_conflict(&fixture.git, &workspace, &ours, &theirs, "packet", false).expect("laid out");
    sh(
        work(&workspace),
        &format!("{{ echo both; {markers}; }} >src/one.txt; git add -A"),
    );
    let taken = resolution(&fixture.git, &workspace, &conflicted()[..1]).expect("looked");
    assert!(matches!(taken, Resolution::Tree { .. }), "{taken:?}");
}

#[test]
fn what_is_merged_already_is_no_conflict() {
    let fixture = Fixture::new();
    let workspace = fixture.detached("demo.integration");
    let base = fixture.base();
    assert!(open_conflict(&fixture.git, &workspace, &base, &base, "main", false).is_err());
    assert!(!try_sh(work(&workspace), "git rev-parse -q --verify MERGE_HEAD").0);
}
