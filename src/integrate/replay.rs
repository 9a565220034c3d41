//! Replaying a packet's commits onto another base, as objects: nothing is checked out, no ref moves.

use anyhow::{Result, bail};
use jiff::Timestamp;

use crate::git::{Batch, CommitSpec, Git, TreeMerge};
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::ConflictFile;

/// How many commits of a packet are replayed one by one. dynwf makes one; more can only be somebody else's.
const MOST: usize = 1000;

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The commits stand on the new base.
    Clean {
        /// The last one; the new base itself where everything is in it already.
        tip: CommitId,
        /// Its tree.
        tree: TreeId,
        /// Which engine merged last: `tree` or `git`.
        road: &'static str,
    },
    /// A commit does not go there.
    Conflicted(Vec<ConflictFile>),
}

/// Replays the commits from `base` (not included) to `tip` onto `onto`, which may be of the batch: each one's
/// difference to its parent, with its message. What is in the new base already is left out. Nothing is in the
/// repository before the batch is written.
///
/// # Errors
/// If git cannot read or write the objects. A conflict is not an error.
pub fn replay(
    git: &Git,
    batch: &mut Batch,
    base: &CommitId,
    tip: &CommitId,
    onto: (&CommitId, &TreeId),
    at: Timestamp,
) -> Result<Replayed> {
    let (mut stands, mut tree) = (onto.0.clone(), onto.1.clone());
    let mut road = "tree";
    for (parent, commit) in steps(git, base, tip)? {
        let merged = if parent == stands {
            TreeMerge::Clean {
                tree: git.tree_of(&commit)?,
                road: "tree",
            }
        } else {
            batch.merge_tree_onto(&parent, &stands, &commit)?
        };
        match merged {
            TreeMerge::Conflicted { files, .. } => return Ok(Replayed::Conflicted(files)),
            TreeMerge::Clean { tree: same, .. } if same == tree => {}
            TreeMerge::Clean {
                tree: merged,
                road: by,
            } => {
                stands = batch.commit(&CommitSpec {
                    tree: merged.clone(),
                    parents: vec![stands],
                    message: git.message_of(&commit)?,
                    at,
                })?;
                (tree, road) = (merged, by);
            }
        }
    }
    Ok(Replayed::Clean {
        tip: stands,
        tree,
        road,
    })
}

/// The commits to replay, oldest first, each with the commit that its difference is taken to.
fn steps(git: &Git, base: &CommitId, tip: &CommitId) -> Result<Vec<(CommitId, CommitId)>> {
    let mut steps = Vec::new();
    let mut commit = tip.clone();
    while commit != *base {
        let Some(parent) = git.parents_of(&commit)?.into_iter().next() else {
            bail!("{} does not descend from {}", tip.short(), base.short());
        };
        steps.push((parent.clone(), commit));
        if steps.len() > MOST {
            bail!(
                "more than {MOST} commits lie between {} and {}",
                base.short(),
                tip.short()
            );
        }
        commit = parent;
    }
    steps.reverse();
    Ok(steps)
}
