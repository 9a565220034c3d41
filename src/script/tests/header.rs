//! Headers that are taken and headers that are not, and what else the check sees in the text.

use serde_json::json;

use super::super::check::{Severity, check};
use super::{META, echo, run};
use crate::script::Setup;

const NAMED: &str = "name: 'n', description: 'd'";

#[track_caller]
fn refused(source: &str) -> String {
    let checked = check("s.js", source);
    let problem = checked.errors().next();
    problem
        .unwrap_or_else(|| panic!("accepted: {source}"))
        .to_string()
}

#[track_caller]
fn accepted(source: &str) {
    let checked = check("s.js", source);
    if let Some(problem) = checked.errors().next() {
        panic!("{source}\n{problem}");
    }
}

#[track_caller]
fn warned(body: &str) -> Vec<String> {
    let checked = check("s.js", &format!("{META}{body}"));
    assert_eq!(checked.errors().next(), None, "{body}");
    checked
        .problems
        .into_iter()
        .map(|problem| problem.message)
        .collect()
}

#[test]
fn headers_that_are_literals_are_read() {
    for header in [
        "export const meta = { name: 'n', description: \"d\" }",
        "// a comment\n/* another */\nexport const meta = { name: `n`, 'description': 'd', };",
        "#!/usr/bin/env dynwf\nexport const meta = { name: 'n', description: 'd' };",
        "\u{feff}export const meta = { name: 'n', description: 'd' }",
        "export const meta = { name: 'n', description: 'd', whenToUse: 'w', phases: [{ title: 't', detail: 'x', model: 'm' }] }",
        "export const meta = { name: 'n', description: 'd', more: { n: -1, f: 1.5, no: null, yes: true, list: [[]], 3: 'x' } }",
        "export const meta = ({ name: 'n', description: 'd' })",
        "export const meta = { name: 'n', description: 'd', args: 'a path' }",
    ] {
        accepted(header);
        let ran = run(
            Setup::new("s.js", format!("{header}\n;return meta.name")),
            echo,
        );
        assert_eq!(ran.value(), json!("n"), "{header}");
    }
    let checked = check(
        "s.js",
        "export const meta = { name: 'n', description: 'd', phases: [{ title: 't' }], version: 2, tags: [-1, 'x'] }",
    );
    let meta = checked.meta.expect("the header is read");
    assert_eq!(meta.phases[0].title, "t");
    assert_eq!(json!(meta.more), json!({ "version": 2, "tags": [-1, "x"] }));
}

/// Headers that are refused, each with what is said about it.
const NO_LITERALS: &[(&str, &str)] = &[
    ("", "must be the first statement"),
    (
        "const meta = { name: 'n', description: 'd' }",
        "must be the first statement",
    ),
    (
        "phase('x')\nexport const meta = { name: 'n', description: 'd' }",
        "must be the first statement",
    ),
    (
        "'use strict'\nexport const meta = { name: 'n', description: 'd' }",
        "must be the first statement",
    ),
    (
        "import x from 'y'\nexport const meta = {}",
        "must be the first statement",
    ),
    (
        "export default { name: 'n', description: 'd' }",
        "must be the first statement",
    ),
    (
        "export let meta = { name: 'n', description: 'd' }",
        "must be a `const`",
    ),
    (
        "export var meta = { name: 'n', description: 'd' }",
        "must be a `const`",
    ),
    (
        "export const other = { name: 'n', description: 'd' }",
        "must be called `meta`",
    ),
    (
        "export const { meta } = { name: 'n', description: 'd' }",
        "must be called `meta`",
    ),
    ("export const meta = {}, more = {}", "declare `meta` alone"),
    ("export function meta() {}", "export const meta"),
    ("export const meta = 'x'", "meta must be an object"),
    ("export const meta = null", "meta must be an object"),
    (
        "export const meta = make()",
        "only literals are allowed in meta",
    ),
    (
        "export const meta = { name: 'n' }",
        "meta.description must be a non-empty string",
    ),
    (
        "export const meta = { description: 'd' }",
        "meta.name must be a non-empty string",
    ),
    (
        "export const meta = { name: '  ', description: 'd' }",
        "meta.name must be a non-empty string",
    ),
    (
        "export const meta = { name: 1, description: 'd' }",
        "meta.name must be a non-empty string",
    ),
];

#[test]
fn headers_that_are_no_literals_are_refused() {
    for (header, why) in NO_LITERALS {
        let said = refused(header);
        assert!(said.contains(why), "{header}\n{said}");
    }
    for (field, why) in [
        ("...other", "a spread is not allowed in meta"),
        ("['x']: 1", "a computed key is not allowed in meta"),
        ("x() {}", "a method or accessor is not allowed in meta"),
        (
            "get x() { return 1 }",
            "a method or accessor is not allowed in meta",
        ),
        ("x", "only literals are allowed in meta.x"),
        ("__proto__: {}", "this reserved name is not allowed in meta"),
        ("constructor: 1", "this reserved name"),
        ("'prototype': 1", "this reserved name"),
        ("x: [1, , 2]", "a hole is not allowed in meta.x"),
        ("x: [...y]", "a spread is not allowed in meta.x"),
        ("x: `a${1}`", "`${…}` is not allowed in meta.x"),
        ("x: 1 + 1", "only literals are allowed in meta.x"),
        ("x: -'1'", "only a minus before a number"),
        ("x: +1", "only a minus before a number"),
        (
            "x: [{ y: () => 1 }]",
            "only literals are allowed in meta.x[0].y",
        ),
        ("x: undefined", "only literals are allowed in meta.x"),
        ("x: new Date(0)", "only literals are allowed in meta.x"),
        ("x: /re/", "only literals are allowed in meta.x"),
        ("whenToUse: 1", "meta.whenToUse must be a string"),
        ("phases: {}", "meta.phases must be an array"),
        ("phases: ['x']", "must have a title"),
        ("phases: [{ detail: 'x' }]", "must have a title"),
        (
            "args: { properties: { n: { type: 'nonsense' } } }",
            "meta.args",
        ),
    ] {
        let said = refused(&format!("export const meta = {{ {NAMED}, {field} }}"));
        assert!(said.contains(why), "{field}\n{said}");
    }
}

#[test]
fn a_problem_shows_its_place_with_a_caret() {
    let checked = check(
        "bad.js",
        &format!(
            "{META}// ünïcode\nconst é = '→', b = Math[`random`](), c = new Date(), d = new Date(0)\n"
        ),
    );
    let shown: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "error: Math.random() differs on every run\n --> bad.js:3:20\n\
             3 | const é = '→', b = Math[`random`](), c = new Date(), d = new Date(0)\n\
             \u{20} |                    ^^^^^^^^^^^^^^\n\
             \u{20} = help: use the index of the item, or pass a seed through args",
            "error: new Date() without a time differs on every run\n --> bad.js:3:42\n\
             3 | const é = '→', b = Math[`random`](), c = new Date(), d = new Date(0)\n\
             \u{20} |                                          ^^^^^^^^^^\n\
             \u{20} = help: pass a time through args",
        ]
    );
    let found = json!(checked.problems[0]);
    assert_eq!(
        (
            &found["line"],
            &found["column"],
            &found["end_column"],
            &found["severity"]
        ),
        (&json!(3), &json!(20), &json!(34), &json!("error"))
    );
}

#[test]
fn syntax_errors_have_a_place() {
    for (body, line) in [
        ("const x = ;", 2),
        ("\nawait agent('x'", 3),
        ("const a = 1\nconst a = 2", 3),
        ("const r = /(/", 2),
        ("let x: string = 'typed'", 2),
        ("for (;;) { break nowhere }", 2),
        ("}); evil(); (async () => {", 2),
        ("with (x) {}", 2),
        ("return 1 }", 2),
    ] {
        let checked = check("s.js", &format!("{META}{body}"));
        let problem = checked.errors().next();
        let problem = problem.unwrap_or_else(|| panic!("accepted: {body}"));
        assert_eq!(problem.line, line, "{body}\n{problem}");
    }
    let said = refused(&format!("{META}const x = 'a\0b'"));
    assert!(said.contains("zero byte"), "{said}");
    let said = refused(&format!("{META}/* {} */", "x".repeat(600 * 1024)));
    assert!(said.contains("may have at most"), "{said}");
    // A line of a packed script is cut around the place.
    let long = format!("{META}const s = '{}'; const x = ;", "x".repeat(5_000));
    assert!(refused(&long).len() < 800);
}

#[test]
fn what_differs_from_run_to_run_is_refused() {
    for body in [
        "Date.now()",
        "Date['now']()",
        "Date[`now`]()",
        "Date['no' + 'w']()",
        "globalThis.Date.now()",
        "globalThis['Date'].now()",
        "const f = Date.now",
        "Date?.now()",
        "Math.random()",
        "Math[`random`]()",
        "const r = Math.random; r()",
        "new Date()",
        "new Date",
        "Date()",
        "Date(0)",
        "log(`at ${Date.now()}`)",
        "await agent('x' + Math.random())",
        "const f = () => { return [Math.random()] }",
        "eval('1')",
        "Function('return 1')()",
        "new Function('return 1')",
        "const fs = require('fs')",
        "await import('fs')",
        "\nimport fs from 'fs'",
        "\nexport const more = 1",
        "\nexport default 1",
        "\nexport { meta }",
        "\nexport * from 'x'",
    ] {
        refused(&format!("{META};{body}"));
    }
}

#[test]
fn what_only_looks_like_it_is_not() {
    for body in [
        "// Date.now() and Math.random() and new Date()",
        "log('Date.now() is not allowed, nor is Math.random(), new Date() or eval(x)')",
        "await agent(`Never call Date.now(), Math.random() or new Date() in ${'tests'}`)",
        "const re = /Date.now\\(\\)/; log(re.test('x'))",
        "const Date = { now: () => 1 }; log(Date.now())",
        "function f(Math) { return Math.random() }",
        "const clock = { Date: { now: () => 1 } }; clock.Date.now()",
        "const o = { now: 1, random: 2 }; log(o.now, o.random)",
        "new Date(args.time); new Date(0); new Date('2026-01-01'); Date.UTC(2026, 1); Date.parse('2026-01-01')",
        "Math.floor(1.5); Math.max(1, 2)",
        "if (typeof Date.now === 'function') log('x')",
        "const require = (x) => x; require('y')",
        "label: for (const x of []) { continue label }",
        "const Function = 1; log(Function)",
        "class Task { static async run() { return await agent('x') } } await Task.run()",
    ] {
        accepted(&format!("{META};{body}"));
    }
}

#[test]
fn a_promise_where_parallel_wants_a_function_is_refused() {
    for body in [
        "await parallel([agent('a'), agent('b')])",
        "await parallel([() => agent('a'), await agent('b')])",
        "await parallel([1, 2].map(n => agent('p' + n)))",
        "await parallel([1, 2].map((n) => { return agent('p' + n) }))",
        "await parallel([1, 2].map(async n => { await agent('p' + n) }))",
        "await parallel([packet('x', { scope: 'a' })])",
    ] {
        let said = refused(&format!("{META};{body}"));
        assert!(said.contains("parallel() wants functions"), "{said}");
    }
    for body in [
        "await parallel([() => agent('a'), async () => { await agent('b') }])",
        "await parallel([1, 2].map(n => () => agent('p' + n)))",
        "const thunks = []; thunks.push(() => agent('a')); await parallel(thunks)",
        "await Promise.all([agent('a'), agent('b')])",
        "const agent = (x) => () => x; await parallel([agent('a')])",
        "await pipeline([1].map(n => agent('x')), v => v)",
    ] {
        accepted(&format!("{META};{body}"));
    }
}

#[test]
fn calls_that_are_not_awaited_and_unknown_phases_are_warnings() {
    for (body, why) in [
        ("agent('x')", "agent() is not awaited"),
        (
            ";[1].forEach(n => { agent('x') })",
            "agent() is not awaited",
        ),
        ("if (gate('ok?')) log('y')", "a promise is always true"),
        ("log(!gate('ok?'))", "a promise is always true"),
        ("log(gate('ok?') ? 1 : 2)", "a promise is always true"),
        ("log(`said ${agent('x')}`)", "[object Promise]"),
        ("const t = sh('ls').stdout", "its value is not there yet"),
        ("setTimeout(() => {}, 1)", "setTimeout is not there"),
        ("log(process.env.HOME)", "process.env is not there"),
    ] {
        let said = warned(body);
        assert!(said.len() == 1 && said[0].contains(why), "{body}: {said:?}");
    }
    for body in [
        "await agent('x')",
        "const p = agent('x'); await p",
        "return agent('x')",
        "void agent('x')",
        "agent('x').then(log)",
        "const t = (await sh('ls')).stdout",
        "if (await gate('ok?')) log('y')",
    ] {
        assert_eq!(warned(body), Vec::<String>::new(), "{body}");
    }
    let source = format!(
        "export const meta = {{ {NAMED}, phases: [{{ title: 'Scan' }}] }}\n\
         phase('Scan'); phase('scan'); phase('Part ' + args.n); await agent('x', {{ phase: 'Fix' }})"
    );
    let checked = check("s.js", &source);
    let said: Vec<_> = checked
        .problems
        .iter()
        .map(|problem| (problem.severity, problem.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Severity::Warning, "the phase `scan` is not in meta.phases"),
            (Severity::Warning, "the phase `Fix` is not in meta.phases"),
        ]
    );
}

#[test]
fn declared_arguments_are_checked_and_filled() {
    let source = format!(
        "export const meta = {{ {NAMED}, args: {{ type: 'object', required: ['task'], additionalProperties: false, properties: {{\n\
           task: {{ type: 'string', description: 'what to do' }}, rounds: {{ type: 'integer', default: 3 }} }} }} }}"
    );
    let meta = check("s.js", &source).meta.expect("the header is read");
    let prepare = |given| super::super::args::prepare(&meta, given);
    assert_eq!(
        prepare(Some(r#"{"task":"t"}"#)),
        Ok(Some(r#"{"rounds":3,"task":"t"}"#.to_owned()))
    );
    for (given, why) in [
        (None, "task"),
        (Some("[]"), "object"),
        (Some(r#"{"task":1}"#), "args.task"),
        (Some(r#"{"task":"t","more":1}"#), "more"),
        (Some("{"), "not JSON"),
    ] {
        let problems = prepare(given).expect_err("it is refused").join("\n");
        assert!(problems.contains(why), "{given:?}: {problems}");
    }
    let declared = super::super::args::declared(&meta);
    assert_eq!(declared[1].name, "task");
    assert!(declared[1].required && declared[0].default.as_deref() == Some("3"));
}
