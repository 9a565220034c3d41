//! `dynwf prune`: what killed runs and old workflows left, explained and taken away.
//!
//! Only what dynwf itself made, by its own records; only while nobody works on it (the workflow's lock is taken); and
//! nothing before what it holds is on a rescue ref. Never `git worktree prune`, which would judge other worktrees too.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Serialize;

use super::context::Context;
use super::{confirm, output};
use crate::error::ExitCode;
use crate::git::wait_for_effects;
use crate::journal::Journal;
use crate::model::id::Slug;
use crate::model::state::RunState;
use crate::model::unit::WorkspaceName;
use crate::report::json;
use crate::workspace::{self, Caps, Made, Stage};

/// Take away what killed runs and closed workflows left behind: each case explained, nothing lost
///
/// Looks for worktrees of dynwf that no workflow knows any more, half-made ones, trash that could not be deleted, and
/// marks of git processes that have ended. What an abandoned worktree holds is put on a rescue ref first. Worktrees,
/// branches and files that are not dynwf's are never touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf prune --dry-run     what there is, and why it can go
  dynwf prune               asks, and takes it away
  dynwf rescue              what was rescued")]
pub(super) struct PruneArgs {
    /// Show what there is, and leave it
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Machine-readable, for scripts; changes nothing
    #[arg(long, conflicts_with = "yes")]
    json: bool,
}

/// Something that was left behind.
#[derive(Serialize)]
pub(super) struct Case {
    kind: &'static str,
    path: PathBuf,
    why: String,
    #[serde(skip)]
    left: Left,
}

/// What it is.
enum Left {
    Orphan(Made),
    Stage(Stage),
    Trash(PathBuf),
    Effects,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.path.display(), self.why)
    }
}

pub(super) fn prune(context: &Context, args: &PruneArgs) -> Result<ExitCode> {
    let cases = cases(context)?;
    if args.json {
        output::answer(&json::document(&serde_json::json!({"cases": cases})))?;
        return Ok(ExitCode::Done);
    }
    if cases.is_empty() {
        output::say("nothing is left behind");
        return Ok(ExitCode::Done);
    }
    for case in &cases {
        output::answer(&crate::model::path::printable(&case.to_string()))?;
    }
    if args.dry_run {
        return Ok(ExitCode::Done);
    }
    confirm::confirm("Take all of this away?", "yes", args.yes)?;
    let mut well = true;
    for case in &cases {
        match take_away(context, case) {
            Ok(lines) => lines.iter().for_each(|line| output::say(line)),
            Err(error) => {
                well = false;
                output::say(&format!("{} stays: {error:#}", case.path.display()));
            }
        }
    }
    Ok(if well {
        ExitCode::Done
    } else {
        ExitCode::PacketsFailed
    })
}

/// Returns what was left behind. Changes nothing.
pub(super) fn cases(context: &Context) -> Result<Vec<Case>> {
    let git = &context.git;
    let mut cases = Vec::new();
    for made in workspace::made(git)? {
        if let Some(why) = orphaned(context, &made) {
            cases.push(Case {
                kind: "worktree",
                path: PathBuf::from(&made.workspace.path),
                why,
                left: Left::Orphan(made),
            });
        }
    }
    for stage in workspace::stages(git)? {
        if is_alive(stage.pid)
            || workflow_of(&stage.name).is_some_and(|slug| in_use(context, &slug))
        {
            continue;
        }
        cases.push(Case {
            kind: "half-made worktree",
            path: stage.path.clone(),
            why: "the dynwf that made it was killed; no agent was in it yet".to_owned(),
            left: Left::Stage(stage),
        });
    }
    cases.extend(trash(context)?);
    let effects = git.effects_folder();
    let ended = ended_effects(&effects);
    if ended > 0 {
        cases.push(Case {
            kind: "marks",
            path: effects,
            why: format!("{ended} of git processes that have ended"),
            left: Left::Effects,
        });
    }
    Ok(cases)
}

/// Why a worktree belongs to nobody; nothing if it belongs to somebody, or that cannot be said.
fn orphaned(context: &Context, made: &Made) -> Option<String> {
    let slug = workflow_of(&made.name)?;
    // Damaged or newer: what it knows is not known.
    let state = context.store.read(&slug).ok()?;
    let Some(state) = state else {
        return Some(format!("there is no workflow {slug}"));
    };
    if in_use(context, &slug) {
        return None;
    }
    unknown_to(&state, made)
}

fn unknown_to(state: &RunState, made: &Made) -> Option<String> {
    if is_known_to(state, made) {
        return None;
    }
    if state.archived {
        return Some(format!("workflow {} is archived", state.slug));
    }
    // A run that was killed goes on with what it had begun.
    state
        .ops
        .is_empty()
        .then(|| format!("workflow {} does not use it any more", state.slug))
}

/// Whether a workflow uses a worktree now.
pub(super) fn is_known_to(state: &RunState, made: &Made) -> bool {
    let admin = &made.workspace.admin;
    let of_packets = state
        .packets
        .values()
        .filter_map(|packet| packet.workspace.as_ref());
    let of_integration = state
        .integration
        .iter()
        .filter_map(|integration| integration.workspace.as_ref());
    of_packets
        .chain(of_integration)
        .any(|known| &known.admin == admin)
}

fn trash(context: &Context) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    let mut slugs = context.store.workflows()?;
    // The trash in the common directory is there without any workflow, too.
    slugs.extend("any".parse::<Slug>());
    for slug in slugs {
        let path = context.sites(&slug)?.path(&WorkspaceName::Integration, 1);
        let path = PathBuf::from(path);
        let count = workspace::in_trash(&context.git, &path)?;
        let folder = path
            .parent()
            .map_or_else(PathBuf::new, |parent| parent.join(".trash"));
        let folder = if folder.exists() {
            folder
        } else {
            context.git.common_dir().join("dynwf/trash")
        };
        if count == 0 || cases.iter().any(|case| case.path == folder) {
            continue;
        }
        cases.push(Case {
            kind: "trash",
            path: folder,
            why: format!("{count} taken away before, and not deleted yet"),
            left: Left::Trash(path),
        });
    }
    Ok(cases)
}

/// How many of the marks belong to no process any more: nobody holds their lock.
fn ended_effects(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| File::open(entry.path()).ok())
        .filter(|file| file.try_lock().is_ok())
        .count()
}

pub(super) fn workflow_of(name: &str) -> Option<Slug> {
    let name = name.strip_prefix("rescue.").unwrap_or(name);
    name.split_once('.')?.0.parse().ok()
}

fn in_use(context: &Context, slug: &Slug) -> bool {
    // If it cannot be asked for, somebody may have it.
    context.store.is_held(slug).unwrap_or(true)
}

fn is_alive(pid: Option<u32>) -> bool {
    pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

fn take_away(context: &Context, case: &Case) -> Result<Vec<String>> {
    let git = &context.git;
    let gone = || format!("{} is gone", case.path.display());
    match &case.left {
        Left::Orphan(made) => remove_orphan(context, made),
        Left::Stage(stage) => {
            let _lock = lock_of(context, &stage.name)?;
            workspace::clear_stage(stage)?;
            Ok(vec![gone()])
        }
        Left::Trash(path) => {
            workspace::empty_trash(git, path)?;
            Ok(vec![gone()])
        }
        Left::Effects => {
            wait_for_effects(&case.path, Duration::ZERO)?;
            Ok(vec![format!("{} is empty", case.path.display())])
        }
    }
}

/// The lock of the workflow that a name belongs to, if there is such a workflow.
fn lock_of(context: &Context, name: &str) -> Result<Option<(Journal, RunState)>> {
    match workflow_of(name) {
        Some(slug) if context.store.read(&slug)?.is_some() => {
            Journal::open(&context.store, &slug).map(Some)
        }
        _ => Ok(None),
    }
}

/// Rescues what it holds, then takes it away.
fn remove_orphan(context: &Context, made: &Made) -> Result<Vec<String>> {
    let lock = lock_of(context, &made.name)?;
    // Looked at again: before we had the lock somebody may have taken it up.
    if let Some((_, state)) = &lock
        && unknown_to(state, made).is_none()
    {
        return Ok(vec![format!("{} is in use again", made.workspace.path)]);
    }
    let mut lines = abandon(context, made)?;
    // What cannot be deleted now is a case of its own the next time.
    let _ = workspace::empty_trash(&context.git, Path::new(&made.workspace.path));
    lines.push(format!("{} is gone", made.workspace.path));
    Ok(lines)
}

/// Puts what a worktree holds on a rescue ref and takes it away. Whoever calls this holds the workflow's lock, if
/// there is such a workflow. Returns what was rescued, for people.
pub(super) fn abandon(context: &Context, made: &Made) -> Result<Vec<String>> {
    let slug = workflow_of(&made.name).context("its name names no workflow")?;
    let packet = made.name.split_once('.').map_or("", |(_, packet)| packet);
    let now = Timestamp::now();
    let stamp = now.strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let name = slug.rescue(&packet.replace('.', "-"), &stamp);
    let mut lines = Vec::new();
    let rescued = workspace::rescue(
        &context.git,
        &made.workspace,
        &made.commit,
        &name,
        now,
        Caps::default(),
    )
    .with_context(|| format!("rescuing what {} holds", made.workspace.path))?;
    if let Some(rescued) = rescued {
        if rescued.commit.is_some() {
            lines.push(format!(
                "what it held is on {name}: dynwf rescue show {name}"
            ));
        }
        lines.extend(
            rescued
                .left_out
                .iter()
                .map(|line| format!("  not kept: {line}")),
        );
    }
    workspace::remove(&context.git, &made.workspace)?;
    Ok(lines)
}
