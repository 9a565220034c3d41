//! `dynwf run`: everything up to the next gate.

use anyhow::Result;

use super::context::Context;
use super::{drive, fan_out, script_run, start};
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::runner::{Goal, Order};

/// Do everything up to the next gate; split first if needed; resume whatever is there
///
/// Agents work in parallel, their results are collected, checked and merged, the result is verified. It never lands
/// and never pushes. Ctrl-C once winds down, twice stops at once; what was running begins again with the next run.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The workflow
    slug: Slug,
}

pub(super) fn run(context: &Context, args: &RunArgs) -> Result<ExitCode> {
    let mut session = start::begin(context, &args.slug)?;
    if session.state().script.is_some() {
        return script_run::perform(context, &mut session, None, None, false);
    }
    fan_out::say(context, session.state());
    let end = drive::drive(context, &mut session, Order::of(Goal::Run), false)?;
    Ok(drive::code(&end))
}
