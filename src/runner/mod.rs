//! The only module that makes things happen: one loop, whatever the verb.
//!
//! How it reads: a [`Session`] holds a workflow's lock, journal and state. [`Session::drive`] runs the
//! `dispatcher`'s loop: inputs become facts (`facts`, `requests`), facts have consequences (`rules`, applied until
//! nothing follows), both are appended to the journal, applied to the state and reported, in that order; then
//! the jobs that the state asks for (`jobs`) and that are not going on are started by the `executor`. `end` says
//! how it ended.
//!
//! Invariants: nothing else writes a journal. A decision is a pure function of the state, so resuming is
//! replaying the journal and entering the same loop. An effect is announced before it is performed, and
//! performing it twice is performing it once. A failed append ends the run. Called by `cli`; it reaches the
//! screen and `.workflow/` only through the observer that it is given.

mod around;
mod call;
mod confine;
mod dispatcher;
mod effect;
mod end;
mod executor;
mod facts;
mod goal;
mod hand;
mod jobs;
mod limit;
mod mend;
mod merging;
mod message;
mod order;
mod planner;
mod queue;
mod radar;
mod rebuild;
mod requests;
mod resolving;
mod restack;
mod revert;
mod rules;
mod scene;
mod script;
mod session;
mod suspect;
mod told;
mod unit;
mod work;

#[cfg(test)]
mod tests;

pub use end::{End, standing};
pub use goal::Goal;
pub use order::{Order, Reuse, Update};
pub use planner::{PlannerOrder, write_plan};
pub use script::{find_script, script_names};
pub use session::Session;
