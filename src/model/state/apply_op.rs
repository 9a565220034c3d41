//! How the beginning and the end of an effect change the state.

use jiff::Timestamp;

use super::{Integration, OpenOp, Refusal, RunState, Stage};
use crate::model::gate::{GateStatus, LandPlan, PushPlan};
use crate::model::id::{CommitId, GateId, OpId};
use crate::model::op::{MergeSide, MoveWhy, Op, OpOutcome};
use crate::model::unit::WorkspaceName;

impl RunState {
    pub(super) fn op_began(&mut self, id: OpId, op: &Op, at: Timestamp) {
        match op {
            Op::Land(plan) => self.spend(&plan.gate, id.0),
            Op::Push(plan) => self.spend(&plan.gate, id.0),
            Op::MoveRefs {
                why: MoveWhy::Integrate(packets),
                ..
            } => {
                for packet in packets {
                    self.spend(&GateId::merge(packet), id.0);
                    self.spend(&GateId::risk(packet), id.0);
                }
                self.spend(&GateId::integrate(), id.0);
            }
            Op::MakeWorkspace {
                workspace: WorkspaceName::Packet(id),
                attempt,
                base,
                ..
            } => {
                // One for work that is a commit already holds that work, not what it began from.
                if let Some(packet) = self.packets.get_mut(id)
                    && packet.stage != Stage::Collected
                {
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

    pub(super) fn op_ended(&mut self, id: OpId, outcome: &OpOutcome, at: Timestamp) {
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
        if let Op::Land(LandPlan { gate, .. }) | Op::Push(PushPlan { gate, .. }) = &op
            && let Some(gate) = self.gates.get_mut(gate)
            && let GateStatus::Consumed { until, .. } = gate.status
        {
            // Nothing happened, so the approval is unspent.
            gate.status = GateStatus::Approved { until };
        }
        let failed = match &op {
            Op::MakeWorkspace {
                workspace: WorkspaceName::Packet(packet),
                ..
            }
            | Op::RemoveWorkspace {
                name: WorkspaceName::Packet(packet),
                ..
            }
            | Op::AdvancePacket { packet, .. }
            | Op::RestackPacket { packet, .. } => Some(packet.clone()),
            Op::MoveRefs {
                why: MoveWhy::Rebuild,
                ..
            } => {
                if let Some(integration) = &mut self.integration {
                    integration.rebuild = None;
                }
                None
            }
            Op::MoveRefs {
                why: MoveWhy::Integrate(packets),
                ..
            } => {
                // The branch stood elsewhere: the merges are void and are made again.
                for id in packets {
                    if let Some(packet) = self.packets.get_mut(id) {
                        packet.merge = None;
                    }
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
                            if packet.stage != Stage::Collected {
                                packet.come_to(Stage::Prepared, None, at);
                            }
                        }
                    }
                    WorkspaceName::Checkout => {}
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
            Op::OpenConflict { side, onto, .. } => self.conflict_laid_out(side, onto),
            Op::CloseConflict { onto, .. } => self.conflict_put_off(onto),
            Op::RemoveWorkspace { name, .. } => self.workspace_removed(&name, outcome),
            Op::AdvancePacket { packet, refs, .. } => {
                if let Some(packet) = self.packets.get_mut(&packet) {
                    packet.branch = refs.first().and_then(|update| update.new.clone());
                }
            }
            Op::RestackPacket { packet, .. } => self.restacked(&packet, at),
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
                        integration.landed = integration.merged.len();
                        integration.firm = integration.stood.len();
                        if integration.commit == *new {
                            let tree = integration.tree.clone();
                            self.target_trees.insert(new.clone(), tree);
                        }
                    }
                }
            }
            Op::Push(plan) => {
                self.push_asked = None;
                self.pushed.push(plan.binding);
            }
        }
    }

    fn conflict_laid_out(&mut self, side: MergeSide, onto: CommitId) {
        if let MergeSide::Packet(id) = &side
            && let Some(packet) = self.packets.get_mut(id)
        {
            packet.refused = false;
        }
        if let Some(integration) = &mut self.integration {
            integration.holds = None;
            integration.resolving = Some((side, onto));
        }
    }

    fn conflict_put_off(&mut self, onto: CommitId) {
        if let Some(integration) = &mut self.integration {
            integration.holds = Some(onto);
            integration.resolving = None;
            integration.put_off = true;
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
            WorkspaceName::Checkout => {}
            WorkspaceName::Integration => {
                if let Some(integration) = &mut self.integration {
                    integration.workspace = None;
                    integration.holds = None;
                    integration.resolving = None;
                }
            }
        }
    }

    fn refs_moved(&mut self, why: &MoveWhy, new: Option<CommitId>, at: Timestamp) {
        match (why, new) {
            (MoveWhy::Begin, Some(commit)) => {
                let Some(tree) = self.frozen.as_ref().map(|frozen| &frozen.tree) else {
                    return;
                };
                let first = commit.clone();
                self.integration = Some(Integration {
                    target: commit.clone(),
                    commit,
                    tree: tree.clone(),
                    merged: Vec::new(),
                    workspace: None,
                    holds: None,
                    set_up: 0,
                    resolving: None,
                    put_off: false,
                    following: None,
                    weight: None,
                    conflict: None,
                    broken: None,
                    stood: vec![first],
                    firm: 1,
                    landed: 0,
                    rebuild: None,
                });
            }
            (MoveWhy::Integrate(packets), Some(commit)) => {
                let merges = packets
                    .iter()
                    .filter_map(|id| self.packets.get(id)?.merge.as_ref())
                    .map(|merge| merge.commit.clone());
                let stood: Vec<CommitId> = merges.collect();
                let last = packets.last().and_then(|id| self.packets.get(id));
                let tree = last
                    .and_then(|packet| packet.merge.as_ref())
                    .map(|merge| merge.tree.clone());
                if let Some(integration) = &mut self.integration {
                    integration.commit = commit;
                    if let Some(tree) = tree {
                        integration.tree = tree;
                    }
                    integration.merged.extend_from_slice(packets);
                    integration.stood.extend(stood);
                    integration.broken = None;
                }
                for id in packets {
                    self.settle(id, Stage::Integrated, None, at);
                }
            }
            (MoveWhy::FollowTarget, Some(commit)) => {
                if let Some(integration) = &mut self.integration
                    && let Some((merge, target)) = integration.following.take()
                {
                    integration.stood.push(commit.clone());
                    integration.commit = commit;
                    integration.tree = merge.tree;
                    integration.target = target;
                    integration.broken = None;
                    self.left_behind(at);
                }
            }
            (MoveWhy::Rebuild, Some(_)) => self.rebuilt(at),
            (MoveWhy::Archive, _) => self.branches_archived = true,
            _ => {}
        }
    }
}
