//! Commits, trees and blobs.

use anyhow::{Result, bail};
use jiff::Timestamp;

use super::repo::Git;
use crate::model::id::{CommitId, RefName, TreeId};
use crate::model::path::RepoPath;

/// What a new commit holds. The same spec gives the same id, unless it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSpec {
    /// Its tree.
    pub tree: TreeId,
    /// Its parents, in order.
    pub parents: Vec<CommitId>,
    /// Its message, trailers included.
    pub message: String,
    /// Author's and committer's time, recorded in UTC to the second.
    pub at: Timestamp,
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The mode, such as `0o100644`.
    pub mode: u32,
    /// The object's id; a commit's for a submodule.
    pub oid: String,
    /// The path from the top of the tree.
    pub path: RepoPath,
}

impl Git {
    /// Resolves what a person wrote to a commit; `None` if there is no such thing.
    pub fn resolve(&self, rev: &str) -> Result<Option<CommitId>> {
        bail!("not written yet: {rev}")
    }
    /// Returns the branch that HEAD of the calling worktree names, born or not; `None` if detached.
    pub fn head_branch(&self) -> Result<Option<RefName>> {
        bail!("not written yet")
    }
    /// Returns the tree of a commit.
    pub fn tree_of(&self, commit: &CommitId) -> Result<TreeId> {
        bail!("not written yet: {commit}")
    }
    /// Returns the parents of a commit, in order.
    pub fn parents_of(&self, commit: &CommitId) -> Result<Vec<CommitId>> {
        bail!("not written yet: {commit}")
    }
    /// Returns the message of a commit.
    pub fn message_of(&self, commit: &CommitId) -> Result<String> {
        bail!("not written yet: {commit}")
    }
    /// Makes a commit.
    pub fn commit(&self, spec: &CommitSpec) -> Result<CommitId> {
        bail!("not written yet: {spec:?}")
    }
    /// Returns whether `a` is `b` or an ancestor of it.
    pub fn is_ancestor(&self, a: &CommitId, b: &CommitId) -> Result<bool> {
        bail!("not written yet: {a} {b}")
    }
    /// Returns a best common ancestor.
    pub fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>> {
        bail!("not written yet: {a} {b}")
    }
    /// Lists all files of a tree, in the order of their paths.
    pub fn files(&self, tree: &TreeId) -> Result<Vec<TreeEntry>> {
        bail!("not written yet: {tree}")
    }
    /// Reads a blob.
    pub fn blob(&self, oid: &str) -> Result<Vec<u8>> {
        bail!("not written yet: {oid}")
    }
    /// Returns a blob's size in bytes.
    pub fn blob_size(&self, oid: &str) -> Result<u64> {
        bail!("not written yet: {oid}")
    }
    /// Returns the person as git names them: `Name <mail>`.
    pub fn ident(&self) -> Result<String> {
        bail!("not written yet")
    }
}
