//! Help, completions, advice: what needs no repository.

use crate::support::{Dynwf, Place};

/// Every verb that `--help` lists.
fn verbs(dynwf: &Dynwf<'_>) -> Vec<String> {
    let said = dynwf.line("--help").success();
    let list = said
        .stdout
        .split("Commands:")
        .nth(1)
        .expect("a list of commands");
    let list = list.split("\n\n").next().expect("a list of commands");
    list.lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_verb_says_what_it_does() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    let verbs = verbs(&dynwf);
    for verb in [
        "plan",
        "run",
        "review",
        "archive",
        "doctor",
        "demo",
        "rescue",
        "prune",
        "completions",
    ] {
        assert!(
            verbs.iter().any(|known| known == verb),
            "{verb} is not in {verbs:?}"
        );
    }
    assert!(
        !verbs.iter().any(|verb| verb == "hook"),
        "what git calls is not for people"
    );
    for verb in verbs.into_iter().filter(|verb| verb != "help") {
        let said = dynwf.run([verb.as_str(), "--help"]).success();
        assert!(said.stdout.contains("Usage: dynwf"), "{said}");
    }
}

#[test]
fn completions_know_the_verbs() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    for shell in ["bash", "zsh", "fish"] {
        let said = dynwf.run(["completions", shell]).success();
        assert!(
            said.stdout.contains("integrate") && said.stdout.contains("dynwf"),
            "{shell}"
        );
    }
    dynwf
        .line("completions tcsh")
        .expect_code(2)
        .complains("bash");
}

#[test]
fn advice_names_its_reasons_and_starts_nothing() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    let task = "replace the log facade by tracing in every crate in parallel";
    dynwf
        .run(["triage", task])
        .success()
        .says("a workflow pays here");
    let document = dynwf.run(["triage", "--json", task]).success().json();
    assert_eq!(document["orchestrate"], true);
    assert!(
        document["reasons"]
            .as_array()
            .is_some_and(|reasons| reasons.len() >= 2)
    );
    dynwf
        .line("triage fix a typo")
        .success()
        .says("do it directly");
    dynwf.line("triage").expect_code(2);
    dynwf
        .run(["triage", "  "])
        .expect_code(2)
        .complains("no task");
}

#[test]
fn a_verb_that_is_none_is_named() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    dynwf.line("reveiw x").expect_code(2).complains("review");
    dynwf.line("status").expect_code(2).complains("repository");
}
