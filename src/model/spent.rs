//! What agents and units used, what is reserved for them, and the limits of it. Counted by `state::budget`.
//!
//! Where a client reports no tokens or no dollars, the turn is counted as one whose use is not known: it is never read as
//! nothing.

use std::fmt;

use jiff::Timestamp;

use super::plan::COMMAND_AGENT;
use super::unit::Usage;

/// What was used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    /// Milliseconds of units' time.
    pub millis: u64,
    /// Tokens, as far as clients report them.
    pub tokens: u64,
    /// US dollars, as far as clients report them.
    pub dollars: f64,
    /// How many turns of agents ended whose tokens were not reported.
    pub uncounted: u32,
    /// How many turns of agents ended whose dollars were not reported.
    pub unpriced: u32,
}

impl Spent {
    pub(in crate::model) fn add(
        &mut self,
        millis: u64,
        usage: Option<&Usage>,
        agent: Option<&str>,
    ) {
        self.millis = self.millis.saturating_add(millis);
        if let Some(usage) = usage {
            self.tokens = self.tokens.saturating_add(usage.tokens());
            self.dollars += usage.dollars.unwrap_or(0.0);
        }
        // A command of the plan's own talks to no service.
        if agent.is_some_and(|agent| agent != COMMAND_AGENT) {
            self.uncounted += u32::from(!usage.is_some_and(Usage::has_tokens));
            self.unpriced += u32::from(usage.is_none_or(|usage| usage.dollars.is_none()));
        }
    }
}

/// What the ended turns of one agent used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turns {
    /// How many ended.
    pub ended: u32,
    /// Milliseconds of all of them.
    pub millis: u64,
    /// Tokens of those that reported some.
    pub tokens: u64,
    /// How many reported tokens.
    pub counted: u32,
    /// US dollars of those that reported some.
    pub dollars: f64,
    /// How many reported dollars.
    pub priced: u32,
}

impl Turns {
    /// Adds a turn that ended.
    pub(in crate::model) fn add(&mut self, millis: u64, usage: Option<&Usage>) {
        self.ended += 1;
        self.millis = self.millis.saturating_add(millis);
        if let Some(usage) = usage.filter(|usage| usage.has_tokens()) {
            self.tokens = self.tokens.saturating_add(usage.tokens());
            self.counted += 1;
        }
        if let Some(dollars) = usage.and_then(|usage| usage.dollars) {
            self.dollars += dollars;
            self.priced += 1;
        }
    }

    /// Adds what the same agent used elsewhere.
    pub fn join(&mut self, other: &Self) {
        self.ended += other.ended;
        self.millis = self.millis.saturating_add(other.millis);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.counted += other.counted;
        self.dollars += other.dollars;
        self.priced += other.priced;
    }

    /// Milliseconds of a turn on the average, if one ended.
    pub fn mean_millis(&self) -> Option<u64> {
        self.millis.checked_div(u64::from(self.ended))
    }

    /// Tokens of a turn on the average, if one reported some.
    pub fn mean_tokens(&self) -> Option<u64> {
        self.tokens.checked_div(u64::from(self.counted))
    }

    /// US dollars of a turn on the average, if one reported some.
    pub fn mean_dollars(&self) -> Option<f64> {
        (self.priced > 0).then(|| self.dollars / f64::from(self.priced))
    }
}

/// A pause that the service behind an agent asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Until when the agent is not started.
    pub until: Timestamp,
    /// The client's words.
    pub why: String,
    /// How many were asked for in a row.
    pub in_a_row: u32,
}

/// An amount of everything that is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Milliseconds of units' time.
    pub millis: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub dollars: f64,
}

/// A limit that is used up; in words that complete "stopped: …".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Minutes of units' time.
    Minutes(u32),
    /// Tokens.
    Tokens(u64),
    /// US dollars.
    Dollars(f64),
    /// Packets that agents may begin.
    Packets(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minutes(minutes) => write!(f, "{minutes} minutes"),
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
            Self::Dollars(dollars) => write!(f, "{dollars} dollars"),
            Self::Packets(packets) => write!(f, "{packets} packets"),
        }
    }
}

impl Limit {
    /// Says that a budget of the whole workflow is used up.
    pub fn of_workflow(self) -> String {
        format!("the budget of {self} is used up")
    }

    /// Says that a packet's own budget is used up.
    pub fn of_packet(self) -> String {
        format!("its budget of {self} is used up")
    }
}
