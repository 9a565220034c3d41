//! Which check is to run on which tree next, to know whether the integrated tree is good. Pure.
//!
//! Nothing is checked twice: evidence belongs to a tree. The base is checked only where a check fails, to see
//! whether it failed there before.

use super::goal::{Goal, Options};
use super::queue;
use crate::model::id::{CommitId, TreeId};
use crate::model::plan::Check;
use crate::model::state::{RunState, Verdict};

/// A check that is to run on a tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trial {
    /// The check.
    pub(super) check: Check,
    /// A commit with the tree.
    pub(super) commit: CommitId,
    /// The tree.
    pub(super) tree: TreeId,
}

/// Returns what is to be tried next in the integration workspace, if anything is.
pub(super) fn next_trial(state: &RunState, options: &Options) -> Option<Trial> {
    baseline_for_packets(state, options).or_else(|| of_the_result(state, options))
}

/// A check that failed on a packet's work, on the base.
fn baseline_for_packets(state: &RunState, options: &Options) -> Option<Trial> {
    if !options.goal.integrates() {
        return None;
    }
    state
        .in_plan_order()
        .filter(|(id, _)| queue::is_advanced(state, id))
        .flat_map(|(id, _)| state.packet_verdicts(id))
        .find(|(_, verdict)| *verdict == Verdict::FailedPerhapsBefore)
        .and_then(|(check, _)| on_the_base(state, check))
}

fn on_the_base(state: &RunState, check: Check) -> Option<Trial> {
    Some(Trial {
        check,
        commit: state.integration.as_ref()?.target.clone(),
        tree: state.base_tree()?.clone(),
    })
}

/// The checks of the integrated tree, once no more packets come; then those that fail, on the base.
fn of_the_result(state: &RunState, options: &Options) -> Option<Trial> {
    let integration = state.integration.as_ref()?;
    let in_time = options.goal == Goal::Verify || queue::everything_is_over(state);
    if !options.goal.verifies() || !in_time || integration.merged.is_empty() {
        return None;
    }
    let verdicts = state.integrated_verdicts();
    let first = |wanted: Verdict| {
        let found = verdicts.iter().find(|(_, verdict)| *verdict == wanted);
        found.map(|(check, _)| check.clone())
    };
    if let Some(check) = first(Verdict::Unknown) {
        return Some(Trial {
            check,
            commit: integration.commit.clone(),
            tree: integration.tree.clone(),
        });
    }
    first(Verdict::FailedPerhapsBefore).and_then(|check| on_the_base(state, check))
}
