//! Asking a person: when a gate is opened, and when its answer counts.

use jiff::Timestamp;

use crate::model::event::EventKind;
use crate::model::gate::{Binding, Gate, GateKind, GateStatus};
use crate::model::id::GateId;
use crate::model::state::RunState;

/// Whether the gate's approval holds: given and not expired, or already spent.
pub(super) fn is_passed(state: &RunState, gate: &GateId) -> bool {
    state.gates.get(gate).is_some_and(|gate| {
        matches!(
            gate.status,
            GateStatus::Approved { .. } | GateStatus::Consumed { .. }
        )
    })
}

/// Why a gate was denied: in the words of the person, else who it was.
pub(super) fn why_not(gate: &Gate) -> String {
    let Some(decision) = &gate.decision else {
        return "denied".to_owned();
    };
    if decision.why.is_empty() {
        format!("rejected by {}", decision.by)
    } else {
        decision.why.clone()
    }
}

/// Opens a gate, unless the very same question was asked already and is waiting or answered. An approval that
/// expired or was taken back, or one that covers something else, is asked for again under the same id.
pub(super) fn ask(
    state: &RunState,
    id: GateId,
    kind: GateKind,
    binding: Binding,
    why: Vec<String>,
    now: Timestamp,
) -> Option<EventKind> {
    let asked = state.gates.get(&id).is_some_and(|gate| {
        gate.binding == binding && !matches!(gate.status, GateStatus::Expired | GateStatus::Revoked)
    });
    (!asked).then_some(EventKind::GateOpened {
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
