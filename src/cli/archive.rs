//! `dynwf archive`: the last stage. Workspaces go, branches become plain refs, the report stays.

use anyhow::Result;

use super::context::Context;
use super::{drive, output, recipe};
use crate::error::{ExitCode, Failure, usage};
use crate::model::id::{GateId, PacketId, Slug};
use crate::model::state::RunState;
use crate::runner::{Goal, Order};

/// Close a workflow: take its workspaces away, keep its branches as plain refs, write the final report
///
/// Nothing is lost: tips stay on refs/dynwf/w/SLUG/…, files that were never collected go to a rescue ref first
/// (dynwf rescue SLUG), and the journal stays readable (dynwf log SLUG).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf archive refactor
  dynwf archive refactor --recipe split-by-crate   keep the plan's shape in .workflow/recipes/split-by-crate.toml
  dynwf archive refactor --force                   although something waits or is not landed")]
pub(super) struct ArchiveArgs {
    /// The workflow
    slug: Slug,

    /// Keep the shape of the plan as a recipe of this name
    #[arg(long, value_name = "NAME")]
    recipe: Option<Slug>,

    /// Archive it although something is unfinished, waits or is not landed
    #[arg(long)]
    force: bool,
}

pub(super) fn archive(context: &Context, args: &ArchiveArgs) -> Result<ExitCode> {
    let slug = &args.slug;
    let state = context.state(slug)?;
    if state.archived {
        output::say(&format!("{slug} is archived already"));
    } else if !args.force {
        refuse_unfinished(&state)?;
    }
    // First, while nothing is taken away: what cannot become a recipe is refused before the workflow is closed.
    if let Some(name) = &args.recipe {
        let file = recipe::save_finished(context, &state, name, false)?;
        output::say(&format!("the recipe is {}", file.display()));
    }
    let mut session = context.session(slug)?;
    let order = Order::of(Goal::Archive {
        recipe: args.recipe.as_ref().map(Slug::to_string),
    });
    let end = drive::drive(context, &mut session, order, true)?;
    if end.code != ExitCode::Done {
        let why = if end.why.is_empty() {
            "some of it is still going on"
        } else {
            "some of it could not be taken away"
        };
        return Err(
            Failure::new(end.code, format!("{slug} is not archived: {why}"))
                .hint(format!(
                    "dynwf status {slug}, then dynwf archive {slug} again"
                ))
                .into(),
        );
    }
    output::say(&format!(
        "{slug} is archived; its branches are kept as refs/dynwf/w/{slug}/branch/…"
    ));
    let report = context.face(slug)?.join("final-report.md");
    output::answer(&report.display().to_string())?;
    Ok(ExitCode::Done)
}

/// Refuses to close what somebody may still want something of.
fn refuse_unfinished(state: &RunState) -> Result<()> {
    let slug = &state.slug;
    let names = |ids: Vec<&PacketId>| {
        let names: Vec<&str> = ids.into_iter().map(PacketId::as_str).collect();
        names.join(", ")
    };
    let with = |holds: &dyn Fn(&PacketId) -> bool| -> Vec<&PacketId> {
        state.packets.keys().filter(|&id| holds(id)).collect()
    };
    let elsewhere = state.is_pushed_as_branches();
    let gates: Vec<&str> = state
        .waiting_gates()
        .filter(|gate| !(elsewhere && gate.id == GateId::land()))
        .map(|gate| gate.id.as_str())
        .collect();
    let active = with(&|id| state.is_active(id));
    let conflicted = with(&|id| state.packets[id].stage == crate::model::state::Stage::Conflicted);
    let yours: Vec<&PacketId> = state.parent_work().map(|(id, _)| id).collect();
    let unlanded = !elsewhere
        && state.integration.as_ref().is_some_and(|integration| {
            !integration.merged.is_empty() && integration.target != integration.commit
        });
    let (why, hint) = if !gates.is_empty() {
        (
            format!("waits at {}", gates.join(", ")),
            format!("dynwf gates {slug}"),
        )
    } else if !active.is_empty() || !state.units.is_empty() {
        (
            format!("is not finished: {}", names(active)),
            format!("dynwf run {slug}"),
        )
    } else if !yours.is_empty() {
        (
            format!("waits for your work on {}", names(yours)),
            format!("dynwf packet next {slug}"),
        )
    } else if !conflicted.is_empty() {
        (
            format!("has a conflict in {}", names(conflicted)),
            format!("dynwf integrate {slug}"),
        )
    } else if unlanded {
        (
            "has integrated work that is not landed".to_owned(),
            format!("dynwf land {slug}"),
        )
    } else {
        return Ok(());
    };
    Err(usage(
        format!("{slug} {why}"),
        format!("{hint}; or dynwf archive {slug} --force, which keeps all of it on refs"),
    ))
}
