//! Taking a packet that landed out again, through the same gates.

use std::fs;

use super::{laid, meeting, touching};
use crate::support::{Dynwf, TestRepo, assert_packet, in_use_with, integrated, packet};

const FILE: &str = "crates/core/src/lib.rs";

/// Two packets, the second built on the first, both landed; with a remote where `remote` is set.
fn landed(strategy: &str) -> TestRepo {
    let net = touching(
        "net",
        "crates/net/**",
        "echo '// net' >> crates/net/src/lib.rs",
    );
    let core = touching("core", FILE, &format!("echo '// core' >> {FILE}"))
        .replace("scope", "after = [\"net\"]\nscope");
    let check = "[[check]]\nname = \"whole\"\nrun = \"test -f README.md\"\n";
    let repo = in_use_with(&meeting(
        &format!("strategy = \"{strategy}\"\n{check}"),
        &[net, core],
    ));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    land(&dynwf);
    repo
}

fn land(dynwf: &Dynwf<'_>) {
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
}

fn parents(repo: &TestRepo, commit: &str) -> usize {
    let line = repo.git(["rev-list", "--parents", "-1", commit]);
    line.split(' ').count() - 1
}

#[test]
fn a_landed_packet_is_taken_out_through_the_same_gates() {
    for (strategy, of_a_packet) in [("merge", 2), ("squash", 1)] {
        let repo = landed(strategy);
        let dynwf = Dynwf::new(&repo);
        let before = repo.fingerprint();
        let main = repo.resolve("refs/heads/main").expect("a branch");
        dynwf
            .run(["revert", "lines", "net", "--why", "it was wrong"])
            .expect_code(3)
            .complains("core was built on net and stays");
        assert_eq!(repo.resolve("refs/heads/main"), Some(main.clone()));
        let status = dynwf.status("lines");
        assert_packet(
            &status,
            "net",
            "integrated",
            "taken out again by revert-net",
        );
        assert_packet(&status, "revert-net", "integrated", "");
        assert_eq!(packet(&status, "net")["reverted_by"], "revert-net");
        assert_eq!(status["status"], "waiting");
        assert!(!integrated(&repo, "crates/net/src/lib.rs").contains("// net"));
        assert!(integrated(&repo, FILE).contains("// core"));
        let whole = &status["checks"][0];
        assert_eq!(
            (&whole["name"], &whole["status"]),
            (&"whole".into(), &"passed".into())
        );

        // Nothing unapproved lands.
        dynwf.line("land lines").expect_code(3);
        assert_eq!(repo.resolve("refs/heads/main"), Some(main.clone()));
        before.assert_same(&repo.fingerprint());
        land(&dynwf);
        let now = repo.resolve("refs/heads/main").expect("a branch");
        assert_eq!(parents(&repo, &now), of_a_packet, "{strategy}");
        assert_eq!(repo.git(["rev-parse", &format!("{now}^1")]), main);
        let merge = packet(&status, "net")["merged"].as_str().expect("a commit");
        let said = repo.git([
            "log",
            "-1",
            "--format=%B",
            "refs/heads/dynwf/lines/revert-net",
        ]);
        assert!(
            said.contains(&format!("This reverts commit {merge}.")),
            "{said}"
        );
        assert!(said.contains("it was wrong"), "{said}");
        let told = repo.git([
            "log",
            "-1",
            "--format=%(trailers:key=Dynwf-Packet,valueonly)",
            &now,
        ]);
        assert_eq!(told.trim(), "revert-net");
        let report = dynwf.line("report lines --final").success().stdout;
        assert!(report.contains("taken out again by revert-net"), "{report}");

        // Once is enough.
        dynwf
            .line("revert lines net")
            .success()
            .complains("revert-net has taken net out again already");
        assert_eq!(repo.resolve("refs/heads/main"), Some(now));
    }
}

#[test]
fn what_was_taken_out_can_be_brought_back_and_taken_out_again() {
    let repo = landed("merge");
    let dynwf = Dynwf::new(&repo);
    let net = "crates/net/src/lib.rs";
    for (what, there) in [("net", false), ("revert-net", true), ("net", false)] {
        dynwf.run(["revert", "lines", what]).expect_code(3);
        land(&dynwf);
        let text = repo.git(["show", &format!("refs/heads/main:{net}")]);
        assert_eq!(text.contains("// net"), there, "after taking {what} out");
    }
    let status = dynwf.status("lines");
    assert_packet(&status, "revert-revert-net", "integrated", "");
    assert_packet(&status, "revert-net-2", "integrated", "");
}

#[test]
fn it_goes_onto_the_target_as_it_is_now_and_leaves_the_gates_for_the_push() {
    let repo = landed("merge");
    let dynwf = Dynwf::new(&repo);
    dynwf.line("hooks install").success();
    dynwf.line("push lines").expect_code(3);
    dynwf.line("approve lines push:origin --yes").success();
    dynwf.line("push lines").success();
    let others = repo.git([
        "commit-tree",
        "refs/heads/main^{tree}",
        "-p",
        "refs/heads/main",
        "-m",
        "somebody else's",
    ]);
    repo.git(["update-ref", "refs/heads/main", &others]);
    dynwf.line("revert lines net").expect_code(3);
    land(&dynwf);
    let main = repo.resolve("refs/heads/main").expect("a branch");
    assert_eq!(repo.git(["rev-parse", &format!("{main}^1")]), others);
    // The hook knows the commits of the packet, and nobody approved this push.
    let pushed = repo.try_git(["push", "-q", "origin", "refs/heads/main"]);
    assert_ne!(pushed.code(), 0);
    dynwf.line("push lines").expect_code(3);
    dynwf.line("approve lines push:origin --yes").success();
    dynwf.line("push lines").success();
    assert_eq!(repo.remote_git(["rev-parse", "refs/heads/main"]), main);
}

#[test]
fn what_later_work_stands_on_is_a_conflict_for_a_person() {
    let repo = landed("merge");
    let dynwf = Dynwf::new(&repo);
    let text = repo.git(["show", &format!("refs/heads/main:{FILE}")]);
    let blob = repo.place().join("text");
    fs::write(&blob, text.replace("// core", "// core, and more")).expect("it can be written");
    let id = repo.git(["hash-object", "-w", &blob.display().to_string()]);
    let index = repo.place().join("index");
    let in_index = |args: &[&str]| {
        let mut command = repo.place().command("git");
        command
            .current_dir(repo.path())
            .env("GIT_INDEX_FILE", &index);
        let output = command.args(args).output().expect("git runs");
        assert!(output.status.success(), "{args:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    in_index(&["read-tree", "refs/heads/main"]);
    in_index(&[
        "update-index",
        "--cacheinfo",
        &format!("100644,{id},{FILE}"),
    ]);
    let tree = in_index(&["write-tree"]);
    let later = repo.git(["commit-tree", &tree, "-p", "refs/heads/main", "-m", "later"]);
    repo.git(["update-ref", "refs/heads/main", &later]);

    dynwf.line("revert lines core").expect_code(4);
    assert_packet(&dynwf.status("lines"), "revert-core", "conflicted", FILE);
    // Asked again, it goes on where it is.
    dynwf
        .line("revert lines core")
        .expect_code(4)
        .complains("revert-core goes on");
    let open = laid(&repo, FILE);
    assert!(
        fs::read_to_string(&open)
            .expect("it lies open")
            .contains("<<<<<<<")
    );
    fs::write(&open, "// by hand\n").expect("it can be resolved");
    dynwf
        .run(["integrate", "lines", "--continue", "--why", "as agreed"])
        .success();
    dynwf.line("verify lines").expect_code(3);
    land(&dynwf);
    assert_eq!(
        repo.git(["show", &format!("refs/heads/main:{FILE}")]),
        "// by hand"
    );
}

#[test]
fn only_what_landed_can_be_taken_out_so() {
    let repo = in_use_with(&meeting(
        "",
        &[
            touching(
                "net",
                "crates/net/**",
                "echo '// net' >> crates/net/src/lib.rs",
            ),
            touching("db", "crates/db/**", "exit 1"),
        ],
    ));
    let dynwf = Dynwf::new(&repo);
    dynwf
        .line("revert lines net")
        .expect_code(2)
        .complains("lines");
    dynwf.line("run lines").expect_code(3);
    for (packet, why) in [
        ("net", "packet drop lines net"),
        ("db", "has not landed: it is failed"),
        ("nix", "no packet is called nix"),
    ] {
        dynwf
            .run(["revert", "lines", packet])
            .expect_code(2)
            .complains(why);
    }
    land(&dynwf);
    let merge = packet(&dynwf.status("lines"), "net")["merged"].clone();
    let merge = merge.as_str().expect("a commit");
    dynwf.line("archive lines --force").success();
    dynwf
        .line("revert lines net")
        .expect_code(2)
        .complains(&format!("git revert -m 1 {merge}"));
}
