//! What follows from the state: rules, applied until none has anything to add.
//!
//! Rules are level-triggered: each looks at the state alone, never at what just happened, so a crash between
//! two facts loses nothing. They are pure: no files, no git, no clock but the time that is passed in. The
//! dispatcher calls [`next`] again and again on the state that the last answer led to.

mod finish;
mod merge;
mod settle;
mod start;

use jiff::Timestamp;

pub(super) use settle::worker_failure;

use super::goal::Options;
use crate::model::event::EventKind;
use crate::model::gate::{Binding, Gate, GateKind, GateStatus};
use crate::model::id::GateId;
use crate::model::state::RunState;

type Rule = fn(&RunState, &Options, Timestamp) -> Vec<EventKind>;

/// The rules, in the order in which they are asked. What ends something comes before what starts something,
/// so that limits are free when new work is chosen.
const RULES: &[Rule] = &[
    finish::expire,
    settle::advance,
    settle::judge,
    settle::decide,
    merge::move_branch,
    merge::follow_target,
    start::begin,
    start::ask_before_packets,
    start::prepare,
    start::set_up,
    start::check,
    start::work,
    merge::ask_before_merging,
    merge::lay_out_conflict,
    merge::verify,
    finish::offer_landing,
    finish::land,
    finish::push,
    finish::archive,
];

/// Returns what follows from the state; empty if nothing does.
pub(super) fn next(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    if state.frozen.is_none() || state.archived {
        return Vec::new();
    }
    RULES
        .iter()
        .map(|rule| rule(state, options, now))
        .find(|facts| !facts.is_empty())
        .unwrap_or_default()
}

/// Whether the gate's approval holds: given and not expired, or already spent.
fn is_passed(state: &RunState, gate: &GateId) -> bool {
    state.gates.get(gate).is_some_and(|gate| {
        matches!(
            gate.status,
            GateStatus::Approved { .. } | GateStatus::Consumed { .. }
        )
    })
}

/// Opens a gate, unless the very same question was asked already and is waiting or answered. An approval that
/// expired or was taken back, or one that covers something else, is asked for again under the same id.
fn ask(
    state: &RunState,
    id: GateId,
    kind: GateKind,
    binding: Binding,
    why: Vec<String>,
    now: Timestamp,
) -> Option<EventKind> {
    let asked = state.gates.get(&id).is_some_and(|gate| {
        gate.binding == binding
            && !matches!(gate.status, GateStatus::Expired | GateStatus::Revoked)
    });
    (!asked).then(|| EventKind::GateOpened {
        gate: Gate {
            id,
            kind,
            binding,
            why,
            status: GateStatus::Waiting,
            opened: now,
            decision: None,
        },
    })
}
