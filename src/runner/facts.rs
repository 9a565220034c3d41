//! What an input says: inputs in, events out. Pure.
//!
//! A fact is recorded only if the state can still take it: an answer to a question that was withdrawn, or a
//! result for a packet that was given up meanwhile, is dropped here and nowhere else.

use jiff::Timestamp;

use super::goal::Options;
use super::jobs::Job;
use super::message::{CollectResult, Input, MergeResult, UnitEnd};
use super::{limit, queue, requests, resolving, script};
use crate::agent::{RateLimit, schema};
use crate::model::event::EventKind;
use crate::model::evidence::Evidence;
use crate::model::id::PacketId;
use crate::model::packet::{Merge, Rebuild, Restack};
use crate::model::plan::ANSWERS;
use crate::model::state::{Limit, PacketState, RunState, Stage};
use crate::model::unit::{Unit, UnitKind, UnitOutcome};

/// Returns what the input says.
pub(super) fn facts(
    state: &RunState,
    options: &Options,
    input: Input,
    now: Timestamp,
) -> Vec<EventKind> {
    match input {
        Input::Script(facts) => script::counted(state, facts),
        Input::Target(commit, _)
            if state.target_seen.as_ref() == Some(&commit)
                && state.target_trees.contains_key(&commit) =>
        {
            Vec::new()
        }
        Input::Target(commit, tree) => vec![EventKind::TargetSeen {
            commit,
            tree: Some(tree),
        }],
        Input::CheckAgain => check_again(state),
        Input::Push(binding) => vec![EventKind::PushAsked { binding }],
        Input::Request { request, looked_up } => {
            requests::answer(state, options, &request, looked_up, now)
        }
        Input::UnitNoted { unit, session } => vec![EventKind::UnitNoted { unit, session }],
        Input::UnitEnded(mut end) => {
            let soiled = std::mem::take(&mut end.soiled);
            let mut facts = unit_ended(state, options, end, now);
            facts.extend(spoilt(state, soiled).into_iter().map(|packet| {
                EventKind::PacketRetried {
                    packet,
                    comment: String::new(),
                }
            }));
            facts
        }
        Input::OpEnded { op, outcome } if state.ops.contains_key(&op) => {
            vec![EventKind::OpEnded { op, outcome }]
        }
        Input::OpEnded { .. } => Vec::new(),
        Input::Collected { packet, result } => collected(state, &packet, result),
        Input::Merged(results) => merged(state, results),
        Input::Followed { target, result } => vec![match result {
            MergeResult::Clean(merge) => EventKind::TargetMerged { merge, target },
            MergeResult::Conflict(conflict) => EventKind::TargetConflicted { conflict },
            MergeResult::Doubt(_) => {
                let why = "its result is in doubt (this is a bug in dynwf)";
                could_not(&Job::FollowTarget, None, why)
            }
            MergeResult::Failed(why) => could_not(&Job::FollowTarget, None, &why),
        }],
        Input::Rebuilt(rebuild) => rebuilt(state, rebuild),
        Input::Restacked { packet, result } => restacked(state, packet, result),
        Input::Weighed(weight) => vec![EventKind::IntegrationWeighed { weight }],
        Input::Swept(sweep) => vec![EventKind::RadarSwept { sweep }],
        Input::Handed { packet, result } => resolving::handed(state, packet, result),
        Input::Resolved { packet, result } => resolving::resolved(state, packet, result),
        Input::Mended { packet, result } => mended(state, packet, result),
        Input::Failed { job, why } => vec![could_not(&job, job.packet(), &why)],
    }
}

/// The packets of which a workspace was changed before anybody worked in it: they begin in a fresh one.
fn spoilt(state: &RunState, soiled: Vec<PacketId>) -> Vec<PacketId> {
    soiled
        .into_iter()
        .filter(|id| {
            state.packets.get(id).is_some_and(|packet| {
                packet.stage == Stage::Prepared
                    && packet.turn == 0
                    && !queue::is_busy(state, id, packet)
            })
        })
        .collect()
}

fn mended(
    state: &RunState,
    packet: PacketId,
    result: Result<Box<(Merge, String)>, String>,
) -> Vec<EventKind> {
    let reached = state.packets.get(&packet).map(|packet| packet.stage);
    if reached != Some(Stage::Conflicted) {
        return Vec::new();
    }
    vec![match result {
        Ok(mended) => {
            let (merge, rung) = *mended;
            EventKind::ConflictResolved {
                packet,
                commit: merge.commit,
                by: rung.clone(),
                rung,
                proof: merge.proof,
            }
        }
        Err(why) => EventKind::RungFailed {
            packet,
            rung: "rules".to_owned(),
            why,
        },
    }]
}

fn could_not(job: &Job, packet: Option<&PacketId>, why: &str) -> EventKind {
    EventKind::JobFailed {
        packet: packet.cloned(),
        why: format!("could not {job}: {why}"),
        job: job.to_string(),
    }
}

/// Drops what failed on the integrated tree, and with it what the same checks said about the base.
fn check_again(state: &RunState) -> Vec<EventKind> {
    let Some(integration) = &state.integration else {
        return Vec::new();
    };
    let failed = state
        .integrated_checks()
        .iter()
        .any(|(_, evidence)| evidence.is_some_and(|evidence| !evidence.passed()));
    let base = state.base_tree().filter(|base| **base != integration.tree);
    [Some(&integration.tree), base]
        .into_iter()
        .flatten()
        .filter(|_| failed || integration.broken.is_some())
        .map(|tree| EventKind::EvidenceDropped { tree: tree.clone() })
        .collect()
}

fn unit_ended(state: &RunState, options: &Options, end: UnitEnd, now: Timestamp) -> Vec<EventKind> {
    let Some(live) = state.units.get(&end.unit) else {
        return Vec::new();
    };
    let unit = &live.unit;
    if unit.call().is_some() {
        return script::unit_ended(state, options, live, end, now);
    }
    let mut end = end;
    if let Some(limit) = out_of_time(state, unit, &end) {
        end.outcome = UnitOutcome::OverBudget(limit.of_packet());
    }
    let wanted = options.winding_down || live.stopping;
    let before = state.cut_short.get(&unit.workspace).copied().unwrap_or(0);
    let says_nothing =
        end.outcome.is_interruption() && (wanted || before + 1 < limit::MOST_CUT_SHORT);
    let packet = unit.packet().and_then(|id| state.packets.get(id));
    let again = ask_again(state, unit, packet, &end.problems);
    let unanswered = (again.is_none() && !end.problems.is_empty()).then(|| {
        format!(
            "gave no answer that follows the schema: {}",
            end.problems.join("; ")
        )
    });
    let mut facts = vec![EventKind::UnitEnded {
        unit: end.unit,
        outcome: end.outcome.clone(),
        millis: end.millis,
        usage: end.usage,
        complaint: end.complaint.or(unanswered),
        answer: end.answer,
    }];
    match &unit.kind {
        UnitKind::Work { .. } => {
            let postponed = end
                .rate_limited
                .and_then(|limit| postponed(state, unit, packet, limit, now));
            let then = postponed.or(again);
            let begin_again = || work_interrupted(unit, packet).filter(|_| says_nothing);
            facts.extend(then.or_else(begin_again));
        }
        UnitKind::Call { .. } => {}
        UnitKind::Setup { .. } if says_nothing => {
            let spoilt = matches!(end.outcome, UnitOutcome::Spoilt(_));
            let packet = unit.packet().filter(|_| spoilt);
            facts.extend(packet.map(|packet| EventKind::PacketRetried {
                packet: packet.clone(),
                comment: String::new(),
            }));
        }
        UnitKind::Setup { run, .. } => facts.extend(setup_failed(state, unit, run, &end.outcome)),
        UnitKind::Check { check, run, tree } => {
            if !says_nothing {
                facts.push(EventKind::EvidenceRecorded {
                    evidence: Evidence {
                        check: check.clone(),
                        run: run.clone(),
                        tree: tree.clone(),
                        packet: unit.packet().cloned(),
                        unit: end.unit,
                        outcome: end.outcome,
                        output: end.output,
                        at: now,
                    },
                });
            }
        }
    }
    facts
}

/// The limit of its packet that ended a turn whose time was up, if it was that.
fn out_of_time(state: &RunState, unit: &Unit, end: &UnitEnd) -> Option<Limit> {
    let id = unit.packet().filter(|_| unit.is_work())?;
    let (planned, packet) = (state.planned(id)?, state.packets.get(id)?);
    let minutes = planned.total_minutes?;
    let all = packet.spent.millis.saturating_add(end.millis);
    let timed_out = end.outcome == UnitOutcome::TimedOut;
    (timed_out && all >= u64::from(minutes) * 60_000).then_some(Limit::Minutes(minutes))
}

/// Another turn for an answer that does not follow the packet's schema, while there are turns.
fn ask_again(
    state: &RunState,
    unit: &Unit,
    packet: Option<&PacketState>,
    problems: &[String],
) -> Option<EventKind> {
    let id = unit.packet().filter(|_| !problems.is_empty())?;
    let (planned, packet) = (state.planned(id)?, packet?);
    let turns = planned.turns.unwrap_or(ANSWERS);
    let goes_on = state.own_limit(planned, packet).is_none() && state.exhausted().is_none();
    (packet.turn < turns && goes_on).then(|| EventKind::PacketTurned {
        packet: id.clone(),
        feedback: schema::ask_again(problems),
    })
}

/// A service without quota says nothing about the work: the same turn is made again, later and later.
fn postponed(
    state: &RunState,
    unit: &Unit,
    packet: Option<&PacketState>,
    wanted: RateLimit,
    now: Timestamp,
) -> Option<EventKind> {
    let id = unit
        .packet()
        .filter(|_| packet.is_some_and(|packet| packet.stage == Stage::Working))?;
    Some(EventKind::PacketPostponed {
        packet: id.clone(),
        until: limit::pause(state, state.agent_of(unit)?, &wanted, now)?,
        why: wanted.message,
    })
}

/// An attempt that was cut short says nothing about the work: it is made again from the base, in a fresh
/// directory, and what it left there is rescued first.
fn work_interrupted(unit: &Unit, packet: Option<&PacketState>) -> Option<EventKind> {
    let working = packet.is_some_and(|packet| packet.stage == Stage::Working);
    let packet = unit.packet().filter(|_| working)?;
    Some(EventKind::PacketRetried {
        packet: packet.clone(),
        comment: String::new(),
    })
}

fn setup_failed(
    state: &RunState,
    unit: &Unit,
    run: &str,
    outcome: &UnitOutcome,
) -> Option<EventKind> {
    if outcome.is_success() {
        return None;
    }
    let why = format!("setup command `{run}` {outcome}");
    Some(match unit.packet() {
        Some(packet) => resolving::failed(state, packet, why),
        None => EventKind::JobFailed {
            job: "prepare the integration workspace".to_owned(),
            packet: None,
            why,
        },
    })
}

fn collected(state: &RunState, id: &PacketId, result: CollectResult) -> Vec<EventKind> {
    let Some(packet) = state
        .packets
        .get(id)
        .filter(|packet| packet.stage == Stage::Returned)
    else {
        return Vec::new();
    };
    let is_research = state
        .planned(id)
        .is_some_and(|planned| !planned.expects_commit());
    let failure = super::rules::worker_failure(packet);
    vec![match (result, failure) {
        (CollectResult::Work(collected), _) => EventKind::PacketCollected {
            packet: id.clone(),
            collected: *collected,
        },
        (CollectResult::Refused(why), _) => {
            let why = format!("its files cannot be collected: {}", why.join("; "));
            resolving::failed(state, id, why)
        }
        (CollectResult::Nothing { .. }, Some(why)) => {
            resolving::failed(state, id, format!("{why}; nothing was changed"))
        }
        (CollectResult::Nothing { .. }, None) if is_research => {
            EventKind::PacketFinished { packet: id.clone() }
        }
        (CollectResult::Nothing { notes }, None) => EventKind::PacketEmptied {
            packet: id.clone(),
            notes,
        },
    }]
}

/// What came of the packets' turns, in their order. Of a packet that was given up meanwhile nothing is taken, nor
/// what was merged onto it: the next job does that again without it.
fn merged(state: &RunState, results: Vec<(PacketId, MergeResult)>) -> Vec<EventKind> {
    let mut facts = Vec::new();
    for (packet, result) in results {
        let accepted = state
            .packets
            .get(&packet)
            .is_some_and(|packet| packet.stage == Stage::Accepted);
        match result {
            MergeResult::Clean(_) if !accepted => break,
            _ if !accepted => {}
            MergeResult::Clean(merge) => facts.push(EventKind::PacketMerged { packet, merge }),
            MergeResult::Conflict(conflict) => {
                facts.push(EventKind::PacketConflicted { packet, conflict });
            }
            MergeResult::Doubt(proof) => facts.push(EventKind::MergeDoubted { packet, proof }),
            MergeResult::Failed(why) => facts.push(could_not(&Job::Merge, Some(&packet), &why)),
        }
    }
    facts
}

/// What was put together again counts if nothing changed about what is to leave the branch.
fn rebuilt(state: &RunState, rebuild: Rebuild) -> Vec<EventKind> {
    let same = state
        .integration
        .as_ref()
        .is_some_and(|integration| integration.commit == rebuild.from);
    let stays = |id: &PacketId| {
        state
            .packets
            .get(id)
            .is_some_and(|packet| packet.stage == Stage::Integrated)
    };
    if !same || !rebuild.merges.iter().all(|(id, _)| stays(id)) {
        return Vec::new();
    }
    vec![EventKind::IntegrationRebuilt { rebuild }]
}

fn restacked(
    state: &RunState,
    packet: PacketId,
    result: Result<Box<Restack>, String>,
) -> Vec<EventKind> {
    let waits = state.packets.get(&packet).is_some_and(|now| {
        now.stage == Stage::Stale
            && match &result {
                Ok(restack) => now.branch.as_ref() == Some(&restack.from),
                Err(_) => true,
            }
    });
    if !waits {
        return Vec::new();
    }
    vec![match result {
        Ok(restack) => EventKind::PacketRestacked { packet, restack },
        Err(why) => EventKind::PacketFailed { packet, why },
    }]
}
