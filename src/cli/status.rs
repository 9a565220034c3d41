//! `dynwf status`: what is going on, what waits for you, and the command that answers it.

use std::io;

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::{drive, fan_out, output, start};
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::model::state::RunState;
use crate::report::list::{self, Summary};
use crate::report::view::StatusView;
use crate::report::{human, json};

/// What is going on, what waits for you, and the command that answers it
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// The workflow; without one, all of them, a line each
    slug: Option<Slug>,

    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,

    /// Keep showing it until nothing runs
    #[arg(long, conflicts_with = "json", requires = "slug")]
    watch: bool,
}

pub(super) fn status(context: &Context, args: &StatusArgs) -> Result<ExitCode> {
    match &args.slug {
        Some(slug) if args.watch => watch(context, slug)?,
        Some(slug) => {
            let mut view = view(context, slug)?;
            if args.json {
                view.estimate = fan_out::estimate(context, &state_of(context, slug)?);
                output::answer(&json::status(&view))?;
            } else {
                output::answer(&human::status(&view, output::look(&io::stdout())))?;
            }
        }
        None => all(context, args.json)?,
    }
    Ok(ExitCode::Done)
}

/// The workflow as it stands, and whether somebody goes on with it. The lock is asked for before and after: a run that
/// begins or ends meanwhile is not taken for a killed one.
fn view(context: &Context, slug: &Slug) -> Result<StatusView> {
    let held = context.store.is_held(slug)?;
    let state = state_of(context, slug)?;
    let held = held || context.store.is_held(slug)?;
    Ok(StatusView::new(&state, Timestamp::now()).held(&state, held))
}

/// The workflow, or what its plan would begin with.
fn state_of(context: &Context, slug: &Slug) -> Result<RunState> {
    match start::planned(context, slug)? {
        Some(state) => Ok(state),
        None => context.state(slug),
    }
}

fn all(context: &Context, as_json: bool) -> Result<()> {
    let mut workflows = Vec::new();
    for slug in context.store.workflows()? {
        let held = context.store.is_held(&slug)?;
        if let Some(state) = context.store.read(&slug)? {
            let held = held || context.store.is_held(&slug)?;
            workflows.push(Summary::new(&state).held(&state, held));
        }
    }
    for slug in start::plans(context) {
        if workflows.iter().any(|one| one.slug == slug) {
            continue;
        }
        match start::planned(context, &slug) {
            Ok(state) => workflows.extend(state.as_ref().map(Summary::new)),
            Err(error) => output::say(&format!(
                "note: the plan of {slug} does not hold: dynwf plan {slug} says why ({})",
                error.to_string().lines().next().unwrap_or_default()
            )),
        }
    }
    workflows.sort_by(|one, other| one.slug.cmp(&other.slug));
    if as_json {
        return output::answer(&json::list(&workflows));
    }
    if workflows.is_empty() {
        output::say("no workflow here yet: dynwf plan NAME --from plan.toml begins one");
    }
    output::answer(&list::render(
        &workflows,
        Timestamp::now(),
        output::look(&io::stdout()),
    ))
}

/// Shows the table again whenever it changes, while a dynwf holds the workflow.
fn watch(context: &Context, slug: &Slug) -> Result<()> {
    let mut shown = 0;
    loop {
        let state = context.state(slug)?;
        if state.seq != shown {
            shown = state.seq;
            if output::look(&io::stdout()).width.is_some() {
                output::answer("\u{1b}[H\u{1b}[J")?;
            }
            drive::show(&state)?;
        }
        if !context.store.is_held(slug)? {
            if view(context, slug)?.killed {
                output::say(&format!(
                    "note: the run was killed: dynwf run {slug} goes on"
                ));
            }
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
}
