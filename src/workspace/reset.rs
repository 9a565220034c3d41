//! Makes a workspace hold another commit, in place: much cheaper than making a new one.

use anyhow::{Context as _, Result, bail};

use super::collect::forget_merge;
use super::disk::{self, Rights};
use super::place::{Head, PRIVATE, Place};
use crate::git::Git;
use crate::model::id::CommitId;
use crate::model::packet::Workspace;

/// Makes the files, the index and (if it is detached) HEAD of a workspace those of `to`. Edits and untracked
/// files are thrown away, nested repositories too: rescue them first where they could count. Ignored files
/// stay, because build caches are what makes the next check fast; a check that an ignored file can mislead
/// must clean up after itself. A branch is not moved: of a workspace on a branch, the caller moves it.
///
/// # Errors
/// If the directory is not the one that was made, or git fails.
pub fn reset(git: &Git, workspace: &Workspace, to: &CommitId) -> Result<()> {
    let place = Place::open(git, workspace)?;
    if !place.is_there()? {
        bail!(
            "{} is gone, or is not the directory that was made",
            place.work.display()
        );
    }
    back_to(&place, to)
        .with_context(|| format!("resetting the workspace {} to {to}", place.work.display()))
}

fn back_to(place: &Place<'_>, to: &CommitId) -> Result<()> {
    place.restore_dot_git()?;
    let private = place.private_index(PRIVATE)?;
    place
        .with_index(&private)
        .args([
            "read-tree",
            "--reset",
            "-u",
            "--no-recurse-submodules",
            to.as_str(),
        ])
        .ok()?;
    place.with_index(&private).args(["clean", "-ffdq"]).ok()?;
    place.adopt_index(&private)?;
    set_head(place, to)?;
    forget_merge(&place.admin)?;
    disk::remove_if_there(&place.admin.join(super::place::CONFLICT))
}

/// Puts HEAD where the record says it belongs.
fn set_head(place: &Place<'_>, to: &CommitId) -> Result<()> {
    match &place.head {
        Head::Branch(name) if place.head_now()? != place.head => {
            place
                .command()
                .args(["symbolic-ref", "HEAD", name.as_str()])
                .ok()?;
        }
        Head::Branch(_) => {}
        Head::Detached if place.git.common_dir().join("reftable").is_dir() => {
            place
                .command()
                .args(["update-ref", "--no-deref", "HEAD", to.as_str()])
                .ok()?;
        }
        // Written by hand: a lock that a kill left beside it cannot stop this.
        Head::Detached => {
            disk::remove_if_there(&place.admin.join("HEAD.lock"))?;
            let content = format!("{to}\n");
            Rights::like(place.git.common_dir())?
                .replace(&place.admin.join("HEAD"), content.as_bytes())?;
        }
    }
    Ok(())
}
