//! Collecting: what counts, what is refused by name, and what an agent can do to git's state meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::{BRANCH, Fixture, refusals, sh, work};
use crate::workspace::{Outcome, settle};

#[test]
fn every_kind_of_edit_is_collected_and_no_ref_moves() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    assert_eq!(fixture.collect(&workspace).outcome, Outcome::Nothing);
    sh(
        there,
        "echo 1 >src/one.txt; rm docs/doc.txt; chmod -x run.sh; rm link; ln -s docs link
         mkdir -p new/deeper ignored; echo n >new/deeper/n; echo i >ignored/i; echo l >new/x.log
         echo g >':(glob)*'; echo d >-x; printf 'a' >'line
break'; rm -r src/deep; echo file >src/deep",
    );
    fs::write(there.join(OsStr::from_bytes(b"bad\xff")), "b").expect("written");
    let collection = fixture.collect(&workspace);
    let wanted = "A -x\nA :(glob)*\nA \"bad\\377\"\nD docs/doc.txt\nA \"line\\nbreak\"\nM link\nA new/deeper/n\n\
                  M run.sh\nA src/deep\nD src/deep/two.txt\nM src/one.txt";
    assert_eq!(fixture.changes(&collection), wanted);
    assert_eq!(collection.notes, Vec::<String>::new());
    assert_eq!(collection.found_branch, Some(fixture.base()));
    assert_eq!(
        sh(&fixture.root, &format!("git rev-parse {BRANCH}")),
        fixture.base().as_str()
    );
    assert_eq!(
        fixture.collect(&workspace).outcome,
        collection.outcome,
        "again: the same commit"
    );
}

#[test]
fn the_tree_is_the_one_that_git_add_makes() {
    let fixture = Fixture::new();
    sh(
        &fixture.root,
        "git config core.autocrlf input
         printf '*.up filter=up\\n*.crlf text eol=crlf\\n' >.gitattributes; git config filter.up.clean 'tr A-Z a-z'
         git add -A; git commit -qm attributes",
    );
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        "printf 'A\\r\\nB\\r\\n' >a.crlf; echo LOUD >b.up; printf 'x\\r\\n' >c.txt; mv src/one.txt src/ONE.txt",
    );
    let Outcome::Work { tree, .. } = fixture.collect(&workspace).outcome else {
        panic!("work");
    };
    assert_eq!(sh(there, "git add -A && git write-tree"), tree.as_str());
}

#[test]
fn an_edit_of_the_same_size_in_the_same_moment_is_seen() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    for round in 0..8 {
        fs::write(work(&workspace).join("src/one.txt"), format!("on{round}\n")).expect("written");
        let collection = fixture.collect(&workspace);
        assert_eq!(
            fixture.changes(&collection),
            "M src/one.txt",
            "round {round}"
        );
        let Outcome::Work { tip, .. } = &collection.outcome else {
            unreachable!()
        };
        assert_eq!(
            sh(&fixture.root, &format!("git show {tip}:src/one.txt")),
            format!("on{round}")
        );
        sh(&fixture.root, &format!("git update-ref {BRANCH} {tip}"));
        settle(&fixture.git, &workspace).expect("settled");
    }
}

#[test]
fn after_settling_the_workspace_is_clean() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(there, "echo 1 >src/one.txt; echo new >new; rm docs/doc.txt");
    let Outcome::Work { tip, .. } = fixture.collect(&workspace).outcome else {
        panic!("work");
    };
    assert_ne!(sh(there, "git status --porcelain"), "");
    sh(&fixture.root, &format!("git update-ref {BRANCH} {tip}"));
    for _ in 0..2 {
        settle(&fixture.git, &workspace).expect("settled");
        assert_eq!(sh(there, "git status --porcelain"), "");
    }
    sh(there, "echo 2 >src/one.txt");
    let second = fixture.collect(&workspace);
    assert_eq!(
        fixture.changes(&second),
        "D docs/doc.txt\nA new\nM src/one.txt",
        "against the base"
    );
}

#[test]
fn what_git_would_skip_or_choke_on_is_refused_by_name() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    let table = [
        (
            "git init -q nested",
            "rm -rf nested",
            "nested/.git: a repository inside the workspace",
        ),
        (
            "mkdir n; echo 'gitdir: /nowhere' >n/.git",
            "rm -r n",
            "n/.git: a repository inside the workspace",
        ),
        (
            "mkdir src/.GIT",
            "rmdir src/.GIT",
            "src/.GIT: a name that git takes for .git",
        ),
        (
            "echo x >'git~1'",
            "rm 'git~1'",
            "git~1: a name that git takes for .git",
        ),
        ("mkfifo pipe", "rm pipe", "pipe: a FIFO"),
        (
            "rm run.sh; mkfifo run.sh",
            "rm run.sh; git checkout -q run.sh",
            "run.sh: a FIFO",
        ),
        (
            "ln -s /etc out",
            "rm out",
            "out: a symbolic link to an absolute path",
        ),
        (
            "rm -r docs; ln -s ../.. docs",
            "rm docs; git checkout -q docs",
            "docs: a symbolic link that leads out of the workspace",
        ),
        (
            "ln -s .git/config peek",
            "rm peek",
            "peek: a symbolic link into a .git directory",
        ),
    ];
    for (doing, undoing, wanted) in table {
        sh(there, doing);
        assert_eq!(refusals(&fixture.collect(&workspace)), [wanted], "{doing}");
        sh(there, undoing);
        assert_eq!(
            fixture.collect(&workspace).outcome,
            Outcome::Nothing,
            "{undoing}"
        );
    }
}

#[test]
fn ignored_and_unchanged_oddities_are_no_news() {
    let fixture = Fixture::new();
    sh(
        &fixture.root,
        "ln -s /etc/hostname host; git add host; git commit -qm absolute",
    );
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        "mkdir -p ignored/a; git init -q ignored/repo; mkfifo ignored/pipe x.log; ln -s /etc ignored/a/out; touch new",
    );
    assert_eq!(fixture.changes(&fixture.collect(&workspace)), "A new");
    sh(there, "rm host; ln -s /etc/passwd host");
    assert_eq!(
        refusals(&fixture.collect(&workspace)),
        ["host: a symbolic link to an absolute path"]
    );
}

#[test]
fn an_agent_that_commits_by_itself_is_collected_all_the_same() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        "echo 1 >src/one.txt; git commit -qam own; echo more >more",
    );
    let own = sh(there, "git rev-parse HEAD");
    let collection = fixture.collect(&workspace);
    assert_eq!(fixture.changes(&collection), "A more\nM src/one.txt");
    assert_eq!(
        collection.found_branch.as_ref().map(AsRef::as_ref),
        Some(own.as_str())
    );
    assert!(
        collection.notes[0].contains("commits were made"),
        "{:?}",
        collection.notes
    );
    let Outcome::Work { tip, .. } = &collection.outcome else {
        unreachable!()
    };
    assert_eq!(
        sh(&fixture.root, &format!("git rev-parse {tip}^")),
        fixture.base().as_str()
    );

    sh(
        there,
        "git checkout -q -b elsewhere; echo 3 >three; git add -A; git commit -qm there",
    );
    let collection = fixture.collect(&workspace);
    assert_eq!(
        fixture.changes(&collection),
        "A more\nM src/one.txt\nA three"
    );
    assert_eq!(collection.found_branch.map(String::from), Some(own));
    assert!(
        collection
            .notes
            .iter()
            .any(|note| note.contains("left on elsewhere")),
        "{:?}",
        collection.notes
    );
    let Outcome::Work { tip, .. } = &collection.outcome else {
        unreachable!()
    };
    sh(&fixture.root, &format!("git update-ref {BRANCH} {tip}"));
    settle(&fixture.git, &workspace).expect("settled");
    assert_eq!(
        sh(there, "git symbolic-ref HEAD; git status --porcelain"),
        BRANCH
    );
}

#[test]
fn flags_and_damage_in_the_agents_index_hide_nothing() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(there, "git update-index --assume-unchanged src/one.txt; git update-index --skip-worktree docs/doc.txt
               echo 1 >src/one.txt; rm docs/doc.txt");
    assert_eq!(
        fixture.changes(&fixture.collect(&workspace)),
        "D docs/doc.txt\nM src/one.txt"
    );
    let index = std::path::Path::new(&workspace.admin).join("index");
    fs::write(&index, "garbage").expect("written");
    fs::write(index.with_extension("lock"), "").expect("written");
    let collection = fixture.collect(&workspace);
    assert_eq!(
        fixture.changes(&collection),
        "D docs/doc.txt\nM src/one.txt"
    );
    let Outcome::Work { tip, .. } = collection.outcome else {
        unreachable!()
    };
    sh(&fixture.root, &format!("git update-ref {BRANCH} {tip}"));
    settle(&fixture.git, &workspace).expect("settled");
    assert_eq!(sh(there, "git add -A; git status --porcelain"), "");
}

#[test]
fn a_replaced_dot_git_is_neither_obeyed_nor_kept() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        "rm .git; git init -q .; echo 1 >src/one.txt; git add -A; git config core.fsmonitor 'touch ran'",
    );
    let collection = fixture.collect(&workspace);
    assert_eq!(fixture.changes(&collection), "M src/one.txt");
    assert!(
        collection.notes[0].contains(".git was replaced"),
        "{:?}",
        collection.notes
    );
    let Outcome::Work { tip, .. } = collection.outcome else {
        unreachable!()
    };
    sh(&fixture.root, &format!("git update-ref {BRANCH} {tip}"));
    settle(&fixture.git, &workspace).expect("settled");
    assert_eq!(
        sh(there, "git symbolic-ref HEAD; git status --porcelain"),
        BRANCH
    );
    assert!(!there.join("ran").exists());
}

#[test]
fn a_deleted_worktree_is_stated() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    fs::remove_dir_all(&workspace.path).expect("removed");
    let why = refusals(&fixture.collect(&workspace));
    assert!(why[0].contains("directory is gone"), "{why:?}");
    fs::create_dir(&workspace.path).expect("made");
    fs::rename(&workspace.path, fixture.dir.path().join("x")).expect("renamed");
    std::os::unix::fs::symlink(&fixture.root, &workspace.path).expect("linked");
    assert!(refusals(&fixture.collect(&workspace))[0].contains("another one"));
}

#[test]
fn a_worktree_that_the_agent_removed_is_stated() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    sh(
        &fixture.root,
        &format!("git worktree remove -f -f '{}'", workspace.path),
    );
    let why = refusals(&fixture.collect(&workspace));
    assert!(why[0].contains("taken apart"), "{why:?}");
}

#[test]
fn a_sparse_checkout_set_up_by_the_agent_deletes_nothing() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(there, "git sparse-checkout set src; ! test -e docs");
    assert!(refusals(&fixture.collect(&workspace))[0].contains("sparse"));
    sh(there, "git sparse-checkout disable; test -e docs");
    assert_eq!(fixture.collect(&workspace).outcome, Outcome::Nothing);
}

#[test]
fn an_unfinished_merge_is_told_and_forgotten() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let there = work(&workspace);
    sh(
        there,
        "git checkout -q --detach; echo a >src/one.txt; git commit -qam a; other=$(git rev-parse HEAD)
         git checkout -q dynwf/demo/01-a; echo b >src/one.txt; git commit -qam b; git merge $other || true",
    );
    let collection = fixture.collect(&workspace);
    assert!(
        collection
            .notes
            .iter()
            .any(|note| note.contains("a merge was left")),
        "{:?}",
        collection.notes
    );
    let Outcome::Work { tip, .. } = collection.outcome else {
        panic!("work")
    };
    sh(&fixture.root, &format!("git update-ref {BRANCH} {tip}"));
    settle(&fixture.git, &workspace).expect("settled");
    assert_eq!(sh(there, "git status --porcelain"), "");
    assert!(
        !std::path::Path::new(&workspace.admin)
            .join("MERGE_HEAD")
            .exists()
    );
}

#[test]
fn big_trees_walked_by_two_threads_give_the_same() {
    let fixture = Fixture::new();
    sh(
        &fixture.root,
        "for d in $(seq 600); do mkdir -p big/$((d % 7))/$d; echo $d >big/$((d % 7))/$d/f; done
         git add -A; git commit -qm big",
    );
    let workspace = fixture.workspace();
    assert_eq!(fixture.collect(&workspace).outcome, Outcome::Nothing);
    sh(
        work(&workspace),
        "echo x >big/3/10/f; rm -r big/0; touch big/5/new",
    );
    let changes = fixture.changes(&fixture.collect(&workspace));
    assert_eq!(
        changes
            .lines()
            .filter(|line| line.starts_with("D big/0/"))
            .count(),
        85
    );
    assert!(changes.contains("M big/3/10/f") && changes.contains("A big/5/new"));
}
