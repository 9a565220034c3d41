//! Answers of people, as events hold them: to a gate, and about a packet.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An answer to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes, until then.
    Approved {
        /// When the approval expires.
        until: Timestamp,
    },
    /// No.
    Denied,
    /// The yes is taken back.
    Revoked,
}

/// How a packet was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenUp {
    /// Its units were stopped.
    Cancelled,
    /// The workflow can be complete without it.
    Dropped,
    /// Its work was turned down.
    Rejected,
}
