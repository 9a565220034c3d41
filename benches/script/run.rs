//! One run of a script in this process: the engine, fake agents, and the real journal with the real events.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use dynwf::journal::{Journal, Store};
use dynwf::model::event::EventKind;
use dynwf::model::id::Slug;
use dynwf::model::script::{AskedCall, Asks, Kept, Reply};
use dynwf::script::replay::{Exact, Record, Recorded};
use dynwf::script::{Answer, Body, Call, CallKind, Engine, Said, Setup};
use jiff::Timestamp;
use serde_json::json;

/// How many agents run at once.
const CAP: usize = 16;

fn setup(source: &str) -> Setup {
    let mut setup = Setup::new("bench.js", source);
    setup.limits.calls = 20_000;
    setup.limits.items = 20_000;
    setup
}

fn slug() -> Result<Slug> {
    "bench".parse().map_err(|error| anyhow!("{error}"))
}

/// Runs the script live: each batch is appended with one sync, then handed over one at a time.
pub(super) fn live(source: &str, folder: &Path) -> Result<String> {
    let (mut writer, _) = Journal::open(&Store::new(folder), &slug()?)?;
    let (engine, mut said) = start(source)?;
    let mut waiting: VecDeque<Call> = VecDeque::new();
    let mut answered = 0;
    while let Some(said) = said.blocking_recv() {
        match said {
            Said::Called(calls) => waiting.extend(calls),
            Said::Idle(taken) if taken == answered => {
                for answer in batch(&mut writer, &mut waiting, answered)? {
                    answered += 1;
                    engine.answer(answer);
                }
            }
            Said::Ended(ended) => return Ok(ended?.value),
            _ => {}
        }
    }
    Err(anyhow!("the script did not end"))
}

fn start(source: &str) -> Result<(Engine, tokio::sync::mpsc::UnboundedReceiver<Said>)> {
    Engine::start(setup(source)).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })
}

fn batch(writer: &mut Journal, waiting: &mut VecDeque<Call>, after: u64) -> Result<Vec<Answer>> {
    let calls: Vec<Call> = waiting.drain(..waiting.len().min(CAP)).collect();
    let mut facts = Vec::with_capacity(calls.len() * 2);
    let mut answers = Vec::with_capacity(calls.len());
    for call in &calls {
        facts.push(EventKind::CallAsked {
            call: Box::new(asked(call, after)),
        });
    }
    for call in &calls {
        let Body::Agent(agent) = &call.body else {
            return Err(anyhow!("only agents are called here"));
        };
        let value = json!({"ok": true, "echo": agent.prompt, "n": call.ordinal}).to_string();
        facts.push(EventKind::CallAnswered {
            ordinal: call.ordinal,
            key: call.key.clone(),
            reply: Reply::Value(Kept::Here(value.clone())),
            spent: 0,
            unit: None,
            reused: None,
        });
        answers.push(Answer {
            ordinal: call.ordinal,
            value: Ok(value),
            spent: 0,
        });
    }
    writer.append(facts, Timestamp::now())?;
    Ok(answers)
}

fn asked(call: &Call, after: u64) -> AskedCall {
    AskedCall {
        ordinal: call.ordinal,
        asks: Asks::Agent,
        label: call.title(),
        after,
        phase: call.phase.clone(),
        key: call.key.clone(),
        body: Kept::Here(call.text.clone()),
        agent: Some("fake".to_owned()),
        model: None,
        effort: None,
        head: None,
        packet: None,
        packets: Vec::new(),
        gate: None,
        question: String::new(),
        seconds: None,
    }
}

/// Reads the journal of a run, and replays it: nothing is run.
pub(super) fn replay(source: &str, folder: &Path) -> Result<String> {
    let mut record = Record::default();
    for event in Store::new(folder).events(&slug()?)? {
        match event.kind {
            EventKind::CallAsked { call } => record.calls.push(Recorded {
                ordinal: call.ordinal,
                kind: CallKind::Agent,
                label: Some(call.label),
                phase: call.phase,
                key: call.key,
                text: here(call.body),
                after: call.after,
            }),
            EventKind::CallAnswered { ordinal, reply, .. } => {
                let Reply::Value(value) = reply else {
                    continue;
                };
                record.answers.push(Answer {
                    ordinal,
                    value: Ok(here(value)),
                    spent: 0,
                });
            }
            _ => {}
        }
    }
    let mut known = Exact::new(record);
    let mut answered = 0;
    let (engine, mut said) = start(source)?;
    while let Some(said) = said.blocking_recv() {
        match said {
            Said::Called(calls) => {
                for call in &calls {
                    known.called(call)?;
                }
            }
            Said::Idle(taken) if taken == answered => {
                while taken == answered || known.is_due() {
                    engine.answer(known.deliver()?.context("the record is used up")?);
                    answered += 1;
                }
            }
            Said::Ended(ended) => return Ok(ended?.value),
            _ => {}
        }
    }
    Err(anyhow!("the script did not end"))
}

fn here(kept: Kept) -> String {
    match kept {
        Kept::Here(text) | Kept::Blob(text) => text,
    }
}

/// The processor time of this process in milliseconds, and its peak memory in KiB.
pub(super) fn used() -> Result<(f64, f64)> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let memory = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no peak memory in /proc/self/status")?;
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = std::time::Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?);
    Ok((seconds.as_secs_f64() * 1000.0, memory.trim().parse()?))
}
