//! Scripts that mean harm, or might as well: each ends with a clear error, within its limits, and without a crash.

use std::time::Duration;

use serde_json::json;

use super::super::{ErrorKind, Limits, Said, Setup};
use super::{Ran, answer, echo, run, script};

/// Small limits, so that what runs into them does so soon.
fn small(body: &str) -> Setup {
    let mut setup = script(body);
    setup.limits = Limits {
        memory: 48 * 1024 * 1024,
        slice: Duration::from_millis(100),
        ..Limits::default()
    };
    setup
}

#[track_caller]
fn limited(body: &str) -> Ran {
    let ran = run(small(body), echo);
    let error = ran.error();
    assert_eq!(error.kind, ErrorKind::Limit, "{body}: {error:?}");
    ran
}

#[test]
fn endless_loops_are_stopped_wherever_they_are() {
    for body in [
        "while (true) {}",
        "await agent('x'); for (;;) {}",
        "await agent('x'); await (async () => { while (true) {} })()",
        "while (true) { try { while (true) {} } catch {} finally { continue } }",
        "try { while (true) {} } finally { while (true) {} }",
        "const f = async () => { while (true) await null }; await f()",
        "const f = () => queueMicrotask(f); f(); await new Promise(() => {})",
        "function* g() { while (true) yield 1 } for (const x of g()) {}",
        "await parallel([() => { while (true) {} }])",
        "await pipeline([1], v => agent('x'), v => { while (true) {} })",
        "[3, 1, 2].sort(() => { while (true) {} })",
        "JSON.stringify({ toJSON() { while (true) {} } })",
        "'x'.replace(/x/, () => { while (true) {} })",
        "agent('x', { get label() { while (true) {} } })",
        "throw { get message() { while (true) {} }, toString() { while (true) {} } }",
        "Promise.resolve().then(() => { while (true) {} }); await agent('x')",
        "log({ toJSON() { while (true) {} } })",
        "return { get x() { while (true) {} } }",
    ] {
        let ran = run(small(body), echo);
        let error = ran.error();
        assert_eq!(error.kind, ErrorKind::Limit, "{body}: {error:?}");
        assert!(error.message.contains("0.1 s of processor time"), "{error}");
    }
    let ran = limited("\n\nfunction spin() { while (true) {} }\nspin()");
    assert_eq!(
        ran.error().at.as_ref().map(|at| at.line),
        Some(4),
        "{:?}",
        ran.error()
    );
}

#[test]
fn a_catastrophic_pattern_is_stopped() {
    for body in [
        "/^(a+)+$/.test('a'.repeat(40) + '!')",
        "await agent('x'); '0'.repeat(60).match(/(0*)*1/)",
        "'a'.repeat(50).replace(/(a|aa)+$/g, () => 'x') && /(x+x+)+y/.exec('x'.repeat(60))",
    ] {
        limited(body);
    }
}

#[test]
fn what_cannot_be_interrupted_is_left_behind() {
    // A search that takes 10^11 steps within one builtin, where the engine asks no clock.
    let body = "await agent('x'); return 'a'.repeat(600000).indexOf('a'.repeat(300000) + 'b')";
    let ran = limited(body);
    let error = ran.error();
    assert!(error.message.contains("cannot be interrupted"), "{error}");
}

#[test]
fn memory_is_bounded() {
    for body in [
        "const all = []; while (true) all.push('x'.repeat(1000) + all.length)",
        "const all = []; while (true) all.push({ all, x: [1, 2, 3] })",
        "let s = 'x'; while (true) s += s.slice(1) + s + '\\n' + s.toUpperCase()",
        "await agent('x'); const m = new Map(); for (let i = 0; ; i++) m.set(i, [i])",
        "const f = (n) => [n, ...f(n + 1)]; const all = []; while (true) all.push(new Array(100000).fill(1))",
    ] {
        let ran = run(small(body), echo);
        assert!(
            matches!(ran.error().kind, ErrorKind::Limit),
            "{body}: {:?}",
            ran.error()
        );
    }
    // A script that catches it goes on with what it has, if it is not stopped for its time first.
    let mut setup = small(
        "let n = 0; try { const all = []; while (true) all.push(new Array(10000).fill(n++)) } catch (e) { n = -1 } return n",
    );
    setup.limits.slice = Duration::from_secs(60);
    let ran = run(setup, echo);
    assert_eq!(ran.value(), json!(-1));
}

#[test]
fn recursion_is_bounded() {
    for body in [
        "function f() { return f() + 1 } f()",
        "const f = async (n) => { await f(n + 1) }; await f(0)",
        "const o = {}; o.toString = () => `${o}`; `${o}`",
        "let a = []; for (let i = 0; i < 200000; i++) a = [a]; JSON.stringify(a)",
        "JSON.parse('['.repeat(200000) + ']'.repeat(200000))",
        "const f = () => { try { f() } finally { f() } }; f()",
    ] {
        let ran = run(small(body), echo);
        let error = ran.error();
        assert!(
            matches!(error.kind, ErrorKind::Limit)
                || error.message.contains("stack")
                || error.message.contains("SyntaxError"),
            "{body}: {error:?}"
        );
    }
    // Five thousand calls within each other are no attack.
    let ran = run(
        script("const f = n => n === 0 ? 0 : 1 + f(n - 1); return f(5000)"),
        echo,
    );
    assert_eq!(ran.value(), json!(5000));
    let mut deep = script("return typeof args");
    deep.args = Some("[".repeat(100) + &"]".repeat(100));
    assert_eq!(run(deep, echo).value(), json!("object"));
}

#[test]
fn ten_megabytes_are_refused_where_they_would_leave_the_script() {
    const BIG: &str = "const big = 'x'.repeat(10 * 1024 * 1024);";
    for (call, what) in [
        ("await agent(big)", "agent() was given"),
        (
            "await agent('x', { schema: { type: 'object', title: big } })",
            "agent() was given",
        ),
        ("await sh(big)", "sh() was given"),
        ("log(big)", "a line"),
        ("report({ big })", "report()"),
        ("phase(big)", "a phase"),
        ("await checkpoint('x', big)", "checkpoint() was given"),
        ("throw new Error(big)", ""),
        ("await agent('x', { phase: big })", "agent() was given"),
    ] {
        let ran = run(script(&format!("{BIG}\n{call}")), echo);
        let error = ran.error();
        assert!(
            error.message.contains(what),
            "{call}: {}",
            &error.message[..200.min(error.message.len())]
        );
        assert!(
            error.message.len() < 5_000,
            "{call}: {} bytes",
            error.message.len()
        );
        for said in &ran.said {
            let length = format!("{said:?}").len();
            assert!(length < 5 * 1024 * 1024, "{call}: {length} bytes were said");
        }
    }
    let ran = run(
        script("const a = await agent('x'); return a.length"),
        |call| answer(call, &json!("y".repeat(10 * 1024 * 1024))),
    );
    assert_eq!(ran.value(), json!(10 * 1024 * 1024));
}

#[test]
fn words_without_end_are_stopped() {
    for body in [
        "for (;;) log('x')",
        "for (let i = 0; ; i++) phase('p' + i)",
        "for (;;) report(1)",
        "for (;;) await parallel([() => { throw 1 }])",
        "for (let i = 0; ; i++) { await agent('x').catch(() => {}); await sh('x') }",
    ] {
        let ran = run(script(body), echo);
        let message = &ran.error().message;
        assert!(message.contains("the most it may"), "{body}: {message}");
        assert!(ran.said.len() <= 25_000, "{body}: {}", ran.said.len());
    }
}

#[test]
fn tampering_reaches_no_function_of_ours() {
    let tamper = [
        "Array.prototype.map = Array.prototype.forEach = Array.prototype.push = Array.prototype.join = () => { throw new Error('map') }",
        "Array.prototype[Symbol.iterator] = function* () { yield 'wrong' }",
        "Array.isArray = () => false",
        "Promise.all = Promise.allSettled = Promise.resolve = Promise.reject = () => { throw new Error('all') }",
        "Promise.prototype.then = Promise.prototype.catch = Promise.prototype.finally = () => { throw new Error('then') }",
        "globalThis.Promise = class { constructor() { throw new Error('Promise') } }",
        "JSON.stringify = JSON.parse = () => { throw new Error('JSON') }",
        "globalThis.JSON = null; globalThis.Object = null; globalThis.Reflect = null; globalThis.String = null",
        "Object.keys = Object.freeze = Object.defineProperty = Object.entries = () => { throw new Error('keys') }",
        "Reflect.apply = Reflect.defineProperty = () => { throw new Error('apply') }",
        "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw new Error('call') }",
        "String.prototype.trim = String.prototype.toWellFormed = String.prototype.replace = () => 'wrong'",
        "globalThis.Error = globalThis.TypeError = class {}",
        "Number.isInteger = Number.isFinite = () => false; Math.max = () => NaN",
        "for (const name of ['label', 'phase', 'schema', 'model', 'prompt', 'kind', 'then0']) Object.defineProperty(Object.prototype, name, { set() { throw new Error('set ' + name) }, configurable: true })",
        "for (const i of [0, 1, 2]) Object.defineProperty(Object.prototype, i, { set() { throw new Error('index') }, configurable: true })",
        "Symbol.prototype.toString = () => 'wrong'; Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 0",
        "RegExp.prototype.exec = RegExp.prototype.test = () => { throw new Error('exec') }",
    ];
    for how in tamper {
        let body = format!(
            "{how};\n\
             phase('P'); log('line', 1)\n\
             const a = await agent(' p ', {{ label: ' l ' }})\n\
             const b = await parallel([() => agent('q'), () => {{ throw 0 }}, async () => 7])\n\
             const c = await pipeline(['i'], (v, item, n) => agent(v + item + n), v => v + '!')\n\
             await sh('ls', {{ timeout: 5 }})\n\
             return {{ a, b0: b[0], b1: b[1], b2: b[2], c: c[0], left: budget.remaining() > 1e300 }}"
        );
        let ran = run(script(&body), echo);
        assert_eq!(
            ran.value(),
            json!({ "a": "result: p ", "b0": "result:q", "b1": null, "b2": 7, "c": "result:ii0!", "left": true }),
            "{how}"
        );
        assert_eq!(ran.calls.len(), 4, "{how}");
        assert_eq!(ran.calls[0].label.as_deref(), Some("l"), "{how}");
        assert_eq!(ran.calls[0].text, r#"{"prompt":" p "}"#, "{how}");
        assert_eq!(ran.logs(), ["line 1"], "{how}");
    }
}

#[test]
fn our_functions_cannot_be_replaced() {
    for name in [
        "agent", "parallel", "pipeline", "log", "budget", "cwd", "process", "eval", "Function",
    ] {
        let ran = run(
            script(&format!(
                "let why = []; for (const how of [() => {{ globalThis['{name}'] = 1 }}, () => {{ delete globalThis['{name}'] }}, \
                 () => {{ Object.defineProperty(globalThis, '{name}', {{ value: 1 }}) }}]) {{ try {{ how(); why.push('done') }} catch (e) {{ why.push(e.name) }} }} return why"
            )),
            echo,
        );
        assert_eq!(
            ran.value(),
            json!(["TypeError", "TypeError", "TypeError"]),
            "{name}"
        );
    }
    let ran = run(
        script(
            "try { budget.spent = () => -1 } catch (e) { log(e.name) } try { process.cwd = () => '/' } catch (e) { log(e.name) } return budget.spent()",
        ),
        echo,
    );
    assert_eq!(ran.value(), json!(0));
    assert_eq!(ran.logs(), ["TypeError", "TypeError"]);
}

#[test]
fn there_is_no_way_to_the_host() {
    for body in [
        "return typeof agent.caller",
        "return agent.arguments",
        "return (function () { return arguments.callee.caller })()",
    ] {
        let ran = run(script(body), echo);
        assert!(
            ran.error().message.contains("TypeError"),
            "{body}: {:?}",
            ran.error()
        );
    }
    let ran = run(
        script(
            "const seen = new Set(), names = []\n\
             const walk = (o, path) => { if ((typeof o !== 'object' && typeof o !== 'function') || o === null || seen.has(o) || path.length > 200) return; seen.add(o)\n\
               for (const k of Reflect.ownKeys(o)) { let v; try { v = o[k] } catch { continue } if (typeof k === 'string' && /^(begin|resolveWorkflow|nulls|isPromise|spend|abortError)$/.test(k)) names.push(path + '.' + k); walk(v, path + '.' + String(k)) }\n\
               walk(Object.getPrototypeOf(o), path + '.__proto__') }\n\
             walk(globalThis, 'globalThis'); return names",
        ),
        echo,
    );
    assert_eq!(ran.value(), json!([]));
    let ran = run(
        script(
            "try { await globalThis[['im', 'port'].join('')]('fs') } catch (e) { return e.name }",
        ),
        echo,
    );
    assert_eq!(ran.value(), json!("TypeError"));
    // Errors of ours tell where in the script, and nothing of the inside.
    let ran = run(
        script("try { await agent(1) } catch (e) { return e.stack }"),
        echo,
    );
    let stack = ran.value().to_string();
    assert!(stack.contains("test.js:2"), "{stack}");
}

#[test]
fn an_abort_reaches_a_script_that_is_busy() {
    use super::super::Engine;
    let mut setup = script("log('busy'); await agent('x'); while (true) {}");
    setup.limits.slice = Duration::from_secs(3600);
    let (engine, mut said) = Engine::start(setup).expect("the script starts");
    let mut ended = None;
    while let Some(word) = said.blocking_recv() {
        match word {
            Said::Called(calls) => {
                engine.answer(echo(&calls[0]));
                engine.abort();
            }
            Said::Ended(end) => ended = Some(end),
            _ => {}
        }
    }
    assert!(ended.is_some_and(|end| end.is_err()));
}
