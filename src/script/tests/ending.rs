//! How scripts speak, end, fail, and start others.

use serde_json::json;

use super::super::{Answer, ErrorKind, Said, Setup};
use super::{META, answer, echo, prompt, run, run_in_order, script};

#[test]
fn words_to_the_outside_come_in_their_order() {
    let ran = run(
        script(
            "log('a', { b: 1 }, [2]); console.warn('c'); console.error(new TypeError('d')); report({ part: 1 })\n\
             await agent('x'); log('e')",
        ),
        echo,
    );
    assert_eq!(
        ran.logs(),
        ["a {\"b\":1} [2]", "[warn] c", "[error] TypeError: d", "e"]
    );
    assert_eq!(ran.said[3], Said::Report("{\"part\":1}".to_owned()));
    assert!(matches!(ran.said[4], Said::Called(_)));
    assert_eq!(ran.said[5], Said::Log("e".to_owned()));
}

#[test]
fn calls_that_nobody_awaits_are_waited_for_with_a_warning() {
    let ran = run(
        script("const p = agent('a', { label: 'late' }).then(v => log(v)); return 1"),
        echo,
    );
    assert_eq!(ran.value(), json!(1));
    assert_eq!(ran.logs(), ["result:a"]);
    let warning = ran.warnings()[0];
    assert!(
        warning.contains("late") && warning.contains("await"),
        "{warning}"
    );
}

#[test]
fn a_rejection_that_nobody_handles_is_told() {
    let ran = run(
        script("; (async () => { throw new Error('lost') })(); await agent('x'); return 1"),
        echo,
    );
    assert_eq!(ran.value(), json!(1));
    assert!(ran.warnings()[0].contains("lost"), "{:?}", ran.warnings());
}

#[test]
fn a_promise_that_nothing_can_settle_is_told_at_once() {
    let ran = run(
        script("await agent('x'); await new Promise(() => {})"),
        echo,
    );
    assert_eq!(ran.error().kind, ErrorKind::Stuck);
}

#[test]
fn an_abort_throws_where_the_script_waits_and_lets_it_clean_up() {
    let body = "try { await parallel([() => agent('a'), () => agent('b')]) }\n\
        catch (e) { log(e.name) } finally { log('clean') }\n\
        try { await agent('c') } catch (e) { log('again ' + e.name) }";
    let ran = run_in_order(script(body), echo, |_| None);
    assert_eq!(ran.error().kind, ErrorKind::Aborted);
    assert_eq!(ran.logs(), ["AbortError", "clean", "again AbortError"]);
    assert_eq!(ran.calls.len(), 2);
}

#[test]
fn an_answer_that_was_not_asked_for_ends_the_run() {
    let ran = run(script("await agent('x')"), |call| Answer {
        ordinal: call.ordinal + 1,
        ..echo(call)
    });
    assert_eq!(ran.error().kind, ErrorKind::Unexpected);
}

#[test]
fn a_workflow_within_a_workflow() {
    let child = format!(
        "{}phase('Inner')\nconst got = await agent('inner ' + args.n)\n\
         let why; try {{ await workflow('x') }} catch (e) {{ why = e.message }}\n\
         return {{ got, why, name: meta.name }}",
        META.replace("'test'", "'child'")
    );
    let mut setup = script(
        "phase('Outer')\nconst a = await workflow('child', { n: 1 })\nconst b = await workflow({ scriptPath: 'child' }, { n: 2 })\n\
         await agent('outer ' + typeof args)\nreturn [a, b.got]",
    );
    setup.resolve = Box::new(move |name| match name {
        "child" => Ok(("child.js".to_owned(), child.clone())),
        other => Err(format!("{other} is not known")),
    });
    let ran = run(setup, echo);
    let value = ran.value();
    assert_eq!(value[0]["got"], "result:inner 1");
    assert_eq!(value[0]["name"], "child");
    assert!(
        value[0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("one level deep"))
    );
    assert_eq!(value[1], "result:inner 2");
    assert_eq!(ran.calls[0].place, "workflow[child]");
    assert_eq!(ran.calls[0].phase.as_deref(), Some("Inner"));
    // The phase of the inner workflow is its own.
    assert_eq!(ran.calls[2].phase.as_deref(), Some("Outer"));
}

#[test]
fn an_inner_workflow_that_is_wrong_throws_with_its_place() {
    let mut setup = script("await workflow('bad')");
    setup.resolve = Box::new(|_| Ok(("bad.js".to_owned(), "const x = 1".to_owned())));
    let ran = run(setup, echo);
    let message = &ran.error().message;
    assert!(message.contains("bad.js:1:1"), "{message}");

    let mut setup = script("await workflow('throws')");
    setup.resolve = Box::new(|_| {
        Ok((
            "inner.js".to_owned(),
            format!("{META}\n  throw new Error('deep')"),
        ))
    });
    let ran = run(setup, echo);
    let at = ran.error().at.clone().expect("the place is known");
    assert_eq!((at.file.as_str(), at.line), ("inner.js", 3));
}

#[test]
fn an_error_names_its_place_on_the_first_line_too() {
    let one_line = Setup::new(
        "one.js",
        "export const meta = { name: 'n', description: 'd' }; null.x",
    );
    let ran = run(one_line, echo);
    let at = ran.error().at.clone().expect("the place is known");
    assert_eq!(at.line, 1);
    // The engine takes the blank before an operand for its place now and then.
    assert!((53..=54).contains(&at.column), "{at}");
    let ran = run(
        script("function f() { throw new RangeError('no') }\nf()"),
        echo,
    );
    let error = ran.error();
    assert_eq!(error.message, "RangeError: no");
    assert!(error.stack.contains("at f (test.js:2:"), "{}", error.stack);
    assert!(!error.stack.contains("prelude"), "{}", error.stack);
    let ran = run(script("throw { odd: 1 }"), echo);
    assert_eq!(ran.error().message, "thrown: {\"odd\":1}");
}

#[test]
fn text_is_well_formed_wherever_it_goes() {
    let ran = run(
        script(
            "const half = '\\ud800x'; log(half); report([half]); const a = await agent(half); return [half, a, '\\ud83d\\ude00']",
        ),
        |call| answer(call, &json!("ok")),
    );
    assert_eq!(ran.value(), json!(["\u{fffd}x", "ok", "😀"]));
    assert_eq!(ran.logs(), ["\u{fffd}x"]);
    assert_eq!(prompt(&ran.calls[0]), "\u{fffd}x");
}
