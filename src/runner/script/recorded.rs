//! What the journal has of a script: the answers in the order in which they were given, and what was asked.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::journal::Blobs;
use crate::model::event::{Event, EventKind};
use crate::model::script::{AskedCall, Asks, Reply};
use crate::script::replay::Record;
use crate::script::{self, Answer, Call, CallKind, Failed};

/// How much of a field is shown where it differs, in characters.
const SHOWN: usize = 60;

/// Why a script does not do what it did before.
#[derive(Debug)]
pub(super) struct Diverged(pub(super) String);

/// An answer that was given.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// The call.
    pub(super) ordinal: u64,
    /// Its key.
    pub(super) key: String,
    /// The answer.
    pub(super) reply: Reply,
    /// The tokens that it took.
    pub(super) spent: u64,
    /// Whether it was taken over from the script as it ran before.
    pub(super) reused: bool,
}

/// Everything that was recorded since the script began with its present text.
#[derive(Clone)]
pub(super) struct Recording {
    /// The answers, in the order in which they were given.
    pub(super) answers: Vec<Recorded>,
    /// How many lines, phases and reports the journal has.
    pub(super) sayings: usize,
    /// What was asked.
    pub(super) bodies: Bodies,
}

/// What the calls asked, by ordinal.
#[derive(Clone)]
pub(super) struct Bodies {
    calls: HashMap<u64, AskedCall>,
    blobs: Blobs,
}

impl Recording {
    /// Reads it out of a journal.
    pub(super) fn read(events: &[Event], blobs: Blobs) -> Self {
        Self::from(events, began(events, events.len()), blobs)
    }

    /// Reads what was recorded with the text before the present one.
    pub(super) fn before(events: &[Event], blobs: Blobs) -> Self {
        let end = began(events, events.len());
        Self::from(&events[..end], began(events, end), blobs)
    }

    /// What was recorded, as the rules of reuse want it.
    ///
    /// # Errors
    /// If a text that was kept beside the journal cannot be read.
    pub(super) fn record(&self) -> Result<Record> {
        let blobs = &self.bodies.blobs;
        let mut record = Record::default();
        for (ordinal, call) in &self.bodies.calls {
            record.calls.push(script::replay::Recorded {
                ordinal: *ordinal,
                kind: kind_of(call.asks),
                label: Some(call.label.clone()),
                phase: call.phase.clone(),
                key: call.key.clone(),
                text: blobs.text(&call.body)?,
                after: call.after,
            });
        }
        for answer in &self.answers {
            record.answers.push(Answer {
                ordinal: answer.ordinal,
                value: match &answer.reply {
                    Reply::Value(kept) => Ok(blobs.text(kept)?),
                    Reply::Failed(message) => Err(Failed {
                        message: message.clone(),
                    }),
                },
                spent: answer.spent,
            });
        }
        Ok(record)
    }

    fn from(events: &[Event], began: usize, blobs: Blobs) -> Self {
        let mut recording = Self {
            answers: Vec::new(),
            sayings: 0,
            bodies: Bodies {
                calls: HashMap::new(),
                blobs,
            },
        };
        for event in &events[began..] {
            match &event.kind {
                EventKind::ScriptBegan { run } => {
                    recording.sayings = usize::try_from(run.said).unwrap_or(usize::MAX);
                }
                EventKind::ScriptSaid { .. } => recording.sayings += 1,
                EventKind::CallAsked { call } => {
                    let asked = (**call).clone();
                    recording.bodies.calls.insert(call.ordinal, asked);
                }
                EventKind::CallAnswered {
                    ordinal,
                    key,
                    reply,
                    spent,
                    reused,
                    ..
                } => recording.answers.push(Recorded {
                    ordinal: *ordinal,
                    key: key.clone(),
                    reply: reply.clone(),
                    spent: *spent,
                    reused: reused.is_some(),
                }),
                _ => {}
            }
        }
        recording
    }
}

impl Bodies {
    /// Says that a call that was recorded is not made any more.
    pub(super) fn missing(&self, before: &Recorded) -> Diverged {
        Diverged(format!(
            "{} was made before, and the script ended without it",
            self.name(before)
        ))
    }

    /// Says in what a call differs from the recorded one: `found` is its key now, `asked` are the calls that wait.
    pub(super) fn differs(
        &self,
        before: &Recorded,
        found: Option<&String>,
        asked: &[&Call],
    ) -> Diverged {
        let name = self.name(before);
        let now = asked.iter().find(|call| call.ordinal == before.ordinal);
        let (Some(_), Some(now)) = (found, now) else {
            return Diverged(format!(
                "{name} was made before, and the script does not make it any more"
            ));
        };
        let fields = self.fields(before.ordinal).unwrap_or_default();
        let new: Map<String, Value> = serde_json::from_str(&now.text).unwrap_or_default();
        let differing = fields
            .keys()
            .chain(new.keys())
            .find(|field| fields.get(*field) != new.get(*field));
        Diverged(match differing {
            Some(field) => format!(
                "{name}: {field} was {} and is {}",
                shown(fields.get(field)),
                shown(new.get(field))
            ),
            None => format!("{name} is a call of {}() now", now.kind.function()),
        })
    }

    fn name(&self, before: &Recorded) -> String {
        match self.calls.get(&before.ordinal) {
            Some(call) => format!("call #{} ({})", before.ordinal, call.label),
            None => format!("call #{}", before.ordinal),
        }
    }

    fn fields(&self, ordinal: u64) -> Option<Map<String, Value>> {
        let call = self.calls.get(&ordinal)?;
        let text: Result<String> = self.blobs.text(&call.body);
        serde_json::from_str(&text.ok()?).ok()
    }
}

/// Where the last script before `end` begins.
fn began(events: &[Event], end: usize) -> usize {
    events[..end]
        .iter()
        .rposition(|event| matches!(event.kind, EventKind::ScriptBegan { .. }))
        .unwrap_or(0)
}

fn kind_of(asks: Asks) -> CallKind {
    match asks {
        Asks::Agent => CallKind::Agent,
        Asks::Packet => CallKind::Packet,
        Asks::Integrate => CallKind::Integrate,
        Asks::Shell => CallKind::Shell,
        Asks::Gate => CallKind::Gate,
        Asks::Checkpoint => CallKind::Checkpoint,
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "not set".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}… ({} characters)", text.chars().count())
}
