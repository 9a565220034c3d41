//! `dynwf split`: branches, workspaces and packet files.

use anyhow::Result;

use super::context::Context;
use super::{drive, start};
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::runner::{Goal, Order};

/// Freeze the plan, and give each packet that can start a branch, a workspace and a packet file
#[derive(Debug, clap::Args)]
pub(super) struct SplitArgs {
    /// The workflow
    slug: Slug,
}

pub(super) fn split(context: &Context, args: &SplitArgs) -> Result<ExitCode> {
    let mut session = start::begin(context, &args.slug)?;
    let end = drive::drive(context, &mut session, Order::of(Goal::Split), false)?;
    Ok(drive::code(&end))
}
