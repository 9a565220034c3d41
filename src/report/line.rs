//! Facts in words: one line for each event.
//!
//! Invariants: there are words for every kind of event; a line holds no control characters. Called by
//! `progress` where there is no terminal, and by `dynwf log`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::ahead;
use super::call_line::Calls;
use super::cut::proof_words;
use super::effect_line::{is_news, op_packet};
use super::next::seven;
use super::words::{amount, counted, duration, one_line};
use crate::model::event::{Answer, Event, EventKind, GivenUp};
use crate::model::gate::Binding;
use crate::model::id::{OpId, PacketId, UnitId};
use crate::model::op::{MoveWhy, Op, OpOutcome};
use crate::model::packet::{Collected, Conflict, Merge, Rebuild};
use crate::model::state::RunState;
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage, WorkspaceName};

/// Tells events in words. It remembers what was begun, because an event that ends something names a number
/// only: give it every event, in order.
#[derive(Debug, Default)]
pub struct Teller {
    ops: BTreeMap<OpId, Op>,
    units: BTreeMap<UnitId, Unit>,
    calls: Calls,
}

/// One event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it was recorded.
    pub at: Timestamp,
    /// The packet that it is about.
    pub packet: Option<PacketId>,
    /// The words, on one line, fit for a terminal.
    pub text: String,
    /// Whether somebody who watches a run wants to know; the rest is for those who look into the journal.
    pub news: bool,
}

impl Told {
    /// Renders the line: the time, the packet, the words.
    pub fn line(&self, zone: &TimeZone, with_date: bool) -> String {
        let format = if with_date {
            "%Y-%m-%d %H:%M:%S"
        } else {
            "%H:%M:%S"
        };
        let time = self.at.to_zoned(zone.clone()).strftime(format);
        match &self.packet {
            Some(packet) => format!("{time}  {packet}: {}", self.text),
            None => format!("{time}  {}", self.text),
        }
    }
}

impl Teller {
    /// One that knows what is going on in a state, to tell what happens after it.
    pub fn knowing(state: &RunState) -> Self {
        let mut calls = Calls::default();
        for open in state.script.iter().flat_map(|script| script.calls.values()) {
            let asked = &open.asked;
            calls.asked(asked.ordinal, asked.asks, &asked.label);
        }
        Self {
            calls,
            ops: state
                .ops
                .iter()
                .map(|(id, open)| (*id, open.op.clone()))
                .collect(),
            units: state
                .units
                .iter()
                .map(|(id, live)| (*id, live.unit.clone()))
                .collect(),
        }
    }

    /// Tells one event.
    pub fn tell(&mut self, event: &Event) -> Told {
        let (packet, text, news) = self.words(event);
        Told {
            at: event.at,
            packet: packet.or_else(|| event.kind.packet().cloned()),
            text: one_line(&text),
            news,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a fact")]
    fn words(&mut self, event: &Event) -> (Option<PacketId>, String, bool) {
        let of_workflow = |text: String, news: bool| (None, text, news);
        if let Some((text, news)) = self.calls.words(&event.kind) {
            return (None, text, news);
        }
        match &event.kind {
            EventKind::UnitStarted { unit } => {
                self.units.insert(unit.id, unit.clone());
                if let Some(ordinal) = unit.call() {
                    let words = format!("{} by unit {}", self.calls.name(ordinal), unit.id);
                    return (None, words, true);
                }
                (unit.packet().cloned(), unit_words(unit), true)
            }
            EventKind::UnitNoted { unit, session } => {
                let packet = self.units.get(unit).and_then(Unit::packet).cloned();
                (packet, format!("session {session}"), false)
            }
            EventKind::UnitEnded {
                unit,
                outcome,
                millis,
                usage,
                complaint,
                ..
            } => {
                let known = self.units.remove(unit);
                // The answer says more.
                let is_call = known.as_ref().and_then(Unit::call).is_some();
                let mut text = unit_ended(*unit, known.as_ref(), outcome, *millis, usage.as_ref());
                if let Some(complaint) = complaint {
                    text = format!("{text}: {}", one_line(complaint));
                }
                let packet = known.and_then(|unit| unit.packet().cloned());
                (packet.filter(|_| !is_call), text, !is_call)
            }
            EventKind::OpBegan { op } => {
                self.ops.insert(OpId(event.seq), op.clone());
                (op_packet(op), format!("begun: {}", op_words(op)), false)
            }
            EventKind::OpEnded { op, outcome } => {
                let known = self.ops.remove(op);
                let words = known
                    .as_ref()
                    .map_or_else(|| format!("step {op}"), op_words);
                let packet = known.as_ref().and_then(op_packet);
                match outcome {
                    OpOutcome::Refused(why) => (packet, format!("refused: {words}: {why}"), true),
                    OpOutcome::Removed {
                        rescued: Some(name),
                    } => (packet, format!("done: {words}; files kept on {name}"), true),
                    _ => {
                        let news = known.as_ref().is_some_and(is_news);
                        (packet, format!("done: {words}"), news)
                    }
                }
            }
            EventKind::GateOpened { gate } => {
                let packet = super::next::packet_of(&gate.id).and_then(|id| id.parse().ok());
                let why = gate.why.join("; ");
                (packet, format!("gate {} waits: {why}", gate.id), true)
            }
            EventKind::RequestTaken { request } => {
                of_workflow(format!("request {request} was taken"), false)
            }
            EventKind::RequestRefused { request, why } => {
                of_workflow(format!("request {request} was refused: {why}"), true)
            }
            EventKind::JobFailed { why, packet, .. } => (packet.clone(), why.clone(), true),
            EventKind::IntegrationWeighed { weight } => of_workflow(
                format!(
                    "landing would change {} +{} −{}",
                    counted(weight.files as usize, "file"),
                    weight.additions,
                    weight.deletions
                ),
                false,
            ),
            EventKind::TargetSeen { commit, .. } => of_workflow(
                format!("the target branch is at {}", seven(Some(commit))),
                false,
            ),
            kind => (None, plain_words(kind), true),
        }
    }
}

/// Words for what needs no memory.
fn plain_words(kind: &EventKind) -> String {
    packet_words(kind)
        .or_else(|| workflow_words(kind))
        .unwrap_or_else(|| kind.name().to_owned())
}

fn packet_words(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::PacketCollected { collected, .. } => collected_words(collected),
        EventKind::PacketEmptied { .. } => "no_change: it changed nothing".to_owned(),
        EventKind::PacketFinished { .. } => "done".to_owned(),
        EventKind::PacketFailed { why, .. } => format!("failed: {why}"),
        EventKind::PacketPostponed { until, why, .. } => {
            let until = until.strftime("%H:%M:%S UTC");
            format!("paused until {until}: {}", one_line(why))
        }
        EventKind::PacketTurned { feedback, .. } => {
            let first = feedback.lines().find(|line| !line.trim().is_empty());
            format!("next turn: {}", first.unwrap_or("checks failed"))
        }
        EventKind::PacketAccepted { by, .. } => format!("accepted by {by}"),
        EventKind::PacketMerged { merge, .. } => merged_words("merged", merge),
        EventKind::PacketConflicted { conflict, .. } => conflict_words(conflict),
        EventKind::PacketBlamed { why, .. } => format!("taken out: {why}"),
        EventKind::PacketRestacked { restack, .. } => format!(
            "replayed onto {} as {}",
            seven(Some(&restack.collected.base)),
            seven(Some(&restack.collected.tip))
        ),
        EventKind::ConflictResolved { by, commit, .. } => {
            format!("conflict resolved by {by} as {}", seven(Some(commit)))
        }
        EventKind::MergeDoubted { proof, .. } => {
            format!("its merge lacks {}", counted(proof.lacks(), "line"))
        }
        EventKind::ResolutionRefused { why, .. } => {
            format!("the resolution was refused, the conflict is open again: {why}")
        }
        EventKind::PacketClaimed { by, .. } => format!("taken by {by}"),
        EventKind::PacketReturned { by, note, .. } if note.is_empty() => {
            format!("finished by {by}")
        }
        EventKind::PacketReturned { by, note, .. } => format!("finished by {by}: {note}"),
        EventKind::ResolverAsked { resolving, packet } => format!(
            "the conflict of {} goes to {}",
            resolving.packet,
            packet.agent_name()
        ),
        EventKind::RungFailed { rung, why, .. } => format!("not settled by {rung}: {why}"),
        EventKind::PacketRetried { comment, .. } if comment.is_empty() => {
            "begins again from its base".to_owned()
        }
        EventKind::PacketRetried { comment, .. } => {
            format!("begins again from its base: {comment}")
        }
        EventKind::PacketGivenUp { how, why, .. } => {
            let how = match how {
                GivenUp::Cancelled => "cancelled",
                GivenUp::Dropped => "dropped",
                GivenUp::Rejected => "rejected",
            };
            format!("{how}: {why}")
        }
        _ => return None,
    })
}

fn workflow_words(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::PlanFrozen {
            plan, base, target, ..
        } => format!(
            "the plan is fixed: {} from {} for {}",
            counted(plan.packets.len(), "packet"),
            seven(Some(base)),
            target.short()
        ),
        EventKind::BranchCarved { carved } => format!(
            "{} was carved into {}: {}",
            carved.from,
            counted(carved.packets.len(), "packet"),
            proof_words(carved)
        ),
        EventKind::RadarSwept { sweep } => ahead::swept_words(sweep)?,
        EventKind::RevertAsked {
            reverts,
            packet,
            by,
        } => format!(
            "{reverts} is to be taken out again, by packet {}, as {by} asked",
            packet.id
        ),
        EventKind::PlanAmended { changes, by, .. } => {
            format!("the plan was amended by {by}: {}", changes.join("; "))
        }
        EventKind::RunStarted {
            goal,
            version,
            sandbox,
        } => format!("{goal} started (dynwf {version}, sandbox {sandbox})"),
        EventKind::RunEnded { code } => format!("ended with exit code {code}"),
        EventKind::TargetMerged { merge, .. } => merged_words("the moved target was merged", merge),
        EventKind::TargetConflicted { conflict } => {
            format!("the moved target: {}", conflict_words(conflict))
        }
        EventKind::IntegrationRebuilt { rebuild } => rebuilt_words(rebuild),
        EventKind::PushAsked { binding } => format!("a push was asked for: {}", moves(binding)),
        EventKind::EvidenceRecorded { evidence } => format!(
            "check {} on tree {}: {}",
            evidence.check,
            &evidence.tree.as_str()[..7],
            if evidence.passed() {
                "passed".to_owned()
            } else {
                evidence.outcome.to_string()
            }
        ),
        EventKind::EvidenceDropped { tree } => {
            format!("tree {} is checked again", &tree.as_str()[..7])
        }
        EventKind::GateDecided {
            gate,
            answer,
            by,
            attended,
            why,
            ..
        } => {
            let answer = match answer {
                Answer::Approved { .. } => "approved",
                Answer::Denied => "denied",
                Answer::Revoked => "revoked",
            };
            let how = if *attended { "" } else { " (unattended)" };
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            format!("gate {gate} {answer} by {by}{how}{why}")
        }
        EventKind::GateExpired { gate } => format!("gate {gate} expired"),
        EventKind::Archived {
            recipe: Some(recipe),
        } => format!("archived, recipe {recipe} saved"),
        EventKind::Archived { recipe: None } => "archived".to_owned(),
        _ => return None,
    })
}

fn collected_words(collected: &Collected) -> String {
    let facts = &collected.facts;
    format!(
        "collected as {}: {} +{} −{}",
        seven(Some(&collected.tip)),
        counted(facts.files as usize, "file"),
        facts.additions,
        facts.deletions
    )
}

fn merged_words(what: &str, merge: &Merge) -> String {
    let by_hand = match merge.road.as_str() {
        "tree" | "git" => String::new(),
        "person" => ", resolved by hand".to_owned(),
        rung => format!(", resolved by {rung}"),
    };
    format!(
        "{what} onto {} as {}{by_hand}",
        seven(Some(&merge.onto)),
        seven(Some(&merge.commit))
    )
}

fn rebuilt_words(rebuild: &Rebuild) -> String {
    let out: Vec<&str> = rebuild.out.iter().map(PacketId::as_str).collect();
    let without = if out.is_empty() {
        String::new()
    } else {
        format!(" without {}", out.join(", "))
    };
    format!(
        "the packets were merged again{without} as {}",
        seven(Some(&rebuild.commit))
    )
}

fn conflict_words(conflict: &Conflict) -> String {
    let paths: Vec<String> = conflict.files.iter().map(|f| f.path.to_string()).collect();
    let with: Vec<&str> = conflict.with.iter().map(PacketId::as_str).collect();
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(" with {}", with.join(", "))
    };
    format!("conflicted{with} in {}", paths.join(", "))
}

/// Says what a unit does, in one line.
pub fn unit_words(unit: &Unit) -> String {
    match &unit.kind {
        UnitKind::Setup { run, .. } => format!("unit {} sets up: {run}", unit.id),
        UnitKind::Work { turn: 1 } => {
            format!("unit {} works, attempt {}", unit.id, unit.attempt)
        }
        UnitKind::Work { turn } => format!("unit {} works, turn {turn}", unit.id),
        UnitKind::Check { check, .. } => format!("unit {} checks: {check}", unit.id),
        UnitKind::Call { ordinal, turn: 1 } => format!("unit {} answers call {ordinal}", unit.id),
        UnitKind::Call { ordinal, turn } => {
            format!("unit {} answers call {ordinal}, turn {turn}", unit.id)
        }
    }
}

fn unit_ended(
    id: UnitId,
    unit: Option<&Unit>,
    outcome: &UnitOutcome,
    millis: u64,
    usage: Option<&Usage>,
) -> String {
    let what = match unit.map(|unit| &unit.kind) {
        Some(UnitKind::Setup { .. }) => " (setup)",
        Some(UnitKind::Check { .. }) => " (check)",
        Some(UnitKind::Work { .. } | UnitKind::Call { .. }) | None => "",
    };
    let tokens = usage.map_or(0, Usage::tokens);
    let cost = if tokens > 0 {
        format!(", {} tokens", amount(tokens))
    } else {
        String::new()
    };
    format!(
        "unit {id}{what} ended: {outcome}, {}{cost}",
        duration(millis / 1000)
    )
}

fn workspace(name: &WorkspaceName) -> &'static str {
    match name {
        WorkspaceName::Packet(_) => "its workspace",
        WorkspaceName::Integration => "the integration workspace",
        WorkspaceName::Checkout => "the checkout",
    }
}

fn op_words(op: &Op) -> String {
    match op {
        Op::MakeWorkspace {
            workspace: name,
            base,
            ..
        } => format!("make {} at {}", workspace(name), seven(Some(base))),
        Op::ResetWorkspace { to, .. } => {
            format!("set the integration workspace to {}", seven(Some(to)))
        }
        Op::OpenConflict { .. } => "lay the conflict out in the integration workspace".to_owned(),
        Op::CloseConflict { .. } => "take the layout of the conflict away".to_owned(),
        Op::RemoveWorkspace { name, .. } => format!("remove {}", workspace(name)),
        Op::AdvancePacket { refs, .. } | Op::RestackPacket { refs, .. } => match refs.first() {
            Some(update) => format!(
                "move {} to {}",
                update.name.short(),
                seven(update.new.as_ref())
            ),
            None => "move the packet's branch".to_owned(),
        },
        Op::MoveRefs { why, refs } => {
            let to = seven(refs.first().and_then(|update| update.new.as_ref()));
            match why {
                MoveWhy::Begin => format!("create the integration branch at {to}"),
                MoveWhy::Integrate(packets) if packets.len() > 1 => {
                    format!("integrate {} as {to}", counted(packets.len(), "packet"))
                }
                MoveWhy::Integrate(_) => format!("integrate as {to}"),
                MoveWhy::Rebuild => format!("put the integration branch together again as {to}"),
                MoveWhy::FollowTarget => format!("follow the target to {to}"),
                MoveWhy::Archive => format!("archive {}", counted(refs.len() / 2, "branch")),
            }
        }
        Op::Land(plan) => format!("land: {}", moves(&plan.binding)),
        Op::Push(plan) => format!("push: {}", moves(&plan.binding)),
    }
}

fn moves(binding: &Binding) -> String {
    let remote = binding
        .remote
        .as_ref()
        .map_or_else(String::new, |remote| format!("{remote} "));
    let moves: Vec<String> = binding
        .updates
        .iter()
        .map(|update| {
            format!(
                "{} {} → {}",
                update.name.short(),
                seven(update.old.as_ref()),
                seven(update.new.as_ref())
            )
        })
        .collect();
    format!("{remote}{}", moves.join(", "))
}
