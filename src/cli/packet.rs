//! `dynwf packet …`: one packet by hand.

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::{output, request};
use crate::agent::prompt::{self, PromptParts};
use crate::error::{ExitCode, usage};
use crate::model::id::{PacketId, Slug, UnitId};
use crate::model::plan::Packet;
use crate::model::request::RequestBody;
use crate::model::state::{PacketState, RunState};
use crate::process::{self, Follow, UnitDir};
use crate::report::json;
use crate::report::view::StatusView;
use crate::workspace::{note_work, sparse_settings};

/// One packet by hand: work on it yourself, look at it, try it again, give it up
#[derive(Debug, clap::Subcommand)]
pub(super) enum PacketCommand {
    /// Take the next packet that is yours to do: prints what to do and where
    Next {
        /// The workflow
        slug: Slug,
        /// Machine-readable, for host agents
        #[arg(long)]
        json: bool,
    },
    /// Show a packet, or what its worker is told
    Show {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
        /// Print the prompt
        #[arg(long)]
        prompt: bool,
        /// Machine-readable, for scripts
        #[arg(long, conflicts_with = "prompt")]
        json: bool,
    },
    /// Collect what you did in the packet's workspace
    Done {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
        /// What you have to say about it
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Try a packet again from its base, in a fresh workspace; its files are kept on a rescue ref
    Retry {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
        /// What its worker is told beside the packet's own text
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Stop a packet and give it up
    Cancel {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
        /// Why, for the report
        #[arg(long, default_value = "cancelled by hand")]
        why: String,
    },
    /// Waive a packet: the workflow can be complete without it
    Drop {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
        /// Why, for the report
        #[arg(long)]
        why: String,
    },
    /// What a packet's units printed
    Log {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
        /// Go on showing it while the packet runs
        #[arg(long, short)]
        follow: bool,
    },
    /// Open a shell in a packet's workspace
    Shell {
        /// The workflow
        slug: Slug,
        /// The packet
        packet: PacketId,
    },
}

pub(super) fn packet(context: &Context, command: &PacketCommand) -> Result<ExitCode> {
    match command {
        PacketCommand::Next { slug, json } => next(context, slug, *json),
        PacketCommand::Show {
            slug,
            packet,
            prompt,
            json,
        } => show(context, slug, packet, *prompt, *json),
        PacketCommand::Done { slug, packet, note } => done(context, slug, packet, note),
        PacketCommand::Retry {
            slug,
            packet,
            comment,
        } => retry(context, slug, packet, comment),
        PacketCommand::Cancel { slug, packet, why } => {
            let body = RequestBody::Cancel {
                packet: packet.clone(),
                why: why.clone(),
            };
            request::send(context, slug, body, output::is_attended())?;
            output::say(&format!("{packet} is cancelled"));
            Ok(ExitCode::Done)
        }
        PacketCommand::Drop { slug, packet, why } => {
            let body = RequestBody::Drop {
                packet: packet.clone(),
                why: why.clone(),
            };
            request::send(context, slug, body, output::is_attended())?;
            output::say(&format!("{packet} is waived"));
            Ok(ExitCode::Done)
        }
        PacketCommand::Log {
            slug,
            packet,
            follow,
        } => log(context, slug, packet, *follow),
        PacketCommand::Shell { slug, packet } => shell(context, slug, packet),
    }
}

/// Sends a packet back to its worker.
pub(super) fn retry(
    context: &Context,
    slug: &Slug,
    packet: &PacketId,
    comment: &str,
) -> Result<ExitCode> {
    let body = RequestBody::Retry {
        packet: packet.clone(),
        comment: comment.to_owned(),
    };
    request::send(context, slug, body, output::is_attended())?;
    output::say(&format!(
        "{packet} begins again with the next dynwf run {slug}"
    ));
    Ok(ExitCode::Done)
}

fn next(context: &Context, slug: &Slug, as_json: bool) -> Result<ExitCode> {
    let state = context.state(slug)?;
    let Some((id, _)) = state
        .parent_work()
        .find(|(_, packet)| packet.claimed_by.is_none())
    else {
        let taken: Vec<&str> = state.parent_work().map(|(id, _)| id.as_str()).collect();
        if as_json {
            output::answer("null")?;
        }
        output::say(&if taken.is_empty() {
            format!("nothing of {slug} is yours to do now")
        } else {
            format!(
                "all of it is taken: {}; dynwf packet done {slug} ID collects",
                taken.join(", ")
            )
        });
        return Ok(ExitCode::Done);
    };
    let id = id.clone();
    let body = RequestBody::Claim { packet: id.clone() };
    let state = request::send(context, slug, body, output::is_attended())?;
    let (planned, packet) = of(&state, &id)?;
    let folder = workspace(slug, &id, packet)?;
    let prompt = prompt_of(&state, planned, packet);
    if as_json {
        output::answer(&json::document(&serde_json::json!({
            "packet": id, "worktree": folder, "branch": slug.branch(&id).short(), "prompt": prompt,
            "done": format!("dynwf packet done {slug} {id}"),
        })))?;
    } else {
        output::answer(&format!("{}\n\nWork in: {folder}", prompt.trim_end()))?;
        output::say(&format!("when it is done: dynwf packet done {slug} {id}"));
    }
    Ok(ExitCode::Done)
}

pub(super) fn of<'a>(state: &'a RunState, id: &PacketId) -> Result<(&'a Packet, &'a PacketState)> {
    state.planned(id).zip(state.packets.get(id)).ok_or_else(|| {
        let known: Vec<&str> = state.in_plan_order().map(|(id, _)| id.as_str()).collect();
        usage(
            format!("workflow {} has no packet {id}", state.slug),
            format!("there are {}", known.join(", ")),
        )
    })
}

fn workspace<'a>(slug: &Slug, id: &PacketId, packet: &'a PacketState) -> Result<&'a str> {
    packet
        .workspace
        .as_ref()
        .map(|workspace| workspace.path.as_str())
        .ok_or_else(|| {
            usage(
                format!("packet {id} has no workspace now"),
                format!("dynwf run {slug} makes one when the packet can start"),
            )
        })
}

/// What a worker is told.
fn prompt_of(state: &RunState, planned: &Packet, packet: &PacketState) -> String {
    let Some(frozen) = &state.frozen else {
        return String::new();
    };
    let built_on: Vec<&Packet> = planned
        .after
        .iter()
        .filter_map(|need| frozen.plan.packet(need))
        .collect();
    prompt::packet_prompt(&PromptParts {
        plan: &frozen.plan,
        packet: planned,
        built_on: &built_on,
        feedback: &packet.feedback,
        turn: packet.turn.max(1),
    })
}

fn show(
    context: &Context,
    slug: &Slug,
    id: &PacketId,
    prompt: bool,
    as_json: bool,
) -> Result<ExitCode> {
    let state = context.state(slug)?;
    let (planned, packet) = of(&state, id)?;
    if prompt {
        output::answer(&prompt_of(&state, planned, packet))?;
        return Ok(ExitCode::Done);
    }
    let view = StatusView::new(&state, Timestamp::now());
    if as_json {
        let document = serde_json::json!({"plan": planned, "state": view.packet(id)});
        output::answer(&json::document(&document))?;
    } else {
        output::answer(&crate::report::packet_page(&state, id, Timestamp::now()))?;
    }
    Ok(ExitCode::Done)
}

fn done(context: &Context, slug: &Slug, id: &PacketId, note: &str) -> Result<ExitCode> {
    of(&context.state(slug)?, id)?;
    let body = RequestBody::Done {
        packet: id.clone(),
        note: note.to_owned(),
    };
    let state = request::send(context, slug, body, output::is_attended())?;
    let (_, packet) = of(&state, id)?;
    let what = match &packet.collected {
        Some(collected) => format!(
            "{} {} +{} −{} as {}",
            collected.facts.files,
            if collected.facts.files == 1 {
                "file"
            } else {
                "files"
            },
            collected.facts.additions,
            collected.facts.deletions,
            collected.tip.short()
        ),
        None => state.reason_of(id).unwrap_or_default(),
    };
    output::say(&format!("{id} {} {what}", state.status_of(id).word()));
    for note in &packet.notes {
        output::say(&format!("  {note}"));
    }
    output::say(&format!("next: dynwf run {slug}"));
    Ok(ExitCode::Done)
}

fn log(context: &Context, slug: &Slug, id: &PacketId, follow: bool) -> Result<ExitCode> {
    of(&context.state(slug)?, id)?;
    let mut shown = 0;
    loop {
        let units: Vec<_> = context
            .store
            .events(slug)?
            .into_iter()
            .filter_map(|event| match event.kind {
                crate::model::event::EventKind::UnitStarted { unit } => Some(unit),
                _ => None,
            })
            .filter(|unit| unit.packet() == Some(id))
            .collect();
        for unit in units.iter().skip(shown) {
            output::say(&crate::report::line::unit_words(unit));
            let folder = UnitDir::new(context.store.units(slug).join(unit.id.to_string()));
            print_unit(&folder, follow)?;
        }
        shown = units.len();
        let over = context.state(slug)?.is_over(id) || !context.store.is_held(slug)?;
        if !follow || over {
            return Ok(ExitCode::Done);
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Prints what one unit wrote, whatever it was for.
///
/// # Errors
/// A usage error if there was no such unit.
pub(super) fn log_of_unit(context: &Context, slug: &Slug, id: UnitId) -> Result<ExitCode> {
    let started = context.store.events(slug)?.into_iter();
    let unit = started.filter_map(|event| match event.kind {
        crate::model::event::EventKind::UnitStarted { unit } => Some(unit),
        _ => None,
    });
    let Some(unit) = { unit }.find(|unit| unit.id == id) else {
        return Err(usage(
            format!("workflow {slug} has no unit {id}"),
            format!("dynwf log {slug} names the units"),
        ));
    };
    output::say(&crate::report::line::unit_words(&unit));
    let folder = UnitDir::new(context.store.units(slug).join(unit.id.to_string()));
    print_unit(&folder, false)?;
    Ok(ExitCode::Done)
}

/// Prints what a unit wrote; while it runs and `follow` is set, what it goes on to write.
fn print_unit(folder: &UnitDir, follow: bool) -> Result<()> {
    let mut streams = [Follow::new(folder.stdout()), Follow::new(folder.stderr())];
    loop {
        let alive = follow && matches!(process::look(folder)?, process::Look::Alive);
        for stream in &mut streams {
            while let Some(line) = stream.line()? {
                output::answer(&crate::model::path::printable(&line))?;
            }
        }
        if !alive {
            for stream in &mut streams {
                while let Some(line) = stream.last_line()? {
                    output::answer(&crate::model::path::printable(&line))?;
                }
            }
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn shell(context: &Context, slug: &Slug, id: &PacketId) -> Result<ExitCode> {
    let state = context.state(slug)?;
    let (_, packet) = of(&state, id)?;
    let folder = workspace(slug, id, packet)?;
    if !output::is_attended() {
        return Err(usage(
            "no shell can be opened without a terminal",
            format!("the workspace is {folder}"),
        ));
    }
    output::say(&format!(
        "{id} of {slug} in {folder}; leave the shell with exit"
    ));
    let made = packet.workspace.as_ref();
    let variables = made.map(sparse_settings).unwrap_or_default();
    made.map(note_work).transpose()?;
    process::shell(std::path::Path::new(folder), &variables)?;
    output::say(&format!(
        "dynwf packet done {slug} {id} collects what you did"
    ));
    Ok(ExitCode::Done)
}
