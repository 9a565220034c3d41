//! Runs that are recorded, cut off, edited and taken up again.

use std::collections::VecDeque;

use serde_json::json;

use super::super::replay::{Divergence, Exact, Fate, Policy, Preview, Record, Recorded, Reuse};
use super::super::{Answer, Call, Engine, Failed, Said, Setup};
use super::{META, echo, script};

/// What follows depends on who answers first: prompts hold the order of arrival.
const RACE: &str = "let arrived = 0\n\
    const out = await pipeline(Array.from({ length: 12 }, (_, i) => i),\n\
      n => agent('first ' + n),\n\
      (value, n) => agent(`second ${n} came as ${arrived++}`))\n\
    const fast = await Promise.race([agent('same'), agent('same'), agent('other')])\n\
    return { out, fast, arrived }";

/// Drives a script as a host does: what is known from the record is delivered in its order, the rest is run, and what
/// is done first is chosen by `pick`. Ends after `most` answers, as if it were killed then.
fn drive(
    setup: Setup,
    known: &mut dyn Known,
    mut answer: impl FnMut(&Call) -> Answer,
    mut pick: impl FnMut(usize) -> usize,
    most: usize,
) -> Result<(Record, Vec<String>, Option<String>), Divergence> {
    let (engine, mut said) = Engine::start(setup).expect("the script starts");
    let mut record = Record::default();
    let mut live: VecDeque<Call> = VecDeque::new();
    let mut ran = Vec::new();
    while let Some(said) = said.blocking_recv() {
        match said {
            Said::Called(calls) => {
                for call in calls {
                    let after = record.answers.len() as u64;
                    record.calls.push(Recorded::of(&call, after));
                    if known.called(&call)? == Fate::Run {
                        live.push_back(call);
                    }
                }
            }
            Said::Idle(_) => {
                if record.answers.len() == most {
                    return Ok((record, ran, None));
                }
                let next = if let Some(answer) = known.next()? {
                    answer
                } else {
                    let call = live.remove(pick(live.len())).expect("something runs");
                    ran.push(call.text.clone());
                    answer(&call)
                };
                record.answers.push(next.clone());
                engine.answer(next);
            }
            Said::Ended(ended) => {
                return Ok((record, ran, Some(ended.expect("a value").value)));
            }
            _ => {}
        }
    }
    unreachable!("the script always ends")
}

trait Known {
    fn called(&mut self, call: &Call) -> Result<Fate, Divergence>;
    fn next(&mut self) -> Result<Option<Answer>, Divergence>;
}

impl Known for Exact {
    fn called(&mut self, call: &Call) -> Result<Fate, Divergence> {
        Self::called(self, call)
    }
    fn next(&mut self) -> Result<Option<Answer>, Divergence> {
        Self::deliver(self)
    }
}

impl Known for Reuse {
    fn called(&mut self, call: &Call) -> Result<Fate, Divergence> {
        Ok(Self::called(self, call))
    }
    fn next(&mut self) -> Result<Option<Answer>, Divergence> {
        Ok(Self::deliver(self))
    }
}

fn fresh() -> Exact {
    Exact::new(Record::default())
}

/// Chooses by a small generator, so that every order is tried and every failure can be tried again.
fn pick(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |count| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap_or(0) % count.max(1)
    }
}

#[test]
fn a_run_that_was_cut_off_anywhere_ends_the_same_and_runs_nothing_twice() {
    for seed in 0..3 {
        let whole = drive(script(RACE), &mut fresh(), echo, pick(seed), usize::MAX);
        let (whole, ran, value) = whole.expect("a run does not diverge from nothing");
        assert_eq!(ran.len(), whole.answers.len());
        for cut in 0..whole.answers.len() {
            let (first, _, _) = drive(script(RACE), &mut fresh(), echo, pick(seed), cut)
                .expect("a run does not diverge from nothing");
            // Everything that was recorded comes again, whatever order the rest is done in.
            let mut known = Exact::new(first.clone());
            let (second, ran, _) =
                drive(script(RACE), &mut known, echo, pick(seed + 99), usize::MAX)
                    .expect("the same script takes the same way");
            assert_eq!(second.answers[..cut], first.answers[..]);
            assert_eq!(ran.len() + cut, second.answers.len());
        }
        let mut known = Exact::new(whole.clone());
        let (again, ran, same) = drive(script(RACE), &mut known, echo, pick(seed), usize::MAX)
            .expect("the same script takes the same way");
        assert_eq!((again, ran.len(), same), (whole, 0, value));
        assert_eq!(known.ended(), Ok(()));
    }
}

fn recorded(body: &str) -> Record {
    let ran = drive(script(body), &mut fresh(), echo, |_| 0, usize::MAX);
    ran.expect("a run does not diverge from nothing").0
}

#[test]
fn another_way_is_refused_with_the_call_and_the_field() {
    let record = recorded(
        "await agent('one', { label: 'first' }); await agent('a long prompt that ends in two', { model: 'm' })",
    );
    let diverges = |body: &str| {
        drive(
            script(body),
            &mut Exact::new(record.clone()),
            echo,
            |_| 0,
            usize::MAX,
        )
        .expect_err("it diverges")
    };
    let found = diverges(
        "await agent('one'); await agent('a long prompt that ends in three', { model: 'm' })",
    );
    assert_eq!((found.ordinal, found.field.as_str()), (2, "prompt"));
    assert!(
        found.recorded.contains("two") && found.now.contains("three"),
        "{found}"
    );
    let found = diverges(
        "await agent('one'); await agent('a long prompt that ends in two', { model: 'n' })",
    );
    assert_eq!(
        (
            found.field.as_str(),
            found.recorded.as_str(),
            found.now.as_str()
        ),
        ("model", "\"m\"", "\"n\"")
    );
    let found = diverges("await agent('one'); await sh('x')");
    assert_eq!((found.field.as_str(), found.now.as_str()), ("call", "sh()"));
    let found = diverges("await new Promise(() => {}, agent('two'))");
    assert_eq!((found.ordinal, found.title.as_str()), (1, "agent 1"));
}

#[test]
fn a_call_that_the_record_has_answered_and_the_script_does_not_make_is_refused() {
    let record = recorded("await parallel([() => agent('a'), () => agent('b')])");
    let mut known = Exact::new(record);
    let refused = drive(
        script("await agent('a'); await agent('c')"),
        &mut known,
        echo,
        |_| 0,
        usize::MAX,
    );
    assert_eq!(refused.expect_err("it diverges").field, "prompt");
    let record = recorded("await agent('a'); await agent('b')");
    let mut known = Exact::new(record);
    drive(
        script("await agent('a')"),
        &mut known,
        echo,
        |_| 0,
        usize::MAX,
    )
    .expect("it goes as far as it goes");
    assert_eq!(known.ended().expect_err("an answer is left").ordinal, 2);
}

fn edited(record: &Record, policy: Policy, retry: bool, body: &str) -> (Preview, Vec<String>) {
    let mut reuse = Reuse::new(record.clone(), policy, retry);
    let (_, ran, _) =
        drive(script(body), &mut reuse, echo, |_| 0, usize::MAX).expect("reuse does not diverge");
    (reuse.preview().clone(), ran)
}

#[test]
fn an_edited_script_reuses_what_still_holds() {
    let body = |second: &str| {
        format!(
            "const a = await parallel(['1', '2', '{second}', '4'].map(n => () => agent('review ' + n)))\n\
             return await agent('sum ' + a.join())"
        )
    };
    let record = recorded(&body("3"));
    let (preview, ran) = edited(&record, Policy::Content, false, &body("3!"));
    assert_eq!(
        preview.to_string(),
        "reuse 3, run 2, first miss #3 (prompt changed)"
    );
    assert_eq!(ran.len(), 2);
    let (preview, _) = edited(&record, Policy::Content, false, &body("3"));
    assert_eq!(preview.to_string(), "reuse 5, run 0");
    let (preview, _) = edited(&record, Policy::None, false, &body("3"));
    assert_eq!(
        preview.to_string(),
        "reuse 0, run 5, first miss #1 (nothing is reused)"
    );
    let longer = format!("await agent('more')\n{}", body("3"));
    let (preview, _) = edited(&record, Policy::Content, false, &longer);
    assert_eq!((preview.reuse, preview.run), (5, 1));
}

#[test]
fn causal_reuse_keeps_siblings_and_reruns_what_came_after_a_change() {
    let body = |second: &str| {
        format!(
            "await parallel(['1', '2', '3', '4'].map(n => () => agent('review ' + (n === '2' ? '{second}' : n))))\n\
             return await agent('then look at the tree')"
        )
    };
    let record = recorded(&body("2"));
    let (preview, ran) = edited(&record, Policy::Causal, false, &body("2!"));
    assert_eq!((preview.reuse, preview.run), (3, 2), "{preview}");
    assert!(ran[1].contains("then look"), "{ran:?}");
    let (preview, _) = edited(&record, Policy::Content, false, &body("2!"));
    assert_eq!((preview.reuse, preview.run), (4, 1), "{preview}");
}

#[test]
fn failures_are_history_unless_they_are_to_be_tried_again() {
    let body = "return await parallel([1, 2, 3].map(n => () => agent('p' + n)))";
    let failing = |call: &Call| Answer {
        value: if call.ordinal == 2 {
            Err(Failed {
                message: "rate limit".to_owned(),
            })
        } else {
            echo(call).value
        },
        ..echo(call)
    };
    let (record, _, value) =
        drive(script(body), &mut fresh(), failing, |_| 0, usize::MAX).expect("a run");
    assert_eq!(value.as_deref(), Some("[\"result:p1\",null,\"result:p3\"]"));
    let mut known = Exact::new(record.clone());
    let (_, ran, again) =
        drive(script(body), &mut known, echo, |_| 0, usize::MAX).expect("a replay");
    assert_eq!((ran.len(), again), (0, value));
    let (preview, ran) = edited(&record, Policy::Content, true, body);
    assert_eq!(
        preview.to_string(),
        "reuse 2, run 1, first miss #2 (failed before)"
    );
    assert_eq!(ran, [r#"{"prompt":"p2"}"#]);
}

#[test]
fn equal_prompts_take_their_answers_in_order_and_a_key_outlives_a_new_wording() {
    let record = recorded(
        "return [await agent('x', { key: 'k' }), await agent('same'), await agent('same')]",
    );
    let (preview, _) = edited(
        &record,
        Policy::Content,
        false,
        "return [await agent('reworded', { key: 'k' }), await agent('same'), await agent('same'), await agent('same')]",
    );
    assert_eq!(
        preview.to_string(),
        "reuse 3, run 1, first miss #4 (new call)"
    );
}

#[test]
fn a_preview_starts_nothing() {
    let record = recorded("await agent('a'); await agent('b'); return 1");
    let setup = Setup::new(
        "e.js",
        format!("{META}await agent('a'); await agent('c'); return 1"),
    );
    let reuse = Reuse::new(record, Policy::Content, false);
    let preview = super::super::replay::preview(setup, reuse).expect("it can be told");
    assert_eq!(
        preview.to_string(),
        "reuse 1, run 1, first miss #2 (prompt changed)"
    );
    assert_eq!(json!(preview)["reuse"], 1);
}
