//! Every recorded stream of the clients, with what it amounts to. The files are what the real clients printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{AgentEvent, Span, Verdict, for_name};
use crate::config::AgentConfig;
use crate::model::unit::UnitOutcome::{self, Exited};

/// What a recorded stream amounts to: a line of `verdicts.tsv`.
struct Sample {
    file: String,
    outcome: UnitOutcome,
    why: Option<String>,
    tokens: Option<(u64, u64)>,
    dollars: Option<f64>,
    text: String,
}

const DONE: &str = "DONE: wrote hello.txt and committed.";

fn samples() -> Vec<Sample> {
    let table = fs::read_to_string(folder().join("verdicts.tsv")).expect("the table");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let [file, ended, why, input, output, dollars, text] = cells[..] else {
            panic!("seven cells: {row}");
        };
        Sample {
            file: file.to_owned(),
            outcome: outcome(ended),
            why: (why != "ok").then(|| why.to_owned()),
            tokens: input.parse().ok().zip(output.parse().ok()),
            dollars: dollars.parse().ok(),
            text: text.to_owned(),
        }
    })
    .collect()
}

fn outcome(ended: &str) -> UnitOutcome {
    match ended.split_once(' ') {
        Some(("exit", code)) => Exited(code.parse().expect("a code")),
        Some(("signal", number)) => UnitOutcome::Signalled(number.parse().expect("a number")),
        _ => UnitOutcome::TimedOut,
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/agent")
}

/// The lines that the client printed. Two files are logs of both directions of a conversation.
fn lines(file: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(format!("{file}.jsonl"))).expect("a sample");
    text.lines()
        .filter_map(|line| {
            let Ok(Value::Object(logged)) = serde_json::from_str(line) else {
                return Some(line.to_owned());
            };
            match logged.get("dir").and_then(Value::as_str) {
                Some("<-") => Some(logged["msg"].to_string()),
                Some(_) => None,
                None => Some(line.to_owned()),
            }
        })
        .collect()
}

fn read(agent: &str, lines: &[String], outcome: &UnitOutcome) -> (Vec<AgentEvent>, Verdict) {
    let agent = for_name(agent, &AgentConfig::default()).expect("an adapter");
    let mut reader = agent.reader();
    let events = lines.iter().flat_map(|line| reader.line(line)).collect();
    (events, reader.finish(outcome))
}

#[test]
fn every_recorded_stream_gives_its_verdict() {
    for sample in samples() {
        let file = &*sample.file;
        let agent = file.split('-').next().expect("a first part");
        let (_, verdict) = read(agent, &lines(file), &sample.outcome);
        assert_eq!(verdict.ok, sample.why.is_none(), "{file}: {verdict:?}");
        assert_eq!(verdict.why, sample.why, "{file}");
        assert_eq!(verdict.text, sample.text, "{file}");
        let tokens = verdict.usage.input_tokens.zip(verdict.usage.output_tokens);
        assert_eq!(tokens, sample.tokens, "{file}: tokens");
        match (verdict.usage.dollars, sample.dollars) {
            (Some(found), Some(wanted)) => {
                assert!((found - wanted).abs() < 1e-9, "{file}: {found}");
            }
            (found, wanted) => assert_eq!(found, wanted, "{file}: dollars"),
        }
        assert_eq!(verdict.rate_limited, None, "{file}");
        // The log of the other protocol has no first line with the conversation's id.
        assert_eq!(
            verdict.session.is_some(),
            file != "pi-rpc",
            "{file}: session"
        );
    }
}

#[test]
fn every_sample_is_in_the_table() {
    let listed: BTreeSet<String> = samples()
        .into_iter()
        .map(|sample| format!("{}.jsonl", sample.file))
        .collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "verdicts.tsv")
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn totals_and_turns_are_told_apart() {
    let spans = |agent, file| {
        let (_, verdict) = read(agent, &lines(file), &Exited(0));
        (verdict.tokens_span, verdict.dollars_span)
    };
    assert_eq!(spans("codex", "codex-resume"), (Span::Session, Span::Run));
    assert_eq!(spans("claude", "claude-resume"), (Span::Run, Span::Run));
    assert_eq!(spans("pi", "pi-resume"), (Span::Run, Span::Run));

    // An older Claude Code does not break its figures down: the dollars are the conversation's.
    let older: Vec<String> = lines("claude-resume")
        .iter()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            event
                .as_object_mut()
                .unwrap()
                .remove("model_usage_since_last_result");
            event.to_string()
        })
        .collect();
    let (_, second) = read("claude", &older, &Exited(0));
    assert_eq!(
        (second.tokens_span, second.dollars_span),
        (Span::Run, Span::Session)
    );
    let (_, first) = read("claude", &lines("claude"), &Exited(0));
    let own = second.used_since(&first.usage);
    assert_eq!(own.tokens(), 1050);
    assert!((own.dollars.unwrap() - 0.005).abs() < 1e-9, "{own:?}");

    let (_, second) = read("codex", &lines("codex-resume"), &Exited(0));
    let (_, first) = read("codex", &lines("codex"), &Exited(0));
    assert_eq!(second.session, first.session);
    assert_eq!(second.used_since(&first.usage).tokens(), 1050);
}

#[test]
fn structured_results_come_as_values() {
    for (agent, file) in [("codex", "codex-schema"), ("claude", "claude-schema")] {
        let (_, verdict) = read(agent, &lines(file), &Exited(0));
        assert_eq!(
            verdict.structured,
            Some(json!({"verdict": "ok", "score": 7})),
            "{file}"
        );
    }
}

#[test]
fn what_happens_is_told_in_plain_words() {
    let told = |agent, file| -> Vec<String> {
        let (events, _) = read(agent, &lines(file), &Exited(0));
        events
            .iter()
            .filter_map(|event| event.progress("/repo/wt"))
            .collect()
    };
    let commit = "running git add -A && git -c user.name=t";
    for (agent, file) in [
        ("codex", "codex-apply-patch"),
        ("claude", "claude"),
        ("pi", "pi"),
    ] {
        let told = told(agent, file);
        assert!(
            told.contains(&"I will write hello.txt.".to_owned()),
            "{file}: {told:?}"
        );
        assert_eq!(
            told.iter()
                .filter(|line| *line == "editing hello.txt")
                .count(),
            1,
            "{file}: {told:?}"
        );
        assert!(
            told.iter().any(|line| line.starts_with(commit)),
            "{file}: {told:?}"
        );
        assert_eq!(told.last().unwrap(), DONE, "{file}");
    }
    assert!(told("claude", "claude-denied").contains(&"was not allowed to use Write".to_owned()));
    assert!(
        told("claude", "claude-err401")[0]
            .starts_with("the service answered 401; trying again in 1 s")
    );
    assert!(
        told("codex", "codex-err429once")
            .iter()
            .any(|line| line.starts_with("the service answered 429"))
    );
    assert!(
        told("pi", "pi-err500")
            .contains(&"the service answered 500; trying again in 2 s".to_owned())
    );
    assert!(told("codex", "codex-mcp").contains(&"using mock.note".to_owned()));
}

#[test]
fn chatter_and_unknown_events_change_nothing() {
    let chatter = [
        "",
        "npm warn something",
        "{\"type\":",
        "[1,2]",
        "null",
        "{}",
        "{\"type\":7}",
        "{\"type\":\"new_kind\",\"message\":{\"role\":\"assistant\"}}",
        "{\"type\":\"system\",\"subtype\":\"new_kind\"}",
        "{\"type\":\"item.completed\",\"item\":{\"type\":\"new\"}}",
        "{\"type\":\"assistant\",\"message\":null}",
        "{\"type\":\"message_end\"}",
        "{\"type\":\"item.started\"}",
        "\u{fffd}\u{fffd}",
        "{\"type\":\"tool_progress\",\"item\":[]}",
    ];
    for (agent, file) in [("codex", "codex"), ("claude", "claude"), ("pi", "pi")] {
        let plain = lines(file);
        let noisy: Vec<String> = plain
            .iter()
            .flat_map(|line| {
                chatter
                    .iter()
                    .map(|&words| words.to_owned())
                    .chain([line.clone()])
            })
            .collect();
        assert_eq!(
            read(agent, &noisy, &Exited(0)).1,
            read(agent, &plain, &Exited(0)).1,
            "{agent}"
        );
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_is_no_success() {
    for (agent, file) in [("codex", "codex"), ("claude", "claude"), ("pi", "pi")] {
        let mut lines = lines(file);
        // Of Pi's two last lines either is an end.
        lines.truncate(lines.len() - usize::from(agent == "pi"));
        while lines.pop().is_some() {
            let (_, verdict) = read(agent, &lines, &Exited(0));
            assert!(!verdict.ok, "{agent} after {} lines", lines.len());
            assert_eq!(
                verdict.why.as_deref(),
                Some("stopped before it was through")
            );
        }
    }
}

#[test]
fn a_spent_quota_is_told_from_a_failure() {
    let codex = [
        json!({"type": "turn.started"}),
        json!({"type": "turn.failed", "error": {"message": "You've hit your usage limit. Try again in 2 hours 5 minutes."}}),
    ];
    let claude = [
        json!({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1_795_378_172_u64}}),
        json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": 429,
               "terminal_reason": "api_error", "result": "API Error: 429 slow down"}),
    ];
    let pi = [
        json!({"type": "message_end", "message": {"role": "assistant", "content": [], "stopReason": "error",
               "errorMessage": "429: {\"message\":\"Rate limited, retry after 30 seconds\"}"}}),
        json!({"type": "agent_settled"}),
    ];
    let limit = |agent: &str, events: &[Value]| {
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        let (_, verdict) = read(agent, &lines, &Exited(1));
        assert!(!verdict.ok);
        verdict.rate_limited.expect("a limit")
    };
    assert_eq!(limit("codex", &codex).after_ms, Some(7_500_000));
    assert_eq!(limit("claude", &claude).until, Some(1_795_378_172));
    assert_eq!(limit("pi", &pi).after_ms, Some(30_000));
    let turns = json!({"type": "result", "subtype": "error_max_turns", "is_error": true,
                       "result": "turn limit reached"});
    let (_, verdict) = read("claude", &[turns.to_string()], &Exited(1));
    assert_eq!(verdict.rate_limited, None);
}
