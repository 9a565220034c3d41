//! Creation: what is made, in which repositories, and what a kill leaves.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::{BRANCH, Fixture, refusals, sh, try_sh, work};
use crate::workspace::make::{Site, Step};
use crate::workspace::{
    Head, MakeSpec, SparseSpec, copy_included, is_intact, make, read_only_facts, settle,
};

#[test]
fn a_workspace_is_an_ordinary_locked_worktree() {
    let fixture = Fixture::new();
    let hooks = fixture.root.join(".git/hooks");
    fs::create_dir_all(&hooks).expect("made");
    fs::write(
        hooks.join("post-checkout"),
        "#!/bin/sh\ntouch \"$GIT_DIR/ran\"\n",
    )
    .expect("written");
    sh(&fixture.root, "chmod +x .git/hooks/post-checkout");
    let workspace = fixture.workspace();
    let there = work(&workspace);
    assert_eq!(sh(there, "git status --porcelain"), "");
    assert_eq!(sh(there, "git symbolic-ref HEAD"), BRANCH);
    assert_eq!(
        sh(there, "cat src/one.txt link run.sh; test -x run.sh"),
        "one\none\nx"
    );
    let list = sh(&fixture.root, "git worktree list --porcelain");
    assert!(
        list.contains(&format!("worktree {}", workspace.path)),
        "{list}"
    );
    assert!(
        list.contains("locked dynwf: the workspace demo.01-a"),
        "{list}"
    );
    assert!(
        !try_sh(&fixture.root, "git branch -D dynwf/demo/01-a").0,
        "the branch is protected"
    );
    let (_, found) = try_sh(&fixture.root, "find . -name ran");
    assert_eq!(found, "", "no hook runs");
    assert_eq!(
        fs::read_dir(fixture.git.common_dir().join("dynwf"))
            .expect("there")
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("stage"))
            })
            .count(),
        0
    );
    assert!(is_intact(&workspace));
    assert_eq!(read_only_facts(&workspace).head.as_deref(), Some(BRANCH));
    fixture.assert_healthy();
}

#[test]
fn making_it_again_gives_the_same_and_touches_nothing() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    fs::write(work(&workspace).join("new"), "work").expect("written");
    assert_eq!(
        make(&fixture.git, &fixture.spec()).expect("recognised"),
        workspace
    );
    assert!(work(&workspace).join("new").exists());
    let other = MakeSpec {
        path: fixture.dir.path().join("elsewhere"),
        ..fixture.spec()
    };
    assert!(make(&fixture.git, &other).is_err(), "the name is taken");
    assert!(!other.path.exists());
    let next = sh(
        &fixture.root,
        "git commit -q --allow-empty -m next; git rev-parse HEAD",
    );
    let later = MakeSpec {
        commit: next.parse().expect("an id"),
        ..fixture.spec()
    };
    assert!(
        make(&fixture.git, &later).is_err(),
        "it holds another commit"
    );
}

#[test]
fn what_lies_in_the_way_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    let spec = fixture.spec();
    fs::create_dir_all(&spec.path).expect("made");
    fs::write(spec.path.join("precious"), "mine").expect("written");
    let error = make(&fixture.git, &spec).expect_err("refused");
    assert!(format!("{error:#}").contains("exists already"), "{error:#}");
    assert!(crate::error::hint_of(&error).is_some());
    assert_eq!(
        fs::read_to_string(spec.path.join("precious")).expect("there"),
        "mine"
    );
    assert!(!fixture.root.join(".git/worktrees/demo.01-a").exists());
    let moved = MakeSpec {
        path: fixture.dir.path().join("free"),
        commit: sh(
            &fixture.root,
            "git commit -q --allow-empty -m next; git rev-parse HEAD",
        )
        .parse()
        .expect("id"),
        ..spec
    };
    assert!(
        make(&fixture.git, &moved).is_err(),
        "the branch is elsewhere"
    );
    assert!(!moved.path.exists(), "a failed creation is cleared away");
}

#[test]
fn every_stop_on_the_way_is_healthy_and_mended() {
    let steps = [
        Step::Staged,
        Step::DirectoryMade,
        Step::Recorded,
        Step::Described("commondir"),
        Step::Described("gitdir"),
        Step::Described("HEAD"),
        Step::Described("locked"),
        Step::Filled,
        Step::Seeded,
        Step::Linked,
        Step::Published,
        Step::Finished,
    ];
    let fixture = Fixture::new();
    for (n, stop) in steps.into_iter().enumerate() {
        let spec = MakeSpec {
            admin_name: format!("demo.p{n}"),
            path: fixture.dir.path().join(format!("w/p{n}")),
            ..fixture.spec()
        };
        let site = Site::new(&fixture.git, &spec).expect("a site");
        let mut reached = false;
        let stopped = site.make(&mut |step| {
            reached |= step == stop;
            if step == stop {
                Err(anyhow::anyhow!("killed"))
            } else {
                Ok(())
            }
        });
        assert!(reached && stopped.is_err(), "{stop:?}");
        fixture.assert_healthy();
        let published = matches!(stop, Step::Published | Step::Finished);
        let admin = fixture.root.join(format!(".git/worktrees/demo.p{n}"));
        assert_eq!(admin.exists(), published, "{stop:?}");
        let workspace = make(&fixture.git, &spec).expect("made the second time");
        assert!(is_intact(&workspace), "{stop:?}");
        assert_eq!(
            sh(
                work(&workspace),
                "git status --porcelain; git rev-parse HEAD"
            ),
            fixture.base().as_str()
        );
        fixture.assert_healthy();
        let left = sh(&fixture.root, "ls .git/dynwf | grep -c stage || true");
        assert_eq!(left, "0", "{stop:?}");
    }
    assert!(!fixture.dir.path().join("w/.trash").exists());
}

#[test]
fn a_half_made_directory_that_was_replaced_is_left_alone() {
    let fixture = Fixture::new();
    let spec = fixture.spec();
    let site = Site::new(&fixture.git, &spec).expect("a site");
    let stopped = site.make(&mut |step| {
        if step == Step::Filled {
            Err(anyhow::anyhow!("killed"))
        } else {
            Ok(())
        }
    });
    assert!(stopped.is_err());
    fs::rename(&spec.path, fixture.dir.path().join("aside")).expect("renamed");
    fs::create_dir(&spec.path).expect("made");
    fs::write(spec.path.join("precious"), "mine").expect("written");
    assert!(make(&fixture.git, &spec).is_err(), "the place is taken");
    assert_eq!(
        fs::read_to_string(spec.path.join("precious")).expect("there"),
        "mine"
    );
}

#[test]
fn odd_paths_and_shapes_work() {
    for name in ["with space", "quo\"te'$HOME", "new\nline", "trailing "] {
        let fixture = Fixture::with(name, "git init -q -b main .");
        let workspace = fixture.workspace();
        assert_eq!(sh(work(&workspace), "git status --porcelain"), "", "{name}");
        fixture.assert_healthy();
        assert_eq!(sh(&fixture.root, "git worktree prune -n -v"), "", "{name}");
    }
    let fixture = Fixture::with(
        "repo",
        "git init -q -b main --separate-git-dir ../real.git .",
    );
    let workspace = fixture.workspace();
    fs::write(work(&workspace).join("new"), "x").expect("written");
    assert_eq!(fixture.changes(&fixture.collect(&workspace)), "A new");
}

#[test]
fn sha256_works() {
    let fixture = Fixture::with("repo", "git init -q -b main --object-format=sha256 .");
    let workspace = fixture.workspace();
    fs::write(work(&workspace).join("src/one.txt"), "changed").expect("written");
    assert_eq!(
        fixture.changes(&fixture.collect(&workspace)),
        "M src/one.txt"
    );
    fixture.assert_healthy();
}

#[test]
fn reftable_works_where_git_has_it() {
    let probe = tempfile::tempdir().expect("temporary directory");
    if !try_sh(probe.path(), "git init -q --ref-format=reftable .").0 {
        return;
    }
    let fixture = Fixture::with("repo", "git init -q -b main --ref-format=reftable .");
    let workspace = fixture.workspace();
    assert_eq!(sh(work(&workspace), "git symbolic-ref HEAD"), BRANCH);
    fs::write(work(&workspace).join("src/one.txt"), "changed").expect("written");
    assert_eq!(
        fixture.changes(&fixture.collect(&workspace)),
        "M src/one.txt"
    );
    let detached = fixture.detached("demo.integration");
    sh(&fixture.root, "git commit -q --allow-empty -m next");
    let next = fixture.base();
    crate::workspace::reset(&fixture.git, &detached, &next).expect("reset");
    assert_eq!(sh(work(&detached), "git rev-parse HEAD"), next.as_str());
    fixture.assert_healthy();
}

#[test]
fn a_shared_repository_stays_shared() {
    let fixture = Fixture::with("repo", "umask 077; git init -q -b main --shared=group .");
    let workspace = fixture.workspace();
    let mode = |name: &str| {
        let path = std::path::Path::new(&workspace.admin).join(name);
        fs::metadata(path).expect("there").mode() & 0o7777
    };
    assert_eq!(mode("") & 0o2070, 0o2070);
    for name in ["commondir", "gitdir", "HEAD", "locked"] {
        assert_eq!(mode(name) & 0o060, 0o060, "{name}");
    }
}

#[test]
fn filters_run_once_at_creation_and_not_for_what_nobody_edited() {
    let fixture = Fixture::new();
    sh(
        &fixture.root,
        "git config filter.count.smudge 'tr a-z A-Z'
         git config filter.count.clean \"echo %f >>$PWD/../cleaned; tr A-Z a-z\"
         echo '*.txt filter=count' >.gitattributes; git add -A; git commit -qm attributes",
    );
    let workspace = fixture.workspace();
    assert_eq!(sh(work(&workspace), "cat src/one.txt"), "ONE");
    sh(&fixture.root, "rm -f ../cleaned");
    sh(
        work(&workspace),
        "echo NEW >docs/new.txt; git status --porcelain",
    );
    let collection = fixture.collect(&workspace);
    assert_eq!(fixture.changes(&collection), "A docs/new.txt");
    assert_eq!(sh(&fixture.root, "sort -u ../cleaned"), "docs/new.txt");
}

#[test]
fn a_sparse_workspace_collects_inside_and_outside_its_cone() {
    let fixture = Fixture::new();
    let spec = MakeSpec {
        sparse: Some(SparseSpec::directories(["src/deep"])),
        ..fixture.spec()
    };
    let config = fs::read(fixture.root.join(".git/config")).expect("there");
    let workspace = make(&fixture.git, &spec).expect("made");
    let there = work(&workspace);
    assert!(there.join("src/deep/two.txt").exists() && there.join("src/one.txt").exists());
    assert!(!there.join("docs").exists(), "outside of the cone");
    assert_eq!(
        fs::read(fixture.root.join(".git/config")).expect("there"),
        config
    );
    let nothing = fixture.collect(&workspace);
    assert_eq!(nothing.outcome, crate::workspace::Outcome::Nothing);
    sh(
        there,
        "echo 2 >src/deep/two.txt; rm src/one.txt; mkdir -p docs other; echo doc2 >docs/doc.txt; echo n >other/new",
    );
    let collection = fixture.collect(&workspace);
    assert_eq!(
        fixture.changes(&collection),
        "M docs/doc.txt\nA other/new\nM src/deep/two.txt\nD src/one.txt"
    );
    settle(&fixture.git, &workspace).expect("settled");
}

#[test]
fn a_detached_workspace_stands_on_its_commit() {
    let fixture = Fixture::new();
    let spec = MakeSpec {
        head: Head::Detached,
        ..fixture.spec()
    };
    let workspace = make(&fixture.git, &spec).expect("made");
    assert!(!try_sh(work(&workspace), "git symbolic-ref -q HEAD").0);
    assert_eq!(
        sh(work(&workspace), "git rev-parse HEAD"),
        fixture.base().as_str()
    );
}

#[test]
fn a_submodule_is_an_empty_directory_and_guarded() {
    let fixture = Fixture::new();
    sh(
        &fixture.root,
        "git init -q -b main ../lib; git -C ../lib config user.name T; git -C ../lib config user.email t@e
         git -C ../lib commit -q --allow-empty -m lib
         git -c protocol.file.allow=always submodule -q add ../lib vendor/lib; git commit -qm submodule",
    );
    let workspace = fixture.workspace();
    let there = work(&workspace);
    assert_eq!(
        fs::read_dir(there.join("vendor/lib"))
            .expect("there")
            .count(),
        0
    );
    assert_eq!(
        fixture.collect(&workspace).outcome,
        crate::workspace::Outcome::Nothing
    );
    sh(there, "echo x >vendor/lib/file");
    assert_eq!(
        refusals(&fixture.collect(&workspace)),
        ["vendor/lib: files in the directory of a submodule"]
    );
    sh(there, "rm vendor/lib/file; git init -q vendor/lib");
    assert_eq!(refusals(&fixture.collect(&workspace)).len(), 1);
    sh(there, "rm -rf vendor/lib");
    assert_eq!(
        refusals(&fixture.collect(&workspace)),
        ["vendor/lib: the directory of a submodule is gone"]
    );
    sh(there, "ln -s ../src vendor/lib");
    assert_eq!(refusals(&fixture.collect(&workspace)).len(), 1);
    sh(
        there,
        "rm vendor/lib; git -c protocol.file.allow=always submodule -q update --init vendor/lib; echo x >new",
    );
    let collection = fixture.collect(&workspace);
    assert_eq!(fixture.changes(&collection), "A new");
    assert!(
        collection.notes[0].contains("submodule vendor/lib"),
        "{:?}",
        collection.notes
    );
}

#[test]
fn included_files_are_copied_and_not_collected() {
    let fixture = Fixture::new();
    sh(
        &fixture.root,
        "printf '.env\\nignored/keep/\\nlink.log\\nbad.log\\nplain\\n' >.worktreeinclude
         git add -A; git commit -qm include
         echo secret >.env; mkdir -p ignored/keep ignored/not; echo k >ignored/keep/k; echo n >ignored/not/n
         ln -s .env link.log; ln -s /etc/passwd bad.log; echo p >plain",
    );
    let workspace = fixture.workspace();
    let there = work(&workspace);
    for _ in 0..2 {
        let notes = copy_included(&fixture.git, &fixture.root, &workspace).expect("copied");
        assert_eq!(
            sh(there, "cat .env ignored/keep/k link.log"),
            "secret\nk\nsecret"
        );
        assert!(!there.join("ignored/not").exists());
        assert!(
            !there.join("plain").exists() && fs::symlink_metadata(there.join("bad.log")).is_err()
        );
        assert_eq!(notes.len(), 2, "{notes:?}");
    }
    sh(there, "echo mine >.env");
    copy_included(&fixture.git, &fixture.root, &workspace).expect("copied");
    assert_eq!(sh(there, "cat .env"), "mine");
    assert_eq!(
        fixture.collect(&workspace).outcome,
        crate::workspace::Outcome::Nothing
    );
}
