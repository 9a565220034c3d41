//! Requests: left in the inbox for the dynwf that runs, or answered at once where none does.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::{drive, output};
use crate::error::{self, ExitCode, usage};
use crate::journal::Inbox;
use crate::model::id::{RequestId, Slug};
use crate::model::request::{Request, RequestBody};
use crate::model::state::RunState;
use crate::runner::{Goal, Order};

/// How often to look whether a request was answered, and for how many looks.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 600;

/// Ask the dynwf that runs this workflow to wind down: no new units, the running ones are stopped
#[derive(Debug, clap::Args)]
pub(super) struct StopArgs {
    /// The workflow
    slug: Slug,
}

pub(super) fn stop(context: &Context, args: &StopArgs) -> Result<ExitCode> {
    context.state(&args.slug)?;
    if !context.store.is_held(&args.slug)? {
        output::say(&format!("nothing runs for {}", args.slug));
        return Ok(ExitCode::Done);
    }
    send(context, &args.slug, RequestBody::Stop, false)?;
    output::say(&format!(
        "{} winds down; dynwf run {} goes on from there",
        args.slug, args.slug
    ));
    Ok(ExitCode::Done)
}

/// Leaves a request and waits until it is answered: by the dynwf that holds the workflow, or by us if none does.
/// Returns the state that includes the answer.
///
/// # Errors
/// A usage error with the reason if the request is refused.
pub(super) fn send(
    context: &Context,
    slug: &Slug,
    body: RequestBody,
    attended: bool,
) -> Result<RunState> {
    let now = Timestamp::now();
    let id = Inbox::new_id(now)?;
    let request = Request {
        id: id.clone(),
        at: now,
        by: context.git.ident()?,
        attended,
        body,
    };
    context.store.inbox(slug).leave(&request)?;
    // A run may be about to end without another look at its inbox: so look at both, again and again.
    for _ in 0..LOOKS {
        if let Some(state) = answered(context, slug, &id)? {
            return Ok(state);
        }
        match context.session(slug) {
            Ok(mut session) => {
                drive::drive(context, &mut session, Order::of(Goal::Answer), true)?;
            }
            Err(error) if error::code_of(&error) == ExitCode::Locked => std::thread::sleep(LOOK),
            Err(error) => return Err(error),
        }
    }
    context.store.inbox(slug).remove(&id)?;
    Err(usage(
        format!("the dynwf that runs {slug} did not answer"),
        format!("dynwf status {slug} shows what it does; the request was taken back"),
    ))
}

fn answered(context: &Context, slug: &Slug, id: &RequestId) -> Result<Option<RunState>> {
    let Some(state) = context.store.read(slug)? else {
        return Ok(None);
    };
    match state.requests.get(id) {
        None => Ok(None),
        Some(None) => Ok(Some(state)),
        Some(Some(why)) => Err(usage(
            why.clone(),
            format!("dynwf status {slug} shows how it stands"),
        )),
    }
}
