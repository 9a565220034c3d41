//! `dynwf status` of a plan that is not split yet.

use super::PLAN;
use crate::support::{Dynwf, TestRepo};

#[test]
fn a_plan_in_place_has_a_status_and_nothing_is_made_for_it() {
    let repo = TestRepo::small();
    let plan = repo.place().join("plan.toml");
    std::fs::write(&plan, PLAN).unwrap();
    let dynwf = Dynwf::new(&repo);
    dynwf
        .run(["plan", "lines", "--from", &plan.display().to_string()])
        .success();
    let before = repo.fingerprint();
    let status = dynwf.status("lines");
    assert_eq!(status["status"], "planned");
    assert_eq!(status["target"]["ref"], "refs/heads/main");
    assert_eq!(status["base"], repo.resolve("refs/heads/main").unwrap());
    assert_eq!(status["packets"].as_array().map(Vec::len), Some(3));
    assert_eq!(status["packets"][0]["id"], "01-net");
    assert_eq!(status["packets"][0]["worktree"], serde_json::Value::Null);
    dynwf
        .line("status lines")
        .success()
        .says("02-db")
        .says("dynwf run lines");
    dynwf.line("status").success().says("lines  planned");
    before.assert_same(&repo.fingerprint());
    assert_eq!(repo.git(["for-each-ref", "refs/dynwf"]), "");
    let broken = PLAN.replace("[[check]]", "[[cheek]]");
    std::fs::write(repo.path().join(".workflow/lines/plan.toml"), broken).unwrap();
    dynwf
        .line("status lines")
        .expect_code(2)
        .complains("did you mean `check`?");
    dynwf
        .line("status")
        .success()
        .complains("dynwf plan lines says why");
}
