//! Gates: when a person is asked, what the answer covers, and who may give it.
//!
//! Invariants: this module decides and performs nothing. [`policy`] judges facts; [`approval`] compares what is
//! about to happen with what was approved, and is the only maker of [`Approved`] values, without which nothing
//! lands and nothing is pushed; [`who`] refuses answers that an agent would give itself.
//!
//! Called by `runner` (opens gates, answers requests, redeems approvals), `integrate` (takes `Approved` plans),
//! `hook` (asks whether a push is covered) and `cli` (`approve`).

pub mod approval;
pub mod binding;
pub mod policy;
pub mod who;

pub use approval::{Approved, answer, covers, redeem};
pub use binding::{
    address, binding_for_land, binding_for_merge, binding_for_push, binding_for_question,
    binding_for_risk,
};
pub use policy::{digest, judge};
