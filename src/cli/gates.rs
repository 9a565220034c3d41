//! `dynwf gates`, `approve`, `reject`, `revoke`: questions and answers.

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::{confirm, output, request};
use crate::error::{ExitCode, usage};
use crate::gate::who;
use crate::model::gate::{Gate, GateKind, GateStatus};
use crate::model::id::{CommitId, GateId, Slug};
use crate::model::request::RequestBody;
use crate::model::state::RunState;
use crate::report::view::StatusView;
use crate::report::{json, push_command};

/// What waits for an answer, and why
#[derive(Debug, clap::Args)]
pub(super) struct GatesArgs {
    /// The workflow; without one, all of them
    slug: Option<Slug>,

    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,

    /// Answered ones too
    #[arg(long)]
    all: bool,
}

/// Say yes to a gate: for exactly the commits that it names, once
#[derive(Debug, clap::Args)]
pub(super) struct ApproveArgs {
    /// The workflow
    slug: Slug,

    /// The gate: merge:PACKET, packet:PACKET, integrate, land, push:REMOTE
    gate: GateId,

    /// Do not ask; recorded as unattended
    #[arg(long, short)]
    yes: bool,
}

/// Say no to a gate: a packet's merge is then rejected, a landing or push does not happen
#[derive(Debug, clap::Args)]
pub(super) struct RejectArgs {
    /// The workflow
    slug: Slug,

    /// The gate
    gate: GateId,

    /// Why, for the report
    #[arg(long, default_value = "")]
    why: String,
}

/// Take an approval back that was not used yet
#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The workflow
    slug: Slug,

    /// The gate
    gate: GateId,
}

pub(super) fn gates(context: &Context, args: &GatesArgs) -> Result<ExitCode> {
    let slugs = match &args.slug {
        Some(slug) => vec![slug.clone()],
        None => context.store.workflows()?,
    };
    let mut documents = Vec::new();
    let mut shown = false;
    for slug in &slugs {
        let state = match &args.slug {
            Some(_) => context.state(slug)?,
            None => match context.store.read(slug)? {
                Some(state) => state,
                None => continue,
            },
        };
        if args.json {
            let view = StatusView::new(&state, Timestamp::now());
            documents.push(serde_json::json!({"slug": slug, "gates": view.gates}));
            continue;
        }
        for gate in state.gates.values() {
            let asks = gate.status == GateStatus::Waiting
                && (!state.archived || gate.kind == GateKind::Push);
            if args.all || asks {
                output::answer(&describe(slug, gate))?;
                shown = true;
            }
        }
    }
    if args.json {
        output::answer(&json::document(&documents))?;
    } else if !shown {
        output::say(if args.all {
            "nothing was asked"
        } else {
            "no gate waits"
        });
    }
    Ok(ExitCode::Done)
}

/// What a gate asks, and what a yes covers, in lines for people.
pub(super) fn describe(slug: &Slug, gate: &Gate) -> String {
    let id = |commit: Option<&CommitId>| commit.map_or("nothing", CommitId::short).to_owned();
    let mut lines = vec![format!("{slug} {}  {}", gate.id, gate.status.word())];
    lines.extend(gate.why.iter().map(|why| format!("  {why}")));
    if let (Some(remote), Some(url)) = (&gate.binding.remote, &gate.binding.url) {
        lines.push(format!("  to {remote} ({url})"));
    }
    lines.extend(gate.binding.updates.iter().map(|update| {
        format!(
            "  {}: {} → {}",
            update.name.short(),
            id(update.old.as_ref()),
            id(update.new.as_ref())
        )
    }));
    if let Some(decision) = &gate.decision {
        let how = if decision.attended {
            ""
        } else {
            ", unattended"
        };
        lines.push(format!("  by {}{how}", decision.by));
    }
    lines.join("\n")
}

fn gate_of<'a>(state: &'a RunState, id: &GateId) -> Result<&'a Gate> {
    state.gates.get(id).ok_or_else(|| {
        let waiting: Vec<&str> = state.waiting_gates().map(|gate| gate.id.as_str()).collect();
        usage(
            format!("workflow {} has no gate {id}", state.slug),
            if waiting.is_empty() {
                "no gate waits".to_owned()
            } else {
                format!("waiting: {}", waiting.join(", "))
            },
        )
    })
}

/// Only people answer gates: not a unit that dynwf started, nor an agent's client.
fn refuse_agents() -> Result<()> {
    let this = who::Process::this();
    who::refuse_agents(&this, &this.ancestors())?;
    Ok(())
}

pub(super) fn approve(context: &Context, args: &ApproveArgs) -> Result<ExitCode> {
    say_yes(context, &args.slug, &args.gate, args.yes)
}

/// Shows a gate, asks, and approves it.
pub(super) fn say_yes(context: &Context, slug: &Slug, id: &GateId, yes: bool) -> Result<ExitCode> {
    refuse_agents()?;
    let state = context.state(slug)?;
    let gate = gate_of(&state, id)?;
    output::say(&describe(slug, gate));
    let attended = confirm::confirm("Approve exactly this?", "yes", yes)?;
    let state = send_yes(context, gate, slug, attended)?;
    if let Some(GateStatus::Approved { until }) = state.gates.get(id).map(|gate| &gate.status) {
        output::say(&format!(
            "approved until {}",
            until.strftime("%F %H:%M UTC")
        ));
    }
    output::say(&format!("next: {}", next_command(slug, gate)));
    Ok(ExitCode::Done)
}

/// Leaves the approval of a gate as it is now. Whoever calls this has made sure that a person said so.
pub(super) fn send_yes(
    context: &Context,
    gate: &Gate,
    slug: &Slug,
    attended: bool,
) -> Result<RunState> {
    let body = RequestBody::Approve {
        gate: gate.id.clone(),
        binding: gate.binding.clone(),
    };
    request::send(context, slug, body, attended)
}

fn next_command(slug: &Slug, gate: &Gate) -> String {
    match gate.kind {
        GateKind::Land => format!("dynwf land {slug}"),
        GateKind::Push => push_command(slug, &gate.binding),
        _ => format!("dynwf run {slug}"),
    }
}

pub(super) fn reject(context: &Context, args: &RejectArgs) -> Result<ExitCode> {
    say_no(context, &args.slug, &args.gate, &args.why)
}

/// Denies a gate.
pub(super) fn say_no(context: &Context, slug: &Slug, id: &GateId, why: &str) -> Result<ExitCode> {
    refuse_agents()?;
    gate_of(&context.state(slug)?, id)?;
    let body = RequestBody::Deny {
        gate: id.clone(),
        why: why.to_owned(),
    };
    request::send(context, slug, body, output::is_attended())?;
    output::say(&format!("{id} is denied"));
    Ok(ExitCode::Done)
}

pub(super) fn revoke(context: &Context, args: &RevokeArgs) -> Result<ExitCode> {
    refuse_agents()?;
    let state = context.state(&args.slug)?;
    gate_of(&state, &args.gate)?;
    let body = RequestBody::Revoke {
        gate: args.gate.clone(),
    };
    request::send(context, &args.slug, body, output::is_attended())?;
    output::say(&format!(
        "the approval of {} is taken back; dynwf run {} asks again",
        args.gate, args.slug
    ));
    Ok(ExitCode::Done)
}
