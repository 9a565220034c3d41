//! `dynwf push`: what was approved goes to the remote, and nothing else.

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::{drive, output};
use crate::error::{ExitCode, Failure, usage};
use crate::gate::binding_for_push;
use crate::model::gate::Binding;
use crate::model::id::{CommitId, GateId, RefName, Slug};
use crate::model::op::RefUpdate;
use crate::model::state::RunState;
use crate::report::pull_request::{self, PullRequest};
use crate::runner::{Goal, Order};

/// Push what was landed, once `push:REMOTE` is approved; or the branches, for a pull request
#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    /// The workflow
    slug: Slug,

    /// Push branches instead of the target, and print the text of the pull request
    #[arg(long, value_name = "WHICH", num_args = 0..=1, default_missing_value = "all")]
    branches: Option<Branches>,

    /// The remote; default: that of the target branch
    #[arg(long)]
    remote: Option<String>,
}

/// Which branches are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Branches {
    /// Those of all integrated packets
    Packets,
    /// The integration branch
    Integration,
    /// Both
    All,
}

pub(super) fn push(context: &Context, args: &PushArgs) -> Result<ExitCode> {
    let slug = &args.slug;
    let state = context.state(slug)?;
    let frozen = state
        .frozen
        .as_ref()
        .ok_or_else(|| usage("the plan is not frozen", format!("dynwf split {slug}")))?;
    let wanted = match args.branches {
        Some(which) => branches(&state, which)?,
        None => match landed(&state)? {
            Ok(landed) => vec![(frozen.target.clone(), landed)],
            Err(code) => return Ok(code),
        },
    };
    let remote = context
        .git
        .default_remote(&frozen.target, args.remote.as_deref())?;
    let (binding, ahead) = look_up(context, &state, &remote, &wanted)?;
    if !ahead {
        output::say(&format!("{remote} has all of it already"));
        return finish(&state, args, ExitCode::Done);
    }
    let mut session = context.session(slug)?;
    let order = Order {
        push: Some(binding),
        ..Order::of(Goal::Push)
    };
    let end = drive::drive(context, &mut session, order, true)?;
    match end.code {
        ExitCode::Done => {
            for (name, commit) in &wanted {
                output::answer(&format!("{remote} {} is at {commit}", name.short()))?;
            }
        }
        ExitCode::Waiting => {
            let gate = GateId::push(&remote)?;
            output::say(&format!("gate {gate} waits: dynwf approve {slug} {gate}"));
        }
        _ => {}
    }
    finish(session.state(), args, end.code)
}

fn finish(state: &RunState, args: &PushArgs, code: ExitCode) -> Result<ExitCode> {
    if args.branches.is_some() && code == ExitCode::Done {
        output::answer(&pull_request::render(&requests(state, args)))?;
    }
    Ok(code)
}

/// One text a packet where packets are pushed, and one for the whole where the integration branch is.
fn requests(state: &RunState, args: &PushArgs) -> Vec<PullRequest> {
    let now = Timestamp::now();
    let integrated = state.integrated();
    let mut requests = Vec::new();
    if args.branches != Some(Branches::Integration) {
        requests.extend(
            state
                .in_plan_order()
                .filter(|(id, _)| integrated.contains(id))
                .filter_map(|(id, _)| pull_request::of_packet(state, id, now)),
        );
    }
    if args.branches != Some(Branches::Packets) {
        requests.push(pull_request::of_workflow(state, now));
    }
    requests
}

/// The commit that was landed; or the exit code where landing must come first.
fn landed(state: &RunState) -> Result<std::result::Result<CommitId, ExitCode>> {
    let integrated = state
        .integration
        .as_ref()
        .map(|integration| &integration.commit);
    if let Some(landed) = &state.landed
        && Some(landed) == integrated
    {
        return Ok(Ok(landed.clone()));
    }
    let slug = &state.slug;
    let gate = GateId::land();
    if state.waits_at(&gate) {
        output::say(&format!(
            "gate land waits: dynwf approve {slug} land, then dynwf land {slug}"
        ));
        return Ok(Err(ExitCode::Waiting));
    }
    if state.is_approved(&gate) {
        return Err(Failure::new(
            ExitCode::Waiting,
            "the landing is approved, and not done yet",
        )
        .hint(format!("dynwf land {slug}"))
        .into());
    }
    Err(usage(
        format!("nothing of {slug} is landed, so there is nothing to push"),
        format!(
            "dynwf run {slug} goes on; dynwf push {slug} --branches pushes branches for a pull request"
        ),
    ))
}

fn branches(state: &RunState, which: Branches) -> Result<Vec<(RefName, CommitId)>> {
    let slug = &state.slug;
    let integrated = state.integrated();
    let mut wanted = Vec::new();
    if which != Branches::Integration {
        wanted.extend(state.in_plan_order().filter_map(|(id, packet)| {
            let tip = packet.branch.clone().filter(|_| integrated.contains(id))?;
            Some((slug.branch(id), tip))
        }));
    }
    if which != Branches::Packets
        && let Some(integration) = &state.integration
        && !integration.merged.is_empty()
    {
        wanted.push((slug.integration_branch(), integration.commit.clone()));
    }
    if wanted.is_empty() {
        return Err(usage(
            format!("nothing of {slug} is integrated, so there is no branch to push"),
            format!("dynwf run {slug} goes on"),
        ));
    }
    Ok(wanted)
}

/// Asks the remote where its refs stand, and returns what a push would do, and whether it would do anything.
fn look_up(
    context: &Context,
    state: &RunState,
    remote: &str,
    wanted: &[(RefName, CommitId)],
) -> Result<(Binding, bool)> {
    let git = &context.git;
    let names: Vec<RefName> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let there = git.remote_refs(remote, &names)?;
    let mut updates = Vec::new();
    let mut diff = String::new();
    for ((name, new), old) in wanted.iter().zip(there) {
        if let Some(old) = &old {
            fast_forward_only(context, remote, name, old, new)?;
            if old != new && wanted.len() == 1 {
                diff = git.changes_digest(&git.tree_of(old)?, &git.tree_of(new)?)?;
            }
        }
        updates.push(RefUpdate {
            name: name.clone(),
            old,
            new: Some(new.clone()),
        });
    }
    let ahead = updates.iter().any(|update| update.old != update.new);
    let repository = state
        .frozen
        .as_ref()
        .map_or("", |frozen| frozen.repository.as_str());
    let policy = context.config.gate.policy();
    let url = git.remote_url(remote)?;
    Ok((
        binding_for_push(repository, &policy, remote, &url, updates, diff),
        ahead,
    ))
}

fn fast_forward_only(
    context: &Context,
    remote: &str,
    name: &RefName,
    old: &CommitId,
    new: &CommitId,
) -> Result<()> {
    let git = &context.git;
    let known = git.resolve(old.as_str())?.is_some();
    if known && git.is_ancestor(old, new)? {
        return Ok(());
    }
    Err(usage(
        format!(
            "{} of {remote} is at {}, which {} does not contain; dynwf never pushes by force",
            name.short(),
            old.short(),
            new.short()
        ),
        if known {
            format!("bring it into {} first", name.short())
        } else {
            format!(
                "git fetch {remote}, bring it into {} and land again",
                name.short()
            )
        },
    ))
}
