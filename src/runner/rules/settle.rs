//! Rules that settle what a worker left: move the branch, judge the checks, ask or accept.

use jiff::Timestamp;

use super::question::{ask, why_not};
use super::start::has_open_op;
use crate::gate::{binding_for_merge, policy};
use crate::model::event::{EventKind, GivenUp};
use crate::model::gate::{GateKind, GateStatus};
use crate::model::id::{GateId, PacketId};
use crate::model::op::{Op, RefUpdate};
use crate::model::plan::Kind;
use crate::model::state::{PacketState, RunState, Stage, Verdict};
use crate::model::unit::WorkspaceName;
use crate::runner::goal::Options;
use crate::runner::limit;
use crate::runner::queue::is_advanced;
use crate::runner::resolving;

/// How many paths outside a scope a reason names.
const NAMED_PATHS: usize = 5;

/// Moves a packet's branch to its collected work and pins that attempt's tip.
pub(super) fn advance(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            matches!(packet.stage, Stage::Collected | Stage::Stale)
                && packet.restack.is_none()
                && !has_open_op(state, id)
        })
        .find_map(|(id, packet)| {
            let collected = packet.collected.as_ref()?;
            if packet.branch.as_ref() == Some(&collected.tip) {
                return None;
            }
            // An earlier turn of the same attempt was collected before: its tip gives way to this one.
            let earlier = packet.branch.clone();
            let earlier = earlier.filter(|branch| Some(branch) != packet.base.as_ref());
            let refs = vec![
                RefUpdate {
                    name: state.slug.branch(id),
                    old: collected.found.clone().or_else(|| packet.branch.clone()),
                    new: Some(collected.tip.clone()),
                },
                RefUpdate {
                    name: state.slug.tip_pin(id, packet.attempt),
                    old: earlier,
                    new: Some(collected.tip.clone()),
                },
            ];
            let op = Op::AdvancePacket {
                packet: id.clone(),
                workspace: packet.workspace.clone(),
                refs,
            };
            Some(EventKind::OpBegan { op })
        })
        .into_iter()
        .collect()
}

/// Fails a packet whose worker failed, that changed what it may not change, or whose check failed; sends it
/// back for another turn while it has turns; finishes research.
pub(super) fn judge(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    state
        .in_plan_order()
        .filter(|(id, _)| is_advanced(state, id))
        .find_map(|(id, packet)| judge_one(state, id, packet))
        .into_iter()
        .collect()
}

fn judge_one(state: &RunState, id: &PacketId, packet: &PacketState) -> Option<EventKind> {
    let planned = state.planned(id)?;
    let collected = packet.collected.as_ref()?;
    let failed = |why: String| Some(resolving::failed(state, id, why));
    if let Some(why) = worker_failure(packet) {
        return failed(format!(
            "{why}; its work is kept as {}",
            collected.tip.short()
        ));
    }
    if matches!(planned.kind, Kind::Research | Kind::Review) {
        return Some(EventKind::PacketFinished { packet: id.clone() });
    }
    if !collected.facts.outside.is_empty() {
        return failed(outside(&collected.facts.outside));
    }
    let name = WorkspaceName::Packet(id.clone());
    if state.works_in(&name) {
        return None;
    }
    let (check, evidence) = state
        .packet_checks(id)
        .into_iter()
        .find_map(|(check, said)| {
            let judged = match state.verdict(&check, said) {
                // Whether it failed before is being looked into.
                Verdict::FailedPerhapsBefore => !can_ask_the_base(state),
                verdict => verdict == Verdict::Failed,
            };
            judged.then_some((check, said?))
        })?;
    let why = format!("check `{}` {}", check.name, evidence.outcome);
    if planned.turns.is_none_or(|turns| turns < 2) || planned.is_parent_work() {
        return failed(why);
    }
    match limit::end_of_turns(state, planned, packet) {
        Some(end) => failed(format!("{why}; {end}")),
        None => Some(EventKind::PacketTurned {
            packet: id.clone(),
            feedback: why,
        }),
    }
}

/// Whether a check can run on the base: the integration workspace is not in a person's hands.
fn can_ask_the_base(state: &RunState) -> bool {
    state
        .integration
        .as_ref()
        .is_some_and(|integration| integration.resolving.is_none() && integration.broken.is_none())
}

/// Returns what a worker itself says went wrong, or its exit does.
pub(in crate::runner) fn worker_failure(packet: &PacketState) -> Option<String> {
    let outcome = packet
        .outcome
        .as_ref()
        .filter(|outcome| !outcome.is_success());
    packet
        .complaint
        .as_ref()
        .map(|why| format!("its agent {why}"))
        .or_else(|| outcome.map(ToString::to_string))
}

fn outside(paths: &[crate::model::path::RepoPath]) -> String {
    let named: Vec<String> = paths
        .iter()
        .take(NAMED_PATHS)
        .map(ToString::to_string)
        .collect();
    let more = paths.len().saturating_sub(NAMED_PATHS);
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("changed outside its scope: {}{and_more}", named.join(", "))
}

/// Accepts a packet whose checks passed, or asks a person where the policy wants that.
pub(super) fn decide(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    if !options.goal.integrates() {
        return Vec::new();
    }
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            is_advanced(state, id)
                && state.checks_passed(id)
                && packet.resolves.is_none()
                && !is_held(packet)
        })
        .find_map(|(id, packet)| decide_one(state, options, id, packet, now))
        .into_iter()
        .collect()
}

/// Whether a script has not asked for the packet yet; one that changed nothing needs no asking.
fn is_held(packet: &PacketState) -> bool {
    let changed = packet
        .collected
        .as_ref()
        .is_some_and(|collected| collected.tip != collected.base);
    changed
        && packet
            .script
            .as_ref()
            .is_some_and(|of_script| of_script.held)
}

fn decide_one(
    state: &RunState,
    options: &Options,
    id: &PacketId,
    packet: &PacketState,
    now: Timestamp,
) -> Option<EventKind> {
    let collected = packet.collected.as_ref()?;
    if collected.tip == collected.base {
        return Some(EventKind::PacketEmptied {
            packet: id.clone(),
            notes: Vec::new(),
        });
    }
    let accepted = |by: &str| {
        Some(EventKind::PacketAccepted {
            packet: id.clone(),
            by: by.to_owned(),
        })
    };
    let why = policy::judge(&collected.facts, &options.policy);
    if why.is_empty() {
        return accepted("policy");
    }
    let repository = &state.frozen.as_ref()?.repository;
    let binding = binding_for_merge(repository, &options.policy, &state.slug, id, collected);
    let gate = GateId::merge(id);
    if let Some(question) = ask(state, gate.clone(), GateKind::Merge, binding, why, now) {
        return Some(question);
    }
    let gate = state.gates.get(&gate)?;
    let by = gate
        .decision
        .as_ref()
        .map_or("", |decision| decision.by.as_str());
    match gate.status {
        GateStatus::Approved { .. } => accepted(by),
        GateStatus::Denied => Some(EventKind::PacketGivenUp {
            packet: id.clone(),
            how: GivenUp::Rejected,
            why: why_not(gate),
        }),
        _ => None,
    }
}
