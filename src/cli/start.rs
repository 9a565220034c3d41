//! From a plan on disk to a frozen one: everything that can be wrong is found before anything is made.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::output;
use crate::agent::schema::Schema;
use crate::config::Sparse;
use crate::config::problem::Problem;
use crate::error::{Failure, usage};
use crate::integrate;
use crate::model::carve::Carved;
use crate::model::event::{Event, EventKind};
use crate::model::id::{CommitId, RefName, Slug};
use crate::model::path::RepoPath;
use crate::model::plan::{Packet, Plan};
use crate::model::state::RunState;
use crate::plan::carve::Carving;
use crate::plan::order::effective_after;
use crate::plan::parse::{self, Places};
use crate::plan::validate::{self, Surroundings};
use crate::runner::{Session, Update};
use crate::workspace::SparseSpec;

/// A plan that was checked, with what it was checked against.
pub(super) struct Checked {
    pub(super) plan: Plan,
    pub(super) base: CommitId,
    pub(super) target: RefName,
}

/// Reads a plan file.
///
/// # Errors
/// Every problem of its syntax and types, with places.
pub(super) fn read_plan(file: &Path, shown: &str) -> Result<(Plan, Places, Vec<u8>)> {
    let bytes = read_whole(file).map_err(|error| {
        usage(
            format!("cannot read the plan {shown}: {error}"),
            "--from takes a TOML or JSON file; dynwf plan SLUG --task TEXT begins one",
        )
    })?;
    let (plan, places) = parse::parse(&bytes, shown)?;
    Ok((plan, places, bytes))
}

/// The bytes of a file; of standard input where it is called `-`.
fn read_whole(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)?;
    Ok(bytes)
}

/// Checks a plan against the repository; warnings are said, errors are returned all at once.
pub(super) fn check(context: &Context, plan: Plan, places: &Places) -> Result<Checked> {
    check_with(context, plan, places, &[])
}

/// The same where packets add these files, which are not there yet.
pub(super) fn check_with(
    context: &Context,
    plan: Plan,
    places: &Places,
    added: &[RepoPath],
) -> Result<Checked> {
    let (checked, warnings) = look_over(context, plan, places, added)?;
    for warning in warnings {
        output::say(&format!("warning: {warning}"));
    }
    if context.config.workspace.sparse == Sparse::Scope {
        for packet in &checked.plan.packets {
            if let Err(pattern) = SparseSpec::of_scope(&packet.scope, &packet.sources) {
                output::say(&format!(
                    "warning: packet {} gets all files, because `{pattern}` begins in no directory ([workspace] sparse)",
                    packet.id
                ));
            }
        }
    }
    Ok(checked)
}

/// The state that a workflow would begin with now, if a plan lies there and is not frozen yet.
///
/// # Errors
/// Every problem of the plan, with places.
pub(super) fn planned(context: &Context, slug: &Slug) -> Result<Option<RunState>> {
    let file = context.plan_file(slug)?;
    let frozen = |state: &RunState| state.frozen.is_some();
    if !file.exists() || context.store.read(slug)?.as_ref().is_some_and(frozen) {
        return Ok(None);
    }
    let (plan, places, _) = read_plan(&file, &format!(".workflow/{slug}/plan.toml"))?;
    let checked = look_over(context, plan, &places, &[])?.0;
    let mut plan = checked.plan;
    order(&mut plan);
    let mut state = RunState::new(slug.clone());
    state.apply(&Event {
        seq: 1,
        at: Timestamp::now(),
        kind: EventKind::PlanFrozen {
            plan: Box::new(plan),
            tree: context.git.tree_of(&checked.base)?,
            base: checked.base,
            target: checked.target,
            repository: String::new(),
        },
    });
    Ok(Some(state))
}

/// The slugs of the plans that lie below `.workflow/`, in order.
pub(super) fn plans(context: &Context) -> Vec<Slug> {
    let Some(folder) = context.git.face_root().ok() else {
        return Vec::new();
    };
    let mut slugs: Vec<Slug> = std::fs::read_dir(folder.join(".workflow"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    slugs.retain(|slug| context.plan_file(slug).is_ok_and(|file| file.exists()));
    slugs.sort();
    slugs
}

fn look_over(
    context: &Context,
    plan: Plan,
    places: &Places,
    added: &[RepoPath],
) -> Result<(Checked, Vec<Problem>)> {
    let base = base_of(context, &plan, places)?;
    let target = target_of(context, &plan, places)?;
    let tree = context.git.tree_of(&base)?;
    let files: Vec<RepoPath> = context
        .git
        .files(&tree)?
        .into_iter()
        .map(|entry| entry.path)
        .chain(added.iter().cloned())
        .collect();
    let agents = context.config.agent_names();
    let report = validate::validate(
        &plan,
        places,
        &Surroundings {
            files: &files,
            known_agents: &agents,
            head_branch: Some(&target),
        },
    );
    for (index, packet) in plan.packets.iter().enumerate() {
        if let Some(Err(error)) = packet.schema.as_ref().map(Schema::new) {
            let problem = places.problem(&format!("packet[{index}].schema"), format!("{error:#}"));
            return Err(Failure::usage(problem.to_string()).into());
        }
    }
    let warnings = report.into_result()?;
    let checked = Checked { plan, base, target };
    Ok((checked, warnings))
}

/// What a plan without packets begins from, and lands on: the checkout as it stands.
pub(super) fn unplanned(context: &Context, plan: Plan) -> Result<Checked> {
    let base = base_of(context, &plan, &Places::default())?;
    let target = context.git.head_branch()?.ok_or_else(|| {
        usage(
            "HEAD is detached, so there is no branch to land on",
            "git switch NAME checks a branch out",
        )
    })?;
    Ok(Checked { plan, base, target })
}

fn base_of(context: &Context, plan: &Plan, places: &Places) -> Result<CommitId> {
    let rev = plan.base.as_deref().unwrap_or("HEAD");
    match context.git.resolve(rev)? {
        Some(commit) => Ok(commit),
        None if plan.base.is_some() => {
            let problem = places.problem(
                "base",
                format!("`{rev}` names no commit in this repository"),
            );
            Err(Failure::usage(problem.to_string())
                .hint("git branch --all lists what there is")
                .into())
        }
        None => Err(usage(
            "the repository has no commit yet",
            "make a first commit: packets need one to start from",
        )),
    }
}

fn target_of(context: &Context, plan: &Plan, places: &Places) -> Result<RefName> {
    let Some(text) = &plan.integration.target else {
        return context.git.head_branch()?.ok_or_else(|| {
            usage(
                "HEAD is detached, so there is no branch to land on",
                "set `target` in the plan's [integration] table",
            )
        });
    };
    let refuse = |why: String, hint: String| {
        let problem = places.problem("integration.target", why);
        Err(Failure::usage(problem.to_string()).hint(hint).into())
    };
    let target = match validate::target_branch(text) {
        Ok(target) => target,
        Err(why) => {
            let hint = "name a local branch, such as main".to_owned();
            return refuse(format!("`{text}` {why}"), hint);
        }
    };
    if context.git.read_ref(&target)?.is_none() {
        let short = target.short();
        return refuse(
            format!("the branch `{short}` does not exist"),
            format!("git branch {short} creates it"),
        );
    }
    Ok(target)
}

/// Returns the workflow's session with its plan frozen: as it was, or from `.workflow/<slug>/plan.toml`.
pub(super) fn begin(context: &Context, slug: &Slug) -> Result<Session> {
    let known = context
        .store
        .read(slug)?
        .filter(|state| state.frozen.is_some());
    if let Some(state) = known {
        if state.archived {
            return Err(usage(
                format!("workflow {slug} is archived"),
                format!("dynwf plan NEW --from .workflow/{slug}/plan.toml begins a new one"),
            ));
        }
        return context.session(slug);
    }
    let file = context.plan_file(slug)?;
    if !file.exists() {
        context.state(slug)?;
    }
    let (plan, places, _) = read_plan(&file, &format!(".workflow/{slug}/plan.toml"))?;
    let checked = check(context, plan, &places)?;
    names_are_free(context, slug)?;
    context.git.ident()?;
    let mut plan = checked.plan;
    order(&mut plan);
    let mut session = context.session(slug)?;
    let mut ignore = |_: Update<'_>| {};
    session.freeze(plan, checked.base, checked.target, &mut ignore)?;
    Ok(session)
}

/// Returns the workflow's session with the plan of a carved branch frozen, and each packet's share collected.
pub(super) fn begin_carved(
    context: &Context,
    slug: &Slug,
    carving: &Carving,
    carved: Carved,
    target: RefName,
) -> Result<Session> {
    context.git.ident()?;
    let message = |packet: &Packet| integrate::packet_message(slug, packet);
    let mut session = context.session(slug)?;
    let shares = carving.commit(&context.git, Timestamp::now(), message)?;
    let mut plan = carving.cut.plan.clone();
    order(&mut plan);
    let mut ignore = |_: Update<'_>| {};
    session.freeze_carved(plan, carved, shares, target, &mut ignore)?;
    Ok(session)
}

/// Refuses branch names that are taken, before anything is made.
pub(super) fn names_are_free(context: &Context, slug: &Slug) -> Result<()> {
    let blocking = RefName::of_branch("dynwf")?;
    if context.git.read_ref(&blocking)?.is_some() {
        return Err(usage(
            "a branch is called `dynwf`, so that git cannot make branches below `dynwf/`",
            "git branch -m dynwf OTHER-NAME makes room",
        ));
    }
    let by_slug = RefName::of_branch(&format!("dynwf/{slug}"))?;
    let mut taken: Vec<RefName> = context
        .git
        .list_refs(&format!("refs/heads/dynwf/{slug}/"))?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    if context.git.read_ref(&by_slug)?.is_some() {
        taken.push(by_slug);
    }
    if let Some(name) = taken.first() {
        return Err(usage(
            format!("the branch {} exists already", name.short()),
            format!(
                "git branch -m {} OTHER-NAME, or plan under another name than {slug}",
                name.short()
            ),
        ));
    }
    Ok(())
}

/// Writes into the plan what each packet really waits for: `overlap = "serialize"` adds to what it says.
pub(super) fn order(plan: &mut Plan) {
    let after = effective_after(plan);
    for packet in &mut plan.packets {
        if let Some(after) = after.get(&packet.id) {
            packet.after.clone_from(after);
        }
    }
}
