//! `dynwf probe`, as a person and as a program asks it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Dynwf, TestRepo};

/// The branches `main`, `apart` (merges with it) and `meets` (does not).
fn repository() -> TestRepo {
    let repo = TestRepo::small();
    for (branch, path) in [("apart", "crates/net/src/lib.rs"), ("meets", "README.md")] {
        repo.git(["checkout", "-q", "-b", branch, "main"]);
        repo.write(path, &format!("{branch}\n"));
        repo.commit(branch);
    }
    repo.git(["checkout", "-q", "main"]);
    repo.write("README.md", "main\n");
    repo.commit("main");
    repo
}

#[test]
fn a_merge_is_told_and_nothing_changes() {
    let repo = repository();
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let tree = repo.git(["merge-tree", "--write-tree", "main", "apart"]);
    let said = dynwf.line("probe main apart").success();
    assert_eq!(said.stdout, format!("{tree} tree\n"));
    let said = dynwf.line("probe main apart --json").success().json();
    assert_eq!(said, json!({"tree": tree, "conflicts": [], "road": "tree"}));
    let said = dynwf.line("probe main meets --json").expect_code(4).json();
    assert_eq!(said["tree"], Value::Null);
    assert_eq!(
        said["conflicts"],
        json!([{"path": "README.md", "kind": "contents"}])
    );
    assert_eq!(said["road"], "git");
    let said = dynwf.line("probe main meets").expect_code(4);
    assert!(said.stdout.contains("README.md  contents"), "{said:?}");
    // From the other side's own parent nothing of main is in the way.
    dynwf.line("probe apart meets --base meets~1").success();
    assert_eq!(repo.fingerprint(), before);
}

#[test]
fn what_cannot_be_probed_is_bad_input() {
    let repo = repository();
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("probe main nowhere").expect_code(2);
    assert!(
        said.stderr.contains("`nowhere` names no commit"),
        "{said:?}"
    );
    dynwf.line("probe main").expect_code(2);
    repo.git(["checkout", "-q", "--orphan", "alone"]);
    repo.commit("alone");
    let said = dynwf.line("probe main alone").expect_code(2);
    assert!(said.stderr.contains("no common ancestor"), "{said:?}");
}

#[test]
fn every_line_is_answered_at_once() {
    let repo = repository();
    let mut child = Dynwf::new(&repo)
        .command(["probe", "--stdin", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("dynwf can be started");
    let mut ask = child.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut answer = |line: &str| -> Value {
        writeln!(ask, "{line}").expect("dynwf reads");
        let mut text = String::new();
        answers.read_line(&mut text).expect("dynwf answers");
        serde_json::from_str(&text).expect("JSON")
    };
    assert_eq!(answer("main apart")["road"], "tree");
    let error = answer("main nowhere")["error"].to_string();
    assert!(error.contains("nowhere"), "{error}");
    assert_eq!(answer("main meets")["conflicts"][0]["path"], "README.md");
    assert!(answer("one")["error"].is_string());
    assert_eq!(answer("apart meets meets~1")["road"], "tree");
    drop(ask);
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
}
