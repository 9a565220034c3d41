//! All workflows of a repository, one line each.
//!
//! Called by `dynwf status` without a name.

use jiff::Timestamp;
use serde::Serialize;

use super::look::{BOLD, CYAN, DIM, GREEN, Look, RED, YELLOW};
use super::next::{Next, was_killed, what_to_do, with_killed};
use super::words::{counted, duration, one_line, padded, width};
use crate::model::id::Slug;
use crate::model::state::RunState;
use crate::model::status::{PacketStatus, WorkflowStatus};

/// One workflow in a few figures.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Its name.
    pub slug: Slug,
    /// The word for its state.
    pub status: WorkflowStatus,
    /// What it achieves.
    pub goal: String,
    /// How many packets it has.
    pub packets: usize,
    /// How many of them are settled.
    pub settled: usize,
    /// How many of them a unit works on.
    pub running: usize,
    /// How many gates wait.
    pub gates: usize,
    /// Whether it is archived.
    pub archived: bool,
    /// Whether its last run was killed, and nobody goes on with it.
    pub killed: bool,
    /// When something happened last.
    pub updated_at: Option<Timestamp>,
    /// What the reader can do first.
    pub next: Option<Next>,
}

impl Summary {
    /// Sums up a state.
    pub fn new(state: &RunState) -> Self {
        let statuses: Vec<PacketStatus> =
            state.packets.keys().map(|id| state.status_of(id)).collect();
        Self {
            slug: state.slug.clone(),
            status: state.workflow_status(),
            goal: state
                .frozen
                .as_ref()
                .map_or_else(String::new, |frozen| frozen.plan.goal.clone()),
            packets: statuses.len(),
            settled: statuses.iter().filter(|status| status.is_settled()).count(),
            running: statuses
                .iter()
                .filter(|&&status| status == PacketStatus::Running)
                .count(),
            gates: state.waiting_gates().count(),
            archived: state.archived,
            killed: false,
            updated_at: state.at,
            next: what_to_do(state).into_iter().next(),
        }
    }

    /// Says whether a dynwf holds the workflow at this moment, as [`super::view::StatusView::held`].
    #[must_use]
    pub fn held(mut self, state: &RunState, held: bool) -> Self {
        if was_killed(state, held) {
            self.killed = true;
            self.next = with_killed(state, what_to_do(state)).into_iter().next();
        }
        self
    }
}

/// Renders the list; the text ends with a newline, and is empty where there is no workflow.
pub fn render(workflows: &[Summary], now: Timestamp, look: Look) -> String {
    let slugs = workflows
        .iter()
        .map(|one| width(one.slug.as_str()))
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for one in workflows {
        let status = if one.archived {
            "archived"
        } else if one.killed {
            "killed"
        } else {
            one.status.word()
        };
        let style = match one.status {
            _ if one.archived => DIM,
            _ if one.killed => YELLOW,
            WorkflowStatus::Complete => GREEN,
            WorkflowStatus::Failed => RED,
            WorkflowStatus::Waiting | WorkflowStatus::Blocked => YELLOW,
            WorkflowStatus::Running => CYAN,
            WorkflowStatus::Planned => DIM,
        };
        let mut parts = vec![format!("{} of {} settled", one.settled, one.packets)];
        if one.running > 0 {
            parts.push(format!("{} running", one.running));
        }
        if one.gates > 0 {
            let verb = if one.gates == 1 { "waits" } else { "wait" };
            parts.push(format!("{} {verb}", counted(one.gates, "gate")));
        }
        if let Some(at) = one.updated_at {
            let ago = u64::try_from(now.as_second() - at.as_second()).unwrap_or(0);
            parts.push(format!("{} ago", duration(ago)));
        }
        let left = format!(
            "{}  {}  ",
            padded(one.slug.as_str(), slugs),
            padded(status, 8)
        );
        let rest = look.shown(&format!("{}   {}", parts.join(" · "), one_line(&one.goal)));
        let room = look
            .width
            .map_or(usize::MAX, |screen| screen.saturating_sub(width(&left)));
        text.push_str(&format!(
            "{}  {}  {}\n",
            look.paint(BOLD, &padded(one.slug.as_str(), slugs)),
            look.paint(style, &padded(status, 8)),
            look.fit(rest.trim_end(), room)
        ));
    }
    text
}
