//! `dynwf review`.

use super::waiting;
use crate::support::TestRepo;

#[test]
fn it_lists_what_can_be_reviewed() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let said = dynwf.line("review lines").success();
    let rows: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "{said}");
    assert!(
        rows[0].starts_with("01-net   integrated  1 file +1"),
        "{said}"
    );
    assert!(
        rows[1].contains("waiting") && rows[1].contains("build.rs is protected"),
        "{said}"
    );
    assert!(rows[2].contains("failed"), "{said}");
    let list = dynwf.line("review lines --json").success().json();
    assert_eq!(list["packets"][1]["id"], "02-db");
    assert_eq!(list["packets"][1]["status"], "waiting");
    assert_eq!(list["packets"][1]["files"], 1);
}

#[test]
fn it_shows_a_packet_with_what_is_risky_about_it() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let said = dynwf.line("review lines 02-db").success();
    for text in [
        "A build script for db",
        "crates/db/**",
        "crates/db/build.rs is protected",
        "dynwf approve lines merge:02-db",
        "added crates/db/build.rs",
        "+ fn main() {}",
    ] {
        assert!(said.stdout.contains(text), "{text}\n{said}");
    }
    assert!(
        !said.stdout.contains('\u{1b}'),
        "no colour without a terminal\n{said}"
    );
    let coloured = dynwf.line("--color always review lines 02-db").success();
    assert!(coloured.stdout.contains("\u{1b}["), "{coloured}");
    dynwf
        .line("review lines 01-net --side-by-side")
        .success()
        .says("│");
    let stat = dynwf.line("review lines 02-db --stat").success();
    assert!(stat.stdout.contains(" crates/db/build.rs  +1"), "{stat}");
    assert!(!stat.stdout.contains("fn main"), "{stat}");
    let document = dynwf.line("review lines 02-db --json").success().json();
    assert_eq!(document["facts"]["files"], 1);
    assert_eq!(document["gate"]["id"], "merge:02-db");
    assert_eq!(document["diff"]["files"][0]["path"], "crates/db/build.rs");
    dynwf.line("review lines 03-core").success().says("exit 7");
    let whole = dynwf.line("review lines --landing --stat").success();
    assert!(
        whole.stdout.contains("crates/net") && !whole.stdout.contains("crates/db"),
        "{whole}"
    );
}

#[test]
fn it_answers_the_gate() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    // Nobody can be asked here.
    dynwf
        .line("review lines 02-db --accept")
        .expect_code(2)
        .complains("--yes");
    let in_agent = waiting_agent(&repo);
    in_agent
        .line("review lines 02-db --accept --yes")
        .expect_code(2)
        .complains("agents do not answer gates");
    in_agent
        .line("review lines 02-db --reject")
        .expect_code(2)
        .complains("agents do not answer gates");
    dynwf.line("review lines 02-db --accept --yes").success();
    assert_eq!(dynwf.status("lines")["packets"][1]["status"], "accepted");
    dynwf
        .run([
            "review",
            "lines",
            "02-db",
            "--reject",
            "--why",
            "no scripts",
        ])
        .success();
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_eq!(status["packets"][1]["status"], "rejected");
    assert_eq!(status["packets"][1]["reason"], "no scripts");
}

fn waiting_agent(repo: &TestRepo) -> crate::support::Dynwf<'_> {
    crate::support::Dynwf::new(repo).env("CLAUDECODE", "1")
}

#[test]
fn a_comment_sends_the_packet_back_to_its_worker() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    dynwf
        .run(["review", "lines", "02-db", "--comment", "call it setup"])
        .success();
    dynwf
        .line("packet show lines 02-db --prompt")
        .success()
        .says("call it setup");
    dynwf.line("run lines").expect_code(3);
    assert_eq!(dynwf.status("lines")["packets"][1]["attempts"], 2);
}

#[test]
fn wrong_input_is_named() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    dynwf
        .line("review nothing")
        .expect_code(2)
        .complains("no workflow is called nothing");
    dynwf
        .line("review lines 09-x")
        .expect_code(2)
        .complains("no packet 09-x");
    dynwf
        .line("review lines --accept")
        .expect_code(2)
        .complains("<PACKET>");
    dynwf
        .line("review lines 01-net --accept --yes")
        .expect_code(2)
        .complains("no gate asks about its merge");
    let plan = repo.place().join("later.toml");
    let text = "goal = \"x\"\n[[packet]]\nid = \"01-a\"\nobjective = \"x\"\nscope = [\"README.md\"]\nagent = \"parent\"\n";
    std::fs::write(&plan, text).unwrap();
    dynwf
        .run(["plan", "later", "--from", &plan.display().to_string()])
        .success();
    dynwf.line("split later").success();
    dynwf.line("review later").success();
    dynwf
        .line("review later 01-a")
        .expect_code(2)
        .complains("no result to review");
    dynwf
        .line("review later --landing")
        .expect_code(2)
        .complains("nothing of later is integrated");
}
