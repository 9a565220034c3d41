//! Taking a workspace away, and saying whether it is still what was made.
//!
//! Only the very directory that was made is touched, by device and inode. It is renamed into a trash directory
//! beside it, looked at again, and deleted later ([`empty_trash`]): freshly freed inodes slow the next creation
//! down on ext4. Never `git worktree remove`, never `git worktree prune` for the whole repository.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::disk::{self, Identity, Rights};
use super::place::unfinished;
use super::place::{self, Record};
use crate::error::Failure;
use crate::git::Git;
use crate::model::packet::Workspace;

/// What can be said of a workspace from plain files, without a git process and without a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What is wrong with it, in words; `None` if it is what was made.
    pub trouble: Option<String>,
    /// What HEAD is: a full ref name or a commit id; `None` if it cannot be read (or lies in a reftable).
    pub head: Option<String>,
    /// Which of git's longer operations (a merge, a rebase) are under way.
    pub unfinished: Vec<&'static str>,
}

/// Returns the facts of a workspace; for `status` and `prune`.
pub fn read_only_facts(workspace: &Workspace) -> Facts {
    let admin = Path::new(&workspace.admin);
    let head = disk::read_text(&admin.join("HEAD"))
        .map(|text| text.trim_end().trim_start_matches("ref: ").to_owned())
        .filter(|text| text != "refs/heads/.invalid");
    Facts {
        trouble: trouble(workspace),
        head,
        unfinished: unfinished(admin),
    }
}

/// Whether the directory is the one that was made and still a worktree of its administrative folder.
pub fn is_intact(workspace: &Workspace) -> bool {
    trouble(workspace).is_none()
}

fn trouble(workspace: &Workspace) -> Option<String> {
    let (work, admin) = (Path::new(&workspace.path), Path::new(&workspace.admin));
    match disk::directory_at(work) {
        Err(error) => return Some(format!("{error:#}")),
        Ok(None) => return Some(format!("{} is gone or no directory", work.display())),
        Ok(Some(found)) if found != identity(workspace) => {
            return Some(format!(
                "{} is not the directory that was made",
                work.display()
            ));
        }
        Ok(Some(_)) => {}
    }
    if Record::read(admin).is_none() {
        return Some(format!("{} is gone or is not dynwf's", admin.display()));
    }
    if !place::names(work, admin) {
        return Some(format!("{}/.git was replaced", work.display()));
    }
    None
}

fn identity(workspace: &Workspace) -> Identity {
    Identity {
        device: workspace.device,
        inode: workspace.inode,
    }
}

/// Takes a workspace away: into the trash, and out of git's list of worktrees. What would be lost must have
/// been rescued, and its units must be dead. Doing it again changes nothing. Files are deleted by
/// [`empty_trash`]. The caller must not hold the common lock.
///
/// # Errors
/// If another directory (or a link) lies in its place: then nothing is touched.
pub fn remove(git: &Git, workspace: &Workspace) -> Result<()> {
    let work = Path::new(&workspace.path);
    if disk::exists(work)? {
        put_away(work, identity(workspace))?;
    }
    let admin = PathBuf::from(&workspace.admin);
    let worktrees = git.common_dir().join("worktrees");
    if admin.parent() != Some(worktrees.as_path()) {
        bail!(
            "{} is no administrative folder of this repository",
            admin.display()
        );
    }
    let rights = Rights::like(git.common_dir())?;
    let trash = git.common_dir().join("dynwf/trash");
    {
        let _lock = disk::lock(git.common_dir(), rights)?;
        // Only if it is ours: git may have pruned it and given the name to somebody else.
        let ours =
            Record::read(&admin).is_some_and(|record| record.identity == identity(workspace));
        if ours {
            rights.ensure_dir(&trash)?;
            let name = admin.file_name().unwrap_or_default().to_string_lossy();
            let away = disk::free_name(&trash, &name)?;
            disk::rename(&admin, &away)?;
            disk::sync_dir(&worktrees)?;
            // What cannot be deleted now stays in the trash.
            let _ = disk::delete_tree(&away);
        }
        // As git does it after its last worktree; fails while others are there.
        let _ = fs::remove_dir(&worktrees);
    }
    Ok(())
}

/// Renames the directory into the trash beside it, if it is the one that was made.
fn put_away(work: &Path, made: Identity) -> Result<()> {
    if disk::directory_at(work)? != Some(made) {
        return Err(Failure::usage(format!(
            "{} is not the directory that dynwf made; it is left alone",
            work.display()
        ))
        .hint("move it away and run the command again")
        .into());
    }
    let name = work
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let away = move_to_trash(work, &name)?;
    if disk::directory_at(&away)? != Some(made) {
        // Swapped between the look and the rename: put it back as it was.
        disk::rename(&away, work)?;
        bail!(
            "{} was replaced while it was removed; it is left alone",
            work.display()
        );
    }
    disk::sync_parent(work)
}

/// Renames `work` into the trash beside it and returns its new path. The trash may be emptied, and so vanish,
/// at the same moment; and a directory that is not writable cannot change its parent.
pub(super) fn move_to_trash(work: &Path, name: &str) -> Result<PathBuf> {
    let mut tries = 0;
    loop {
        let away = disk::free_name(&place::trash_beside(work)?, name)?;
        tries += 1;
        match fs::rename(work, &away) {
            Ok(()) => return Ok(away),
            Err(error) if error.kind() == ErrorKind::PermissionDenied && tries < 10 => {
                disk::make_writable(work)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 10 => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("renaming {} to {}", work.display(), away.display()));
            }
        }
    }
}

/// Deletes what was taken away: the trash beside this workspace path, and the one in the common directory.
/// The directories that held workspaces go too if nothing is left in them. Best at the end of a run.
///
/// # Errors
/// If something cannot be deleted; it stays in the trash.
pub fn empty_trash(git: &Git, workspace_path: &Path) -> Result<()> {
    empty_directory(&git.common_dir().join("dynwf/trash"))?;
    let Some(parent) = workspace_path.parent() else {
        return Ok(());
    };
    let beside = parent.join(".trash");
    empty_directory(&beside)?;
    // Fails if something has just been put there.
    let _ = fs::remove_dir(&beside);
    // `<repo>.dynwf/<slug>`: ours by their names; each goes only if it is empty.
    if let Some(above) = parent.parent()
        && above.extension().is_some_and(|end| end == "dynwf")
        && fs::remove_dir(parent).is_ok()
    {
        let _ = fs::remove_dir(above);
    }
    Ok(())
}

fn empty_directory(trash: &Path) -> Result<()> {
    if disk::directory_at(trash)?.is_none() {
        return Ok(());
    }
    let context = || format!("emptying the trash {}", trash.display());
    for entry in fs::read_dir(trash).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.file_type().with_context(context)?.is_dir() {
            disk::delete_tree(&entry.path()).with_context(context)?;
        } else {
            disk::remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}
