//! Performs effects: each is announced in the journal, and performing one again changes nothing more.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;

use super::confine;
use super::message::Tools;
use super::scene::Scene;
use crate::config::Sparse;
use crate::fault;
use crate::gate;
use crate::git::{Git, RefMove};
use crate::integrate;
use crate::model::gate::Transition;
use crate::model::id::{CommitId, OpId, PacketId, RefName};
use crate::model::op::{MergeSide, MoveWhy, Op, OpOutcome, RefUpdate};
use crate::model::packet::Workspace;
use crate::model::state::{OpenOp, RunState};
use crate::model::unit::WorkspaceName;
use crate::workspace::{self, Caps, Head, MakeSpec, SparseSpec};

/// Performs an effect that was announced.
///
/// # Errors
/// What kept it from being performed; nothing was changed then that performing it again would not mend.
pub(super) fn perform(tools: &Tools, state: &RunState, id: OpId) -> Result<OpOutcome> {
    let open = state
        .ops
        .get(&id)
        .ok_or_else(|| anyhow!("effect {id} was not announced"))?;
    fault::point("effect:before");
    let outcome = perform_open(tools, state, id, open)?;
    fault::point("effect:after");
    Ok(outcome)
}

fn perform_open(tools: &Tools, state: &RunState, id: OpId, open: &OpenOp) -> Result<OpOutcome> {
    let git = &tools.git;
    match &open.op {
        Op::MakeWorkspace {
            workspace,
            attempt,
            base,
            path,
            refs,
        } => make_workspace(tools, state, workspace, *attempt, base, path, refs),
        Op::ResetWorkspace { workspace, to } => {
            let name = WorkspaceName::Integration;
            confine::forget(&scene(tools, state, &name, workspace), open.since)?;
            rescue_resolution(git, state, workspace, None, open.since)?;
            workspace::reset(git, workspace, to)
                .with_context(|| format!("bringing {} to {}", workspace.path, to.short()))?;
            Ok(OpOutcome::Done)
        }
        Op::OpenConflict { .. } | Op::CloseConflict { .. } => {
            lay_out_or_put_off(tools, state, open).map(|()| OpOutcome::Done)
        }
        Op::RemoveWorkspace {
            name,
            workspace,
            holds,
        } => remove_workspace(tools, state, name, workspace, holds, open.since),
        Op::AdvancePacket {
            workspace, refs, ..
        } => {
            let refs = with_present_pins(git, refs)?;
            let outcome = move_refs(git, &refs, "dynwf: collected")?;
            fault::point("effect:advanced");
            if let (OpOutcome::Done, Some(workspace)) = (&outcome, workspace) {
                workspace::settle(git, workspace)
                    .with_context(|| format!("settling the index of {}", workspace.path))?;
            }
            Ok(outcome)
        }
        Op::RestackPacket {
            packet,
            workspace,
            from,
            refs,
        } => restack_packet(
            tools,
            state,
            packet,
            workspace.as_ref(),
            from,
            refs,
            open.since,
        ),
        Op::MoveRefs {
            why: MoveWhy::Rebuild,
            refs,
        } => move_refs(
            git,
            &with_present_pins(git, refs)?,
            "dynwf: put together again",
        ),
        Op::MoveRefs { refs, .. } => move_refs(git, refs, "dynwf"),
        Op::Land(plan) => integrate::land(git, &redeem(state, plan.clone(), id, open.since)?),
        Op::Push(plan) => integrate::publish(git, &redeem(state, plan.clone(), id, open.since)?),
    }
}

/// Lays a conflict out in the integration workspace, or takes its layout away.
fn lay_out_or_put_off(tools: &Tools, state: &RunState, open: &OpenOp) -> Result<()> {
    let git = &tools.git;
    match &open.op {
        Op::OpenConflict {
            workspace,
            side,
            onto,
            tip,
            again,
        } => {
            let label = match side {
                MergeSide::Packet(packet) => state.slug.branch(packet),
                MergeSide::Target => frozen_target(state)?,
            };
            let wanted = Some((onto, tip)).filter(|_| !again);
            rescue_resolution(git, state, workspace, wanted, open.since)?;
            workspace::open_conflict(git, workspace, onto, tip, label.short(), *again)
                .with_context(|| format!("laying the conflict out in {}", workspace.path))
        }
        Op::CloseConflict {
            workspace, onto, ..
        } => {
            let name = WorkspaceName::Integration;
            confine::forget(&scene(tools, state, &name, workspace), open.since)?;
            rescue_resolution(git, state, workspace, None, open.since)?;
            fault::point("effect:put-aside");
            workspace::reset(git, workspace, onto)
                .with_context(|| format!("bringing {} to {}", workspace.path, onto.short()))
        }
        _ => Ok(()),
    }
}

/// Keeps what somebody did about a conflict that lies in the integration workspace, unless it is the one that is
/// wanted there.
fn rescue_resolution(
    git: &Git,
    state: &RunState,
    workspace: &Workspace,
    wanted: Option<(&CommitId, &CommitId)>,
    at: Timestamp,
) -> Result<()> {
    let Some((onto, tip)) = workspace::laid_out(workspace) else {
        return Ok(());
    };
    if wanted == Some((&onto, &tip)) || !workspace::is_touched(git, workspace)? {
        return Ok(());
    }
    let stamp = at.strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let name = state.slug.rescue("integration", &stamp);
    workspace::rescue(git, workspace, &onto, &name, at, Caps::default())
        .with_context(|| format!("keeping the resolution in {}", workspace.path))?;
    Ok(())
}

fn frozen_target(state: &RunState) -> Result<RefName> {
    state
        .frozen
        .as_ref()
        .map(|frozen| frozen.target.clone())
        .ok_or_else(|| anyhow!("the plan is not frozen"))
}

/// Turns a plan into an approved one, by the approval that this very effect has spent.
fn redeem<T: Transition>(
    state: &RunState,
    plan: T,
    by: OpId,
    at: Timestamp,
) -> Result<gate::Approved<T>> {
    let gate = state
        .gates
        .get(plan.gate())
        .ok_or_else(|| anyhow!("gate {} was never opened", plan.gate()))?;
    let id = gate.id.clone();
    gate::redeem(gate, plan, by, at).map_err(|why| anyhow!("gate {id}: {why}"))
}

fn move_refs(git: &Git, refs: &[RefUpdate], reason: &str) -> Result<OpOutcome> {
    Ok(match git.update_refs(refs, reason)? {
        RefMove::Moved | RefMove::Already => OpOutcome::Done,
        RefMove::Refused { name, found } => {
            let expected = refs.iter().find(|update| update.name == name);
            let expected = expected.and_then(|update| update.old.as_ref());
            let found = found.as_ref().map_or("nothing", CommitId::short);
            let way_out = match expected {
                Some(old) => format!("; git update-ref {name} {} puts it back", old.short()),
                None if name.as_str().starts_with("refs/heads/") => {
                    format!("; git branch -m {} OTHER-NAME makes room", name.short())
                }
                None => String::new(),
            };
            OpOutcome::Refused(format!(
                "{name} stands at {found}, which dynwf did not put there{way_out}"
            ))
        }
    })
}

/// Refs first, so that nothing that the workspace needs can be collected as garbage.
fn make_workspace(
    tools: &Tools,
    state: &RunState,
    name: &WorkspaceName,
    attempt: u32,
    base: &CommitId,
    path: &str,
    refs: &[RefUpdate],
) -> Result<OpOutcome> {
    let git = &tools.git;
    enough_space(tools, path)?;
    let refs = with_present_pins(git, refs)?;
    if let refused @ OpOutcome::Refused(_) = move_refs(git, &refs, "dynwf: base")? {
        return Ok(refused);
    }
    fault::point("effect:based");
    let head = match name {
        WorkspaceName::Packet(packet) => Head::Branch(state.slug.branch(packet)),
        WorkspaceName::Integration | WorkspaceName::Checkout => Head::Detached,
    };
    let made = workspace::make(
        git,
        &MakeSpec {
            admin_name: workspace::admin_name(&state.slug, name, attempt),
            path: path.into(),
            head,
            commit: base.clone(),
            sparse: extent(tools, state, name),
        },
    )
    .with_context(|| format!("making the workspace of {name} in {path}"))?;
    if let Some(main) = git.main_work_tree() {
        workspace::copy_included(git, main, &made)
            .with_context(|| format!("copying what .worktreeinclude names to {path}"))?;
    }
    Ok(OpOutcome::Made(made))
}

/// How much of the tree a workspace is to hold; `None`: all of it.
fn extent(tools: &Tools, state: &RunState, name: &WorkspaceName) -> Option<SparseSpec> {
    if tools.config.workspace.sparse != Sparse::Scope {
        return None;
    }
    let planned = state.planned(name.packet()?)?;
    SparseSpec::of_scope(&planned.scope, &planned.sources).ok()
}

/// What lies in the workspace beyond the work is rescued before the branch moves; then the files follow.
fn restack_packet(
    tools: &Tools,
    state: &RunState,
    id: &PacketId,
    workspace: Option<&Workspace>,
    from: &CommitId,
    refs: &[RefUpdate],
    at: Timestamp,
) -> Result<OpOutcome> {
    let git = &tools.git;
    let to = refs
        .first()
        .and_then(|update| update.new.clone())
        .ok_or_else(|| anyhow!("the branch of {id} has nowhere to go"))?;
    let there = git.read_ref(&state.slug.branch(id))?;
    if let Some(workspace) = workspace
        && there.as_ref() == Some(from)
    {
        let stamp = at.strftime("%Y%m%dT%H%M%S%3fZ").to_string();
        let name = state.slug.rescue(id.as_str(), &stamp);
        workspace::rescue(git, workspace, from, &name, at, Caps::default())
            .with_context(|| format!("keeping what lies in {}", workspace.path))?;
    }
    fault::point("effect:rescued");
    if let refused @ OpOutcome::Refused(_) =
        move_refs(git, &with_present_pins(git, refs)?, "dynwf: replayed")?
    {
        return Ok(refused);
    }
    fault::point("effect:restacked");
    if let Some(workspace) = workspace {
        // Before as well: a unit next door that ends meanwhile must not be blamed.
        workspace::note_work(workspace)?;
        workspace::reset(git, workspace, &to)
            .with_context(|| format!("bringing {} to {}", workspace.path, to.short()))?;
        workspace::note_work(workspace)?;
    }
    Ok(OpOutcome::Done)
}

fn enough_space(tools: &Tools, path: &str) -> Result<()> {
    let wanted = u64::from(tools.config.workspace.min_free_gb) << 30;
    let free = workspace::free_bytes(Path::new(path))?;
    if free < wanted {
        bail!(
            "only {} GiB are free for workspaces at {path}, and `[workspace] min_free_gb` is {}",
            free >> 30,
            tools.config.workspace.min_free_gb
        );
    }
    Ok(())
}

/// Pins below `refs/dynwf/` are dynwf's own: the value that they have is the value that they move from.
fn with_present_pins(git: &Git, refs: &[RefUpdate]) -> Result<Vec<RefUpdate>> {
    refs.iter()
        .map(|update| {
            let mut update = update.clone();
            if update.name.as_str().starts_with("refs/dynwf/") {
                update.old = git.read_ref(&update.name)?;
            }
            Ok(update)
        })
        .collect()
}

fn scene<'a>(
    tools: &'a Tools,
    state: &'a RunState,
    name: &'a WorkspaceName,
    workspace: &'a Workspace,
) -> Scene<'a> {
    Scene {
        tools,
        state,
        name,
        workspace,
        agent: None,
    }
}

fn remove_workspace(
    tools: &Tools,
    state: &RunState,
    name: &WorkspaceName,
    workspace: &Workspace,
    holds: &CommitId,
    at: Timestamp,
) -> Result<OpOutcome> {
    let git = &tools.git;
    let stamp = at.strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let rescue_ref = state.slug.rescue(&name.to_string(), &stamp);
    confine::forget(&scene(tools, state, name, workspace), at)
        .with_context(|| format!("keeping what the worker of {name} committed"))?;
    let rescued = workspace::rescue(git, workspace, holds, &rescue_ref, at, Caps::default())
        .with_context(|| format!("keeping what lies in {}", workspace.path))?;
    fault::point("effect:rescued");
    workspace::remove(git, workspace)
        .with_context(|| format!("removing the workspace {}", workspace.path))?;
    Ok(OpOutcome::Removed {
        rescued: rescued
            .filter(|rescued| rescued.commit.is_some())
            .map(|_| rescue_ref),
    })
}
