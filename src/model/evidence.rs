//! Evidence: what a check said about a tree.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{PacketId, TreeId, UnitId};
use super::unit::UnitOutcome;

/// What a check said about one tree. It speaks of that tree only: on any other tree it is stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The check's name.
    pub check: String,
    /// The command that ran.
    pub run: String,
    /// The tree that it ran on.
    pub tree: TreeId,
    /// The packet whose workspace it ran in; none for the integration workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<PacketId>,
    /// The unit that ran it: its output is in that unit's log.
    pub unit: UnitId,
    /// How it ended.
    pub outcome: UnitOutcome,
    /// SHA-256 of its output, in hexadecimal.
    pub output: String,
    /// When it ended.
    pub at: Timestamp,
}

impl Evidence {
    /// Whether the check passed.
    pub fn passed(&self) -> bool {
        self.outcome.is_success()
    }
}
