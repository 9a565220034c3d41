//! Finds what a unit without a sandbox changed where it had no business: the person's checkout, refs, idle
//! workspaces of other packets.
//!
//! Nothing is stopped here, only seen: what changed while the unit ran, by the time that the kernel stamps on
//! every change (a program cannot set that one back). Before the unit little more than the refs is noted; after
//! it, every tracked file is looked at once with lstat. A person who works meanwhile changes things too, so the
//! words blame nobody. Copies of what was changed are kept aside, never merged.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::disk;
use super::index::{self, Parsed};
use super::survey::{nul_joined, nul_split};
use crate::git::{CommitSpec, Git, RefMove};
use crate::model::id::RefName;
use crate::model::op::RefUpdate;
use crate::model::packet::Workspace;
use crate::model::path::RepoPath;

/// How many paths of one place are named, and how many copies are kept.
const NAMED: usize = 200;

/// The largest file of which a copy is kept, in bytes, and how much is kept together.
const COPY: u64 = 4 << 20;
const COPIES: u64 = 64 << 20;

/// The folder in a checkout that dynwf itself writes while units run.
const FACE: &[u8] = b".workflow";

/// How things stood before a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// When it began, by the clock that stamps files: seconds and nanoseconds.
    since: (i64, i64),
    /// All refs that are not dynwf's.
    refs: BTreeMap<String, String>,
    places: Vec<Watched>,
}

/// A directory that is not the unit's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    /// In words.
    name: String,
    work: PathBuf,
    git_dir: PathBuf,
    head: String,
}

/// Notes how things stand. `idle` are workspaces in which nobody works.
///
/// # Errors
/// If git or the file system fails.
pub fn watch(git: &Git, idle: &[(String, Workspace)]) -> Result<Watch> {
    let mut places = Vec::new();
    if let Some(main) = git.main_work_tree() {
        places.push(Watched::new("your checkout", main, git.common_dir()));
    }
    places.extend(idle.iter().map(|(name, workspace)| {
        let name = format!("the workspace of {name}");
        Watched::new(
            &name,
            Path::new(&workspace.path),
            Path::new(&workspace.admin),
        )
    }));
    let folder = git.common_dir().join("dynwf");
    let stamp = tempfile::tempfile_in(&folder)
        .and_then(|file| file.metadata())
        .with_context(|| format!("writing in {}", folder.display()))?;
    Ok(Watch {
        since: (stamp.ctime(), stamp.ctime_nsec()),
        refs: refs(git)?,
        places,
    })
}

impl Watched {
    fn new(name: &str, work: &Path, git_dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            work: work.to_owned(),
            git_dir: git_dir.to_owned(),
            head: head(git_dir),
        }
    }
}

fn head(git_dir: &Path) -> String {
    disk::read_text(&git_dir.join("HEAD")).unwrap_or_default()
}

fn refs(git: &Git) -> Result<BTreeMap<String, String>> {
    let text = git
        .command()
        .args(["for-each-ref", "--format=%(objectname) %(refname)"])
        .text()?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .filter(|(_, name)| {
            !name.starts_with("refs/dynwf/") && !name.starts_with("refs/heads/dynwf/")
        })
        .map(|(id, name)| (name.to_owned(), id.to_owned()))
        .collect())
}

impl Watch {
    /// Returns what changed since, one line each, and keeps copies of changed files in `aside`.
    ///
    /// # Errors
    /// If git fails or copies cannot be written.
    pub fn strays(&self, git: &Git, aside: &Path) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let left = refs(git)?;
        for (name, now) in &left {
            match self.refs.get(name) {
                Some(before) if before == now => {}
                Some(_) => lines.push(format!("{name} was moved")),
                None => lines.push(format!("{name} was made")),
            }
        }
        let gone = self.refs.keys().filter(|name| !left.contains_key(*name));
        lines.extend(gone.map(|name| format!("{name} was deleted")));
        let mut room = COPIES;
        for (number, place) in self.places.iter().enumerate() {
            let moved = head(&place.git_dir) != place.head;
            if moved {
                lines.push(format!("{}: another branch was checked out", place.name));
            }
            let changed = self.changed(git, place)?;
            for path in changed.iter().take(NAMED) {
                lines.push(format!("{}: {}", place.name, RepoPath::new(path.clone())));
                let to = aside.join(number.to_string());
                keep(&place.work, path, &to, &mut room)?;
            }
            if changed.len() > NAMED {
                lines.push(format!("{}: {} more", place.name, changed.len() - NAMED));
            }
        }
        Ok(lines)
    }

    fn is_since(&self, meta: &Metadata) -> bool {
        (meta.ctime(), meta.ctime_nsec()) >= self.since
    }

    /// The paths that changed in a place: tracked files, and new ones beside them that are not ignored.
    fn changed(&self, git: &Git, place: &Watched) -> Result<Vec<Vec<u8>>> {
        let tracked = tracked(git, place)?;
        let mut folders: BTreeMap<&[u8], bool> = BTreeMap::from([(&b""[..], false)]);
        for path in &tracked {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            folders.extend(ends.map(|(end, _)| (&path[..end], false)));
        }
        for (folder, touched) in &mut folders {
            let meta = place
                .work
                .join(OsStr::from_bytes(folder))
                .symlink_metadata();
            *touched = meta.map_or(true, |meta| !meta.is_dir() || self.is_since(&meta));
        }
        let mut changed = Vec::new();
        for path in &tracked {
            let folder = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            match place.work.join(OsStr::from_bytes(path)).symlink_metadata() {
                Ok(meta) if self.is_since(&meta) && !meta.is_dir() => changed.push(path.clone()),
                // One that was missing before tells nothing, unless its folder changed.
                Err(_) if folders.get(&path[..folder]) == Some(&true) => changed.push(path.clone()),
                _ => {}
            }
        }
        let touched = folders.iter().filter(|(_, touched)| **touched);
        let touched: Vec<&[u8]> = touched.map(|(folder, _)| *folder).collect();
        let known = |path: &[u8]| tracked.contains(path) || folders.contains_key(path);
        let new = self.new_in(place, &touched, &known);
        changed.extend(not_ignored(git, place, new)?);
        Ok(changed)
    }

    /// What is new in folders that were changed.
    fn new_in(
        &self,
        place: &Watched,
        folders: &[&[u8]],
        known: &dyn Fn(&[u8]) -> bool,
    ) -> Vec<Vec<u8>> {
        let mut new = Vec::new();
        for folder in folders {
            let entries = fs::read_dir(place.work.join(OsStr::from_bytes(folder)));
            for entry in entries.into_iter().flatten().flatten() {
                let name = entry.file_name();
                let mut path = folder.to_vec();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name.as_bytes());
                let is_ours = path == b".git" || path == FACE;
                let is_since = entry.metadata().is_ok_and(|meta| self.is_since(&meta));
                if is_since && !is_ours && !known(&path) {
                    new.push(path);
                }
            }
        }
        new
    }
}

/// The paths in a place's index.
fn tracked(git: &Git, place: &Watched) -> Result<BTreeSet<Vec<u8>>> {
    let file = place.git_dir.join("index");
    if !file.exists() {
        return Ok(BTreeSet::new());
    }
    // The length of an id does not matter for names in a repository that libgit2 can open.
    let id_bytes = if git.program_only() { 0 } else { 20 };
    if id_bytes > 0
        && let Ok(Parsed::Index(index)) = index::read(&file, id_bytes)
    {
        let paths = index
            .entries
            .into_iter()
            .filter(|entry| !entry.skip_worktree);
        return Ok(paths.map(|entry| entry.path).collect());
    }
    let listed = git
        .command_in(&place.git_dir, &place.work)
        .args(["ls-files", "-z"])
        .ok()?;
    Ok(nul_split(&listed).map(<[u8]>::to_vec).collect())
}

fn not_ignored(git: &Git, place: &Watched, paths: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    if paths.is_empty() {
        return Ok(paths);
    }
    let output = git
        .command_in(&place.git_dir, &place.work)
        .args(["check-ignore", "-z", "--stdin"])
        .stdin(nul_joined(paths.iter().map(Vec::as_slice)))
        .run()?;
    let ignored: BTreeSet<&[u8]> = nul_split(&output.stdout).collect();
    Ok(paths
        .into_iter()
        .filter(|path| !ignored.contains(path.as_slice()))
        .collect())
}

/// Copies a regular file, while there is room.
fn keep(work: &Path, path: &[u8], to: &Path, room: &mut u64) -> Result<()> {
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
