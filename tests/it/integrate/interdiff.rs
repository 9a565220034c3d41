//! Who has read a packet once reads only what is new in it.

use std::fs;

use crate::support::{Dynwf, TestRepo};

/// A packet whose build script, which a person is asked about, says which attempt wrote it, and one that stands on it.
fn planned() -> TestRepo {
    let repo = TestRepo::small().in_use();
    let plan = "goal = \"Again\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n\
         [[packet]]\nid = \"01-net\"\nobjective = \"A\"\nscope = [\"crates/net/**\"]\n\
         run = '''printf 'fn main() {\\n    first();\\n    attempt(%s);\\n}\\n' $DYNWF_ATTEMPT > crates/net/build.rs'''\n\
         [[packet]]\nid = \"02-core\"\nobjective = \"B\"\nscope = [\"crates/core/**\"]\nafter = [\"01-net\"]\n\
         run = \"echo 'fn main() {}' > crates/core/build.rs\"\n";
    let file = repo.place().join("plan.toml");
    fs::write(&file, plan).expect("the plan can be written");
    let file = file.display().to_string();
    let dynwf = Dynwf::new(&repo);
    dynwf.run(["plan", "again", "--from", &file]).success();
    dynwf.line("run again").expect_code(3);
    repo
}

#[test]
fn work_that_was_sent_back_shows_what_its_worker_changed_since() {
    let repo = planned();
    let dynwf = Dynwf::new(&repo);
    let first = dynwf.line("review again 01-net").success();
    assert!(!first.stdout.contains("\nsince "), "{first}");
    dynwf
        .run(["review", "again", "01-net", "--comment", "not this one"])
        .success();
    dynwf.line("run again").expect_code(3);
    let objects = repo.git(["count-objects"]);
    let second = dynwf.line("review again 01-net").success();
    for text in [
        "\nsince    ",
        " was sent back, ",
        ": 1 file +1 −1 changed since",
        "dynwf review again 01-net --full shows the whole change",
        "modified crates/net/build.rs",
        "-     attempt(1);",
        "+     attempt(2);",
    ] {
        assert!(second.stdout.contains(text), "{text}\n{second}");
    }
    assert!(!second.stdout.contains("+ fn main() {"), "{second}");
    let full = dynwf.line("review again 01-net --full").success();
    assert!(full.stdout.contains("added crates/net/build.rs"), "{full}");
    assert!(full.stdout.contains("+ fn main() {"), "{full}");
    assert!(!full.stdout.contains("attempt(1)"), "{full}");
    let json = dynwf.line("review again 01-net --json").success().json();
    assert_eq!(json["since"]["of"], "review");
    assert_eq!(json["since"]["said"], "sent back");
    assert_eq!(json["since"]["unchanged"], false);
    assert_eq!(json["since"]["diff"]["additions"], 1);
    assert_eq!(json["diff"]["additions"], 4, "the whole is there too");
    assert_eq!(
        repo.git(["count-objects"]),
        objects,
        "reading leaves nothing"
    );
}

#[test]
fn approved_work_that_was_only_replayed_shows_nothing_new() {
    let repo = planned();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("approve again merge:01-net --yes").success();
    dynwf.line("run again").expect_code(3);
    dynwf.line("approve again merge:02-core --yes").success();
    dynwf.line("run again").expect_code(3);
    dynwf.line("packet retry again 01-net").success();
    dynwf.line("run again").expect_code(3);
    // Approved, and another one now: without a word about why it was done again.
    let net = dynwf.line("review again 01-net").success();
    assert!(net.stdout.contains(" was approved by "), "{net}");
    assert!(net.stdout.contains("+     attempt(2);"), "{net}");
    dynwf.line("approve again merge:01-net --yes").success();
    dynwf.line("run again").expect_code(3);
    let objects = repo.git(["count-objects"]);
    let core = dynwf.line("review again 02-core").success();
    for text in [
        " was approved by ",
        ": nothing of it has changed; it starts from ",
        "dynwf review again 02-core --full shows the whole change",
    ] {
        assert!(core.stdout.contains(text), "{text}\n{core}");
    }
    assert!(!core.stdout.contains("build.rs\n"), "{core}");
    let full = dynwf.line("review again 02-core --full").success();
    assert!(full.stdout.contains("added crates/core/build.rs"), "{full}");
    let json = dynwf.line("review again 02-core --json").success().json();
    assert_eq!(json["since"]["unchanged"], true);
    assert_eq!(
        repo.git(["count-objects"]),
        objects,
        "reading leaves nothing"
    );
}
