//! What is new in a change since an earlier form of it: the interdiff.
//!
//! The earlier change is carried over to what the present one starts from, and the two results are compared; so what
//! others changed meanwhile is not shown, and work that was only replayed shows nothing. Where the earlier change does
//! not go there by itself, the comparison starts from git's conflict marks, so that what was made of the conflict is
//! seen. Called by `dynwf review`.

use anyhow::Result;
use serde::Serialize;

use super::diff::{Diff, Limits, compare};
use crate::git::Git;
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::ConflictFile;

/// What is new in a change.
#[derive(Debug, Serialize)]
pub struct Interdiff {
    /// The difference between the earlier change, on the present base, and the present one.
    pub diff: Diff,
    /// Where the earlier change did not go onto the present base by itself.
    pub conflicts: Vec<ConflictFile>,
}

impl Interdiff {
    /// Whether the change is still the same.
    pub fn is_empty(&self) -> bool {
        self.diff.files.is_empty()
    }
}

/// Compares the change from `base` to `tree` with an earlier one, from `earlier.0` to `earlier.1`. `None` if the commits
/// of the earlier one are not in the repository any more.
///
/// # Errors
/// If git cannot merge, or a tree or a blob cannot be read.
pub fn interdiff(
    git: &Git,
    earlier: (&CommitId, &CommitId),
    base: &CommitId,
    tree: &TreeId,
    limits: Limits,
) -> Result<Option<Interdiff>> {
    for commit in [earlier.0, earlier.1] {
        if git.resolve(commit.as_str())?.is_none() {
            return Ok(None);
        }
    }
    if earlier.0 == base {
        let diff = compare(git, &git.tree_of(earlier.1)?, tree, limits)?;
        return Ok(Some(Interdiff {
            diff,
            conflicts: Vec::new(),
        }));
    }
    let carried = git.carry(earlier.0, base, earlier.1)?;
    Ok(Some(Interdiff {
        diff: compare(&carried.git, &carried.tree, tree, limits)?,
        conflicts: carried.conflicts,
    }))
}
