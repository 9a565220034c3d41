//! The functions of the contract, as scripts see them.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::super::{Answer, CallKind, Failed, Said, Setup};
use super::{echo, prompt, run, run_in_order, script};

#[test]
fn a_script_gives_a_value() {
    let ran = run(
        script(
            "phase('Scan')\nconst scan = await agent('scan', { label: ' scan ' })\nreturn { scan }",
        ),
        echo,
    );
    assert_eq!(ran.value(), json!({ "scan": "result:scan" }));
    assert_eq!(ran.phases(), ["Scan"]);
    assert_eq!(ran.calls[0].label.as_deref(), Some("scan"));
    assert_eq!(ran.calls[0].phase.as_deref(), Some("Scan"));
}

#[test]
fn phases_are_those_that_the_script_reached() {
    let mut setup = Setup::new(
        "loop.js",
        "export const meta = { name: 'loop', description: 'x', phases: [{ title: 'Review' }] }\n\
         if (args.review) { phase('Review'); await agent('review') }\n\
         for (const area of args.areas) { phase('Inspect ' + area); await agent('inspect ' + area) }\n\
         return { ok: true }",
    );
    setup.args = Some(json!({ "review": false, "areas": ["API", "UI"] }).to_string());
    let ran = run(setup, echo);
    assert_eq!(ran.value(), json!({ "ok": true }));
    assert_eq!(ran.phases(), ["Inspect API", "Inspect UI"]);
    assert_eq!(ran.calls.len(), 2);
    assert_eq!(ran.calls[1].title(), "Inspect UI agent 2");
}

#[test]
fn a_promise_in_the_value_is_an_error_after_its_agent_is_done() {
    let mut answered = 0;
    let ran = run(
        script("phase('Leak')\nconst scan = agent('scan')\nreturn { scan }"),
        |call| {
            answered += 1;
            echo(call)
        },
    );
    let message = &ran.error().message;
    assert!(
        message.contains("did you forget to await agent(), parallel(), or pipeline()?"),
        "{message}"
    );
    assert!(message.contains("result.scan is a Promise"), "{message}");
    assert_eq!(answered, 1);
}

#[test]
fn a_phase_is_a_string() {
    let ran = run(
        script("phase(Promise.resolve('Scan'))\nreturn { ok: true }"),
        echo,
    );
    let error = ran.error();
    assert!(
        error.message.contains("phase title must be a string"),
        "{error}"
    );
    let at = error.at.as_ref().expect("the place is known");
    assert_eq!((at.line, at.file.as_str()), (2, "test.js"));
}

#[test]
fn a_failed_agent_is_null_and_other_failed_calls_throw() {
    let failed = |call: &super::Call| Answer {
        ordinal: call.ordinal,
        value: Err(Failed {
            message: "it broke".to_owned(),
        }),
        spent: 3,
    };
    let ran = run(
        script(
            "const a = await agent('x'); let why; try { await sh('false') } catch (e) { why = e.message }\n\
             return { a, why, spent: budget.spent() }",
        ),
        failed,
    );
    assert_eq!(
        ran.value(),
        json!({ "a": null, "why": "it broke (sh 2)", "spent": 6 })
    );
}

#[test]
fn parallel_keeps_the_order_whatever_is_done_first_and_holes_are_null() {
    let ran = run_in_order(
        script(
            "return await parallel([1, 2, 3, 4].map(n => () => { if (n === 3) throw new Error('no'); return agent('p' + n) }))",
        ),
        echo,
        VecDeque::pop_back,
    );
    assert_eq!(
        ran.value(),
        json!(["result:p1", "result:p2", null, "result:p4"])
    );
    let nulled: Vec<_> = ran
        .said
        .iter()
        .filter_map(|said| match said {
            Said::Nulled(nulled) => Some((nulled.place.as_str(), nulled.message.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(nulled, [("parallel[2]", "no")]);
    assert_eq!(ran.calls[0].place, "parallel#1[0]");
}

#[test]
fn parallel_wants_functions() {
    for (list, why) in [
        ("'text'", "parallel() expects an array of functions"),
        ("[1]", "Wrap each call: () => agent(...)"),
        ("[Promise.resolve(1)]", "not promises"),
    ] {
        let ran = run(script(&format!("return await parallel({list})")), echo);
        let message = &ran.error().message;
        assert!(message.contains(why), "{message}");
    }
    let ran = run(script("return await parallel([])"), echo);
    assert_eq!(ran.value(), json!([]));
}

#[test]
fn stages_get_the_value_the_item_and_the_index_and_do_not_wait_for_each_other() {
    let body = "const seen = []\n\
        const out = await pipeline(['a', 'b'],\n\
          (value, item, index) => { seen.push([value, item, index]); return agent('one ' + item) },\n\
          (value, item, index) => { seen.push([value, item, index]); return agent('two ' + item) },\n\
          (value) => value.length)\n\
        return { out, seen }";
    // The second item overtakes the first: it is through all stages before the first has its first answer.
    let ran = run_in_order(script(body), echo, VecDeque::pop_back);
    assert_eq!(
        ran.value(),
        json!({ "out": [12, 12], "seen": [
            ["a", "a", 0], ["b", "b", 1],
            ["result:one b", "b", 1], ["result:one a", "a", 0],
        ] })
    );
    let prompts: Vec<_> = ran.calls.iter().map(prompt).collect();
    assert_eq!(prompts, ["one a", "one b", "two b", "two a"]);
    assert_eq!(ran.calls[2].place, "pipeline#1[1].stage[1]");
}

#[test]
fn a_stage_that_throws_drops_its_item_and_one_that_gives_null_passes_it_on() {
    let ran = run(
        script(
            "return await pipeline([1, 2, 3],\n\
               n => { if (n === 1) throw new Error('bad'); return n === 2 ? null : n },\n\
               v => v === null ? 'was null' : v * 10)",
        ),
        echo,
    );
    assert_eq!(ran.value(), json!([null, "was null", 30]));
    for (call, why) in [
        (
            "pipeline('x', v => v)",
            "expects an array as the first argument",
        ),
        ("pipeline([1], 2)", "pipeline() stages must be functions"),
    ] {
        let ran = run(script(&format!("return await {call}")), echo);
        let message = &ran.error().message;
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(
        run(script("return await pipeline([1, 2])"), echo).value(),
        json!([1, 2])
    );
}

#[test]
fn more_than_the_most_is_an_error() {
    let mut setup = script(
        "const out = []; for (let i = 0; i < 4; i++) { try { out.push(await agent('x')) } catch (e) { out.push(e.message) } } return out",
    );
    setup.limits.calls = 3;
    let value = run(setup, echo).value();
    let last = value[3].as_str().expect("a message");
    assert!(
        last.contains("at most") || last.contains("the most it may"),
        "{last}"
    );
    assert_eq!(value[2], "result:x");

    for call in ["parallel(list.map(n => () => n))", "pipeline(list, n => n)"] {
        let body = format!(
            "const list = Array.from({{ length: 4097 }}, (_, i) => i); return await {call}"
        );
        let ran = run(script(&body), echo);
        let message = &ran.error().message;
        assert!(
            message.contains("4097 items and takes at most 4096"),
            "{message}"
        );
    }
}

#[test]
fn the_budget_counts_delivered_answers_and_ends_the_agents() {
    let mut setup = script(
        "const seen = [[budget.total, budget.spent(), budget.remaining()]]\n\
         await agent('a'); seen.push([budget.spent(), budget.remaining()])\n\
         await agent('b'); seen.push([budget.spent(), budget.remaining()])\n\
         try { await agent('c') } catch (e) { seen.push(e.message) }\n\
         return seen",
    );
    setup.budget = Some(100);
    let ran = run(setup, |call| Answer {
        spent: 60,
        ..echo(call)
    });
    assert_eq!(
        ran.value(),
        json!([
            [100, 0, 100],
            [60, 40],
            [120, 0],
            "workflow token budget exhausted: 120 of 100 tokens are spent"
        ])
    );
    let ran = run(
        script("return [budget.total, budget.remaining() === Infinity]"),
        echo,
    );
    assert_eq!(ran.value(), json!([null, true]));
}

#[test]
fn args_and_cwd() {
    let mut setup = script(
        "'use strict'; let why; try { args.list.push(1) } catch (e) { why = e.name }\n\
         return { args, why, cwd, same: cwd === process.cwd(), frozen: Object.isFrozen(args.list) }",
    );
    setup.args = Some(r#"{"list":[{"a":1}]}"#.to_owned());
    setup.cwd = "/work space".to_owned();
    let value = run(setup, echo).value();
    assert_eq!(value["args"], json!({ "list": [{ "a": 1 }] }));
    assert_eq!(value["why"], "TypeError");
    assert_eq!(value["cwd"], "/work space");
    assert_eq!(value["same"], true);
    assert_eq!(value["frozen"], true);
    let ran = run(script("return [typeof args, args === undefined]"), echo);
    assert_eq!(ran.value(), json!(["undefined", true]));
    // Hosts that hand args over as text taught scripts to write this.
    let mut setup =
        script("args = typeof args === 'string' ? JSON.parse(args) : args\nreturn args.n");
    setup.args = Some(json!("{\"n\":1}").to_string());
    assert_eq!(run(setup, echo).value(), json!(1));
}

#[test]
fn options_are_read_and_checked() {
    let ran = run(
        script(
            "await agent('p', { label: 'l', phase: 'P', schema: { type: 'object' }, model: 'm', effort: 'high',\n\
               isolation: 'worktree', agentType: 'reviewer', key: 'k', scope: 'src/**', checks: ['true'] })\n\
             await agent('q', null)\n\
             await packet('r', { scope: ['a', 'b'], base: { commit: 'c0ffee' }, turns: 2 })\n\
             await integrate([null, { id: 'x', branch: 'b', commit: 'c' }, 'name'])\n\
             await sh('make', { timeout: 1500 })\n\
             await gate('Ship?')\n\
             await checkpoint('half', { n: 1 })\n\
             await integrate()",
        ),
        echo,
    );
    assert_eq!(ran.value(), Value::Null);
    let texts: Vec<_> = ran.calls.iter().map(|call| call.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            r#"{"agentType":"reviewer","checks":["true"],"effort":"high","isolation":"worktree","key":"k","model":"m","prompt":"p","schema":{"type":"object"},"scope":["src/**"]}"#,
            r#"{"prompt":"q"}"#,
            r#"{"base":"c0ffee","prompt":"r","scope":["a","b"],"turns":2}"#,
            r#"{"packets":[{"branch":"b","commit":"c","id":"x"},{"id":"name"}]}"#,
            r#"{"command":"make","timeout":1500}"#,
            r#"{"question":"Ship?"}"#,
            r#"{"name":"half","value":{"n":1}}"#,
            "{}",
        ]
    );
    let kinds: Vec<_> = ran.calls.iter().map(|call| call.kind).collect();
    assert_eq!(
        kinds[..3],
        [CallKind::Agent, CallKind::Agent, CallKind::Packet]
    );
    assert!(ran.warnings()[0].contains("1 packets that are null"));
    assert_eq!(ran.calls[0].phase.as_deref(), Some("P"));

    for (call, why) in [
        ("agent(1)", "agent prompt must be a string"),
        ("agent(Promise.resolve('x'))", "did you forget to await it?"),
        ("agent('x', 'label')", "agent options must be an object"),
        ("agent('x', { label: 1 })", "agent label must be a string"),
        ("agent('x', { isolation: 'remote' })", "\"worktree\""),
        (
            "agent('x', { schema: 'object' })",
            "must be a JSON Schema object",
        ),
        (
            "agent('x', { schema: { type: 'nonsense' } })",
            "cannot be used",
        ),
        (
            "agent('x', { schema: { $ref: 'https://example.com/s.json' } })",
            "outside it",
        ),
        (
            "agent('x', { schema: { $ref: 'file:///etc/passwd' } })",
            "outside it",
        ),
        ("packet('x', { turns: 1.5 })", "whole number"),
        ("integrate([{}])", "integrate() wants what packet() gave"),
        ("sh('x', { timeout: -1 })", "above 0"),
        ("checkpoint('x', 1n)", "must be plain data"),
        ("workflow('nowhere')", "nowhere"),
    ] {
        let ran = run(script(&format!("\nawait {call}")), echo);
        let error = ran.error();
        assert!(error.message.contains(why), "{call}: {error}");
        assert_eq!(
            error.at.as_ref().map(|at| at.line),
            Some(3),
            "{call}: {error:?}"
        );
    }
}

#[test]
fn the_key_is_what_matters_to_the_answer() {
    let key = |options: &str| {
        let ran = run(script(&format!("await agent('p', {options})")), echo);
        ran.calls[0].key.clone()
    };
    let plain = key("{}");
    assert_eq!(plain.len(), 64);
    assert_eq!(key("{ label: 'x', phase: 'y' }"), plain);
    assert_ne!(key("{ model: 'm' }"), plain);
    assert_ne!(key("{ schema: { type: 'object' } }"), plain);
    let pinned = |prompt: &str| {
        let ran = run(
            script(&format!("await agent('{prompt}', {{ key: 'k' }})")),
            echo,
        );
        ran.calls[0].key.clone()
    };
    assert_eq!(pinned("one"), pinned("two"));
    assert_eq!(
        key("{ schema: { type: 'object', title: 'a' } }"),
        key("{ schema: { title: 'a', type: 'object' } }")
    );
}
