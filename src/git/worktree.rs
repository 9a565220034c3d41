//! Which worktrees use a branch.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::repo::Git;
use crate::model::id::RefName;

/// How a worktree uses a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Its HEAD is on it.
    CheckedOut,
    /// A rebase will move it.
    Rebase,
    /// A bisect will go back to it.
    Bisect,
}

/// A worktree that uses a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchUse {
    /// The top of the worktree.
    pub work_tree: PathBuf,
    /// Its git directory.
    pub git_dir: PathBuf,
    /// How.
    pub how: Use,
}

impl Git {
    /// Lists the worktrees that use a branch.
    pub fn branch_uses(&self, branch: &RefName) -> Result<Vec<BranchUse>> {
        bail!("not written yet: {branch}")
    }
}
