//! Finds what a unit without a sandbox changed where it had no business: the person's checkout, refs, workspaces of
//! other packets.
//!
//! Nothing is stopped here, only seen: what changed while the unit ran, by the time that the kernel stamps on
//! every change (a program cannot set that one back). Before the unit little more than the refs is noted; after
//! it, every tracked file is looked at once with lstat. A person who works meanwhile changes things too, so the
//! words blame nobody. In a workspace in which somebody else works only what that packet may not change is told. Copies
//! of what was changed are kept aside, never merged.

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
use super::place::SEED;
use super::survey::{nul_joined, nul_split};
use crate::git::{CommitSpec, Git, RefMove};
use crate::model::id::{PacketId, RefName};
use crate::model::op::RefUpdate;
use crate::model::packet::Workspace;
use crate::model::path::RepoPath;
use crate::model::scope::Scope;

/// How many paths of one place are named, and how many copies are kept.
const NAMED: usize = 200;

/// The largest file of which a copy is kept, in bytes, and how much is kept together.
const COPY: u64 = 4 << 20;
const COPIES: u64 = 64 << 20;

/// The folder in a checkout that dynwf itself writes while units run.
const FACE: &[u8] = b".workflow";

/// The file in a workspace's administrative folder whose time says when somebody last began or ended there.
const WORKED: &str = "dynwf.worked";

/// How things stood before a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// When it began, by the clock that stamps files: seconds and nanoseconds.
    since: (i64, i64),
    /// All refs that are not dynwf's.
    refs: BTreeMap<String, String>,
    places: Vec<Watched>,
}

/// The workspace of another packet.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// The packet.
    pub packet: PacketId,
    /// Its workspace.
    pub workspace: Workspace,
    /// Whether somebody works in it.
    pub busy: bool,
    /// What the packet may change.
    pub scope: Vec<String>,
}

/// What changed while a unit ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// One line each, for people.
    pub lines: Vec<String>,
    /// The packets in whose workspaces files changed though nobody worked in them.
    pub soiled: Vec<PacketId>,
}

/// A directory that is not the unit's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    /// In words.
    name: String,
    work: PathBuf,
    git_dir: PathBuf,
    head: String,
    /// The packet that works there, if it is a workspace.
    #[serde(default)]
    packet: Option<PacketId>,
    #[serde(default)]
    busy: bool,
    #[serde(default)]
    scope: Vec<String>,
    /// When it was ready, if it was made while the unit ran.
    #[serde(skip)]
    since: Option<(i64, i64)>,
}

/// Notes that somebody begins to work in a workspace, or has just ended: what changes there is no stray.
///
/// # Errors
/// If the note cannot be written.
pub fn note_work(workspace: &Workspace) -> Result<()> {
    let admin = Path::new(&workspace.admin);
    if !admin.is_dir() {
        return Ok(());
    }
    let file = admin.join(WORKED);
    fs::write(&file, "").with_context(|| format!("writing {}", file.display()))
}

/// Notes how things stand.
///
/// # Errors
/// If git or the file system fails.
pub fn watch(git: &Git, siblings: &[Sibling]) -> Result<Watch> {
    let mut places = Vec::new();
    if let Some(main) = git.main_work_tree() {
        places.push(Watched::new("your checkout", main, git.common_dir()));
    }
    places.extend(siblings.iter().map(Watched::of));
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

/// A workspace that was made while the unit ran.
fn made_later(sibling: &Sibling) -> Watched {
    let seed = Path::new(&sibling.workspace.admin).join(SEED);
    let ready = seed.symlink_metadata().ok();
    Watched {
        since: ready.map(|meta| (meta.ctime(), meta.ctime_nsec())),
        ..Watched::of(sibling)
    }
}

fn is_since(meta: &Metadata, since: (i64, i64)) -> bool {
    (meta.ctime(), meta.ctime_nsec()) >= since
}

impl Watched {
    fn of(sibling: &Sibling) -> Self {
        let name = format!("the workspace of {}", sibling.packet);
        let (work, admin) = (&sibling.workspace.path, &sibling.workspace.admin);
        Self {
            busy: sibling.busy,
            packet: Some(sibling.packet.clone()),
            scope: sibling.scope.clone(),
            ..Self::new(&name, Path::new(work), Path::new(admin))
        }
    }

    fn new(name: &str, work: &Path, git_dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            work: work.to_owned(),
            git_dir: git_dir.to_owned(),
            head: head(git_dir),
            packet: None,
            busy: false,
            scope: Vec::new(),
            since: None,
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
    /// Returns what changed since, and keeps copies of changed files in `aside`. `siblings` are the workspaces that
    /// are there now: those that were made since are looked at too.
    ///
    /// # Errors
    /// If git fails or copies cannot be written.
    pub fn strays(&self, git: &Git, aside: &Path, siblings: &[Sibling]) -> Result<Strays> {
        let mut strays = Strays::default();
        let lines = &mut strays.lines;
        let later = siblings.iter().filter(|sibling| {
            let admin = Path::new(&sibling.workspace.admin);
            self.places.iter().all(|place| place.git_dir != admin)
        });
        let places = self.places.iter().cloned().chain(later.map(made_later));
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
        for (number, place) in places.enumerate() {
            let place = &place;
            // dynwf removed it, or nobody can tell any more what was in it: its own packet says so.
            if place.packet.is_some() && !place.git_dir.is_dir() {
                continue;
            }
            let busy = self.is_busy(place);
            let moved = head(&place.git_dir) != place.head;
            if moved && !busy {
                lines.push(format!("{}: another branch was checked out", place.name));
            }
            let mut changed = self.changed(git, place)?;
            if busy {
                // What the packet's own worker may change is not told from what this unit changed.
                let scope = Scope::new(&place.scope).ok();
                let scope = scope.filter(|_| !place.scope.is_empty());
                changed.retain(|path| scope.as_ref().is_some_and(|it| !it.covers(path)));
            } else if let Some(packet) = place.packet.as_ref().filter(|_| !changed.is_empty()) {
                strays.soiled.push(packet.clone());
            }
            let other = if busy {
                ", which others worked in too"
            } else {
                ""
            };
            for path in changed.iter().take(NAMED) {
                let path_name = RepoPath::new(path.clone());
                lines.push(format!("{}{other}: {path_name}", place.name));
                let to = aside.join(number.to_string());
                keep(&place.work, path, &to, &mut room)?;
            }
            if changed.len() > NAMED {
                lines.push(format!("{}: {} more", place.name, changed.len() - NAMED));
            }
        }
        Ok(strays)
    }

    /// Whether somebody works in a place, or has worked there since.
    fn is_busy(&self, place: &Watched) -> bool {
        let noted = place.git_dir.join(WORKED).symlink_metadata();
        let since = self.since(place);
        place.busy || (place.packet.is_some() && noted.is_ok_and(|meta| is_since(&meta, since)))
    }

    /// From when on a change in a place counts: what dynwf itself wrote there when it made it does not.
    fn since(&self, place: &Watched) -> (i64, i64) {
        place
            .since
            .map_or(self.since, |since| since.max(self.since))
    }

    /// The paths that changed in a place: tracked files, and new ones beside them that are not ignored.
    fn changed(&self, git: &Git, place: &Watched) -> Result<Vec<Vec<u8>>> {
        let tracked = tracked(git, place)?;
        let since = self.since(place);
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
            *touched = meta.map_or(true, |meta| !meta.is_dir() || is_since(&meta, since));
        }
        let mut changed = Vec::new();
        for path in &tracked {
            let folder = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            match place.work.join(OsStr::from_bytes(path)).symlink_metadata() {
                Ok(meta) if is_since(&meta, since) && !meta.is_dir() => changed.push(path.clone()),
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
                let is_since = entry
                    .metadata()
                    .is_ok_and(|meta| is_since(&meta, self.since(place)));
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
