//! Whose turn it is to be merged, and whether everything is there that can be landed. Pure.
//!
//! Packets are merged one after another, all whose turn it is in one job, with the order and the result of
//! merging each by itself. Packets whose changes cannot meet are merged as they come; where they can
//! meet, the order of the plan decides, so that the same plan with the same work gives the same tree however
//! the units were scheduled, and however often dynwf was killed in between.

use super::goal::{Goal, Options};
use crate::model::gate::GateStatus;
use crate::model::id::{GateId, PacketId};
use crate::model::op::{MoveWhy, Op};
use crate::model::packet::{Merge, RiskFacts};
use crate::model::plan::Order;
use crate::model::scope::Scope;
use crate::model::state::{Integration, PacketState, RunState, Stage};
use crate::model::unit::WorkspaceName;

/// Whether packets are to be merged now.
pub(super) fn must_merge(state: &RunState, options: &Options) -> bool {
    options.goal.integrates() && !options.winding_down && next_merge(state).is_some()
}

/// Returns the packet that is to be merged next, if one may be.
pub(super) fn next_merge(state: &RunState) -> Option<PacketId> {
    let integration = state.integration.as_ref()?;
    if integration.broken.is_some() || !is_calm(state, integration) || !may_integrate(state) {
        return None;
    }
    let accepted: Vec<(&PacketId, &PacketState)> = state
        .in_plan_order()
        .filter(|(id, packet)| packet.stage == Stage::Accepted && !is_in_doubt(state, id, packet))
        .collect();
    let made = |packet: &PacketState| {
        packet
            .merge
            .as_ref()
            .is_some_and(|merge| merge.onto == integration.commit)
    };
    if accepted.iter().any(|(_, packet)| made(packet)) {
        return None;
    }
    let order = state.frozen.as_ref()?.plan.integration.order;
    let mut free = accepted
        .into_iter()
        .filter(|(id, packet)| !waits_for_another(state, id, packet, order));
    match order {
        Order::Plan => free.next(),
        Order::SmallestFirst => free.min_by_key(|(_, packet)| size(packet)),
    }
    .map(|(id, _)| id.clone())
}

/// Whether the packet's merge lacks something that a person has not agreed to.
pub(super) fn is_in_doubt(state: &RunState, id: &PacketId, packet: &PacketState) -> bool {
    packet.proof.as_ref().is_some_and(|proof| proof.asks)
        && !state.gates.get(&GateId::risk(id)).is_some_and(|gate| {
            matches!(
                gate.status,
                GateStatus::Approved { .. } | GateStatus::Consumed { .. }
            )
        })
}

/// Returns the packet whose conflict is to be settled by rule next, if one can be: on the integration branch as it is now,
/// once nothing else can be merged onto it. What a person did not want is not done again, and a script settles the
/// conflicts of its packets itself.
pub(super) fn to_mend(state: &RunState, options: &Options) -> Option<PacketId> {
    open_conflicts(state, options)?
        .find(|(_, packet)| {
            let tip = packet.collected.as_ref().map(|work| &work.tip);
            packet.unruly.as_ref() != tip
                && packet
                    .conflict
                    .as_ref()
                    .is_some_and(|conflict| options.rules.name_all(&conflict.files))
        })
        .map(|(id, _)| id.clone())
}

/// Returns the packet whose conflict is to be given to a resolver next: one at a time, each once.
pub(super) fn to_hand(state: &RunState, options: &Options) -> Option<PacketId> {
    options.resolver.as_ref()?;
    let at_work = |(id, packet): (&PacketId, &PacketState)| {
        packet.resolves.is_some() && !packet.stage.is_settled() && state.planned(id).is_some()
    };
    if !options.goal.works()
        || to_mend(state, options).is_some()
        || state.packets.iter().any(at_work)
    {
        return None;
    }
    open_conflicts(state, options)?
        .find(|(_, packet)| {
            packet.handed.as_ref() != packet.collected.as_ref().map(|work| &work.tip)
        })
        .map(|(id, _)| id.clone())
}

/// Returns the packet of a resolver whose work is to be looked at.
pub(super) fn to_take(state: &RunState, options: &Options) -> Option<PacketId> {
    let may = options.goal.integrates() && !options.winding_down;
    state
        .in_plan_order()
        .find(|(id, packet)| {
            may && packet.resolves.is_some() && is_advanced(state, id) && state.checks_passed(id)
        })
        .map(|(id, _)| id.clone())
}

/// The conflicts that can be dealt with now, and that a person has not taken up.
fn open_conflicts<'a>(
    state: &'a RunState,
    options: &Options,
) -> Option<impl Iterator<Item = (&'a PacketId, &'a PacketState)>> {
    let integration = state.integration.as_ref()?;
    let may = options.goal.integrates()
        && !options.winding_down
        && integration.broken.is_none()
        && integration.resolving.is_none()
        && !state.is_scripted()
        && is_calm(state, integration)
        && !must_merge(state, options);
    may.then(|| {
        state
            .in_plan_order()
            .filter(|(_, packet)| packet.stage == Stage::Conflicted && !packet.refused)
    })
}

/// Whether tips are on their way that were not held against the others. What can be merged for good need not be
/// guessed at.
pub(super) fn must_sweep(state: &RunState, options: &Options) -> bool {
    options.goal.integrates()
        && !options.winding_down
        && state.ops.is_empty()
        && !must_merge(state, options)
        && state.on_their_way().nth(1).is_some()
        && state
            .on_their_way()
            .any(|(_, work)| !state.radar.has_swept(&work.tip))
}

/// Takes into account, on a copy of the state, what came of a packet's turn: [`next_merge`] then names the one
/// that comes after it.
pub(super) fn assume(state: &mut RunState, id: &PacketId, merge: Option<&Merge>) {
    if let Some(packet) = state.packets.get_mut(id) {
        packet.stage = match merge {
            Some(_) => Stage::Integrated,
            None => Stage::Conflicted,
        };
    }
    if let (Some(integration), Some(merge)) = (&mut state.integration, merge) {
        integration.commit = merge.commit.clone();
        integration.tree = merge.tree.clone();
        integration.merged.push(id.clone());
    }
}

/// Whether packets are to leave the integration branch, and it can be put together again.
pub(super) fn must_rebuild(state: &RunState, options: &Options) -> bool {
    let goes = options.goal.integrates() || options.goal.verifies();
    state.integration.as_ref().is_some_and(|integration| {
        integration.rebuild.is_none()
            && integration.broken.is_none()
            && is_still(state, integration)
            && state.base_tree().is_some()
    }) && goes
        && !options.winding_down
        && state.has_outcasts()
}

/// Returns the packets whose work is to be replayed onto what took the place of their base.
pub(super) fn to_restack<'a>(
    state: &'a RunState,
    options: &Options,
) -> impl Iterator<Item = &'a PacketId> {
    let calm = state
        .integration
        .as_ref()
        .is_some_and(|integration| is_calm(state, integration));
    let may = calm && options.goal.integrates() && !options.winding_down;
    state
        .in_plan_order()
        .filter(move |(id, packet)| {
            may && packet.stage == Stage::Stale
                && packet.restack.is_none()
                && packet.branch.is_some()
                && packet.branch.as_ref() == packet.collected.as_ref().map(|work| &work.tip)
                && state.what_it_needs(id).is_none()
        })
        .map(|(id, _)| id)
}

/// Whether the integration branch is not about to move for another reason, and nothing is to leave it.
pub(super) fn is_calm(state: &RunState, integration: &Integration) -> bool {
    is_still(state, integration) && integration.rebuild.is_none() && !state.has_outcasts()
}

/// Whether the integration branch is not about to move for another reason.
fn is_still(state: &RunState, integration: &Integration) -> bool {
    let moving = state
        .ops
        .values()
        .any(|open| matches!(open.op, Op::MoveRefs { .. } | Op::Land(_)));
    !moving
        && !stands_elsewhere(state)
        && integration.following.is_none()
        && integration.conflict.is_none()
        && state.target_seen.as_ref() == Some(&integration.target)
}

/// Whether somebody else moved the integration branch: in this run nothing more is merged onto it.
fn stands_elsewhere(state: &RunState) -> bool {
    state.refusals.iter().any(|refusal| {
        matches!(
            refusal.op,
            Op::MoveRefs {
                why: MoveWhy::Integrate(_) | MoveWhy::FollowTarget | MoveWhy::Rebuild,
                ..
            }
        )
    })
}

/// Whether the plan lets packets be merged: it does not ask before, or a person said yes.
fn may_integrate(state: &RunState) -> bool {
    let asks = state
        .frozen
        .as_ref()
        .is_some_and(|frozen| frozen.plan.asks_before("integrate").is_some());
    !asks
        || state.gates.get(&GateId::integrate()).is_some_and(|gate| {
            matches!(
                gate.status,
                GateStatus::Approved { .. } | GateStatus::Consumed { .. }
            )
        })
}

/// Whether a packet that is still on its way by itself may change the same files and goes first.
fn waits_for_another(state: &RunState, id: &PacketId, packet: &PacketState, order: Order) -> bool {
    if state.is_scripted() {
        // The script says what is merged when.
        return false;
    }
    let facts = packet.collected.as_ref().map(|collected| &collected.facts);
    let mut before_it = true;
    state.in_plan_order().any(|(other, other_state)| {
        if other == id {
            before_it = false;
            return false;
        }
        (before_it || order == Order::SmallestFirst)
            && other_state.stage != Stage::Accepted
            && state.is_active(other)
            && !state.depends_on(other, id)
            && facts.is_none_or(|facts| may_meet(state, other, facts))
    })
}

/// Whether a packet may change a path that these facts name.
fn may_meet(state: &RunState, other: &PacketId, facts: &RiskFacts) -> bool {
    if facts.paths.len() >= RiskFacts::MAX_PATHS {
        return true;
    }
    state.planned(other).is_some_and(|planned| {
        Scope::new(&planned.scope).map_or(true, |scope| {
            facts.paths.iter().any(|path| scope.covers(path.as_bytes()))
        })
    })
}

fn size(packet: &PacketState) -> u64 {
    packet.collected.as_ref().map_or(0, |collected| {
        u64::from(collected.facts.additions) + u64::from(collected.facts.deletions)
    })
}

/// Whether the target moved and is to be merged before anything else is.
pub(super) fn must_follow_target(state: &RunState, options: &Options) -> bool {
    let Some(integration) = &state.integration else {
        return false;
    };
    !matches!(options.goal, Goal::Answer | Goal::Split | Goal::Push)
        && !matches!(options.goal, Goal::Archive { .. })
        && !options.winding_down
        && state.target_seen.as_ref() != Some(&integration.target)
        && integration.following.is_none()
        && integration.rebuild.is_none()
        && integration.conflict.is_none()
        && integration.broken.is_none()
        && !state
            .ops
            .values()
            .any(|open| matches!(open.op, Op::MoveRefs { .. } | Op::Land(_)))
}

/// Whether the packet's work is a commit, its branch points at it, and nobody moves it now.
pub(super) fn is_advanced(state: &RunState, id: &PacketId) -> bool {
    let has_open_op = state.ops.values().any(|open| open.op.packet() == Some(id));
    state.packets.get(id).is_some_and(|packet| {
        packet.stage == Stage::Collected
            && packet.branch.as_ref() == packet.collected.as_ref().map(|collected| &collected.tip)
    }) && !has_open_op
}

/// Whether everything is there that will be there, checked, and not yet landed.
pub(super) fn is_ready_to_land(state: &RunState) -> bool {
    let Some(integration) = &state.integration else {
        return false;
    };
    everything_is_over(state)
        && !integration.merged.is_empty()
        && integration.broken.is_none()
        && is_calm(state, integration)
        && integration.target != integration.commit
        && state.is_verified()
}

/// Whether nothing more comes of any packet unless a person decides anew.
pub(super) fn everything_is_over(state: &RunState) -> bool {
    state.units.is_empty()
        && !state.is_scripted()
        && state.packets.keys().all(|id| state.is_over(id))
}

/// Whether somebody works in a packet's workspace.
pub(super) fn is_busy(state: &RunState, id: &PacketId, packet: &PacketState) -> bool {
    let begun = matches!(packet.stage, Stage::Working | Stage::Returned);
    let claimed = packet.claimed_by.is_some() && !packet.stage.is_settled();
    begun || claimed || state.works_in(&WorkspaceName::Packet(id.clone()))
}
