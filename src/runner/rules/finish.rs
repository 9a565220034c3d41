//! Rules at the end: expire approvals, offer the landing, land, push, archive.

use jiff::Timestamp;

use super::question::ask;
use crate::gate::binding_for_land;
use crate::model::event::EventKind;
use crate::model::gate::{Binding, Gate, GateKind, GateStatus, LandPlan, PushPlan};
use crate::model::id::{GateId, PacketId};
use crate::model::op::{MoveWhy, Op, RefUpdate};
use crate::model::packet::Workspace;
use crate::model::state::{RunState, Stage};
use crate::model::unit::WorkspaceName;
use crate::runner::goal::{Goal, Options};
use crate::runner::{jobs, queue};

/// Expires approvals that nobody used in time, and questions whose answer would change nothing any more.
pub(super) fn expire(state: &RunState, _: &Options, now: Timestamp) -> Vec<EventKind> {
    state
        .gates
        .values()
        .filter(|gate| match gate.status {
            GateStatus::Approved { until } => until < now,
            GateStatus::Waiting => is_moot(state, gate),
            _ => false,
        })
        .map(|gate| EventKind::GateExpired {
            gate: gate.id.clone(),
        })
        .collect()
}

/// Whether what a gate asks about is over: its packet came to an end or began again, or the landing would be
/// another one by now.
fn is_moot(state: &RunState, gate: &Gate) -> bool {
    let stage_after = |kind: &str| {
        let id: PacketId = gate.id.as_str().strip_prefix(kind)?.parse().ok()?;
        state.packets.get(&id).map(|packet| packet.stage)
    };
    match gate.kind {
        GateKind::Merge => stage_after("merge:").is_some_and(|stage| stage != Stage::Collected),
        GateKind::Risk => stage_after("risk:").is_some_and(|stage| stage != Stage::Accepted),
        GateKind::Packet => stage_after("packet:").is_some_and(Stage::is_settled),
        GateKind::Land => state.integration.as_ref().is_some_and(|integration| {
            let update = gate.binding.updates.first();
            state.target_seen.as_ref() != Some(&integration.target)
                || update.is_some_and(|update| {
                    update.old.as_ref() != Some(&integration.target)
                        || update.new.as_ref() != Some(&integration.commit)
                })
        }),
        _ => false,
    }
}

/// Opens the gate for landing what is integrated and verified.
pub(super) fn offer_landing(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    if !options.goal.offers_landing()
        || options.winding_down
        || !queue::is_ready_to_land(state)
        || !jobs::is_weighed(state)
    {
        return Vec::new();
    }
    let (Some(binding), Some(frozen), Some(weight)) = (
        landing(state, options),
        &state.frozen,
        state.integration.as_ref().and_then(|i| i.weight.as_ref()),
    ) else {
        return Vec::new();
    };
    let mut why = vec![format!(
        "{} moves by {} {} +{} −{}",
        frozen.target.short(),
        weight.files,
        if weight.files == 1 { "file" } else { "files" },
        weight.additions,
        weight.deletions
    )];
    why.extend(state.failed_before().into_iter().map(|(check, base, now)| {
        let other = if base.output == now.output {
            ""
        } else {
            ", with other output"
        };
        format!(
            "check {} fails ({}) as it did on the base{other}",
            check.name, now.outcome
        )
    }));
    why.extend(
        frozen
            .plan
            .asks_before("land")
            .map(|gate| gate.why.clone())
            .filter(|why| !why.is_empty()),
    );
    ask(state, GateId::land(), GateKind::Land, binding, why, now)
        .into_iter()
        .collect()
}

/// What landing the present integration commit is, exactly.
fn landing(state: &RunState, options: &Options) -> Option<Binding> {
    let frozen = state.frozen.as_ref()?;
    let integration = state.integration.as_ref()?;
    Some(binding_for_land(
        &frozen.repository,
        &options.policy,
        &frozen.target,
        &integration.target,
        &integration.commit,
        integration.weight.as_ref()?.digest.clone(),
    ))
}

/// Moves the target branch, if a person approved exactly that move.
pub(super) fn land(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    let approved = state.is_approved(&GateId::land());
    if options.goal != Goal::Land
        || options.winding_down
        || !approved
        || !queue::is_ready_to_land(state)
        || !jobs::is_weighed(state)
    {
        return Vec::new();
    }
    let gate = &state.gates[&GateId::land()];
    let Some(binding) = landing(state, options).filter(|binding| binding == &gate.binding) else {
        return Vec::new();
    };
    let packets = state
        .integration
        .as_ref()
        .map(|integration| integration.merged.clone())
        .unwrap_or_default();
    begin_unless_refused(
        state,
        Op::Land(LandPlan {
            gate: gate.id.clone(),
            binding,
            packets,
        }),
    )
}

fn begin_unless_refused(state: &RunState, op: Op) -> Vec<EventKind> {
    if !state.ops.is_empty() || state.refusals.iter().any(|refusal| refusal.op == op) {
        return Vec::new();
    }
    vec![EventKind::OpBegan { op }]
}

/// Asks for the push that was looked up, and makes it once a person approved exactly that.
pub(super) fn push(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    let (Goal::Push, Some(binding), Some(frozen)) =
        (&options.goal, &state.push_asked, &state.frozen)
    else {
        return Vec::new();
    };
    let Some(id) = binding
        .remote
        .as_deref()
        .and_then(|remote| GateId::push(remote).ok())
    else {
        return Vec::new();
    };
    if let Some(gate) = state.gates.get(&id)
        && gate.binding == *binding
        && matches!(gate.status, GateStatus::Approved { .. })
    {
        let plan = PushPlan {
            gate: id,
            binding: binding.clone(),
        };
        return begin_unless_refused(state, Op::Push(plan));
    }
    let mut why: Vec<String> = binding
        .updates
        .iter()
        .map(|update| {
            let new = update.new.as_ref().map_or("nothing", |new| new.short());
            format!("{new} goes to {}", update.name.short())
        })
        .collect();
    why.extend(
        frozen
            .plan
            .asks_before("push")
            .map(|gate| gate.why.clone())
            .filter(|why| !why.is_empty()),
    );
    ask(state, id, GateKind::Push, binding.clone(), why, now)
        .into_iter()
        .collect()
}

/// Takes the workspaces away, makes plain refs of the branches, and closes the workflow.
pub(super) fn archive(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    let Goal::Archive { recipe } = &options.goal else {
        return Vec::new();
    };
    if !state.units.is_empty() || !state.ops.is_empty() || options.winding_down {
        return Vec::new();
    }
    let removals: Vec<EventKind> = workspaces(state)
        .map(|(name, workspace, holds)| Op::RemoveWorkspace {
            name,
            workspace: workspace.clone(),
            holds,
        })
        .filter(|op| state.refusals.iter().all(|refusal| &refusal.op != op))
        .map(|op| EventKind::OpBegan { op })
        .collect();
    if !removals.is_empty() {
        return removals;
    }
    if workspaces(state).next().is_some() {
        return Vec::new();
    }
    let op = Op::MoveRefs {
        why: MoveWhy::Archive,
        refs: archived_refs(state),
    };
    if !state.branches_archived {
        return begin_unless_refused(state, op);
    }
    vec![EventKind::Archived {
        recipe: recipe.clone(),
    }]
}

fn workspaces(
    state: &RunState,
) -> impl Iterator<Item = (WorkspaceName, &Workspace, crate::model::id::CommitId)> {
    let of_packets = state.in_plan_order().filter_map(|(id, packet)| {
        let workspace = packet.workspace.as_ref()?;
        let holds = packet.branch.clone().or_else(|| packet.base.clone())?;
        Some((WorkspaceName::Packet(id.clone()), workspace, holds))
    });
    let of_integration = state.integration.iter().filter_map(|integration| {
        let workspace = integration.workspace.as_ref()?;
        let holds = integration
            .holds
            .clone()
            .unwrap_or_else(|| integration.commit.clone());
        Some((WorkspaceName::Integration, workspace, holds))
    });
    of_packets.chain(of_integration)
}

/// Each branch goes away, and a plain ref to the same commit comes: all in one move.
fn archived_refs(state: &RunState) -> Vec<RefUpdate> {
    let branches = state.in_plan_order().filter_map(|(id, packet)| {
        Some((id.as_str(), state.slug.branch(id), packet.branch.clone()?))
    });
    let integration = state.integration.iter().map(|integration| {
        (
            "integration",
            state.slug.integration_branch(),
            integration.commit.clone(),
        )
    });
    branches
        .chain(integration)
        .flat_map(|(name, branch, commit)| {
            [
                RefUpdate {
                    name: state.slug.archived(name),
                    old: None,
                    new: Some(commit.clone()),
                },
                RefUpdate {
                    name: branch,
                    old: Some(commit),
                    new: None,
                },
            ]
        })
        .collect()
}
