//! Resolutions of conflicts: their commits, and what is recorded of a resolver's. Called by `executor`, by the jobs that
//! settle conflicts (`mend`, `hand`) and by `facts`.

use anyhow::Result;
use jiff::Timestamp;

use crate::git::Git;
use crate::integrate::{self, Made};
use crate::model::event::{EventKind, GivenUp};
use crate::model::id::{CommitId, PacketId, TreeId};
use crate::model::packet::{Merge, Resolving};
use crate::model::path::RepoPath;
use crate::model::plan::Packet;
use crate::model::state::{RunState, Stage};

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

/// A resolver begins, unless the conflict is over by now.
pub(super) fn handed(
    state: &RunState,
    id: PacketId,
    result: Result<Box<(Resolving, Packet)>, String>,
) -> Vec<EventKind> {
    if !conflicts(state, &id) {
        return Vec::new();
    }
    vec![match result {
        Ok(handed) => {
            let (resolving, packet) = *handed;
            EventKind::ResolverAsked {
                resolving,
                packet: Box::new(packet),
            }
        }
        Err(why) => EventKind::RungFailed {
            packet: id,
            rung: "resolver".to_owned(),
            why,
        },
    }]
}

/// A packet cannot go on. Where it is a resolver's, the conflict is still there, for a person: that is no failure of the
/// workflow.
pub(super) fn failed(state: &RunState, id: &PacketId, why: String) -> EventKind {
    let resolves = state
        .packets
        .get(id)
        .is_some_and(|packet| packet.resolves.is_some());
    let packet = id.clone();
    if resolves {
        let how = GivenUp::Dropped;
        EventKind::PacketGivenUp { packet, how, why }
    } else {
        EventKind::PacketFailed { packet, why }
    }
}

/// What a resolver made of a conflict counts, or the conflict is left for a person.
pub(super) fn resolved(
    state: &RunState,
    by: PacketId,
    result: Result<Box<Merge>, String>,
) -> Vec<EventKind> {
    let Some(packet) = state.packets.get(&by) else {
        return Vec::new();
    };
    let Some(resolving) = packet
        .resolves
        .as_ref()
        .filter(|_| packet.stage == Stage::Collected)
    else {
        return Vec::new();
    };
    let same = state
        .packets
        .get(&resolving.packet)
        .and_then(|conflicted| conflicted.collected.as_ref())
        .is_some_and(|work| work.tip == resolving.tip);
    let agent = state.planned(&by).map_or("", Packet::agent_name).to_owned();
    let given_up = |why: String| {
        vec![EventKind::PacketGivenUp {
            packet: by.clone(),
            how: GivenUp::Dropped,
            why,
        }]
    };
    match result {
        _ if !same || !conflicts(state, &resolving.packet) => {
            given_up(format!("the conflict of {} is over", resolving.packet))
        }
        Err(why) => given_up(why),
        Ok(merge) => vec![
            EventKind::ConflictResolved {
                packet: resolving.packet.clone(),
                commit: merge.commit,
                by: by.to_string(),
                rung: format!("resolver {agent}"),
                proof: merge.proof,
            },
            EventKind::PacketFinished { packet: by },
        ],
    }
}

fn conflicts(state: &RunState, id: &PacketId) -> bool {
    state
        .packets
        .get(id)
        .is_some_and(|packet| packet.stage == Stage::Conflicted)
}
