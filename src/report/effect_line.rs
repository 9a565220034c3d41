//! Which effects are told, and of which packet. Called by `line`.

use crate::model::id::PacketId;
use crate::model::op::{MergeSide, MoveWhy, Op};

/// The packet that an effect is for, if it is for one.
pub(super) fn op_packet(op: &Op) -> Option<PacketId> {
    match op {
        Op::MakeWorkspace {
            workspace: name, ..
        }
        | Op::RemoveWorkspace { name, .. } => name.packet().cloned(),
        Op::OpenConflict {
            side: MergeSide::Packet(packet),
            ..
        }
        | Op::CloseConflict {
            side: MergeSide::Packet(packet),
            ..
        }
        | Op::AdvancePacket { packet, .. } => Some(packet.clone()),
        Op::MoveRefs { why, .. } => match why.packets() {
            [packet] => Some(packet.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the end of an effect is worth a line to those who watch.
pub(super) fn is_news(op: &Op) -> bool {
    matches!(
        op,
        Op::Land(_)
            | Op::Push(_)
            | Op::OpenConflict { .. }
            | Op::CloseConflict { .. }
            | Op::MoveRefs {
                why: MoveWhy::Integrate(_) | MoveWhy::FollowTarget | MoveWhy::Archive,
                ..
            }
    )
}
