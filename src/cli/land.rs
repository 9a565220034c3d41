//! `dynwf land`: move the target branch to the integrated commit.

use anyhow::Result;

use super::context::Context;
use super::{drive, output};
use crate::error::ExitCode;
use crate::model::id::{GateId, Slug};
use crate::runner::{Goal, Order};

/// Move the target branch to the integrated and verified commit, once `land` is approved
#[derive(Debug, clap::Args)]
pub(super) struct LandArgs {
    /// The workflow
    slug: Slug,
}

pub(super) fn land(context: &Context, args: &LandArgs) -> Result<ExitCode> {
    let slug = &args.slug;
    context.state(slug)?;
    let mut session = context.session(slug)?;
    let end = drive::drive(context, &mut session, Order::of(Goal::Land), true)?;
    let state = session.state();
    match end.code {
        ExitCode::Done => {
            let target = state
                .frozen
                .as_ref()
                .map_or("", |frozen| frozen.target.short());
            let commit = state.landed.as_ref().map_or("", |commit| commit.as_str());
            output::answer(&format!("{target} is at {commit}"))?;
            output::say(&format!("next: dynwf push {slug}"));
        }
        _ if state.waits_at(&GateId::land()) => {
            output::say(&format!("gate land waits: dynwf approve {slug} land"));
        }
        _ => drive::show(state)?,
    }
    Ok(end.code)
}
