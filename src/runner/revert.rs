//! Taking a packet that landed out again: the packet that does it, and its work.
//!
//! It is a packet like any other, only that nobody works on it: its commit is made here, and then it is judged,
//! merged, checked and landed through the same gates. Called by `executor` (the work) and by `requests` (the rest).

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;

use super::work;
use crate::git::Git;
use crate::integrate::{self, Revert};
use crate::model::id::{CommitId, PacketId};
use crate::model::packet::Collected;
use crate::model::plan::{PARENT_AGENT, Packet};
use crate::model::state::RunState;

/// The packet that takes another one out, as the plan would state it; `None` where the plan does not know that one.
pub(super) fn packet(state: &RunState, id: &PacketId, why: &str) -> Option<Packet> {
    let planned = state.planned(id)?;
    let merge = merge_of(state, id)?;
    let why = Some(why.trim()).filter(|why| !why.is_empty());
    let by = state.free_id("revert", id)?;
    let objective = format!("Revert {id}: {}", planned.objective.trim());
    Some(Packet {
        context: format!(
            "{id} landed as {merge}, and is taken out again{}",
            why.map_or_else(String::new, |why| format!(": {why}"))
        ),
        owner: planned.owner.clone(),
        scope: planned.scope.clone(),
        agent: Some(PARENT_AGENT.to_owned()),
        ..Packet::new(by, objective)
    })
}

fn merge_of<'a>(state: &'a RunState, id: &PacketId) -> Option<&'a CommitId> {
    let merge = state.packets.get(id)?.merge.as_ref()?;
    Some(&merge.commit)
}

/// Makes the commit that takes a packet out. No ref moves.
///
/// # Errors
/// If the packet has no merge, or git fails.
pub(super) fn work(
    git: &Git,
    state: &RunState,
    id: &PacketId,
    why: &str,
    at: Timestamp,
) -> Result<Box<Collected>> {
    let (Some(merge), Some(packet)) = (merge_of(state, id), packet(state, id, why)) else {
        return Err(anyhow!("packet {id} was never merged"));
    };
    let (tip, tree) = integrate::revert(
        git,
        &Revert {
            slug: &state.slug,
            packet: &packet,
            merge,
            why,
            at,
        },
    )
    .with_context(|| format!("taking {} out again", merge.short()))?;
    let mut work = work::collected(git, merge.clone(), tip, tree, &packet.scope)
        .with_context(|| format!("looking at what takes packet {id} out again"))?;
    // Where git put what the packet did, following a renamed directory, is where it is taken back.
    work.facts.outside.clear();
    Ok(Box::new(work))
}
