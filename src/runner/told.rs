//! What a unit is told in its environment: where it is, and for what. Called by `unit`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};

use crate::model::packet::Workspace;
use crate::model::scope::MOST_TOLD;
use crate::model::state::RunState;
use crate::model::unit::Unit;
use crate::process::UnitDir;

/// The first of the ports that workspaces are told, and how many each workflow has.
const PORTS: (u32, u32) = (20_000, 100);

/// The variables that tell a unit where it is.
pub(super) fn told(
    state: &RunState,
    unit: &Unit,
    workspace: &Workspace,
    folder: &UnitDir,
) -> Result<BTreeMap<String, String>> {
    let frozen = state
        .frozen
        .as_ref()
        .ok_or_else(|| anyhow!("the plan is not frozen"))?;
    let packet = unit.packet();
    let base = packet
        .and_then(|id| state.packets.get(id)?.base.as_ref())
        .unwrap_or(&frozen.base);
    let branch = packet.map_or_else(
        || state.slug.integration_branch(),
        |id| state.slug.branch(id),
    );
    let scope = packet
        .and_then(|id| state.planned(id))
        .map_or_else(String::new, |packet| packet.scope.join("\n"));
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Ok([
        ("WORKFLOW", state.slug.to_string()),
        ("PACKET", unit.workspace.to_string()),
        ("ATTEMPT", unit.attempt.to_string()),
        ("BASE", base.to_string()),
        ("BRANCH", branch.short().to_owned()),
        ("SCOPE", scope),
        ("PROMPT_FILE", text(&folder.prompt())),
        ("RESULT_FILE", text(&folder.result())),
        ("WORKTREE_PATH", workspace.path.clone()),
        ("PORT", port(state, unit).to_string()),
    ]
    .into_iter()
    .chain(unit.call().map(|ordinal| ("CALL", ordinal.to_string())))
    // A longer one would keep the unit from starting at all.
    .filter(|(_, value)| value.len() <= MOST_TOLD)
    .map(|(name, value)| (format!("DYNWF_{name}"), value))
    .collect())
}

/// A port that no other workspace of this workflow is told; workflows differ by a hash of their name.
fn port(state: &RunState, unit: &Unit) -> u32 {
    let (first, each) = PORTS;
    let workflow = crc32fast::hash(state.slug.as_str().as_bytes()) % 280;
    let index = state
        .in_plan_order()
        .position(|(id, _)| unit.packet() == Some(id))
        .and_then(|index| u32::try_from(index + 1).ok())
        .unwrap_or(0);
    first + workflow * each + index % each
}
