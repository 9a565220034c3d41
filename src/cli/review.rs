//! `dynwf review`: read what a packet changed, and answer its merge gate from there.

use std::io::{self, IsTerminal as _};

use anyhow::Result;
use serde::Serialize;

use super::context::Context;
use super::review_head::{header, size, stat};
use super::review_since::Since;
use super::{gates, output, packet, review_since};
use crate::config::ReviewStyle;
use crate::error::{ExitCode, usage};
use crate::model::id::{GateId, PacketId, Slug, TreeId};
use crate::model::packet::Collected;
use crate::model::state::RunState;
use crate::model::status::PacketStatus;
use crate::report::json;
use crate::report::view::StatusView;
use crate::review::diff::{self, Diff, Limits};
use crate::review::notes::notes;
use crate::review::render::{self, Paper};

/// Read what a packet changed and what is risky about it; accept it, turn it down, or send it back
///
/// Without a packet, lists what can be reviewed. On a terminal the difference is shown in your pager ([review] pager,
/// else $PAGER, else less); elsewhere it is printed plainly.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf review refactor                                what can be reviewed
  dynwf review refactor 03-cli --side-by-side          old and new beside each other
  dynwf review refactor 03-cli --stat                  files and sizes only
  dynwf review refactor --landing                      what landing would change, all packets together
  dynwf review refactor 03-cli --accept                the same as: dynwf approve refactor merge:03-cli
  dynwf review refactor 03-cli --comment \"keep the old name as an alias\"")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct ReviewArgs {
    /// The workflow
    slug: Slug,

    /// The packet
    packet: Option<PacketId>,

    /// Old and new lines beside each other
    #[arg(long, conflicts_with_all = ["stat", "json"])]
    side_by_side: bool,

    /// Old and new lines below each other, whatever the configuration says
    #[arg(long, conflicts_with_all = ["side_by_side", "stat", "json"])]
    unified: bool,

    /// Files and sizes only
    #[arg(long, conflicts_with = "json")]
    stat: bool,

    /// Show everything: large files, and what was reviewed before
    #[arg(long)]
    full: bool,

    /// Print it all at once, without a pager
    #[arg(long)]
    no_pager: bool,

    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,

    /// What landing would change: all integrated packets together
    #[arg(long, conflicts_with_all = ["packet", "accept", "reject", "comment"])]
    landing: bool,

    /// Approve the packet's merge gate
    #[arg(long, requires = "packet", conflicts_with_all = ["reject", "comment"])]
    accept: bool,

    /// Deny the packet's merge gate
    #[arg(long, requires = "packet", conflicts_with = "comment")]
    reject: bool,

    /// Why it is turned down, for the report
    #[arg(long, requires = "reject", default_value = "")]
    why: String,

    /// Send the packet back to its worker, who is told this
    #[arg(long, requires = "packet", value_name = "TEXT")]
    comment: Option<String>,

    /// With --accept: do not ask; recorded as unattended
    #[arg(long, short, requires = "accept")]
    yes: bool,
}

pub(super) fn review(context: &Context, args: &ReviewArgs) -> Result<ExitCode> {
    let state = context.state(&args.slug)?;
    if args.landing {
        return landing(context, &state, args);
    }
    let Some(id) = &args.packet else {
        return list(&state, args.json);
    };
    let (_, packet) = packet::of(&state, id)?;
    if args.accept || args.reject || args.comment.is_some() {
        return answer(context, &state, id, args);
    }
    let Some(collected) = &packet.collected else {
        return Err(nothing_yet(&state, id));
    };
    let since = review_since::since(context, packet, limits(context, args))?;
    let base = context.git.tree_of(&collected.base)?;
    let whole = || compare(context, &base, &collected.tree, args);
    if args.json {
        return as_json(&state, id, collected, &whole()?, since.as_ref());
    }
    let mut head = header(&state, id, packet, collected);
    if let Some(since) = &since {
        head.push('\n');
        head.push_str(&since.lines(&args.slug, id, args.full).join("\n"));
    }
    match since {
        Some(since) if since.is_enough() && !args.full => {
            let news = since.news.map(|news| news.diff);
            show(context, args, &head, news.as_slice())?;
        }
        Some(since) if !args.full && since.news.as_ref().is_some_and(|news| !news.is_empty()) => {
            let news = since.news.map(|news| news.diff);
            let both: Vec<Diff> = news.into_iter().chain([whole()?]).collect();
            show(context, args, &head, &both)?;
        }
        _ => show(context, args, &head, &[whole()?])?,
    }
    Ok(ExitCode::Done)
}

fn nothing_yet(state: &RunState, id: &PacketId) -> anyhow::Error {
    let slug = &state.slug;
    let why = state.reason_of(id).map(|why| format!(" ({why})"));
    usage(
        format!(
            "packet {id} has no result to review: it is {}{}",
            state.status_of(id).word(),
            why.unwrap_or_default()
        ),
        format!("dynwf packet log {slug} {id} shows what its worker printed"),
    )
}

/// The gate's answer, or the way back to the worker.
fn answer(
    context: &Context,
    state: &RunState,
    id: &PacketId,
    args: &ReviewArgs,
) -> Result<ExitCode> {
    if let Some(comment) = &args.comment {
        return packet::retry(context, &args.slug, id, comment);
    }
    // A merge that lacks something is asked about after the work itself was accepted.
    let gate = Some(GateId::risk(id))
        .filter(|gate| state.waits_at(gate))
        .unwrap_or_else(|| GateId::merge(id));
    if !state.gates.contains_key(&gate) {
        return Err(usage(
            format!(
                "packet {id} is {} and no gate asks about its merge",
                state.status_of(id).word()
            ),
            format!(
                "dynwf packet drop {} {id} --why TEXT leaves a packet out",
                args.slug
            ),
        ));
    }
    if args.accept {
        gates::say_yes(context, &args.slug, &gate, args.yes)
    } else {
        gates::say_no(context, &args.slug, &gate, &args.why)
    }
}

fn compare(context: &Context, old: &TreeId, new: &TreeId, args: &ReviewArgs) -> Result<Diff> {
    diff::compare(&context.git, old, new, limits(context, args))
}

fn limits(context: &Context, args: &ReviewArgs) -> Limits {
    let limits = if args.full {
        Limits::FULL
    } else {
        Limits::default()
    };
    let context_lines = usize::try_from(context.config.review.context).unwrap_or(usize::MAX);
    Limits {
        context: context_lines,
        ..limits
    }
}

/// The packets that have a result.
fn list(state: &RunState, as_json: bool) -> Result<ExitCode> {
    let slug = &state.slug;
    let results: Vec<(&PacketId, &Collected)> = state
        .in_plan_order()
        .filter_map(|(id, packet)| Some((id, packet.collected.as_ref()?)))
        .collect();
    if as_json {
        let rows: Vec<Row<'_>> = results
            .iter()
            .map(|(id, collected)| Row::of(state, id, collected))
            .collect();
        output::answer(&json::document(
            &serde_json::json!({"slug": slug, "packets": rows}),
        ))?;
        return Ok(ExitCode::Done);
    }
    if results.is_empty() {
        output::say(&format!(
            "nothing of {slug} can be reviewed yet; dynwf status {slug} shows how it stands"
        ));
    }
    let width = results.iter().map(|(id, _)| id.as_str().len()).max();
    for (id, collected) in results {
        let status = state.status_of(id);
        let facts = &collected.facts;
        let why = if status == PacketStatus::Waiting {
            format!("  {}", state.reason_of(id).unwrap_or_default())
        } else {
            String::new()
        };
        let row = format!(
            "{:width$}  {:10}  {}{why}",
            id.as_str(),
            status.word(),
            size(facts.files, facts.additions, facts.deletions),
            width = width.unwrap_or(0)
        );
        output::answer(row.trim_end())?;
    }
    if let Some(id) = state
        .in_plan_order()
        .map(|(id, _)| id)
        .find(|id| state.status_of(id) == PacketStatus::Waiting)
    {
        output::say(&format!("next: dynwf review {slug} {id}"));
    }
    Ok(ExitCode::Done)
}

/// A packet in the list for scripts.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a PacketId,
    status: PacketStatus,
    base: &'a str,
    tip: &'a str,
    files: u32,
    additions: u32,
    deletions: u32,
    notes: Vec<String>,
}

impl<'a> Row<'a> {
    fn of(state: &RunState, id: &'a PacketId, collected: &'a Collected) -> Self {
        Self {
            id,
            status: state.status_of(id),
            base: collected.base.as_str(),
            tip: collected.tip.as_str(),
            files: collected.facts.files,
            additions: collected.facts.additions,
            deletions: collected.facts.deletions,
            notes: notes(&collected.facts),
        }
    }
}

fn as_json(
    state: &RunState,
    id: &PacketId,
    collected: &Collected,
    difference: &Diff,
    since: Option<&Since<'_>>,
) -> Result<ExitCode> {
    let view = StatusView::new(state, jiff::Timestamp::now());
    let gate = GateId::merge(id);
    let document = serde_json::json!({
        "slug": state.slug,
        "packet": view.packet(id),
        "facts": &collected.facts,
        "notes": notes(&collected.facts),
        "gate": view.gates.iter().find(|view| view.id == gate),
        "diff": difference,
        "since": since.map(Since::as_json),
    });
    output::answer(&json::document(&document))?;
    Ok(ExitCode::Done)
}

/// The integrated packets together, as the landing would bring them.
fn landing(context: &Context, state: &RunState, args: &ReviewArgs) -> Result<ExitCode> {
    let slug = &state.slug;
    let Some(integration) = state
        .integration
        .as_ref()
        .filter(|integration| !integration.merged.is_empty())
    else {
        return Err(usage(
            format!("nothing of {slug} is integrated yet"),
            format!("dynwf run {slug} goes on"),
        ));
    };
    let old = context.git.tree_of(&integration.target)?;
    let difference = compare(context, &old, &integration.tree, args)?;
    let merged: Vec<&str> = integration.merged.iter().map(PacketId::as_str).collect();
    if args.json {
        output::answer(&json::document(&serde_json::json!({
            "slug": slug,
            "target": integration.target,
            "commit": integration.commit,
            "tree": integration.tree,
            "packets": integration.merged,
            "diff": difference,
        })))?;
        return Ok(ExitCode::Done);
    }
    let target = state
        .frozen
        .as_ref()
        .map_or("", |frozen| frozen.target.short());
    let mut lines = vec![
        format!("{slug}: what landing on {target} changes"),
        format!(
            "commits  {}..{}",
            integration.target.short(),
            integration.commit.short()
        ),
        format!("packets  {}", merged.join(", ")),
    ];
    for (check, evidence) in state.integrated_checks() {
        let outcome = match evidence {
            None => "has not run on this tree",
            Some(evidence) if evidence.passed() => "passed",
            Some(_) => "failed",
        };
        lines.push(format!("check    {} — {outcome}", check.name));
    }
    show(context, args, &lines.join("\n"), &[difference])?;
    Ok(ExitCode::Done)
}

/// Prints the head and the difference, in a pager where a person reads. Of two, the first is what is new.
fn show(context: &Context, args: &ReviewArgs, head: &str, differences: &[Diff]) -> Result<()> {
    let look = output::look(&io::stdout());
    let mut text = format!("{}\n\n", head.trim_end());
    let side_by_side = args.side_by_side
        || (context.config.review.style == ReviewStyle::SideBySide && !args.unified);
    let paper = Paper {
        // Asked for into a pipe: as wide as most screens.
        width: look.width.or(args.side_by_side.then_some(160)),
        side_by_side,
        unicode: look.unicode,
        colour: look.colour,
    };
    for (at, difference) in differences.iter().enumerate() {
        match (at, differences.len()) {
            (0, 2) => text.push_str("what is new since:\n\n"),
            (1, _) => text.push_str("\nthe whole change:\n\n"),
            _ => {}
        }
        if args.stat {
            text.push_str(&stat(difference));
        } else {
            let mut bytes = Vec::new();
            render::write(difference, paper, &mut bytes)?;
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    let program = pager(context);
    let reads = io::stdout().is_terminal() && output::is_attended() && !args.no_pager;
    match program.filter(|_| reads) {
        Some(program) => crate::process::page(&program, &text),
        None => output::answer(&text),
    }
}

/// The pager that the person chose; none where they chose none.
fn pager(context: &Context) -> Option<String> {
    let chosen = context
        .config
        .review
        .pager
        .clone()
        .or_else(|| std::env::var("PAGER").ok())
        .unwrap_or_else(|| "less".to_owned());
    let chosen = chosen.trim().to_owned();
    (!chosen.is_empty() && chosen != "cat").then_some(chosen)
}
