//! Every recipe, run with fake answers.

use serde_json::{Value, json};

use super::super::recipes::{ALL, find};
use super::super::{Answer, Body, Call, Failed, Setup, args, check};
use super::{Ran, answer, prompt, run};

/// Runs a recipe with these arguments, filled as its header says.
#[track_caller]
fn recipe(name: &str, given: &Value, answer: impl FnMut(&Call) -> Answer) -> Ran {
    let text = find(name).expect("the recipe is there");
    let meta = check::check(name, text).meta.expect("it has a header");
    let filled = args::prepare(&meta, Some(&given.to_string()));
    let mut setup = Setup::new(name, text);
    setup.args = filled.expect("the arguments fit");
    run(setup, answer)
}

fn failed(call: &Call) -> Answer {
    Answer {
        ordinal: call.ordinal,
        value: Err(Failed {
            message: "it gave up".to_owned(),
        }),
        spent: 0,
    }
}

fn labels(ran: &Ran) -> Vec<&str> {
    ran.calls
        .iter()
        .filter_map(|call| call.label.as_deref())
        .collect()
}

#[test]
fn each_is_good_and_declares_its_arguments() {
    for recipe in ALL {
        let checked = check::check(recipe.name, recipe.text);
        assert_eq!(checked.problems, [], "{}", recipe.name);
        let meta = checked.meta.expect("it has a header");
        assert_eq!(meta.name, recipe.name);
        let declared = args::declared(&meta);
        assert!(!declared.is_empty(), "{}", recipe.name);
        for argument in declared {
            assert!(
                !argument.description.is_empty(),
                "{}: {}",
                recipe.name,
                argument.name
            );
        }
    }
    let missing = check::check("fix", find("fix").expect("it is there"))
        .meta
        .expect("a header");
    assert!(args::prepare(&missing, None).is_err());
}

#[test]
fn a_review_keeps_what_most_sceptics_could_not_refute() {
    let given =
        json!({ "target": "HEAD", "perspectives": ["bugs", "tests", "gone"], "sceptics": 3 });
    let ran = recipe("review", &given, |call| {
        let text = prompt(call);
        if text.starts_with("Review HEAD for gone") {
            return failed(call);
        }
        if text.starts_with("Review") {
            let side = if text.contains("bugs") {
                "real"
            } else {
                "false alarm"
            };
            return answer(
                call,
                &json!({ "findings": [{ "title": side, "file": "a.rs", "why": "w" }] }),
            );
        }
        let seat_two = text.contains("sceptic 2");
        let real = text.contains("\"real\"") != seat_two;
        answer(call, &json!({ "real": real, "why": "read" }))
    });
    let value = ran.value();
    assert_eq!(value["confirmed"][0]["title"], "real");
    assert_eq!(value["confirmed"][0]["votes"], "2 of 3");
    assert_eq!(value["refuted"], 1);
    assert_eq!(value["missing"], json!(["gone"]));
    assert_eq!(ran.calls.len(), 3 + 2 * 3);
    assert_eq!(ran.calls[3].phase.as_deref(), Some("Verify"));

    // Where every sceptic is gone, nothing is confirmed and nothing is refuted.
    let ran = recipe("review", &json!({ "perspectives": ["bugs"] }), |call| {
        if prompt(call).starts_with("Review") {
            answer(
                call,
                &json!({ "findings": [{ "title": "t", "file": "f", "why": "w" }] }),
            )
        } else {
            failed(call)
        }
    });
    let value = ran.value();
    assert_eq!(
        (&value["confirmed"], &value["refuted"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(value["unverified"][0]["verdict"], "unverified");
}

#[test]
fn a_migration_makes_a_packet_a_folder_and_merges_what_is_good() {
    let ran = recipe(
        "migrate",
        &json!({ "task": "Move to tracing", "checks": ["cargo check"] }),
        |call| {
            let value = match &call.body {
                Body::Shell(_) => {
                    json!({ "code": 0, "stdout": "README.md\n.github/ci.yml\ncli/a.rs\ncore/b.rs\ncore/x/c.rs\ndocs/d.md\n", "stderr": "" })
                }
                Body::Packet(packet) => {
                    let status = if packet.scope == ["core/**"] {
                        "failed"
                    } else if packet.scope == ["docs/**"] {
                        "no_change"
                    } else {
                        "checked"
                    };
                    json!({ "id": "p", "status": status, "branch": "b", "commit": "c", "text": "", "files": [], "why": "check" })
                }
                _ => json!({ "status": "integrated" }),
            };
            answer(call, &value)
        },
    );
    let value = ran.value();
    assert_eq!(
        (&value["shards"], &value["changed"], &value["unchanged"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(
        value["failed"],
        json!([{ "shard": "core", "status": "failed", "why": "check" }])
    );
    assert_eq!(value["integration"]["status"], "integrated");
    assert_eq!(labels(&ran), ["list the files", "cli", "core", "docs"]);
    let last = &ran.calls[4];
    assert_eq!(
        last.text,
        r#"{"packets":[{"branch":"b","commit":"c","id":"p"}]}"#
    );

    let many = json!({ "task": "t", "shards": ["a", "b", "c"], "most": 2 });
    let ran = recipe("migrate", &many, failed);
    assert!(
        ran.error().message.contains("3 shards are more than 2"),
        "{}",
        ran.error()
    );
    let none = recipe(
        "migrate",
        &json!({ "task": "t", "shards": ["a"] }),
        |call| answer(call, &json!({ "status": "failed" })),
    );
    assert_eq!(none.value()["integration"], Value::Null);
}

#[test]
fn a_fix_ends_when_the_check_passes_or_nothing_gets_better() {
    let mut left = 2;
    let ran = recipe(
        "fix",
        &json!({ "check": "make test" }),
        |call| match &call.body {
            Body::Shell(_) if left == 0 => {
                answer(call, &json!({ "code": 0, "stdout": "", "stderr": "" }))
            }
            Body::Shell(_) => answer(
                call,
                &json!({ "code": 1, "stdout": format!("{} left", "x".repeat(left)), "stderr": "" }),
            ),
            Body::Agent(_) => {
                left -= 1;
                answer(call, &json!("mended"))
            }
            _ => answer(call, &Value::Null),
        },
    );
    assert_eq!(ran.value()["passed"], true);
    assert_eq!(ran.value()["rounds"], 2);
    assert!(
        prompt(&ran.calls[1]).contains("xx left"),
        "{}",
        prompt(&ran.calls[1])
    );

    let mut time = 0;
    let ran = recipe("fix", &json!({ "check": "make", "rounds": 9 }), |call| {
        time += 1;
        match &call.body {
            Body::Shell(_) => answer(
                call,
                &json!({ "code": 2, "stdout": format!("failed in {time} s"), "stderr": "" }),
            ),
            _ => answer(call, &json!("tried")),
        }
    });
    let value = ran.value();
    assert_eq!(
        (&value["passed"], &value["rounds"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(value["why"], "two rounds changed nothing");
    assert!(prompt(&ran.calls[3]).contains("look for another cause"));
}

#[test]
fn a_chain_hands_on_what_was_said_and_stops_where_nothing_was() {
    let given = json!({ "task": "T", "steps": ["find {task}", { "prompt": "do {previous}", "label": "work", "role": "worker" }] });
    let ran = recipe("chain", &given, |call| {
        answer(call, &json!(format!("<{}>", prompt(call))))
    });
    assert_eq!(ran.value()["answer"], "<do <find T>>");
    assert_eq!(labels(&ran), ["step 1", "work"]);
    assert!(ran.calls[1].text.contains(r#""agentType":"worker""#));
    let ran = recipe("chain", &json!({ "task": "T" }), failed);
    assert!(
        ran.error().message.contains("the chain broke at scout"),
        "{}",
        ran.error()
    );
    assert_eq!(ran.calls.len(), 1);
}

#[test]
fn a_panel_is_judged_by_one_who_saw_every_answer() {
    let ran = recipe(
        "panel",
        &json!({ "question": "Q", "panel": ["a", "b", "c"] }),
        |call| match call.label.as_deref() {
            Some("member 2") => failed(call),
            Some("judge") => answer(call, &json!({ "winner": 3, "answer": "A", "why": "W" })),
            _ => answer(call, &json!(format!("says {}", call.ordinal))),
        },
    );
    let value = ran.value();
    assert_eq!(
        (&value["answer"], &value["side"]),
        (&json!("A"), &json!("c"))
    );
    let judge = prompt(&ran.calls[3]);
    assert!(
        judge.contains("## Answer 1 (a)\nsays 1") && judge.contains("## Answer 3 (c)\nsays 3"),
        "{judge}"
    );
    let ran = recipe("panel", &json!({ "question": "Q" }), failed);
    assert!(ran.error().message.contains("nobody on the panel answered"));
}

#[test]
fn a_council_argues_with_what_was_said_and_counts_votes() {
    let given = json!({ "question": "Q", "members": ["x", "y", "z"], "rounds": 1 });
    let ran = recipe("council", &given, |call| match call.phase.as_deref() {
        Some("Vote") => {
            let choice = if call.ordinal == 8 { "No" } else { "yes " };
            answer(call, &json!({ "choice": choice, "why": "w" }))
        }
        _ if call.ordinal == 5 => failed(call),
        _ => answer(call, &json!(format!("position {}", call.ordinal))),
    });
    let value = ran.value();
    assert_eq!(
        (&value["decided"], &value["choice"]),
        (&json!(true), &json!("yes"))
    );
    assert_eq!(value["votes"][0]["members"], json!(["x", "z"]));
    // Who said nothing in the debate still holds what was said before.
    assert_eq!(value["positions"][1]["position"], "position 2");
    assert!(prompt(&ran.calls[3]).contains("y: position 2"));
    assert_eq!(ran.calls.len(), 9);
    assert!(
        recipe("council", &json!({ "question": "Q" }), failed)
            .error()
            .message
            .contains("nobody voted")
    );
}
