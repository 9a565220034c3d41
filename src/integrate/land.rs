//! Landing: the target branch moves to the integrated commit, or nothing changes.
//!
//! A branch that is in use nowhere is moved by compare-and-swap. One that is checked out is moved by
//! `git merge --ff-only --no-overwrite-ignore` in that worktree, which carries unrelated local edits along and
//! refuses where anything, an ignored file too, would be overwritten. Never a reset, never a stash.

use anyhow::{Context as _, Result};

use crate::gate::Approved;
use crate::git::{BranchUse, Git, RefMove, Use};
use crate::model::gate::LandPlan;
use crate::model::id::{CommitId, RefName};
use crate::model::op::{OpOutcome, RefUpdate};
use crate::model::path::printable;

/// Moves the target branch as approved. Doing it again after it was done says that it is done.
///
/// # Errors
/// If git cannot be asked. A target that stands elsewhere, or a worktree in the way, is an outcome.
pub fn land(git: &Git, approved: &Approved<LandPlan>) -> Result<OpOutcome> {
    let plan = approved.transition();
    let Some((target, old, new)) = plan.update() else {
        return Ok(OpOutcome::Refused("the landing names no commit".to_owned()));
    };
    let found = git.read_ref(target)?;
    if found.as_ref() == Some(new) {
        return Ok(OpOutcome::Done);
    }
    if found.as_ref() != old {
        return Ok(moved(target, old, found.as_ref()));
    }
    let uses = git.branch_uses(target)?;
    if let Some(busy) = uses.iter().find(|used| used.how != Use::CheckedOut) {
        return Ok(OpOutcome::Refused(in_the_middle(target, busy)));
    }
    match uses.as_slice() {
        [] => swap(git, target, old, new),
        [only] => fast_forward(git, only, target, old, new),
        [first, second, ..] => Ok(OpOutcome::Refused(format!(
            "{} is checked out twice: in {} and in {}; detach one of them first",
            target.short(),
            first.work_tree.display(),
            second.work_tree.display()
        ))),
    }
}

fn moved(target: &RefName, old: Option<&CommitId>, found: Option<&CommitId>) -> OpOutcome {
    let text = |id: Option<&CommitId>| id.map_or("nothing", CommitId::short).to_owned();
    OpOutcome::Refused(format!(
        "{} moved: it was {} and is {}; `dynwf run` takes that in and asks again",
        target.short(),
        text(old),
        text(found)
    ))
}

fn in_the_middle(target: &RefName, used: &BranchUse) -> String {
    let what = match used.how {
        Use::Rebase => "a rebase",
        Use::Bisect => "a bisect",
        Use::CheckedOut => "a checkout",
    };
    format!(
        "{} is held by {what} in {}; finish or abort that first",
        target.short(),
        used.work_tree.display()
    )
}

fn swap(git: &Git, target: &RefName, old: Option<&CommitId>, new: &CommitId) -> Result<OpOutcome> {
    let update = RefUpdate {
        name: target.clone(),
        old: old.cloned(),
        new: Some(new.clone()),
    };
    Ok(match git.update_refs(&[update], "dynwf land")? {
        RefMove::Moved | RefMove::Already => OpOutcome::Done,
        RefMove::Refused { found, .. } => moved(target, old, found.as_ref()),
    })
}

fn fast_forward(
    git: &Git,
    used: &BranchUse,
    target: &RefName,
    old: Option<&CommitId>,
    new: &CommitId,
) -> Result<OpOutcome> {
    let place = used.work_tree.display();
    let output = git
        .command_in(&used.git_dir, &used.work_tree)
        .args([
            "merge",
            "--ff-only",
            "--no-overwrite-ignore",
            "--quiet",
            "--no-stat",
        ])
        .arg(new.as_str())
        .run()
        .with_context(|| format!("moving {} in {place}", target.short()))?;
    let found = git.read_ref(target)?;
    if found.as_ref() == Some(new) {
        return Ok(OpOutcome::Done);
    }
    if found.as_ref() != old {
        return Ok(moved(target, old, found.as_ref()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<String> = said
        .lines()
        .map(|line| printable(line.trim()).into_owned())
        .filter(|line| !line.is_empty() && line != "Aborting")
        .collect();
    Ok(OpOutcome::Refused(format!(
        "{} is checked out in {place}, and git would not move it there: {}",
        target.short(),
        said.join(" ")
    )))
}
