//! Rules around the integration branch: move it, follow the target, lay a conflict out.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::question::ask;
use crate::gate::binding_for_question;
use crate::model::event::EventKind;
use crate::model::gate::{Binding, GateKind, GateStatus};
use crate::model::id::GateId;
use crate::model::op::{MergeSide, MoveWhy, Op, RefUpdate};
use crate::model::state::{Integration, RunState, Stage};
use crate::model::unit::WorkspaceName;
use crate::runner::goal::Options;
use crate::runner::queue;

/// Moves the integration branch over all merges that were made onto its present commit, one onto the other.
pub(super) fn move_branch(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some(integration) = free_to_move(state) else {
        return Vec::new();
    };
    // First come, first served, should two merges be made onto the same commit.
    let mut made = BTreeMap::new();
    for (id, packet) in state.in_plan_order() {
        if let (Stage::Accepted, Some(merge)) = (packet.stage, &packet.merge) {
            made.entry(&merge.onto).or_insert((id, &merge.commit));
        }
    }
    let mut packets = Vec::new();
    let mut last = &integration.commit;
    while let Some((id, commit)) = made.remove(last) {
        packets.push(id.clone());
        last = commit;
    }
    if packets.is_empty() {
        return Vec::new();
    }
    let op = Op::MoveRefs {
        why: MoveWhy::Integrate(packets),
        refs: vec![RefUpdate {
            name: state.slug.integration_branch(),
            old: Some(integration.commit.clone()),
            new: Some(last.clone()),
        }],
    };
    vec![EventKind::OpBegan { op }]
}

/// Moves the integration branch to the merge with the moved target.
pub(super) fn follow_target(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some((merge, _)) = free_to_move(state).and_then(|i| i.following.as_ref()) else {
        return Vec::new();
    };
    let op = Op::MoveRefs {
        why: MoveWhy::FollowTarget,
        refs: vec![RefUpdate {
            name: state.slug.integration_branch(),
            old: Some(merge.onto.clone()),
            new: Some(merge.commit.clone()),
        }],
    };
    if state.refusals.iter().any(|refusal| refusal.op == op) {
        return Vec::new();
    }
    vec![EventKind::OpBegan { op }]
}

fn free_to_move(state: &RunState) -> Option<&Integration> {
    let moving = state
        .ops
        .values()
        .any(|open| matches!(open.op, Op::MoveRefs { .. } | Op::Land(_)));
    state.integration.as_ref().filter(|_| !moving)
}

/// Opens the gate that the plan puts before integration, once every packet is accepted or over.
pub(super) fn ask_before_merging(
    state: &RunState,
    options: &Options,
    now: Timestamp,
) -> Vec<EventKind> {
    let Some(frozen) = &state.frozen else {
        return Vec::new();
    };
    let Some(gate) = frozen.plan.asks_before("integrate") else {
        return Vec::new();
    };
    let is_accepted = |stage| stage == Stage::Accepted;
    let accepted: Vec<RefUpdate> = state
        .in_plan_order()
        .filter(|(_, packet)| is_accepted(packet.stage))
        .filter_map(|(id, packet)| {
            let collected = packet.collected.as_ref()?;
            Some(RefUpdate {
                name: state.slug.branch(id),
                old: Some(collected.base.clone()),
                new: Some(collected.tip.clone()),
            })
        })
        .collect();
    let on_their_way = state
        .in_plan_order()
        .any(|(id, packet)| !is_accepted(packet.stage) && goes_on_without(state, id));
    if !options.goal.integrates() || accepted.is_empty() || on_their_way {
        return Vec::new();
    }
    if is_answered_for(state, &accepted) {
        return Vec::new();
    }
    let binding = Binding {
        updates: accepted,
        ..binding_for_question(&frozen.repository, &options.policy)
    };
    let why = if gate.why.is_empty() {
        "the plan asks before packets are merged".to_owned()
    } else {
        gate.why.clone()
    };
    ask(
        state,
        GateId::integrate(),
        GateKind::Batch,
        binding,
        vec![why],
        now,
    )
    .into_iter()
    .collect()
}

/// Whether a person said yes to merging these packets: to them and perhaps others that conflicted or were given up
/// since, or to the beginning of it all.
fn is_answered_for(state: &RunState, accepted: &[RefUpdate]) -> bool {
    let begun = state
        .integration
        .as_ref()
        .is_some_and(|integration| !integration.merged.is_empty());
    state
        .gates
        .get(&GateId::integrate())
        .is_some_and(|gate| match gate.status {
            GateStatus::Consumed { .. } => true,
            GateStatus::Approved { .. } => {
                let asked = &gate.binding.updates;
                begun || accepted.iter().all(|update| asked.contains(update))
            }
            _ => begun,
        })
}

/// Whether a packet goes on by itself and does not wait for an accepted one.
fn goes_on_without(state: &RunState, id: &crate::model::id::PacketId) -> bool {
    state.is_active(id)
        && !state
            .in_plan_order()
            .any(|(other, packet)| packet.stage == Stage::Accepted && state.depends_on(id, other))
}

/// Lays the first conflict out in the integration workspace, once nothing else goes on by itself.
pub(super) fn lay_out_conflict(
    state: &RunState,
    options: &Options,
    _: Timestamp,
) -> Vec<EventKind> {
    let Some(integration) = &state.integration else {
        return Vec::new();
    };
    if !options.goal.integrates()
        || options.winding_down
        || integration.resolving.is_some()
        || integration.put_off
        || !state.units.is_empty()
        || !state.ops.is_empty()
        || state.is_scripted()
        || state.packets.keys().any(|id| state.is_active(id))
        || queue::to_mend(state, options).is_some()
        || queue::to_hand(state, options).is_some()
        || queue::to_take(state, options).is_some()
    {
        return Vec::new();
    }
    let Some((side, tip, again)) = first_conflict(state, integration) else {
        return Vec::new();
    };
    let op = match &integration.workspace {
        None => make_workspace(integration, options),
        Some(workspace) => Op::OpenConflict {
            workspace: workspace.clone(),
            side,
            onto: integration.commit.clone(),
            tip,
            again,
        },
    };
    begin_unless_refused(state, op)
}

fn first_conflict(
    state: &RunState,
    integration: &Integration,
) -> Option<(MergeSide, crate::model::id::CommitId, bool)> {
    if integration.conflict.is_some() {
        return Some((MergeSide::Target, state.target_seen.clone()?, false));
    }
    state
        .in_plan_order()
        .filter(|(_, packet)| packet.stage == Stage::Conflicted)
        .find_map(|(id, packet)| {
            let tip = packet.collected.as_ref()?.tip.clone();
            Some((MergeSide::Packet(id.clone()), tip, packet.refused))
        })
}

pub(super) fn make_workspace(integration: &Integration, options: &Options) -> Op {
    Op::MakeWorkspace {
        workspace: WorkspaceName::Integration,
        attempt: 0,
        base: integration.commit.clone(),
        path: options.sites.path(&WorkspaceName::Integration, 0),
        refs: Vec::new(),
    }
}

pub(super) fn begin_unless_refused(state: &RunState, op: Op) -> Vec<EventKind> {
    if state.refusals.iter().any(|refusal| refusal.op == op) {
        return Vec::new();
    }
    vec![EventKind::OpBegan { op }]
}
