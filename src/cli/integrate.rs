//! `dynwf integrate`: merge accepted packets, and a person's part in conflicts.

use anyhow::Result;

use super::context::Context;
use super::{drive, output, request};
use crate::error::{self, ExitCode, Failure};
use crate::model::id::{PacketId, Slug};
use crate::model::request::RequestBody;
use crate::runner::{Goal, Order};

/// Merge accepted packets; settle a conflict that is laid out, or put it off
///
/// What git cannot merge goes up a ladder: rules for lock files and the like, a resolver if one is configured, and
/// then you: the conflict lies in the integration workspace, whose directory `dynwf status` names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf integrate refactor                             merge what is accepted, lay the next conflict out
  dynwf integrate refactor --continue                  the conflict is resolved: merge it
  dynwf integrate refactor --abort                     not now: take the layout away, the packet stays conflicted
  dynwf integrate refactor --skip 07-flags             go on without that packet: it counts as waived")]
pub(super) struct IntegrateArgs {
    /// The workflow
    slug: Slug,

    /// The conflict in the integration workspace is resolved: take the files as they are there
    #[arg(long = "continue", conflicts_with_all = ["skip", "abort"])]
    resume: bool,

    /// With --continue: why lines of either side are not in the resolution; else you are asked at a gate
    #[arg(long, requires = "resume", value_name = "TEXT", default_value = "")]
    why: String,

    /// Take the layout of the conflict away; what was done there goes to a rescue ref, the packet stays conflicted
    #[arg(long, conflicts_with = "skip")]
    abort: bool,

    /// Go on without a packet that conflicts (without a name: the one that is laid out): it counts as waived
    #[arg(long, value_name = "PACKET", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "not given, given, given with a name")]
    skip: Option<Option<PacketId>>,
}

pub(super) fn integrate(context: &Context, args: &IntegrateArgs) -> Result<ExitCode> {
    context.state(&args.slug)?;
    if args.abort {
        request::send(context, &args.slug, RequestBody::Abort, false)?;
        output::say(&format!(
            "the conflict is put off; dynwf integrate {} lays it out again",
            args.slug
        ));
        return Ok(ExitCode::Done);
    }
    let body = if args.resume {
        Some(RequestBody::Continue {
            why: args.why.clone(),
        })
    } else {
        args.skip.as_ref().map(|packet| RequestBody::Skip {
            packet: packet.clone(),
            why: "its conflict was left out".to_owned(),
        })
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
            "mend it in {}, then dynwf integrate {slug} --continue; --abort puts it off, --skip goes on without the packet",
            workspace.path
        ))
        .into(),
        _ => error,
    }
}
