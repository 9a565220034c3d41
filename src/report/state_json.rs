//! `state.json`: the state of a workflow under the field names that tools made for such folders read.
//!
//! Invariants: the names are published and only ever added to; the status words are dynwf's own. Called by
//! `face`.

use jiff::Timestamp;
use serde::Serialize;

use super::view::{CheckView, StatusView};
use crate::model::gate::GateStatus;
use crate::model::id::{CommitId, GateId, PacketId, RefName, Slug};
use crate::model::state::RunState;
use crate::model::status::{PacketStatus, WorkflowStatus};

#[derive(Serialize)]
struct StateFile<'a> {
    title: String,
    slug: &'a Slug,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    status: WorkflowStatus,
    archived: bool,
    base: &'a Option<CommitId>,
    target: &'a Option<RefName>,
    approval: Approval<'a>,
    packets: Vec<PacketEntry<'a>>,
    integration: Integration<'a>,
    verification: Verification<'a>,
    budgets: Budgets,
}

#[derive(Serialize)]
struct Approval<'a> {
    /// Whether a person is asked anywhere.
    required: bool,
    /// Whether every question was answered with yes.
    granted: bool,
    events: Vec<ApprovalEvent<'a>>,
}

#[derive(Serialize)]
struct ApprovalEvent<'a> {
    at: Timestamp,
    gate: &'a GateId,
    question: String,
    decision: &'static str,
    by: Option<&'a str>,
    attended: Option<bool>,
    notes: &'a str,
}

#[derive(Serialize)]
struct PacketEntry<'a> {
    id: &'a PacketId,
    objective: &'a str,
    status: PacketStatus,
    assignee: &'a str,
    result: Option<String>,
    reason: &'a Option<String>,
    branch: &'a Option<String>,
    base: &'a Option<CommitId>,
    tip: &'a Option<CommitId>,
    attempts: u32,
    after: &'a [PacketId],
}

#[derive(Serialize)]
struct Integration<'a> {
    branch: &'a str,
    commit: &'a Option<CommitId>,
    merged: &'a [PacketId],
    landed: &'a Option<CommitId>,
}

#[derive(Serialize)]
struct Verification<'a> {
    status: &'static str,
    checks: Vec<CheckEntry<'a>>,
}

#[derive(Serialize)]
struct CheckEntry<'a> {
    check: &'a str,
    command: &'a str,
    required: bool,
    status: &'static str,
    tree: &'a Option<crate::model::id::TreeId>,
    exit_code: Option<i32>,
    evidence: &'a Option<String>,
}

#[derive(Serialize)]
struct Budgets {
    max_concurrent_agents: Option<u32>,
    max_total_agents: Option<u32>,
    time_minutes: Option<u32>,
    token_budget: Option<u64>,
    dollar_budget: Option<f64>,
    spent_minutes: u64,
    spent_tokens: u64,
    spent_dollars: f64,
    spent_agents: usize,
    turns_without_tokens: u32,
    turns_without_dollars: u32,
    reserved_tokens: u64,
    reserved_dollars: f64,
    remaining_tokens: Option<u64>,
    remaining_dollars: Option<f64>,
}

/// Whether a packet has a result to read about.
pub(super) fn has_result(packet: &super::view::PacketView) -> bool {
    packet.attempts > 0 || packet.status.is_settled()
}

/// Renders `state.json`.
pub(super) fn render(state: &RunState, view: &StatusView) -> String {
    super::json::document(&StateFile {
        title: view.goal.lines().next().unwrap_or("").to_owned(),
        slug: &view.slug,
        created_at: view.created_at,
        updated_at: view.updated_at,
        status: view.status,
        archived: view.archived,
        base: &view.base,
        target: &view.target.name,
        approval: approval(state),
        packets: view
            .packets
            .iter()
            .map(|packet| PacketEntry {
                id: &packet.id,
                objective: &packet.objective,
                status: packet.status,
                assignee: &packet.agent,
                result: has_result(packet).then(|| format!("results/{}.md", packet.id)),
                reason: &packet.reason,
                branch: &packet.branch,
                base: &packet.base,
                tip: &packet.tip,
                attempts: packet.attempts,
                after: &packet.after,
            })
            .collect(),
        integration: Integration {
            branch: &view.integration.branch,
            commit: &view.integration.commit,
            merged: &view.integration.merged,
            landed: &view.landed,
        },
        verification: Verification {
            status: verification(&view.checks),
            checks: view.checks.iter().map(check).collect(),
        },
        budgets: Budgets {
            max_concurrent_agents: view.budget.concurrency,
            max_total_agents: view.budget.packets,
            time_minutes: view.budget.minutes,
            token_budget: view.budget.tokens,
            dollar_budget: view.budget.dollars,
            spent_minutes: view.budget.spent.seconds / 60,
            spent_tokens: view.budget.spent.tokens,
            spent_dollars: view.budget.spent.dollars,
            spent_agents: view.budget.spent.packets,
            turns_without_tokens: view.budget.spent.turns_without_tokens,
            turns_without_dollars: view.budget.spent.turns_without_dollars,
            reserved_tokens: view.budget.reserved.tokens,
            reserved_dollars: view.budget.reserved.dollars,
            remaining_tokens: view.budget.remaining.tokens,
            remaining_dollars: view.budget.remaining.dollars,
        },
    })
}

fn approval(state: &RunState) -> Approval<'_> {
    let planned = state
        .frozen
        .as_ref()
        .is_some_and(|frozen| !frozen.plan.gates.is_empty());
    let granted = |status: &GateStatus| {
        matches!(
            status,
            GateStatus::Approved { .. } | GateStatus::Consumed { .. }
        )
    };
    Approval {
        required: planned || !state.gates.is_empty(),
        granted: !state.gates.is_empty() && state.gates.values().all(|gate| granted(&gate.status)),
        events: state
            .gates
            .values()
            .map(|gate| ApprovalEvent {
                at: gate
                    .decision
                    .as_ref()
                    .map_or(gate.opened, |decision| decision.at),
                gate: &gate.id,
                question: gate.why.join("; "),
                decision: match gate.status {
                    GateStatus::Waiting => "deferred",
                    GateStatus::Approved { .. } | GateStatus::Consumed { .. } => "approved",
                    GateStatus::Denied => "denied",
                    GateStatus::Expired => "expired",
                    GateStatus::Revoked => "revoked",
                },
                by: gate.decision.as_ref().map(|decision| decision.by.as_str()),
                attended: gate.decision.as_ref().map(|decision| decision.attended),
                notes: gate
                    .decision
                    .as_ref()
                    .map_or("", |decision| decision.why.as_str()),
            })
            .collect(),
    }
}

fn check(check: &CheckView) -> CheckEntry<'_> {
    CheckEntry {
        check: &check.name,
        command: &check.run,
        required: true,
        status: check.status,
        tree: &check.tree,
        exit_code: check.exit_code,
        evidence: &check.output,
    }
}

/// One word for all checks: the worst one counts.
fn verification(checks: &[CheckView]) -> &'static str {
    let any = |status| checks.iter().any(|check| check.status == status);
    let counts = |check: &CheckView| check.status == "failed" && !check.failed_before;
    if checks.iter().any(counts) {
        "failed"
    } else if any("running") {
        "running"
    } else if any("stale") {
        "stale"
    } else if checks.is_empty() || any("planned") {
        "not_started"
    } else {
        "passed"
    }
}
