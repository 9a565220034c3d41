//! Taking a packet out again, as objects.
//!
//! The commit that does it stands on the packet's merge and has the tree of what that merge was made onto. So it
//! can always be made, and merging it into a later commit is what `git revert` does: the three-way merge whose base
//! is the merge, with the packet's change taken back on the other side. What conflicts there is a conflict like
//! any other. Called by `runner::revert`.

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::message;
use crate::git::{CommitSpec, Git};
use crate::model::id::{CommitId, Slug, TreeId};
use crate::model::plan::Packet;

/// What is to be taken out again.
#[derive(Clone, Copy, Debug)]
pub struct Revert<'a> {
    /// The workflow.
    pub slug: &'a Slug,
    /// The packet that takes it out.
    pub packet: &'a Packet,
    /// The commit that brought it: a merge, or a squashed commit.
    pub merge: &'a CommitId,
    /// Why; may be empty.
    pub why: &'a str,
    /// The time that the commit carries, so that one that is made again is the same.
    pub at: Timestamp,
}

/// Makes the commit that takes a packet out again; no ref names it yet. Returns it with its tree.
///
/// # Errors
/// If git cannot read or write the objects, or the merge has no parent.
pub fn revert(git: &Git, revert: &Revert<'_>) -> Result<(CommitId, TreeId)> {
    let merge = revert.merge;
    let parents = git.parents_of(merge)?;
    let before = parents
        .first()
        .with_context(|| format!("{} has no parent to go back to", merge.short()))?;
    let tree = git.tree_of(before)?;
    let commit = git.commit(&CommitSpec {
        tree: tree.clone(),
        parents: vec![merge.clone()],
        message: message::revert_message(revert.slug, revert.packet, merge, revert.why),
        at: revert.at,
    })?;
    Ok((commit, tree))
}
