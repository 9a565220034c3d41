//! `.worktreeinclude`: files that git does not know but every workspace needs (`.env`, local settings).

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::disk;
use super::names::{is_dot_git, link_trouble};
use super::place::Place;
use super::survey::{ignored, nul_split};
use crate::git::Git;
use crate::model::packet::Workspace;
use crate::model::path::RepoPath;

/// The file with the patterns, at the top of the main work tree, in the syntax of `.gitignore`.
const PATTERNS: &str = ".worktreeinclude";

/// Copies the ignored files of the work tree `from` (whose index is the common directory's: the user's main
/// work tree) that match its `.worktreeinclude` into a workspace, sharing blocks where the file system can.
/// Files that are not ignored are not copied: the collector would take them for the packet's work. What the
/// workspace has already is left as it is, so that doing it again changes nothing. Returns what was not copied
/// and why, one line each.
///
/// # Errors
/// If git cannot list the files, or one cannot be copied.
pub fn copy_included(git: &Git, from: &Path, workspace: &Workspace) -> Result<Vec<String>> {
    let patterns = from.join(PATTERNS);
    if !fs::symlink_metadata(&patterns).is_ok_and(|meta| meta.is_file()) {
        return Ok(Vec::new());
    }
    let place = Place::open(git, workspace)?;
    let listed = git
        .command_in(git.common_dir(), from)
        .args(["ls-files", "-z", "-o", "-i", "--exclude-from"])
        .arg(&patterns)
        .ok()
        .with_context(|| format!("listing what {} names", patterns.display()))?;
    let candidates: Vec<&[u8]> = nul_split(&listed)
        .filter(|path| *path != PATTERNS.as_bytes())
        .collect();
    let hidden = not_tracked_by_anyone(git, from, &candidates)?;
    let mut notes = Vec::new();
    for path in candidates {
        let why = if path.ends_with(b"/") || path.split(|&byte| byte == b'/').any(is_dot_git) {
            Some("a repository of its own")
        } else if !hidden.contains(path) {
            Some("not ignored, so it would be taken for the packet's work")
        } else {
            copy(from, &place.work, path)?
        };
        if let Some(why) = why {
            notes.push(format!(
                "{PATTERNS}: {} is not copied: {why}",
                RepoPath::new(path)
            ));
        }
    }
    Ok(notes)
}

/// Those of `paths` that the work tree `from` ignores.
fn not_tracked_by_anyone(git: &Git, from: &Path, paths: &[&[u8]]) -> Result<HashSet<Vec<u8>>> {
    if paths.is_empty() {
        return Ok(HashSet::new());
    }
    let main = Place {
        git,
        work: from.to_path_buf(),
        admin: git.common_dir().to_path_buf(),
        recorded: disk::directory_at(from)?.context("the main work tree is gone")?,
        head: super::place::Head::Detached,
        extent: super::place::Extent::Full,
    };
    ignored(
        &main,
        &git.common_dir().join("index"),
        paths.iter().copied(),
    )
}

/// Copies one file or link; returns why not, if not.
fn copy(from: &Path, to: &Path, path: &[u8]) -> Result<Option<&'static str>> {
    let relative = disk::os_path(path);
    let (source, target) = (from.join(&relative), to.join(&relative));
    if disk::exists(&target)? {
        return Ok(None);
    }
    let meta = match fs::symlink_metadata(&source) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("looking at {}", source.display()))?,
    };
    let link = if meta.is_symlink() {
        let link =
            fs::read_link(&source).with_context(|| format!("reading {}", source.display()))?;
        if link_trouble(path, link.as_os_str().as_bytes()).is_some() {
            return Ok(Some("a symbolic link that leads out"));
        }
        Some(link)
    } else if meta.is_file() {
        None
    } else {
        return Ok(Some("no regular file"));
    };
    if !make_parents(to, &relative)? {
        return Ok(Some("a file or a link of the workspace lies in its way"));
    }
    let copied = match link {
        Some(link) => std::os::unix::fs::symlink(link, &target),
        None => disk::copy_file(&source, &half(&target), false)
            .and_then(|()| fs::rename(half(&target), &target)),
    };
    copied.with_context(|| format!("copying {} to {}", source.display(), target.display()))?;
    Ok(None)
}

/// Where a copy grows: a kill must not leave half a file under its name. Of an earlier try nothing is kept.
fn half(target: &Path) -> PathBuf {
    disk::with_suffix(target, ".dynwf-part")
}

/// Makes the directories above `relative` in `to`; `false` if something else than a directory is in the way.
fn make_parents(to: &Path, relative: &Path) -> Result<bool> {
    let mut directory = to.to_path_buf();
    for part in relative.parent().into_iter().flat_map(Path::components) {
        directory.push(part);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if disk::directory_at(&directory)?.is_none() {
                    return Ok(false);
                }
            }
            other => other.with_context(|| format!("making {}", directory.display()))?,
        }
    }
    disk::remove_if_there(&half(&to.join(relative)))?;
    Ok(true)
}
