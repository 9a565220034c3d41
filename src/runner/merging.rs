//! The job that merges packets, as objects: all whose turn it is, each onto the one before it.
//!
//! Invariants: the order and every result are those of merging one packet a job: after each merge the queue is
//! asked again, on a copy of the state that has the result. A packet that cannot be merged is left out and keeps
//! none of the others up. All that was made is written together, in one pack; no ref moves.

use anyhow::{Context as _, Result, anyhow};

use super::message::{Input, MergeResult, Tools};
use super::queue;
use super::work::{integration_of, packet_of, result_of, time_of};
use crate::fault;
use crate::git::Batch;
use crate::integrate::{self, Made, PacketMerge};
use crate::model::evidence::Evidence;
use crate::model::id::PacketId;
use crate::model::state::RunState;

/// How many packets one job merges: what it holds in memory, and what a crash makes it do again, has a limit.
const MOST: usize = 256;

/// Merges the packets whose turn it is onto the integration branch's commit.
pub(super) fn merge(tools: &Tools, state: &RunState) -> Result<Input> {
    let mut batch = tools.git.batch()?;
    let mut state = state.clone();
    let mut results = Vec::new();
    while results.len() < MOST
        && let Some(id) = queue::next_merge(&state)
    {
        fault::point("merge:before");
        let result = merge_one(tools, &mut batch, &state, &id)
            .unwrap_or_else(|error| MergeResult::Failed(format!("{error:#}")));
        let merge = match &result {
            MergeResult::Clean(merge) => Some(merge),
            MergeResult::Conflict(_) | MergeResult::Doubt(_) | MergeResult::Failed(_) => None,
        };
        queue::assume(&mut state, &id, merge);
        results.push((id, result));
        fault::point("merge:after");
    }
    batch.write()?;
    fault::point("merge:written");
    Ok(Input::Merged(results))
}

pub(super) fn merge_one(
    tools: &Tools,
    batch: &mut Batch,
    state: &RunState,
    id: &PacketId,
) -> Result<MergeResult> {
    let (packet, planned) = packet_of(state, id)?;
    let integration = integration_of(state)?;
    let frozen = state
        .frozen
        .as_ref()
        .ok_or_else(|| anyhow!("the plan is not frozen"))?;
    let collected = packet
        .collected
        .as_ref()
        .ok_or_else(|| anyhow!("packet {id} was not collected"))?;
    let evidence = state
        .packet_checks(id)
        .into_iter()
        .filter(|(_, evidence)| evidence.is_some_and(Evidence::passed))
        .map(|(check, _)| check.name)
        .collect();
    let merged = integrate::merge_packet(
        &tools.git,
        batch,
        &PacketMerge {
            slug: &state.slug,
            packet: planned,
            onto: &integration.commit,
            tip: &collected.tip,
            resolution: packet.resolution.as_ref(),
            settled_by: packet.settled_by.as_deref(),
            strategy: frozen.plan.integration.strategy,
            evidence,
            at: time_of(packet, state),
        },
    )
    .with_context(|| format!("merging packet {id} onto {}", integration.commit.short()))?;
    let mut result = result_of(merged, state, &integration.commit);
    if let MergeResult::Clean(merge) = &mut result
        && (merge.road != "tree" || batch.merged_texts())
    {
        // To be compared it has to be there.
        batch.write()?;
        let known = packet.proof.as_ref();
        let made = Made {
            onto: &merge.onto,
            tip: &collected.tip,
            tree: &merge.tree,
            exempt: known.map_or(&[], |known| &known.exempt),
        };
        let mut proof = integrate::prove(&tools.git, &made)?;
        if let Some(known) = known {
            proof.explain_like(known);
        }
        if !proof.is_whole() && !known.is_some_and(|known| proof.is_within(known)) {
            proof.asks = true;
            return Ok(MergeResult::Doubt(proof));
        }
        merge.proof = Some(proof);
    }
    Ok(result)
}
