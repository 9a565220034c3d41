//! Making a merge of what lies resolved in the integration workspace.

use anyhow::Result;
use jiff::Timestamp;

use crate::git::Git;
use crate::integrate::{self, Made};
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::Merge;
use crate::model::path::RepoPath;
use crate::model::state::RunState;

/// Makes the commit of a resolution, and compares it with both sides of the conflict; but not the files in `exempt`,
/// which a rule writes anew.
pub(super) fn commit(
    git: &Git,
    state: &RunState,
    onto: &CommitId,
    tip: &CommitId,
    tree: TreeId,
    exempt: &[(RepoPath, String)],
    at: Timestamp,
) -> Result<Merge> {
    let mut merge = integrate::resolution_commit(git, &state.slug, onto, tip, tree, at)?;
    let proof = integrate::prove(
        git,
        &Made {
            onto,
            tip,
            tree: &merge.tree,
            exempt,
        },
    )?;
    merge.proof = Some(proof);
    Ok(merge)
}
