//! What people and tools are shown: the status table, the live view, JSON, the log, and the files of
//! `.workflow/<slug>/`.
//!
//! Invariants: everything comes from a [`crate::model::state::RunState`] or is passed in; no repository is
//! opened and no process is started here. Text that came from outside (names, reasons, an agent's words) is
//! escaped before it reaches a terminal. The same words are used everywhere. Called by `cli` and, through a
//! callback, by the `runner`'s session; the only files written are those of the face (`face`).

mod ahead;
mod call_line;
mod calls;
pub mod cut;
mod effect_line;
pub mod estimate;
pub mod face;
mod folder;
pub mod human;
pub mod json;
pub mod lacks;
pub mod line;
pub mod list;
mod look;
mod next;
mod page;
pub mod progress;
pub mod pull_request;
mod result;
mod state_json;
pub mod summary;
mod table;
pub mod view;
mod words;

pub use next::{Next, NextKind, push_command};
pub use result::packet_page;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
