//! The pre-push hook: nothing that dynwf made leaves the machine unapproved by accident.
//!
//! [`install()`] puts a small shell script where git looks for the hook, in front of whatever was there;
//! [`pre_push`] is what the script asks; [`probe`] proves that git reaches it. Invariants: a hook that was there
//! before still runs and is restored byte for byte; a hook that cannot decide refuses; this module reads
//! journals and never writes one.
//!
//! A local hook is a seat belt, not a wall: `git push --no-verify` steps around it. Called by `cli`
//! (`dynwf hooks`, `dynwf hook pre-push`, `dynwf doctor`).

pub mod install;
mod place;
pub mod pre_push;
pub mod probe;

#[cfg(test)]
mod tests;

pub use install::{Installed, State, Status, install, status, uninstall};
pub use pre_push::{Push, Verdict, decide};
pub use probe::{Fired, fires, probed};
