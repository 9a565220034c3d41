//! Which packets are on their way to be merged, and what is known about them meeting.

use super::{RunState, Stage};
use crate::model::id::{CommitId, PacketId};
use crate::model::packet::Collected;
use crate::model::radar::Pair;

impl RunState {
    /// The packets whose work is a commit that is on no integration branch yet, in the plan's order.
    pub fn on_their_way(&self) -> impl Iterator<Item = (&PacketId, &Collected)> {
        self.in_plan_order().filter_map(|(id, packet)| {
            let is_on_its_way = matches!(
                packet.stage,
                Stage::Collected | Stage::Accepted | Stage::Conflicted
            );
            let collected = packet.collected.as_ref()?;
            let counts = is_on_its_way && packet.resolves.is_none();
            (counts && collected.tip != collected.base).then_some((id, collected))
        })
    }

    /// The pairs of packets on their way whose changes meet, as far as they were looked at.
    pub fn meeting(&self) -> impl Iterator<Item = &Pair> {
        let holds = |id: &PacketId, tip: &CommitId| {
            self.on_their_way()
                .any(|(other, work)| other == id && work.tip == *tip)
        };
        self.radar.pairs.iter().filter(move |pair| {
            let [one, other] = &pair.packets;
            holds(one, &pair.tips[0]) && holds(other, &pair.tips[1])
        })
    }
}
