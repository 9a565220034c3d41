//! What the end of a call's unit says. Pure.

use jiff::Timestamp;

use crate::agent::schema;
use crate::model::event::EventKind;
use crate::model::plan::ANSWERS;
use crate::model::script::{Asks, Census, Reply};
use crate::model::state::{LiveUnit, OpenCall, RunState};
use crate::model::unit::{UnitOutcome, Usage};
use crate::runner::goal::Options;
use crate::runner::limit::{MOST_CUT_SHORT, pause};
use crate::runner::message::UnitEnd;

/// Returns what the end of a unit that answers a call says: the answer, another turn, a pause, or nothing yet.
pub(in crate::runner) fn unit_ended(
    state: &RunState,
    options: &Options,
    live: &LiveUnit,
    end: UnitEnd,
    now: Timestamp,
) -> Vec<EventKind> {
    let call = live
        .unit
        .call()
        .filter(|_| !live.stopping)
        .and_then(|ordinal| state.open_call(ordinal));
    let mut facts = vec![EventKind::UnitEnded {
        unit: end.unit,
        outcome: end.outcome.clone(),
        millis: end.millis,
        usage: end.usage.clone(),
        complaint: end.complaint.clone(),
        answer: None,
    }];
    facts.extend(call.and_then(|call| what_follows(state, options, call, live, end, now)));
    facts
}

/// Fills in what came of a script's calls, where it ends with these facts.
pub(in crate::runner) fn counted(state: &RunState, mut facts: Vec<EventKind>) -> Vec<EventKind> {
    for fact in &mut facts {
        if let (EventKind::ScriptEnded { census, .. }, Some(script)) = (fact, &state.script) {
            let cancelled = u64::try_from(script.calls.len()).unwrap_or(u64::MAX);
            *census = Census {
                skipped: census.skipped,
                cancelled,
                ..script.census
            };
        }
    }
    facts
}

/// Lets the packets go that a script which is over left on their branches: a person wants them merged.
pub(in crate::runner) fn released(state: &RunState) -> Vec<EventKind> {
    state
        .in_plan_order()
        .filter(|(id, _)| state.is_kept(id))
        .map(|(id, _)| EventKind::PacketReleased { packet: id.clone() })
        .collect()
}

fn what_follows(
    state: &RunState,
    options: &Options,
    call: &OpenCall,
    live: &LiveUnit,
    end: UnitEnd,
    now: Timestamp,
) -> Option<EventKind> {
    let ordinal = call.asked.ordinal;
    if let Some(limit) = end.rate_limited {
        let until = pause(state, state.agent_of(&live.unit)?, &limit, now)?;
        return Some(EventKind::CallPostponed {
            ordinal,
            until,
            why: limit.message,
        });
    }
    if !end.problems.is_empty() && call.turn < ANSWERS {
        return Some(EventKind::CallTurned {
            ordinal,
            feedback: schema::ask_again(&end.problems),
        });
    }
    let wanted = options.winding_down || live.stopping;
    if end.outcome.is_interruption() && (wanted || call.cut_short + 1 < MOST_CUT_SHORT) {
        return None;
    }
    let over = matches!(end.outcome, UnitOutcome::OverBudget(_));
    let reply = end
        .reply
        .filter(|_| !over)
        .unwrap_or_else(|| Reply::Failed(end.outcome.to_string()));
    let last = end.usage.as_ref().map_or(0, Usage::tokens);
    Some(EventKind::CallAnswered {
        ordinal,
        key: call.asked.key.clone(),
        reply: named(call.asked.asks, reply),
        spent: call.spent.tokens + last,
        unit: Some(end.unit),
        reused: None,
    })
}

/// A failure in words that can stand alone.
fn named(asks: Asks, reply: Reply) -> Reply {
    match reply {
        Reply::Failed(why) if asks == Asks::Agent => Reply::Failed(format!("its agent {why}")),
        other => other,
    }
}
