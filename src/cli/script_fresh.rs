//! Keeps a run of a script aside, so that another one can begin under its name.

use std::fs;

use anyhow::{Context as _, Result, bail};

use super::context::Context;
use super::drive;
use crate::error::usage;
use crate::git::RefMove;
use crate::model::id::Slug;
use crate::model::op::RefUpdate;
use crate::model::state::RunState;
use crate::runner::{Goal, Order};

/// Archives a run and gives it the first free name after its own: `review-1`. Nothing of it is lost: what lies in its
/// workspaces is rescued, its branches become plain refs. Returns the name.
///
/// # Errors
/// If it cannot be archived, or something of it cannot be moved.
pub(super) fn set_aside(context: &Context, state: &RunState) -> Result<Slug> {
    let slug = &state.slug;
    let aside = free_name(context, slug)?;
    {
        let mut session = context.session(slug)?;
        if !session.state().archived {
            let goal = Goal::Archive { recipe: None };
            let end = drive::drive(context, &mut session, Order::of(goal), true)?;
            if !session.state().archived {
                return Err(usage(
                    format!("the run {slug} cannot be put aside: {}", end.why.join("; ")),
                    format!(
                        "dynwf status {slug} shows how it stands; --name starts another run beside it"
                    ),
                ));
            }
        }
        // Still under its lock.
        move_refs(context, slug, &aside)?;
        let (from, to) = (context.store.folder(slug), context.store.folder(&aside));
        fs::rename(&from, &to)
            .with_context(|| format!("moving {} to {}", from.display(), to.display()))?;
    }
    let (from, to) = (context.face(slug)?, context.face(&aside)?);
    if from.exists() && !to.exists() {
        fs::rename(&from, &to)
            .with_context(|| format!("moving {} to {}", from.display(), to.display()))?;
    }
    Ok(aside)
}

fn free_name(context: &Context, slug: &Slug) -> Result<Slug> {
    for number in 1_u32.. {
        let end = format!("-{number}");
        let mut name = slug.to_string();
        name.truncate(64 - end.len());
        name.push_str(&end);
        let name: Slug = name.parse()?;
        if !context.store.folder(&name).exists() && !context.face(&name)?.exists() {
            return Ok(name);
        }
    }
    bail!("every name after {slug} is taken")
}

fn move_refs(context: &Context, slug: &Slug, aside: &Slug) -> Result<()> {
    let prefix = format!("refs/dynwf/w/{slug}/");
    let mut updates = Vec::new();
    for (name, commit) in context.git.list_refs(&prefix)? {
        let rest = name.as_str().strip_prefix(&prefix).unwrap_or_default();
        updates.push(RefUpdate {
            name: format!("refs/dynwf/w/{aside}/{rest}").parse()?,
            old: None,
            new: Some(commit.clone()),
        });
        updates.push(RefUpdate {
            name,
            old: Some(commit),
            new: None,
        });
    }
    if updates.is_empty() {
        return Ok(());
    }
    match context.git.update_refs(&updates, "dynwf: put aside")? {
        RefMove::Moved | RefMove::Already => Ok(()),
        RefMove::Refused { name, .. } => bail!("{name} moved while the run {slug} was put aside"),
    }
}
