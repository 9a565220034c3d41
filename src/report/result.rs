//! `results/<id>.md` and `integration.md`: what came of a packet, and of putting packets together.
//!
//! Called by `face`.

use jiff::Timestamp;

use super::ahead;
use super::lacks::{proof_lines, road_words};
use super::next::seven;
use super::page::{Page, code};
use super::view::{CheckView, PacketView, StatusView};
use super::words::duration;
use crate::model::gate::{Gate, GateStatus};
use crate::model::id::{GateId, PacketId};
use crate::model::packet::Conflict;
use crate::model::state::{PacketState, RunState, Stage};
use crate::model::status::PacketStatus;
use crate::review::notes::notes;

/// How many changed paths a result lists.
const LISTED: usize = 200;

/// Returns the page about one packet's result, as it stands in `results/<id>.md`; empty for an unknown packet.
pub fn packet_page(state: &RunState, id: &PacketId, now: Timestamp) -> String {
    StatusView::new(state, now)
        .packet(id)
        .map_or_else(String::new, |view| packet_md(state, view))
}

/// Renders `results/<id>.md`.
pub(super) fn packet_md(state: &RunState, view: &PacketView) -> String {
    let blank = PacketState::default();
    let packet = state.packets.get(&view.id).unwrap_or(&blank);
    let mut page = Page::new(&format!("Result: {}", view.id));
    page.paragraph(&view.objective);
    page.list("Status", status(view));
    page.list("Accepted", accepted(view));
    page.list("Rejected", rejected(view));
    page.list("Conflicts", conflicts(packet));
    page.list("Decisions", decisions(state, packet, &view.id));
    let facts = packet.collected.as_ref().map(|work| &work.facts);
    page.list(
        "Risks",
        facts
            .map(|facts| notes(facts).split_off(1))
            .unwrap_or_default(),
    );
    page.list("Verification", view.checks.iter().map(verified));
    page.list("Evidence", view.checks.iter().filter_map(evidence));
    if let Some(answer) = &packet.answer {
        page.heading("Answer");
        page.paragraph(answer);
    }
    page.list_if_any("Notes", packet.notes.clone());
    let paths = facts.map_or(&[][..], |facts| &facts.paths);
    let mut files: Vec<String> = paths
        .iter()
        .take(LISTED)
        .map(|path| code(&path.to_string()))
        .collect();
    let count = view.files.unwrap_or(0) as usize;
    if count > files.len() {
        files.push(format!("and {} more", count - files.len()));
    }
    page.list("Files", files);
    page.text()
}

/// Who did the work, never leaving open whether it was done outside.
pub(super) fn worker(view: &PacketView) -> String {
    if view.parent_work {
        "parent work".to_owned()
    } else {
        view.agent.clone()
    }
}

fn status(view: &PacketView) -> Vec<String> {
    let mut all = vec![view.status.word().to_owned()];
    all.extend(view.reason.clone());
    all.push(format!("worked on by: {}", worker(view)));
    all.push(format!(
        "attempts: {}, units' time: {}, tokens: {}",
        view.attempts,
        duration(view.seconds),
        view.tokens
    ));
    if let Some(branch) = &view.branch {
        all.push(format!("branch: {}", code(branch)));
    }
    if let (Some(base), Some(tip)) = (&view.base, &view.tip) {
        all.push(format!("commits: {}", code(&format!("{base}..{tip}"))));
    }
    all
}

fn accepted(view: &PacketView) -> Vec<String> {
    let Some(by) = &view.accepted_by else {
        return Vec::new();
    };
    let size = size(view);
    let merged = view
        .merged
        .as_ref()
        .filter(|_| view.status == PacketStatus::Integrated)
        .map_or_else(String::new, |commit| {
            format!(", integrated as {}", code(commit.as_str()))
        });
    vec![format!("{size}accepted by {by}{merged}")]
}

/// The size of a change, with a comma after it.
pub(super) fn size(view: &PacketView) -> String {
    match (view.files, view.additions, view.deletions) {
        (Some(files), Some(added), Some(removed)) => {
            let noun = if files == 1 { "file" } else { "files" };
            format!("{files} {noun} +{added} −{removed}, ")
        }
        _ => String::new(),
    }
}

fn rejected(view: &PacketView) -> Option<String> {
    matches!(
        view.status,
        PacketStatus::Rejected | PacketStatus::Failed | PacketStatus::Cancelled
    )
    .then(|| {
        let why = view.reason.as_deref().unwrap_or("no reason was given");
        format!("{}: {why}", view.status.word())
    })
}

fn conflicts(packet: &PacketState) -> Vec<String> {
    let Some(conflict) = &packet.conflict else {
        return Vec::new();
    };
    let mut all = conflict_lines(conflict);
    if packet.resolution.is_some() {
        let by = packet.settled_by.as_deref().unwrap_or("person");
        let by = if by == "person" { "a person" } else { by };
        all.push(format!("resolved by {by}"));
    }
    all
}

fn conflict_lines(conflict: &Conflict) -> Vec<String> {
    let with: Vec<&str> = conflict.with.iter().map(PacketId::as_str).collect();
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(" with {}", with.join(", "))
    };
    conflict
        .files
        .iter()
        .map(|file| format!("{}: {}{with}", code(&file.path.to_string()), file.kind))
        .collect()
}

fn decisions(state: &RunState, packet: &PacketState, id: &PacketId) -> Vec<String> {
    let gates = [GateId::packet(id), GateId::merge(id)];
    let mut all: Vec<String> = gates
        .iter()
        .filter_map(|gate| state.gates.get(gate))
        .map(decision)
        .collect();
    all.extend(
        packet
            .feedback
            .iter()
            .map(|told| format!("sent back: {told}")),
    );
    all
}

/// A gate and its answer in a line.
pub(super) fn decision(gate: &Gate) -> String {
    let why = if gate.why.is_empty() {
        String::new()
    } else {
        format!(" ({})", gate.why.join("; "))
    };
    let answer = match (&gate.status, &gate.decision) {
        (GateStatus::Waiting, _) | (_, None) => gate.status.word().to_owned(),
        (status, Some(decision)) => {
            let word = match status {
                GateStatus::Consumed { .. } => "approved",
                status => status.word(),
            };
            let how = if decision.attended {
                ""
            } else {
                ", unattended"
            };
            let said = if decision.why.is_empty() {
                String::new()
            } else {
                format!(": {}", decision.why)
            };
            format!("{word} by {}{how}{said}", decision.by)
        }
    };
    format!("gate {}{why}: {answer}", code(gate.id.as_str()))
}

/// What a check says, in a line.
pub(super) fn verified(check: &CheckView) -> String {
    match (&check.outcome, check.status) {
        (Some(outcome), "failed") => {
            let before = if check.failed_before {
                ", as it did on the base before"
            } else {
                ""
            };
            format!("{}: failed ({outcome}){before}", code(&check.name))
        }
        (_, "planned") => format!("{}: not run", code(&check.name)),
        (_, status) => format!("{}: {status}", code(&check.name)),
    }
}

/// What a check's word stands on, in a line.
pub(super) fn evidence(check: &CheckView) -> Option<String> {
    let (tree, output, outcome) = (
        check.tree.as_ref()?,
        check.output.as_ref()?,
        check.outcome.as_ref()?,
    );
    let stale = if check.status == "stale" {
        ", stale: the tree has changed"
    } else {
        ""
    };
    Some(format!(
        "{}: {outcome} on tree {}, output sha256 {}{stale}",
        code(&check.run),
        code(tree.as_str()),
        code(output)
    ))
}

/// Renders `integration.md`.
pub(super) fn integration_md(state: &RunState, view: &StatusView) -> String {
    let mut page = Page::new(&format!("Integration: {}", view.slug));
    let at = &view.integration;
    if let Some(commit) = &at.commit {
        page.paragraph(&format!(
            "Branch {} is at {}{}.",
            code(&at.branch),
            code(commit.as_str()),
            at.tree.as_ref().map_or_else(String::new, |tree| format!(
                " (tree {})",
                code(tree.as_str())
            ))
        ));
    }
    let merged = at.merged.iter().filter_map(|id| {
        let packet = view.packet(id)?;
        let road = state.packets.get(id)?.merge.as_ref()?;
        Some(format!(
            "{id}: {}merged as {} ({})",
            size(packet),
            code(seven(Some(&road.commit))),
            road_words(road)
        ))
    });
    page.list("Accepted", merged);
    let rejected = view
        .packets
        .iter()
        .filter_map(|packet| Some(format!("{}: {}", packet.id, rejected(packet)?)));
    page.list("Rejected", rejected);
    let open = state
        .packets
        .iter()
        .filter(|(_, packet)| packet.conflict.is_some())
        .map(|(id, packet)| {
            let end = match packet.stage {
                Stage::Conflicted => "left for a person".to_owned(),
                _ => match packet.settled_by.as_deref() {
                    None => "over".to_owned(),
                    Some("person") => "resolved by a person".to_owned(),
                    Some(rung) => format!("resolved by {rung}"),
                },
            };
            let files = packet
                .conflict
                .as_ref()
                .map_or_else(Vec::new, conflict_lines);
            format!("{id}, {end}: {}", files.join("; "))
        });
    let target = state
        .integration
        .iter()
        .filter_map(|at| at.conflict.as_ref())
        .map(|conflict| format!("the moved target: {}", conflict_lines(conflict).join("; ")));
    page.list("Conflicts", open.chain(target).collect::<Vec<_>>());
    page.list_if_any("Ahead", ahead::list(state));
    page.list("Nothing dropped", proofs(state));
    page.list("Decisions", state.gates.values().map(decision));
    page.list(
        "Verification evidence",
        view.checks.iter().filter_map(evidence),
    );
    let risks = view
        .checks
        .iter()
        .filter(|check| check.status != "passed")
        .map(verified)
        .chain(at.reason.clone());
    page.list("Remaining risks", risks.collect::<Vec<_>>());
    page.text()
}

/// What was found about each merge that is more than a matter of whole files.
pub(super) fn proofs(state: &RunState) -> Vec<String> {
    state
        .in_plan_order()
        .filter_map(|(id, packet)| {
            let lines = proof_lines(packet);
            (!lines.is_empty()).then(|| format!("{id}: {}", lines.join("\n")))
        })
        .collect()
}
