//! What goes into a run and what comes out of it while it goes on.

use super::goal::Goal;
use crate::model::event::Event;
use crate::model::gate::Binding;
use crate::model::id::UnitId;
use crate::model::script::ScriptRun;
use crate::model::state::RunState;
use crate::script::replay::Policy;

/// What the observer of a run is told.
#[derive(Debug)]
pub enum Update<'a> {
    /// Something happened; the state includes it.
    Fact(&'a Event, &'a RunState),
    /// A unit says what it is at.
    Progress {
        /// The unit.
        unit: UnitId,
        /// In its own words, one line.
        text: &'a str,
    },
    /// Time has passed: about four times a second.
    Tick(&'a RunState),
}

/// What a verb wants of a session.
#[derive(Clone, Debug)]
pub struct Order {
    /// The goal.
    pub goal: Goal,
    /// For [`Goal::Push`]: what the push would do, as it was looked up.
    pub push: Option<Binding>,
    /// Whether checks that failed on the integrated tree run again.
    pub check_again: bool,
    /// The script as it is to be run now, where that may differ from how it ran before.
    pub script: Option<ScriptRun>,
    /// How answers of the script as it ran before are taken over.
    pub reuse: Option<Reuse>,
}

/// How answers of a script as it ran before are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Which of them hold.
    pub policy: Policy,
    /// Whether calls that failed are made again.
    pub retry_failed: bool,
}

impl Order {
    /// An order with nothing but a goal.
    pub fn of(goal: Goal) -> Self {
        Self {
            goal,
            push: None,
            check_again: false,
            script: None,
            reuse: None,
        }
    }
}
