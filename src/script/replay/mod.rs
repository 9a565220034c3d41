//! What of an earlier run holds for this one: exact replay, and reuse after an edit.
//!
//! A run is a function of its script and of the answers in the order of their delivery. So an exact replay delivers what
//! was recorded, in that order, and the script must make the same calls; where it does not, that is a divergence, and
//! nothing is started. After an edit, answers are found again by the key of their call. Invariants: pure; whatever a
//! call was recorded as is compared before its answer is used. Called by `runner` when it takes up a run.

mod compare;
mod exact;
mod reuse;

pub use compare::Divergence;
pub use exact::Exact;
pub use reuse::{Policy, Preview, Reuse, preview};

use super::call::{self, Call, CallKind};
use super::talk::Answer;

/// A call as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number in that run.
    pub ordinal: u64,
    /// What was called.
    pub kind: CallKind,
    /// The name that the script gave it.
    pub label: Option<String>,
    /// The phase that it belonged to.
    pub phase: Option<String>,
    /// [`Call::key`].
    pub key: String,
    /// [`Call::text`], or nothing if it was not kept; then a difference cannot be named.
    pub text: String,
    /// How many answers had been delivered before the call was made.
    pub after: u64,
}

impl Recorded {
    /// Records a call that was made after so many answers.
    pub fn of(call: &Call, after: u64) -> Self {
        Self {
            ordinal: call.ordinal,
            kind: call.kind,
            label: call.label.clone(),
            phase: call.phase.clone(),
            key: call.key.clone(),
            text: call.text.clone(),
            after,
        }
    }

    /// How people are told about it.
    pub fn title(&self) -> String {
        call::title(
            self.kind,
            self.ordinal,
            self.label.as_deref(),
            self.phase.as_deref(),
        )
    }
}

/// What was recorded of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The calls, in any order.
    pub calls: Vec<Recorded>,
    /// The answers, in the order in which they were delivered.
    pub answers: Vec<Answer>,
}

/// What is to be done about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: its answer comes from the record.
    Recorded,
    /// It has to be run.
    Run,
}
