//! How each event changes the state.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Frozen, Integration, LiveUnit, OpenOp, PacketState, Refusal, RunState, Stage};
use crate::model::event::{Answer, Event, EventKind, GivenUp};
use crate::model::gate::{Decision, GateStatus};
use crate::model::id::{GateId, OpId, PacketId, UnitId};
use crate::model::op::{MoveWhy, Op, OpOutcome};
use crate::model::plan::Plan;
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage, WorkspaceName};

impl RunState {
    /// Takes one event into account.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.at = Some(event.at);
        self.apply_kind(event.seq, event.at, &event.kind);
    }

    fn apply_kind(&mut self, seq: u64, at: Timestamp, kind: &EventKind) {
        match kind {
            EventKind::PlanFrozen {
                plan,
                base,
                target,
                repository,
            } => {
                self.frozen = Some(Frozen {
                    plan: Arc::new((**plan).clone()),
                    base: base.clone(),
                    target: target.clone(),
                    repository: repository.clone(),
                    at,
                });
                self.target_seen = Some(base.clone());
                self.add_packets(plan);
            }
            EventKind::PlanAmended { plan, .. } => {
                if let Some(frozen) = &mut self.frozen {
                    frozen.plan = Arc::new((**plan).clone());
                }
                self.add_packets(plan);
            }
            EventKind::RunStarted { sandbox, .. } => {
                self.sandbox.clone_from(sandbox);
                self.open_run = true;
                self.stop_asked = false;
            }
            EventKind::RunEnded { .. } => self.open_run = false,
            EventKind::UnitStarted { unit } => self.unit_started(unit, seq, at),
            EventKind::UnitNoted { unit, session } => self.unit_noted(*unit, session),
            EventKind::UnitEnded {
                unit,
                outcome,
                millis,
                usage,
            } => {
                self.unit_ended(*unit, outcome, *millis, usage.as_ref(), at);
            }
            EventKind::OpBegan { op } => self.op_began(OpId(seq), op, at),
            EventKind::OpEnded { op, outcome } => self.op_ended(*op, outcome, at),
            EventKind::TargetSeen { commit } => self.target_seen = Some(commit.clone()),
            EventKind::TargetMerged { merge, target } => {
                if let Some(integration) = &mut self.integration {
                    integration.following = Some((merge.clone(), target.clone()));
                    integration.conflict = None;
                }
            }
            EventKind::TargetConflicted { conflict } => {
                if let Some(integration) = &mut self.integration {
                    integration.conflict = Some(conflict.clone());
                }
            }
            EventKind::PushAsked { binding } => self.push_asked = Some(binding.clone()),
            EventKind::EvidenceRecorded { evidence } => self.evidence.push(evidence.clone()),
            EventKind::GateOpened { gate } => {
                self.gates.insert(gate.id.clone(), gate.clone());
            }
            EventKind::GateDecided {
                gate,
                answer,
                request,
                by,
                attended,
                why,
            } => {
                self.requests.insert(request.clone(), None);
                if let Some(gate) = self.gates.get_mut(gate) {
                    gate.status = match *answer {
                        Answer::Approved { until } => GateStatus::Approved { until },
                        Answer::Denied => GateStatus::Denied,
                        Answer::Revoked => GateStatus::Revoked,
                    };
                    gate.decision = Some(Decision {
                        by: by.clone(),
                        at,
                        attended: *attended,
                        why: why.clone(),
                    });
                }
            }
            EventKind::GateExpired { gate } => {
                if let Some(gate) = self.gates.get_mut(gate) {
                    gate.status = GateStatus::Expired;
                }
            }
            EventKind::RequestTaken { request } => {
                self.requests.insert(request.clone(), None);
            }
            EventKind::RequestRefused { request, why } => {
                self.requests.insert(request.clone(), Some(why.clone()));
            }
            EventKind::JobFailed { packet, why, .. } => match packet {
                Some(packet) => self.settle(packet, Stage::Failed, Some(why.clone()), at),
                None => {
                    if let Some(integration) = &mut self.integration {
                        integration.broken = Some(why.clone());
                    }
                }
            },
            EventKind::Archived { .. } => self.archived = true,
            of_a_packet => self.packet_event(of_a_packet, at),
        }
    }

    fn packet_event(&mut self, kind: &EventKind, at: Timestamp) {
        let Some(id) = kind.packet() else { return };
        let resolving = self
            .integration
            .as_mut()
            .map(|integration| &mut integration.resolving);
        let Some(packet) = self.packets.get_mut(id) else {
            return;
        };
        match kind {
            EventKind::PacketCollected { collected, .. } => {
                packet.notes.extend(collected.notes.iter().cloned());
                packet.collected = Some(collected.clone());
                packet.come_to(Stage::Collected, None, at);
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
                packet.resolution = None;
                packet.come_to(Stage::Conflicted, None, at);
            }
            EventKind::ConflictResolved { commit, by, .. } => {
                packet.resolution = Some(commit.clone());
                packet.notes.push(format!("conflict resolved by {by}"));
                packet.come_to(Stage::Accepted, None, at);
                if let Some(resolving) =
                    resolving.filter(|resolving| resolving.as_ref() == Some(id))
                {
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
                let keep = std::mem::take(packet);
                *packet = keep.again();
                if !comment.is_empty() {
                    packet.feedback.push(comment.clone());
                }
                packet.come_to(Stage::Planned, None, at);
                if let Some(resolving) =
                    resolving.filter(|resolving| resolving.as_ref() == Some(id))
                {
                    *resolving = None;
                }
            }
            EventKind::PacketGivenUp { how, why, .. } => {
                let stage = match how {
                    GivenUp::Cancelled | GivenUp::Dropped => Stage::Cancelled,
                    GivenUp::Rejected => Stage::Rejected,
                };
                packet.come_to(stage, Some(why.clone()), at);
                if let Some(resolving) =
                    resolving.filter(|resolving| resolving.as_ref() == Some(id))
                {
                    *resolving = None;
                }
                for live in self.units.values_mut() {
                    live.stopping |= live.unit.packet() == Some(id);
                }
            }
            _ => {}
        }
    }

    fn add_packets(&mut self, plan: &Plan) {
        for packet in &plan.packets {
            self.packets.entry(packet.id.clone()).or_default();
        }
    }

    fn settle(&mut self, packet: &PacketId, stage: Stage, reason: Option<String>, at: Timestamp) {
        if let Some(packet) = self.packets.get_mut(packet) {
            packet.come_to(stage, reason, at);
        }
    }

    fn unit_started(&mut self, unit: &Unit, seq: u64, at: Timestamp) {
        self.last_unit = self.last_unit.max(unit.id);
        self.units.insert(
            unit.id,
            LiveUnit {
                unit: unit.clone(),
                since: at,
                stopping: false,
            },
        );
        if let (Some(id), UnitKind::Work { turn }) = (unit.packet(), &unit.kind) {
            self.spend(&GateId::packet(id), seq);
            if let Some(packet) = self.packets.get_mut(id) {
                packet.turn = *turn;
                packet.began.get_or_insert(at);
                packet.come_to(Stage::Working, None, at);
            }
        }
    }

    fn unit_noted(&mut self, unit: UnitId, session: &str) {
        let Some(id) = self
            .units
            .get(&unit)
            .and_then(|live| live.unit.packet().cloned())
        else {
            return;
        };
        if let Some(packet) = self.packets.get_mut(&id) {
            packet.session = Some(session.to_owned());
        }
    }

    fn unit_ended(
        &mut self,
        unit: UnitId,
        outcome: &UnitOutcome,
        millis: u64,
        usage: Option<&Usage>,
        at: Timestamp,
    ) {
        let Some(live) = self.units.remove(&unit) else {
            return;
        };
        self.spent.add(millis, usage);
        let set_up = matches!(live.unit.kind, UnitKind::Setup { .. }) && outcome.is_success();
        match live.unit.packet() {
            Some(id) => {
                let Some(packet) = self.packets.get_mut(id) else {
                    return;
                };
                packet.spent.add(millis, usage);
                packet.set_up += u32::from(set_up);
                if live.unit.is_work() && packet.stage == Stage::Working {
                    packet.outcome = Some(outcome.clone());
                    packet.come_to(Stage::Returned, None, at);
                }
            }
            None => {
                if let Some(integration) = &mut self.integration {
                    integration.set_up += u32::from(set_up);
                }
            }
        }
    }

    /// Marks a gate's approval as spent by the record with this number.
    fn spend(&mut self, gate: &GateId, by: u64) {
        if let Some(gate) = self.gates.get_mut(gate)
            && matches!(gate.status, GateStatus::Approved { .. })
        {
            gate.status = GateStatus::Consumed { by };
        }
    }

    fn op_began(&mut self, id: OpId, op: &Op, at: Timestamp) {
        match op {
            Op::Land(plan) => self.spend(&plan.gate, id.0),
            Op::Push(plan) => self.spend(&plan.gate, id.0),
            Op::MoveRefs {
                why: MoveWhy::Integrate(packet),
                ..
            } => {
                self.spend(&GateId::merge(packet), id.0);
                self.spend(&GateId::integrate(), id.0);
            }
            Op::MakeWorkspace {
                workspace: WorkspaceName::Packet(id),
                attempt,
                base,
                ..
            } => {
                if let Some(packet) = self.packets.get_mut(id) {
                    packet.attempt = *attempt;
                    packet.base = Some(base.clone());
                }
            }
            _ => {}
        }
        self.refusals.retain(|refusal| &refusal.op != op);
        self.ops.insert(
            id,
            OpenOp {
                op: op.clone(),
                since: at,
            },
        );
    }

    fn op_ended(&mut self, id: OpId, outcome: &OpOutcome, at: Timestamp) {
        let Some(OpenOp { op, .. }) = self.ops.remove(&id) else {
            return;
        };
        if let OpOutcome::Refused(why) = outcome {
            self.op_refused(op, why, at);
        } else {
            self.op_done(op, outcome, at);
        }
    }

    fn op_refused(&mut self, op: Op, why: &str, at: Timestamp) {
        let failed = match &op {
            Op::MakeWorkspace {
                workspace: WorkspaceName::Packet(packet),
                ..
            }
            | Op::RemoveWorkspace {
                name: WorkspaceName::Packet(packet),
                ..
            }
            | Op::AdvancePacket { packet, .. } => Some(packet.clone()),
            Op::MoveRefs {
                why: MoveWhy::Integrate(packet),
                ..
            } => {
                // The branch stood elsewhere: the merge is void and is made again.
                if let Some(packet) = self.packets.get_mut(packet) {
                    packet.merge = None;
                }
                None
            }
            _ => None,
        };
        if let Some(packet) = failed {
            let finished = self
                .packets
                .get(&packet)
                .is_some_and(|packet| packet.stage.is_settled());
            if !finished {
                self.settle(&packet, Stage::Failed, Some(why.to_owned()), at);
            }
        }
        self.refusals.push(Refusal {
            op,
            why: why.to_owned(),
        });
    }

    fn op_done(&mut self, op: Op, outcome: &OpOutcome, at: Timestamp) {
        match op {
            Op::MakeWorkspace {
                workspace, base, ..
            } => {
                let OpOutcome::Made(made) = outcome else {
                    return;
                };
                match workspace {
                    WorkspaceName::Packet(id) => {
                        if let Some(packet) = self.packets.get_mut(&id) {
                            packet.workspace = Some(made.clone());
                            packet.branch = Some(base);
                            packet.set_up = 0;
                            packet.come_to(Stage::Prepared, None, at);
                        }
                    }
                    WorkspaceName::Integration => {
                        if let Some(integration) = &mut self.integration {
                            integration.workspace = Some(made.clone());
                            integration.holds = Some(base);
                            integration.set_up = 0;
                        }
                    }
                }
            }
            Op::ResetWorkspace { to, .. } => {
                if let Some(integration) = &mut self.integration {
                    integration.holds = Some(to);
                    integration.resolving = None;
                }
            }
            Op::OpenConflict { packet, .. } => {
                if let Some(integration) = &mut self.integration {
                    integration.holds = None;
                    integration.resolving = Some(packet);
                }
            }
            Op::RemoveWorkspace { name, .. } => self.workspace_removed(&name, outcome),
            Op::AdvancePacket { packet, refs, .. } => {
                if let Some(packet) = self.packets.get_mut(&packet) {
                    packet.branch = refs.first().and_then(|update| update.new.clone());
                }
            }
            Op::MoveRefs { why, refs } => {
                let new = refs.first().and_then(|update| update.new.clone());
                self.refs_moved(&why, new, at);
            }
            Op::Land(plan) => {
                if let Some((_, _, new)) = plan.update() {
                    self.landed = Some(new.clone());
                    self.target_seen = Some(new.clone());
                    if let Some(integration) = &mut self.integration {
                        integration.target = new.clone();
                    }
                }
            }
            Op::Push(plan) => {
                self.push_asked = None;
                self.pushed.push(plan.binding);
            }
        }
    }

    fn workspace_removed(&mut self, name: &WorkspaceName, outcome: &OpOutcome) {
        let rescued = match outcome {
            OpOutcome::Removed { rescued } => rescued.as_ref(),
            _ => None,
        };
        match name {
            WorkspaceName::Packet(id) => {
                if let Some(packet) = self.packets.get_mut(id) {
                    packet.workspace = None;
                    packet
                        .notes
                        .extend(rescued.map(|name| format!("unfinished files are kept on {name}")));
                }
            }
            WorkspaceName::Integration => {
                if let Some(integration) = &mut self.integration {
                    integration.workspace = None;
                    integration.holds = None;
                    integration.resolving = None;
                }
            }
        }
    }

    fn refs_moved(
        &mut self,
        why: &MoveWhy,
        new: Option<crate::model::id::CommitId>,
        at: Timestamp,
    ) {
        match (why, new) {
            (MoveWhy::Begin, Some(commit)) => {
                self.integration = Some(Integration {
                    target: commit.clone(),
                    commit,
                    tree: None,
                    merged: Vec::new(),
                    workspace: None,
                    holds: None,
                    set_up: 0,
                    resolving: None,
                    following: None,
                    conflict: None,
                    broken: None,
                });
            }
            (MoveWhy::Integrate(id), Some(commit)) => {
                let merge = self.packets.get(id).and_then(|packet| packet.merge.clone());
                if let Some(integration) = &mut self.integration {
                    integration.commit = commit;
                    integration.tree = merge.map(|merge| merge.tree);
                    integration.merged.push(id.clone());
                    integration.broken = None;
                }
                self.settle(id, Stage::Integrated, None, at);
            }
            (MoveWhy::FollowTarget, Some(commit)) => {
                if let Some(integration) = &mut self.integration
                    && let Some((merge, target)) = integration.following.take()
                {
                    integration.commit = commit;
                    integration.tree = Some(merge.tree);
                    integration.target = target;
                    integration.broken = None;
                }
            }
            _ => {}
        }
    }
}

impl PacketState {
    fn come_to(&mut self, stage: Stage, reason: Option<String>, at: Timestamp) {
        self.stage = stage;
        self.reason = reason;
        self.since = Some(at);
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
