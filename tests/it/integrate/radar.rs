//! Conflicts that are seen before they happen.

use super::{meeting, touching};
use crate::support::{Dynwf, assert_packet, in_use_with};

const FILE: &str = "crates/core/src/lib.rs";

#[test]
fn pairs_that_will_conflict_are_shown_while_a_person_is_waited_for() {
    let line = |id: &str| touching(id, "crates/core/**", &format!("echo '// {id}' >> {FILE}"));
    let top = touching(
        "top",
        "crates/core/**",
        &format!("sed -i '1i // top' {FILE}"),
    );
    let after = touching(
        "after",
        "crates/core/**",
        &format!("echo '// after' >> {FILE}"),
    )
    .replace("scope", "after = [\"net\"]\nscope");
    let away = touching("away", "README.md", "echo away >> README.md");
    let gate = "[[gate]]\nbefore = \"integrate\"\n";
    let repo = in_use_with(&meeting(gate, &[line("net"), line("db"), top, after, away]));
    let dynwf = Dynwf::new(&repo);
    let run = dynwf.line("run lines").expect_code(3);
    run.complains("net and db will conflict in crates/core/src/lib.rs");
    let status = dynwf.status("lines");
    let known: Vec<(String, &str)> = status["radar"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|pair| {
            let names = format!("{}+{}", pair["packets"][0], pair["packets"][1]);
            (
                names.replace('"', ""),
                pair["status"].as_str().expect("a word"),
            )
        })
        .collect();
    // `away` meets nobody, and `after` has not begun: it starts from what `net` did.
    let wanted = [
        ("net+db", "conflict"),
        ("net+top", "clean"),
        ("db+top", "clean"),
    ];
    let wanted: Vec<(String, &str)> = wanted.map(|(names, word)| (names.to_owned(), word)).into();
    assert_eq!(known, wanted);
    assert_eq!(status["radar"][0]["conflicts"][0]["path"], FILE);
    assert_eq!(status["radar"][0]["conflicts"][0]["kind"], "contents");
    dynwf
        .line("status lines")
        .success()
        .says(" ahead: net and db will conflict in crates/core/src/lib.rs");
    let page = repo.read(".workflow/lines/integration.md");
    assert!(
        page.contains("net and db will conflict in `crates/core/src/lib.rs` (contents)"),
        "{page}"
    );
    assert!(page.contains("net and top meet and merge"), "{page}");

    // What was seen is not looked at again, and what happened is not ahead any more.
    let swept = |dynwf: &Dynwf<'_>| {
        let log = dynwf.line("log lines --json").success().stdout;
        log.matches("RadarSwept").count()
    };
    let before = swept(&dynwf);
    dynwf.line("run lines").expect_code(3);
    assert_eq!(swept(&dynwf), before);
    dynwf.line("approve lines integrate --yes").success();
    dynwf.line("run lines").expect_code(4);
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "conflicted", FILE);
    assert_eq!(status["radar"], serde_json::json!([]));
}
