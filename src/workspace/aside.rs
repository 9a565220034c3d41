//! Copies of what a unit may have changed where it had no business: kept aside, and then as a commit that nothing merges.
//!
//! Called by `stray`, and by `runner::around` once all is looked at.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use super::disk;
use crate::git::{CommitSpec, Git, RefMove};
use crate::model::id::RefName;
use crate::model::op::RefUpdate;

/// The largest file of which a copy is kept, in bytes, and how much is kept together.
const COPY: u64 = 4 << 20;
pub(super) const COPIES: u64 = 64 << 20;

/// Copies a regular file, while there is room.
pub(super) fn keep(work: &Path, path: &[u8], to: &Path, room: &mut u64) -> Result<()> {
    let from = work.join(OsStr::from_bytes(path));
    let Ok(meta) = from.symlink_metadata() else {
        return Ok(());
    };
    if !meta.is_file() || meta.len() > COPY || meta.len() > *room {
        return Ok(());
    }
    *room -= meta.len();
    let to = to.join(OsStr::from_bytes(path));
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    disk::remove_if_there(&to)?;
    disk::copy_file(&from, &to, true).with_context(|| format!("copying {}", from.display()))
}

/// Commits the copies in `aside`, so that they are kept as long as the ref is there and can be compared. Nothing is
/// merged. Does nothing where there is no copy. Filters and attributes are not obeyed.
///
/// # Errors
/// If git fails.
pub fn keep_strays(git: &Git, aside: &Path, keep: &RefName, at: Timestamp) -> Result<bool> {
    let mut files = Vec::new();
    list(aside, Path::new(""), &mut files)?;
    if files.is_empty() {
        return Ok(false);
    }
    let mut paths = Vec::new();
    for file in &files {
        paths.extend_from_slice(aside.join(file).as_os_str().as_bytes());
        paths.push(b'\n');
    }
    let hashes = git
        .command()
        .args(["hash-object", "-w", "--no-filters", "--stdin-paths"])
        .stdin(paths)
        .text()?;
    let mut entries = Vec::new();
    for (hash, file) in hashes.lines().zip(&files) {
        entries.extend_from_slice(format!("100644 {hash}\t").as_bytes());
        entries.extend_from_slice(file.as_os_str().as_bytes());
        entries.push(0);
    }
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let index = folder.path().join("index");
    git.command()
        .env("GIT_INDEX_FILE", &index)
        .args(["update-index", "-z", "--index-info"])
        .stdin(entries)
        .ok()?;
    let tree = git
        .command()
        .env("GIT_INDEX_FILE", &index)
        .arg("write-tree")
        .text()?;
    let commit = git.commit(&CommitSpec {
        tree: tree.parse().context("reading the tree of the copies")?,
        parents: Vec::new(),
        message: "dynwf: changed outside of its workspace while a unit ran\n".to_owned(),
        at,
    })?;
    let update = RefUpdate {
        name: keep.clone(),
        old: git.read_ref(keep)?,
        new: Some(commit),
    };
    match git.update_refs(&[update], "dynwf: strays kept")? {
        RefMove::Moved | RefMove::Already => Ok(true),
        RefMove::Refused { name, .. } => bail!("{name} was moved meanwhile"),
    }
}

/// The plain files below a folder that git can name one a line, sorted.
fn list(root: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let folder = root.join(below);
    if !folder.exists() {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in names {
        let path = below.join(&name);
        if root.join(&path).is_dir() {
            list(root, &path, files)?;
        } else if !name.as_bytes().contains(&b'\n') {
            files.push(path);
        }
    }
    Ok(())
}
