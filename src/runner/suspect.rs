//! Which check is to run on which tree next, to know whether the integrated tree is good. Pure.
//!
//! Nothing is checked twice: evidence belongs to a tree. The base is checked only where a check fails, to see
//! whether it failed there before. Where it did not, the packet that turned it red is found by halving: each
//! packet's merge is a commit, and so is what was merged before it.

use super::goal::{Goal, Options};
use super::queue;
use crate::model::evidence::Evidence;
use crate::model::id::{CommitId, PacketId, TreeId};
use crate::model::packet::Merge;
use crate::model::plan::Check;
use crate::model::state::{Integration, RunState, Verdict};
use crate::model::unit::UnitOutcome;

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
    if !is_time(state, options) {
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
    if let Some(check) = first(Verdict::FailedPerhapsBefore) {
        return on_the_base(state, check);
    }
    match suspicion(state, options)? {
        Suspicion::Trial(trial) => Some(trial),
        Suspicion::Crooked | Suspicion::Guilty { .. } => None,
    }
}

/// What is known about a check that fails on the integrated tree and did not on the base.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Suspicion {
    /// More is known once this is tried.
    Trial(Trial),
    /// The branch has to be put together again first, so that every packet stands on the one before it.
    Crooked,
    /// This packet turned it red.
    Guilty {
        /// The packet.
        packet: PacketId,
        /// The check.
        check: Check,
        /// How it ended with the packet.
        outcome: UnitOutcome,
        /// The tree on which it ended so.
        tree: TreeId,
    },
}

/// Returns what is known about the first check that fails anew; `None` if none does, nobody can be blamed, or
/// nobody is to be.
pub(super) fn suspicion(state: &RunState, options: &Options) -> Option<Suspicion> {
    let integration = state.integration.as_ref()?;
    if !is_time(state, options)
        || !bisects(state, options)
        || !queue::is_calm(state, integration)
        || integration.broken.is_some()
    {
        return None;
    }
    state
        .integrated_checks()
        .into_iter()
        .filter_map(|(check, said)| {
            let failed = state.verdict(&check, said) == Verdict::Failed;
            Some((check, said.filter(|_| failed)?))
        })
        .find_map(|(check, said)| suspect(state, integration, check, said))
}

fn suspect(
    state: &RunState,
    integration: &Integration,
    check: Check,
    said: &Evidence,
) -> Option<Suspicion> {
    let Some(base) = state.base_evidence(&check) else {
        return on_the_base(state, check).map(Suspicion::Trial);
    };
    if base.outcome == said.outcome {
        // It must pass, and the base is as red as the result: that is nobody's doing.
        return None;
    }
    let chain: Vec<(&PacketId, &Merge)> = state.unlanded_merges().collect();
    if !is_straight(integration, &chain) {
        return Some(Suspicion::Crooked);
    }
    let is_red = |tree: &TreeId| {
        let said = state.evidence_for(&check, tree)?;
        Some(!said.passed() && said.outcome != base.outcome)
    };
    // Green with the first `green` packets, red with the first `red`.
    let (mut green, mut red) = (0, chain.len());
    while red - green > 1 {
        let middle = usize::midpoint(green, red);
        let (_, merge) = chain[middle - 1];
        match is_red(&merge.tree) {
            Some(true) => red = middle,
            Some(false) => green = middle,
            None => {
                return Some(Suspicion::Trial(Trial {
                    check,
                    commit: merge.commit.clone(),
                    tree: merge.tree.clone(),
                }));
            }
        }
    }
    let (packet, merge) = chain.get(red.checked_sub(1)?)?;
    let said = state.evidence_for(&check, &merge.tree)?;
    Some(Suspicion::Guilty {
        packet: (*packet).clone(),
        outcome: said.outcome.clone(),
        tree: merge.tree.clone(),
        check,
    })
}

/// Whether every packet stands on the one before it, and the first on the target.
fn is_straight(integration: &Integration, chain: &[(&PacketId, &Merge)]) -> bool {
    let mut last = &integration.target;
    for (_, merge) in chain {
        if merge.onto != *last {
            return false;
        }
        last = &merge.commit;
    }
    *last == integration.commit
}

/// Whether the branch is to be put together again, although nothing is to leave it: to find who is to.
pub(super) fn must_straighten(state: &RunState, options: &Options) -> bool {
    !options.winding_down && matches!(suspicion(state, options), Some(Suspicion::Crooked))
}

fn bisects(state: &RunState, options: &Options) -> bool {
    let planned = state
        .frozen
        .as_ref()
        .and_then(|frozen| frozen.plan.integration.bisect);
    planned.unwrap_or(options.bisect)
}

/// Whether the integrated tree is to be judged now.
fn is_time(state: &RunState, options: &Options) -> bool {
    let merged = state
        .integration
        .as_ref()
        .is_some_and(|integration| !integration.merged.is_empty());
    options.goal.verifies()
        && merged
        && (options.goal == Goal::Verify || queue::everything_is_over(state))
}
