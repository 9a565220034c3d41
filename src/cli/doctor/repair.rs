//! `dynwf doctor --repair`: the journal cut at its last good record, and the repository brought back to what it says.
//!
//! Branches, pins and worktrees that came of what was cut off would be refused or taken for something else by the next
//! run. So each is put on a rescue ref and moved back or away. A packet that was about to begin begins again, in a
//! fresh workspace. Nothing is lost. Refs that a person uses in a worktree of their own are left alone and named.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use crate::cli::context::Context;
use crate::cli::{output, prune, request};
use crate::error::{ExitCode, Failure};
use crate::git::RefMove;
use crate::journal::{self, Journal, Repaired};
use crate::model::id::{CommitId, PacketId, RefName, Slug, UnitId};
use crate::model::op::RefUpdate;
use crate::model::packet::Workspace;
use crate::model::plan::Packet;
use crate::model::request::RequestBody;
use crate::model::state::{RunState, Stage};
use crate::process::{self, UnitDir};
use crate::workspace;

/// Repairs a workflow whose journal is damaged in the middle, and says what was done.
pub(super) fn repair(context: &Context, slug: &Slug) -> Result<ExitCode> {
    refuse_live_units(context, slug)?;
    let Some(done) = journal::repair(&context.store, slug)? else {
        output::say(&format!("nothing is wrong with the journal of {slug}"));
        return Ok(ExitCode::Done);
    };
    say_cut(slug, &done)?;
    let fresh = {
        let (_journal, state) = Journal::open(&context.store, slug)?;
        for line in bring_back(context, &state)? {
            output::answer(&line)?;
        }
        to_begin_again(&state)
    };
    for packet in fresh {
        output::say(&format!("{packet} begins again with the next run"));
        let body = RequestBody::Retry {
            packet,
            comment: String::new(),
        };
        request::send(context, slug, body, output::is_attended())?;
    }
    output::say(&format!(
        "dynwf rescue {slug} lists what was kept; look at dynwf status {slug}, then dynwf run {slug}"
    ));
    Ok(ExitCode::Done)
}

fn say_cut(slug: &Slug, done: &Repaired) -> Result<()> {
    let lines = if done.cut == 1 {
        "1 line after it was".to_owned()
    } else {
        format!("{} lines after it were", done.cut)
    };
    output::answer(&format!(
        "the journal of {slug} ends with record {} now; {lines} cut off ({})",
        done.kept, done.why
    ))?;
    output::answer(&format!(
        "the whole file is kept as {}",
        done.copy.display()
    ))
}

/// A unit that still runs would go on unseen once its record is cut off.
fn refuse_live_units(context: &Context, slug: &Slug) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(context.store.units(slug)) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()).map(UnitId) else {
            continue;
        };
        let found = process::look(&UnitDir::new(entry.path()))?;
        if matches!(found, process::Look::Alive) {
            return Err(
                Failure::new(ExitCode::Locked, format!("unit {id} of {slug} still runs"))
                    .hint("wait for its end, or end it, and repair then")
                    .into(),
            );
        }
    }
    Ok(())
}

/// Moves refs back to what the state knows, and takes worktrees away that it does not.
fn bring_back(context: &Context, state: &RunState) -> Result<Vec<String>> {
    let git = &context.git;
    let slug = &state.slug;
    let mut lines = Vec::new();
    let mut updates = Vec::new();
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    for (name, now) in ours(context, slug)? {
        let known = known_value(state, &name);
        if known.as_ref() == Some(&now) || is_earlier_tip(state, &name) {
            continue;
        }
        if let Some(folder) = used_by_a_person(context, &name)? {
            lines.push(format!(
                "{} is left as it is: it is in use in {}",
                name.short(),
                folder.display()
            ));
            continue;
        }
        let rescued = slug.rescue(&rescued_as(&name, slug), &stamp);
        lines.push(format!(
            "{} was at {}, which {rescued} keeps",
            name.short(),
            now.short()
        ));
        updates.push(RefUpdate {
            name: rescued,
            old: None,
            new: Some(now.clone()),
        });
        updates.push(RefUpdate {
            name,
            old: Some(now),
            new: known,
        });
    }
    // The worktrees first: what they hold beyond their commits is seen while the refs still name these.
    for made in workspace::made(git)? {
        let of_it = prune::workflow_of(&made.name).as_ref() == Some(slug);
        if of_it && !prune::is_known_to(state, &made) {
            lines.extend(prune::abandon(context, &made)?);
            lines.push(format!("{} is gone", made.workspace.path));
        }
    }
    if let RefMove::Refused { name, .. } = git.update_refs(&updates, "dynwf: repair")? {
        return Err(Failure::new(
            ExitCode::PacketsFailed,
            format!(
                "{} moved meanwhile, and nothing was brought back",
                name.short()
            ),
        )
        .hint(format!("dynwf status {slug}"))
        .into());
    }
    Ok(lines)
}

/// The refs that a workflow's run moves.
fn ours(context: &Context, slug: &Slug) -> Result<Vec<(RefName, CommitId)>> {
    let mut all = Vec::new();
    for prefix in [
        format!("refs/heads/dynwf/{slug}/"),
        format!("refs/dynwf/w/{slug}/base/"),
        format!("refs/dynwf/w/{slug}/tip/"),
        format!("refs/dynwf/w/{slug}/branch/"),
    ] {
        all.extend(
            context
                .git
                .list_refs(&prefix)
                .with_context(|| format!("listing {prefix}"))?,
        );
    }
    Ok(all)
}

/// Where the state says that a ref stands.
fn known_value(state: &RunState, name: &RefName) -> Option<CommitId> {
    let slug = &state.slug;
    if let Some(integration) = &state.integration {
        let at = [slug.integration_branch(), slug.archived("integration")];
        if at[usize::from(state.branches_archived)] == *name {
            return Some(integration.commit.clone());
        }
    }
    state.packets.iter().find_map(|(id, packet)| {
        let branch = if state.branches_archived {
            slug.archived(id.as_str())
        } else {
            slug.branch(id)
        };
        if *name == branch {
            packet.branch.clone()
        } else if *name == slug.base_pin(id) {
            packet.base.clone()
        } else if *name == slug.tip_pin(id, packet.attempt) {
            packet
                .collected
                .as_ref()
                .map(|collected| collected.tip.clone())
        } else {
            None
        }
    })
}

/// Whether a ref keeps the tip of an attempt that another one followed.
fn is_earlier_tip(state: &RunState, name: &RefName) -> bool {
    state.packets.iter().any(|(id, packet)| {
        (1..packet.attempt).any(|attempt| *name == state.slug.tip_pin(id, attempt))
    })
}

/// A worktree that is not dynwf's and is on this branch.
fn used_by_a_person(context: &Context, name: &RefName) -> Result<Option<PathBuf>> {
    if !name.as_str().starts_with("refs/heads/") {
        return Ok(None);
    }
    let made: Vec<Workspace> = workspace::made(&context.git)?
        .into_iter()
        .map(|made| made.workspace)
        .collect();
    let uses = context.git.branch_uses(name)?;
    Ok(uses
        .into_iter()
        .map(|found| found.work_tree)
        .find(|folder| {
            made.iter()
                .all(|made| folder.as_os_str() != made.path.as_str())
        }))
}

/// The name of a ref below the workflow, as one part of a rescue ref. Worktrees are rescued under the packet's name
/// alone.
fn rescued_as(name: &RefName, slug: &Slug) -> String {
    let below = format!("refs/dynwf/w/{slug}/");
    match name.as_str().strip_prefix(&below) {
        Some(rest) => rest.replace('/', "-"),
        None => format!(
            "branch-{}",
            name.as_str().rsplit('/').next().unwrap_or("of")
        ),
    }
}

/// Packets that had a workspace and no worker yet: a worker that is forgotten now may have been in it.
fn to_begin_again(state: &RunState) -> Vec<PacketId> {
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            packet.stage == Stage::Prepared
                && !state.planned(id).is_some_and(Packet::is_parent_work)
        })
        .map(|(id, _)| id.clone())
        .collect()
}
