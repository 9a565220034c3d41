//! Which files history changes together.
//!
//! Counted over the last [`COMMITS`] commits that are no merges. A commit that changes very many files (a rename of
//! everything, a new licence header) says nothing about any two of them and is left out.

use std::collections::HashMap;

use anyhow::Result;

use super::piece::Piece;
use crate::git::Git;
use crate::model::id::CommitId;
use crate::model::path::RepoPath;

/// How far back history is read.
pub const COMMITS: usize = 1000;

/// A commit that changes more files than this is left out.
const MOST_FILES: usize = 24;

/// Two files that changed together less often than this did so by chance.
const LEAST_TIMES: u32 = 2;

/// Two files that changed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Pair {
    pub(in crate::plan) one: usize,
    pub(in crate::plan) other: usize,
    /// In how many commits.
    pub(in crate::plan) times: u32,
}

/// Returns the pairs of pieces that history changes together, the closest first.
///
/// # Errors
/// If the history cannot be read.
pub(in crate::plan) fn together(git: &Git, base: &CommitId, pieces: &[Piece]) -> Result<Vec<Pair>> {
    Ok(pairs(&git.touched(base, COMMITS)?, pieces))
}

fn pairs(commits: &[Vec<RepoPath>], pieces: &[Piece]) -> Vec<Pair> {
    let index: HashMap<&[u8], usize> = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| (piece.path.as_bytes(), at))
        .collect();
    let mut alone: HashMap<usize, u32> = HashMap::new();
    let mut both: HashMap<(usize, usize), u32> = HashMap::new();
    for commit in commits.iter().filter(|commit| commit.len() <= MOST_FILES) {
        let mut known: Vec<usize> = commit
            .iter()
            .filter_map(|path| index.get(path.as_bytes()).copied())
            .collect();
        known.sort_unstable();
        known.dedup();
        for (at, &one) in known.iter().enumerate() {
            *alone.entry(one).or_default() += 1;
            for &other in &known[at + 1..] {
                *both.entry((one, other)).or_default() += 1;
            }
        }
    }
    let mut pairs: Vec<Pair> = both
        .into_iter()
        .filter(|&((one, other), times)| {
            // At least every third commit that touches one of them touches both.
            times >= LEAST_TIMES && 3 * times >= alone[&one] + alone[&other] - times
        })
        .map(|((one, other), times)| Pair { one, other, times })
        .collect();
    pairs.sort_unstable_by_key(|pair| (u32::MAX - pair.times, pair.one, pair.other));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_change_together_are_told_from_those_that_everything_changes() {
        let commit =
            |names: &[&str]| -> Vec<RepoPath> { names.iter().map(|&n| n.into()).collect() };
        let mut commits = vec![commit(&["a", "b", "log"]), commit(&["b", "a", "log"])];
        for other in ["c", "d", "e", "f", "g"] {
            commits.push(commit(&[other, "log"]));
            commits.push(commit(&[other, "log"]));
        }
        let many: Vec<String> = (0..=MOST_FILES).map(|n| format!("m{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        commits.extend([commit(&many), commit(&many)]);
        let names = ["a", "b", "c", "d", "e", "f", "g", "log", "m0", "m1"];
        let pieces: Vec<Piece> = names
            .iter()
            .map(|&name| Piece {
                path: name.into(),
                bytes: 1,
            })
            .collect();
        let expected = Pair {
            one: 0,
            other: 1,
            times: 2,
        };
        assert_eq!(pairs(&commits, &pieces), [expected]);
    }
}
