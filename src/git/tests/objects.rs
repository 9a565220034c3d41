//! Commits, trees, blobs and differences.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Sample, on_every_kind};
use crate::error::{ExitCode, code_of};
use crate::git::{CommitSpec, Git};
use crate::model::hex::hex;
use crate::model::id::{CommitId, TreeId};

fn spec(git: &Git, parent: &CommitId) -> CommitSpec {
    CommitSpec {
        tree: git.tree_of(parent).expect("has a tree"),
        parents: vec![parent.clone()],
        message: "subject\n\nbody ü\n\nDynwf-Packet: 01-a".to_owned(),
        at: Timestamp::from_second(1_700_000_001).expect("a time"),
    }
}

#[test]
fn revisions_resolve_as_git_resolves_them() {
    on_every_kind(|sample| {
        let git = sample.door();
        assert_eq!(git.resolve("HEAD").expect("reads"), None, "unborn");
        assert_eq!(
            git.head_branch().expect("reads").expect("named").short(),
            "main"
        );
        let one = sample.commit("one");
        let two = sample.commit("two");
        sample.git(&["tag", "-a", "-m", "note", "v1", one.as_str()]);
        for rev in [
            "HEAD~1",
            "v1",
            "main^",
            one.as_str(),
            "main@{1}",
            "refs/tags/v1",
            ":/one",
        ] {
            assert_eq!(git.resolve(rev).expect("reads"), Some(one.clone()), "{rev}");
        }
        for rev in [
            "nothing",
            "",
            "-x",
            "HEAD:file",
            &"0".repeat(one.as_str().len()),
        ] {
            assert_eq!(git.resolve(rev).expect("reads"), None, "{rev}");
        }
        assert_eq!(
            git.parents_of(&two).expect("reads"),
            std::slice::from_ref(&one)
        );
        sample.git(&["checkout", "-q", "--detach"]);
        assert_eq!(git.head_branch().expect("reads"), None);
        assert!(git.is_ancestor(&one, &two).expect("reads"));
        assert!(!git.is_ancestor(&two, &one).expect("reads"));
        assert_eq!(git.merge_base(&one, &two).expect("reads"), Some(one));
        sample.git(&["checkout", "-q", "--orphan", "other"]);
        let other = sample.commit("other");
        assert_eq!(git.merge_base(&two, &other).expect("reads"), None);
    });
}

#[test]
fn a_commit_is_the_one_that_git_would_make_and_the_same_each_time() {
    on_every_kind(|sample| {
        let one = sample.commit("one");
        let git = sample.door();
        let spec = spec(&git, &one);
        let made = git.commit(&spec).expect("commits");
        assert_eq!(git.commit(&spec).expect("commits"), made);
        assert_eq!(sample.door().commit(&spec).expect("commits"), made);
        assert_eq!(
            sample.git(&[
                "log",
                "-1",
                "--format=%an <%ae>|%cn|%at|%ct|%P|%T",
                made.as_str()
            ]),
            format!(
                "A U Thor <author@example.com>|A U Thor|1700000001|1700000001|{one}|{}",
                spec.tree
            )
        );
        assert_eq!(
            git.message_of(&made).expect("reads"),
            format!("{}\n", spec.message)
        );
        assert_eq!(git.ident().expect("known"), "A U Thor <author@example.com>");
        sample.git(&["fsck", "--strict"]);

        sample.git(&["config", "format.signOff", "true"]);
        let signed = sample.door().commit(&spec).expect("commits");
        assert_eq!(
            sample
                .git(&["log", "-1", "--format=%(trailers)", signed.as_str()])
                .trim(),
            "Dynwf-Packet: 01-a\nSigned-off-by: A U Thor <author@example.com>"
        );
    });
}

#[test]
fn commit_gpgsign_is_obeyed() {
    let sample = Sample::new();
    let one = sample.commit("one");
    let signer = sample.top.join("signer");
    std::fs::write(
        &signer,
        "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\necho MARK\n",
    )
    .expect("writes");
    std::fs::set_permissions(&signer, std::fs::Permissions::from_mode(0o755)).expect("sets");
    sample.git(&["config", "commit.gpgsign", "true"]);
    sample.git(&["config", "gpg.program", signer.to_str().expect("text")]);
    let git = sample.door();
    let made = git.commit(&spec(&git, &one)).expect("commits");
    let raw = sample.git(&["cat-file", "commit", made.as_str()]);
    assert!(raw.contains("gpgsig MARK"), "{raw}");
    assert_eq!(git.parents_of(&made).expect("reads"), [one]);
}

#[test]
fn without_a_person_there_is_a_usage_error() {
    let sample = Sample::new();
    let one = sample.commit("one");
    sample.git(&["config", "user.name", ""]);
    let git = sample.door();
    // An environment that names the person counts; then there is nothing to see here.
    if std::env::var_os("GIT_AUTHOR_NAME").is_none() {
        let error = git.commit(&spec(&git, &one)).expect_err("nobody");
        assert_eq!(code_of(&error), ExitCode::Usage, "{error:#}");
    }
}

/// Two commits with every kind of change between them.
fn two_trees(sample: &Sample) -> (CommitId, CommitId) {
    for path in [
        "a.b",
        "dir/one",
        "dir/two",
        "dir.x/y",
        "gone/deep/file",
        "flip",
        "same/x",
        "exec",
    ] {
        sample.write(path, path);
    }
    sample.write("ends", "file");
    symlink("dir/one", sample.top.join("link")).expect("links");
    let old = sample.commit("old");
    sample.write("dir/one", "changed");
    sample.write("dir/ü ö\n", "odd name");
    for path in ["gone", "flip", "link", "ends"] {
        let path = sample.top.join(path);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    sample.write("flip/now/a/dir", "x");
    sample.write("link", "now a file");
    sample.write("ends.x", "after");
    let exec = sample.top.join("exec");
    std::fs::set_permissions(exec, std::fs::Permissions::from_mode(0o755)).expect("sets");
    let link = format!("160000,{old},sub");
    sample.git(&["add", "-A"]);
    sample.git(&["update-index", "--add", "--cacheinfo", &link]);
    sample.git(&["commit", "-q", "-m", "new"]);
    (old, sample.id("HEAD"))
}

#[test]
fn differences_are_those_of_diff_tree_to_the_byte() {
    on_every_kind(|sample| {
        let (old, new) = two_trees(sample);
        let git = sample.door();
        let (a, b) = (
            git.tree_of(&old).expect("reads"),
            git.tree_of(&new).expect("reads"),
        );
        let empty: TreeId = sample.git(&["mktree", "--missing"]).parse().expect("an id");
        for (x, y) in [(&a, &b), (&b, &a), (&a, &a), (&empty, &b), (&b, &empty)] {
            let args = [
                "diff-tree",
                "-r",
                "--raw",
                "-z",
                "--no-renames",
                "--no-abbrev",
            ];
            let raw = sample.raw(
                &sample.top,
                &[&args[..], &[x.as_str(), y.as_str()]].concat(),
            );
            assert!(raw.status.success());
            assert_eq!(
                git.changes_digest(x, y).expect("compares"),
                hex(&Sha256::digest(&raw.stdout)),
                "{}",
                String::from_utf8_lossy(&raw.stdout)
            );
        }
        let changed = git.changes(&a, &b).expect("compares");
        let paths: BTreeSet<_> = changed.iter().map(|c| c.path.to_string()).collect();
        assert!(
            paths.contains("flip") && paths.contains("flip/now/a/dir"),
            "{paths:?}"
        );
        assert!(!paths.contains("same/x"));
    });
}

#[test]
fn files_are_those_of_ls_tree_and_blobs_their_bytes() {
    on_every_kind(|sample| {
        let (_, new) = two_trees(sample);
        let git = sample.door();
        let files = git
            .files(&git.tree_of(&new).expect("reads"))
            .expect("lists");
        let mut listed = Vec::new();
        for file in &files {
            let kind = if file.mode == 0o160_000 {
                "commit"
            } else {
                "blob"
            };
            listed.extend(format!("{:06o} {kind} {}\t", file.mode, file.oid).into_bytes());
            listed.extend_from_slice(file.path.as_bytes());
            listed.push(0);
        }
        let raw = sample.raw(&sample.top, &["ls-tree", "-r", "-z", new.as_str()]);
        assert_eq!(listed, raw.stdout);
        let one = files
            .iter()
            .find(|file| file.path.as_bytes() == b"dir/one")
            .expect("there");
        assert_eq!(git.blob(&one.oid).expect("reads"), b"changed");
        assert_eq!(git.blob_size(&one.oid).expect("reads"), 7);
        assert!(git.blob(new.as_str()).is_err(), "a commit is no blob");
        assert!(git.blob("--help").is_err());
    });
}

#[test]
fn what_a_partial_clone_lacks_is_fetched() {
    let sample = Sample::new();
    let (old, new) = two_trees(&sample);
    sample.git(&["config", "uploadpack.allowFilter", "true"]);
    let source = format!("file://{}", sample.top.display());
    let clone = sample.top.with_file_name("partial");
    let made = ["clone", "-q", "--bare", "--filter=tree:0", &source];
    sample.git(&[&made[..], &[clone.to_str().expect("text")]].concat());
    let (whole, part) = (sample.door(), Git::discover(&clone).expect("opens"));
    let (a, b) = (
        whole.tree_of(&old).expect("reads"),
        whole.tree_of(&new).expect("reads"),
    );
    assert_eq!(
        part.changes(&a, &b).expect("compares"),
        whole.changes(&a, &b).expect("compares")
    );
    let files = part.files(&b).expect("lists");
    let one = files
        .iter()
        .find(|file| file.path.as_bytes() == b"dir/one")
        .expect("there");
    assert_eq!(part.blob(&one.oid).expect("reads"), b"changed");
}
