//! What a plan sets going, told before it starts: how many packets, by whom, how many at once, how many turns, what
//! they may take, and whether the budget suffices.
//!
//! Invariant: a pure function of the state and of what agents used before; what is not known is said not to be. Called by
//! `cli` for `split`, `run` and `status --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::words::{amount, counted, duration};
use crate::model::id::PacketId;
use crate::model::plan::{COMMAND_AGENT, Packet};
use crate::model::state::{PacketState, RunState, Turns};

/// What is still to be done, and what it may take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// How many packets are not settled.
    pub packets: usize,
    /// How many of them each agent works on.
    pub agents: BTreeMap<String, usize>,
    /// How many units run at once.
    pub at_once: u32,
    /// How many packets can start together, one wave after another, as `after` says.
    pub waves: Vec<usize>,
    /// How many turns agents may take at most.
    pub turns: u32,
    /// How many checks that is, each once a turn, and those of the result once.
    pub checks: u32,
    /// How many earlier turns of the same agents it is worked out from.
    pub based_on: u32,
    /// Tokens; none where nothing is known of an agent.
    pub tokens: Option<u64>,
    /// US dollars; none where an agent reports none.
    pub dollars: Option<f64>,
    /// Seconds of agents' time; none where nothing is known of an agent.
    pub seconds: Option<u64>,
    /// The agents of which no earlier turn is known.
    pub unknown: Vec<String>,
    /// The agents that report no dollars: a limit in dollars does not hold them.
    pub unpriced: Vec<String>,
    /// The limits that are not enough by this estimate.
    pub short: Vec<&'static str>,
    /// The limits, in words.
    #[serde(skip)]
    limits: Vec<String>,
}

impl Estimate {
    /// Works it out. `before` is what agents used in other workflows, `at_once` how many units run where the plan does
    /// not say, `unpriced` says whether an agent is known to report no dollars. `None` if nothing is to be done any more.
    pub fn of(
        state: &RunState,
        before: &BTreeMap<String, Turns>,
        at_once: u32,
        unpriced: &dyn Fn(&str) -> bool,
    ) -> Option<Self> {
        let plan = &state.frozen.as_ref()?.plan;
        let todo: Vec<(&Packet, &PacketState)> = state
            .in_plan_order()
            .filter(|(id, packet)| !state.status_of(id).is_settled() && packet.collected.is_none())
            .filter_map(|(id, packet)| Some((plan.packet(id)?, packet)))
            .collect();
        if todo.is_empty() {
            return None;
        }
        let mut known = before.clone();
        for (agent, turns) in &state.turns {
            known.entry(agent.clone()).or_default().join(turns);
        }
        let budget = state.budget().unwrap_or_default();
        let mut all = Self {
            packets: todo.len(),
            agents: BTreeMap::new(),
            at_once: budget.concurrency.unwrap_or(at_once),
            waves: waves(&todo),
            turns: 0,
            checks: 0,
            based_on: 0,
            tokens: Some(0),
            dollars: Some(0.0),
            seconds: Some(0),
            unknown: Vec::new(),
            unpriced: Vec::new(),
            short: Vec::new(),
            limits: limits(state),
        };
        for (packet, so_far) in &todo {
            all.add(
                packet,
                so_far,
                known.get(packet.agent_name()),
                plan.checks_of(packet).len(),
            );
        }
        let more = u32::try_from(plan.integrated_checks().count()).unwrap_or(u32::MAX);
        all.checks = all.checks.saturating_add(more);
        for agent in all.agents.keys() {
            let turns = known.get(agent);
            all.based_on += turns.map_or(0, |turns| turns.ended);
            if todo
                .iter()
                .any(|(packet, _)| packet.is_parent_work() && packet.agent_name() == agent)
            {
                continue;
            }
            let reported = turns.filter(|turns| turns.ended > 0);
            if reported.is_none() && agent != COMMAND_AGENT {
                all.unknown.push(agent.clone());
            }
            let none = reported.is_some_and(|turns| turns.priced == 0);
            if agent != COMMAND_AGENT && (none || unpriced(agent)) {
                all.unpriced.push(agent.clone());
            }
        }
        all.short = all.too_short(state);
        Some(all)
    }

    fn add(&mut self, packet: &Packet, so_far: &PacketState, known: Option<&Turns>, checks: usize) {
        *self
            .agents
            .entry(packet.agent_name().to_owned())
            .or_default() += 1;
        let checks = u32::try_from(checks).unwrap_or(u32::MAX);
        if packet.is_parent_work() {
            self.checks = self.checks.saturating_add(checks);
            return;
        }
        let turns = packet.turns_at_most().saturating_sub(so_far.turn);
        self.turns = self.turns.saturating_add(turns);
        self.checks = self.checks.saturating_add(turns.saturating_mul(checks));
        let is_command = packet.agent_name() == COMMAND_AGENT;
        let left = |most: u64, spent: u64| most.saturating_sub(spent);
        let tokens = known
            .and_then(Turns::mean_tokens)
            .or(is_command.then_some(0));
        let tokens = match (tokens, packet.tokens) {
            (Some(mean), Some(most)) => Some(mean.min(left(most, so_far.spent.tokens))),
            // Its limit is what it takes at most.
            (None, Some(most)) => Some(left(most, so_far.spent.tokens)),
            (mean, None) => mean,
        };
        let dollars = known
            .and_then(Turns::mean_dollars)
            .or(is_command.then_some(0.0));
        let dollars = match (dollars, packet.dollars) {
            (Some(mean), Some(most)) => Some(mean.min((most - so_far.spent.dollars).max(0.0))),
            (mean, _) => mean,
        };
        let seconds = known
            .and_then(Turns::mean_millis)
            .map(|millis| millis / 1000);
        let both = |sum: Option<u64>, more: Option<u64>| Some(sum?.saturating_add(more?));
        self.tokens = both(self.tokens, tokens);
        self.seconds = both(self.seconds, seconds);
        self.dollars = self.dollars.zip(dollars).map(|(sum, more)| sum + more);
    }

    fn too_short(&self, state: &RunState) -> Vec<&'static str> {
        let budget = state.budget().unwrap_or_default();
        let spent = &state.spent;
        let mut short = Vec::new();
        let beyond = |more: Option<u64>, spent: u64, most: Option<u64>| {
            more.zip(most)
                .is_some_and(|(more, most)| spent + more > most)
        };
        let minutes = budget.minutes.map(|minutes| u64::from(minutes) * 60);
        if beyond(self.tokens, spent.tokens, budget.tokens) {
            short.push("tokens");
        }
        if self
            .dollars
            .zip(budget.dollars)
            .is_some_and(|(more, most)| spent.dollars + more > most)
        {
            short.push("dollars");
        }
        if beyond(self.seconds, spent.millis / 1000, minutes) {
            short.push("minutes");
        }
        let begun = |id: &PacketId| state.packets.get(id).is_some_and(|packet| packet.begun);
        let new = state.packets.keys().filter(|id| {
            !begun(id)
                && !state.status_of(id).is_settled()
                && state
                    .planned(id)
                    .is_some_and(|packet| !packet.is_parent_work())
        });
        let all = state.begun() + new.count();
        if budget
            .packets
            .is_some_and(|most| all > usize::try_from(most).unwrap_or(usize::MAX))
        {
            short.push("packets");
        }
        short
    }

    /// Tells it, a few lines in plain words.
    pub fn lines(&self) -> Vec<String> {
        let by: Vec<String> = self
            .agents
            .iter()
            .map(|(agent, count)| format!("{count} {agent}"))
            .collect();
        let waves: Vec<String> = self.waves.iter().map(ToString::to_string).collect();
        let mut first = format!(
            "plan: {} to do ({}), {} at a time",
            counted(self.packets, "packet"),
            by.join(", "),
            self.at_once
        );
        if self.waves.len() > 1 {
            let count = counted(self.waves.len(), "wave");
            first.push_str(&format!(", {count} by `after` ({})", waves.join(", ")));
        }
        let turns = counted(usize::try_from(self.turns).unwrap_or(usize::MAX), "turn");
        let checks = counted(usize::try_from(self.checks).unwrap_or(usize::MAX), "check");
        let work = format!(
            "work: at most {turns} of agents and {checks}, beside what is run again to find who broke one"
        );
        let mut lines = vec![first, work, self.estimate()];
        lines.push(if self.limits.is_empty() {
            "budget: no limit".to_owned()
        } else if self.short.is_empty() {
            let known = self.unknown.is_empty();
            let words = if known {
                "should suffice"
            } else {
                "not known whether it suffices"
            };
            format!("budget: {}; {words}", self.limits.join(", "))
        } else {
            let what = self.short.join(" and ");
            format!(
                "budget: {}; not enough {what} for a turn of each",
                self.limits.join(", ")
            )
        });
        let in_dollars = self.limits.iter().any(|limit| limit.starts_with('$'));
        if in_dollars && !self.unpriced.is_empty() {
            lines.push(format!(
                "note: {} no dollars; only limits of tokens and minutes hold there",
                who(&self.unpriced, "reports", "report")
            ));
        }
        lines
    }

    fn estimate(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(
            self.tokens
                .map(|tokens| format!("{} tokens", amount(tokens))),
        );
        parts.extend(
            self.dollars
                .filter(|_| self.unpriced.is_empty())
                .map(|dollars| format!("${dollars:.2}")),
        );
        parts.extend(
            self.seconds
                .map(|seconds| format!("{} of their time", duration(seconds))),
        );
        if parts.is_empty() {
            return match self.unknown.as_slice() {
                [] => "estimate: unknown".to_owned(),
                some => format!(
                    "estimate: unknown, no earlier turn of {} here",
                    some.join(", ")
                ),
            };
        }
        let basis = match self.based_on {
            0 => "from the packets' limits".to_owned(),
            turns => format!(
                "from {} here",
                counted(usize::try_from(turns).unwrap_or(usize::MAX), "earlier turn")
            ),
        };
        format!("estimate, a turn each: {}, {basis}", parts.join(", "))
    }
}

fn who(names: &[String], one: &str, many: &str) -> String {
    let verb = if names.len() == 1 { one } else { many };
    format!("{} {verb}", names.join(", "))
}

/// How many packets can start once those of the waves before are through.
fn waves(todo: &[(&Packet, &PacketState)]) -> Vec<usize> {
    let mut wave: BTreeMap<&PacketId, usize> = BTreeMap::new();
    // A valid plan has no cycles, so each round settles a packet.
    for _ in 0..todo.len() {
        for (packet, _) in todo {
            let after = packet.after.iter().filter_map(|need| wave.get(need));
            let at = after.max().map_or(0, |at| at + 1);
            wave.insert(&packet.id, at);
        }
    }
    let mut counts = Vec::new();
    for at in wave.into_values() {
        if counts.len() <= at {
            counts.resize(at + 1, 0);
        }
        counts[at] += 1;
    }
    counts
}

/// The workflow's limits in words, with what was spent of them.
fn limits(state: &RunState) -> Vec<String> {
    let budget = state.budget().unwrap_or_default();
    let spent = &state.spent;
    let of = |spent: String, most: String| {
        if state.turns.is_empty() {
            most
        } else {
            format!("{spent} of {most}")
        }
    };
    let mut all = Vec::new();
    all.extend(
        budget
            .tokens
            .map(|most| format!("{} tokens", of(amount(spent.tokens), amount(most)))),
    );
    all.extend(
        budget
            .dollars
            .map(|most| of(format!("${:.2}", spent.dollars), format!("${most:.2}"))),
    );
    all.extend(budget.minutes.map(|most| {
        format!(
            "{} minutes",
            of((spent.millis / 60_000).to_string(), most.to_string())
        )
    }));
    all.extend(budget.packets.map(|most| {
        format!(
            "{} packets",
            of(state.begun().to_string(), most.to_string())
        )
    }));
    all
}
