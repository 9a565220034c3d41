//! How each event changes the state.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Frozen, LiveUnit, RunState, Said, Stage};
use crate::model::event::{Answer, Event, EventKind};
use crate::model::gate::{Decision, GateStatus};
use crate::model::id::{GateId, OpId, PacketId, UnitId};
use crate::model::op::MergeSide;
use crate::model::plan::Plan;
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage};

impl RunState {
    /// Takes one event into account.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.at = Some(event.at);
        self.apply_kind(event.seq, event.at, &event.kind);
    }

    #[expect(clippy::too_many_lines, reason = "one arm a fact")]
    fn apply_kind(&mut self, seq: u64, at: Timestamp, kind: &EventKind) {
        match kind {
            EventKind::PlanFrozen {
                plan,
                base,
                tree,
                target,
                repository,
            } => {
                self.frozen = Some(Frozen {
                    plan: Arc::new((**plan).clone()),
                    base: base.clone(),
                    tree: tree.clone(),
                    target: target.clone(),
                    repository: repository.clone(),
                    at,
                });
                self.target_seen = Some(base.clone());
                self.target_trees.insert(base.clone(), tree.clone());
                self.add_packets(plan);
            }
            EventKind::BranchCarved { carved } => {
                for id in &carved.packets {
                    if let Some(packet) = self.packets.get_mut(id) {
                        packet.base = Some(carved.base.clone());
                    }
                }
                self.carved = Some(carved.clone());
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
                self.refusals.clear();
                self.cut_short.clear();
                if let Some(integration) = &mut self.integration {
                    integration.broken = None;
                    integration.put_off = false;
                }
            }
            EventKind::RunEnded { .. } => self.open_run = false,
            EventKind::RadarSwept { sweep } => self.radar.take(sweep),
            EventKind::ResolverAsked { resolving, packet } => {
                self.resolver_asked(resolving, packet);
            }
            EventKind::RevertAsked {
                reverts, packet, ..
            } => self.revert_asked(reverts, packet),
            EventKind::UnitStarted { unit } => self.unit_started(unit, seq, at),
            EventKind::UnitNoted { unit, session } => self.unit_noted(*unit, session),
            EventKind::UnitEnded {
                unit,
                outcome,
                millis,
                usage,
                complaint,
                answer,
            } => {
                self.answered(*unit, answer.as_ref());
                self.unit_ended(
                    *unit,
                    outcome,
                    complaint.as_ref(),
                    *millis,
                    usage.as_ref(),
                    at,
                );
            }
            EventKind::OpBegan { op } => self.op_began(OpId(seq), op, at),
            EventKind::OpEnded { op, outcome } => self.op_ended(*op, outcome, at),
            EventKind::TargetSeen { commit, tree } => {
                self.target_seen = Some(commit.clone());
                if let Some(tree) = tree {
                    self.target_trees.insert(commit.clone(), tree.clone());
                }
            }
            EventKind::TargetMerged { merge, target } => {
                if let Some(integration) = &mut self.integration {
                    integration.following = Some((merge.clone(), target.clone()));
                    integration.conflict = None;
                    if matches!(integration.resolving, Some((MergeSide::Target, _))) {
                        integration.resolving = None;
                    }
                }
            }
            EventKind::TargetConflicted { conflict } => {
                if let Some(integration) = &mut self.integration {
                    integration.conflict = Some(conflict.clone());
                }
            }
            EventKind::IntegrationRebuilt { rebuild } => {
                if let Some(integration) = &mut self.integration {
                    integration.rebuild = Some(rebuild.clone());
                }
            }
            EventKind::IntegrationWeighed { weight } => {
                if let Some(integration) = &mut self.integration {
                    integration.weight = Some(weight.clone());
                }
            }
            EventKind::PushAsked { binding } => self.push_asked = Some(binding.clone()),
            EventKind::EvidenceDropped { tree } => {
                self.evidence
                    .retain(|evidence| &evidence.tree != tree || evidence.passed());
            }
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
                match answer {
                    Answer::Approved { .. } => self.judged(gate, Said::Approved, by, at),
                    Answer::Denied => self.judged(gate, Said::Denied, by, at),
                    Answer::Revoked => {}
                }
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
            EventKind::PacketPostponed { packet, until, why } => {
                let agent = self.planned(packet).map(|p| p.agent_name().to_owned());
                self.pause(agent, *until, why);
                self.packet_event(kind, at);
            }
            EventKind::ScriptBegan { .. }
            | EventKind::CallAsked { .. }
            | EventKind::CallTurned { .. }
            | EventKind::CallPostponed { .. }
            | EventKind::CallAnswered { .. }
            | EventKind::PacketAdded { .. }
            | EventKind::PacketReleased { .. }
            | EventKind::ScriptSaid { .. }
            | EventKind::ScriptEnded { .. } => self.script_event(kind, at),
            of_a_packet => self.packet_event(of_a_packet, at),
        }
    }

    fn add_packets(&mut self, plan: &Plan) {
        for packet in &plan.packets {
            self.packets.entry(packet.id.clone()).or_default();
        }
    }

    pub(super) fn settle(
        &mut self,
        packet: &PacketId,
        stage: Stage,
        reason: Option<String>,
        at: Timestamp,
    ) {
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
        self.call_started(unit);
        if let (Some(id), UnitKind::Work { turn }) = (unit.packet(), &unit.kind) {
            self.spend(&GateId::packet(id), seq);
            if let Some(packet) = self.packets.get_mut(id) {
                packet.turn = *turn;
                packet.begun = true;
                packet.began.get_or_insert(at);
                packet.come_to(Stage::Working, None, at);
            }
        }
    }

    fn unit_noted(&mut self, unit: UnitId, session: &str) {
        if self.call_noted(unit, session) {
            return;
        }
        let Some(id) = self
            .units
            .get(&unit)
            .and_then(|live| live.unit.packet().cloned())
        else {
            return;
        };
        if let Some(packet) = self.packets.get_mut(&id)
            && packet.session.as_deref() != Some(session)
        {
            packet.session = Some(session.to_owned());
            packet.session_used = Usage::default();
        }
    }

    fn answered(&mut self, unit: UnitId, answer: Option<&String>) {
        let id = self.units.get(&unit).and_then(|live| live.unit.packet());
        if let (Some(packet), Some(answer)) = (id.and_then(|id| self.packets.get_mut(id)), answer) {
            packet.answer = Some(answer.clone());
        }
    }

    fn unit_ended(
        &mut self,
        unit: UnitId,
        outcome: &UnitOutcome,
        complaint: Option<&String>,
        millis: u64,
        usage: Option<&Usage>,
        at: Timestamp,
    ) {
        let Some(live) = self.units.remove(&unit) else {
            return;
        };
        let agent = self.agent_of(&live.unit).map(str::to_owned);
        let agent = agent.as_deref();
        self.spent.add(millis, usage, agent);
        if let Some(agent) = agent {
            let well = outcome.is_success() && complaint.is_none();
            self.turn_ended(agent, millis, usage, well);
        }
        if self.call_unit_ended(&live, outcome, millis, usage, agent) {
            return;
        }
        if outcome.is_interruption() {
            *self
                .cut_short
                .entry(live.unit.workspace.clone())
                .or_default() += 1;
        } else {
            self.cut_short.remove(&live.unit.workspace);
        }
        let set_up = matches!(live.unit.kind, UnitKind::Setup { .. }) && outcome.is_success();
        match live.unit.packet() {
            Some(id) => {
                let Some(packet) = self.packets.get_mut(id) else {
                    return;
                };
                packet.spent.add(millis, usage, agent);
                if let Some(usage) = usage {
                    packet.session_used.add(usage);
                }
                packet.set_up += u32::from(set_up);
                if live.unit.is_work() && packet.stage == Stage::Working {
                    packet.outcome = Some(outcome.clone());
                    packet.complaint = complaint.cloned();
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
    pub(super) fn spend(&mut self, gate: &GateId, by: u64) {
        if let Some(gate) = self.gates.get_mut(gate)
            && let GateStatus::Approved { until } = gate.status
        {
            gate.status = GateStatus::Consumed { by, until };
        }
    }
}
