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

    /// The pairs of packets on their way whose changes meet, as far as they were looked at, in the plan's order: when
    /// they were looked at depends on who was done first.
    pub fn meeting(&self) -> Vec<&Pair> {
        let way: Vec<(&PacketId, &CommitId)> = self
            .on_their_way()
            .map(|(id, work)| (id, &work.tip))
            .collect();
        let place = |id, tip| way.iter().position(|there| *there == (id, tip));
        let mut meeting: Vec<((usize, usize), &Pair)> = self
            .radar
            .pairs
            .iter()
            .filter_map(|pair| {
                let [one, other] = &pair.packets;
                let at = (place(one, &pair.tips[0])?, place(other, &pair.tips[1])?);
                Some((at, pair))
            })
            .collect();
        meeting.sort_by_key(|(at, _)| *at);
        meeting.into_iter().map(|(_, pair)| pair).collect()
    }
}
