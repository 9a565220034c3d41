//! Rescue and removal: nothing is lost, and nothing but the directory that was made is touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{BRANCH, Fixture, noon, sh, try_sh, work};
use crate::model::id::{RefName, Slug};
use crate::model::packet::Workspace;
use crate::model::unit::WorkspaceName;
use crate::workspace::{
    Caps, Rescued, admin_name, empty_trash, free_bytes, is_intact, read_only_facts, remove, rescue,
};

const RESCUE: &str = "refs/dynwf/rescue/demo/01-a/20260101T120000Z";

fn rescued(fixture: &Fixture, workspace: &Workspace) -> Option<Rescued> {
    let name: RefName = RESCUE.parse().expect("a ref name");
    let caps = Caps {
        file: 100,
        total: 150,
    };
    rescue(
        &fixture.git,
        workspace,
        &fixture.base(),
        &name,
        noon(),
        caps,
    )
    .expect("rescued")
}

#[test]
fn a_clean_workspace_needs_no_rescue() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    assert_eq!(rescued(&fixture, &workspace), None);
    fs::remove_dir_all(&workspace.path).expect("removed");
    assert_eq!(rescued(&fixture, &workspace), None);
}

#[test]
fn what_would_be_lost_is_on_a_ref_or_listed() {
    let fixture = Fixture::new();
    fs::write(fixture.root.join(".env"), "same\n").expect("written");
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        "echo 1 >src/one.txt; echo new >new; rm docs/doc.txt; echo same >.env; echo note >small.log
         head -c 101 /dev/zero >large.log; mkdir -p ignored/d target; echo i >ignored/d/i
         git init -q nested
         git -C nested -c user.name=T -c user.email=t@e commit -q --allow-empty -m own; echo lost >nested/lost; mkfifo pipe",
    );
    let before = sh(there, "git status --porcelain; git rev-parse HEAD");
    let rescue = rescued(&fixture, &workspace).expect("something");
    let commit = rescue.commit.clone().expect("a commit");
    let files = sh(
        &fixture.root,
        &format!("git ls-tree -r --name-only {RESCUE}"),
    );
    let kept = ".gitignore\nignored/d/i\nlink\nnested/lost\nnew\nrun.sh\nsmall.log\nsrc/deep/two.txt\n\
                src/one.txt";
    assert_eq!(files, kept, "the files of a repository inside too");
    assert_eq!(
        rescue.left_out,
        [
            "nested/.git: a repository inside the workspace",
            "pipe: a FIFO",
            "large.log: ignored, too large"
        ]
    );
    assert_eq!(
        sh(&fixture.root, &format!("git rev-parse {RESCUE}")),
        commit.as_str()
    );
    assert_eq!(
        sh(there, "git status --porcelain; git rev-parse HEAD"),
        before,
        "nothing else changed"
    );
    assert_eq!(
        rescued(&fixture, &workspace),
        Some(rescue),
        "again: the same"
    );
}

#[test]
fn commits_that_no_ref_of_ours_names_are_kept() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    sh(
        work(&workspace),
        "git checkout -q --detach; echo 1 >src/one.txt; git commit -qam own; git revert -n HEAD; git reset -q",
    );
    let own = sh(work(&workspace), "git rev-parse HEAD");
    fs::remove_dir_all(&workspace.path).expect("removed");
    let commit = rescued(&fixture, &workspace)
        .and_then(|rescue| rescue.commit)
        .expect("a commit");
    assert_eq!(sh(&fixture.root, &format!("git rev-parse {commit}^2")), own);
}

#[test]
fn a_workspace_that_git_forgot_is_rescued_all_the_same() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    fs::write(work(&workspace).join("new"), "x").expect("written");
    fs::remove_dir_all(&workspace.admin).expect("removed");
    assert!(!is_intact(&workspace));
    let commit = rescued(&fixture, &workspace)
        .and_then(|rescue| rescue.commit)
        .expect("a commit");
    assert_eq!(
        sh(
            &fixture.root,
            &format!("git diff-tree -r --name-only main {commit}")
        ),
        "new"
    );
    assert_eq!(
        sh(&fixture.root, "ls .git/dynwf | grep -c stage || true"),
        "0"
    );
    remove(&fixture.git, &workspace).expect("removed");
    assert!(!work(&workspace).exists());
}

#[test]
fn removal_takes_the_workspace_and_nothing_else() {
    let fixture = Fixture::new();
    // All but what the branch itself (made and removed by others) leaves.
    let look = "find .git -type d \\( -name objects -o -name dynwf -o -name refs \\) -prune -o -print | sort";
    let before = sh(&fixture.root, look);
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        &format!(
            "ln -s {} into; mkdir -p ro/deep; touch ro/deep/f; chmod 500 ro/deep ro .",
            fixture.root.display()
        ),
    );
    for _ in 0..2 {
        remove(&fixture.git, &workspace).expect("removed");
        assert!(!there.exists() && !Path::new(&workspace.admin).exists());
    }
    assert!(
        there.parent().expect("a parent").join(".trash").exists(),
        "deleted later"
    );
    empty_trash(&fixture.git, there).expect("emptied");
    assert!(!fixture.dir.path().join("repo.dynwf").exists());
    assert!(fixture.root.join("src/one.txt").exists());
    assert_eq!(sh(&fixture.root, look), before);
    sh(&fixture.root, "git branch -q -D dynwf/demo/01-a");
    fixture.assert_healthy();
}

#[test]
fn what_was_swapped_in_is_not_removed() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let aside = fixture.dir.path().join("aside");
    fs::rename(&workspace.path, &aside).expect("renamed");
    symlink(&fixture.root, &workspace.path).expect("linked");
    assert!(remove(&fixture.git, &workspace).is_err());
    assert!(
        fs::symlink_metadata(&workspace.path)
            .expect("there")
            .is_symlink()
    );
    fs::remove_file(&workspace.path).expect("removed");
    fs::create_dir(&workspace.path).expect("made");
    assert!(remove(&fixture.git, &workspace).is_err(), "another inode");
    assert!(Path::new(&workspace.admin).exists() && aside.join("src/one.txt").exists());
    assert!(
        read_only_facts(&workspace)
            .trouble
            .expect("trouble")
            .contains("not the directory")
    );
    let foreign = Workspace {
        admin: fixture.root.join(".git/refs").display().to_string(),
        ..workspace.clone()
    };
    fs::remove_dir(&workspace.path).expect("removed");
    assert!(
        remove(&fixture.git, &foreign).is_err(),
        "only a folder of worktrees"
    );
    fs::rename(&aside, &workspace.path).expect("renamed");
    remove(&fixture.git, &workspace).expect("removed");
}

#[test]
fn the_name_of_another_worktree_is_not_taken_away() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    fs::remove_dir_all(&workspace.path).expect("removed");
    fs::remove_dir_all(&workspace.admin).expect("removed");
    sh(
        &fixture.root,
        &format!("git worktree add -q ../other/demo.01-a {BRANCH} --detach"),
    );
    assert!(Path::new(&workspace.admin).exists());
    remove(&fixture.git, &workspace).expect("nothing to do");
    assert!(try_sh(&fixture.dir.path().join("other/demo.01-a"), "git status").0);
}

#[test]
fn paths_come_from_the_template_or_beside_the_repository() {
    let fixture = Fixture::with("my repo", "git init -q -b main .");
    let slug: Slug = "demo".parse().expect("a slug");
    let packet = WorkspaceName::Packet("01-a".parse().expect("an id"));
    let state = PathBuf::from("/nowhere/state");
    let above = fixture.root.parent().expect("a parent").to_path_buf();
    let ask = |template: Option<&str>, attempt| {
        crate::workspace::sites(&fixture.git, template, &state, &slug)
            .map(|sites| PathBuf::from(sites.path(&packet, attempt)))
    };
    assert_eq!(
        ask(None, 1).expect("a path"),
        above.join("my repo.dynwf/demo/01-a")
    );
    assert_eq!(
        ask(None, 2).expect("a path"),
        above.join("my repo.dynwf/demo/01-a.a2")
    );
    assert_eq!(
        ask(Some("../w/{slug}-{packet}"), 1).expect("a path"),
        above.join("w/demo-01-a")
    );
    assert_eq!(
        ask(Some("/x/{repo}/{packet}"), 1).expect("a path"),
        Path::new("/x/my repo/01-a")
    );
    for bad in ["../w/{slug}", "{what}/{packet}", "{packet", ".git/{packet}"] {
        assert!(ask(Some(bad), 1).is_err(), "{bad}");
    }
    assert_eq!(
        admin_name(&slug, &WorkspaceName::Integration, 1),
        "demo.integration"
    );
    assert_eq!(admin_name(&slug, &packet, 2), "demo.01-a.a2");
    assert!(free_bytes(&above.join("not/there/yet")).expect("a figure") > 0);
}
