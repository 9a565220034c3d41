//! What the reader can do, in the order in which it matters, each with the command to copy.
//!
//! Invariant: a pure function of the state; every command is complete. Called by `view`; shown below every
//! table, in JSON, and in the final report.

use serde::Serialize;

use super::words::{counted, one_line};
use crate::model::gate::{Binding, Gate, GateKind, GateStatus};
use crate::model::id::{CommitId, GateId, PacketId, RefName, Slug};
use crate::model::op::{MergeSide, Op};
use crate::model::state::{RunState, Stage};
use crate::model::status::{PacketStatus, WorkflowStatus};

/// Something that the reader can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// What kind of thing.
    pub kind: NextKind,
    /// The gate, packet or step that it is about.
    pub subject: String,
    /// What there is to know about it, in a few words.
    pub detail: String,
    /// The commands, in the order in which they are used.
    pub commands: Vec<String>,
    /// Whether the packet's own line says it already.
    #[serde(skip)]
    pub in_row: bool,
}

/// The kinds of things that a reader can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NextKind {
    /// Answer a gate.
    Gate,
    /// Resolve a conflict.
    Conflict,
    /// See to a failed verification.
    Verification,
    /// Do a packet that is worked on outside dynwf.
    Parent,
    /// See to a failed packet.
    Failed,
    /// See to a step that was refused.
    Refused,
    /// Raise a budget that is used up.
    Budget,
    /// Take up a run that was killed.
    Killed,
    /// Go on.
    Go,
}

impl NextKind {
    /// Returns the headline for so many of them.
    pub(super) fn headline(self, count: usize) -> String {
        let one = count == 1;
        match self {
            Self::Gate => format!(
                "{} wait{}",
                counted(count, "gate"),
                if one { "s" } else { "" }
            ),
            Self::Conflict => format!("{} yours", is(count, "conflict")),
            Self::Verification => "verification failed".to_owned(),
            Self::Parent => format!("{} yours", is(count, "packet")),
            Self::Failed => format!("{} failed", counted(count, "packet")),
            Self::Refused => format!(
                "{} {} refused",
                counted(count, "step"),
                if one { "was" } else { "were" }
            ),
            Self::Budget => "a budget is used up".to_owned(),
            Self::Killed => "killed".to_owned(),
            Self::Go => "next".to_owned(),
        }
    }
}

fn is(count: usize, noun: &str) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(count, noun))
}

/// Lists what the reader can do about a workflow.
pub(super) fn what_to_do(state: &RunState) -> Vec<Next> {
    if state.archived {
        // A closed workflow asks for nothing any more; what was landed can still be pushed.
        let pushes = state
            .waiting_gates()
            .filter(|gate| gate.kind == GateKind::Push);
        return pushes.map(|gate| gate_waits(state, gate)).collect();
    }
    let mut all: Vec<Next> = state
        .waiting_gates()
        .map(|gate| gate_waits(state, gate))
        .collect();
    all.extend(conflicts(state));
    all.extend(verification(state));
    all.extend(packets(state));
    all.extend(refusals(state));
    match raise_the_budget(state) {
        Some(raise) => all.push(raise),
        None => all.extend(go_on(state)),
    }
    all
}

/// Whether the last run began, did not end, and nobody goes on with it.
pub(super) fn was_killed(state: &RunState, held: bool) -> bool {
    state.open_run && !held && !state.archived
}

/// What the reader can do about a workflow whose run was killed: before everything else, let it go on.
pub(super) fn with_killed(state: &RunState, rest: Vec<Next>) -> Vec<Next> {
    let units = state.units.len();
    let detail = if units == 0 {
        "the last run was killed".to_owned()
    } else {
        format!(
            "the last run was killed; {} may still be at work",
            counted(units, "unit")
        )
    };
    let mut all = vec![Next {
        kind: NextKind::Killed,
        subject: "run".to_owned(),
        detail,
        commands: vec![format!("dynwf run {}", state.slug)],
        in_row: false,
    }];
    all.extend(rest.into_iter().filter(|next| next.kind != NextKind::Go));
    all
}

fn gate_waits(state: &RunState, gate: &Gate) -> Next {
    let slug = &state.slug;
    let mut commands = Vec::new();
    let mut detail = Vec::new();
    let packet = packet_of(&gate.id);
    if let (GateKind::Merge | GateKind::Risk, Some(name)) = (gate.kind, packet) {
        commands.push(format!("dynwf review {slug} {name}"));
        let facts = name
            .parse()
            .ok()
            .and_then(|id| state.packets.get(&id))
            .and_then(|packet| packet.collected.as_ref());
        if let Some(work) = facts {
            detail.push(counted(work.facts.files as usize, "file"));
        }
    } else if let (GateKind::Land | GateKind::Batch, Some(_)) =
        (gate.kind, gate.binding.updates.first())
    {
        commands.push(format!("dynwf review {slug} --landing"));
    }
    if matches!(gate.kind, GateKind::Land | GateKind::Push)
        && let Some(update) = gate.binding.updates.first()
    {
        detail.push(format!(
            "{} {} → {}",
            update.name.short(),
            seven(update.old.as_ref()),
            seven(update.new.as_ref())
        ));
        let more = gate.binding.updates.len() - 1;
        if more > 0 {
            detail.push(format!("{more} more"));
        }
        let weight = state.integration.as_ref().and_then(|at| at.weight.as_ref());
        // The gate for landing says itself how much moves.
        let weight = weight.filter(|_| gate.kind == GateKind::Push);
        if let Some(weight) = weight.filter(|weight| Some(&weight.new) == update.new.as_ref()) {
            detail.push(counted(weight.files as usize, "file"));
        }
    }
    detail.extend(gate.why.iter().map(|why| one_line(why)));
    commands.push(format!("dynwf approve {slug} {}", gate.id));
    Next {
        kind: NextKind::Gate,
        subject: gate.id.to_string(),
        detail: detail.join(", "),
        commands,
        in_row: false,
    }
}

/// The first seven digits of an id, as git shows it; `nothing` where there is none.
pub(super) fn seven(id: Option<&CommitId>) -> &str {
    id.map_or("nothing", |id| &id.as_str()[..7])
}

fn conflicts(state: &RunState) -> Vec<Next> {
    let integration = state.integration.as_ref();
    let mut all: Vec<Next> = state
        .in_plan_order()
        .filter(|(id, _)| state.status_of(id) == PacketStatus::Conflicted)
        .map(|(id, packet)| {
            let files = packet.conflict.as_ref().map_or(0, |at| at.files.len());
            let side = MergeSide::Packet(id.clone());
            conflict(state, id.as_str(), &side, counted(files, "file"))
        })
        .collect();
    if let Some(conflicts) = integration.and_then(|at| at.conflict.as_ref()) {
        let files = counted(conflicts.files.len(), "file");
        let target = state.frozen.as_ref().map(|frozen| frozen.target.short());
        all.push(conflict(
            state,
            target.unwrap_or("the target"),
            &MergeSide::Target,
            format!("the target moved, {files}"),
        ));
    }
    all
}

/// A conflict: `--continue` only where it is laid out, with the directory.
fn conflict(state: &RunState, subject: &str, side: &MergeSide, mut detail: String) -> Next {
    let slug = &state.slug;
    let open = state
        .integration
        .as_ref()
        .filter(|at| at.resolving.as_ref().is_some_and(|(open, _)| open == side));
    if let Some(made) = open.and_then(|at| at.workspace.as_ref()) {
        detail.push_str(&format!(", in {}", one_line(&made.path)));
    }
    let option = if open.is_some() { " --continue" } else { "" };
    Next {
        kind: NextKind::Conflict,
        subject: subject.to_owned(),
        detail,
        commands: vec![format!("dynwf integrate {slug}{option}")],
        in_row: false,
    }
}

fn verification(state: &RunState) -> Vec<Next> {
    let slug = &state.slug;
    let broken = state.integration.as_ref().and_then(|at| at.broken.as_ref());
    let failed = state.integrated_checks();
    let checks = failed.iter().filter_map(|(check, evidence)| {
        let evidence = evidence.filter(|_| state.verdict(check, *evidence).is_bad())?;
        Some((
            one_line(&check.name),
            format!("{}, unit {}", evidence.outcome, evidence.unit),
            vec![
                format!("dynwf log {slug} --unit {}", evidence.unit),
                format!("dynwf verify {slug} --again"),
            ],
        ))
    });
    let again = vec![format!("dynwf log {slug}"), format!("dynwf verify {slug}")];
    broken
        .map(|why| ("integration".to_owned(), one_line(why), again))
        .into_iter()
        .chain(checks)
        .map(|(subject, detail, commands)| Next {
            kind: NextKind::Verification,
            subject,
            detail,
            commands,
            in_row: false,
        })
        .collect()
}

/// What the packets' own lines say already.
fn packets(state: &RunState) -> Vec<Next> {
    let slug = &state.slug;
    let parent = state.parent_work().map(|(id, packet)| Next {
        kind: NextKind::Parent,
        subject: id.to_string(),
        detail: packet
            .claimed_by
            .as_ref()
            .map_or_else(String::new, |by| format!("taken by {}", one_line(by))),
        commands: vec![match packet.claimed_by {
            None => format!("dynwf packet next {slug}"),
            Some(_) => format!("dynwf packet done {slug} {id}"),
        }],
        in_row: true,
    });
    let failed = state
        .in_plan_order()
        .filter(|(id, _)| state.status_of(id) == PacketStatus::Failed)
        .map(|(id, packet)| Next {
            kind: NextKind::Failed,
            subject: id.to_string(),
            detail: packet.reason.as_deref().map_or_else(String::new, one_line),
            commands: vec![
                format!("dynwf packet log {slug} {id}"),
                format!("dynwf packet retry {slug} {id}"),
            ],
            in_row: true,
        });
    parent.chain(failed).collect()
}

/// Refused steps that no packet's line tells of.
fn refusals(state: &RunState) -> Vec<Next> {
    let slug = &state.slug;
    state
        .refusals
        .iter()
        .filter_map(|refusal| {
            let (subject, command) = match &refusal.op {
                Op::Land(_) => ("land", format!("dynwf land {slug}")),
                Op::Push(push) => ("push", push_command(slug, &push.binding)),
                Op::ResetWorkspace { .. } | Op::OpenConflict { .. } => {
                    ("integration workspace", format!("dynwf integrate {slug}"))
                }
                _ => return None,
            };
            Some(Next {
                kind: NextKind::Refused,
                subject: subject.to_owned(),
                detail: one_line(&refusal.why),
                commands: vec![command],
                in_row: false,
            })
        })
        .collect()
}

/// Whether something would come of an approval now: that of a packet which conflicts waits for the person, too.
fn is_of_use(state: &RunState, gate: &Gate) -> bool {
    let conflicts = |id: &PacketId| state.packets[id].stage == Stage::Conflicted;
    match gate.kind {
        GateKind::Merge => state
            .packets
            .keys()
            .all(|id| GateId::merge(id) != gate.id || !conflicts(id)),
        _ => true,
    }
}

/// What can go on only with a higher limit. What waits for other reasons has its own lines.
fn raise_the_budget(state: &RunState) -> Option<Next> {
    let slug = &state.slug;
    let limit = state.held_back().filter(|_| state.units.is_empty())?;
    let (detail, commands) = if state.script.is_some() {
        let more = state.budget().and_then(|budget| budget.tokens);
        let more = more.unwrap_or_default().saturating_mul(2);
        (
            limit.of_workflow(),
            vec![format!("dynwf script run --name {slug} --budget {more}")],
        )
    } else {
        let file = format!(".workflow/{slug}/plan.toml");
        let detail = format!("{}; raise it in {file}", limit.of_workflow());
        let amend = format!("dynwf plan {slug} --amend");
        (detail, vec![amend, format!("dynwf run {slug}")])
    };
    Some(Next {
        kind: NextKind::Budget,
        subject: "budget".to_owned(),
        detail,
        commands,
        in_row: false,
    })
}

/// The one command that takes the workflow further, if nothing else must come first.
fn go_on(state: &RunState) -> Option<Next> {
    let slug = &state.slug;
    if !state.units.is_empty() {
        return None;
    }
    let approved = state
        .gates
        .values()
        .find(|gate| matches!(gate.status, GateStatus::Approved { .. }) && is_of_use(state, gate));
    if let Some(gate) = approved.filter(|gate| gate.kind == GateKind::Push) {
        return Some(Next {
            kind: NextKind::Go,
            subject: "push".to_owned(),
            detail: format!("{} is approved", gate.id),
            commands: vec![push_command(slug, &gate.binding)],
            in_row: false,
        });
    }
    if let Some(why) = denied_landing(state) {
        return Some(Next {
            kind: NextKind::Go,
            subject: "land".to_owned(),
            detail: format!("was denied{why}; approving it takes that back"),
            commands: vec![format!("dynwf approve {slug} land")],
            in_row: false,
        });
    }
    let (verb, detail) = if state.frozen.is_none() {
        ("split", "nothing was started".to_owned())
    } else if let Some(gate) = approved {
        let verb = match gate.kind {
            GateKind::Land => "land",
            _ => "run",
        };
        (verb, format!("{} is approved", gate.id))
    } else {
        match state.workflow_status() {
            WorkflowStatus::Planned => ("run", String::new()),
            WorkflowStatus::Running => ("run", "goes on where it was".to_owned()),
            WorkflowStatus::Complete => finish(state),
            WorkflowStatus::Waiting | WorkflowStatus::Blocked | WorkflowStatus::Failed => {
                return None;
            }
        }
    };
    Some(Next {
        kind: NextKind::Go,
        subject: verb.to_owned(),
        detail,
        commands: vec![format!("dynwf {verb} {slug}")],
        in_row: false,
    })
}

/// Whether everything is ready to land and a person does not want it: with their reason, if they gave one.
fn denied_landing(state: &RunState) -> Option<String> {
    let gate = state.gates.get(&GateId::land())?;
    let open = state.workflow_status() == WorkflowStatus::Complete
        && state
            .integration
            .as_ref()
            .is_some_and(|at| state.landed.as_ref() != Some(&at.commit));
    (gate.status == GateStatus::Denied && open).then(|| {
        let why = gate
            .decision
            .as_ref()
            .map_or("", |answer| answer.why.as_str());
        if why.is_empty() {
            String::new()
        } else {
            format!(" ({})", one_line(why))
        }
    })
}

/// Returns the command that pushes what a gate is about: branches where it names packet branches, and the remote
/// where it is not the usual one.
pub fn push_command(slug: &Slug, binding: &Binding) -> String {
    let names: Vec<&RefName> = binding.updates.iter().map(|one| &one.name).collect();
    let integration = slug.integration_branch();
    let own = format!("refs/heads/dynwf/{slug}/");
    let which = if names.is_empty() || names.iter().any(|name| !name.as_str().starts_with(&own)) {
        ""
    } else if !names.contains(&&integration) {
        " --branches=packets"
    } else if names.len() == 1 {
        " --branches=integration"
    } else {
        " --branches"
    };
    let remote = match &binding.remote {
        Some(remote) if remote != "origin" => format!(" --remote {remote}"),
        _ => String::new(),
    };
    format!("dynwf push {slug}{which}{remote}")
}

/// What is left of a complete workflow: verify, land, push, archive; the verb and what is known about it.
fn finish(state: &RunState) -> (&'static str, String) {
    let integration = state
        .integration
        .as_ref()
        .filter(|at| !at.merged.is_empty());
    match integration {
        Some(_) if !state.is_verified() => ("verify", "some checks did not run yet".to_owned()),
        Some(at) if state.landed.as_ref() != Some(&at.commit) => {
            let branch = state.frozen.as_ref().map(|frozen| frozen.target.short());
            let commit = seven(Some(&at.commit));
            ("land", format!("{} → {commit}", branch.unwrap_or("")))
        }
        Some(at) if !is_pushed(state, &at.commit) => ("push", seven(Some(&at.commit)).to_owned()),
        _ => ("archive", "everything is done".to_owned()),
    }
}

fn is_pushed(state: &RunState, commit: &CommitId) -> bool {
    state
        .pushed
        .iter()
        .flat_map(|binding| &binding.updates)
        .any(|update| update.new.as_ref() == Some(commit))
}

/// Returns the packet that a gate is about, if it is about one.
pub(super) fn packet_of(gate: &GateId) -> Option<&str> {
    gate.as_str()
        .strip_prefix("merge:")
        .or_else(|| gate.as_str().strip_prefix("packet:"))
        .or_else(|| gate.as_str().strip_prefix("risk:"))
}
