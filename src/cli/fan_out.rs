//! Says what a plan sets going and what it may take, before it starts.

use std::collections::BTreeMap;

use super::context::Context;
use super::output;
use crate::agent;
use crate::model::state::{RunState, Turns};
use crate::report::estimate::Estimate;

/// Works out what is still to be done, from what agents used in all workflows of this repository.
pub(super) fn estimate(context: &Context, state: &RunState) -> Option<Estimate> {
    // A script says only by and by what it wants.
    if state.script.is_some() {
        return None;
    }
    let unpriced =
        |name: &str| agent::row_of(name, &context.config.agent(name)).is_ok_and(|row| !row.prices);
    let at_once = context.config.limits.concurrency;
    Estimate::of(state, &used_elsewhere(context, state), at_once, &unpriced)
}

/// Says it on stderr.
pub(super) fn say(context: &Context, state: &RunState) {
    for line in estimate(context, state).iter().flat_map(Estimate::lines) {
        output::say(&line);
    }
}

/// What agents used in the other workflows. One that cannot be read has a word of its own elsewhere, and is nothing to
/// estimate from.
fn used_elsewhere(context: &Context, state: &RunState) -> BTreeMap<String, Turns> {
    let mut all: BTreeMap<String, Turns> = BTreeMap::new();
    for slug in context.store.workflows().unwrap_or_default() {
        let read = context.store.read(&slug).ok().flatten();
        let other = read.filter(|other| other.slug != state.slug);
        for (agent, turns) in other.iter().flat_map(|other| &other.turns) {
            all.entry(agent.clone()).or_default().join(turns);
        }
    }
    all
}
