//! How the events of a packet change the state.

use jiff::Timestamp;

use super::{PacketState, RunState, Said, Stage};
use crate::model::event::{EventKind, GivenUp};
use crate::model::gate::GateStatus;
use crate::model::id::GateId;
use crate::model::op::MergeSide;

impl RunState {
    #[expect(clippy::too_many_lines, reason = "one arm a fact")]
    pub(super) fn packet_event(&mut self, kind: &EventKind, at: Timestamp) {
        let Some(id) = kind.packet() else { return };
        let is_stale = self.is_stale(id, kind);
        let laid_out = self
            .integration
            .as_mut()
            .map(|integration| &mut integration.resolving)
            .filter(|resolving| {
                matches!(resolving, Some((MergeSide::Packet(packet), _)) if packet == id)
            });
        let Some(packet) = self.packets.get_mut(id) else {
            return;
        };
        match kind {
            EventKind::PacketCollected { collected, .. } => {
                packet.notes.extend(collected.notes.iter().cloned());
                let before = packet.collected.as_ref().map(|before| &before.tree);
                packet.stuck = if before == Some(&collected.tree) {
                    packet.stuck + 1
                } else {
                    0
                };
                packet.collected = Some(collected.clone());
                let stage = if is_stale {
                    Stage::Stale
                } else {
                    Stage::Collected
                };
                packet.come_to(stage, None, at);
            }
            EventKind::PacketEmptied { notes, .. } => {
                packet.notes.extend(notes.iter().cloned());
                packet.come_to(Stage::NoChange, None, at);
            }
            EventKind::PacketFinished { .. } => packet.come_to(Stage::Done, None, at),
            EventKind::PacketFailed { why, .. } => {
                packet.come_to(Stage::Failed, Some(why.clone()), at);
            }
            EventKind::PacketTurned { feedback, .. } => {
                packet.feedback.push(feedback.clone());
                packet.outcome = None;
                packet.come_to(Stage::Prepared, None, at);
            }
            EventKind::PacketPostponed { until, why, .. } => {
                packet.turn = packet.turn.saturating_sub(1);
                packet.outcome = None;
                packet.complaint = None;
                let reason = format!("paused until {}: {why}", until.strftime("%H:%M:%S UTC"));
                packet.come_to(Stage::Prepared, Some(reason), at);
            }
            EventKind::PacketAccepted { by, .. } => {
                packet.accepted_by = Some(by.clone());
                packet.come_to(Stage::Accepted, None, at);
            }
            EventKind::PacketMerged { merge, .. } => {
                packet.merge = Some(merge.clone());
                packet.since = Some(at);
            }
            EventKind::PacketConflicted { conflict, .. } => {
                packet.conflict = Some(conflict.clone());
                packet.refused = false;
                packet.forget_resolution();
                packet.come_to(Stage::Conflicted, None, at);
            }
            EventKind::PacketBlamed { blame, why, .. } => {
                packet.blamed = Some(blame.clone());
                if blame.again {
                    packet.feedback.push(why.clone());
                    packet.come_to(Stage::Stale, Some(why.clone()), at);
                } else {
                    packet.come_to(Stage::Failed, Some(why.clone()), at);
                }
            }
            EventKind::PacketRestacked { restack, .. } => {
                packet.restack = Some((**restack).clone());
                packet.since = Some(at);
            }
            EventKind::RungFailed { rung, why, .. } => {
                let tip = packet.collected.as_ref().map(|work| work.tip.clone());
                if rung == "rules" {
                    packet.unruly = tip;
                } else {
                    packet.handed = tip;
                }
                packet.notes.push(format!("not settled by {rung}: {why}"));
            }
            EventKind::MergeDoubted { proof, .. } => {
                packet.proof = Some(proof.clone());
                packet.merge = None;
            }
            EventKind::ResolutionRefused { why, .. } => {
                packet.forget_resolution();
                packet.refused = true;
                packet
                    .notes
                    .push(format!("a resolution was refused: {why}"));
                packet.come_to(Stage::Conflicted, None, at);
                // The no was for that resolution: the next one is asked about anew.
                if let Some(gate) = self.gates.get_mut(&GateId::risk(id))
                    && gate.status == GateStatus::Denied
                {
                    gate.status = GateStatus::Revoked;
                }
            }
            EventKind::ConflictResolved {
                commit,
                by,
                rung,
                proof,
                ..
            } => {
                let rung = Some(rung.as_str()).filter(|rung| !rung.is_empty());
                packet.resolution = Some(commit.clone());
                packet.settled_by = Some(rung.unwrap_or("person").to_owned());
                packet.proof.clone_from(proof);
                packet.notes.push(format!("conflict resolved by {by}"));
                packet.come_to(Stage::Accepted, None, at);
                if let Some(resolving) = laid_out {
                    *resolving = None;
                }
            }
            EventKind::PacketClaimed { by, .. } => packet.claimed_by = Some(by.clone()),
            EventKind::PacketReturned { by, note, .. } => {
                packet.claimed_by = Some(by.clone());
                if !note.is_empty() {
                    packet.notes.push(note.clone());
                }
                packet.turn += 1;
                packet.outcome = None;
                packet.come_to(Stage::Returned, None, at);
            }
            EventKind::PacketRetried { comment, .. } => {
                if !comment.is_empty() {
                    packet.judged(Said::SentBack, "", at);
                }
                let keep = std::mem::take(packet);
                *packet = keep.again();
                if !comment.is_empty() {
                    packet.feedback.push(comment.clone());
                }
                packet.come_to(Stage::Planned, None, at);
                if let Some(resolving) = laid_out {
                    *resolving = None;
                }
                // A no to the start was for the attempt that it ended: the question is asked again.
                if let Some(gate) = self.gates.get_mut(&GateId::packet(id))
                    && gate.status == GateStatus::Denied
                {
                    gate.status = GateStatus::Revoked;
                }
            }
            EventKind::PacketGivenUp { how, why, .. } => {
                let stage = match how {
                    GivenUp::Cancelled | GivenUp::Dropped => Stage::Cancelled,
                    GivenUp::Rejected => Stage::Rejected,
                };
                packet.come_to(stage, Some(why.clone()), at);
                if let Some(resolving) = laid_out {
                    *resolving = None;
                }
                for live in self.units.values_mut() {
                    live.stopping |= live.unit.packet() == Some(id);
                }
            }
            _ => {}
        }
    }
}

impl PacketState {
    pub(super) fn come_to(&mut self, stage: Stage, reason: Option<String>, at: Timestamp) {
        self.stage = stage;
        self.reason = reason;
        self.since = Some(at);
    }

    fn forget_resolution(&mut self) {
        self.resolution = None;
        self.settled_by = None;
        self.proof = None;
    }

    /// What stays of a packet when it begins again: its history and what it used, not its work. The workspace
    /// stays until it is removed.
    fn again(self) -> Self {
        Self {
            attempt: self.attempt,
            base: self.base,
            branch: self.branch,
            workspace: self.workspace,
            feedback: self.feedback,
            notes: self.notes,
            spent: self.spent,
            begun: self.begun,
            blamed: self.blamed,
            reviewed: self.reviewed,
            script: self.script,
            reverts: self.reverts,
            resolves: self.resolves,
            ..Self::default()
        }
    }
}

impl Stage {
    /// Whether nothing more happens to the packet by itself.
    pub fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Integrated
                | Self::NoChange
                | Self::Done
                | Self::Failed
                | Self::Conflicted
                | Self::Rejected
                | Self::Cancelled
        )
    }
}
