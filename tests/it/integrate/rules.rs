//! Conflicts that are settled by rule: both sides' lines kept, lock files written anew.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{laid, meeting, touching};
use crate::support::{Dynwf, TestRepo, assert_packet, integrated, packet};

/// A repository with `deps.lock`, which is made of the files in `deps/`, and with rules in the person's configuration.
fn repository(mode: &str, rules: &str, packets: &[String]) -> TestRepo {
    let repo = TestRepo::small();
    repo.write("deps/base.txt", "base 1\n");
    repo.write("deps.lock", "base 1\n");
    repo.write("CHANGES.md", "# Changes\n\n");
    repo.commit("a lock file");
    let repo = repo.in_use();
    repo.place().user_config(&format!(
        "[sandbox]\nmode = \"{mode}\"\n[gate]\nprotected = []\n{rules}"
    ));
    repo.planned(&meeting("[[gate]]\nbefore = \"integrate\"\n", packets))
}

/// A packet that adds a dependency, writes the lock file anew and tells of it.
fn adds(id: &str) -> String {
    let run = format!(
        "echo '{id} 1' > deps/{id}.txt; cat deps/*.txt > deps.lock; echo '- {id} is used' >> CHANGES.md"
    );
    touching(id, "deps/**", &run)
        .replace("\"deps/**\"", "\"deps/**\", \"deps.lock\", \"CHANGES.md\"")
}

fn run(repo: &TestRepo, code: i32) {
    let dynwf = Dynwf::new(repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines integrate --yes").success();
    dynwf.line("run lines").expect_code(code);
}

const RULES: &str = "[[integration.rule]]\nfiles = [\"CHANGES.md\"]\nhow = \"union\"\n\
[[integration.rule]]\nfiles = [\"deps.lock\"]\nhow = \"run\"\nrun = \"cat deps/*.txt > deps.lock; mkdir junk; echo x > junk/x\"\n";

#[test]
fn lock_files_are_written_anew_and_both_sides_lines_are_kept() {
    for mode in ["none", "auto"] {
        let repo = repository(mode, RULES, &[adds("one"), adds("two"), adds("three")]);
        let before = repo.fingerprint();
        run(&repo, 3);
        let status = Dynwf::new(&repo).status("lines");
        for id in ["one", "two", "three"] {
            assert_packet(&status, id, "integrated", "");
        }
        let road = packet(&status, "two")["road"].as_str().expect("a road");
        assert!(
            road.starts_with("rule cat deps/*.txt > deps.lock") && road.ends_with(", union"),
            "{road}"
        );
        assert_eq!(
            integrated(&repo, "deps.lock"),
            "base 1\none 1\nthree 1\ntwo 1"
        );
        let changes = integrated(&repo, "CHANGES.md");
        assert_eq!(
            changes,
            "# Changes\n\n- one is used\n- two is used\n- three is used"
        );
        let names = repo.git(["diff", "--name-only", "main", "dynwf/lines/integration"]);
        assert_eq!(
            names,
            "CHANGES.md\ndeps.lock\ndeps/one.txt\ndeps/three.txt\ndeps/two.txt"
        );
        let page = repo.read(".workflow/lines/integration.md");
        assert!(page.contains("two, resolved by rule cat"), "{page}");
        assert!(!page.contains("a person"), "{page}");
        assert!(page.contains("written anew by `cat deps/*.txt"), "{page}");
        before.assert_same(&repo.fingerprint());
        repo.git(["fsck", "--strict"]);
    }
}

#[test]
fn what_a_rule_cannot_settle_is_a_persons_and_says_why() {
    let failing = RULES.replace(
        "cat deps/*.txt > deps.lock",
        "echo no such registry >&2; exit 7",
    );
    let more = touching("more", "README.md", "echo more >> README.md");
    let repo = repository("none", &failing, &[adds("one"), adds("two"), more]);
    run(&repo, 4);
    let dynwf = Dynwf::new(&repo);
    let status = dynwf.status("lines");
    assert_packet(&status, "more", "integrated", "");
    assert_packet(
        &status,
        "two",
        "conflicted",
        "with one in CHANGES.md, deps.lock",
    );
    let notes = packet(&status, "two")["notes"].to_string();
    assert!(
        notes.contains("not settled by rules") && notes.contains("no such registry"),
        "{notes}"
    );
    // It is not tried again and again; once the person has done it, it goes on.
    dynwf.line("run lines").expect_code(4);
    let log = dynwf.line("log lines").success().stdout;
    assert_eq!(log.matches("not settled by rules").count(), 1, "{log}");
    for (file, text) in [
        ("deps.lock", "base 1\none 1\ntwo 1\n"),
        ("CHANGES.md", "# Changes\n\n- one is used\n- two is used\n"),
    ] {
        fs::write(laid(&repo, file), text).expect("it can be resolved");
    }
    dynwf.line("integrate lines --continue").success();
    assert_packet(&dynwf.status("lines"), "two", "integrated", "");
}

#[test]
fn a_conflict_with_a_file_that_no_rule_names_is_left_whole() {
    let both_in = |id: &str| {
        let run = format!("echo '{id}' >> CHANGES.md; echo '{id}' >> crates/core/src/lib.rs");
        touching(id, "CHANGES.md", &run)
            .replace("\"CHANGES.md\"", "\"CHANGES.md\", \"crates/core/**\"")
    };
    let repo = repository("none", RULES, &[both_in("one"), both_in("two")]);
    run(&repo, 4);
    let status = Dynwf::new(&repo).status("lines");
    assert_packet(
        &status,
        "two",
        "conflicted",
        "CHANGES.md, crates/core/src/lib.rs",
    );
    let text = fs::read_to_string(laid(&repo, "CHANGES.md")).expect("it lies open");
    assert!(text.contains("<<<<<<<"), "{text}");
}

/// Two packets that add to a lock file and to the manifests beside it, and a tool that writes it from those, if it is
/// called as `called` says; returns how the second packet is merged, and the file.
fn by_its_tool(lock: &str, tool: &str, called: &str, wanted: bool) -> (TestRepo, String) {
    let adds = |id: &str| {
        let run = format!("echo '{id}' >> sub/{lock}; echo '{id}' > sub/{id}.toml");
        touching(id, "sub/**", &run)
    };
    let repo = TestRepo::small();
    repo.write(&format!("sub/{lock}"), "base\n");
    repo.commit("a lock file");
    let repo = repo.in_use();
    repo.place().user_config(&format!(
        "[sandbox]\nmode = \"none\"\n[gate]\nprotected = []\n[integration]\nlock_files = {wanted}\n"
    ));
    let plan = meeting(
        "[[gate]]\nbefore = \"integrate\"\n",
        &[adds("one"), adds("two")],
    );
    let repo = repo.planned(&plan);
    let bin = repo.place().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let program = bin.join(tool);
    let text = format!("#!/bin/sh\n{called}\n(echo base; ls *.toml) > {lock}\n");
    fs::write(&program, text).expect("it can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let path = std::env::var("PATH").expect("a path");
    let dynwf = Dynwf::new(&repo).env("PATH", format!("{}:{path}", bin.display()));
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines integrate --yes").success();
    dynwf
        .line("run lines")
        .expect_code(if wanted { 3 } else { 4 });
    let file = format!("sub/{lock}");
    let text = integrated(&repo, &file);
    (repo, text)
}

#[test]
fn known_lock_files_are_written_by_their_tool_in_their_folder() {
    let yarn = |version: &str, words: &str| {
        format!(
            "[ \"$1\" = --version ] && echo {version} && exit\n[ \"$1 $2\" = 'install {words}' ] || exit 9"
        )
    };
    for (lock, tool, called) in [
        (
            "Cargo.lock",
            "cargo",
            "[ \"$1 $2\" = 'update --workspace' ] || exit 9".to_owned(),
        ),
        ("yarn.lock", "yarn", yarn("1.22.22", "--ignore-scripts")),
        ("yarn.lock", "yarn", yarn("4.5.0", "--mode=update-lockfile")),
    ] {
        let (repo, text) = by_its_tool(lock, tool, &called, true);
        assert_packet(&Dynwf::new(&repo).status("lines"), "two", "integrated", "");
        assert_eq!(text, "base\none.toml\ntwo.toml", "{called}");
    }
    let (repo, _) = by_its_tool("Cargo.lock", "cargo", "exit 0", false);
    assert_packet(&Dynwf::new(&repo).status("lines"), "two", "conflicted", "");
}

#[test]
fn a_file_that_one_side_deleted_does_not_come_back_by_rule() {
    let gone = touching("gone", "deps.lock", "git rm -q deps.lock || rm deps.lock");
    let repo = repository("none", RULES, &[gone, adds("two")]);
    run(&repo, 4);
    let status = Dynwf::new(&repo).status("lines");
    assert_packet(&status, "two", "conflicted", "deps.lock");
    assert!(
        !repo
            .git(["ls-tree", "--name-only", "dynwf/lines/integration"])
            .contains("deps.lock")
    );
}
