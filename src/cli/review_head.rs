//! What stands above a difference in `dynwf review`, and the difference as a table of files.
//!
//! Called by `cli::review`.

use crate::model::id::{GateId, PacketId};
use crate::model::packet::Collected;
use crate::model::path::printable;
use crate::model::state::{PacketState, RunState, Stage};
use crate::report::lacks;
use crate::review::diff::Diff;
use crate::review::notes::notes;

/// What a reviewer should know before the first line of the difference.
pub(super) fn header(
    state: &RunState,
    id: &PacketId,
    packet: &PacketState,
    collected: &Collected,
) -> String {
    let slug = &state.slug;
    let mut lines = vec![format!("{slug} {id}  {}", state.status_of(id).word())];
    if let Some(planned) = state.planned(id) {
        lines.extend(planned.objective.lines().map(|line| format!("  {line}")));
        if !planned.scope.is_empty() {
            lines.push(format!("scope    {}", planned.scope.join(", ")));
        }
    }
    if let Some(why) = packet.reason.as_ref().filter(|why| !why.is_empty()) {
        heading(&mut lines, "why", std::slice::from_ref(why));
    }
    lines.push(format!(
        "commits  {}..{}",
        collected.base.short(),
        collected.tip.short()
    ));
    heading(&mut lines, "risk", &notes(&collected.facts));
    for (check, evidence) in state.packet_checks(id) {
        let outcome = evidence.map_or_else(
            || "has not run on this tree".to_owned(),
            |evidence| {
                if evidence.passed() {
                    "passed".to_owned()
                } else {
                    format!("failed: dynwf packet log {slug} {id}")
                }
            },
        );
        heading(
            &mut lines,
            "check",
            &[format!("{} — {outcome}", check.name)],
        );
    }
    heading(&mut lines, "notes", &collected.notes);
    heading(&mut lines, "worker", &packet.notes);
    if let Some(merge) = &packet.merge {
        heading(&mut lines, "merge", &[lacks::road_words(merge)]);
    }
    heading(&mut lines, "dropped", &lacks::proof_lines(packet));
    let gates = [GateId::merge(id), GateId::risk(id)];
    let waiting = gates.iter().find(|gate| state.waits_at(gate));
    if let Some(gate) = waiting.and_then(|gate| state.gates.get(gate)) {
        heading(&mut lines, "waits", &gate.why);
        lines.push(format!(
            "answer   dynwf approve {slug} {gate}, dynwf reject {slug} {gate}, dynwf review {slug} {id} --comment TEXT",
            gate = gate.id
        ));
    } else if packet.stage == Stage::Conflicted {
        lines.push(format!("conflict dynwf integrate {slug}"));
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|line| printable(line).into_owned())
        .collect();
    lines.join("\n")
}

/// Lines under a word that stands once, at the left.
pub(super) fn heading(lines: &mut Vec<String>, word: &str, texts: &[String]) {
    let texts = texts.iter().flat_map(|text| text.lines());
    for (at, text) in texts.enumerate() {
        let word = if at == 0 { word } else { "" };
        lines.push(format!("{word:8} {text}"));
    }
}

pub(super) fn size(files: u32, additions: u32, deletions: u32) -> String {
    let noun = if files == 1 { "file" } else { "files" };
    format!("{files} {noun} +{additions} −{deletions}")
}

/// Files and sizes only.
pub(super) fn stat(difference: &Diff) -> String {
    let rows: Vec<(String, String)> = difference
        .files
        .iter()
        .map(|file| {
            let name = match &file.from {
                Some(from) => format!("{from} → {}", file.path),
                None => file.path.to_string(),
            };
            (name, format!("+{} −{}", file.additions, file.deletions))
        })
        .collect();
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, lines) in &rows {
        text.push_str(&format!(" {name:width$}  {lines}\n"));
    }
    let files = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    text.push_str(&format!(
        " {}\n",
        size(files, difference.additions, difference.deletions)
    ));
    text
}
