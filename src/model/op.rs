//! Effects outside the journal: announced by `OpBegan`, answered by `OpEnded`, repeatable in between.

use serde::{Deserialize, Deserializer, Serialize};

use super::gate::{LandPlan, PushPlan};
use super::id::{CommitId, PacketId, RefName};
use super::packet::Workspace;
use super::unit::WorkspaceName;

pub use super::reference::RefUpdate;

/// An effect. Performing one twice gives what performing it once gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Create a branch (or move it back to the base) and a workspace on it. The integration workspace has no
    /// branch: its HEAD is detached.
    MakeWorkspace {
        /// Whose.
        workspace: WorkspaceName,
        /// For which attempt.
        attempt: u32,
        /// The commit that it holds.
        base: CommitId,
        /// The directory.
        path: String,
        /// The refs that are moved first: the branch and the pin of the base.
        refs: Vec<RefUpdate>,
    },
    /// Make the integration workspace hold this commit.
    ResetWorkspace {
        /// The workspace as it was made.
        workspace: Workspace,
        /// The commit.
        to: CommitId,
    },
    /// Lay a conflict out in the integration workspace, for a person.
    OpenConflict {
        /// The workspace as it was made.
        workspace: Workspace,
        /// What is merged.
        side: MergeSide,
        /// The integration commit that it is merged onto.
        onto: CommitId,
        /// The commit that is merged.
        tip: CommitId,
        /// Whether it is laid out anew although it lies there already: what was done about it was not wanted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// Rescue what was done about the conflict in the integration workspace, then make it hold the integration
    /// commit again.
    CloseConflict {
        /// The workspace as it was made.
        workspace: Workspace,
        /// Whose conflict.
        side: MergeSide,
        /// The integration commit onto which it was laid out.
        onto: CommitId,
    },
    /// Rescue what would be lost, then remove a workspace.
    RemoveWorkspace {
        /// Whose.
        name: WorkspaceName,
        /// The workspace as it was made.
        workspace: Workspace,
        /// The commit that its files are expected to hold: what differs is rescued.
        holds: CommitId,
    },
    /// Move a packet's branch to its collected commit, pin the attempt's tip, and let the workspace's index
    /// follow.
    AdvancePacket {
        /// The packet.
        packet: PacketId,
        /// The workspace as it was made, if it is still there.
        workspace: Option<Workspace>,
        /// The refs.
        refs: Vec<RefUpdate>,
    },
    /// Bring a packet's branch and workspace to its restacked work; what lies in the workspace beyond the work as
    /// it was is rescued first.
    RestackPacket {
        /// The packet.
        packet: PacketId,
        /// The workspace as it was made, if it is still there.
        workspace: Option<Workspace>,
        /// The work as it was.
        from: CommitId,
        /// The refs: the branch first.
        refs: Vec<RefUpdate>,
    },
    /// Move refs, all or none.
    MoveRefs {
        /// What for.
        why: MoveWhy,
        /// The refs.
        refs: Vec<RefUpdate>,
    },
    /// Move the target branch.
    Land(LandPlan),
    /// Send refs to a remote.
    Push(PushPlan),
}

impl Op {
    /// Returns the packet on whose workspace or branch the effect is, if it is on one.
    pub fn packet(&self) -> Option<&PacketId> {
        match self {
            Self::MakeWorkspace {
                workspace: name, ..
            }
            | Self::RemoveWorkspace { name, .. } => name.packet(),
            Self::AdvancePacket { packet, .. } | Self::RestackPacket { packet, .. } => Some(packet),
            _ => None,
        }
    }
}

/// What is merged into the integration branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeSide {
    /// A packet's work.
    Packet(PacketId),
    /// The target branch, which moved.
    Target,
}

/// What refs are moved for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveWhy {
    /// The integration branch is created.
    Begin,
    /// These packets are integrated, in this order. (Journals of older versions name a single one.)
    Integrate(#[serde(deserialize_with = "one_or_many")] Vec<PacketId>),
    /// The target moved and was merged into the integration branch.
    FollowTarget,
    /// The integration branch was put together again without some packets.
    Rebuild,
    /// The workflow's branches become plain refs.
    Archive,
}

impl MoveWhy {
    /// Returns the packets that are integrated by the move, in their order.
    pub fn packets(&self) -> &[PacketId] {
        match self {
            Self::Integrate(packets) => packets,
            Self::Begin | Self::FollowTarget | Self::Rebuild | Self::Archive => &[],
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PacketId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(PacketId),
        Many(Vec<PacketId>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(packet) => vec![packet],
        OneOrMany::Many(packets) => packets,
    })
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpOutcome {
    /// Done.
    Done,
    /// The workspace exists.
    Made(Workspace),
    /// The workspace is gone; what would have been lost is on this ref.
    Removed {
        /// The rescue ref, if there was anything to rescue.
        rescued: Option<RefName>,
    },
    /// Not done, and nothing was changed.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_with_one_packet_a_move_is_read() {
        let read = |json: &str| serde_json::from_str::<MoveWhy>(json).expect("a reason");
        let one = read(r#"{"integrate":"01-net"}"#);
        assert_eq!(one.packets().len(), 1);
        let two = read(r#"{"integrate":["01-net","02-db"]}"#);
        let ids: Vec<&str> = two.packets().iter().map(PacketId::as_str).collect();
        assert_eq!(ids, ["01-net", "02-db"]);
        let again = serde_json::to_string(&two).expect("JSON");
        assert_eq!(read(&again), two);
    }
}
