//! Rules that start something: the integration branch, workspaces, setup commands, checks, agents.

use jiff::Timestamp;

use super::question::{ask, is_passed, why_not};
use crate::gate::binding_for_question;
use crate::model::event::{EventKind, GivenUp};
use crate::model::gate::{GateKind, GateStatus};
use crate::model::id::{CommitId, GateId, PacketId, UnitId};
use crate::model::op::{MoveWhy, Op, RefUpdate};
use crate::model::plan::{Check, Packet};
use crate::model::state::{OpenOp, PacketState, RunState, Stage};
use crate::model::unit::{Unit, UnitKind, WorkspaceName};
use crate::runner::goal::Options;
use crate::runner::limit;
use crate::runner::queue::is_advanced;

/// Creates the integration branch at the base.
pub(super) fn begin(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some(frozen) = &state.frozen else {
        return Vec::new();
    };
    let op = Op::MoveRefs {
        why: MoveWhy::Begin,
        refs: vec![RefUpdate {
            name: state.slug.integration_branch(),
            old: None,
            new: Some(frozen.base.clone()),
        }],
    };
    let refused = state.refusals.iter().any(|refusal| refusal.op == op);
    // A script that changes nothing leaves no branch.
    let nothing_yet = state.script.is_some() && state.packets.is_empty();
    if state.integration.is_some() || nothing_yet || refused || !state.ops.is_empty() {
        return Vec::new();
    }
    vec![EventKind::OpBegan { op }]
}

/// Opens the gates that the plan puts before packets, once the packets could start.
pub(super) fn ask_before_packets(
    state: &RunState,
    options: &Options,
    now: Timestamp,
) -> Vec<EventKind> {
    if !options.goal.works() {
        return Vec::new();
    }
    startable(state)
        .filter(|(id, packet)| packet.stage == Stage::Prepared || state.what_it_needs(id).is_none())
        .find_map(|(id, _)| {
            let gate = asks_before(state, id)?;
            let repository = &state.frozen.as_ref()?.repository;
            let binding = binding_for_question(repository, &options.policy);
            let why = if gate.is_empty() {
                "the plan asks before this packet starts".to_owned()
            } else {
                gate.to_owned()
            };
            ask(
                state,
                GateId::packet(id),
                GateKind::Packet,
                binding,
                vec![why],
                now,
            )
        })
        .into_iter()
        .collect()
}

/// Gives up packets that a person said no to before they started.
pub(super) fn reject(state: &RunState, _: &Options, _: Timestamp) -> Vec<EventKind> {
    startable(state)
        .filter_map(|(id, _)| Some((id, state.gates.get(&GateId::packet(id))?)))
        .find(|(_, gate)| gate.status == GateStatus::Denied)
        .map(|(id, gate)| EventKind::PacketGivenUp {
            packet: id.clone(),
            how: GivenUp::Rejected,
            why: why_not(gate),
        })
        .into_iter()
        .collect()
}

/// Makes branches and workspaces for packets that can start, and takes the old workspace of a packet that
/// begins again away first.
pub(super) fn prepare(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    let making = state
        .ops
        .values()
        .filter(|open| {
            matches!(
                open.op,
                Op::MakeWorkspace { .. } | Op::RemoveWorkspace { .. }
            )
        })
        .count();
    if !options.goal.prepares() || options.winding_down || state.integration.is_none() {
        return Vec::new();
    }
    startable(state)
        .filter(|(id, packet)| {
            packet.stage == Stage::Planned
                && state.what_it_needs(id).is_none()
                && !has_open_op(state, id)
                && !state.works_in(&WorkspaceName::Packet((*id).clone()))
        })
        .take(makers(options).saturating_sub(making))
        .filter_map(|(id, packet)| prepare_one(state, options, id, packet))
        .map(|op| EventKind::OpBegan { op })
        .collect()
}

/// Makes a workspace for collected work that has none and is to be checked: that of a carved branch. It holds the work.
pub(super) fn open_collected(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    if !options.goal.integrates() || options.winding_down || state.integration.is_none() {
        return Vec::new();
    }
    let making = |open: &&OpenOp| matches!(open.op, Op::MakeWorkspace { .. });
    let making = state.ops.values().filter(making).count();
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            is_advanced(state, id)
                && packet.workspace.is_none()
                && !state.check_failed(id)
                && !state.checks_to_run(id).is_empty()
        })
        .take(makers(options).saturating_sub(making))
        .filter_map(|(id, packet)| {
            let workspace = WorkspaceName::Packet(id.clone());
            Some(Op::MakeWorkspace {
                path: options.sites.path(&workspace, packet.attempt),
                workspace,
                attempt: packet.attempt,
                base: packet.branch.clone()?,
                refs: Vec::new(),
            })
        })
        .filter(|op| state.refusals.iter().all(|refusal| &refusal.op != op))
        .map(|op| EventKind::OpBegan { op })
        .collect()
}

/// How many workspaces are made at once. One more than there are cores: each ends with waiting for the clock's next second.
fn makers(options: &Options) -> usize {
    options.cores + 1
}

fn prepare_one(
    state: &RunState,
    options: &Options,
    id: &PacketId,
    packet: &PacketState,
) -> Option<Op> {
    let name = WorkspaceName::Packet(id.clone());
    if let Some(workspace) = &packet.workspace {
        return Some(Op::RemoveWorkspace {
            name,
            workspace: workspace.clone(),
            holds: packet.branch.clone()?,
        });
    }
    let base = base_of(state, id)?;
    let attempt = packet.attempt + 1;
    let refs = vec![
        RefUpdate {
            name: state.slug.branch(id),
            old: packet.branch.clone(),
            new: Some(base.clone()),
        },
        RefUpdate {
            name: state.slug.base_pin(id),
            old: None,
            new: Some(base.clone()),
        },
    ];
    Some(Op::MakeWorkspace {
        path: options.sites.path(&name, attempt),
        workspace: name,
        attempt,
        base,
        refs,
    })
}

/// A packet that needs others, and one that did not go with the others, starts from the integrated result; any
/// other from the plan's base, or where the target is by now.
fn base_of(state: &RunState, id: &PacketId) -> Option<CommitId> {
    if let Some(of_script) = state.of_script(id) {
        return Some(of_script.base.clone());
    }
    if let Some(resolving) = state.packets.get(id).and_then(|it| it.resolves.as_ref()) {
        return Some(resolving.base.clone());
    }
    let integration = state.integration.as_ref()?;
    if !state.stands_on_others(id) {
        return Some(integration.target.clone());
    }
    // What is to leave the branch is nothing to start from.
    let settled = !state.has_outcasts() && integration.rebuild.is_none();
    settled.then(|| integration.commit.clone())
}

/// Starts the next setup command of each workspace that needs one.
pub(super) fn set_up(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    if !options.goal.works() || options.winding_down || limit::free(state, options) == 0 {
        return Vec::new();
    }
    startable(state)
        .filter(|(id, packet)| {
            packet.stage == Stage::Prepared
                && is_let_through(state, id)
                && !state.works_in(&WorkspaceName::Packet((*id).clone()))
        })
        .find_map(|(id, packet)| {
            next_setup(options, packet.set_up).map(|kind| {
                start(
                    state,
                    options,
                    kind,
                    WorkspaceName::Packet(id.clone()),
                    packet.attempt,
                    None,
                )
            })
        })
        .into_iter()
        .collect()
}

pub(super) fn next_setup(options: &Options, done: u32) -> Option<UnitKind> {
    let run = options.setup.get(usize::try_from(done).ok()?)?;
    Some(UnitKind::Setup {
        index: done,
        run: run.clone(),
    })
}

/// Starts the next check of each packet whose work is a commit on its branch. Checks of one packet run one
/// after another, because they share its workspace.
pub(super) fn check(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    if !options.goal.integrates() || options.winding_down || limit::free(state, options) == 0 {
        return Vec::new();
    }
    state
        .in_plan_order()
        .filter(|(id, packet)| {
            is_advanced(state, id)
                && packet.workspace.is_some()
                && !state.works_in(&WorkspaceName::Packet((*id).clone()))
                && !state.check_failed(id)
        })
        .find_map(|(id, packet)| {
            let check = state.checks_to_run(id).into_iter().next()?;
            let tree = packet.collected.as_ref()?.tree.clone();
            // A workspace that was made for work that is done is not set up yet.
            let (kind, minutes) = match next_setup(options, packet.set_up) {
                Some(setup) => (setup, None),
                None => check_unit(&check, tree),
            };
            let name = WorkspaceName::Packet(id.clone());
            Some(start(state, options, kind, name, packet.attempt, minutes))
        })
        .into_iter()
        .collect()
}

pub(super) fn check_unit(check: &Check, tree: crate::model::id::TreeId) -> (UnitKind, Option<u32>) {
    let kind = UnitKind::Check {
        check: check.name.clone(),
        run: check.run.clone(),
        tree,
    };
    (kind, check.minutes)
}

/// Starts the next agent's turn.
pub(super) fn work(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    if !options.goal.works() || options.winding_down || limit::free(state, options) == 0 {
        return Vec::new();
    }
    startable(state)
        .filter(|(id, packet)| {
            packet.stage == Stage::Prepared
                && next_setup(options, packet.set_up).is_none()
                && is_let_through(state, id)
                && !state.works_in(&WorkspaceName::Packet((*id).clone()))
                && !state.planned(id).is_some_and(Packet::is_parent_work)
                && !state.is_workspace_alone(id)
        })
        .find_map(|(id, packet)| {
            let planned = state.planned(id)?;
            if let Some(limit) = state.own_limit(planned, packet) {
                return Some(EventKind::PacketFailed {
                    packet: id.clone(),
                    why: limit.of_packet(),
                });
            }
            let starts = limit::lets_start(state, planned.agent_name(), Some(id), now);
            starts.then(|| turn(state, options, id, planned, packet))
        })
        .into_iter()
        .collect()
}

/// An agent's next turn, which takes no longer than what its packet has left.
fn turn(
    state: &RunState,
    options: &Options,
    id: &PacketId,
    planned: &Packet,
    packet: &PacketState,
) -> EventKind {
    let kind = UnitKind::Work {
        turn: packet.turn + 1,
    };
    let name = WorkspaceName::Packet(id.clone());
    let mut started = start(state, options, kind, name, packet.attempt, planned.minutes);
    if let (EventKind::UnitStarted { unit }, Some(minutes)) = (&mut started, planned.total_minutes)
    {
        let left = (u64::from(minutes) * 60_000).saturating_sub(packet.spent.millis);
        unit.seconds = unit.seconds.min(left.div_ceil(1000));
    }
    started
}

pub(super) fn start(
    state: &RunState,
    options: &Options,
    kind: UnitKind,
    workspace: WorkspaceName,
    attempt: u32,
    minutes: Option<u32>,
) -> EventKind {
    let silence = match kind {
        UnitKind::Work { .. } => u64::from(options.silence) * 60,
        _ => 0,
    };
    EventKind::UnitStarted {
        unit: Unit {
            id: UnitId(state.last_unit.0 + 1),
            kind,
            workspace,
            attempt,
            seconds: u64::from(minutes.unwrap_or(options.minutes)) * 60,
            silence,
        },
    }
}

/// The packets that have not come to an end, in plan order.
fn startable(state: &RunState) -> impl Iterator<Item = (&PacketId, &PacketState)> {
    state
        .in_plan_order()
        .filter(|(_, packet)| matches!(packet.stage, Stage::Planned | Stage::Prepared))
}

/// Why the plan asks a person before a packet, if it does.
fn asks_before<'a>(state: &'a RunState, id: &PacketId) -> Option<&'a str> {
    let frozen = state.frozen.as_ref()?;
    frozen
        .plan
        .asks_before(GateId::packet(id).as_str())
        .map(|gate| gate.why.as_str())
}

fn is_let_through(state: &RunState, id: &PacketId) -> bool {
    asks_before(state, id).is_none() || is_passed(state, &GateId::packet(id))
}

/// Whether an effect on the packet's workspace or branch has not ended.
pub(super) fn has_open_op(state: &RunState, id: &PacketId) -> bool {
    state.ops.values().any(|open| open.op.packet() == Some(id))
}
