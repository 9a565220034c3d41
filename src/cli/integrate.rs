//! `dynwf integrate`: merge accepted packets, and a person's part in conflicts.

use anyhow::Result;

use super::context::Context;
use super::{drive, request};
use crate::error::{self, ExitCode, Failure};
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
        request::send(context, &args.slug, body, false)
            .map_err(|error| still_a_conflict(context, &args.slug, args.resume, error))?;
    }
    let mut session = context.session(&args.slug)?;
    let end = drive::drive(context, &mut session, Order::of(Goal::Integrate), false)?;
    Ok(drive::code(&end))
}

/// What was refused leaves the conflict for a person, and the exit code says so.
fn still_a_conflict(
    context: &Context,
    slug: &Slug,
    resume: bool,
    error: anyhow::Error,
) -> anyhow::Error {
    let laid_out = context.state(slug).ok().and_then(|state| {
        let integration = state.integration?;
        integration.resolving.and(integration.workspace)
    });
    match laid_out {
        Some(workspace) if resume && error::code_of(&error) == ExitCode::Usage => Failure::new(
            ExitCode::Conflict,
            format!("{error:#}"),
        )
        .hint(format!(
            "mend it in {}, then dynwf integrate {slug} --continue; --skip leaves the packet out",
            workspace.path
        ))
        .into(),
        _ => error,
    }
}
