//! Rules around what leaves the integration branch and what comes back: blame a packet, move the branch to what was
//! put together again, bring a packet's branch to its replayed work.

use jiff::Timestamp;

use super::start::has_open_op;
use crate::model::event::EventKind;
use crate::model::id::PacketId;
use crate::model::op::{MoveWhy, Op, RefUpdate};
use crate::model::packet::Blame;
use crate::model::plan::Check;
use crate::model::state::{PacketState, RunState, Stage};
use crate::model::unit::{UnitOutcome, WorkspaceName};
use crate::runner::goal::Options;
use crate::runner::limit;
use crate::runner::suspect::{self, Suspicion};

/// Blames the packet that turned a check of the integrated tree red, once it is found.
pub(super) fn blame(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some(Suspicion::Guilty {
        packet: id,
        check,
        outcome,
        tree,
    }) = suspect::suspicion(state, options)
    else {
        return Vec::new();
    };
    let Some(packet) = state.packets.get(&id) else {
        return Vec::new();
    };
    let again = goes_back(state, &id, packet);
    vec![EventKind::PacketBlamed {
        why: why(&check, &outcome, &again),
        blame: Blame {
            check: check.name,
            run: check.run,
            tree,
            again: again.is_ok(),
        },
        packet: id,
    }]
}

/// Whether a packet's worker is asked once more, or why not (in words that may be empty).
fn goes_back(state: &RunState, id: &PacketId, packet: &PacketState) -> Result<(), String> {
    let planned = state.planned(id).ok_or_else(String::new)?;
    if planned.turns.is_none_or(|turns| turns < 2) || planned.is_parent_work() {
        return Err(String::new());
    }
    limit::end_of_turns(state, planned, packet).map_or(Ok(()), Err)
}

fn why(check: &Check, outcome: &UnitOutcome, again: &Result<(), String>) -> String {
    let end = match again {
        Err(end) if !end.is_empty() => format!("; {end}"),
        _ => String::new(),
    };
    format!(
        "check `{}` {outcome} once it was merged with the others; it was taken out{end}",
        check.name
    )
}

/// Moves the integration branch to what was put together again; where it stood is kept by a ref.
pub(super) fn move_rebuilt(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    let moving = state
        .ops
        .values()
        .any(|open| matches!(open.op, Op::MoveRefs { .. } | Op::Land(_)));
    let Some(rebuild) = state
        .integration
        .as_ref()
        .filter(|_| !moving)
        .and_then(|integration| integration.rebuild.as_ref())
    else {
        return Vec::new();
    };
    let op = Op::MoveRefs {
        why: MoveWhy::Rebuild,
        refs: vec![
            RefUpdate {
                name: state.slug.integration_branch(),
                old: Some(rebuild.from.clone()),
                new: Some(rebuild.commit.clone()),
            },
            RefUpdate {
                name: state.slug.before("integration", &rebuild.from),
                old: None,
                new: Some(rebuild.from.clone()),
            },
        ],
    };
    vec![EventKind::OpBegan { op }]
}

/// Brings a packet's branch and workspace to its replayed work; where the branch stood is kept by a ref.
pub(super) fn move_restacked(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            packet.stage == Stage::Stale
                && !has_open_op(state, id)
                && !state.works_in(&WorkspaceName::Packet((*id).clone()))
        })
        .find_map(|(id, packet)| move_one(state, id, packet, packet.branch.clone()?))
        .into_iter()
        .collect()
}

fn move_one(
    state: &RunState,
    id: &PacketId,
    packet: &PacketState,
    branch: crate::model::id::CommitId,
) -> Option<EventKind> {
    let restack = packet.restack.as_ref()?;
    let update = |name, old, new: &crate::model::id::CommitId| RefUpdate {
        name,
        old,
        new: Some(new.clone()),
    };
    let new = &restack.collected;
    let refs = vec![
        update(state.slug.branch(id), Some(branch), &new.tip),
        update(
            state.slug.before(id.as_str(), &restack.from),
            None,
            &restack.from,
        ),
        update(state.slug.base_pin(id), None, &new.base),
        update(state.slug.tip_pin(id, packet.attempt), None, &new.tip),
    ];
    Some(EventKind::OpBegan {
        op: Op::RestackPacket {
            packet: id.clone(),
            workspace: packet.workspace.clone(),
            from: restack.from.clone(),
            refs,
        },
    })
}
