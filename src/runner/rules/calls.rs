//! Rules for the calls of a script: make their workspace, start their units, answer them, and wind up once it ended.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::question::{ask, is_passed};
use super::settle::worker_failure;
use super::start::{has_open_op, next_setup};
use crate::gate::binding_for_question;
use crate::model::event::{EventKind, GivenUp};
use crate::model::gate::{Binding, GateKind, GateStatus};
use crate::model::id::{PacketId, UnitId};
use crate::model::plan::{COMMAND_AGENT, Packet};
use crate::model::script::{Asks, Kept, Reply, ScriptEnd};
use crate::model::state::{OpenCall, PacketState, RunState, ScriptState, Stage};
use crate::model::status::PacketStatus;
use crate::model::unit::{Unit, UnitKind, WorkspaceName};
use crate::runner::goal::Options;
use crate::runner::limit;
use crate::runner::queue::is_advanced;
use crate::runner::script::shared_id;

/// What is answered in the shared workspace.
const IN_SHARED: [Asks; 3] = [Asks::Agent, Asks::Shell, Asks::Checkpoint];

fn going_on(state: &RunState) -> Option<&ScriptState> {
    state.script.as_ref().filter(|script| script.end.is_none())
}

/// Whether a call is answered in the shared workspace.
fn is_in_shared(call: &OpenCall) -> bool {
    call.asked.packet.is_none() && IN_SHARED.contains(&call.asked.asks)
}

/// Plans the packet of the shared workspace, once something is to be done in it.
pub(super) fn share(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    let (Some(script), Some(frozen)) = (going_on(state), &state.frozen) else {
        return Vec::new();
    };
    let wanted = script.run.checkout.is_none()
        && script.shared.is_none()
        && script.open(&IN_SHARED).any(is_in_shared);
    if !wanted {
        return Vec::new();
    }
    // The first one is what the script was begun on; one that follows a merged one goes on from there.
    let first = !state.packets.keys().any(|id| state.is_workspace_alone(id));
    let integrated = state.integration.as_ref().map(|branch| &branch.commit);
    let base = integrated.filter(|_| !first).unwrap_or(&frozen.base);
    let id = shared_id(state);
    let objective = script.run.description.clone();
    let packet = Packet {
        scope: vec!["**".to_owned()],
        agent: Some(script.run.agent.clone()).filter(|agent| agent != COMMAND_AGENT),
        ..Packet::new(id, objective)
    };
    vec![EventKind::PacketAdded {
        packet: Box::new(packet),
        base: base.clone(),
        call: None,
        label: String::new(),
        plain: false,
    }]
}

/// Starts the next unit of a call, in the order in which the calls were made.
pub(super) fn start(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    let Some(script) = going_on(state) else {
        return Vec::new();
    };
    let Some((workspace, attempt)) = open_workspace(state, options) else {
        return Vec::new();
    };
    if !options.goal.works() || options.winding_down || limit::free(state, options) == 0 {
        return Vec::new();
    }
    let starts = |call: &OpenCall| {
        let agent = call.asked.agent.as_deref().unwrap_or(COMMAND_AGENT);
        call.asked.asks != Asks::Agent || limit::lets_start(state, agent, None, now)
    };
    script
        .open(&[Asks::Agent, Asks::Shell])
        .filter(|call| is_in_shared(call) && starts(call))
        .find(|call| !has_unit(state, call.asked.ordinal))
        .map(|call| EventKind::UnitStarted {
            unit: Unit {
                id: UnitId(state.last_unit.0 + 1),
                kind: UnitKind::Call {
                    ordinal: call.asked.ordinal,
                    turn: call.turn + 1,
                },
                workspace,
                attempt,
                seconds: call
                    .asked
                    .seconds
                    .unwrap_or_else(|| u64::from(options.minutes) * 60),
                silence: match call.asked.asks {
                    Asks::Agent => u64::from(options.silence) * 60,
                    _ => 0,
                },
            },
        })
        .into_iter()
        .collect()
}

/// The shared workspace with its attempt, if units may be started in it now.
fn open_workspace(state: &RunState, options: &Options) -> Option<(WorkspaceName, u32)> {
    let name = state.shared_workspace()?;
    let Some(id) = name.packet() else {
        return Some((name, 0));
    };
    let packet = state.packets.get(id)?;
    let ready = packet.stage == Stage::Prepared
        && next_setup(options, packet.set_up).is_none()
        && !has_open_op(state, id)
        && going_on(state)?.open(&[Asks::Checkpoint]).next().is_none();
    ready.then(|| (name.clone(), packet.attempt))
}

fn has_unit(state: &RunState, ordinal: u64) -> bool {
    state
        .units
        .values()
        .any(|live| live.unit.call() == Some(ordinal) && !live.stopping)
}

/// Answers the first call whose packets, workspace or person have come to an answer.
pub(super) fn answer(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some(script) = going_on(state) else {
        return Vec::new();
    };
    script
        .calls
        .values()
        .find_map(|call| {
            let (reply, more) = reply_to(state, call)?;
            let mut facts = vec![EventKind::CallAnswered {
                ordinal: call.asked.ordinal,
                key: call.asked.key.clone(),
                reply,
                spent: tokens(state, call),
                unit: None,
                reused: None,
            }];
            facts.extend(more);
            Some(facts)
        })
        .unwrap_or_default()
}

fn tokens(state: &RunState, call: &OpenCall) -> u64 {
    let of_packet = call
        .asked
        .packet
        .as_ref()
        .and_then(|id| state.packets.get(id))
        .map_or(0, |packet| packet.spent.tokens);
    call.spent.tokens + of_packet
}

fn value(value: &Value) -> Reply {
    Reply::Value(Kept::Here(value.to_string()))
}

fn reply_to(state: &RunState, call: &OpenCall) -> Option<(Reply, Option<EventKind>)> {
    let asked = &call.asked;
    if let Some(id) = &asked.packet {
        let packet = state.packets.get(id)?;
        let reply = match asked.asks {
            Asks::Packet => packet_value(state, id, packet)?,
            _ => isolated_value(state, id, packet)?,
        };
        return Some((reply, None));
    }
    match asked.asks {
        Asks::Integrate => Some((integration_value(state, call)?, None)),
        Asks::Gate => {
            let gate = state.gates.get(asked.gate.as_ref()?)?;
            let approved = match gate.status {
                GateStatus::Denied => false,
                _ if is_passed(state, &gate.id) => true,
                _ => return None,
            };
            Some((value(&Value::Bool(approved)), None))
        }
        Asks::Checkpoint if state.shared_workspace() == Some(WorkspaceName::Checkout) => {
            let reply =
                json!({"name": asked.question, "commit": null, "branch": null, "files": []});
            Some((value(&reply), None))
        }
        Asks::Agent | Asks::Shell | Asks::Checkpoint => in_shared(state, call),
        Asks::Packet => None,
    }
}

/// What a call in the shared workspace is answered without a unit: a checkpoint, or that there is no workspace.
fn in_shared(state: &RunState, call: &OpenCall) -> Option<(Reply, Option<EventKind>)> {
    let script = going_on(state)?;
    let id = script.shared.as_ref()?;
    let packet = state.packets.get(id)?;
    let lost = matches!(
        packet.stage,
        Stage::Failed | Stage::Cancelled | Stage::Rejected
    );
    if lost && !has_unit(state, call.asked.ordinal) {
        let why = packet.reason.clone().unwrap_or_default();
        return Some((
            Reply::Failed(format!("the shared workspace is not there: {why}")),
            None,
        ));
    }
    let first = script.open(&[Asks::Checkpoint]).next()?;
    if call.asked.asks != Asks::Checkpoint || first.asked.ordinal != call.asked.ordinal {
        return None;
    }
    let collected = is_advanced(state, id);
    if !collected && packet.stage != Stage::NoChange {
        return None;
    }
    let work = packet.collected.as_ref().filter(|_| collected);
    let reply = json!({
        "name": call.asked.question,
        "commit": work.map(|work| &work.tip),
        "branch": work.map(|_| state.slug.branch(id).short().to_owned()),
        "files": work.map_or_else(Vec::new, |work| work.facts.paths.iter().map(ToString::to_string).collect()),
    });
    let on = EventKind::PacketTurned {
        packet: id.clone(),
        feedback: format!(
            "the script goes on after checkpoint {}",
            call.asked.question
        ),
    };
    Some((value(&reply), Some(on)))
}

/// Whether nothing more comes of a packet before the script asks for more.
fn is_through(state: &RunState, id: &PacketId, packet: &PacketState) -> bool {
    state.is_kept(id)
        && is_advanced(state, id)
        && packet
            .collected
            .as_ref()
            .is_some_and(|work| work.tip != work.base)
        || packet.stage.is_settled()
}

fn packet_value(state: &RunState, id: &PacketId, packet: &PacketState) -> Option<Reply> {
    if !is_through(state, id, packet) {
        return None;
    }
    let work = packet.collected.as_ref();
    Some(value(&json!({
        "id": id,
        "status": state.status_of(id).word(),
        "branch": packet.branch.as_ref().map(|_| state.slug.branch(id).short().to_owned()),
        "commit": work.map(|work| &work.tip),
        "text": packet.answer.as_deref().map_or(Value::Null, |text| answered(state, id, text)),
        "files": work.map_or_else(Vec::new, |work| work.facts.paths.iter().map(ToString::to_string).collect()),
        "why": state.reason_of(id),
    })))
}

/// What the agent of a packet said: JSON where it was asked for.
fn answered(state: &RunState, id: &PacketId, text: &str) -> Value {
    let wants_json = state
        .planned(id)
        .is_some_and(|planned| planned.schema.is_some());
    let parsed = wants_json
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    parsed.unwrap_or_else(|| Value::from(text))
}

fn isolated_value(state: &RunState, id: &PacketId, packet: &PacketState) -> Option<Reply> {
    if !is_through(state, id, packet) {
        return None;
    }
    if matches!(
        state.status_of(id),
        PacketStatus::Failed | PacketStatus::Cancelled | PacketStatus::Rejected
    ) {
        let why = worker_failure(packet).or_else(|| state.reason_of(id));
        return Some(Reply::Failed(format!(
            "packet {id}: {}",
            why.unwrap_or_else(|| state.status_of(id).word().to_owned())
        )));
    }
    let text = packet.answer.as_deref().unwrap_or_default();
    Some(value(&answered(state, id, text)))
}

/// What an integration came to, once every packet of it has come to an end.
fn integration_value(state: &RunState, call: &OpenCall) -> Option<Reply> {
    let mut statuses = Vec::new();
    let mut conflicts = Vec::new();
    for id in &call.asked.packets {
        let packet = state.packets.get(id)?;
        if !packet.stage.is_settled() {
            return None;
        }
        let status = state.status_of(id);
        statuses.push(json!({"id": id, "status": status.word(), "why": state.reason_of(id)}));
        if status == PacketStatus::Conflicted
            && let Some(conflict) = &packet.conflict
        {
            let files: Vec<String> = conflict
                .files
                .iter()
                .map(|file| file.path.to_string())
                .collect();
            conflicts.push(json!({"id": id, "files": files, "with": conflict.with}));
        }
    }
    if state
        .ops
        .values()
        .any(|open| matches!(open.op, crate::model::op::Op::MoveRefs { .. }))
    {
        return None;
    }
    let all_good = call
        .asked
        .packets
        .iter()
        .all(|id| state.status_of(id).is_good());
    let status = match (conflicts.is_empty(), all_good) {
        (false, _) => "conflicted",
        (true, true) => "integrated",
        (true, false) => "incomplete",
    };
    let branch = state.integration.as_ref();
    Some(value(&json!({
        "status": status,
        "branch": state.slug.integration_branch().short(),
        "commit": branch.map(|branch| &branch.commit),
        "tree": branch.map(|branch| &branch.tree),
        "packets": statuses,
        "conflicts": conflicts,
    })))
}

/// Opens the gates that calls wait at.
pub(super) fn question(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    let (Some(script), Some(frozen)) = (going_on(state), &state.frozen) else {
        return Vec::new();
    };
    script
        .open(&[Asks::Gate])
        .find_map(|call| {
            let question = call.asked.question.clone();
            let binding = Binding {
                diff: format!("{:x}", Sha256::digest(question.as_bytes())),
                ..binding_for_question(&frozen.repository, &options.policy)
            };
            let gate = call.asked.gate.clone()?;
            ask(state, gate, GateKind::Named, binding, vec![question], now)
        })
        .into_iter()
        .collect()
}

/// Hands the shared workspace over to be collected: for a checkpoint, and at the end of the script.
pub(super) fn hand_over(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some(script) = &state.script else {
        return Vec::new();
    };
    let Some((id, packet)) = script
        .shared
        .as_ref()
        .and_then(|id| Some((id, state.packets.get(id)?)))
    else {
        return Vec::new();
    };
    let name = WorkspaceName::Packet(id.clone());
    let checkpoint = script.open(&[Asks::Checkpoint]).next();
    if (script.end.is_none() && checkpoint.is_none())
        || state.works_in(&name)
        || has_open_op(state, id)
        || options.winding_down
    {
        return Vec::new();
    }
    match packet.stage {
        Stage::Prepared if next_setup(options, packet.set_up).is_none() || script.end.is_some() => {
            let note = checkpoint.map_or_else(String::new, |call| call.asked.question.clone());
            let mut facts = vec![EventKind::PacketReturned {
                packet: id.clone(),
                by: "the script".to_owned(),
                note,
            }];
            if matches!(script.end.as_deref(), Some(ScriptEnd::Value(_))) {
                facts.push(EventKind::PacketReleased { packet: id.clone() });
            }
            facts
        }
        Stage::Planned if script.end.is_some() => vec![EventKind::PacketGivenUp {
            packet: id.clone(),
            how: GivenUp::Dropped,
            why: "the script ended before it was used".to_owned(),
        }],
        _ => Vec::new(),
    }
}

/// Stops what was going on for calls that a script did not wait for: it ended.
pub(super) fn give_up(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    if state
        .script
        .as_ref()
        .is_none_or(|script| script.end.is_none())
    {
        return Vec::new();
    }
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            packet
                .script
                .as_ref()
                .is_some_and(|of_script| of_script.held && of_script.call.is_some())
                && !packet.stage.is_settled()
                && packet.stage != Stage::Collected
                && state.planned(id).is_some()
        })
        .map(|(id, _)| EventKind::PacketGivenUp {
            packet: id.clone(),
            how: GivenUp::Cancelled,
            why: "the script ended".to_owned(),
        })
        .collect()
}
