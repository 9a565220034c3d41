//! What goes to and fro between a script and its host.
//!
//! Invariants: what the script says comes in the order in which it said it; an answer is given to the script one at a
//! time, in the order of the host, and everything that follows from it has happened before the next one is.

use std::fmt;

use super::call::Call;

/// What a script says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Calls that wait for an answer, in the order in which they were made.
    Called(Vec<Call>),
    /// `phase(title)`.
    Phase(String),
    /// A line for people: `log()`, `console`.
    Log(String),
    /// `report(value)`, as JSON.
    Report(String),
    /// A thunk of `parallel()` or a stage of `pipeline()` threw, so its place in the result is null.
    Nulled(Nulled),
    /// Something that the author should know.
    Warned(String),
    /// Everything that follows from the start and from so many answers has happened, and no more are there: the script
    /// waits.
    Idle(u64),
    /// The script is over; nothing comes after this.
    Ended(Result<Outcome, ScriptError>),
}

/// A place in the result of `parallel()` or `pipeline()` that is null because something threw there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nulled {
    /// `parallel[3]`, `pipeline[3].stage[1]`.
    pub place: String,
    /// What was thrown.
    pub message: String,
}

/// What a script that came to its end gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its value, as JSON; `null` for none.
    pub value: String,
}

/// What the host answers to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The call.
    pub ordinal: u64,
    /// The value as JSON, or why there is none: an agent that failed is null for the script, every other call throws.
    pub value: Result<String, Failed>,
    /// The tokens that it took: what `budget.spent()` adds up.
    pub spent: u64,
}

/// Why a call has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// One line, as the script sees it where it throws.
    pub message: String,
}

/// Why a script did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// What sort of end this is.
    pub kind: ErrorKind,
    /// One line.
    pub message: String,
    /// Where in the sources, if that is known.
    pub at: Option<Place>,
    /// The frames of the script, innermost first, one a line; empty where there are none.
    pub stack: String,
}

/// The sorts of ends that are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The script threw, or could not be compiled.
    Thrown,
    /// The script used more time, memory or stack than it may.
    Limit,
    /// The script waits for a promise that nothing can settle.
    Stuck,
    /// The host aborted the run.
    Aborted,
    /// The host answered a call that the script has not made, or answered it twice.
    Unexpected,
}

/// A place in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the host named it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl ScriptError {
    /// An error without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            at: None,
            stack: String::new(),
        }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ScriptError {}
