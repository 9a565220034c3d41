//! `dynwf verify`: the checks of the integrated tree.

use anyhow::Result;

use super::context::Context;
use super::drive;
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::runner::{Goal, Order};

/// Run the checks on the integrated tree; those that have spoken about this very tree do not run again
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The workflow
    slug: Slug,

    /// Run those that failed once more on the same tree
    #[arg(long)]
    again: bool,
}

pub(super) fn verify(context: &Context, args: &VerifyArgs) -> Result<ExitCode> {
    context.state(&args.slug)?;
    let mut session = context.session(&args.slug)?;
    let order = Order {
        check_again: args.again,
        ..Order::of(Goal::Verify)
    };
    let end = drive::drive(context, &mut session, order, false)?;
    Ok(drive::code(&end))
}
