//! How a run ended: the exit code and why, derived from the state.

use super::goal::{Goal, Options};
use crate::error::ExitCode;
use crate::model::gate::GateStatus;
use crate::model::id::GateId;
use crate::model::state::{RunState, Stage};
use crate::model::status::PacketStatus;
use crate::model::unit::UnitOutcome;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct End {
    /// What the process should end with.
    pub code: ExitCode,
    /// What kept the goal from being reached, for people; empty if it was reached.
    pub why: Vec<String>,
}

/// Returns how a run with this goal ended.
pub(super) fn end(state: &RunState, options: &Options) -> End {
    let mut why: Vec<String> = state
        .refusals
        .iter()
        .map(|refusal| refusal.why.clone())
        .collect();
    let code = match &options.goal {
        Goal::Answer | Goal::Split => {
            if why.is_empty() {
                ExitCode::Done
            } else {
                ExitCode::PacketsFailed
            }
        }
        Goal::Run | Goal::Integrate if merging_was_denied(state) => {
            why.push(format!(
                "merging was denied; dynwf approve {} integrate takes that back",
                state.slug
            ));
            ExitCode::first_of(&[ExitCode::Waiting, standing(state)])
        }
        Goal::Run | Goal::Integrate | Goal::Verify => match standing(state) {
            // What was refused is not done, whatever the packets say.
            ExitCode::Done if !why.is_empty() => ExitCode::PacketsFailed,
            code => code,
        },
        Goal::Land => landed(state, &mut why),
        Goal::Push => pushed(state, &mut why),
        Goal::Archive { .. } if state.archived => ExitCode::Done,
        Goal::Archive { .. } => ExitCode::PacketsFailed,
    };
    End { code, why }
}

/// Whether accepted packets are there that a person does not want merged.
fn merging_was_denied(state: &RunState) -> bool {
    let denied = state
        .gates
        .get(&GateId::integrate())
        .is_some_and(|gate| gate.status == GateStatus::Denied);
    denied
        && state
            .packets
            .values()
            .any(|packet| packet.stage == Stage::Accepted)
}

/// The exit code for how a workflow stands: the first of the documented order.
pub fn standing(state: &RunState) -> ExitCode {
    let statuses: Vec<PacketStatus> = state.packets.keys().map(|id| state.status_of(id)).collect();
    let mut codes = Vec::new();
    // Work outside dynwf waits for a person just as a gate does.
    if state.waiting_gates().next().is_some() || state.parent_work().next().is_some() {
        codes.push(ExitCode::Waiting);
    }
    let target_conflict = state
        .integration
        .as_ref()
        .is_some_and(|integration| integration.conflict.is_some());
    if statuses.contains(&PacketStatus::Conflicted) || target_conflict {
        codes.push(ExitCode::Conflict);
    }
    if state.verification_failed() {
        codes.push(ExitCode::VerificationFailed);
    }
    let ended_by_budget = state.packets.values().any(|packet| {
        packet.stage == Stage::Failed && matches!(packet.outcome, Some(UnitOutcome::OverBudget(_)))
    });
    if state.held_back().is_some() || ended_by_budget {
        codes.push(ExitCode::BudgetExhausted);
    }
    let script_failed = state
        .script
        .as_ref()
        .is_some_and(crate::model::state::ScriptState::has_failed);
    let failed = script_failed
        || state.packets.keys().any(|id| {
            matches!(
                state.status_of(id),
                PacketStatus::Failed | PacketStatus::Rejected
            ) || state.is_hopeless(id)
        });
    if failed {
        codes.push(ExitCode::PacketsFailed);
    }
    ExitCode::first_of(&codes)
}

fn landed(state: &RunState, why: &mut Vec<String>) -> ExitCode {
    let done = state.integration.as_ref().is_some_and(|integration| {
        integration.target == integration.commit && !integration.merged.is_empty()
    });
    if done {
        why.clear();
        return ExitCode::Done;
    }
    match state.gates.get(&GateId::land()).map(|gate| &gate.status) {
        Some(GateStatus::Waiting) => ExitCode::Waiting,
        Some(GateStatus::Denied) => {
            why.push("landing was denied".to_owned());
            ExitCode::Waiting
        }
        _ if !why.is_empty() => ExitCode::PacketsFailed,
        _ => {
            let nothing = state
                .integration
                .as_ref()
                .is_none_or(|integration| integration.merged.is_empty());
            let open: Vec<&str> = state
                .in_plan_order()
                .filter(|(id, _)| !state.is_over(id))
                .map(|(id, _)| id.as_str())
                .collect();
            why.push(if nothing {
                "nothing is integrated yet".to_owned()
            } else if !open.is_empty() {
                format!(
                    "not ready to land: {} not finished; dynwf run {} goes on",
                    open.join(", "),
                    state.slug
                )
            } else {
                "the workflow is not ready to land".to_owned()
            });
            match standing(state) {
                ExitCode::Done => ExitCode::Usage,
                code => code,
            }
        }
    }
}

fn pushed(state: &RunState, why: &mut Vec<String>) -> ExitCode {
    let Some(binding) = &state.push_asked else {
        why.clear();
        return ExitCode::Done;
    };
    let gate = binding
        .remote
        .as_deref()
        .and_then(|remote| GateId::push(remote).ok())
        .and_then(|id| state.gates.get(&id));
    match gate.map(|gate| &gate.status) {
        Some(GateStatus::Denied) => {
            why.push("the push was denied".to_owned());
            ExitCode::Waiting
        }
        Some(GateStatus::Waiting) => ExitCode::Waiting,
        _ => ExitCode::PacketsFailed,
    }
}
