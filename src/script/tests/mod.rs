//! Scripts that are run with fake answers.

mod contract;
mod determinism;
mod ending;
mod header;
mod hostile;
mod recipes;
mod replay;

use std::collections::VecDeque;

use super::{Answer, Call, Engine, Said, ScriptError, Setup};

/// The header that every script needs.
pub(super) const META: &str = "export const meta = { name: 'test', description: 'a test' };\n";

/// What a script said, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) said: Vec<Said>,
    pub(super) calls: Vec<Call>,
    pub(super) ended: Option<Result<String, ScriptError>>,
}

impl Ran {
    #[track_caller]
    pub(super) fn value(&self) -> serde_json::Value {
        match &self.ended {
            Some(Ok(value)) => serde_json::from_str(value).expect("the value is JSON"),
            other => panic!(
                "the script gave no value: {other:?}; it said {:?}",
                self.said
            ),
        }
    }

    #[track_caller]
    pub(super) fn error(&self) -> &ScriptError {
        match &self.ended {
            Some(Err(error)) => error,
            other => panic!("the script did not fail: {other:?}"),
        }
    }

    pub(super) fn logs(&self) -> Vec<&str> {
        self.said
            .iter()
            .filter_map(|said| match said {
                Said::Log(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn warnings(&self) -> Vec<&str> {
        self.said
            .iter()
            .filter_map(|said| match said {
                Said::Warned(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn phases(&self) -> Vec<&str> {
        self.said
            .iter()
            .filter_map(|said| match said {
                Said::Phase(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// Runs a script to its end; `answer` says what each call gives. Answers come in the order of the calls.
#[track_caller]
pub(super) fn run(setup: Setup, answer: impl FnMut(&Call) -> Answer) -> Ran {
    run_in_order(setup, answer, VecDeque::pop_front)
}

/// The same, with `next` choosing which of the waiting calls is answered.
#[track_caller]
pub(super) fn run_in_order(
    setup: Setup,
    mut answer: impl FnMut(&Call) -> Answer,
    mut next: impl FnMut(&mut VecDeque<Call>) -> Option<Call>,
) -> Ran {
    let (engine, mut said) = match Engine::start(setup) {
        Ok(started) => started,
        Err(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("the script was refused:\n{}", all.join("\n"));
        }
    };
    let mut ran = Ran::default();
    let mut waiting = VecDeque::new();
    while let Some(word) = said.blocking_recv() {
        match word {
            Said::Idle(_) => match next(&mut waiting) {
                Some(call) => engine.answer(answer(&call)),
                None => engine.abort(),
            },
            Said::Called(calls) => {
                waiting.extend(calls.clone());
                ran.calls.extend(calls.clone());
                ran.said.push(Said::Called(calls));
            }
            Said::Ended(ended) => {
                assert!(ran.ended.is_none(), "the script ended twice");
                ran.ended = Some(ended.map(|outcome| outcome.value));
            }
            other => ran.said.push(other),
        }
    }
    ran
}

/// Answers an agent with `result:PROMPT`, everything else with null.
pub(super) fn echo(call: &Call) -> Answer {
    let value = match &call.body {
        super::Body::Agent(agent) => serde_json::json!(format!("result:{}", agent.prompt)),
        _ => serde_json::Value::Null,
    };
    answer(call, &value)
}

pub(super) fn answer(call: &Call, value: &serde_json::Value) -> Answer {
    Answer {
        ordinal: call.ordinal,
        value: Ok(value.to_string()),
        spent: 0,
    }
}

/// A script with the usual header.
pub(super) fn script(body: &str) -> Setup {
    Setup::new("test.js", format!("{META}{body}"))
}

/// What the agent of a call is told.
#[track_caller]
pub(super) fn prompt(call: &Call) -> &str {
    match &call.body {
        super::Body::Agent(agent) => &agent.prompt,
        other => panic!("not an agent: {other:?}"),
    }
}
