//! What a workflow may use, what it used, and what is reserved for the agents that are at work. Pure.
//!
//! A turn of an agent reserves a share before it starts, and what it really used takes the share's place when it ends.
//! So what is spent exceeds a limit by no more than the shares of the agents that were at work then.

use jiff::Timestamp;

use super::{LiveUnit, PacketState, RunState};
use crate::model::id::PacketId;
use crate::model::plan::{Budget, COMMAND_AGENT, Packet};
use crate::model::script::Asks;
use crate::model::spent::{Limit, Pause, Share, Spent, Turns};
use crate::model::unit::{Unit, UnitKind, Usage};

fn millis(minutes: u32) -> u64 {
    u64::from(minutes) * 60_000
}

impl RunState {
    /// Returns what the workflow may use, once its plan is fixed. A script's own limit of tokens counts as the
    /// plan's: it may be raised when the script is run again.
    pub fn budget(&self) -> Option<Budget> {
        let mut budget = self.frozen.as_ref()?.plan.budget.clone();
        if let Some(script) = &self.script {
            budget.tokens = script.run.tokens.or(budget.tokens);
        }
        Some(budget)
    }

    /// Returns the agent whose turn a unit is, if it is one's.
    pub fn agent_of(&self, unit: &Unit) -> Option<&str> {
        match unit.kind {
            UnitKind::Work { .. } => Some(self.planned(unit.packet()?)?.agent_name()),
            UnitKind::Call { ordinal, .. } => {
                let asked = &self.open_call(ordinal)?.asked;
                let agent = asked.agent.as_deref().unwrap_or(COMMAND_AGENT);
                (asked.asks == Asks::Agent).then_some(agent)
            }
            UnitKind::Setup { .. } | UnitKind::Check { .. } => None,
        }
    }

    /// Adds the end of a unit to what is known about its agent; `quiet` where a turn ended well.
    pub(super) fn turn_ended(
        &mut self,
        agent: &str,
        millis: u64,
        usage: Option<&Usage>,
        well: bool,
    ) {
        let turns = self.turns.entry(agent.to_owned()).or_default();
        turns.add(millis, usage);
        if well {
            self.pauses.remove(agent);
        }
    }

    pub(super) fn pause(&mut self, agent: Option<String>, until: Timestamp, why: &str) {
        let Some(agent) = agent else { return };
        let before = self.pauses.get(&agent).map_or(0, |pause| pause.in_a_row);
        let pause = Pause {
            until,
            why: why.to_owned(),
            in_a_row: before + 1,
        };
        self.pauses.insert(agent, pause);
    }

    /// The turns of agents that are at work.
    pub fn turns_at_work(&self) -> impl Iterator<Item = (&LiveUnit, &str)> {
        self.units
            .values()
            .filter_map(|live| Some((live, self.agent_of(&live.unit)?)))
    }

    /// Returns what a turn of an agent reserves: what is left of its packet's own limit, else what the agent's turns
    /// used on the average, else an equal part of the workflow's limit.
    pub fn share(&self, agent: &str, packet: Option<&PacketId>) -> Share {
        let own = packet.and_then(|id| Some((self.planned(id)?, self.packets.get(id)?)));
        let budget = self.budget().unwrap_or_default();
        let turns = self.turns.get(agent);
        let parts = self.parts();
        let part = |all: u64| all / u64::from(parts);
        Share {
            millis: own
                .and_then(|(planned, state)| {
                    Some(millis(planned.total_minutes?).saturating_sub(state.spent.millis))
                })
                .or_else(|| turns.and_then(Turns::mean_millis))
                .or_else(|| budget.minutes.map(|all| part(millis(all))))
                .unwrap_or(0),
            tokens: own
                .and_then(|(planned, state)| {
                    Some(planned.tokens?.saturating_sub(state.spent.tokens))
                })
                .or_else(|| turns.and_then(Turns::mean_tokens))
                .or_else(|| budget.tokens.map(part))
                .unwrap_or(0),
            dollars: own
                .and_then(|(planned, state)| {
                    Some((planned.dollars? - state.spent.dollars).max(0.0))
                })
                .or_else(|| turns.and_then(Turns::mean_dollars))
                .or_else(|| budget.dollars.map(|all| all / f64::from(parts)))
                .unwrap_or(0.0),
        }
    }

    /// Into how many parts a limit is cut where nothing is known: one for each packet and each open call.
    fn parts(&self) -> u32 {
        let calls = self.script.as_ref().map_or(0, |script| script.calls.len());
        u32::try_from(self.packets.len() + calls)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// Returns what is reserved for the agents that are at work.
    pub fn reserved(&self) -> Share {
        let mut sum = Share::default();
        for (live, agent) in self.turns_at_work() {
            let share = self.share(agent, live.unit.packet());
            sum.millis = sum.millis.saturating_add(share.millis);
            sum.tokens = sum.tokens.saturating_add(share.tokens);
            sum.dollars += share.dollars;
        }
        sum
    }

    /// Whether the workflow's limits have room for a turn beside those at work. One that would be at work alone may
    /// always use up the rest.
    pub fn has_room(&self, agent: &str, packet: Option<&PacketId>) -> bool {
        let Some(budget) = self.budget() else {
            return true;
        };
        if self.turns_at_work().next().is_none() {
            return true;
        }
        let (reserved, share) = (self.reserved(), self.share(agent, packet));
        let sum = |a: u64, b: u64, c: u64| a.saturating_add(b).saturating_add(c);
        budget.minutes.is_none_or(|most| {
            sum(self.spent.millis, reserved.millis, share.millis) <= millis(most)
        }) && budget
            .tokens
            .is_none_or(|most| sum(self.spent.tokens, reserved.tokens, share.tokens) <= most)
            && budget
                .dollars
                .is_none_or(|most| self.spent.dollars + reserved.dollars + share.dollars <= most)
    }

    /// Returns the workflow's limit that is used up, if one is. No agent starts then.
    pub fn exhausted(&self) -> Option<Limit> {
        self.exceeded_by(&Spent::default(), |spent, most| spent >= most)
    }

    /// Returns the workflow's limit that is exceeded together with what the agents at work used so far.
    pub fn exceeded_with(&self, more: &Spent) -> Option<Limit> {
        self.exceeded_by(more, |spent, most| spent > most)
    }

    fn exceeded_by(&self, more: &Spent, is_over: fn(f64, f64) -> bool) -> Option<Limit> {
        let budget = self.budget()?;
        used_up(
            (budget.minutes, budget.tokens, budget.dollars),
            &self.spent,
            more,
            is_over,
        )
    }

    /// Returns a packet's own limit that is used up, if one is: it gets no further turn.
    pub fn own_limit(&self, planned: &Packet, packet: &PacketState) -> Option<Limit> {
        let own = (planned.total_minutes, planned.tokens, planned.dollars);
        let is_over = |spent, most| spent >= most;
        used_up(own, &packet.spent, &Spent::default(), is_over)
    }

    /// Returns a packet's own limit that is exceeded together with what its agent used so far.
    pub fn own_limit_with(&self, id: &PacketId, more: &Spent) -> Option<Limit> {
        let (planned, packet) = (self.planned(id)?, self.packets.get(id)?);
        let own = (planned.total_minutes, planned.tokens, planned.dollars);
        used_up(own, &packet.spent, more, |spent, most| spent > most)
    }

    /// How many packets agents began.
    pub fn begun(&self) -> usize {
        self.packets.values().filter(|packet| packet.begun).count()
    }

    /// Returns the limit that keeps a packet from being begun, if its number is used up.
    pub fn too_many(&self, id: &PacketId) -> Option<Limit> {
        let most = self.budget()?.packets?;
        let begun = self.packets.get(id).is_some_and(|packet| packet.begun);
        let full = self.begun() >= usize::try_from(most).unwrap_or(usize::MAX);
        (full && !begun).then_some(Limit::Packets(most))
    }

    /// Returns what keeps packets or calls that could go on from being begun, if a limit does.
    pub fn held_back(&self) -> Option<Limit> {
        let mut active = self.packets.keys().filter(|id| self.is_active(id));
        if let Some(limit) = self.exhausted() {
            let calls = self
                .script
                .as_ref()
                .is_some_and(|script| script.open(&[Asks::Agent]).next().is_some());
            return (active.next().is_some() || calls).then_some(limit);
        }
        active.find_map(|id| self.too_many(id))
    }
}

/// The first of the limits that what was spent reaches.
fn used_up(
    (minutes, tokens, dollars): (Option<u32>, Option<u64>, Option<f64>),
    spent: &Spent,
    more: &Spent,
    is_over: fn(f64, f64) -> bool,
) -> Option<Limit> {
    // Both sides are far below 2^53, where a float is exact.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let over = |a: u64, b: u64, most: u64| is_over(a.saturating_add(b) as f64, most as f64);
    if let Some(most) = minutes
        && over(spent.millis, more.millis, millis(most))
    {
        return Some(Limit::Minutes(most));
    }
    if let Some(most) = tokens
        && over(spent.tokens, more.tokens, most)
    {
        return Some(Limit::Tokens(most));
    }
    dollars
        .filter(|&most| is_over(spent.dollars + more.dollars, most))
        .map(Limit::Dollars)
}
