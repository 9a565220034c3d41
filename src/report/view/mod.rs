//! The state of a workflow as it is shown: what `dynwf status --json` prints and what every table is made of.
//!
//! Invariants: a pure function of the state and the time; field names are an interface and only ever added
//! to. Times are in UTC, durations in seconds. Called by `cli` (status), by `human`, `progress` and `face`.

mod build;
mod script;
mod shape;

use jiff::Timestamp;

use crate::model::id::PacketId;
use crate::model::state::RunState;
use crate::model::status::PacketStatus;
use crate::report::next::{was_killed, what_to_do, with_killed};
use build::{
    between, budget_view, gate_view, integrated_check, integration_view, packet_view, pair_view,
    pause_views,
};
pub use script::{CallView, ScriptView};
pub use shape::{
    AmountView, BudgetView, CheckView, GateView, IntegrationView, PacketView, PairView, PauseView,
    RemainingView, SpentView, StatusView, TargetView,
};

impl StatusView {
    /// Builds the view of a state as of `now`.
    pub fn new(state: &RunState, now: Timestamp) -> Self {
        let plan = state.frozen.as_ref().map(|frozen| &frozen.plan);
        let packets: Vec<PacketView> = state
            .in_plan_order()
            .map(|(id, packet)| packet_view(state, id, packet))
            .collect();
        let mut view = Self {
            slug: state.slug.clone(),
            status: state.workflow_status(),
            goal: plan.map_or_else(String::new, |plan| plan.goal.clone()),
            target: TargetView {
                name: state.frozen.as_ref().map(|frozen| frozen.target.clone()),
                commit: state.target_seen.clone(),
            },
            base: state.frozen.as_ref().map(|frozen| frozen.base.clone()),
            integration: integration_view(state),
            settled: packets.iter().filter(|p| p.status.is_settled()).count(),
            running: packets
                .iter()
                .filter(|p| p.status == PacketStatus::Running)
                .count(),
            packets,
            gates: state.gates.values().map(gate_view).collect(),
            checks: state
                .integrated_checks()
                .iter()
                .map(|(check, evidence)| integrated_check(state, check, *evidence))
                .collect(),
            budget: budget_view(state),
            paused: pause_views(state, now),
            estimate: None,
            sandbox: state.sandbox.clone(),
            killed: false,
            landed: state.landed.clone(),
            pushes: state.pushed.len(),
            archived: state.archived,
            created_at: state.frozen.as_ref().map(|frozen| frozen.at),
            updated_at: state.at,
            seconds: 0,
            next: what_to_do(state),
            radar: state.meeting().into_iter().map(pair_view).collect(),
            script: ScriptView::of(state),
        };
        view.refresh(now);
        view
    }

    /// Says whether a dynwf holds the workflow at this moment: a run that began, did not end and is held by nobody was
    /// killed.
    #[must_use]
    pub fn held(mut self, state: &RunState, held: bool) -> Self {
        if was_killed(state, held) {
            self.killed = true;
            self.next = with_killed(state, self.next);
        }
        self
    }

    /// Moves the running times on to `now`; nothing else changes.
    pub fn refresh(&mut self, now: Timestamp) {
        let mut live = false;
        self.paused.retain(|pause| now < pause.until);
        for packet in &mut self.packets {
            live |= packet.running_since.is_some();
            let running = packet.running_since.map_or(0, |since| between(since, now));
            packet.seconds = packet.ended_seconds + running;
        }
        if let Some(script) = &mut self.script {
            script.refresh(now);
        }
        let until = if live { Some(now) } else { self.updated_at };
        self.seconds = match (self.created_at, until) {
            (Some(from), Some(until)) => between(from, until),
            _ => 0,
        };
    }

    /// Returns the packet with this id.
    pub fn packet(&self, id: &PacketId) -> Option<&PacketView> {
        self.packets.iter().find(|packet| &packet.id == id)
    }

    /// The gates that wait for an answer.
    pub fn waiting_gates(&self) -> impl Iterator<Item = &GateView> {
        self.gates.iter().filter(|gate| gate.status == "waiting")
    }
}
