//! What can be derived from the state.

use super::{PacketState, RunState, ScriptState, Stage};
use crate::model::evidence::Evidence;
use crate::model::gate::{Gate, GateStatus};
use crate::model::id::{CommitId, GateId, PacketId, RefName, TreeId};
use crate::model::op::Op;
use crate::model::plan::{Check, Packet};
use crate::model::status::{PacketStatus, WorkflowStatus};
use crate::model::unit::{Unit, WorkspaceName};

impl RunState {
    /// Returns the packet as the plan states it.
    pub fn planned(&self, id: &PacketId) -> Option<&Packet> {
        self.frozen.as_ref()?.plan.packet(id)
    }

    /// Returns the word for a packet's state.
    pub fn status_of(&self, id: &PacketId) -> PacketStatus {
        let Some(packet) = self.packets.get(id) else {
            return PacketStatus::Planned;
        };
        match packet.stage {
            Stage::Planned => PacketStatus::Planned,
            Stage::Prepared if self.works_in(&WorkspaceName::Packet(id.clone())) => {
                PacketStatus::Running
            }
            Stage::Prepared if self.waits_at(&GateId::packet(id)) => PacketStatus::Waiting,
            Stage::Prepared => PacketStatus::Ready,
            Stage::Working | Stage::Returned => PacketStatus::Running,
            Stage::Collected if self.waits_at(&GateId::merge(id)) => PacketStatus::Waiting,
            Stage::Collected if self.is_approved(&GateId::merge(id)) => PacketStatus::Accepted,
            Stage::Collected if self.checks_passed(id) => PacketStatus::Checked,
            Stage::Collected => PacketStatus::Collected,
            Stage::Accepted if self.waits_at(&GateId::risk(id)) => PacketStatus::Waiting,
            Stage::Accepted => PacketStatus::Accepted,
            Stage::Integrated => PacketStatus::Integrated,
            Stage::NoChange => PacketStatus::NoChange,
            Stage::Done => PacketStatus::Done,
            Stage::Failed => PacketStatus::Failed,
            Stage::Conflicted => PacketStatus::Conflicted,
            Stage::Stale => PacketStatus::Stale,
            Stage::Rejected => PacketStatus::Rejected,
            Stage::Cancelled => PacketStatus::Cancelled,
        }
    }

    /// Returns why a packet is where it is, for people: what was recorded, or what it waits for.
    pub fn reason_of(&self, id: &PacketId) -> Option<String> {
        let packet = self.packets.get(id)?;
        if packet.stage == Stage::Integrated
            && let Some(by) = self.reverted_by(id)
        {
            let done = self.packets[by].stage == Stage::Integrated;
            let taken = if done { "taken" } else { "to be taken" };
            return Some(format!("{taken} out again by {by}"));
        }
        if packet.reason.is_some() || packet.stage.is_settled() && packet.stage != Stage::Conflicted
        {
            return packet.reason.clone();
        }
        match packet.stage {
            Stage::Planned => self.what_it_needs(id),
            Stage::Stale => self
                .what_it_needs(id)
                .or_else(|| Some("what it started from has changed".to_owned())),
            Stage::Conflicted => packet.conflict.as_ref().map(|conflict| {
                let with: Vec<&str> = conflict.with.iter().map(PacketId::as_str).collect();
                let paths: Vec<String> = conflict
                    .files
                    .iter()
                    .map(|file| file.path.to_string())
                    .collect();
                if with.is_empty() {
                    format!("in {}", paths.join(", "))
                } else {
                    format!("with {} in {}", with.join(", "), paths.join(", "))
                }
            }),
            Stage::Prepared if self.planned(id).is_some_and(Packet::is_parent_work) => {
                Some(match &packet.claimed_by {
                    Some(by) => format!("taken by {by}: dynwf packet done {} {id}", self.slug),
                    None => format!("yours: dynwf packet next {}", self.slug),
                })
            }
            Stage::Accepted => self
                .gates
                .get(&GateId::risk(id))
                .filter(|gate| gate.status == GateStatus::Waiting)
                .map(|gate| gate.why.join("; ")),
            Stage::Prepared | Stage::Collected => self
                .gates
                .get(&GateId::packet(id))
                .filter(|_| packet.stage == Stage::Prepared)
                .or_else(|| self.gates.get(&GateId::merge(id)))
                .filter(|gate| gate.status == GateStatus::Waiting)
                .map(|gate| gate.why.join("; ")),
            _ => None,
        }
    }

    /// Returns which of the packets that it needs are not there yet, and why they will not come, for people.
    pub fn what_it_needs(&self, id: &PacketId) -> Option<String> {
        let needs: Vec<String> = self
            .planned(id)?
            .after
            .iter()
            .filter(|&need| !self.gives_its_result(need))
            .map(|need| {
                let status = self.status_of(need);
                if status.is_settled() {
                    format!("{need} (which is {})", status.word())
                } else {
                    need.to_string()
                }
            })
            .collect();
        (!needs.is_empty()).then(|| format!("needs {}", needs.join(", ")))
    }

    /// Whether what a packet was to give is there: integrated, nothing, knowledge, or waived.
    pub fn gives_its_result(&self, id: &PacketId) -> bool {
        self.status_of(id).is_good()
    }

    /// Whether a gate waits for an answer.
    pub fn waits_at(&self, gate: &GateId) -> bool {
        self.gates
            .get(gate)
            .is_some_and(|gate| gate.status == GateStatus::Waiting)
    }

    /// Whether all that is integrated was pushed as branches, the one that holds it or those of the packets: who
    /// merges by pull request lands it elsewhere.
    pub fn is_pushed_as_branches(&self) -> bool {
        let Some(integration) = &self.integration else {
            return false;
        };
        let pushed = |name: &RefName, at: &CommitId| {
            self.pushed
                .iter()
                .flat_map(|binding| &binding.updates)
                .any(|update| update.name == *name && update.new.as_ref() == Some(at))
        };
        let of_packet = |id: &PacketId| {
            let tip = self
                .packets
                .get(id)
                .and_then(|packet| packet.branch.as_ref());
            tip.is_some_and(|tip| pushed(&self.slug.branch(id), tip))
        };
        !integration.merged.is_empty()
            && (pushed(&self.slug.integration_branch(), &integration.commit)
                || integration.merged.iter().all(of_packet))
    }

    /// Whether a person said yes to a gate and the approval is unspent.
    pub fn is_approved(&self, gate: &GateId) -> bool {
        self.gates
            .get(gate)
            .is_some_and(|gate| matches!(gate.status, GateStatus::Approved { .. }))
    }

    /// The gates that wait for an answer.
    pub fn waiting_gates(&self) -> impl Iterator<Item = &Gate> {
        self.gates
            .values()
            .filter(|gate| gate.status == GateStatus::Waiting)
    }

    /// The units that run in a workspace.
    pub fn units_in<'a>(&'a self, workspace: &'a WorkspaceName) -> impl Iterator<Item = &'a Unit> {
        self.units
            .values()
            .map(|live| &live.unit)
            .filter(move |unit| &unit.workspace == workspace)
    }

    /// Whether a conflict is being laid out, or its layout taken away.
    pub fn is_laying_out(&self) -> bool {
        self.ops
            .values()
            .any(|open| matches!(open.op, Op::OpenConflict { .. } | Op::CloseConflict { .. }))
    }

    /// Whether a unit runs in a workspace.
    pub fn works_in(&self, workspace: &WorkspaceName) -> bool {
        self.units_in(workspace).next().is_some()
    }

    /// Returns what this command last said about this tree.
    pub fn evidence_for(&self, check: &Check, tree: &TreeId) -> Option<&Evidence> {
        self.evidence
            .iter()
            .rev()
            .find(|evidence| evidence.run == check.run && &evidence.tree == tree)
    }

    /// The checks of a packet that have said nothing yet about its present work.
    pub fn checks_to_run(&self, id: &PacketId) -> Vec<Check> {
        self.packet_checks(id)
            .into_iter()
            .filter(|(_, evidence)| evidence.is_none())
            .map(|(check, _)| check)
            .collect()
    }

    /// The checks of a packet, each with what it said about the packet's present work.
    pub fn packet_checks(&self, id: &PacketId) -> Vec<(Check, Option<&Evidence>)> {
        let (Some(frozen), Some(packet)) = (&self.frozen, self.planned(id)) else {
            return Vec::new();
        };
        let tree = self
            .packets
            .get(id)
            .and_then(|packet| packet.collected.as_ref())
            .map(|collected| &collected.tree);
        frozen
            .plan
            .checks_of(packet)
            .into_iter()
            .map(|check| {
                let evidence = tree.and_then(|tree| self.evidence_for(&check, tree));
                (check, evidence)
            })
            .collect()
    }

    /// The checks of the integrated tree, each with what it said about that tree.
    pub fn integrated_checks(&self) -> Vec<(Check, Option<&Evidence>)> {
        let Some(frozen) = &self.frozen else {
            return Vec::new();
        };
        let tree = self
            .integration
            .as_ref()
            .map(|integration| &integration.tree);
        frozen
            .plan
            .integrated_checks()
            .map(|check| {
                let evidence = tree.and_then(|tree| self.evidence_for(check, tree));
                (check.clone(), evidence)
            })
            .collect()
    }

    /// Whether something about a packet can go on without a person.
    pub fn is_active(&self, id: &PacketId) -> bool {
        let status = self.status_of(id);
        if status.is_settled() || status == PacketStatus::Waiting || self.is_kept(id) {
            return false;
        }
        match status {
            // The workspace of a script's calls: they are active, it is not.
            PacketStatus::Ready | PacketStatus::Running if self.is_shared(id) => false,
            PacketStatus::Ready => !self.planned(id).is_some_and(Packet::is_parent_work),
            PacketStatus::Planned | PacketStatus::Stale => self.planned(id).is_some_and(|packet| {
                packet
                    .after
                    .iter()
                    .all(|need| self.gives_its_result(need) || self.is_active(need))
            }),
            _ => true,
        }
    }

    /// Whether nothing more comes of a packet unless a person decides anew: it has ended and is no conflict, or
    /// what it needs will never come.
    pub fn is_over(&self, id: &PacketId) -> bool {
        let status = self.status_of(id);
        (status.is_settled() && status != PacketStatus::Conflicted)
            || self.is_hopeless(id)
            || (!self.is_scripted() && self.is_kept(id))
    }

    /// Whether a packet cannot start because something that it needs, directly or not, failed or was turned
    /// down.
    pub fn is_hopeless(&self, id: &PacketId) -> bool {
        matches!(
            self.status_of(id),
            PacketStatus::Planned | PacketStatus::Stale
        ) && self.planned(id).is_some_and(|packet| {
            packet.after.iter().any(|need| {
                matches!(
                    self.status_of(need),
                    PacketStatus::Failed | PacketStatus::Rejected
                ) || self.is_hopeless(need)
            })
        })
    }

    /// Whether a packet needs another one, directly or not.
    pub fn depends_on(&self, id: &PacketId, other: &PacketId) -> bool {
        self.planned(id).is_some_and(|packet| {
            packet
                .after
                .iter()
                .any(|need| need == other || self.depends_on(need, other))
        })
    }

    /// Returns the word for the workflow's state.
    pub fn workflow_status(&self) -> WorkflowStatus {
        if self.frozen.is_none() {
            return WorkflowStatus::Planned;
        }
        let statuses: Vec<PacketStatus> =
            self.packets.keys().map(|id| self.status_of(id)).collect();
        let going = !self.units.is_empty() || !self.ops.is_empty();
        if self.open_run && going {
            return WorkflowStatus::Running;
        }
        if self.waiting_gates().next().is_some() {
            return WorkflowStatus::Waiting;
        }
        if self.is_scripted() {
            return WorkflowStatus::Running;
        }
        if statuses.contains(&PacketStatus::Conflicted)
            || self.verification_failed()
            || self
                .integration
                .as_ref()
                .is_some_and(|integration| integration.conflict.is_some())
        {
            return WorkflowStatus::Blocked;
        }
        let script_failed = self.script.as_ref().is_some_and(ScriptState::has_failed);
        let is_good = |id| self.status_of(id).is_good() || self.is_kept(id);
        if !script_failed && self.packets.keys().all(is_good) {
            return WorkflowStatus::Complete;
        }
        if self.packets.keys().any(|id| self.is_active(id)) {
            return if self.last_unit.0 == 0 && !self.open_run {
                WorkflowStatus::Planned
            } else {
                WorkflowStatus::Running
            };
        }
        let person = self.in_plan_order().any(|(id, packet)| {
            packet.stage == Stage::Prepared && self.status_of(id) == PacketStatus::Ready
        });
        if person {
            WorkflowStatus::Blocked
        } else {
            WorkflowStatus::Failed
        }
    }

    /// The packets that a worker outside dynwf could take, in plan order.
    pub fn parent_work(&self) -> impl Iterator<Item = (&PacketId, &PacketState)> {
        self.in_plan_order().filter(|(id, packet)| {
            packet.stage == Stage::Prepared
                && self.status_of(id) == PacketStatus::Ready
                && self.planned(id).is_some_and(Packet::is_parent_work)
        })
    }
}
