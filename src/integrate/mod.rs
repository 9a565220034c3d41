//! Putting packets together: merge commits as objects, landing, pushing.
//!
//! Invariants: merging touches no ref, no index and no working tree. The target branch and remotes are touched
//! only by [`land()`] and [`publish()`], which take nothing but an [`crate::gate::Approved`] plan. Called by
//! `runner::executor`.

mod land;
mod merge;
mod message;
mod proof;
mod prove;
mod publish;
mod replay;
mod revert;
mod rules;

pub use land::land;
pub use merge::{Merged, PacketMerge, merge_packet, merge_target, resolution_commit};
pub use message::{packet_message, trailers};
pub use proof::{Content, Versions, exceptions};
pub use prove::{Made, prove};
pub use publish::publish;
pub use replay::{Replayed, replay};
pub use revert::{Revert, revert};
pub use rules::{Rules, Run, Settled};
