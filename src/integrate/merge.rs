//! Merges as objects: nothing is checked out, no ref moves.

use anyhow::Result;
use jiff::Timestamp;

use super::message;
use crate::git::{Batch, CommitSpec, Git, TreeMerge};
use crate::model::id::{CommitId, Slug};
use crate::model::packet::{ConflictFile, Merge};
use crate::model::plan::{Packet, Strategy};

/// A merge to be made.
#[derive(Clone, Debug)]
pub struct PacketMerge<'a> {
    /// The workflow.
    pub slug: &'a Slug,
    /// The packet as the plan states it.
    pub packet: &'a Packet,
    /// The integration commit that it is merged onto.
    pub onto: &'a CommitId,
    /// The packet's tip.
    pub tip: &'a CommitId,
    /// The resolution of an earlier conflict: a merge of the tip onto an older integration commit.
    pub resolution: Option<&'a CommitId>,
    /// What settled that conflict: the merge's road.
    pub settled_by: Option<&'a str>,
    /// How the packet becomes commits.
    pub strategy: Strategy,
    /// The checks that passed on the packet's tree.
    pub evidence: Vec<String>,
    /// The time that the commit carries, so that a merge made again is the same commit.
    pub at: Timestamp,
}

/// What came of a merge.
#[derive(Clone, Debug)]
pub enum Merged {
    /// A commit.
    Clean(Merge),
    /// Paths that need a decision.
    Conflicted(Vec<ConflictFile>),
}

/// Merges a packet onto an integration commit, which may be of the batch. Nothing is in the repository before the
/// batch is written.
///
/// # Errors
/// If git cannot read or write the objects. A conflict is not an error.
pub fn merge_packet(git: &Git, batch: &mut Batch, merge: &PacketMerge<'_>) -> Result<Merged> {
    let result = match merge.resolution {
        None => batch.merge_tree(merge.onto, merge.tip)?,
        Some(resolution) => merge_resolution(git, batch, merge.onto, resolution)?,
    };
    let (tree, road) = match result {
        TreeMerge::Conflicted { files, .. } => return Ok(Merged::Conflicted(files)),
        TreeMerge::Clean { tree, road } => (tree, road),
    };
    let merges = merge.strategy != Strategy::Squash;
    let parents = if merges {
        vec![merge.onto.clone(), merge.tip.clone()]
    } else {
        vec![merge.onto.clone()]
    };
    let packet_tree = git.tree_of(merge.tip)?;
    let commit = batch.commit(&CommitSpec {
        tree: tree.clone(),
        parents,
        message: message::merge_message(
            merge.slug,
            merge.packet,
            merges,
            &packet_tree,
            &merge.evidence,
        ),
        at: merge.at,
    })?;
    Ok(Merged::Clean(Merge {
        onto: merge.onto.clone(),
        commit,
        tree,
        road: merge.settled_by.unwrap_or(road).to_owned(),
        proof: None,
    }))
}

/// Carries a resolution over to the present integration commit: what was decided is the difference
/// between the commit that was merged onto then and the result.
fn merge_resolution(
    git: &Git,
    batch: &mut Batch,
    onto: &CommitId,
    resolution: &CommitId,
) -> Result<TreeMerge> {
    let parents = git.parents_of(resolution)?;
    match parents.first() {
        Some(first) if first != onto => batch.merge_tree_onto(first, onto, resolution),
        _ => Ok(TreeMerge::Clean {
            tree: git.tree_of(resolution)?,
            road: "person",
        }),
    }
}

/// Makes the commit of a resolution: a merge of `tip` onto `onto` with the tree that was left.
///
/// # Errors
/// If git cannot write it.
pub fn resolution_commit(
    git: &Git,
    slug: &Slug,
    onto: &CommitId,
    tip: &CommitId,
    tree: crate::model::id::TreeId,
    at: Timestamp,
) -> Result<Merge> {
    let commit = git.commit(&CommitSpec {
        tree: tree.clone(),
        parents: vec![onto.clone(), tip.clone()],
        message: format!(
            "Resolve the conflict of {} with {slug}\n\nDynwf-Workflow: {slug}\n",
            tip.short()
        ),
        at,
    })?;
    Ok(Merge {
        onto: onto.clone(),
        commit,
        tree,
        road: "person".to_owned(),
        proof: None,
    })
}

/// Merges the moved target onto an integration commit; where one contains the other, that one is the result.
///
/// # Errors
/// If git cannot read or write the objects. A conflict is not an error.
pub fn merge_target(
    git: &Git,
    slug: &Slug,
    onto: &CommitId,
    target: &CommitId,
    name: &str,
    at: Timestamp,
) -> Result<Merged> {
    let ready = |commit: &CommitId| -> Result<Merged> {
        Ok(Merged::Clean(Merge {
            onto: onto.clone(),
            commit: commit.clone(),
            tree: git.tree_of(commit)?,
            road: "git".to_owned(),
            proof: None,
        }))
    };
    if git.is_ancestor(target, onto)? {
        return ready(onto);
    }
    if git.is_ancestor(onto, target)? {
        return ready(target);
    }
    let (tree, road) = match git.merge_tree(onto, target)? {
        TreeMerge::Conflicted { files, .. } => return Ok(Merged::Conflicted(files)),
        TreeMerge::Clean { tree, road } => (tree, road),
    };
    let commit = git.commit(&CommitSpec {
        tree: tree.clone(),
        parents: vec![onto.clone(), target.clone()],
        message: message::target_message(slug, name),
        at,
    })?;
    Ok(Merged::Clean(Merge {
        onto: onto.clone(),
        commit,
        tree,
        road: road.to_owned(),
        proof: None,
    }))
}
