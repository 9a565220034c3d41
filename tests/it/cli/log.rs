//! `dynwf log` and `dynwf report`.

use super::{landed, waiting};
use crate::support::{Dynwf, TestRepo};

#[test]
fn the_journal_is_told_a_line_each() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let said = dynwf.line("log lines").success();
    assert!(
        said.stdout.contains("the plan is fixed: 3 packets"),
        "{said}"
    );
    assert!(said.stdout.contains("gate merge:02-db waits"), "{said}");
    let all = said.stdout.lines().count();
    let one = dynwf.line("log lines --packet 03-core").success();
    assert!(
        one.stdout.contains("exit 7") && !one.stdout.contains("02-db"),
        "{one}"
    );
    let brief = dynwf.line("log lines --brief").success();
    assert!(brief.stdout.lines().count() < all, "{brief}");
    let records = dynwf.line("log lines --json").success();
    let mut seq = 0;
    for line in records.stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a document a line");
        seq += 1;
        assert_eq!(record["seq"], seq);
        assert!(
            record["kind"].is_string() && record["text"].is_string(),
            "{record}"
        );
    }
    assert_eq!(seq, all);
    // Nobody holds it, so there is nothing to follow.
    assert_eq!(
        dynwf.line("log lines --follow").success().stdout,
        said.stdout
    );
    dynwf
        .line("log nothing")
        .expect_code(2)
        .complains("no workflow");
    dynwf
        .line("log lines --packet 09-x")
        .expect_code(2)
        .complains("no packet 09-x");
}

#[test]
fn following_ends_with_the_run() {
    let repo = TestRepo::small();
    let plan = repo.place().join("plan.toml");
    let go = repo.place().join("go");
    let text = format!(
        "goal = \"x\"\n[[packet]]\nid = \"01-a\"\nobjective = \"x\"\nscope = [\"README.md\"]\n\
         run = \"until [ -e '{}' ]; do sleep 0.01; done; echo >> README.md\"\n",
        go.display()
    );
    std::fs::write(&plan, text).unwrap();
    let dynwf = Dynwf::new(&repo);
    dynwf
        .run(["plan", "x", "--from", &plan.display().to_string()])
        .success();
    let mut run = dynwf.spawn(["run", "x"]);
    let journal = repo.common_dir().join("dynwf/w/x/journal.jsonl");
    run.wait_until("the unit runs", || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("UnitStarted"))
    });
    let log = dynwf.spawn(["log", "x", "--follow"]);
    std::fs::write(&go, "").unwrap();
    run.wait().expect_code(3);
    let said = log.wait().success();
    assert!(said.stdout.contains("ended with exit code 3"), "{said}");
}

#[test]
fn the_face_is_written_again_from_the_journal() {
    let repo = TestRepo::small();
    let dynwf = landed(&repo);
    let face = repo.join(".workflow/lines");
    let report = repo.read(".workflow/lines/results/01-net.md");
    dynwf.line("report lines").success();
    let said = dynwf.line("report lines").success();
    assert_eq!(said.stdout, "", "nothing is written twice\n{said}");
    std::fs::remove_dir_all(&face).unwrap();
    dynwf.line("report lines").success().says("state.json");
    assert!(!face.join("plan.toml").exists(), "it is the person's own");
    dynwf
        .line("report lines --rebuild")
        .success()
        .says("plan.toml");
    assert_eq!(repo.read(".workflow/lines/results/01-net.md"), report);
    assert!(repo.read(".workflow/lines/plan.toml").contains("01-net"));
    let edited = "# mine\n";
    repo.write(".workflow/lines/plan.toml", edited);
    dynwf.line("report lines --rebuild").success();
    assert_eq!(repo.read(".workflow/lines/plan.toml"), edited);
    dynwf
        .line("report lines --final")
        .success()
        .says("# Final report: lines")
        .says("01-net");
    let document = dynwf.line("report lines --final --json").success().json();
    assert_eq!(document["status"]["slug"], "lines");
    dynwf
        .line("report lines --json")
        .expect_code(2)
        .complains("--final");
    dynwf
        .line("report nothing")
        .expect_code(2)
        .complains("no workflow");
}
