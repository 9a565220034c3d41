//! What differs between two trees.
//!
//! The walk reads only directories whose ids differ, so it costs what changed and not what is there; libgit2's
//! own difference is slow over wide directories. Renames are never guessed: a rename is a deletion and an
//! addition, as in the raw form of `git diff-tree`.

use std::cmp::Ordering;

use anyhow::{Context as _, Result};
use git2::Odb;
use sha2::{Digest as _, Sha256};

use super::repo::Git;
use super::tree::{RawEntry, entries, is_missing, read_tree};
use crate::model::hex::hex;
use crate::model::id::TreeId;
use crate::model::path::RepoPath;

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The mode, such as `0o100644`.
    pub mode: u32,
    /// The object's id.
    pub oid: String,
}

/// One changed path. Renames are a deletion and an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: RepoPath,
    /// What was there; `None` if it was added.
    pub old: Option<Side>,
    /// What is there now; `None` if it was deleted.
    pub new: Option<Side>,
}

impl Git {
    /// Lists the paths in which two trees differ, in the order of their paths.
    pub fn changes(&self, old: &TreeId, new: &TreeId) -> Result<Vec<Change>> {
        if old == new {
            return Ok(Vec::new());
        }
        let context = || format!("comparing the trees {old} and {new}");
        if let Some(library) = self.library()? {
            let mut walk = Walk {
                odb: library.odb().with_context(context)?,
                path: Vec::new(),
                found: Vec::new(),
            };
            match walk.trees(Some(old.as_str()), Some(new.as_str())) {
                Err(error) if is_missing(&error) => {}
                walked => return walked.map(|()| walk.found).with_context(context),
            }
        }
        let bytes = self
            .command()
            .args(["diff-tree", "-r", "--raw", "-z", "--no-renames"])
            .args(["--no-abbrev", old.as_str(), new.as_str()])
            .ok()?;
        parse(&bytes).with_context(context)
    }

    /// Returns the SHA-256, in hexadecimal, over the bytes of `git diff-tree -r --raw -z --no-renames` with
    /// full ids: what an approval is bound to.
    pub fn changes_digest(&self, old: &TreeId, new: &TreeId) -> Result<String> {
        let changes = self.changes(old, new)?;
        let zero = "0".repeat(old.as_str().len());
        let mut sha = Sha256::new();
        for change in &changes {
            sha.update(raw_line(change, &zero));
        }
        Ok(hex(&sha.finalize()))
    }
}

impl Change {
    /// The letter that git shows: added, deleted, type changed or modified.
    fn letter(&self) -> char {
        const KIND: u32 = 0o170_000;
        match (&self.old, &self.new) {
            (None, _) => 'A',
            (_, None) => 'D',
            (Some(old), Some(new)) if old.mode & KIND != new.mode & KIND => 'T',
            _ => 'M',
        }
    }
}

/// `:mode mode id id letter NUL path NUL`
fn raw_line(change: &Change, zero: &str) -> Vec<u8> {
    let side = |side: &Option<Side>| {
        side.as_ref()
            .map_or((0, zero.to_owned()), |side| (side.mode, side.oid.clone()))
    };
    let ((old_mode, old), (new_mode, new)) = (side(&change.old), side(&change.new));
    let letter = change.letter();
    let mut line = format!(":{old_mode:06o} {new_mode:06o} {old} {new} {letter}\0").into_bytes();
    line.extend_from_slice(change.path.as_bytes());
    line.push(0);
    line
}

/// Reads the raw form back.
fn parse(bytes: &[u8]) -> Result<Vec<Change>> {
    let mut fields = bytes.split(|&b| b == 0).filter(|field| !field.is_empty());
    let mut changes = Vec::new();
    while let Some(head) = fields.next() {
        let read = || {
            let text = std::str::from_utf8(head).ok()?.strip_prefix(':')?;
            let mut words = text.split(' ');
            let modes = [words.next()?, words.next()?];
            let ids = [words.next()?, words.next()?];
            let side = |at: usize| {
                let mode = u32::from_str_radix(modes[at], 8).ok()?;
                let oid = ids[at].to_owned();
                Some((mode != 0).then_some(Side { mode, oid }))
            };
            Some((side(0)?, side(1)?))
        };
        let path = fields.next();
        let ((old, new), path) = read()
            .zip(path)
            .context("git diff-tree answered in an unknown form")?;
        changes.push(Change {
            path: RepoPath::new(path),
            old,
            new,
        });
    }
    Ok(changes)
}

struct Walk<'a> {
    odb: Odb<'a>,
    path: Vec<u8>,
    found: Vec<Change>,
}

impl Walk<'_> {
    /// Compares two directories, of which one may not exist.
    fn trees(&mut self, old: Option<&str>, new: Option<&str>) -> Result<()> {
        // Ids are copied out entry by entry below; the objects are held for one level each.
        let read = |id: Option<&str>| -> Result<Vec<u8>> {
            let Some(id) = id else { return Ok(Vec::new()) };
            Ok(read_tree(&self.odb, id)?.data().to_vec())
        };
        let (old, new) = (read(old)?, read(new)?);
        let (mut old, mut new) = (entries(&old).peekable(), entries(&new).peekable());
        loop {
            // Of a damaged entry the error comes out where it is taken.
            let side = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(Ok(a)), Some(Ok(b))) => order(a, b),
                (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => Ordering::Greater,
                (Some(_), _) => Ordering::Less,
            };
            let a = (side != Ordering::Greater).then(|| old.next()).flatten();
            let b = (side != Ordering::Less).then(|| new.next()).flatten();
            self.pair(a.transpose()?, b.transpose()?)?;
        }
    }

    /// Compares two entries of the same name and the same kind (file or directory), or takes one alone.
    fn pair(&mut self, old: Option<RawEntry<'_>>, new: Option<RawEntry<'_>>) -> Result<()> {
        if let (Some(a), Some(b)) = (&old, &new)
            && (a.mode, a.id) == (b.mode, b.id)
        {
            return Ok(());
        }
        let Some(some) = old.as_ref().or(new.as_ref()) else {
            return Ok(());
        };
        let length = self.path.len();
        self.path.extend_from_slice(some.name);
        if some.is_dir() {
            self.path.push(b'/');
            let id = |side: Option<RawEntry<'_>>| side.map(|entry| entry.oid());
            let (old, new) = (id(old), id(new));
            self.trees(old.as_deref(), new.as_deref())?;
        } else {
            let side = |side: Option<RawEntry<'_>>| {
                side.map(|entry| Side {
                    mode: entry.mode,
                    oid: entry.oid(),
                })
            };
            self.found.push(Change {
                path: RepoPath::new(self.path.as_slice()),
                old: side(old),
                new: side(new),
            });
        }
        self.path.truncate(length);
        Ok(())
    }
}

/// Git's order within a directory: by name, where a directory's name ends with `/`. A file and a directory of
/// the same name are therefore two entries.
pub(super) fn order(a: &RawEntry<'_>, b: &RawEntry<'_>) -> Ordering {
    let key = |entry: &RawEntry<'_>| entry.is_dir().then_some(b'/');
    let bytes = |entry: &RawEntry<'_>| entry.name.len();
    let common = bytes(a).min(bytes(b));
    a.name[..common].cmp(&b.name[..common]).then_with(|| {
        let next = |entry: &RawEntry<'_>| entry.name.get(common).copied().or(key(entry));
        next(a).cmp(&next(b)).then(bytes(a).cmp(&bytes(b)))
    })
}
