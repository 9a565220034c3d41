//! Merging two commits without a checkout.

use anyhow::{Result, bail};

use super::repo::Git;
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::ConflictFile;

/// How a merge of two commits ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeMerge {
    /// Merged.
    Clean {
        /// The merged tree.
        tree: TreeId,
        /// Which engine made it: `git`.
        road: &'static str,
    },
    /// Not merged.
    Conflicted {
        /// What conflicts, and how.
        files: Vec<ConflictFile>,
    },
}

impl Git {
    /// Merges `theirs` into `ours`, with the attributes of `ours`.
    pub fn merge_tree(&self, ours: &CommitId, theirs: &CommitId) -> Result<TreeMerge> {
        bail!("not written yet: {ours} {theirs}")
    }
    /// The same with a given base.
    pub fn merge_tree_onto(
        &self,
        base: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        bail!("not written yet: {base} {ours} {theirs}")
    }
}
