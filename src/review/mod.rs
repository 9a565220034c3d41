//! What a packet changed, for the people who judge it: facts about the risk, and the difference to read.
//!
//! Invariants: everything comes from objects (raw changes and blobs), never from attributes, numstat or a
//! working tree, because a packet could have shaped those: what is shown is what an approval is bound to.
//! Nothing here decides anything (that is `gate::policy`) and nothing is written. Called by the collector
//! (facts) and by `dynwf review` (the difference).

pub mod diff;
pub mod facts;
pub mod interdiff;
mod lines;
pub mod notes;
mod rename;
pub mod render;
mod secrets;
#[cfg(test)]
mod tests;
pub mod words;
