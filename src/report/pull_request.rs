//! The text for a pull request: objective, packets, evidence, risks.
//!
//! Called by `dynwf push --branches`.

use jiff::Timestamp;
use serde::Serialize;

use super::page::{Page, code};
use super::result::{evidence, size, verified, worker};
use super::summary::risks;
use super::view::{PacketView, StatusView};
use super::words::one_line;
use crate::model::id::PacketId;
use crate::model::state::RunState;
use crate::review::notes::notes;

/// A pull request to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PullRequest {
    /// The branch that is to be merged, without `refs/heads/`.
    pub head: String,
    /// The branch that it is to be merged into.
    pub base: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// The longest title that is comfortable to read.
const TITLE: usize = 72;

/// The request for everything that was integrated.
pub fn of_workflow(state: &RunState, now: Timestamp) -> PullRequest {
    let view = StatusView::new(state, now);
    let mut page = Page::untitled();
    page.heading("Objective");
    page.paragraph(&view.goal);
    if let Some(frozen) = &state.frozen {
        page.list_if_any("Success criteria", frozen.plan.success.clone());
    }
    let merged = view
        .integration
        .merged
        .iter()
        .filter_map(|id| view.packet(id))
        .map(|packet| {
            let objective = one_line(&packet.objective);
            let size = size(packet);
            format!("{} ({}): {size}{objective}", packet.id, worker(packet))
        });
    page.list("Packets", merged.collect::<Vec<_>>());
    page.list("Evidence", view.checks.iter().filter_map(evidence));
    let open: Vec<String> = view
        .checks
        .iter()
        .filter(|check| check.status != "passed")
        .map(verified)
        .collect();
    page.list_if_any("Not verified", open);
    page.list("Risks", risks(state, &view));
    PullRequest {
        head: view.integration.branch.clone(),
        base: base(&view),
        title: title(&view.goal),
        body: page.text(),
    }
}

/// The request for one packet; none if it is unknown or has no work.
pub fn of_packet(state: &RunState, id: &PacketId, now: Timestamp) -> Option<PullRequest> {
    let view = StatusView::new(state, now);
    let packet: &PacketView = view.packet(id)?;
    let work = state.packets.get(id)?.collected.as_ref()?;
    let mut page = Page::untitled();
    page.heading("Objective");
    page.paragraph(&packet.objective);
    page.paragraph(&format!("Part of: {}", one_line(&view.goal)));
    page.list("Change", [format!("{}by {}", size(packet), worker(packet))]);
    page.list_if_any(
        "Needs",
        packet.after.iter().map(ToString::to_string).collect(),
    );
    page.list("Evidence", packet.checks.iter().filter_map(evidence));
    page.list("Risks", notes(&work.facts).split_off(1));
    page.list_if_any("Notes", packet.notes.clone());
    Some(PullRequest {
        head: packet.branch.clone()?,
        base: base(&view),
        title: title(&packet.objective),
        body: page.text(),
    })
}

/// Renders requests for a terminal: the branches, the title, the body.
pub fn render(requests: &[PullRequest]) -> String {
    requests
        .iter()
        .map(|request| {
            format!(
                "{} into {}\n\n{}\n\n{}",
                code(&request.head),
                code(&request.base),
                request.title,
                request.body
            )
        })
        .collect::<Vec<_>>()
        .join("\n----\n\n")
}

fn base(view: &StatusView) -> String {
    view.target
        .name
        .as_ref()
        .map_or_else(String::new, |name| name.short().to_owned())
}

fn title(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty());
    super::words::fit(&one_line(first.unwrap_or("")), TITLE, true).into_owned()
}
