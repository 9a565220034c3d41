//! Scripts in the loop: a script's calls become units, packets and questions; their answers go back to it.
//!
//! `host` runs the engine and owns what is not journaled yet: calls that wait for their turn, answers that wait to be
//! given. `admit` turns a call of the engine into facts. What follows from those facts is for `rules::calls`, as with
//! everything else. Invariants: an answer is journaled before the script gets it; answers are given one at a time, in the
//! order of the journal, and the script has come to rest in between; so the script is a function of the journal.

mod admit;
mod again;
mod begin;
mod ended;
mod host;
mod nested;
mod recorded;

pub(super) use begin::{begin, begin_over};
pub(super) use ended::{counted, released, unit_ended};
pub(super) use host::{Host, shared_id};
pub use nested::{find_script, script_names};
