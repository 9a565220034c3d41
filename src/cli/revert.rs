//! `dynwf revert`: take a packet that landed out again.

use anyhow::Result;

use super::context::Context;
use super::{drive, output, request};
use crate::error::{ExitCode, usage};
use crate::model::id::{PacketId, Slug};
use crate::model::plan::Strategy;
use crate::model::request::RequestBody;
use crate::model::state::{RunState, Stage};
use crate::runner::{Goal, Order};

/// Take a packet that landed out again: by a commit of its own, through the same gates
///
/// The commit becomes the packet revert-PACKET, which is merged onto the target as it is now, checked, and waits to
/// be landed and pushed like any other. Nothing is checked out; what conflicts with later work is laid out for you as
/// other conflicts are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf revert refactor 03-cli --why 'breaks the plugin API'
  dynwf approve refactor land && dynwf land refactor
  dynwf push refactor")]
pub(super) struct RevertArgs {
    /// The workflow
    slug: Slug,

    /// The packet
    packet: PacketId,

    /// Why, for the commit and the report
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

pub(super) fn revert(context: &Context, args: &RevertArgs) -> Result<ExitCode> {
    let slug = &args.slug;
    let state = context.state(slug)?;
    if state.archived {
        return Err(closed(&state, &args.packet));
    }
    match state.reverted_by(&args.packet) {
        Some(by) if state.has_landed(by) => {
            output::say(&format!("{by} has taken {} out again already", args.packet));
            return Ok(ExitCode::Done);
        }
        Some(by) => output::say(&format!("{by} goes on")),
        None => ask(context, args)?,
    }
    let mut session = context.session(slug)?;
    let end = drive::watch(context, &mut session, Order::of(Goal::Integrate))?;
    let merged = session
        .state()
        .reverted_by(&args.packet)
        .and_then(|by| session.state().packets.get(by))
        .is_some_and(|packet| packet.stage == Stage::Integrated);
    if !merged || matches!(end.code, ExitCode::Signal(_)) {
        drive::show(session.state())?;
        return Ok(drive::code(&end));
    }
    let end = drive::drive(context, &mut session, Order::of(Goal::Verify), false)?;
    Ok(drive::code(&end))
}

fn ask(context: &Context, args: &RevertArgs) -> Result<()> {
    let body = RequestBody::Revert {
        packet: args.packet.clone(),
        why: args.why.clone(),
    };
    let state = request::send(context, &args.slug, body, output::is_attended())?;
    for other in built_on(&state, &args.packet) {
        output::say(&format!(
            "warning: {other} was built on {} and stays",
            args.packet
        ));
    }
    Ok(())
}

/// A closed workflow merges nothing any more; git can still take the commit back.
fn closed(state: &RunState, id: &PacketId) -> anyhow::Error {
    let merge = state
        .packets
        .get(id)
        .and_then(|packet| packet.merge.as_ref());
    let Some(merge) = merge.filter(|_| state.has_landed(id)) else {
        return usage(
            format!(
                "workflow {} is archived, and no packet {id} landed",
                state.slug
            ),
            format!("dynwf report {} tells what did", state.slug),
        );
    };
    let squashes = state
        .frozen
        .as_ref()
        .is_some_and(|frozen| frozen.plan.integration.strategy == Strategy::Squash);
    let mainline = if squashes { "" } else { "-m 1 " };
    usage(
        format!(
            "workflow {} is archived and merges nothing any more",
            state.slug
        ),
        format!("git revert {mainline}{} on the branch", merge.commit),
    )
}

/// The packets that landed, needed this one, and were not taken out themselves.
fn built_on<'a>(state: &'a RunState, id: &'a PacketId) -> impl Iterator<Item = &'a PacketId> {
    state
        .in_plan_order()
        .map(|(other, _)| other)
        .filter(move |other| {
            state.depends_on(other, id)
                && state.has_landed(other)
                && state.reverted_by(other).is_none()
        })
}
