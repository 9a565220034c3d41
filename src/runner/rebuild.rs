//! The job that puts the integration branch together again without the packets that are to leave it, as objects.
//!
//! What stands below the first of them stays as it is; the rest is merged again, in the same order. A packet that
//! started from a commit which leaves the branch leaves it too: its history would bring that commit back. It is
//! restacked and comes again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};

use super::merging::merge_one;
use super::message::{Input, MergeResult, Tools};
use super::work::{integration_of, packet_of};
use crate::fault;
use crate::model::id::CommitId;
use crate::model::packet::Rebuild;
use crate::model::state::{RunState, Stage};

/// Makes the merges of the branch without the packets that are to leave it.
pub(super) fn rebuild(tools: &Tools, state: &RunState) -> Result<Input> {
    let integration = integration_of(state)?;
    let tree = state
        .base_tree()
        .ok_or_else(|| anyhow!("the tree of {} is not known", integration.target.short()))?;
    fault::point("rebuild:before");
    let mut batch = tools.git.batch()?;
    let mut rebuild = Rebuild {
        from: integration.commit.clone(),
        commit: integration.target.clone(),
        tree: tree.clone(),
        merges: Vec::new(),
        conflicts: Vec::new(),
        out: Vec::new(),
    };
    let mut kept: BTreeSet<CommitId> = state.firm_commits().cloned().collect();
    // Merging asks the state where the branch stands.
    let mut assumed = state.clone();
    for id in state.unlanded() {
        let (packet, _) = packet_of(state, id)?;
        let base = packet.collected.as_ref().map(|collected| &collected.base);
        let stays =
            packet.stage == Stage::Integrated && base.is_some_and(|base| kept.contains(base));
        let Some(merge) = packet.merge.as_ref().filter(|_| stays) else {
            rebuild.out.push(id.clone());
            continue;
        };
        let merge = if merge.onto == rebuild.commit {
            kept.insert(merge.commit.clone());
            merge.clone()
        } else {
            if let Some(integration) = &mut assumed.integration {
                integration.commit = rebuild.commit.clone();
                integration.tree = rebuild.tree.clone();
            }
            match merge_one(tools, &mut batch, &assumed, id)? {
                MergeResult::Clean(merge) => merge,
                MergeResult::Conflict(conflict) => {
                    rebuild.conflicts.push((id.clone(), conflict));
                    continue;
                }
                // It comes again, and a person is asked then.
                MergeResult::Doubt(_) => {
                    rebuild.out.push(id.clone());
                    continue;
                }
                MergeResult::Failed(why) => bail!("merging {id} again: {why}"),
            }
        };
        rebuild.commit = merge.commit.clone();
        rebuild.tree = merge.tree.clone();
        rebuild.merges.push((id.clone(), merge));
    }
    batch.write().context("writing the merges")?;
    fault::point("rebuild:written");
    Ok(Input::Rebuilt(rebuild))
}
