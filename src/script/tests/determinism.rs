//! Every way to the clock, to randomness and out of the script that is known, tried in a running script.

use serde_json::{Value, json};

use super::{echo, run, script};

/// The value of an expression that the check has nothing against; `'threw: …'` if it throws.
fn probe(expression: &str) -> Value {
    let body = format!(
        "const probe = async () => {{ {expression} }}\n\
         try {{ return await probe() }} catch (e) {{ return 'threw: ' + e.name + ': ' + e.message }}"
    );
    run(script(&body), echo).value()
}

#[test]
fn the_clock_cannot_be_read() {
    for expression in [
        "const D = Date; return D.now()",
        "const { now } = Date; return now()",
        "const k = ['n', 'ow'].join(''); return Date[k]()",
        "return Reflect.get(Date, ['now'].join('')).call(Date)",
        "const D = Date; return new D()",
        "const D = Date; return D()",
        "return new (new Date(0).constructor)()",
        "return new (Object.getPrototypeOf(new Date(0)).constructor)()",
        "return Reflect.construct(Date, [])",
        "return Reflect.construct(Date, [], Object)",
        "return Reflect.apply(Date, undefined, [])",
        "class X extends Date {} return new X()",
        "class X extends Date { constructor() { super() } } return new X()",
        "return Date.bind(null)()",
        "return new (Date.bind(null))()",
        "return [0].map(Date)",
    ] {
        let seen = probe(expression);
        let text = seen.as_str().unwrap_or_default();
        assert!(
            text.contains("DeterminismError") && text.contains("differs on every run"),
            "{expression}: {seen}"
        );
    }
}

#[test]
fn randomness_cannot_be_had() {
    for expression in [
        "const r = Math.floor && Math['rand' + ['om'].join('')]; return r()",
        "const { random } = Math; return random()",
        "const k = ['random'].join(''); return Math[k]()",
        "return Reflect.get(Math, ['random'].join(''))()",
    ] {
        let seen = probe(expression);
        assert!(
            seen.as_str()
                .is_some_and(|text| text.contains("DeterminismError: Math.random()")),
            "{expression}: {seen}"
        );
    }
    let seen = probe("const k = ['random'].join(''); Math[k] = () => 4; return Math[k]()");
    assert!(
        seen.as_str()
            .is_some_and(|text| text.starts_with("threw: TypeError")),
        "{seen}"
    );
    let seen = probe("const k = ['random'].join(''); delete Math[k]; return typeof Math[k]");
    assert!(
        seen.as_str()
            .is_some_and(|text| text.starts_with("threw: TypeError")),
        "{seen}"
    );
}

#[test]
fn code_cannot_be_made_from_text() {
    for expression in [
        "const e = globalThis['ev' + ['al'].join('')]; return e('1')",
        "return (0, globalThis[['eval'].join('')])('1')",
        "const F = (() => {}).constructor; return F('return 1')()",
        "return (() => {}).constructor('return this')()",
        "return (function () {}).constructor('return this')()",
        "return (async () => {}).constructor('return 1')()",
        "return (function* () {}).constructor('yield 1')().next()",
        "return (async function* () {}).constructor('yield 1')()",
        "return agent.constructor('return typeof process.exit')()",
        "return Object.getPrototypeOf(agent).constructor('return 1')()",
        "return (class { static make = (() => {}).constructor }).make('return 1')()",
        "return log.constructor.constructor('return 1')()",
        "return [].constructor.constructor('return 1')()",
        "return Reflect.construct((() => {}).constructor, ['return 1'])()",
    ] {
        let seen = probe(expression);
        let text = seen.as_str().unwrap_or_default();
        assert!(
            text.contains("makes code from text"),
            "{expression}: {seen}"
        );
    }
    let seen =
        probe("Object.defineProperty((() => {}).__proto__, 'constructor', { value: 1 }); return 1");
    assert!(
        seen.as_str()
            .is_some_and(|text| text.starts_with("threw: TypeError")),
        "{seen}"
    );
}

#[test]
fn what_the_machine_has_is_not_there() {
    for name in [
        "WeakRef",
        "FinalizationRegistry",
        "Atomics",
        "SharedArrayBuffer",
        "ArrayBuffer",
        "Uint8Array",
        "performance",
        "require",
        "fetch",
        "setTimeout",
        "setInterval",
        "Proxy",
        "crypto",
        "navigator",
        "Intl",
        "Worker",
        "WebAssembly",
        "std",
        "os",
        "print",
        "load",
        "scriptArgs",
        "module",
        "exports",
        "Deno",
        "Bun",
    ] {
        assert_eq!(
            probe(&format!("return typeof {name}")),
            "undefined",
            "{name}"
        );
    }
    assert_eq!(probe("return Object.keys(process)"), json!(["cwd"]));
    let globals = probe(
        "return Object.getOwnPropertyNames(globalThis).filter(n => typeof globalThis[n] === 'function' || typeof globalThis[n] === 'object').sort().join(' ')",
    );
    let globals = globals.as_str().expect("names");
    for name in globals.split(' ') {
        assert!(
            KNOWN.split_whitespace().any(|known| known == name),
            "{name} is new: {globals}"
        );
    }
}

/// Every global; a new one, from a new engine, has to be looked at.
const KNOWN: &str = "AggregateError Array AsyncIterator BigInt Boolean Date Error EvalError Function InternalError Iterator JSON \
    Map Math Number Object Promise RangeError ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError \
    TypeError URIError WeakMap WeakSet DisposableStack AsyncDisposableStack agent budget checkpoint console decodeURI \
    decodeURIComponent encodeURI encodeURIComponent escape eval gate globalThis integrate isFinite isNaN log packet parallel \
    parseFloat parseInt phase pipeline process queueMicrotask report sh unescape workflow";

#[test]
fn dates_with_a_time_work_and_local_time_is_utc() {
    for (expression, value) in [
        (
            "new Date(0).toISOString()",
            json!("1970-01-01T00:00:00.000Z"),
        ),
        (
            "new Date(2024, 0, 2, 3, 4, 5).toISOString()",
            json!("2024-01-02T03:04:05.000Z"),
        ),
        ("new Date(99, 0).getFullYear()", json!(1999)),
        (
            "new Date('2024-01-02T03:04:05').getTime() === Date.UTC(2024, 0, 2, 3, 4, 5)",
            json!(true),
        ),
        ("new Date('2024-01-02').getHours()", json!(0)),
        (
            "new Date('Jan 2, 2024 03:04:05').toISOString()",
            json!("2024-01-02T03:04:05.000Z"),
        ),
        (
            "new Date('2024-01-02T03:04:05+02:00').toISOString()",
            json!("2024-01-02T01:04:05.000Z"),
        ),
        ("new Date('nonsense').getTime()", Value::Null),
        ("String(new Date('nonsense'))", json!("Invalid Date")),
        ("new Date(0).getTimezoneOffset()", json!(0)),
        (
            "new Date(0).toString()",
            json!("Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)"),
        ),
        ("`${new Date(0)}`.slice(0, 15)", json!("Thu Jan 01 1970")),
        ("new Date(0).toDateString()", json!("Thu Jan 01 1970")),
        (
            "new Date(50000000000).toLocaleString()",
            json!("08/02/1971, 04:53:20 PM"),
        ),
        (
            "new Date(0).getDay() + ':' + new Date(0).getMonth()",
            json!("4:0"),
        ),
        ("new Date(new Date(5)).getTime()", json!(5)),
        (
            "(d => (d.setHours(5), d.toISOString()))(new Date(0))",
            json!("1970-01-01T05:00:00.000Z"),
        ),
        ("new Date(0) instanceof Date", json!(true)),
        (
            "Object.prototype.toString.call(new Date(0))",
            json!("[object Date]"),
        ),
        (
            "JSON.stringify(new Date(0))",
            json!("\"1970-01-01T00:00:00.000Z\""),
        ),
        (
            "new (class Day extends Date { name() { return 'day' + this.getTime() } })(7).name()",
            json!("day7"),
        ),
        ("Date.name + Date.length", json!("Date7")),
        ("new Date(1) - new Date(0)", json!(1)),
        (
            "[].concat.name && (() => {}) instanceof Function",
            json!(true),
        ),
    ] {
        assert_eq!(
            probe(&format!("return {expression}")),
            value,
            "{expression}"
        );
    }
}

#[test]
fn the_language_is_a_modern_one() {
    for (expression, value) in [
        (
            "Object.groupBy([1, 2, 3], n => n % 2 ? 'odd' : 'even')",
            json!({ "odd": [1, 3], "even": [2] }),
        ),
        ("[...new Set([1, 2]).union(new Set([3]))]", json!([1, 2, 3])),
        ("[3, 1, 2].toSorted().at(-1)", json!(3)),
        ("'a-b'.replaceAll('-', '+')", json!("a+b")),
        (
            "(() => { let x = null; x ??= 4; return x?.toFixed(1) })()",
            json!("4.0"),
        ),
        (
            "await (async () => { const out = []; for await (const x of (async function* () { yield 1; yield 2 })()) out.push(x); return out })()",
            json!([1, 2]),
        ),
        (
            "'2026-11'.match(/(?<year>\\d+)-(?<month>\\d+)/).groups.month",
            json!("11"),
        ),
        (
            "(class { #x = 1; static s = 2; get x() { return this.#x } }).s",
            json!(2),
        ),
        ("(10n ** 20n).toString()", json!("100000000000000000000")),
        ("new Error('x', { cause: 'y' }).cause", json!("y")),
        (
            "(await Promise.allSettled([Promise.reject(1)]))[0].status",
            json!("rejected"),
        ),
        ("'e\\u0301'.normalize('NFC').length", json!(1)),
        ("typeof queueMicrotask", json!("function")),
        ("(1234.5).toLocaleString()", json!("1234.5")),
        (
            "['b', 'a'].sort((x, y) => x.localeCompare(y))",
            json!(["a", "b"]),
        ),
    ] {
        assert_eq!(
            probe(&format!("return {expression}")),
            value,
            "{expression}"
        );
    }
}
