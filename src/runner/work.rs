//! Jobs that ask git: collect, follow the target, weigh. Packets are merged in `merging`.

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;

use super::confine;
use super::message::{CollectResult, Input, MergeResult, Tools};
use super::scene::Scene;
use crate::fault;
use crate::git::Git;
use crate::integrate::{self, Merged};
use crate::model::id::{CommitId, PacketId, TreeId};
use crate::model::packet::{Collected, Conflict, ConflictFile, RiskFacts, Weight};
use crate::model::scope::Scope;
use crate::model::state::{Integration, PacketState, RunState};
use crate::model::unit::WorkspaceName;
use crate::review::facts::risk_facts;
use crate::workspace::{self, CollectSpec, Outcome};

/// Makes a commit of what a worker left in the packet's workspace. No ref moves.
pub(super) fn collect(tools: &Tools, state: &RunState, id: &PacketId) -> Result<Input> {
    let (packet, planned) = packet_of(state, id)?;
    let workspace = packet
        .workspace
        .as_ref()
        .ok_or_else(|| anyhow!("packet {id} has no workspace"))?;
    let base = packet
        .base
        .clone()
        .ok_or_else(|| anyhow!("packet {id} has no base"))?;
    fault::point("collect:before");
    let name = WorkspaceName::Packet(id.clone());
    let scene = Scene {
        tools,
        state,
        name: &name,
        workspace,
        agent: None,
    };
    let notes = confine::notes(&scene, time_of(packet, state))?;
    fault::point("collect:harvested");
    let mut collection = workspace::collect(
        &tools.git,
        workspace,
        &CollectSpec {
            base: base.clone(),
            earlier: packet.branch.clone(),
            at: time_of(packet, state),
            message: integrate::packet_message(&state.slug, planned),
        },
    )?;
    workspace::mend_dot_git(&tools.git, workspace)?;
    collection.notes.extend(notes);
    let result = match collection.outcome {
        // In goal mode the checks decide, also about an agent that changed nothing.
        Outcome::Nothing if planned.turns.is_some_and(|turns| turns > 1) => {
            CollectResult::Work(Box::new(Collected {
                tip: base.clone(),
                tree: tools.git.tree_of(&base)?,
                base,
                facts: RiskFacts::default(),
                found: collection.found_branch,
                notes: collection.notes,
            }))
        }
        Outcome::Nothing => CollectResult::Nothing {
            notes: collection.notes,
        },
        Outcome::Refused { why } => CollectResult::Refused(why),
        Outcome::Work { tip, tree } => {
            let work = collected(&tools.git, base, tip, tree, &planned.scope)
                .with_context(|| format!("looking at the work of packet {id}"))?;
            CollectResult::Work(Box::new(Collected {
                found: collection.found_branch,
                notes: collection.notes,
                ..work
            }))
        }
    };
    fault::point("collect:after");
    Ok(Input::Collected {
        packet: id.clone(),
        result,
    })
}

/// Merges the moved target into the integration branch's commit, as objects.
pub(super) fn follow_target(tools: &Tools, state: &RunState) -> Result<Input> {
    let integration = integration_of(state)?;
    let (Some(frozen), Some(target)) = (&state.frozen, &state.target_seen) else {
        return Err(anyhow!("the target was never seen"));
    };
    let merged = integrate::merge_target(
        &tools.git,
        &state.slug,
        &integration.commit,
        target,
        frozen.target.short(),
        state.at.unwrap_or(frozen.at),
    )
    .with_context(|| format!("merging {} at {}", frozen.target.short(), target.short()))?;
    Ok(Input::Followed {
        target: target.clone(),
        result: result_of(merged, state, &integration.commit),
    })
}

/// Looks at what landing would change.
pub(super) fn weigh(tools: &Tools, state: &RunState) -> Result<Input> {
    let integration = integration_of(state)?;
    let everything = Scope::new(&["**".to_owned()]).map_err(|bad| anyhow!(bad.why))?;
    let old = tools.git.tree_of(&integration.target)?;
    let facts = risk_facts(&tools.git, &old, &integration.tree, &everything)?;
    Ok(Input::Weighed(Weight {
        old: integration.target.clone(),
        new: integration.commit.clone(),
        digest: facts.digest,
        files: facts.files,
        additions: facts.additions,
        deletions: facts.deletions,
    }))
}

/// A packet's work with what is risky about it; `scope` is the packet's.
pub(super) fn collected(
    git: &Git,
    base: CommitId,
    tip: CommitId,
    tree: TreeId,
    scope: &[String],
) -> Result<Collected> {
    let scope = Scope::new(scope).map_err(|bad| anyhow!("pattern {}: {}", bad.index, bad.why))?;
    let facts = risk_facts(git, &git.tree_of(&base)?, &tree, &scope)?;
    Ok(Collected {
        base,
        tip,
        tree,
        facts,
        found: None,
        notes: Vec::new(),
    })
}

pub(super) fn packet_of<'a>(
    state: &'a RunState,
    id: &PacketId,
) -> Result<(&'a PacketState, &'a crate::model::plan::Packet)> {
    state
        .packets
        .get(id)
        .zip(state.planned(id))
        .ok_or_else(|| anyhow!("no packet is called {id}"))
}

pub(super) fn integration_of(state: &RunState) -> Result<&Integration> {
    state
        .integration
        .as_ref()
        .ok_or_else(|| anyhow!("the integration branch was never made"))
}

/// The time that a packet's commits carry: that of the fact that asked for them, so that a commit that is made
/// again after a crash is the same commit.
pub(super) fn time_of(packet: &PacketState, state: &RunState) -> Timestamp {
    packet.since.or(state.at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What a merge onto the integration commit `onto` says.
pub(super) fn result_of(merged: Merged, state: &RunState, onto: &CommitId) -> MergeResult {
    match merged {
        Merged::Clean(merge) => MergeResult::Clean(merge),
        Merged::Conflicted(files) => MergeResult::Conflict(Conflict {
            onto: onto.clone(),
            with: met_by(state, &files),
            files,
        }),
    }
}

/// The merged packets that changed a conflicted path.
fn met_by(state: &RunState, files: &[ConflictFile]) -> Vec<PacketId> {
    let merged = state.integrated();
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            merged.contains(id)
                && packet.collected.as_ref().is_some_and(|collected| {
                    files
                        .iter()
                        .any(|file| collected.facts.paths.contains(&file.path))
                })
        })
        .map(|(id, _)| id.clone())
        .collect()
}
