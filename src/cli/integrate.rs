//! `dynwf integrate`: merge accepted packets, and a person's part in conflicts.

use anyhow::Result;

use super::context::Context;
use super::{drive, request};
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::model::request::RequestBody;
use crate::runner::{Goal, Order};

/// Merge accepted packets; with --continue or --skip, settle the conflict that is laid out
#[derive(Debug, clap::Args)]
pub(super) struct IntegrateArgs {
    /// The workflow
    slug: Slug,

    /// The conflict in the integration workspace is resolved: take the files as they are there
    #[arg(long = "continue", conflicts_with = "skip")]
    resume: bool,

    /// Leave the conflicting packet out: it counts as rejected
    #[arg(long)]
    skip: bool,
}

pub(super) fn integrate(context: &Context, args: &IntegrateArgs) -> Result<ExitCode> {
    context.state(&args.slug)?;
    let body = if args.resume {
        Some(RequestBody::Continue)
    } else if args.skip {
        Some(RequestBody::Skip {
            why: "its conflict was left out".to_owned(),
        })
    } else {
        None
    };
    if let Some(body) = body {
        request::send(context, &args.slug, body, false)?;
    }
    let mut session = context.session(&args.slug)?;
    let end = drive::drive(context, &mut session, Order::of(Goal::Integrate), false)?;
    Ok(drive::code(&end))
}
