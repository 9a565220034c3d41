//! Packets that wait together are merged together.

use serde_json::Value;

use crate::support::{
    Dynwf, TestRepo, assert_packet, in_use_with, packet_of, plan_with, simple, skip,
};

/// Three packets apart and one that meets the first; a person is asked before any is merged.
fn plan() -> String {
    let meets = packet_of("also-net", "echo '// also' >> crates/net/src/lib.rs", "")
        .replace("crates/also-net/**", "crates/net/**");
    let more = "overlap = \"allow\"\n[[gate]]\nbefore = \"integrate\"";
    let core = "mkdir -p crates/core/src && echo '// core' >> crates/core/src/lib.rs";
    let core = packet_of("core", core, "");
    plan_with(more, &[simple("net"), meets, simple("db"), core])
}

/// The records of a workflow's journal.
fn journal(repo: &TestRepo) -> Vec<Value> {
    let file = repo.common_dir().join("dynwf/w/lines/journal.jsonl");
    let text = std::fs::read_to_string(file).expect("the journal can be read");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect()
}

fn integrates(repo: &TestRepo) {
    let dynwf = Dynwf::new(repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines integrate --yes").success();
    let said = dynwf.line("integrate lines").expect_code(4);
    let status = dynwf.status("lines");
    for id in ["net", "db", "core"] {
        assert_packet(&status, id, "integrated", "");
    }
    assert_packet(
        &status,
        "also-net",
        "conflicted",
        "with net in crates/net/src/lib.rs",
    );
    // One move of the branch, and one merge commit a packet, in the order of the plan.
    let moves: Vec<Value> = journal(repo)
        .into_iter()
        .filter_map(|record| {
            Some(
                record["e"]["op"]["move_refs"]["why"]
                    .get("integrate")?
                    .clone(),
            )
        })
        .collect();
    assert_eq!(moves, [serde_json::json!(["net", "db", "core"])], "{said}");
    let format = "--format=%(trailers:key=Dynwf-Packet,valueonly,separator=%x2C)";
    let order = [
        "log",
        "--first-parent",
        "--merges",
        "--reverse",
        format,
        "dynwf/lines/integration",
    ];
    assert_eq!(repo.git(order), "net\ndb\ncore");
    // The very commits that merging one after another by git gives.
    let mut ours = repo.git(["rev-parse", "main"]);
    for id in ["net", "db", "core"] {
        let theirs = format!("dynwf/lines/{id}");
        let tree = repo.git(["merge-tree", "--write-tree", &ours, &theirs]);
        ours = repo.git(["commit-tree", &tree, "-p", &ours, "-p", &theirs, "-m", "m"]);
    }
    let tree = |commit: &str| repo.git(["rev-parse", &format!("{commit}^{{tree}}")]);
    assert_eq!(tree("dynwf/lines/integration"), tree(&ours));
    repo.git(["fsck", "--strict"]);
}

#[test]
fn one_move_takes_all_that_wait_but_for_a_conflict() {
    integrates(&in_use_with(&plan()));
}

#[test]
fn repositories_for_the_program_alone_integrate_alike() {
    for made in [TestRepo::reftable(), TestRepo::sha256()] {
        match made {
            Ok(repo) => {
                repo.place().user_config("[sandbox]\nmode = \"none\"\n");
                integrates(&repo.planned(&plan()));
            }
            Err(said) => skip!("this git makes no such repository: {}", said.stderr),
        }
    }
}
