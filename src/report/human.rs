//! The table that people read: one line a packet, and at the end only what the reader must do.
//!
//! Invariants: symbols carry the meaning, colour repeats it; no line is wider than the screen, but commands
//! are never cut; the order of packets is the plan's. Called by `cli` (status, the end of a run) and by
//! `progress`, which draws the same lines again and again.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;

use super::ahead;
use super::calls;
pub use super::look::Look;
use super::look::{BOLD, CYAN, DIM, GREEN, RED, YELLOW};
use super::next::{Next, NextKind};
use super::table::{Columns, FAR, Row};
use super::view::{CheckView, PacketView, StatusView};
use super::words::{amount, counted, duration, one_line, padded, width};
use crate::model::id::PacketId;
use crate::model::status::{PacketStatus, WorkflowStatus};

/// Renders a workflow as `dynwf status` shows it; the text ends with a newline.
pub fn status(view: &StatusView, look: Look) -> String {
    let mut text = lines(view, look, &BTreeMap::new(), None).join("\n");
    text.push('\n');
    text
}

/// The lines of the table. `says` holds what running agents said last; `height` limits the number of lines.
pub(super) fn lines(
    view: &StatusView,
    look: Look,
    says: &BTreeMap<PacketId, String>,
    height: Option<usize>,
) -> Vec<String> {
    let rows: Vec<Row> = view
        .packets
        .iter()
        .map(|packet| row(view, packet, look, says.get(&packet.id).map(String::as_str)))
        .collect();
    let columns = Columns::choose(&rows, look.width);
    let cut: BTreeSet<&str> = rows
        .iter()
        .filter(|row| columns.cuts(row))
        .map(|row| row.id.as_str())
        .collect();
    let block = block(&view.next, &cut, look);
    let mut tail = vec![String::new()];
    if let Some(script) = &view.script {
        tail.extend(calls::lines(script, look));
        tail.push(String::new());
    }
    tail.push(footer(view, look));
    tail.extend(checks(&view.checks, look));
    tail.extend(ahead::lines(&view.radar, look));
    let shown = |limit: Option<usize>| rows_shown(view, &rows, &columns, look, limit);
    let head = [header(view, look), String::new()];
    let Some(height) = height else {
        return [head.to_vec(), shown(None), tail, block].concat();
    };
    let fixed = head.len() + tail.len();
    let block = if fixed + block.len() + rows.len().min(4) > height {
        headlines(&view.next, look)
    } else {
        block
    };
    let room = height.saturating_sub(fixed + block.len()).max(1);
    let mut all = [head.to_vec(), shown(Some(room)), tail, block].concat();
    all.truncate(height);
    all
}

/// The rows, at most `limit` lines of them: what is going on comes before what is over.
fn rows_shown(
    view: &StatusView,
    rows: &[Row],
    columns: &Columns,
    look: Look,
    limit: Option<usize>,
) -> Vec<String> {
    let draw = |row: &Row| columns.draw(row, look);
    let Some(limit) = limit.filter(|&limit| limit < rows.len()) else {
        return rows.iter().map(draw).collect();
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| urgency(view.packets[at].status));
    let kept: BTreeSet<usize> = order[..limit.saturating_sub(1)].iter().copied().collect();
    let mut hidden: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, packet) in view.packets.iter().enumerate() {
        if !kept.contains(&at) {
            *hidden.entry(packet.status.word()).or_default() += 1;
        }
    }
    let words: Vec<String> = hidden
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let more = look.shown(&format!("   … {}", words.join(", ")));
    let more = look.paint(DIM, &look.fit(&more, look.width.unwrap_or(usize::MAX)));
    kept.into_iter()
        .map(|at| draw(&rows[at]))
        .chain([more])
        .collect()
}

fn urgency(status: PacketStatus) -> u8 {
    match status {
        PacketStatus::Running => 0,
        PacketStatus::Conflicted | PacketStatus::Waiting => 1,
        PacketStatus::Failed => 2,
        PacketStatus::Ready | PacketStatus::Collected | PacketStatus::Checked => 3,
        PacketStatus::Accepted | PacketStatus::Stale => 4,
        PacketStatus::Planned => 5,
        PacketStatus::Rejected | PacketStatus::Cancelled => 6,
        PacketStatus::Integrated | PacketStatus::NoChange | PacketStatus::Done => 7,
    }
}

/// The symbol of a state: with Unicode, without, and its colour.
pub(super) fn mark(status: PacketStatus, at_start: bool) -> (&'static str, &'static str, Style) {
    match status {
        PacketStatus::Running => ("●", "*", CYAN),
        PacketStatus::Waiting if at_start => ("◌", ".", YELLOW),
        PacketStatus::Waiting => ("✓", "+", YELLOW),
        PacketStatus::Planned | PacketStatus::Ready | PacketStatus::Stale => ("◌", ".", DIM),
        PacketStatus::Conflicted => ("!", "!", YELLOW),
        PacketStatus::Failed | PacketStatus::Rejected => ("✗", "x", RED),
        PacketStatus::Cancelled => ("–", "-", DIM),
        PacketStatus::Collected
        | PacketStatus::Checked
        | PacketStatus::Accepted
        | PacketStatus::Integrated
        | PacketStatus::NoChange
        | PacketStatus::Done => ("✓", "+", GREEN),
    }
}

fn row(view: &StatusView, packet: &PacketView, look: Look, says: Option<&str>) -> Row {
    let (unicode, ascii, style) = mark(packet.status, packet.files.is_none());
    let running = packet.status == PacketStatus::Running;
    let (note, command) = note(view, packet, says.filter(|_| running));
    let ended = packet.status == PacketStatus::Failed;
    Row {
        mark: if look.unicode { unicode } else { ascii },
        style,
        id: packet.id.to_string(),
        agent: look.shown(&one_line(&packet.agent)),
        status: if running && packet.turn > 1 {
            format!("turn {} of {}", packet.turn, packet.turns.max(packet.turn))
        } else {
            packet.status.word().to_owned()
        },
        change: packet
            .files
            .filter(|_| !ended && !running && packet.conflict.is_empty())
            .map(|files| {
                let added = packet.additions.unwrap_or(0);
                let removed = packet.deletions.unwrap_or(0);
                look.shown(&format!(
                    "{} +{added} −{removed}",
                    counted(files as usize, "file")
                ))
            }),
        note: look.shown(&note),
        command,
        // A failed packet's line needs the room for the command; its time is in the report.
        time: (!ended && packet.seconds > 0).then(|| duration(packet.seconds)),
        cost: (!ended && packet.tokens > 0).then(|| amount(packet.tokens)),
    }
}

/// What a packet's line says in its middle, and the command that follows if there is room for it.
fn note(view: &StatusView, packet: &PacketView, says: Option<&str>) -> (String, Option<String>) {
    let reason = packet.reason.as_deref().map(one_line);
    if packet.status == PacketStatus::Failed {
        let command = format!("dynwf packet log {} {}", view.slug, packet.id);
        return (reason.unwrap_or_default(), Some(command));
    }
    if let (PacketStatus::Ready, Some(reason)) = (packet.status, &reason)
        && let Some((words, command)) = reason.split_once(": dynwf ")
    {
        return (words.to_owned(), Some(format!("dynwf {command}")));
    }
    let doing = packet.doing.as_deref().map(one_line);
    // What dynwf does with the packet itself says more than the agent's last words, but for its turns.
    let says = says.map(one_line).filter(|says| !says.is_empty());
    let note = match (doing, says) {
        (Some(doing), Some(says)) if doing.starts_with("mending: ") => {
            Some(format!("{doing}: {says}"))
        }
        (Some(doing), _) => Some(doing),
        (None, says) => says.or(reason),
    };
    (note.unwrap_or_default(), None)
}

fn header(view: &StatusView, look: Look) -> String {
    let mut parts = vec![view.slug.to_string()];
    if let Some(base) = &view.base {
        let target = view.target.name.as_ref().map_or("", |name| name.short());
        parts.push(format!(
            "{} from {} ({})",
            counted(view.packets.len(), "packet"),
            &base.as_str()[..7],
            one_line(target),
        ));
    } else {
        parts.push("not split yet".to_owned());
    }
    if !view.sandbox.is_empty() {
        parts.push(format!("sandbox {}", one_line(&view.sandbox)));
    }
    if let Some(concurrency) = view.budget.concurrency {
        parts.push(format!("{concurrency} at a time"));
    }
    let line = look.shown(&parts.join(" · "));
    let line = look.fit(&line, look.width.unwrap_or(usize::MAX));
    look.paint(BOLD, &line)
}

fn footer(view: &StatusView, look: Look) -> String {
    let mut parts = vec![format!(
        "{} of {} settled",
        view.settled,
        view.packets.len()
    )];
    if view.running > 0 {
        parts.push(format!("{} running", view.running));
    }
    if view.archived {
        parts.push("archived".to_owned());
    } else if view.killed {
        parts.push("killed".to_owned());
    } else if view.status != WorkflowStatus::Running {
        parts.push(view.status.word().to_owned());
    }
    parts.push(duration(view.seconds));
    let spent = &view.budget.spent;
    match view.budget.tokens {
        Some(limit) => parts.push(format!(
            "{} of {} tokens",
            amount(spent.tokens),
            amount(limit)
        )),
        None if spent.tokens > 0 => parts.push(format!("{} tokens", amount(spent.tokens))),
        None => {}
    }
    match view.budget.dollars {
        Some(limit) => parts.push(format!("${:.2} of ${limit:.2}", spent.dollars)),
        None if spent.dollars > 0.0 => parts.push(format!("${:.2}", spent.dollars)),
        None => {}
    }
    let unpriced = usize::try_from(spent.turns_without_dollars).unwrap_or(usize::MAX);
    if unpriced > 0 && (view.budget.dollars.is_some() || spent.dollars > 0.0) {
        parts.push(format!("cost of {} unknown", counted(unpriced, "turn")));
    }
    if let Some(limit) = view.budget.minutes {
        parts.push(format!("{} of {limit} minutes", spent.seconds / 60));
    }
    if let Some(limit) = view.budget.packets {
        parts.push(format!("{} of {limit} packets begun", spent.packets));
    }
    parts.extend(view.paused.iter().map(|pause| {
        let until = pause.until.strftime("%H:%M:%S UTC");
        format!("{} paused until {until}", one_line(&pause.agent))
    }));
    let line = look.shown(&format!(" {}", parts.join(" · ")));
    look.fit(&line, look.width.unwrap_or(usize::MAX))
}

/// What the checks of the integrated tree said, once one of them ran or runs.
fn checks(checks: &[CheckView], look: Look) -> Option<String> {
    if checks.iter().all(|check| check.status == "planned") {
        return None;
    }
    let words: Vec<String> = checks
        .iter()
        .map(|check| {
            let name = one_line(&check.name);
            match (check.status, &check.outcome) {
                ("failed", Some(outcome)) if check.failed_before => {
                    format!("{name} failed ({outcome}), as on the base")
                }
                ("failed", Some(outcome)) => format!("{name} failed ({outcome})"),
                (status, _) => format!("{name} {status}"),
            }
        })
        .collect();
    let line = look.shown(&format!(" integrated tree: {}", words.join(" · ")));
    Some(look.fit(&line, look.width.unwrap_or(usize::MAX)))
}

/// What the reader must do, with the commands. What a packet's line says already is left out, unless that
/// line was cut.
fn block(next: &[Next], cut: &BTreeSet<&str>, look: Look) -> Vec<String> {
    let items: Vec<(&Next, String, String)> = next
        .iter()
        .filter(|item| !item.in_row || cut.contains(item.subject.as_str()))
        .map(|item| (item, look.shown(&item.subject), look.shown(&item.detail)))
        .collect();
    let subjects = widest(items.iter().map(|(_, subject, _)| subject.as_str()));
    let details = widest(items.iter().map(|(_, _, detail)| detail.as_str()));
    let commands = items.iter().flat_map(|(item, _, _)| &item.commands);
    let commands = widest(commands.map(String::as_str));
    let room = match look.width {
        None => Some(details.min(FAR)),
        Some(width) => width
            .checked_sub(2 + subjects + 3 + 3 + commands)
            .filter(|&room| room >= details.min(12))
            .map(|room| room.min(details)),
    };
    let mut lines = Vec::new();
    let mut last: Option<NextKind> = None;
    for (item, subject, detail) in &items {
        if last != Some(item.kind) {
            let same = |other: &&(&Next, String, String)| other.0.kind == item.kind;
            let count = items.iter().filter(same).count();
            lines.push(String::new());
            let headline = item.kind.headline(count);
            let headline = look.fit(&headline, look.width.unwrap_or(usize::MAX));
            lines.push(look.paint(BOLD, &headline));
            last = Some(item.kind);
        }
        let subject = padded(subject, subjects);
        if let Some(room) = room {
            let detail = match look.width {
                None => detail.clone(),
                Some(_) => look.fit(detail, room),
            };
            let text = format!("  {subject}   {}   ", padded(&detail, room));
            for (at, command) in item.commands.iter().enumerate() {
                let blank = " ".repeat(2 + subjects + 3 + room + 3);
                let before = if at == 0 { &text } else { &blank };
                lines.push(format!("{before}{}", look.paint(CYAN, command)));
            }
        } else {
            let line = format!("  {subject}   {detail}");
            lines.push(look.fit(line.trim_end(), look.width.unwrap_or(usize::MAX)));
            for command in &item.commands {
                lines.push(format!("    {}", look.paint(CYAN, command)));
            }
        }
    }
    lines
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(width).max().unwrap_or(0)
}

/// The headlines alone, on one line, for a screen with no room for more.
fn headlines(next: &[Next], look: Look) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for item in next.iter().filter(|item| !item.in_row) {
        if last != Some(item.kind) && item.kind != NextKind::Go {
            let count = next.iter().filter(|other| other.kind == item.kind).count();
            words.push(item.kind.headline(count));
        }
        last = Some(item.kind);
    }
    if words.is_empty() {
        return Vec::new();
    }
    let line = look.shown(&format!(" {}", words.join(" · ")));
    vec![look.paint(BOLD, &look.fit(&line, look.width.unwrap_or(usize::MAX)))]
}
