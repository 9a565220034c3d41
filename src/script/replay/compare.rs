//! How two calls differ, in words.

use std::fmt;

use serde_json::{Map, Value};

use super::Recorded;
use crate::script::call::{Call, CallKind};

/// The fields in the order in which a difference is worth telling; others come after, by name.
const FIRST: [&str; 13] = [
    "prompt",
    "command",
    "question",
    "name",
    "packets",
    "schema",
    "model",
    "effort",
    "agent",
    "agentType",
    "isolation",
    "scope",
    "base",
];

/// The most characters of a value that are shown.
const SHOWN: usize = 60;

/// How a script went another way than the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The call that differs.
    pub ordinal: u64,
    /// How people are told about the call.
    pub title: String,
    /// The first field that differs; `call` if the call itself is missing or of another kind.
    pub field: String,
    /// What was recorded there, shortened around the difference.
    pub recorded: String,
    /// What is there now, likewise.
    pub now: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the script went another way than the record: at call #{} ({}), the {} was {}, and is {}",
            self.ordinal, self.title, self.field, self.recorded, self.now
        )
    }
}

impl std::error::Error for Divergence {}

/// Says how a call differs from what was recorded under its number, if it does.
pub(super) fn divergence(recorded: &Recorded, call: &Call) -> Option<Divergence> {
    if recorded.key == call.key && recorded.kind == call.kind {
        return None;
    }
    let (field, old, new) = first_difference(recorded, call);
    Some(Divergence {
        ordinal: call.ordinal,
        title: call.title(),
        field,
        recorded: old,
        now: new,
    })
}

/// The first field in which a call differs from a recorded one, and both values, shortened.
pub(super) fn first_difference(recorded: &Recorded, call: &Call) -> (String, String, String) {
    if recorded.kind != call.kind {
        return (
            "call".to_owned(),
            function(recorded.kind),
            function(call.kind),
        );
    }
    let fields = |text: &str| -> Option<Map<String, Value>> { serde_json::from_str(text).ok() };
    let unknown = (
        "options".to_owned(),
        short_key(&recorded.key),
        short_key(&call.key),
    );
    let (Some(old), Some(new)) = (fields(&recorded.text), fields(&call.text)) else {
        return unknown;
    };
    let differs = |name: &str| old.get(name) != new.get(name);
    let pinned = new.contains_key("key") && old.get("key") == new.get("key");
    let found = FIRST
        .into_iter()
        .filter(|name| !(pinned && matches!(*name, "prompt" | "command")))
        .chain(old.keys().chain(new.keys()).map(String::as_str))
        .find(|name| differs(name));
    let Some(name) = found else {
        return unknown;
    };
    let (old, new) = around(&words(old.get(name)), &words(new.get(name)));
    (name.to_owned(), old, new)
}

fn function(kind: CallKind) -> String {
    format!("{}()", kind.function())
}

fn short_key(key: &str) -> String {
    key.chars().take(12).collect()
}

fn words(value: Option<&Value>) -> String {
    value.map_or_else(|| "not set".to_owned(), ToString::to_string)
}

/// Both texts, shortened to where they begin to differ.
fn around(old: &str, new: &str) -> (String, String) {
    let same = old
        .chars()
        .zip(new.chars())
        .take_while(|(old, new)| old == new)
        .count();
    let skip = same.saturating_sub(SHOWN / 3);
    let cut = |text: &str| {
        let mut part: String = text.chars().skip(skip).take(SHOWN).collect();
        if skip > 0 {
            part.insert(0, '…');
        }
        if text.chars().count() > skip + SHOWN {
            part.push('…');
        }
        part
    };
    (cut(old), cut(new))
}
