//! What comes of a request. Pure: every answer is an event, and a refusal says why in words for people.

use jiff::Timestamp;

use super::goal::Options;
use super::message::LookedUp;
use crate::gate;
use crate::model::event::{EventKind, GivenUp};
use crate::model::gate::GateKind;
use crate::model::id::{GateId, PacketId};
use crate::model::op::{MergeSide, Op};
use crate::model::plan::Plan;
use crate::model::request::{Request, RequestBody};
use crate::model::state::{RunState, Stage};
use crate::model::unit::WorkspaceName;
use crate::plan::amend;

/// Facts, or why the request is refused.
type Answered = Result<Vec<EventKind>, String>;

/// Returns what comes of a request: its facts and that it was taken, or that it was refused. A request that
/// was answered before says nothing.
pub(super) fn answer(
    state: &RunState,
    options: &Options,
    request: &Request,
    looked_up: LookedUp,
    now: Timestamp,
) -> Vec<EventKind> {
    if state.requests.contains_key(&request.id) {
        return Vec::new();
    }
    let answered = match &request.body {
        body if state.archived && !outlives_archive(state, body) => Err(format!(
            "workflow {} is archived: a new one begins with `dynwf plan NEW --from .workflow/{}/plan.toml`",
            state.slug, state.slug
        )),
        RequestBody::Approve { gate, .. }
        | RequestBody::Deny { gate, .. }
        | RequestBody::Revoke { gate } => return decision(state, options, request, gate, now),
        RequestBody::Retry { packet, comment } => retry(state, packet, comment),
        RequestBody::Cancel { packet, why } => give_up(state, packet, GivenUp::Cancelled, why),
        RequestBody::Drop { packet, why } => give_up(state, packet, GivenUp::Dropped, why),
        RequestBody::Claim { packet } => claim(state, request, packet),
        RequestBody::Done { packet, note } => done(state, request, packet, note),
        RequestBody::Continue { .. } => resolved(state, request, looked_up),
        RequestBody::Abort => abort(state),
        RequestBody::Skip { packet, why } => skip(state, packet.as_ref(), why),
        RequestBody::Revert { packet, why } => revert(state, request, packet, why, looked_up),
        RequestBody::Amend { plan } => amended(state, request, plan),
        RequestBody::Stop => Ok(Vec::new()),
    };
    match answered {
        Ok(mut facts) => {
            facts.push(EventKind::RequestTaken {
                request: request.id.clone(),
            });
            facts
        }
        Err(why) => vec![refused(request, why)],
    }
}

/// Whether a request makes sense for a workflow that is closed: what was landed can still be pushed, and an approval
/// that was not used can be taken back.
fn outlives_archive(state: &RunState, body: &RequestBody) -> bool {
    match body {
        RequestBody::Revoke { .. } => true,
        RequestBody::Approve { gate, .. } | RequestBody::Deny { gate, .. } => state
            .gates
            .get(gate)
            .is_some_and(|gate| gate.kind == GateKind::Push),
        _ => false,
    }
}

fn refused(request: &Request, why: String) -> EventKind {
    EventKind::RequestRefused {
        request: request.id.clone(),
        why,
    }
}

/// An answer to a gate, or why it does not count.
fn decision(
    state: &RunState,
    options: &Options,
    request: &Request,
    id: &GateId,
    now: Timestamp,
) -> Vec<EventKind> {
    let gate = state.gates.get(id);
    if gate.is_none() {
        let open: Vec<&str> = state.waiting_gates().map(|gate| gate.id.as_str()).collect();
        let open = if open.is_empty() {
            "none".to_owned()
        } else {
            open.join(", ")
        };
        return vec![refused(
            request,
            format!("no gate is called {id}; waiting: {open}"),
        )];
    }
    match gate::answer(gate, request, &options.policy, now) {
        Ok(fact) => vec![fact],
        Err(why) => vec![refused(request, why)],
    }
}

fn stage_of(state: &RunState, id: &PacketId) -> Result<Stage, String> {
    state
        .packets
        .get(id)
        .map(|packet| packet.stage)
        .ok_or_else(|| {
            let known: Vec<&str> = state.in_plan_order().map(|(id, _)| id.as_str()).collect();
            format!("no packet is called {id}; there are {}", known.join(", "))
        })
}

fn retry(state: &RunState, id: &PacketId, comment: &str) -> Answered {
    match stage_of(state, id)? {
        Stage::Integrated if state.has_landed(id) => Err(landed(state, id)),
        Stage::Working | Stage::Returned => Err(format!(
            "packet {id} is running: `dynwf packet cancel {} {id}` stops it first",
            state.slug
        )),
        _ if state.works_in(&WorkspaceName::Packet(id.clone())) => {
            Err(format!("a unit still runs in the workspace of packet {id}"))
        }
        _ => Ok(vec![EventKind::PacketRetried {
            packet: id.clone(),
            comment: comment.to_owned(),
        }]),
    }
}

fn landed(state: &RunState, id: &PacketId) -> String {
    format!(
        "packet {id} has landed already: `dynwf revert {} {id}` takes it out again",
        state.slug
    )
}

fn give_up(state: &RunState, id: &PacketId, how: GivenUp, why: &str) -> Answered {
    let reached = stage_of(state, id)?;
    if reached == Stage::Integrated && state.has_landed(id) {
        return Err(landed(state, id));
    }
    if reached == Stage::Integrated && how == GivenUp::Cancelled {
        return Err(format!(
            "packet {id} is integrated already: `dynwf packet drop {} {id}` takes it out again",
            state.slug
        ));
    }
    if how == GivenUp::Cancelled && reached.is_settled() && reached != Stage::Conflicted {
        return Err(format!(
            "packet {id} is {} already",
            state.status_of(id).word()
        ));
    }
    Ok(vec![EventKind::PacketGivenUp {
        packet: id.clone(),
        how,
        why: why.to_owned(),
    }])
}

fn claim(state: &RunState, request: &Request, id: &PacketId) -> Answered {
    stage_of(state, id)?;
    if !state.parent_work().any(|(other, _)| other == id) {
        return Err(format!(
            "packet {id} is not work for a person or a host agent now: it is {}",
            state.status_of(id).word()
        ));
    }
    Ok(vec![EventKind::PacketClaimed {
        packet: id.clone(),
        by: request.by.clone(),
    }])
}

/// Collects what lies in a packet's workspace: of parent work, or of a packet that failed and was mended by
/// hand there.
fn done(state: &RunState, request: &Request, id: &PacketId, note: &str) -> Answered {
    let reached = stage_of(state, id)?;
    let has_workspace = state.packets[id].workspace.is_some();
    let idle = !state.works_in(&WorkspaceName::Packet(id.clone()));
    let is_parent_work = state
        .planned(id)
        .is_some_and(crate::model::plan::Packet::is_parent_work);
    let takes = (reached == Stage::Prepared && is_parent_work) || reached == Stage::Failed;
    if !takes || !has_workspace || !idle {
        return Err(format!(
            "packet {id} has nothing to collect by hand: it is {}{}",
            state.status_of(id).word(),
            if has_workspace {
                ""
            } else {
                ", and has no workspace"
            }
        ));
    }
    Ok(vec![EventKind::PacketReturned {
        packet: id.clone(),
        by: request.by.clone(),
        note: note.to_owned(),
    }])
}

fn resolved(state: &RunState, request: &Request, looked_up: LookedUp) -> Answered {
    let laid_out = state
        .integration
        .as_ref()
        .and_then(|integration| integration.resolving.as_ref());
    let Some((side, _)) = laid_out else {
        return Err("no conflict is laid out: `dynwf run` does that".to_owned());
    };
    let LookedUp::Resolution(merge) = looked_up else {
        return Err("the resolution was not looked at".to_owned());
    };
    let merge = merge?;
    Ok(vec![match side {
        MergeSide::Packet(packet) => EventKind::ConflictResolved {
            packet: packet.clone(),
            commit: merge.commit,
            by: request.by.clone(),
            rung: String::new(),
            proof: merge.proof,
        },
        MergeSide::Target => EventKind::TargetMerged {
            merge,
            target: state
                .target_seen
                .clone()
                .ok_or("the target was never seen")?,
        },
    }])
}

/// Takes the layout away; the conflict stays open.
fn abort(state: &RunState) -> Answered {
    let laid_out = state
        .integration
        .as_ref()
        .and_then(|at| at.resolving.as_ref().zip(at.workspace.as_ref()));
    let Some(((side, onto), workspace)) = laid_out else {
        return Err("no conflict is laid out".to_owned());
    };
    if state.works_in(&WorkspaceName::Integration) || state.is_laying_out() {
        return Err("a unit is at work on the conflict: dynwf stop ends it first".to_owned());
    }
    Ok(vec![EventKind::OpBegan {
        op: Op::CloseConflict {
            workspace: workspace.clone(),
            side: side.clone(),
            onto: onto.clone(),
        },
    }])
}

/// Waives a packet that conflicts.
fn skip(state: &RunState, packet: Option<&PacketId>, why: &str) -> Answered {
    let laid_out = state
        .integration
        .as_ref()
        .and_then(|integration| integration.resolving.as_ref())
        .map(|(side, _)| side);
    let conflicted = |id: &PacketId| {
        state
            .packets
            .get(id)
            .is_some_and(|packet| packet.stage == Stage::Conflicted)
    };
    let packet = match (packet, laid_out) {
        (Some(id), _) => {
            stage_of(state, id)?;
            if !conflicted(id) {
                return Err(format!(
                    "packet {id} does not conflict: it is {}; dynwf packet drop {} {id} waives a packet",
                    state.status_of(id).word(),
                    state.slug
                ));
            }
            id.clone()
        }
        (None, Some(MergeSide::Packet(packet))) => packet.clone(),
        (None, Some(MergeSide::Target)) => {
            return Err("the conflict is with the target branch and cannot be skipped".to_owned());
        }
        (None, None) => state
            .in_plan_order()
            .map(|(id, _)| id)
            .find(|id| conflicted(id))
            .cloned()
            .ok_or("no packet conflicts")?,
    };
    Ok(vec![EventKind::PacketGivenUp {
        packet,
        how: GivenUp::Dropped,
        why: why.to_owned(),
    }])
}

/// Takes a packet that landed out again: its counterpart is a packet like any other from here on.
fn revert(
    state: &RunState,
    request: &Request,
    id: &PacketId,
    why: &str,
    looked_up: LookedUp,
) -> Answered {
    let reached = stage_of(state, id)?;
    if !state.has_landed(id) {
        return Err(if reached == Stage::Integrated {
            format!(
                "packet {id} is integrated and has not landed: `dynwf packet drop {} {id} --why TEXT` takes it out",
                state.slug
            )
        } else {
            format!(
                "packet {id} has not landed: it is {}",
                state.status_of(id).word()
            )
        });
    }
    if let Some(by) = state.reverted_by(id) {
        let is_out = state.has_landed(by);
        let taken = if is_out { "was" } else { "is being" };
        return Err(format!(
            "packet {id} {taken} taken out again by packet {by}"
        ));
    }
    let LookedUp::Revert(work) = looked_up else {
        return Err("what takes it out was not looked up".to_owned());
    };
    let packet = super::revert::packet(state, id, why)
        .ok_or_else(|| format!("the plan knows no packet {id} any more"))?;
    Ok(vec![
        EventKind::RevertAsked {
            reverts: id.clone(),
            packet: Box::new(packet.clone()),
            by: request.by.clone(),
        },
        EventKind::PacketCollected {
            packet: packet.id,
            collected: *work?,
        },
    ])
}

fn amended(state: &RunState, request: &Request, plan: &Plan) -> Answered {
    let frozen = state
        .frozen
        .as_ref()
        .ok_or("the workflow is not split yet")?;
    let settled = |id: &PacketId| {
        state
            .packets
            .get(id)
            .is_some_and(|packet| packet.stage != Stage::Planned)
    };
    // Nobody wrote down the packets that dynwf made.
    let mut plan = plan.clone();
    let reverts = frozen.plan.packets.iter().filter(|packet| {
        state.stands_alone(&packet.id) && plan.packets.iter().all(|known| known.id != packet.id)
    });
    let reverts: Vec<_> = reverts.cloned().collect();
    plan.packets.extend(reverts);
    let changes =
        amend::changes(&frozen.plan, &plan, &settled).map_err(|error| error.to_string())?;
    if changes.is_empty() {
        return Err("the plan is the same".to_owned());
    }
    Ok(vec![EventKind::PlanAmended {
        plan: Box::new(plan),
        changes,
        by: request.by.clone(),
    }])
}
