//! What differs between a workspace and an index, and what of it must not be collected.
//!
//! Walks once with lstat and compares every recorded field in nanoseconds; only what differs is handed to git,
//! which does the hashing, so that filters, line ends and encodings are git's. What `git add` would skip in
//! silence, abort on, or run programs for is refused by name: special files, `.git` in any spelling below the
//! top, content under a gitlink, vanished gitlinks, links that lead out. Ignored things are no news, and what
//! is unchanged in the index is none either. Ignored directories are not entered.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::disk;
use super::index::{Entry, Index, Kind};
use super::names::{is_dot_git, link_trouble};
use super::place::Place;
use super::walk::{Found, walk};
use crate::model::path::RepoPath;

/// Something that must not be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) path: Vec<u8>,
    pub(super) why: &'static str,
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", RepoPath::new(self.path.as_slice()), self.why)
    }
}

/// The differences; every list is sorted by path.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// New or changed: to be hashed.
    pub(super) changed: Vec<Vec<u8>>,
    /// Tracked and not there any more.
    pub(super) removed: Vec<Vec<u8>>,
    /// Not to be collected.
    pub(super) refused: Vec<Odd>,
    /// For people.
    pub(super) notes: Vec<String>,
}

/// Compares the workspace with `index`, which was read from the file at `private`.
///
/// # Errors
/// If the workspace cannot be read, or git cannot say what is ignored.
pub(super) fn survey(place: &Place<'_>, index: &Index, private: &Path) -> Result<Survey> {
    let known = known_directories(index);
    let modules: HashMap<&[u8], &Entry> = index
        .entries
        .iter()
        .filter(|entry| entry.gitlink.is_some())
        .map(|entry| (entry.path.as_slice(), entry))
        .collect();
    let found = walk(&place.work, vec![Vec::new()], known.len(), &|path| {
        known.contains(path) && !modules.contains_key(path)
    })?;
    let mut surveyor = Surveyor {
        place,
        private,
        out: Survey::default(),
        fresh: Vec::new(),
        hard_links: 0,
    };
    surveyor.compare(index, &found, &known)?;
    surveyor.look_at_fresh()?;
    let Surveyor {
        mut out,
        hard_links,
        ..
    } = surveyor;
    if hard_links > 0 {
        out.notes.push(format!(
            "{hard_links} changed files have a second name (hard link) somewhere"
        ));
    }
    out.changed.sort_unstable();
    out.refused.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

/// Every directory that holds something tracked.
fn known_directories(index: &Index) -> HashSet<&[u8]> {
    let mut known = HashSet::new();
    for entry in &index.entries {
        let mut path = entry.path.as_slice();
        while let Some(at) = path.iter().rposition(|&byte| byte == b'/') {
            path = &path[..at];
            if !known.insert(path) {
                break;
            }
        }
    }
    known
}

struct Surveyor<'a> {
    place: &'a Place<'a>,
    private: &'a Path,
    out: Survey,
    /// Not in the index; whether it is ignored has not been asked.
    fresh: Vec<Found>,
    hard_links: usize,
}

impl Surveyor<'_> {
    /// Goes through both sorted lists at once.
    fn compare(&mut self, index: &Index, found: &[Found], known: &HashSet<&[u8]>) -> Result<()> {
        let mut entries = index.entries.iter().peekable();
        for one in found {
            while let Some(gone) = entries.next_if(|entry| entry.path < one.path) {
                self.missing(gone);
            }
            match entries.next_if(|entry| entry.path == one.path) {
                Some(entry) => self.tracked(index, entry, one)?,
                None if one.kind == Kind::Directory && known.contains(one.path.as_slice()) => {}
                None => self.fresh.push(one.clone()),
            }
        }
        entries.for_each(|gone| self.missing(gone));
        Ok(())
    }

    fn missing(&mut self, entry: &Entry) {
        if entry.skip_worktree {
            return;
        }
        if entry.gitlink.is_some() {
            self.refuse(&entry.path, "the directory of a submodule is gone");
        } else {
            self.out.removed.push(entry.path.clone());
        }
    }

    fn tracked(&mut self, index: &Index, entry: &Entry, one: &Found) -> Result<()> {
        if let Some(id) = &entry.gitlink {
            return if one.kind == Kind::Directory {
                self.submodule(&entry.path, id)
            } else {
                self.refuse(
                    &entry.path,
                    "something else in place of a submodule's directory",
                );
                Ok(())
            };
        }
        match one.kind {
            Kind::Special(what) => self.refuse(&one.path, what),
            Kind::Directory => {
                self.out.removed.push(entry.path.clone());
                self.fresh.push(one.clone());
            }
            _ if one.kind == entry.kind && one.stat == entry.stat && !index.is_racy(entry) => {}
            // Not older than the index: it may be an edit, or only written in the same moment. A link that
            // was there before leads where it led.
            Kind::Link if one.kind == entry.kind && one.stat == entry.stat => {
                self.out.changed.push(one.path.clone());
            }
            _ => self.take(one)?,
        }
        Ok(())
    }

    /// A file or link that is new or changed.
    fn take(&mut self, one: &Found) -> Result<()> {
        if one.kind == Kind::Link {
            let path = self.place.work.join(disk::os_path(&one.path));
            let target = fs::read_link(&path)
                .with_context(|| format!("reading the link {}", path.display()))?
                .into_os_string()
                .into_vec();
            if let Some(why) = link_trouble(&one.path, &target) {
                self.refuse(&one.path, why);
                return Ok(());
            }
            if one.path.ends_with(b".gitmodules") {
                self.refuse(&one.path, "a symbolic link in place of .gitmodules");
                return Ok(());
            }
        }
        self.hard_links += usize::from(one.hard_linked);
        self.out.changed.push(one.path.clone());
        Ok(())
    }

    fn refuse(&mut self, path: &[u8], why: &'static str) {
        self.out.refused.push(Odd {
            path: path.to_vec(),
            why,
        });
    }

    /// A submodule's directory may be empty, or hold the very commit that the index names.
    fn submodule(&mut self, path: &[u8], id: &str) -> Result<()> {
        let directory = self.place.work.join(disk::os_path(path));
        let mut entries = fs::read_dir(&directory)
            .with_context(|| format!("reading the submodule {}", directory.display()))?;
        if entries.next().is_none() {
            return Ok(());
        }
        if !disk::exists(&directory.join(".git"))? {
            self.refuse(path, "files in the directory of a submodule");
            return Ok(());
        }
        // Read as plain files: git run in there would obey configuration that the agent may have written.
        let head = disk::read_text(&directory.join(".git")).and_then(|text| {
            let named = directory.join(text.strip_prefix("gitdir: ")?.trim_end());
            let git_dir = named.canonicalize().ok()?;
            let ours = git_dir.starts_with(self.place.git.common_dir());
            ours.then(|| disk::read_text(&git_dir.join("HEAD")))
                .flatten()
        });
        if head.as_deref().map(str::trim_end) == Some(id) {
            let shown = RepoPath::new(path);
            self.out.notes.push(format!(
                "edits inside the submodule {shown} are not collected"
            ));
        } else {
            self.refuse(
                path,
                "a submodule at another commit, or another repository in its place",
            );
        }
        Ok(())
    }

    /// Asks git which of the new things are ignored, takes the rest, and goes on in new directories: one level
    /// at a time, so that an ignored directory is never read.
    fn look_at_fresh(&mut self) -> Result<()> {
        while !self.fresh.is_empty() {
            let fresh = std::mem::take(&mut self.fresh);
            let ignored = ignored(
                self.place,
                self.private,
                fresh.iter().map(|one| one.path.as_slice()),
            )?;
            let mut enter = Vec::new();
            for one in fresh {
                if ignored.contains(&one.path) {
                    continue;
                }
                let name = one
                    .path
                    .rsplit(|&byte| byte == b'/')
                    .next()
                    .unwrap_or(&one.path);
                match one.kind {
                    _ if is_dot_git(name) => self.refuse(&one.path, repository_word(name)),
                    Kind::Special(what) => self.refuse(&one.path, what),
                    Kind::Directory => enter.push(one.path),
                    Kind::File { .. } | Kind::Link => self.take(&one)?,
                }
            }
            if !enter.is_empty() {
                self.fresh = walk(&self.place.work, enter, 0, &|_| false)?;
            }
        }
        Ok(())
    }
}

fn repository_word(name: &[u8]) -> &'static str {
    if name == b".git" {
        "a repository inside the workspace"
    } else {
        "a name that git takes for .git"
    }
}

/// Returns those of `paths` (not tracked) that are ignored.
pub(super) fn ignored<'a>(
    place: &Place<'_>,
    private: &Path,
    paths: impl Iterator<Item = &'a [u8]>,
) -> Result<HashSet<Vec<u8>>> {
    // `./` in front: check-ignore would take a name such as `:(glob)x` for a pattern.
    let mut asked = Vec::new();
    for path in paths {
        asked.extend_from_slice(b"./");
        asked.extend_from_slice(path);
        asked.push(0);
    }
    let output = place
        .with_index(private)
        .args(["check-ignore", "--no-index", "-z", "--stdin"])
        .stdin(asked)
        .run()?;
    match output.code() {
        Some(0 | 1) => Ok(nul_split(&output.stdout)
            .map(|path| path.strip_prefix(b"./").unwrap_or(path).to_vec())
            .collect()),
        _ => anyhow::bail!("asking git what is ignored: {}", output.complaint()),
    }
}

/// The bytes that git reads with `-z`.
pub(super) fn nul_joined<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths {
        out.extend_from_slice(path);
        out.push(0);
    }
    out
}

/// The paths that git wrote with `-z`.
pub(super) fn nul_split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|&byte| byte == 0)
        .filter(|path| !path.is_empty())
}
