//! Limits: how many units may start now, when turns end, which agents at work have used too much. Pure.
//!
//! What is reserved and what is used up is counted by the state (`model::state::budget`); here is what follows from it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::goal::Options;
use crate::agent::RateLimit;
use crate::model::id::{PacketId, UnitId};
use crate::model::plan::Packet;
use crate::model::state::{Limit, LiveUnit, PacketState, RunState, Spent};
use crate::model::unit::Usage;

/// After how many turns in a row without progress an agent is not asked again.
const STUCK: u32 = 2;

/// How many units in a row may be cut short in a workspace before it is taken for their own doing: a command that
/// ends the process that attends it would otherwise be started for ever.
pub(super) const MOST_CUT_SHORT: u32 = 3;

/// The first pause where a service does not say how long it should be, in milliseconds; each further one is
/// twice as long, up to sixteen minutes.
const FIRST_PAUSE: i64 = 30_000;

/// Returns how many more units may start now.
pub(super) fn free(state: &RunState, options: &Options) -> usize {
    let planned = state.budget().and_then(|budget| budget.concurrency);
    let most = planned.map_or(options.concurrency, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    most.saturating_sub(state.units.len())
}

/// Whether the service behind an agent asked for a pause that is not over.
pub(super) fn is_paused(state: &RunState, agent: &str, now: Timestamp) -> bool {
    state
        .pauses
        .get(agent)
        .is_some_and(|pause| now < pause.until)
}

/// Whether agents are only held back by pauses that services asked for.
pub(super) fn waits_for_pauses(state: &RunState, now: Timestamp) -> bool {
    let waits = |agent: &str| is_paused(state, agent, now);
    let packets = state.packets.keys().any(|id| {
        state.is_active(id)
            && state
                .planned(id)
                .is_some_and(|planned| waits(planned.agent_name()))
    });
    let calls = state.script.iter().flat_map(|script| script.calls.values());
    let mut agents = calls.filter_map(|call| call.asked.agent.as_deref());
    state.held_back().is_none() && (packets || agents.any(waits))
}

/// Whether an agent's turn may start now: no limit is used up, there is room for it, and its service wants no pause.
pub(super) fn lets_start(
    state: &RunState,
    agent: &str,
    packet: Option<&PacketId>,
    now: Timestamp,
) -> bool {
    state.exhausted().is_none()
        && packet.is_none_or(|id| state.too_many(id).is_none())
        && state.has_room(agent, packet)
        && !is_paused(state, agent, now)
}

/// Returns the agents at work that are to be ended, each with why, for what they say that they used so far: those
/// that exceed their packet's own limit, and, where the workflow's is exceeded, those that use more than was
/// reserved for them.
pub(super) fn over(
    state: &RunState,
    used: &BTreeMap<UnitId, Usage>,
    now: Timestamp,
) -> BTreeMap<UnitId, String> {
    let so_far = |live: &LiveUnit| {
        let usage = used.get(&live.unit.id);
        let millis = now.as_millisecond() - live.since.as_millisecond();
        Spent {
            millis: u64::try_from(millis).unwrap_or(0),
            tokens: usage.map_or(0, Usage::tokens),
            dollars: usage.and_then(|usage| usage.dollars).unwrap_or(0.0),
            ..Spent::default()
        }
    };
    let mut all = Spent::default();
    for (live, _) in state.turns_at_work() {
        let more = so_far(live);
        all.millis += more.millis;
        all.tokens += more.tokens;
        all.dollars += more.dollars;
    }
    let whole = state.exceeded_with(&all);
    let why = |live: &LiveUnit, agent: &str| {
        let more = so_far(live);
        let packet = live.unit.packet().filter(|_| live.unit.is_work());
        if let Some(limit) = packet.and_then(|id| state.own_limit_with(id, &more)) {
            return Some(limit.of_packet());
        }
        let limit = whole?;
        let share = state.share(agent, packet);
        let beyond = match limit {
            Limit::Minutes(_) => more.millis > share.millis,
            Limit::Tokens(_) => more.tokens > share.tokens,
            Limit::Dollars(_) => more.dollars > share.dollars,
            Limit::Packets(_) => false,
        };
        beyond.then(|| limit.of_workflow())
    };
    state
        .turns_at_work()
        .filter_map(|(live, agent)| Some((live.unit.id, why(live, agent)?)))
        .collect()
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
    if let Some(limit) = state.own_limit(planned, packet) {
        return Some(format!("stopped: {}", limit.of_packet()));
    }
    let limit = state.exhausted()?;
    Some(format!("stopped: {}", limit.of_workflow()))
}

/// Until when a service that wants a pause is not asked: as it says, else longer each time.
pub(super) fn pause(
    state: &RunState,
    agent: &str,
    limit: &RateLimit,
    now: Timestamp,
) -> Option<Timestamp> {
    let before = state.pauses.get(agent).map_or(0, |pause| pause.in_a_row);
    let wait = limit
        .after_ms
        .and_then(|millis| i64::try_from(millis).ok())
        .unwrap_or_else(|| FIRST_PAUSE << before.min(5));
    limit
        .until
        .and_then(|second| Timestamp::from_second(i64::try_from(second).ok()?).ok())
        .or_else(|| now.checked_add(SignedDuration::from_millis(wait)).ok())
}
