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

#[test]
fn a_plan_is_read_from_standard_input_in_both_notations() {
    let repo = TestRepo::small();
    let dynwf = Dynwf::new(&repo);
    let piped = |slug: &str, text: &str| {
        let file = repo.place().join(slug);
        std::fs::write(&file, text).unwrap();
        let mut command = dynwf.command(["plan", slug, "--from", "-"]);
        command.stdin(std::fs::File::open(&file).unwrap());
        command.output().unwrap()
    };
    assert!(piped("toml", PLAN).status.success());
    assert_eq!(repo.read(".workflow/toml/plan.toml"), PLAN, "word for word");
    let json = r#" {"goal": "g", "packet": [{"id": "a", "objective": "o", "scope": ["crates/net/**"], "run": "true"}]}"#;
    let said = piped("json", json);
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    assert_eq!(dynwf.status("json")["packets"][0]["id"], "a");
    assert!(
        repo.read(".workflow/json/plan.toml")
            .contains("goal = \"g\"")
    );
    let bad = piped("bad", "goal = 1\n");
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(2), "{said}");
    assert!(said.contains("<stdin>:1:"), "{said}");
    assert!(!repo.join(".workflow/bad").exists(), "nothing is left");
    dynwf
        .line("plan more --from - --edit")
        .expect_code(2)
        .complains("cannot be opened in an editor");
}
