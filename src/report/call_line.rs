//! What happens for a script, in words. Called by `line`.

use std::collections::BTreeMap;

use super::words::{amount, one_line};
use crate::model::event::EventKind;
use crate::model::script::{Asks, Kept, Reply, Saying, ScriptEnd};

/// How much of an answer a line shows, in characters.
const SHOWN: usize = 100;

/// What the calls that are not answered yet are called.
#[derive(Debug, Default)]
pub(super) struct Calls {
    names: BTreeMap<u64, (Asks, String)>,
}

impl Calls {
    /// Remembers a call.
    pub(super) fn asked(&mut self, ordinal: u64, asks: Asks, label: &str) {
        self.names.insert(ordinal, (asks, label.to_owned()));
    }

    /// How people know a call: its label and number.
    pub(super) fn name(&self, ordinal: u64) -> String {
        match self.names.get(&ordinal) {
            Some((_, label)) => format!("{} (call {ordinal})", one_line(label)),
            None => format!("call {ordinal}"),
        }
    }

    /// Says what happened, and whether somebody who watches wants to know; none if it is not about a script.
    #[expect(clippy::too_many_lines, reason = "one arm a fact")]
    pub(super) fn words(&mut self, kind: &EventKind) -> Option<(String, bool)> {
        Some(match kind {
            EventKind::ScriptBegan { run } => {
                let how = run
                    .preview
                    .as_ref()
                    .map_or_else(String::new, |preview| format!(": {preview}"));
                let agent = &run.agent;
                (
                    format!("script {} begins with agent {agent}{how}", run.file),
                    true,
                )
            }
            EventKind::CallAsked { call } => {
                self.asked(call.ordinal, call.asks, &call.label);
                let phase = call
                    .phase
                    .as_ref()
                    .map_or_else(String::new, |phase| format!(" in {}", one_line(phase)));
                let asks = call.asks.function();
                (
                    format!("{asks}(): {}{phase}", self.name(call.ordinal)),
                    false,
                )
            }
            EventKind::CallTurned { ordinal, feedback } => {
                let name = self.name(*ordinal);
                let first = feedback.lines().find(|line| !line.trim().is_empty());
                (
                    format!("{name} is asked again: {}", first.unwrap_or_default()),
                    true,
                )
            }
            EventKind::CallPostponed {
                ordinal,
                until,
                why,
            } => {
                let until = until.strftime("%H:%M:%S UTC");
                let name = self.name(*ordinal);
                (
                    format!("{name} is paused until {until}: {}", one_line(why)),
                    true,
                )
            }
            EventKind::CallAnswered {
                ordinal,
                reply,
                spent,
                reused,
                ..
            } => {
                let name = self.name(*ordinal);
                self.names.remove(ordinal);
                let from = if reused.is_some() { " (reused)" } else { "" };
                let cost = match spent {
                    0 => String::new(),
                    spent => format!(", {} tokens", amount(*spent)),
                };
                match reply {
                    Reply::Value(value) => (format!("{name}{from}: {}{cost}", start(value)), true),
                    Reply::Failed(why) => (
                        format!("{name}{from} is null{cost}: {}", one_line(why)),
                        true,
                    ),
                }
            }
            EventKind::PacketAdded { base, call, .. } => {
                let base = &base.as_str()[..7];
                match call {
                    Some(call) => (
                        format!("planned for {}, from {base}", self.name(*call)),
                        false,
                    ),
                    None => (format!("the script's workspace, from {base}"), false),
                }
            }
            EventKind::PacketReleased { .. } => ("to be merged".to_owned(), false),
            EventKind::ScriptSaid { saying, text } => match saying {
                Saying::Phase => (format!("— {}", start(text)), true),
                Saying::Log => (start_of(text, usize::MAX), true),
                Saying::Report => (format!("reports {}", start(text)), true),
                Saying::Warning => (format!("warning: {}", start_of(text, usize::MAX)), true),
            },
            EventKind::ScriptEnded { end, census } => {
                let calls = format!("calls: {census}");
                match end {
                    ScriptEnd::Value(_) => (format!("the script is through: {calls}"), true),
                    ScriptEnd::Error(why) => (
                        format!("the script failed: {}; {calls}", one_line(why)),
                        true,
                    ),
                }
            }
            _ => return None,
        })
    }
}

fn start(text: &Kept) -> String {
    start_of(text, SHOWN)
}

fn start_of(text: &Kept, most: usize) -> String {
    let text = match text {
        Kept::Here(text) => text,
        Kept::Blob(digest) => {
            return format!("a long text, blob {}", &digest[..digest.len().min(12)]);
        }
    };
    let line = one_line(text);
    if line.chars().count() <= most {
        return line;
    }
    let mut short: String = line.chars().take(most).collect();
    short.push('…');
    short
}
