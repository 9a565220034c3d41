//! `dynwf doctor` and `dynwf agents`.

use serde_json::Value;

use super::waiting;
use crate::support::{Dynwf, TestRepo};

/// The findings about one thing.
#[track_caller]
fn about<'a>(document: &'a Value, what: &str) -> Vec<(&'a str, &'a str)> {
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    document["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|finding| finding["about"] == what)
        .map(|finding| (text(&finding["level"]), text(&finding["what"])))
        .collect()
}

#[test]
fn a_healthy_repository_has_nothing_that_fails() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let before = repo.fingerprint();
    let said = dynwf.line("doctor").success();
    for word in [
        "git",
        "repository",
        "identity",
        "settings",
        "hook",
        "sandbox",
        "disk",
        "workflows",
        "agents",
    ] {
        assert!(said.stdout.contains(word), "{word}\n{said}");
    }
    let document = dynwf.line("doctor --json").success().json();
    assert_eq!(
        about(&document, "identity"),
        [("ok", "Test User <user@example.com>")]
    );
    let [("ok", workflow)] = about(&document, "workflows")[..] else {
        panic!("{document:#}");
    };
    assert!(workflow.starts_with("lines: waiting"), "{workflow}");
    assert_eq!(about(&document, "leftovers"), [("ok", "none")]);
    before.assert_same(&repo.fingerprint());
}

#[test]
fn what_is_wrong_is_said_with_the_way_out_and_hides_nothing() {
    let repo = TestRepo::small();
    repo.write("dynwf.toml", "[limits]\nminuts = 3\n");
    std::fs::write(
        repo.place().home().join(".gitconfig"),
        "[user]\n\tuseConfigOnly = true\n",
    )
    .unwrap();
    repo.git(["branch", "dynwf"]);
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("doctor").expect_code(1);
    for text in [
        "minutes",
        "identity",
        "git branch -m dynwf OTHER-NAME",
        "hint:",
    ] {
        assert!(said.stdout.contains(text), "{text}\n{said}");
    }
    let document = dynwf.line("doctor --json").expect_code(1).json();
    for what in ["identity", "settings", "branches"] {
        assert_eq!(
            about(&document, what)[0].0,
            "fail",
            "{what} in {document:#}"
        );
    }
    assert_eq!(about(&document, "repository")[0].0, "ok");
    Dynwf::at(repo.place(), &repo.place().path())
        .line("doctor")
        .expect_code(1)
        .says("repository");
}

#[test]
fn a_damaged_journal_is_cut_after_its_last_good_append() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let journal = repo.common_dir().join("dynwf/w/lines/journal.jsonl");
    dynwf
        .line("doctor --repair lines")
        .success()
        .complains("nothing is wrong");
    for (number, from_end) in [(1, 22), (2, 12), (3, 4)] {
        let good = std::fs::read(&journal).unwrap();
        let ends: Vec<usize> = (0..good.len()).filter(|&at| good[at] == b'\n').collect();
        let record = ends.len() - from_end;
        let mut bad = good.clone();
        bad[ends[record - 1] + 20] ^= 1;
        std::fs::write(&journal, &bad).unwrap();
        let said = dynwf.line("status lines").expect_code(70);
        assert!(
            said.stderr.contains("dynwf doctor --repair lines"),
            "{said}"
        );
        dynwf
            .line("doctor")
            .expect_code(1)
            .says("dynwf doctor --repair lines");
        let said = dynwf.line("doctor --repair lines").success();
        // What was written together with the damaged record goes with it.
        let lines: Vec<&[u8]> = good.split_inclusive(|&byte| byte == b'\n').collect();
        let goes_on = |record: usize| {
            let line = std::str::from_utf8(lines[record - 1]).unwrap();
            serde_json::from_str::<Value>(line).unwrap()["more"] == true
        };
        let record = (1..=record).rfind(|&record| !goes_on(record)).unwrap();
        let ends_with = format!("ends with record {record} now");
        assert!(said.stdout.contains(&ends_with), "{said}");
        let copy = journal.with_file_name(format!("journal.damaged-{number}"));
        assert_eq!(std::fs::read(&copy).unwrap(), bad);
        let left = std::fs::read(&journal).unwrap();
        assert!(left.starts_with(&good[..=ends[record - 1]]), "{said}");
        // The run goes on from there to where it was.
        dynwf.line("run lines").expect_code(3);
        let status = dynwf.status("lines");
        let words: Vec<&Value> = (0..3).map(|at| &status["packets"][at]["status"]).collect();
        assert_eq!(
            words,
            ["integrated", "waiting", "failed"],
            "{number}: {status:#}"
        );
        let text = repo.git(["show", "dynwf/lines/integration:crates/net/src/lib.rs"]);
        assert_eq!(text.matches("// a line").count(), 1, "{number}: {text}");
    }
    dynwf
        .line("doctor --repair nothing")
        .expect_code(2)
        .complains("no workflow is called nothing");
}

#[test]
fn agents_are_looked_for_and_asked() {
    let repo = TestRepo::small();
    let program = repo.place().join("my client");
    std::fs::write(&program, "#!/bin/sh\necho 'client 4.5.6 (built today)'\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let silent = repo.place().join("silent");
    std::fs::write(&silent, "#!/bin/sh\nexit 9\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&silent, mode).unwrap();
    repo.place().user_config(&format!(
        "[agents.mine]\nadapter = \"codex\"\nprogram = \"{}\"\n[agents.broken]\nadapter = \"pi\"\nprogram = \"{}\"\n\
         [agents.gone]\nadapter = \"claude\"\nprogram = \"/nowhere/claude\"\n",
        program.display(),
        silent.display()
    ));
    let dynwf = Dynwf::new(&repo).env("OPENAI_API_KEY", "sk-secret");
    let said = dynwf.line("agents list").success();
    assert!(!said.stdout.contains("sk-secret"), "{said}");
    let document = dynwf.line("agents list --json").success().json();
    let find = |name: &str| {
        let all = document["agents"].as_array().expect("a list");
        all.iter()
            .find(|agent| agent["name"] == name)
            .cloned()
            .expect("is listed")
    };
    let mine = find("mine");
    assert_eq!(
        (&mine["version"], &mine["usable"]),
        (&"4.5.6".into(), &true.into()),
        "{mine}"
    );
    assert_eq!(mine["keys"], serde_json::json!(["OPENAI_API_KEY"]));
    let broken = find("broken");
    assert_eq!(broken["usable"], false);
    assert!(
        broken["trouble"]
            .as_str()
            .is_some_and(|why| why.contains('9')),
        "{broken}"
    );
    assert_eq!(find("gone")["path"], Value::Null);
    assert_eq!(find("command")["usable"], true);
    let quick = dynwf
        .line("agents list --json --no-version")
        .success()
        .json();
    let versions = quick["agents"].as_array().expect("a list").iter();
    assert!(
        versions.map(|agent| &agent["version"]).all(Value::is_null),
        "{quick:#}"
    );
}

#[test]
fn agents_test_says_what_works_and_exactly_what_failed() {
    let repo = TestRepo::small();
    repo.place().user_config(
        "[agents.good]\nadapter = \"command\"\nrun = \"echo 'hello from dynwf' > hello.txt\"\n\
         [agents.lazy]\nadapter = \"command\"\nrun = \"true\"\n\
         [agents.wrong]\nadapter = \"command\"\nrun = \"echo no > hello.txt\"\n\
         [agents.broken]\nadapter = \"command\"\nrun = \"echo the service is down >&2; exit 9\"\n\
         [agents.gone]\nadapter = \"claude\"\nprogram = \"/nowhere/claude\"\n",
    );
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    for name in ["good", "command"] {
        let said = dynwf.line(&format!("agents test {name}")).success();
        assert!(
            said.stdout.contains("hello.txt is written and merged"),
            "{said}"
        );
    }
    for (name, why) in [
        ("lazy", "no_change"),
        ("wrong", "grep -qx"),
        ("broken", "the service is down"),
        ("gone", "is not on PATH"),
    ] {
        let said = dynwf.line(&format!("agents test {name}")).expect_code(1);
        assert!(said.stdout.contains(why), "{name}: {said}");
    }
    dynwf
        .line("agents test parent")
        .expect_code(2)
        .complains("work outside dynwf");
    dynwf
        .line("agents test nobody")
        .expect_code(2)
        .complains("no agent is called nobody");
    before.assert_same(&repo.fingerprint());
    let listed = dynwf.line("agents list --json").success().json();
    let sandbox = &listed["agents"].as_array().expect("a list")[0]["sandbox"];
    assert!(sandbox == "none" || sandbox == "bubblewrap", "{listed:#}");
}
