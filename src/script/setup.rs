//! What an engine is started with, and what its thread is told.

use super::call::Body;
use super::limits::Limits;
use super::talk::Answer;

/// Finds the source of a workflow that a script names: the file's name for people, and the text; else why not.
pub type Resolve = Box<dyn Fn(&str) -> Result<(String, String), String> + Send>;

/// Says why a call makes no sense where the script runs (a role that nobody knows), if it makes none.
pub type Refuse = Box<dyn Fn(&Body) -> Option<String> + Send>;

/// What a script is started with.
pub struct Setup {
    /// How the file is called in messages.
    pub file: String,
    /// Its text.
    pub source: String,
    /// The arguments as JSON; `None` for none, which a script sees as `undefined`.
    pub args: Option<String>,
    /// What `cwd` is.
    pub cwd: String,
    /// The token budget.
    pub budget: Option<u64>,
    /// How much it may use.
    pub limits: Limits,
    /// Finds the source of a `workflow()`.
    pub resolve: Resolve,
    /// Says why a call makes no sense here; it throws then, where it is made.
    pub refuse: Refuse,
}

impl Setup {
    /// A script without arguments, budget or workflows of its own, within the usual limits.
    pub fn new(file: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            source: source.into(),
            args: None,
            cwd: "/".to_owned(),
            budget: None,
            limits: Limits::default(),
            resolve: Box::new(|_| Err("no workflows are known here".to_owned())),
            refuse: Box::new(|_| None),
        }
    }
}

/// What the thread of an engine is told.
pub(super) enum Told {
    /// An answer for the script.
    Answer(Answer),
    /// The run is over for the host.
    Abort,
}
