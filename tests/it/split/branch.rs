//! A branch is carved into packets that add up to it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use crate::support::{Dynwf, TestRepo, packet};

/// A branch `big` with everything that a commit can do to a path, beside `main`.
fn with_big_branch() -> TestRepo {
    let repo = TestRepo::small();
    for at in 0..4 {
        repo.write(
            &format!("old/{at}.txt"),
            &format!("line one of {at}\nline two of {at}\nline three of {at}\n"),
        );
        repo.write(&format!("gone/{at}"), &format!("{at}\n"));
    }
    repo.write("tools/run.sh", "#!/bin/sh\n");
    repo.write("was-a-file", "text\n");
    repo.write("was/a/directory", "text\n");
    repo.write("link", "not a link yet\n");
    fs::write(repo.join("data.bin"), [0_u8, 1, 2, 255]).expect("a file");
    repo.commit("more of it");
    repo.git(["checkout", "-q", "-b", "big"]);
    repo.write("crates/net/src/lib.rs", "// net, changed\n");
    repo.write("crates/db/src/lib.rs", "// db, changed\n");
    repo.write("crates/db/src/new.rs", "// new\n");
    repo.git(["rm", "-q", "crates/core/src/wire.rs"]);
    repo.commit("crates");
    // A directory moves and is added to, and another is emptied and filled.
    repo.git(["mv", "old", "new"]);
    repo.write("new/more.txt", "more\n");
    repo.git(["rm", "-q", "-r", "gone"]);
    repo.write("gone/again", "here\n");
    fs::set_permissions(repo.join("tools/run.sh"), fs::Permissions::from_mode(0o755))
        .expect("mode");
    fs::remove_file(repo.join("link")).expect("gone");
    symlink("README.md", repo.join("link")).expect("a link");
    fs::write(repo.join("data.bin"), [0_u8, 9, 9, 255]).expect("a file");
    fs::remove_file(repo.join("was-a-file")).expect("gone");
    repo.write("was-a-file/inside", "text\n");
    fs::remove_dir_all(repo.join("was/a")).expect("gone");
    repo.write("was/a", "a file now\n");
    for name in [
        &b"odd/\xff\xfe"[..],
        b"odd/li\nne",
        b"odd/[x]*",
        b"odd/plain",
    ] {
        let path = repo.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "odd\n").expect("a file");
    }
    repo.write(
        ".gitmodules",
        "[submodule \"lib\"]\n\tpath = lib\n\turl = ./lib\n",
    );
    repo.git(["add", "-A"]);
    let head = repo.git(["rev-parse", "HEAD"]);
    repo.git([
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{head},lib"),
    ]);
    repo.git(["commit", "-q", "-m", "everything else"]);
    repo.git(["checkout", "-q", "-f", "main"]);
    repo.git(["clean", "-q", "-ffdx"]);
    repo.write("crates/core/src/lib.rs", "// main went on\n");
    repo.commit("main went on");
    repo
}

fn tree(repo: &TestRepo, rev: &str) -> String {
    repo.git(["rev-parse", &format!("{rev}^{{tree}}")])
}

/// Merges branches with git itself, in a worktree of its own, and returns the tree.
fn merged_by_git(repo: &TestRepo, base: &str, branches: &[String]) -> String {
    let place = repo.place().join("by-git");
    let dir = place.display().to_string();
    repo.git(["worktree", "add", "-q", "--detach", &dir, base]);
    for branch in branches {
        repo.git_in(&place, ["merge", "-q", "--no-ff", "-m", "merge", branch])
            .success();
    }
    let tree = repo.git_in(&place, ["rev-parse", "HEAD^{tree}"]).success();
    repo.git(["worktree", "remove", "--force", &dir]);
    tree.stdout.trim().to_owned()
}

fn branches(answer: &Value, slug: &str) -> Vec<String> {
    let packets = answer["packets"].as_array().expect("packets");
    packets
        .iter()
        .map(|packet| format!("dynwf/{slug}/{}", packet["id"].as_str().expect("an id")))
        .collect()
}

/// Which packet each path of a branch is in, by the commits themselves.
fn packet_of(repo: &TestRepo, base: &str, branches: &[String], path: &str) -> usize {
    let touches = |branch: &&String| {
        let changed = repo.git(["diff", "--name-only", "--no-renames", "-z", base, branch]);
        changed.split('\0').any(|changed| changed == path)
    };
    let found: Vec<usize> = (0..branches.len())
        .filter(|&at| touches(&&branches[at]))
        .collect();
    assert_eq!(found.len(), 1, "{path} is in packets {found:?}");
    found[0]
}

#[test]
fn everything_that_a_commit_can_do_survives_in_any_order() {
    let repo = with_big_branch();
    let base = repo.git(["merge-base", "main", "big"]);
    let dynwf = Dynwf::new(&repo);
    for (slug, by) in [("d", "dir"), ("s", "size"), ("g", "glob")] {
        let mut words = vec!["split", slug, "--from-branch", "big", "--json", "--by", by];
        if by == "glob" {
            words.extend(["--paths", "crates/net/**", "crates/**", "odd/**"]);
        }
        let before = repo.fingerprint();
        let dry = [&words[..], &["--dry-run"]].concat();
        let planned = dynwf.run(dry).success().json();
        before.assert_same(&repo.fingerprint());
        let answer = dynwf.run(words).success().json();
        assert_eq!(planned["packets"], answer["packets"]);
        assert_eq!(answer["carved"]["tree"], tree(&repo, "big"));
        assert_eq!(answer["base"], base.as_str());
        let mut branches = branches(&answer, slug);
        assert!(branches.len() >= 3, "{branches:?}");
        for branch in &branches {
            assert_eq!(repo.git(["rev-parse", &format!("{branch}^")]), base);
        }
        for set in [
            &["old/0.txt", "old/3.txt", "new/0.txt", "new/3.txt"][..],
            &["was-a-file", "was-a-file/inside"],
            &["was/a/directory", "was/a"],
            &["gone/0", "gone/3", "gone/again"],
            &[".gitmodules", "lib"],
        ] {
            let first = packet_of(&repo, &base, &branches, set[0]);
            for path in set {
                assert_eq!(
                    packet_of(&repo, &base, &branches, path),
                    first,
                    "{by} {path}"
                );
            }
        }
        assert_eq!(
            merged_by_git(&repo, &base, &branches),
            tree(&repo, "big"),
            "{by}"
        );
        branches.reverse();
        assert_eq!(
            merged_by_git(&repo, &base, &branches),
            tree(&repo, "big"),
            "{by}"
        );
    }
}

#[test]
fn carved_packets_are_checked_reviewed_and_merged_like_any_other() {
    let repo = TestRepo::small();
    repo.git(["checkout", "-q", "--detach"]);
    repo.write("crates/net/src/lib.rs", "// net\n");
    repo.write("crates/db/src/lib.rs", "// db\n");
    repo.git(["commit", "-q", "-a", "-m", "Both at once"]);
    let tip = repo.git(["rev-parse", "HEAD"]);
    repo.git(["checkout", "-q", "main"]);
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let words = ["split", "both", "--by", "dir", "--from-branch", &tip];
    dynwf
        .run(words)
        .success()
        .says("proof: merged in all 2 orders, the pair both ways and by git merge-tree")
        .says(&tree(&repo, &tip));
    for id in ["01-db", "02-net"] {
        let status = dynwf.status("both");
        assert_eq!(packet(&status, id)["status"], "checked");
        let page = dynwf.run(["review", "both", id]).success();
        page.says("src/lib.rs");
    }
    // Again is no error; the same name for something else is.
    dynwf.run(words).success();
    let other = [
        &words[..2],
        &[
            "--from-branch",
            &tip,
            "--by",
            "glob",
            "--paths",
            "crates/net",
        ],
    ]
    .concat();
    dynwf.run(other).expect_code(2).complains("split already");
    // A check that comes later needs a workspace, and gets one that holds the work.
    let plan = repo.read(".workflow/both/plan.toml");
    let check = "[[check]]\nname = \"there\"\nrun = \"git grep -q '^// ' -- 'crates/*/src/lib.rs' && test ! -e no\"\nwhen = \"both\"\n\n[[packet]]";
    repo.write(
        ".workflow/both/plan.toml",
        &plan.replacen("[[packet]]", check, 1),
    );
    dynwf.run(["plan", "both", "--amend"]).success();
    dynwf.line("run both").expect_code(3);
    let status = dynwf.status("both");
    for id in ["01-db", "02-net"] {
        let packet = packet(&status, id);
        assert_eq!(packet["status"], "integrated", "{packet:#}");
        assert_eq!(packet["checks"][0]["status"], "passed", "{packet:#}");
    }
    assert_eq!(tree(&repo, "dynwf/both/integration"), tree(&repo, &tip));
    dynwf
        .run(["log", "both"])
        .success()
        .says("was carved into 2 packets");
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_packet_that_is_sent_back_begins_at_the_base() {
    let repo = TestRepo::small();
    repo.git(["checkout", "-q", "-b", "both"]);
    repo.write("crates/net/src/lib.rs", "// net\n");
    repo.write("crates/db/src/lib.rs", "// db\n");
    repo.commit("both");
    repo.git(["checkout", "-q", "main"]);
    let dynwf = Dynwf::new(&repo);
    let words = "split both --by dir --from-branch both --run true";
    dynwf.line(words).success();
    dynwf.line("packet retry both 01-db").success();
    dynwf.line("run both").expect_code(3);
    let status = dynwf.status("both");
    assert_eq!(packet(&status, "01-db")["status"], "no_change");
    assert_eq!(packet(&status, "02-net")["status"], "integrated");
}

#[test]
fn what_cannot_be_carved_is_said_and_changes_nothing() {
    let repo = TestRepo::small();
    repo.git(["checkout", "-q", "-b", "same"]);
    repo.git(["checkout", "-q", "--orphan", "other"]);
    repo.write("alone", "1\n");
    repo.commit("alone");
    repo.git(["checkout", "-q", "-f", "main"]);
    repo.write("README.md", "more\n");
    repo.commit("main");
    let before = repo.fingerprint();
    for (words, complaint) in [
        (&["--from-branch", "nope"][..], "`nope` names no commit"),
        (&["--from-branch", "same"], "has all of `same` already"),
        (&["--from-branch", "main"], "has all of `main` already"),
        (&["--from-branch", "other"], "no commit in common"),
        (
            &["--from-branch", "same", "--base", "nope"],
            "--base `nope`",
        ),
        (
            &["--from-branch", "same", "--base", "same"],
            "does not differ",
        ),
        (&["--from-branch", "a...b"], "two dots"),
        (
            &["--from-branch", "same..main", "--base", "same"],
            "has its base already",
        ),
        (
            &["--from-branch", "same..main", "--objective", " "],
            "--objective is empty",
        ),
        (
            &["--from-branch", "same..main", "--paths", "/x"],
            "absolute",
        ),
    ] {
        let all = [&["split", "cut", "--by", "dir"], words].concat();
        Dynwf::new(&repo)
            .run(all)
            .expect_code(2)
            .complains(complaint);
    }
    let owner = "split cut --from-branch same..main --by owner";
    Dynwf::new(&repo)
        .line(owner)
        .expect_code(2)
        .complains("no CODEOWNERS");
    before.assert_same(&repo.fingerprint());
}
