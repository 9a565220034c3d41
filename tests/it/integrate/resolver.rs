//! Conflicts in the hands of a resolver.

use super::{meeting, touching};
use crate::support::{Dynwf, TestRepo, assert_packet, gate_word, in_use_with, integrated, packet};

const FILE: &str = "crates/core/src/lib.rs";

/// Keeps the lines of both sides, and what it was told.
const KEEPS: &str = "cp \\\"$DYNWF_PROMPT_FILE\\\" \\\"$HOME/told\\\"; sed -i '/^[<=>]\\\\{7\\\\}/d' crates/core/src/lib.rs";

/// Three packets, of which each two conflict, and a resolver that does this.
fn repository(resolver: &str) -> TestRepo {
    let line = |id: &str| touching(id, "crates/core/**", &format!("echo '// {id}' >> {FILE}"));
    let more = touching("more", "README.md", "echo more >> README.md");
    let gate = "[[gate]]\nbefore = \"integrate\"\n";
    let repo = in_use_with(&meeting(
        gate,
        &[line("net"), line("db"), line("web"), more],
    ));
    repo.place().user_config(&format!(
        "[sandbox]\nmode = \"none\"\n[integration]\nresolver = \"mender\"\n\
         [agents.mender]\nadapter = \"command\"\nrun = \"{resolver}\"\n"
    ));
    repo
}

fn run(repo: &TestRepo, code: i32) -> serde_json::Value {
    let dynwf = Dynwf::new(repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines integrate --yes").success();
    dynwf.line("run lines").expect_code(code);
    dynwf.status("lines")
}

#[test]
fn a_resolver_sees_both_sides_and_what_it_makes_is_merged() {
    let repo = repository(KEEPS);
    let before = repo.fingerprint();
    let status = run(&repo, 3);
    for id in ["net", "db", "web", "more"] {
        assert_packet(&status, id, "integrated", "");
    }
    for id in ["db", "web"] {
        assert_packet(&status, &format!("resolve-{id}"), "done", "");
        assert_eq!(packet(&status, id)["road"], "resolver mender");
        assert_eq!(packet(&status, id)["proof"]["files"], 1);
    }
    assert!(integrated(&repo, FILE).ends_with("// net\n// db\n// web"));
    // History knows the packets' commits and their merges, not the commits with the marks.
    let log = repo.git(["log", "--format=%s", "main..dynwf/lines/integration"]);
    assert_eq!(log.lines().count(), 8, "{log}");
    let told = std::fs::read_to_string(repo.place().home().join("told")).expect("it was told");
    for part in [
        "Resolve the conflict of web",
        "Packet web is for: A line",
        "Packet net, which is integrated, is for: A line",
        "// web",
        "<<<<<<<",
        "crates/core/src/lib.rs",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains(&repo.path().display().to_string()), "{told}");
    let page = repo.read(".workflow/lines/integration.md");
    assert!(page.contains("db, resolved by resolver mender"), "{page}");
    before.assert_same(&repo.fingerprint());
    repo.git(["fsck", "--strict"]);
}

#[test]
fn a_resolver_that_leaves_marks_fails_or_strays_leaves_the_conflict_to_a_person() {
    for (resolver, why) in [
        (
            "echo '// more' >> crates/core/src/lib.rs",
            "left marks of the conflict in crates/core/src/lib.rs",
        ),
        (
            "sed -i '/^[<>]\\\\{7\\\\}/d' crates/core/src/lib.rs",
            "left marks of the conflict in crates/core/src/lib.rs",
        ),
        ("true", ""),
        ("exit 3", "exit 3"),
        (
            "sed -i '/^[<=>]\\\\{7\\\\}/d' crates/core/src/lib.rs; echo x > README.md",
            "outside its scope: README.md",
        ),
    ] {
        let repo = repository(resolver);
        let status = run(&repo, 4);
        assert_packet(&status, "db", "conflicted", FILE);
        assert_packet(&status, "more", "integrated", "");
        let word = if why.is_empty() {
            "no_change"
        } else {
            "cancelled"
        };
        assert_packet(&status, "resolve-db", word, why);
        // Each conflict is given away once; then it is the person's, who can go on as ever.
        let dynwf = Dynwf::new(&repo);
        dynwf.line("run lines").expect_code(4);
        let count = dynwf.status("lines")["packets"]
            .as_array()
            .expect("packets")
            .len();
        assert_eq!(count, 6, "{resolver}");
        assert!(!integrated(&repo, FILE).contains("<<<<<<<"));
        dynwf.line("integrate lines --skip db").expect_code(4);
        dynwf.line("integrate lines --skip web").success();
        let status = dynwf.status("lines");
        assert_packet(&status, "db", "cancelled", "");
    }
}

#[test]
fn what_a_resolver_drops_is_asked_about() {
    let drops = KEEPS.replace("/d' crates", "/d; /net/d' crates");
    let repo = repository(&drops);
    run(&repo, 3);
    let dynwf = Dynwf::new(&repo);
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "waiting", "dropped of integration: `// net`");
    assert_eq!(gate_word(&status, "risk:db"), "waiting");
    dynwf.line("reject lines risk:db --why no").success();
    // What a person did not want is not asked of the resolver again; what it made of the other waits for its own answer.
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "conflicted", FILE);
    assert_eq!(gate_word(&status, "risk:web"), "waiting");
    assert_eq!(status["packets"].as_array().expect("packets").len(), 6);
}
