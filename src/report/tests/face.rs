//! The files of `.workflow/<slug>/`, and the pages in them.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::error::{ExitCode, code_of, hint_of};
use crate::model::event::{Answer, EventKind, GivenUp};
use crate::model::state::RunState;
use crate::report::face::{Face, PlanTexts, ignore_runs};
use crate::report::pull_request;
use crate::report::sample::{Story, finished, middle, packet, plan};
use crate::report::summary::final_report;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::create_dir_all(folder.path().join(".git/info")).expect("made");
        Self { folder }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn face(&self, state: &RunState) -> Face {
        Face::new(self.root(), &self.root().join(".git"), &state.slug)
    }
}

fn texts() -> PlanTexts {
    PlanTexts {
        plan_toml: None,
        plan_md: Some("# Plan\n".to_owned()),
        orchestration_md: Some("# Orchestration\n".to_owned()),
        packets: vec![(packet("01-cli"), "# 01-cli\n".to_owned())],
    }
}

/// Every file below a folder with its content.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below");
                let text = std::fs::read_to_string(&path).expect("text");
                found.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    found
}

#[test]
fn everything_is_written_once_and_then_only_what_changed() {
    let place = Place::new();
    let mut story = middle();
    let face = place.face(&story.state);
    let written = face
        .write(&story.state, &texts(), story.now)
        .expect("written");
    let all = files(&face.path());
    assert_eq!(written.len(), all.len());
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "integration.md",
            "orchestration.md",
            "packets/01-cli.md",
            "plan.md",
            "results/01-cli.md",
            "results/02-core.md",
            "results/03-printer.md",
            "results/04-search.md",
            "results/07-flags.md",
            "results/08-lint.md",
            "state.json",
        ]
    );
    let again = face
        .write(&story.state, &texts(), story.now)
        .expect("written");
    assert_eq!(again, Vec::<String>::new());

    story.say(EventKind::PacketGivenUp {
        packet: packet("08-lint"),
        how: GivenUp::Dropped,
        why: "not worth it".to_owned(),
    });
    let changed = face
        .write(&story.state, &PlanTexts::default(), story.now)
        .expect("written");
    assert!(
        changed.contains(&"results/08-lint.md".to_owned()),
        "{changed:?}"
    );
    assert!(
        !changed.contains(&"results/01-cli.md".to_owned()),
        "{changed:?}"
    );
    assert!(
        face.path().join("plan.md").exists(),
        "what is not given is left"
    );
}

#[test]
fn what_was_deleted_comes_back_and_what_others_put_there_stays() {
    let place = Place::new();
    let story = finished();
    let face = place.face(&story.state);
    face.write(&story.state, &texts(), story.now)
        .expect("written");
    let before = files(&face.path());
    std::fs::remove_dir_all(place.root().join(".workflow")).expect("removed");
    std::fs::create_dir_all(face.path()).expect("made");
    std::fs::write(face.path().join("notes.txt"), "mine").expect("written");
    face.write(&story.state, &texts(), story.now)
        .expect("written");
    let mut after = files(&face.path());
    assert_eq!(after.remove("notes.txt").as_deref(), Some("mine"));
    assert_eq!(after, before);
    assert!(before.contains_key("final-report.md"), "it is over");
}

#[test]
fn a_final_report_is_not_written_while_a_run_goes_on() {
    let place = Place::new();
    let mut story = finished();
    story.say(EventKind::RunStarted {
        goal: "run".to_owned(),
        version: "0.1.0".to_owned(),
        sandbox: "bubblewrap".to_owned(),
    });
    let face = place.face(&story.state);
    let report = face.path().join("final-report.md");
    face.write(&story.state, &texts(), story.now)
        .expect("written");
    assert!(!report.exists());
    story.say(EventKind::RunEnded { code: 3 });
    face.write(&story.state, &texts(), story.now)
        .expect("written");
    assert!(report.exists());
}

#[test]
fn links_are_not_followed() {
    let story = finished();
    for link in [
        ".workflow",
        ".workflow/refactor",
        ".workflow/refactor/results",
    ] {
        let place = Place::new();
        let elsewhere = TempDir::new().expect("a folder");
        let at = place.root().join(link);
        std::fs::create_dir_all(at.parent().expect("a folder")).expect("made");
        symlink(elsewhere.path(), &at).expect("linked");
        let error = place
            .face(&story.state)
            .write(&story.state, &texts(), story.now)
            .expect_err("refused");
        assert_eq!(code_of(&error), ExitCode::Usage);
        assert!(hint_of(&error).is_some_and(|hint| hint.starts_with("move it away")));
        assert!(files(elsewhere.path()).is_empty(), "{link}");
    }
    let place = Place::new();
    let outside = place.root().join("outside.txt");
    std::fs::write(&outside, "precious").expect("written");
    let face = place.face(&story.state);
    std::fs::create_dir_all(face.path()).expect("made");
    symlink(&outside, face.path().join("state.json")).expect("linked");
    face.write(&story.state, &texts(), story.now)
        .expect_err("refused");
    assert_eq!(std::fs::read_to_string(&outside).expect("text"), "precious");
}

#[test]
fn git_is_told_once_and_nothing_else_is_touched() {
    let place = Place::new();
    let common = place.root().join(".git");
    let exclude = common.join("info/exclude");
    for (before, after) in [
        (None, "/.workflow/*\n!/.workflow/recipes/\n"),
        (
            Some("# mine\r\n*.o"),
            "# mine\r\n*.o\n/.workflow/*\n!/.workflow/recipes/\n",
        ),
        (
            Some("/.workflow/*\n\n"),
            "/.workflow/*\n\n!/.workflow/recipes/\n",
        ),
    ] {
        match before {
            Some(text) => std::fs::write(&exclude, text).expect("written"),
            None => std::fs::remove_dir_all(common.join("info")).expect("removed"),
        }
        assert!(ignore_runs(&common).expect("added"));
        assert_eq!(std::fs::read_to_string(&exclude).expect("text"), after);
        assert!(!ignore_runs(&common).expect("there"), "only once");
        assert_eq!(std::fs::read_to_string(&exclude).expect("text"), after);
    }
}

#[test]
fn state_json_has_the_names_that_other_tools_read() {
    let place = Place::new();
    let story = middle();
    let face = place.face(&story.state);
    face.write(&story.state, &texts(), story.now)
        .expect("written");
    let text = face.read("state.json").expect("read").expect("there");
    let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(
        value["title"],
        "Replace the log facade by tracing in every crate"
    );
    assert_eq!(value["slug"], "refactor");
    assert_eq!(value["created_at"], "2026-11-22T21:00:00Z");
    assert_eq!(value["status"], "running");
    assert_eq!(value["approval"]["required"], true);
    assert_eq!(value["approval"]["granted"], false);
    assert_eq!(value["approval"]["events"][0]["decision"], "deferred");
    let first = &value["packets"][0];
    assert_eq!(first["id"], "01-cli");
    assert_eq!(first["assignee"], "command");
    assert_eq!(first["status"], "integrated");
    assert_eq!(first["result"], "results/01-cli.md");
    assert_eq!(value["packets"][5]["result"], serde_json::Value::Null);
    assert_eq!(value["verification"]["status"], "not_started");
    assert_eq!(value["verification"]["checks"][0]["check"], "tests");
    assert_eq!(value["budgets"]["max_concurrent_agents"], 4);
    assert_eq!(value["budgets"]["token_budget"], 3_000_000);
}

#[test]
fn a_result_says_what_became_of_a_packet() {
    let place = Place::new();
    let mut story = middle();
    story.say(EventKind::GateDecided {
        gate: "merge:02-core".parse().expect("a gate"),
        answer: Answer::Denied,
        request: "1".parse().expect("an id"),
        by: "A <a@example.org>".to_owned(),
        attended: false,
        why: "too \u{202e}wide".to_owned(),
    });
    let face = place.face(&story.state);
    face.write(&story.state, &texts(), story.now)
        .expect("written");
    let all = files(&face.path());
    let tip = "a".repeat(40);
    let base = "3".repeat(40);
    let expected = format!(
        "\
# Result: 02-core

Replace the facade in 02-core

## Status

- checked
- worked on by: codex
- attempts: 1, units' time: 2m 10s, tokens: 41000
- branch: `dynwf/refactor/02-core`
- commits: `{base}..{tip}`

## Accepted

None.

## Rejected

None.

## Conflicts

None.

## Decisions

- gate `merge:02-core` (Cargo.lock is protected): denied by A <a@example.org>, unattended: too \\u{{202e}}wide

## Risks

None.

## Verification

None.

## Evidence

None.

## Files

- and 31 more
"
    );
    assert_eq!(all["results/02-core.md"], expected);
    assert!(
        all["results/07-flags.md"]
            .contains("- `crates/core/flags/defs.rs`: contents with 01-cli\n")
    );
    assert!(all["integration.md"].contains(
        "- 01-cli: 12 files +148 −96, merged as `4444444` (disjoint changes, merged as trees)\n"
    ));
}

#[test]
fn the_final_report_answers_every_question() {
    let story = finished();
    let text = final_report(&story.state, story.now);
    let (tree, output) = ("4".repeat(40), "0".repeat(64));
    let expected = format!(
        "\
# Final report: refactor

Replace the log facade by tracing in every crate

## Outcome

- complete: every packet is integrated, done or waived
- 2 of 2 packets good, in 13s
- from `3333333` to `4444444` on `dynwf/refactor/integration`
- not landed on `main`
- not pushed
- units' time 13s, 0 of 3M tokens; the tokens of 1 turn are not known; the cost of 1 turn is not known

## Accepted

- 01-cli (command): 12 files +148 −96, integrated as `4444444`, accepted by policy
- 02-core (codex): it changed nothing

## Rejected

None.

## Conflicts resolved

None.

## Decisions

None.

## Verification evidence

- integrated tree: `cargo test --workspace`: exit 0 on tree `{tree}`, output sha256 `{output}`

## Skipped checks

None.

## Remaining risks

- medium: feature flags differ per crate (against it: check --all-features)

## Reusable follow-up

- the plan's shape can be kept as a recipe: `dynwf recipe save refactor NAME`
"
    );
    assert_eq!(text, expected);
    let text = final_report(&middle().state, story.now);
    for line in [
        "- not finished\n",
        "- 08-lint (command): failed: check `cargo clippy` exit 101\n",
        "- integrated tree: `tests`: not run\n",
        "- 08-lint is open: `dynwf packet retry refactor 08-lint`\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn parent_work_is_never_anybody_elses() {
    let mut story = Story::begun(plan());
    story.workspace("05-docs", 1);
    story.say(EventKind::PacketReturned {
        packet: packet("05-docs"),
        by: "A <a@example.org>".to_owned(),
        note: String::new(),
    });
    story.say(EventKind::PacketCollected {
        packet: packet("05-docs"),
        collected: crate::report::sample::collected((1, 1, 0)),
    });
    story.integrate("05-docs", '4');
    let text = final_report(&story.state, story.now);
    assert!(
        text.contains("- 05-docs (parent work): 1 file +1 −0, integrated"),
        "{text}"
    );
    let request = pull_request::of_workflow(&story.state, story.now);
    assert!(request.body.contains("- 05-docs (parent work): 1 file"));
}

#[test]
fn a_pull_request_states_objective_evidence_and_risks() {
    let story = finished();
    let request = pull_request::of_workflow(&story.state, story.now);
    assert_eq!(request.head, "dynwf/refactor/integration");
    assert_eq!(request.base, "main");
    assert_eq!(
        request.title,
        "Replace the log facade by tracing in every crate"
    );
    for heading in [
        "## Objective\n",
        "## Packets\n",
        "## Evidence\n",
        "## Risks\n",
    ] {
        assert!(request.body.contains(heading), "{heading}");
    }
    assert!(request.body.starts_with("## Objective\n"));
    assert!(
        request
            .body
            .contains("- 01-cli (command): 12 files +148 −96, Replace the facade")
    );
    assert!(!request.body.contains("02-core"), "it brings nothing");
    let one = pull_request::of_packet(&story.state, &packet("01-cli"), story.now).expect("work");
    assert_eq!(one.head, "dynwf/refactor/01-cli");
    assert_eq!(one.title, "Replace the facade in 01-cli");
    assert!(pull_request::of_packet(&story.state, &packet("02-core"), story.now).is_none());
    let text = pull_request::render(&[request, one]);
    assert!(
        text.starts_with("`dynwf/refactor/integration` into `main`\n\nReplace"),
        "{text}"
    );
}

#[test]
fn a_lost_face_is_rendered_from_the_fixed_plan() {
    let place = Place::new();
    let story = middle();
    let face = place.face(&story.state);
    let texts = PlanTexts::rebuilt(&story.state);
    face.write(&story.state, &texts, story.now)
        .expect("written");
    let all = files(&face.path());
    let (read, _) = crate::plan::parse_toml(&all["plan.toml"], "plan.toml").expect("a plan");
    assert_eq!(read, plan());
    assert!(all["plan.md"].contains("Replace the log facade"));
    assert!(all.contains_key("packets/08-lint.md"));
    let edited = face.path().join("plan.toml");
    std::fs::write(&edited, "# being edited\n").expect("written");
    let texts = PlanTexts::of(&story.state);
    face.write(&story.state, &texts, story.now)
        .expect("written");
    let text = std::fs::read_to_string(&edited).expect("text");
    assert_eq!(
        text, "# being edited\n",
        "a person's edits are not written over"
    );
}
