//! The job that replays a packet's work onto what took the place of its base, as objects.
//!
//! Where the work does not go there, it is put on the last commit that both have in common: it then conflicts when it
//! is merged, and takes the road of every conflict. Where it does not go there either, it really builds on what was
//! taken away, and has to be done again.

use anyhow::{Result, anyhow};

use super::message::{Input, Tools};
use super::work::{integration_of, packet_of, time_of};
use crate::fault;
use crate::git::Batch;
use crate::integrate::{self, Replayed};
use crate::model::id::{CommitId, PacketId};
use crate::model::packet::{Collected, ConflictFile, Restack};
use crate::model::scope::Scope;
use crate::model::state::RunState;
use crate::review::facts::risk_facts;

/// Replays a packet's work.
pub(super) fn restack(tools: &Tools, state: &RunState, id: &PacketId) -> Result<Input> {
    let (packet, planned) = packet_of(state, id)?;
    let integration = integration_of(state)?;
    let old = packet
        .collected
        .as_ref()
        .ok_or_else(|| anyhow!("packet {id} was not collected"))?;
    let onto = if state.stands_on_others(id) {
        &integration.commit
    } else {
        &integration.target
    };
    fault::point("restack:before");
    let mut batch = tools.git.batch()?;
    let at = time_of(packet, state);
    let replayed = match replay_onto(tools, &mut batch, old, onto, at)? {
        Err(files) => {
            let common = tools.git.merge_base(&old.base, onto)?;
            let common = common.filter(|common| *common != old.base && common != onto);
            let again = common
                .map(|common| replay_onto(tools, &mut batch, old, &common, at))
                .transpose()?;
            again.unwrap_or(Err(files))
        }
        replayed => replayed,
    };
    batch.write()?;
    let result = match replayed {
        Err(files) => Err(hopeless(&old.tip, &files)),
        Ok((base, tip, tree)) => {
            let scope = Scope::new(&planned.scope)
                .map_err(|bad| anyhow!("scope {} of packet {id}: {}", bad.index, bad.why))?;
            let facts = risk_facts(&tools.git, &tools.git.tree_of(&base)?, &tree, &scope)?;
            Ok(Box::new(Restack {
                from: old.tip.clone(),
                base: old.base.clone(),
                collected: Collected {
                    base,
                    tip,
                    tree,
                    facts,
                    found: None,
                    notes: Vec::new(),
                },
            }))
        }
    };
    fault::point("restack:after");
    Ok(Input::Restacked {
        packet: id.clone(),
        result,
    })
}

type Stands = (CommitId, CommitId, crate::model::id::TreeId);

fn replay_onto(
    tools: &Tools,
    batch: &mut Batch,
    old: &Collected,
    onto: &CommitId,
    at: jiff::Timestamp,
) -> Result<std::result::Result<Stands, Vec<ConflictFile>>> {
    let tree = tools.git.tree_of(onto)?;
    let replayed = integrate::replay(&tools.git, batch, &old.base, &old.tip, (onto, &tree), at)?;
    Ok(match replayed {
        Replayed::Clean { tip, tree, .. } => Ok((onto.clone(), tip, tree)),
        Replayed::Conflicted(files) => Err(files),
    })
}

fn hopeless(tip: &CommitId, files: &[ConflictFile]) -> String {
    let paths: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
    format!(
        "what it started from has changed, and its work cannot be replayed: it conflicts in {}; it is kept as {}",
        paths.join(", "),
        tip.short()
    )
}
