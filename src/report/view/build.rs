//! How each part of the view comes from the state. Called by `view` only.

use jiff::Timestamp;

use super::shape::{
    AmountView, BudgetView, CheckView, GateView, IntegrationView, PacketView, PairView, PauseView,
    RemainingView, SpentView,
};
use crate::model::evidence::Evidence;
use crate::model::gate::{Gate, GateStatus};
use crate::model::id::{PacketId, RefName, TreeId};
use crate::model::op::{MergeSide, MoveWhy, Op};
use crate::model::plan::{Check, Kind, Packet};
use crate::model::radar::Pair;
use crate::model::state::{Limit, PacketState, RunState, Stage, Verdict};
use crate::model::unit::{UnitKind, UnitOutcome, WorkspaceName};
use crate::report::lacks::proof_of;
use crate::report::words::one_line;

/// Whole seconds from one time to a later one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second() - from.as_second()).unwrap_or(0)
}

pub(super) fn packet_view(state: &RunState, id: &PacketId, packet: &PacketState) -> PacketView {
    let planned = state.planned(id);
    let facts = packet.collected.as_ref().map(|collected| &collected.facts);
    let name = WorkspaceName::Packet(id.clone());
    PacketView {
        id: id.clone(),
        status: state.status_of(id),
        agent: planned.map_or_else(String::new, |planned| planned.agent_name().to_owned()),
        branch: packet
            .branch
            .as_ref()
            .map(|_| branch_name(state, id.as_str(), &state.slug.branch(id))),
        worktree: packet.workspace.as_ref().map(|made| made.path.clone()),
        base: packet.base.clone(),
        tip: packet.collected.as_ref().map(|work| work.tip.clone()),
        attempts: attempts(state, id, packet),
        files: facts.map(|facts| facts.files),
        additions: facts.map(|facts| facts.additions),
        deletions: facts.map(|facts| facts.deletions),
        reason: state.reason_of(id),
        objective: planned.map_or_else(String::new, |planned| planned.objective.clone()),
        kind: planned.map_or(Kind::Edit, |planned| planned.kind),
        after: planned.map_or_else(Vec::new, |planned| planned.after.clone()),
        parent_work: planned.is_some_and(Packet::is_parent_work),
        turn: packet.turn,
        turns: planned.and_then(|planned| planned.turns).unwrap_or(1),
        doing: doing(state, id, packet),
        accepted_by: packet.accepted_by.clone(),
        merged: packet.merge.as_ref().map(|merge| merge.commit.clone()),
        road: packet.merge.as_ref().map(|merge| merge.road.clone()),
        proof: proof_of(packet).cloned(),
        reverts: packet.reverts.clone(),
        reverted_by: state.reverted_by(id).cloned(),
        conflict: packet
            .conflict
            .iter()
            .filter(|_| packet.stage == Stage::Conflicted)
            .flat_map(|conflict| conflict.files.clone())
            .collect(),
        checks: state
            .packet_checks(id)
            .iter()
            .map(|(check, evidence)| {
                let tree = packet.collected.as_ref().map(|work| &work.tree);
                check_view(
                    state,
                    check,
                    *evidence,
                    tree,
                    checking(state, &name, &check.name),
                )
            })
            .collect(),
        notes: packet.notes.clone(),
        seconds: 0,
        tokens: packet.spent.tokens,
        running_since: state
            .units
            .values()
            .filter(|live| live.unit.workspace == name)
            .map(|live| live.since)
            .min(),
        ended_seconds: packet.spent.millis / 1000,
    }
}

/// A branch's name as git's commands take it; after archiving it is no branch any more.
fn branch_name(state: &RunState, name: &str, branch: &RefName) -> String {
    if state.branches_archived {
        state.slug.archived(name).to_string()
    } else {
        branch.short().to_owned()
    }
}

/// How many attempts were started. A workspace that waits for its first turn is prepared, not started.
fn attempts(state: &RunState, id: &PacketId, packet: &PacketState) -> u32 {
    let name = WorkspaceName::Packet(id.clone());
    let only_prepared = match packet.stage {
        Stage::Planned => state.ops.values().any(
            |open| matches!(&open.op, Op::MakeWorkspace { workspace, .. } if *workspace == name),
        ),
        Stage::Prepared => {
            packet.turn == 0 && packet.claimed_by.is_none() && !state.works_in(&name)
        }
        _ => false,
    };
    packet.attempt.saturating_sub(u32::from(only_prepared))
}

/// What happens to a packet now, where something does.
fn doing(state: &RunState, id: &PacketId, packet: &PacketState) -> Option<String> {
    let name = WorkspaceName::Packet(id.clone());
    let live = state
        .units
        .values()
        .find(|live| live.unit.workspace == name);
    if let Some(live) = live {
        return match &live.unit.kind {
            _ if live.stopping => Some("stopping".to_owned()),
            UnitKind::Setup { run, .. } => Some(format!("setting up: {}", one_line(run))),
            UnitKind::Check { check, .. } => Some(format!("checking: {}", one_line(check))),
            UnitKind::Work { turn } if *turn > 1 => packet
                .feedback
                .last()
                .and_then(|feedback| feedback.lines().find(|line| !line.trim().is_empty()))
                .map(|line| format!("mending: {}", one_line(line))),
            UnitKind::Work { .. } | UnitKind::Call { .. } => None,
        };
    }
    for open in state.ops.values() {
        match &open.op {
            Op::MakeWorkspace { workspace, .. } if *workspace == name => {
                return Some("its workspace is being made".to_owned());
            }
            Op::AdvancePacket { packet, .. } if packet == id => {
                return Some("being collected".to_owned());
            }
            Op::MoveRefs {
                why: MoveWhy::Integrate(packets),
                ..
            } if packets.contains(id) => return Some("being merged".to_owned()),
            _ => {}
        }
    }
    match packet.stage {
        Stage::Returned => Some("being collected".to_owned()),
        Stage::Accepted if packet.resolution.is_some() => {
            Some("resolved by hand, to be merged".to_owned())
        }
        Stage::Accepted => Some("to be merged".to_owned()),
        Stage::Stale if state.what_it_needs(id).is_none() => Some("to be replayed".to_owned()),
        _ => None,
    }
}

pub(super) fn integration_view(state: &RunState) -> IntegrationView {
    let at = state.integration.as_ref();
    IntegrationView {
        branch: branch_name(state, "integration", &state.slug.integration_branch()),
        commit: at.map(|at| at.commit.clone()),
        tree: at.map(|at| at.tree.clone()),
        merged: at.map_or_else(Vec::new, |at| at.merged.clone()),
        resolving: at.and_then(|at| match &at.resolving {
            Some((MergeSide::Packet(packet), _)) => Some(packet.clone()),
            _ => None,
        }),
        worktree: at
            .and_then(|at| at.workspace.as_ref())
            .map(|made| made.path.clone()),
        reason: at.and_then(|at| {
            at.broken.clone().or_else(|| {
                at.conflict.as_ref().map(|conflict| {
                    let paths: Vec<String> =
                        conflict.files.iter().map(|f| f.path.to_string()).collect();
                    format!("the target moved and conflicts in {}", paths.join(", "))
                })
            })
        }),
    }
}

pub(super) fn pair_view(pair: &Pair) -> PairView {
    PairView {
        packets: pair.packets.clone(),
        status: if pair.files.is_empty() {
            "clean"
        } else {
            "conflict"
        },
        conflicts: pair.files.clone(),
    }
}

pub(super) fn gate_view(gate: &Gate) -> GateView {
    let first = gate.binding.updates.first();
    GateView {
        id: gate.id.clone(),
        kind: gate.kind.word(),
        status: gate.status.word(),
        name: first.map(|update| update.name.clone()),
        old: first.and_then(|update| update.old.clone()),
        new: first.and_then(|update| update.new.clone()),
        updates: gate.binding.updates.clone(),
        remote: gate.binding.remote.clone(),
        diff: gate.binding.diff.clone(),
        why: gate.why.clone(),
        opened: gate.opened,
        until: match gate.status {
            GateStatus::Approved { until } => Some(until),
            _ => None,
        },
        by: gate.decision.as_ref().map(|decision| decision.by.clone()),
    }
}

fn checking(state: &RunState, workspace: &WorkspaceName, name: &str) -> bool {
    state
        .units_in(workspace)
        .any(|unit| matches!(&unit.kind, UnitKind::Check { check, .. } if check == name))
}

pub(super) fn integrated_check(
    state: &RunState,
    check: &Check,
    evidence: Option<&Evidence>,
) -> CheckView {
    let tree = state.integration.as_ref().map(|at| &at.tree);
    let running = checking(state, &WorkspaceName::Integration, &check.name);
    let mut view = check_view(state, check, evidence, tree, running);
    let earlier = state
        .evidence
        .iter()
        .rev()
        .find(|old| old.packet.is_none() && old.run == check.run);
    if view.status == "planned"
        && let Some(earlier) = earlier
    {
        view = check_view(state, check, Some(earlier), tree, false);
        view.status = "stale";
    }
    view
}

fn check_view(
    state: &RunState,
    check: &Check,
    evidence: Option<&Evidence>,
    tree: Option<&TreeId>,
    running: bool,
) -> CheckView {
    CheckView {
        name: check.name.clone(),
        tree: evidence.map(|evidence| &evidence.tree).or(tree).cloned(),
        status: match evidence {
            _ if running => "running",
            None => "planned",
            Some(evidence) if evidence.passed() => "passed",
            Some(_) => "failed",
        },
        exit_code: evidence.and_then(|evidence| match evidence.outcome {
            UnitOutcome::Exited(code) => Some(code),
            _ => None,
        }),
        run: check.run.clone(),
        outcome: evidence.map(|evidence| evidence.outcome.to_string()),
        output: evidence.map(|evidence| evidence.output.clone()),
        at: evidence.map(|evidence| evidence.at),
        failed_before: state.verdict(check, evidence) == Verdict::FailedBefore,
    }
}

pub(super) fn budget_view(state: &RunState) -> BudgetView {
    let budget = state.budget().unwrap_or_default();
    let (spent, reserved) = (&state.spent, state.reserved());
    let left = |most: u64, spent: u64, reserved: u64| most.saturating_sub(spent + reserved);
    BudgetView {
        concurrency: budget.concurrency,
        minutes: budget.minutes,
        tokens: budget.tokens,
        dollars: budget.dollars,
        packets: budget.packets,
        spent: SpentView {
            seconds: spent.millis / 1000,
            tokens: spent.tokens,
            dollars: spent.dollars,
            packets: state.begun(),
            turns_without_tokens: spent.uncounted,
            turns_without_dollars: spent.unpriced,
        },
        reserved: AmountView {
            seconds: reserved.millis / 1000,
            tokens: reserved.tokens,
            dollars: reserved.dollars,
        },
        remaining: RemainingView {
            seconds: budget.minutes.map(|minutes| {
                left(u64::from(minutes) * 60_000, spent.millis, reserved.millis) / 1000
            }),
            tokens: budget
                .tokens
                .map(|most| left(most, spent.tokens, reserved.tokens)),
            dollars: budget
                .dollars
                .map(|most| (most - spent.dollars - reserved.dollars).max(0.0)),
            packets: budget.packets.map(|most| {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                most.saturating_sub(state.begun())
            }),
        },
        used_up: state.held_back().map(Limit::of_workflow),
    }
}

/// The pauses that are not over.
pub(super) fn pause_views(state: &RunState, now: Timestamp) -> Vec<PauseView> {
    state
        .pauses
        .iter()
        .filter(|(_, pause)| now < pause.until)
        .map(|(agent, pause)| PauseView {
            agent: agent.clone(),
            until: pause.until,
            why: pause.why.clone(),
            in_a_row: pause.in_a_row,
        })
        .collect()
}
