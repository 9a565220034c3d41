//! What dynwf made and may have been left behind: worktrees, staging folders, trash. Looks, and clears what is told.
//!
//! Which of it is still needed only the journals know: the caller compares. Called by `dynwf prune` and
//! `dynwf doctor`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::disk::{self, Identity};
use super::place::Record;
use super::remove::move_to_trash;
use crate::git::Git;
use crate::model::id::CommitId;
use crate::model::packet::Workspace;

/// A worktree that dynwf made, by the record in its administrative folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The name of its administrative folder: `<slug>.<packet>`.
    pub name: String,
    /// The workspace.
    pub workspace: Workspace,
    /// The commit that it was filled from.
    pub commit: CommitId,
}

/// A folder in which a workspace was being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The folder.
    pub path: PathBuf,
    /// The name that the administrative folder was to get.
    pub name: String,
    /// The process that made it.
    pub pid: Option<u32>,
}

/// Returns the worktrees that dynwf made, sorted by name. Worktrees of other makers are not among them.
///
/// # Errors
/// If the folder of worktrees is there and cannot be read.
pub fn made(git: &Git) -> Result<Vec<Made>> {
    let mut all = Vec::new();
    for (name, path) in entries(&git.common_dir().join("worktrees"))? {
        let Some(record) = Record::read(&path) else {
            continue;
        };
        let Some(work) = work_of(&path) else {
            continue;
        };
        let Identity { device, inode } = record.identity;
        all.push(Made {
            name,
            workspace: Workspace {
                path: work.display().to_string(),
                admin: path.display().to_string(),
                device,
                inode,
            },
            commit: record.commit,
        });
    }
    Ok(all)
}

/// Returns the staging folders, sorted by name. One of a dynwf that runs is among them.
///
/// # Errors
/// If dynwf's folder is there and cannot be read.
pub fn stages(git: &Git) -> Result<Vec<Stage>> {
    let all = entries(&git.common_dir().join("dynwf"))?.into_iter();
    Ok(all
        .filter_map(|(name, path)| {
            let rest = name.strip_prefix("stage.")?;
            let (name, maker) = rest.split_once('~').unwrap_or((rest, ""));
            let pid = maker.split('-').next().and_then(|pid| pid.parse().ok());
            Some(Stage {
                name: name.to_owned(),
                path,
                pid,
            })
        })
        .collect())
}

/// Deletes a staging folder whose maker is dead, and the half-filled directory if it is the recorded one.
///
/// # Errors
/// If something cannot be moved or deleted.
pub fn clear_stage(stage: &Stage) -> Result<()> {
    let recorded = Record::read(&stage.path).map(|record| record.identity);
    // A folder lent for a rescue names no directory of its own, and has no record.
    if let (Some(recorded), Some(work)) = (recorded, work_of(&stage.path))
        && disk::directory_at(&work)? == Some(recorded)
    {
        let away = move_to_trash(&work, &stage.name)?;
        // What cannot be deleted now stays in the trash.
        let _ = disk::delete_tree(&away);
        let _ = away.parent().map(fs::remove_dir);
    }
    disk::delete_tree(&stage.path)
}

/// Returns how much lies in the trash folders that belong to a workspace at this path: entries, not bytes.
///
/// # Errors
/// If one of them is there and cannot be read.
pub fn in_trash(git: &Git, workspace_path: &Path) -> Result<usize> {
    let beside = workspace_path
        .parent()
        .map_or_else(PathBuf::new, |parent| parent.join(".trash"));
    let common = git.common_dir().join("dynwf/trash");
    Ok(entries(&common)?.len() + entries(&beside)?.len())
}

/// The directory of a worktree, as its administrative folder names it.
fn work_of(folder: &Path) -> Option<PathBuf> {
    let text = disk::read_text(&folder.join("gitdir"))?;
    Path::new(text.trim_end_matches('\n'))
        .parent()
        .map(Path::to_path_buf)
}

/// The names and paths in a folder, sorted; none if it is not there. Names that are not UTF-8 are nobody's of ours.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let found = match fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", folder.display())),
    };
    let mut all = Vec::new();
    for entry in found {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        if let Ok(name) = entry.file_name().into_string() {
            all.push((name, entry.path()));
        }
    }
    all.sort();
    Ok(all)
}
