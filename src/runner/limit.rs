//! Limits: how many units may start now, whether a budget is used up, when turns end. Pure.
//!
//! An agent's share of a budget is reserved while it runs, and what it really used takes the share's place when it
//! ends: so a budget is overshot by no more than the agents that run use beyond their shares.

use jiff::{SignedDuration, Timestamp};

use super::goal::Options;
use crate::agent::RateLimit;
use crate::model::plan::{Budget, Packet};
use crate::model::state::{PacketState, RunState};

/// After how many turns in a row without progress an agent is not asked again.
const STUCK: u32 = 2;

/// How many units in a row may be cut short in a workspace before it is taken for their own doing: a command that
/// ends the process that attends it would otherwise be started for ever.
pub(super) const MOST_CUT_SHORT: u32 = 3;

/// The first pause where a service does not say how long it should be, in milliseconds; each further one is
/// twice as long, up to sixteen minutes.
const FIRST_PAUSE: i64 = 30_000;

/// How often an answer that does not follow its schema may be given, where the plan does not say.
pub(super) const ANSWERS: u32 = 3;

/// Returns how many more units may start now.
pub(super) fn free(state: &RunState, options: &Options) -> usize {
    let planned = budget(state).and_then(|budget| budget.concurrency);
    let most = planned.map_or(options.concurrency, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    most.saturating_sub(state.units.len())
}

/// Whether a service asked for a pause that is not over.
pub(super) fn is_paused(state: &RunState, now: Timestamp) -> bool {
    state.paused_until.is_some_and(|until| now < until)
}

/// Returns which budget is used up, in words, if one is. No further agent starts then.
pub(super) fn exhausted(state: &RunState) -> Option<String> {
    let budget = budget(state)?;
    if let Some(minutes) = budget.minutes
        && state.spent.millis >= millis(minutes)
    {
        return Some(format!("the budget of {minutes} minutes is used up"));
    }
    if let Some(tokens) = budget.tokens
        && state.spent.tokens >= tokens
    {
        return Some(format!("the budget of {tokens} tokens is used up"));
    }
    if let Some(dollars) = budget.dollars
        && state.spent.dollars >= dollars
    {
        return Some(format!("the budget of {dollars} dollars is used up"));
    }
    None
}

/// Whether the budgets have room for one more agent beside those that run. One that would run alone may always
/// use up the rest.
pub(super) fn has_room(state: &RunState) -> bool {
    let running = state
        .units
        .values()
        .filter(|live| live.unit.is_work())
        .count();
    let (Some(budget), false) = (budget(state), running == 0) else {
        return true;
    };
    let packets = u64::try_from(state.packets.len().max(1)).unwrap_or(u64::MAX);
    let agents = u64::try_from(running + 1).unwrap_or(u64::MAX);
    let fits = |spent: u64, all: u64| spent.saturating_add(all / packets * agents) <= all;
    budget
        .minutes
        .is_none_or(|minutes| fits(state.spent.millis, millis(minutes)))
        && budget
            .tokens
            .is_none_or(|tokens| fits(state.spent.tokens, tokens))
}

/// Returns why an agent whose check failed is not asked again, if it is not.
pub(super) fn end_of_turns(
    state: &RunState,
    planned: &Packet,
    packet: &PacketState,
) -> Option<String> {
    let turns = planned.turns.unwrap_or(1);
    if packet.turn >= turns {
        return Some(format!("stopped after {turns} turns"));
    }
    if packet.stuck >= STUCK {
        return Some(format!("stopped after {STUCK} turns without progress"));
    }
    if let Some(tokens) = planned.tokens
        && packet.spent.tokens >= tokens
    {
        return Some(format!("stopped: its budget of {tokens} tokens is used up"));
    }
    exhausted(state).map(|why| format!("stopped: {why}"))
}

fn budget(state: &RunState) -> Option<&Budget> {
    Some(&state.frozen.as_ref()?.plan.budget)
}

fn millis(minutes: u32) -> u64 {
    u64::from(minutes) * 60_000
}

/// Until when a service that wants a pause is not asked: as it says, else longer each time.
pub(super) fn pause(state: &RunState, limit: &RateLimit, now: Timestamp) -> Option<Timestamp> {
    let wait = limit
        .after_ms
        .and_then(|millis| i64::try_from(millis).ok())
        .unwrap_or_else(|| FIRST_PAUSE << state.pauses.min(5));
    limit
        .until
        .and_then(|second| Timestamp::from_second(i64::try_from(second).ok()?).ok())
        .or_else(|| now.checked_add(SignedDuration::from_millis(wait)).ok())
}
