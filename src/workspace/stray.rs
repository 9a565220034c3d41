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
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::aside::{COPIES, keep};
use super::disk;
use super::index::{self, Parsed};
use super::place::SEED;
use super::survey::{nul_joined, nul_split};
use crate::git::Git;
use crate::model::id::PacketId;
use crate::model::packet::Workspace;
use crate::model::path::RepoPath;
use crate::model::scope::Scope;

/// How many paths of one place are named and copied.
const NAMED: usize = 200;

/// How many paths are named where the workspace is made anew.
const FEW: usize = 5;

/// How long places are looked at after one unit. In large repositories with many packets the last ones are not looked
/// at then; [`soiled`] still sees whether a workspace is as it was made before its worker begins.
const LONGEST: Duration = Duration::from_millis(150);

/// The folder in a checkout that dynwf itself writes while units run.
const FACE: &[u8] = b".workflow";

/// The file in a workspace's administrative folder whose time says when somebody last began or ended there. The journal
/// knows that too, but who looks knows the state of when its own unit began.
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
    Watched {
        since: ready(Path::new(&sibling.workspace.admin)),
        ..Watched::of(sibling)
    }
}

/// From when on a change in a workspace is none of dynwf's own: the index as it was made is the last thing written.
/// The clock for files ticks slowly, so what has the very same time was there before.
fn ready(admin: &Path) -> Option<(i64, i64)> {
    let meta = admin.join(SEED).symlink_metadata().ok()?;
    Some((meta.ctime(), meta.ctime_nsec() + 1))
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
        let began = Instant::now();
        for (number, place) in places.enumerate() {
            let place = &place;
            if began.elapsed() > LONGEST && !place.busy {
                break;
            }
            // dynwf removed it, or nobody can tell any more what was in it: its own packet says so.
            if place.packet.is_some() && !place.git_dir.is_dir() {
                continue;
            }
            let busy = self.is_busy(place);
            let moved = head(&place.git_dir) != place.head;
            if moved && !busy {
                lines.push(format!("{}: another branch was checked out", place.name));
            }
            let mut changed = changed_since(git, place, self.since(place))?;
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
}

/// Lists what changed in a workspace in which nobody has worked since it was made, at most a few of it.
///
/// # Errors
/// If git or the file system fails.
pub fn soiled(git: &Git, workspace: &Workspace) -> Result<Vec<RepoPath>> {
    let admin = Path::new(&workspace.admin);
    let Some(since) = ready(admin).filter(|_| !admin.join(WORKED).exists()) else {
        return Ok(Vec::new());
    };
    let place = Watched::new("", Path::new(&workspace.path), admin);
    let changed = changed_since(git, &place, since)?;
    Ok(changed.into_iter().take(FEW).map(RepoPath::new).collect())
}

/// The paths that changed in a place: tracked files, and new ones beside them that are not ignored.
fn changed_since(git: &Git, place: &Watched, since: (i64, i64)) -> Result<Vec<Vec<u8>>> {
    let tracked = tracked(git, place)?;
    let mut folders: BTreeMap<&[u8], bool> = BTreeMap::from([(&b""[..], false)]);
    for path in &tracked {
        let mut folder = path.as_slice();
        while let Some(end) = folder.iter().rposition(|byte| *byte == b'/') {
            folder = &folder[..end];
            // Those above it came with the first file below it.
            if folders.insert(folder, false).is_some() {
                break;
            }
        }
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
    let known = |path: &[u8]| {
        let found = tracked.binary_search_by(|known| known.as_slice().cmp(path));
        found.is_ok() || folders.contains_key(path)
    };
    let new = new_in(place, since, &touched, &known);
    changed.extend(not_ignored(git, place, new)?);
    Ok(changed)
}

/// What is new in folders that were changed.
fn new_in(
    place: &Watched,
    since: (i64, i64),
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
            let is_since = entry.metadata().is_ok_and(|meta| is_since(&meta, since));
            if is_since && !is_ours && !known(&path) {
                new.push(path);
            }
        }
    }
    new
}

/// The paths in a place's index, sorted.
fn tracked(git: &Git, place: &Watched) -> Result<Vec<Vec<u8>>> {
    let file = place.git_dir.join("index");
    if !file.exists() {
        return Ok(Vec::new());
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
        return Ok(sorted(paths.map(|entry| entry.path).collect()));
    }
    let listed = git
        .command_in(&place.git_dir, &place.work)
        .args(["ls-files", "-z"])
        .ok()?;
    Ok(sorted(nul_split(&listed).map(<[u8]>::to_vec).collect()))
}

fn sorted(mut paths: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    paths.sort_unstable();
    paths.dedup();
    paths
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
