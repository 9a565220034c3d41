//! The radar: packets that are on their way are merged with each other in memory, so that people see before it
//! happens which pairs will conflict.
//!
//! Invariants: nothing waits for it and nothing follows from it but what is shown; a pair that cannot be merged for any
//! other reason than a conflict is left out. Only pairs whose changed paths meet are merged, each once for the same
//! tips, so fifty packets that do not meet cost no merge at all. When it is due is for `queue` to say. Called by
//! `executor`.

use std::collections::BTreeSet;

use anyhow::Result;

use super::message::{Input, Tools};
use crate::fault;
use crate::git::TreeMerge;
use crate::model::id::PacketId;
use crate::model::packet::{Collected, RiskFacts};
use crate::model::radar::{Pair, Sweep};
use crate::model::state::RunState;

/// Holds every new tip against the others. What cannot be looked at counts as looked at: it is only a warning.
pub(super) fn sweep(tools: &Tools, state: &RunState) -> Input {
    fault::point("radar:before");
    let pairs = pairs(tools, state).unwrap_or_default();
    fault::point("radar:after");
    Input::Swept(Sweep {
        tips: state
            .on_their_way()
            .map(|(_, work)| work.tip.clone())
            .collect(),
        pairs,
    })
}

fn pairs(tools: &Tools, state: &RunState) -> Result<Vec<Pair>> {
    let ways: Vec<(&PacketId, &Collected, Paths)> = state
        .on_their_way()
        .map(|(id, work)| (id, work, Paths::of(&work.facts)))
        .collect();
    let mut batch = tools.git.batch()?;
    let mut pairs = Vec::new();
    for (at, (one, mine, my_paths)) in ways.iter().enumerate() {
        for (other, theirs, their_paths) in &ways[at + 1..] {
            if !is_news(state, mine, theirs)
                || !my_paths.meet(their_paths)
                || state.depends_on(one, other)
                || state.depends_on(other, one)
            {
                continue;
            }
            let files = match batch.merge_tree(&mine.tip, &theirs.tip) {
                Ok(TreeMerge::Clean { .. }) => Vec::new(),
                Ok(TreeMerge::Conflicted { files, .. }) => files,
                Err(_) => continue,
            };
            pairs.push(Pair {
                packets: [(*one).clone(), (*other).clone()],
                tips: [mine.tip.clone(), theirs.tip.clone()],
                files,
            });
        }
    }
    Ok(pairs)
}

fn is_news(state: &RunState, one: &Collected, other: &Collected) -> bool {
    !(state.radar.has_swept(&one.tip) && state.radar.has_swept(&other.tip))
}

/// The paths that a change touches; `None` where the list is not complete.
struct Paths(Option<BTreeSet<Vec<u8>>>);

impl Paths {
    fn of(facts: &RiskFacts) -> Self {
        let is_whole = facts.paths.len() < RiskFacts::MAX_PATHS;
        let paths = facts.paths.iter().map(|path| path.as_bytes().to_vec());
        Self(is_whole.then(|| paths.collect()))
    }

    /// Whether two changes touch the same path, or one a file where the other has a folder. What is not known
    /// meets everything.
    fn meet(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => touches(one, other) || touches(other, one),
            _ => true,
        }
    }
}

/// Whether a path of `one` is in `other`, or above one that is.
fn touches(one: &BTreeSet<Vec<u8>>, other: &BTreeSet<Vec<u8>>) -> bool {
    one.iter().any(|path| {
        let mut below = path.clone();
        below.push(b'/');
        other.contains(path)
            || other
                .range(below.clone()..)
                .next()
                .is_some_and(|next| next.starts_with(&below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RepoPath;

    fn facts(paths: &[&str]) -> RiskFacts {
        RiskFacts {
            paths: paths
                .iter()
                .map(|path| RepoPath::new(path.as_bytes()))
                .collect(),
            ..RiskFacts::default()
        }
    }

    #[test]
    fn changes_meet_in_a_path_or_in_a_folder_that_the_other_has_as_a_file() {
        let meets = |one: &[&str], other: &[&str]| {
            let (one, other) = (Paths::of(&facts(one)), Paths::of(&facts(other)));
            assert_eq!(one.meet(&other), other.meet(&one), "either way");
            one.meet(&other)
        };
        assert!(meets(&["a/b", "c"], &["b", "a/b"]));
        assert!(meets(&["a"], &["a/b/c"]));
        assert!(!meets(&["a/b"], &["a/bc", "a/c", "b"]));
        assert!(!meets(&["a-b"], &["a/b"]), "a dash sorts before the slash");
        assert!(!meets(&[], &["a"]));
        let many: Vec<String> = (0..RiskFacts::MAX_PATHS).map(|at| at.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(meets(&many, &["elsewhere"]), "who knows");
    }
}
