//! `final-report.md`: what a workflow came to.
//!
//! Called by `face`, and by `dynwf report`.

use jiff::Timestamp;

use super::next::seven;
use super::page::{Page, code};
use super::result::{decision, evidence, proofs, size, verified, worker};
use super::view::{BudgetView, PacketView, StatusView};
use super::words::{amount, counted, duration};
use crate::model::gate::{Binding, Gate, GateStatus};
use crate::model::plan::Severity;
use crate::model::state::RunState;
use crate::model::status::{PacketStatus, WorkflowStatus};
use crate::review::notes::notes;

/// Renders the final report of a state.
pub fn final_report(state: &RunState, now: Timestamp) -> String {
    render(state, &StatusView::new(state, now))
}

pub(super) fn render(state: &RunState, view: &StatusView) -> String {
    let mut page = Page::new(&format!("Final report: {}", view.slug));
    page.paragraph(&view.goal);
    page.list("Outcome", outcome(state, view));
    page.list_if_any("Script", script(view));
    page.list("Accepted", view.packets.iter().filter_map(accepted));
    page.list("Rejected", view.packets.iter().filter_map(rejected));
    page.list("Conflicts resolved", resolved(state));
    page.list_if_any("Nothing dropped", proofs(state));
    page.list("Decisions", state.gates.values().map(decision));
    page.list("Verification evidence", all_evidence(view));
    page.list("Skipped checks", skipped(view));
    page.list("Remaining risks", risks(state, view));
    page.list("Reusable follow-up", follow_up(view));
    page.text()
}

fn outcome(state: &RunState, view: &StatusView) -> Vec<String> {
    let words = match view.status {
        WorkflowStatus::Complete => "complete: every packet is integrated, done or waived",
        WorkflowStatus::Failed => "failed: some packets failed",
        WorkflowStatus::Blocked => "blocked: a person is needed",
        WorkflowStatus::Waiting => "waiting at a gate",
        WorkflowStatus::Running => "not finished",
        WorkflowStatus::Planned => "not started",
    };
    let mut all = vec![words.to_owned()];
    let good = view.packets.iter().filter(|p| p.status.is_good()).count();
    all.push(format!(
        "{good} of {} good, in {}",
        counted(view.packets.len(), "packet"),
        duration(view.seconds)
    ));
    if let (Some(base), Some(commit)) = (&view.base, &view.integration.commit) {
        all.push(format!(
            "from {} to {} on {}",
            code(seven(Some(base))),
            code(seven(Some(commit))),
            code(&view.integration.branch)
        ));
    }
    let target = view.target.name.as_ref().map_or("", |name| name.short());
    match &view.landed {
        Some(commit) => all.push(format!(
            "landed on {} as {}",
            code(target),
            code(commit.as_str())
        )),
        None => all.push(format!("not landed on {}", code(target))),
    }
    if state.pushed.is_empty() {
        all.push("not pushed".to_owned());
    }
    all.extend(state.pushed.iter().map(pushed));
    all.push(spent(&view.budget));
    all
}

/// How a script went, and what came of its calls.
fn script(view: &StatusView) -> Vec<String> {
    let Some(script) = &view.script else {
        return Vec::new();
    };
    let how = match (&script.error, script.ended) {
        (Some(why), _) => format!("failed: {why}"),
        (None, true) => "came to its end".to_owned(),
        (None, false) => "is not at its end".to_owned(),
    };
    let mut all = vec![
        format!("{} of {}: {how}", script.name, code(&script.file)),
        format!("calls: {}", script.census),
    ];
    if script.census.failed > 0 {
        all.push(format!(
            "what was answered with null, and why: `dynwf log {} --json` or `dynwf script run --name {} --json`",
            view.slug, view.slug
        ));
    }
    all
}

/// What was used, of how much where there is a limit, and what is not known of it.
fn spent(budget: &BudgetView) -> String {
    let spent = &budget.spent;
    let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    let minutes = budget
        .minutes
        .map(|minutes| duration(u64::from(minutes) * 60));
    let mut words = format!(
        "units' time {}{}, {}{} tokens",
        duration(spent.seconds),
        of(minutes),
        amount(spent.tokens),
        of(budget.tokens.map(amount))
    );
    if spent.dollars > 0.0 || budget.dollars.is_some() {
        let limit = budget.dollars.map(|dollars| format!("${dollars:.2}"));
        words.push_str(&format!(", ${:.2}{}", spent.dollars, of(limit)));
    }
    if let Some(limit) = budget.packets {
        words.push_str(&format!(", {} of {limit} packets begun", spent.packets));
    }
    let turns = |count: u32| counted(usize::try_from(count).unwrap_or(usize::MAX), "turn");
    if spent.turns_without_tokens > 0 {
        words.push_str(&format!(
            "; the tokens of {} are not known",
            turns(spent.turns_without_tokens)
        ));
    }
    if spent.turns_without_dollars > 0 {
        words.push_str(&format!(
            "; the cost of {} is not known",
            turns(spent.turns_without_dollars)
        ));
    }
    words
}

fn pushed(binding: &Binding) -> String {
    let refs: Vec<String> = binding
        .updates
        .iter()
        .map(|update| {
            format!(
                "{} at {}",
                code(update.name.short()),
                code(seven(update.new.as_ref()))
            )
        })
        .collect();
    format!(
        "pushed to {}: {}",
        binding.remote.as_deref().unwrap_or("a remote"),
        refs.join(", ")
    )
}

fn accepted(packet: &PacketView) -> Option<String> {
    let end = match (packet.status, &packet.merged) {
        (PacketStatus::Integrated, Some(commit)) => {
            let then = packet.reason.as_ref();
            let then = then.map_or_else(String::new, |then| format!(", {then}"));
            format!("integrated as {}{then}", code(seven(Some(commit))))
        }
        (PacketStatus::NoChange, _) => "it changed nothing".to_owned(),
        (PacketStatus::Done, _) => "done".to_owned(),
        _ => return None,
    };
    let by = packet
        .accepted_by
        .as_ref()
        .map_or_else(String::new, |by| format!(", accepted by {by}"));
    Some(format!(
        "{} ({}): {}{end}{by}",
        packet.id,
        worker(packet),
        size(packet)
    ))
}

fn rejected(packet: &PacketView) -> Option<String> {
    (packet.status.is_settled()
        && !matches!(
            packet.status,
            PacketStatus::Integrated | PacketStatus::NoChange | PacketStatus::Done
        ))
    .then(|| {
        let why = packet.reason.as_deref().unwrap_or("no reason was given");
        format!(
            "{} ({}): {}: {why}",
            packet.id,
            worker(packet),
            packet.status.word()
        )
    })
}

fn resolved(state: &RunState) -> Vec<String> {
    state
        .in_plan_order()
        .filter(|(_, packet)| packet.resolution.is_some())
        .map(|(id, packet)| {
            let paths: Vec<String> = packet
                .conflict
                .iter()
                .flat_map(|conflict| &conflict.files)
                .map(|file| code(&file.path.to_string()))
                .collect();
            let by = packet.settled_by.as_deref().unwrap_or("person");
            format!("{id}: {}, by {by}", paths.join(", "))
        })
        .collect()
}

fn all_evidence(view: &StatusView) -> Vec<String> {
    let integrated = view
        .checks
        .iter()
        .filter_map(evidence)
        .map(|line| format!("integrated tree: {line}"));
    let packets = view.packets.iter().flat_map(|packet| {
        packet
            .checks
            .iter()
            .filter_map(evidence)
            .map(move |line| format!("{}: {line}", packet.id))
    });
    integrated.chain(packets).collect()
}

fn skipped(view: &StatusView) -> Vec<String> {
    let left_out = |status: &str| matches!(status, "planned" | "stale" | "running");
    let integrated = view
        .checks
        .iter()
        .filter(|check| left_out(check.status))
        .map(|check| format!("integrated tree: {}", verified(check)));
    let packets = view.packets.iter().flat_map(|packet| {
        packet
            .checks
            .iter()
            .filter(|check| left_out(check.status))
            .map(move |check| format!("{}: {}", packet.id, verified(check)))
    });
    integrated.chain(packets).collect()
}

pub(super) fn risks(state: &RunState, view: &StatusView) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(frozen) = &state.frozen {
        for risk in &frozen.plan.risks {
            let severity = match risk.severity {
                Severity::Low => "low",
                Severity::Medium => "medium",
                Severity::High => "high",
            };
            let mitigation = if risk.mitigation.is_empty() {
                String::new()
            } else {
                format!(" (against it: {})", risk.mitigation)
            };
            all.push(format!("{severity}: {}{mitigation}", risk.what));
        }
        if frozen.plan.integrated_checks().next().is_none() {
            all.push("the plan has no check for the integrated tree".to_owned());
        }
    }
    for (id, packet) in state.in_plan_order() {
        let merged = view.integration.merged.contains(id);
        if let Some(work) = packet.collected.as_ref().filter(|_| merged) {
            let odd = notes(&work.facts).split_off(1);
            all.extend(odd.iter().map(|note| format!("{id}: {note}")));
        }
    }
    all.extend(
        view.checks
            .iter()
            .filter(|check| check.status == "failed")
            .map(|check| format!("integrated tree: {}", verified(check))),
    );
    all.extend(view.integration.reason.clone());
    all.extend(state.gates.values().filter_map(unattended));
    all
}

fn unattended(gate: &Gate) -> Option<String> {
    let yes = matches!(
        gate.status,
        GateStatus::Approved { .. } | GateStatus::Consumed { .. }
    );
    let decision = gate
        .decision
        .as_ref()
        .filter(|decision| !decision.attended)?;
    yes.then(|| {
        format!(
            "gate {} was approved without a terminal, by {}",
            code(gate.id.as_str()),
            decision.by
        )
    })
}

fn follow_up(view: &StatusView) -> Vec<String> {
    let mut all: Vec<String> = view
        .packets
        .iter()
        .filter(|packet| {
            matches!(
                packet.status,
                PacketStatus::Failed | PacketStatus::Rejected | PacketStatus::Conflicted
            )
        })
        .map(|packet| {
            if view.archived {
                return format!("{} is open: it needs a workflow of its own", packet.id);
            }
            format!(
                "{} is open: {}",
                packet.id,
                code(&format!("dynwf packet retry {} {}", view.slug, packet.id))
            )
        })
        .collect();
    all.push(format!(
        "the plan's shape can be kept as a recipe: {}",
        code(&format!("dynwf recipe save {} NAME", view.slug))
    ));
    all
}
