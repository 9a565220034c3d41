//! Limits: how many units may start now, and whether a budget is used up. Pure.

use super::goal::Options;
use crate::model::state::RunState;

/// Returns how many more units may start now.
pub(super) fn free(state: &RunState, options: &Options) -> usize {
    let planned = state
        .frozen
        .as_ref()
        .and_then(|frozen| frozen.plan.budget.concurrency);
    let most = planned.map_or(options.concurrency, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    most.saturating_sub(state.units.len())
}

/// Returns which budget is used up, in words, if one is. No further agent starts then.
pub(super) fn exhausted(state: &RunState) -> Option<String> {
    let budget = &state.frozen.as_ref()?.plan.budget;
    if let Some(minutes) = budget.minutes
        && state.spent.millis >= u64::from(minutes) * 60_000
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
