//! The job that settles a packet's conflict by rule.
//!
//! The result is a merge commit that is merged like the packet's tip, as a person's resolution is. Commands run in a
//! folder of their own with the merged files, in the sandbox that checks have; of what they change only the files that
//! conflict are taken. They are no units: nobody adopts one, and a run that is killed lets it end with dynwf and does it
//! again. Nothing but objects is made, so that is safe. What does not come out well leaves the conflict for the next
//! rung. Called by `executor`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::confine;
use super::message::{Input, Tools};
use super::resolving;
use super::work::{integration_of, packet_of, time_of};
use crate::fault;
use crate::integrate::{Rules, Run};
use crate::model::id::PacketId;
use crate::model::packet::Merge;
use crate::model::path::RepoPath;
use crate::model::state::RunState;
use crate::workspace::Scratch;

/// How much of a command's complaint is told, in characters.
const TOLD: usize = 400;

/// Settles the conflict, or says why not.
pub(super) fn mend(tools: &Tools, state: &RunState, id: &PacketId) -> Input {
    fault::point("mend:before");
    let result = settle(tools, state, id).map_err(|error| {
        let why = format!("{error:#}");
        let lines: Vec<&str> = why.split_whitespace().collect();
        lines.join(" ").chars().take(TOLD).collect()
    });
    fault::point("mend:after");
    Input::Mended {
        packet: id.clone(),
        result: result.map(Box::new),
    }
}

fn settle(tools: &Tools, state: &RunState, id: &PacketId) -> Result<(Merge, String)> {
    let (packet, _) = packet_of(state, id)?;
    let onto = &integration_of(state)?.commit;
    let tip = packet.collected.as_ref().map(|work| &work.tip);
    let tip = tip.ok_or_else(|| anyhow!("packet {id} was not collected"))?;
    let settings = &tools.config.integration;
    let rules = Rules::new(&settings.rules, settings.lock_files);
    let settled = rules.settle(&tools.git, onto, tip)?;
    let mut exempt = Vec::new();
    let mut tree = settled.tree.clone();
    if !settled.runs.is_empty() {
        let scratch = Scratch::of(&tools.git, &settled.tree)?;
        let mut files = Vec::new();
        for run in &settled.runs {
            perform(tools, state, id, &scratch, run)?;
            files.extend(run.files.iter().cloned());
            let rule = format!("`{}`", run.run);
            exempt.extend(run.files.iter().map(|file| (file.clone(), rule.clone())));
        }
        tree = scratch.record(&files)?;
    }
    fault::point("mend:settled");
    let at = time_of(packet, state);
    let mut merge = resolving::commit(&tools.git, state, onto, tip, tree, &exempt, at)?;
    if let Some(proof) = &mut merge.proof {
        proof.asks = !proof.is_whole();
    }
    Ok((merge, format!("rule {}", settled.rules.join(", "))))
}

fn perform(
    tools: &Tools,
    state: &RunState,
    id: &PacketId,
    scratch: &Scratch<'_>,
    run: &Run,
) -> Result<()> {
    let folder = scratch.work().join(os(&run.folder)?);
    let told = [
        ("DYNWF_WORKFLOW", state.slug.to_string()),
        ("DYNWF_PACKET", id.to_string()),
        ("DYNWF_WORKTREE_PATH", scratch.work().display().to_string()),
        ("DYNWF_FOLDER", folder.display().to_string()),
    ];
    let told: BTreeMap<String, String> = told
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let line = format!("cd \"$DYNWF_FOLDER\" || exit\n{}", run.run);
    let limit = Duration::from_secs(60 * u64::from(tools.config.limits.minutes));
    confine::run_there(tools, &scratch.work(), &line, &told, limit)
        .with_context(|| format!("`{}`", run.run))
}

fn os(path: &RepoPath) -> Result<&std::path::Path> {
    let text = std::str::from_utf8(path.as_bytes()).context("a folder's name is not UTF-8")?;
    Ok(std::path::Path::new(text))
}
