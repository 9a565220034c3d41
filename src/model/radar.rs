//! Conflicts seen before they happen: packets on their way whose changes meet, merged in memory with each other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::id::{CommitId, PacketId};
use super::packet::ConflictFile;

/// Two packets that change the same paths, and what merging one into the other gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The two, in the plan's order.
    pub packets: [PacketId; 2],
    /// The tips that were merged: if one of them moves, nothing is known any more.
    pub tips: [CommitId; 2],
    /// What conflicts; empty if they merge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ConflictFile>,
}

/// What a look at all tips on their way brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The tips that were looked at.
    pub tips: Vec<CommitId>,
    /// The pairs that meet, without those that were known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
}

/// What is known about conflicts that have not happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Radar {
    /// The tips that were held against all others that were on their way then.
    swept: BTreeSet<CommitId>,
    /// The pairs that meet, also those of tips that have moved since.
    pub pairs: Vec<Pair>,
}

impl Radar {
    /// Takes a look into account.
    pub fn take(&mut self, sweep: &Sweep) {
        self.swept.extend(sweep.tips.iter().cloned());
        self.pairs.extend(sweep.pairs.iter().cloned());
    }

    /// Whether a tip was held against those that were on their way then.
    pub fn has_swept(&self, tip: &CommitId) -> bool {
        self.swept.contains(tip)
    }
}
