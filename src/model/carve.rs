//! A branch that was carved into packets, and the proof that they add up to it.

use serde::{Deserialize, Serialize};

use super::id::{CommitId, PacketId, TreeId};

/// A branch that was carved into packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carved {
    /// The branch or range, as it was named.
    pub from: String,
    /// The commit that the packets start from.
    pub base: CommitId,
    /// The commit that was carved.
    pub tip: CommitId,
    /// Its tree, which all packets together give.
    pub tree: TreeId,
    /// The packets, each a commit on the base.
    pub packets: Vec<PacketId>,
    /// How it was shown that they do.
    pub proof: CarveProof,
}

/// What was tried to show that packets add up, all with the same tree at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarveProof {
    /// In how many orders all packets were merged.
    pub orders: u32,
    /// Whether these are all orders that there are; there may be too many to try.
    #[serde(default)]
    pub every_order: bool,
    /// How many pairs of packets were merged both ways with the same tree; no two packets change the same path.
    pub pairs: u32,
    /// How many merges were made in this process.
    pub in_process: u32,
    /// How many merges `git merge-tree` made.
    pub by_git: u32,
}
