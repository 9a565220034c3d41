//! Which commits and packets the integration branch is made of, and what becomes of packets when it is put
//! together again.

use jiff::Timestamp;

use super::{RunState, Stage};
use crate::model::event::EventKind;
use crate::model::id::{CommitId, PacketId};
use crate::model::packet::{Merge, Resolving};
use crate::model::plan::Packet;

/// How long a packet's id may be.
const LONGEST_ID: usize = 64;

impl RunState {
    /// The merged packets that are not in the target yet, in their order, each with its merge.
    pub fn unlanded_merges(&self) -> impl Iterator<Item = (&PacketId, &Merge)> {
        self.unlanded()
            .iter()
            .filter_map(|id| Some((id, self.packets.get(id)?.merge.as_ref()?)))
    }

    /// Whether a packet is on the integration branch that is to leave it: it was blamed, or began again.
    pub fn has_outcasts(&self) -> bool {
        self.unlanded().iter().any(|id| {
            self.packets
                .get(id)
                .is_none_or(|packet| packet.stage != Stage::Integrated)
        })
    }

    /// The merged packets that are not in the target yet, in their order.
    pub fn unlanded(&self) -> &[PacketId] {
        self.integration
            .as_ref()
            .and_then(|at| at.merged.get(at.landed..))
            .unwrap_or_default()
    }

    /// Whether a packet starts from the integrated result: it needs others, or did not go with them.
    pub fn stands_on_others(&self, id: &PacketId) -> bool {
        self.planned(id)
            .is_some_and(|planned| !planned.after.is_empty())
            || self
                .packets
                .get(id)
                .is_some_and(|packet| packet.blamed.is_some())
    }

    /// Whether a packet's work is in the target.
    pub fn has_landed(&self, id: &PacketId) -> bool {
        self.integration
            .as_ref()
            .is_some_and(|at| at.merged.iter().take(at.landed).any(|landed| landed == id))
    }

    /// Whether dynwf itself made the packet, to take another one out again or to resolve its conflict: it stands on that
    /// one's merge, not on the integration branch.
    pub fn stands_alone(&self, id: &PacketId) -> bool {
        self.packets
            .get(id)
            .is_some_and(|packet| packet.reverts.is_some() || packet.resolves.is_some())
    }

    /// Returns an id for a packet that is about another one: `PREFIX-ID`, with a number where that is taken.
    pub fn free_id(&self, prefix: &str, id: &PacketId) -> Option<PacketId> {
        (1..u32::MAX).find_map(|number| {
            let end = if number == 1 {
                String::new()
            } else {
                format!("-{number}")
            };
            let mut name = format!("{prefix}-{id}");
            name.truncate(LONGEST_ID - end.len());
            let name: PacketId = (name + &end).parse().ok()?;
            (!self.packets.contains_key(&name)).then_some(name)
        })
    }

    /// Returns the packet that takes this one out again, or has; none that was given up, or taken out itself.
    pub fn reverted_by(&self, id: &PacketId) -> Option<&PacketId> {
        self.packets
            .iter()
            .filter(|(_, packet)| packet.reverts.as_ref() == Some(id))
            .filter(|(_, packet)| {
                !matches!(
                    packet.stage,
                    Stage::Failed | Stage::Rejected | Stage::Cancelled
                )
            })
            .map(|(by, _)| by)
            .find(|by| {
                self.reverted_by(by)
                    .is_none_or(|again| !self.has_landed(again))
            })
    }

    /// A packet that resolves a conflict joins the plan: it starts from the conflict with its marks.
    pub(super) fn resolver_asked(&mut self, resolving: &Resolving, packet: &Packet) {
        if let Some(conflicted) = self.packets.get_mut(&resolving.packet) {
            conflicted.handed = Some(resolving.tip.clone());
        }
        let joined = self.joined_plan(packet);
        joined.resolves = Some(resolving.clone());
    }

    /// A packet that takes another one out joins the plan: it stands on that one's merge.
    pub(super) fn revert_asked(&mut self, reverts: &PacketId, packet: &Packet) {
        let merge = self
            .packets
            .get(reverts)
            .and_then(|reverted| reverted.merge.as_ref())
            .map(|merge| merge.commit.clone());
        let joined = self.joined_plan(packet);
        joined.reverts = Some(reverts.clone());
        joined.base = merge;
    }

    /// The commits that stay on the integration branch whatever is taken out of it.
    pub fn firm_commits(&self) -> impl Iterator<Item = &CommitId> {
        let at = self.integration.iter();
        at.flat_map(|at| at.stood.iter().take(at.firm).chain([&at.target]))
    }

    /// Whether a packet could start from this commit: the integration branch contains it, or would.
    fn is_there(&self, commit: &CommitId) -> bool {
        self.integration
            .as_ref()
            .is_none_or(|at| at.stood.contains(commit) || at.target == *commit)
            || self
                .frozen
                .as_ref()
                .is_some_and(|frozen| frozen.base == *commit)
            || self
                .carved
                .as_ref()
                .is_some_and(|carved| carved.base == *commit)
    }

    /// Whether work that was collected stands on a commit that is on the integration branch no more.
    pub(super) fn is_stale(&self, id: &PacketId, kind: &EventKind) -> bool {
        match kind {
            EventKind::PacketCollected { collected, .. } => {
                self.packets.contains_key(id)
                    && self.of_script(id).is_none()
                    && !self.stands_alone(id)
                    && !self.is_there(&collected.base)
            }
            _ => false,
        }
    }

    /// The target moved and was merged: what was collected and is not decided yet started from the past.
    pub(super) fn left_behind(&mut self, at: Timestamp) {
        for packet in self.packets.values_mut() {
            // A script says itself what its packets start from; what takes another out stands on that one's merge.
            if packet.stage == Stage::Collected
                && packet.script.is_none()
                && packet.reverts.is_none()
                && packet.resolves.is_none()
            {
                packet.come_to(Stage::Stale, None, at);
            }
        }
    }

    /// The integration branch stands on what was put together again.
    pub(super) fn rebuilt(&mut self, at: Timestamp) {
        let Some(integration) = &mut self.integration else {
            return;
        };
        let Some(rebuild) = integration.rebuild.take() else {
            return;
        };
        let firm = integration.firm;
        let mut still = integration
            .stood
            .split_off(firm.min(integration.stood.len()));
        still.retain(|commit| {
            rebuild
                .merges
                .iter()
                .any(|(_, merge)| merge.commit == *commit)
        });
        let made = rebuild.merges.iter().map(|(_, merge)| &merge.commit);
        let made: Vec<CommitId> = made.filter(|made| !still.contains(made)).cloned().collect();
        integration.stood.extend(still);
        integration.stood.extend(made);
        integration.commit = rebuild.commit;
        integration.tree = rebuild.tree;
        integration.merged.truncate(integration.landed);
        integration
            .merged
            .extend(rebuild.merges.iter().map(|(id, _)| id.clone()));
        integration.broken = None;
        for (id, merge) in rebuild.merges {
            if let Some(packet) = self.packets.get_mut(&id) {
                packet.merge = Some(merge);
            }
        }
        for (id, conflict) in rebuild.conflicts {
            if let Some(packet) = self.packets.get_mut(&id) {
                packet.merge = None;
                packet.resolution = None;
                packet.conflict = Some(conflict);
                packet.come_to(Stage::Conflicted, None, at);
            }
        }
        for id in rebuild.out {
            if let Some(packet) = self.packets.get_mut(&id) {
                packet.merge = None;
                if packet.stage == Stage::Integrated {
                    packet.come_to(Stage::Stale, None, at);
                }
            }
        }
        self.unsettle(at);
    }

    /// Packets whose base left the integration branch: work is to be replayed; what was only prepared is prepared
    /// again.
    fn unsettle(&mut self, at: Timestamp) {
        let stale: Vec<PacketId> = self
            .packets
            .iter()
            .filter(|(_, packet)| {
                let base = packet.base.as_ref();
                packet.script.is_none()
                    && packet.resolves.is_none()
                    && base.is_some_and(|base| !self.is_there(base))
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in stale {
            let Some(packet) = self.packets.get_mut(&id) else {
                continue;
            };
            match packet.stage {
                Stage::Collected | Stage::Accepted | Stage::Conflicted => {
                    packet.merge = None;
                    packet.resolution = None;
                    packet.come_to(Stage::Stale, None, at);
                }
                Stage::Prepared if packet.turn == 0 && packet.claimed_by.is_none() => {
                    packet.come_to(Stage::Planned, None, at);
                }
                _ => {}
            }
        }
    }

    /// A packet's branch and workspace hold its restacked work: it is judged anew, or goes back to its worker.
    pub(super) fn restacked(&mut self, id: &PacketId, at: Timestamp) {
        let Some(packet) = self.packets.get_mut(id) else {
            return;
        };
        let Some(restack) = packet.restack.take() else {
            return;
        };
        packet.restacked = Some((restack.base, restack.from));
        packet.base = Some(restack.collected.base.clone());
        packet.branch = Some(restack.collected.tip.clone());
        packet.collected = Some(restack.collected);
        packet.merge = None;
        packet.conflict = None;
        packet.resolution = None;
        packet.stuck = 0;
        let again = packet
            .blamed
            .as_mut()
            .is_some_and(|blame| std::mem::take(&mut blame.again));
        if again {
            packet.outcome = None;
            packet.come_to(Stage::Prepared, None, at);
        } else {
            packet.come_to(Stage::Collected, None, at);
        }
    }
}
