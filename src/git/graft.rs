//! A tree with some paths changed.
//!
//! In this process only the directories of the changed paths are read and made; where libgit2 cannot open the
//! repository, an index of its own does it. Entries that are not changed are taken byte for
//! byte, so that a tree with everything changed back is the same tree. Called by `batch` and `trial`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use git2::{ObjectType, Odb, Oid};

use super::diff::{Change, Side, order};
use super::object::oid;
use super::repo::Git;
use super::tree::{DIRECTORY, RawEntry, entries, read_tree};
use super::treemerge::Fresh;
use crate::model::id::TreeId;

impl Git {
    /// Changes some paths of a tree through an index of its own; objects go to `place`, if given.
    pub(super) fn tree_by_index(
        &self,
        tree: &TreeId,
        changes: &[&Change],
        place: Option<&Path>,
    ) -> Result<TreeId> {
        let folder = tempfile::tempdir().context("making a temporary directory")?;
        let command = || {
            let index = folder.path().join("index");
            let command = self.command().env("GIT_INDEX_FILE", index);
            match place {
                Some(place) => command
                    .config("core.fsync", "none")
                    .env("GIT_OBJECT_DIRECTORY", place),
                None => command,
            }
        };
        command().args(["read-tree", tree.as_str()]).ok()?;
        let mut info = Vec::new();
        // What goes, goes first: a name may change from a file to a directory.
        for gone in changes.iter().filter(|change| change.new.is_none()) {
            let zero = "0".repeat(tree.as_str().len());
            info.extend_from_slice(format!("0 {zero}\t").as_bytes());
            info.extend_from_slice(gone.path.as_bytes());
            info.push(0);
        }
        for change in changes {
            let Some(new) = &change.new else { continue };
            info.extend_from_slice(format!("{:06o} {}\t", new.mode, new.oid).as_bytes());
            info.extend_from_slice(change.path.as_bytes());
            info.push(0);
        }
        command()
            .args(["update-index", "-z", "--index-info"])
            .stdin(info)
            .ok()?;
        Ok(command()
            .args(["write-tree", "--missing-ok"])
            .text()?
            .parse()?)
    }
}

/// What becomes of the names in one directory.
#[derive(Default)]
struct Changed<'a> {
    /// Files by name: there, or gone.
    files: BTreeMap<&'a [u8], Option<&'a Side>>,
    folders: BTreeMap<&'a [u8], Self>,
}

/// Applies changes to a tree; returns its id and the objects that it needs and that may not be there yet.
///
/// # Errors
/// If a tree cannot be read, or two of the changes cannot be true together.
pub(super) fn graft(odb: &Odb<'_>, tree: &str, changes: &[&Change]) -> Result<(Oid, Vec<Fresh>)> {
    let mut top = Changed::default();
    for change in changes {
        let mut parts: Vec<&[u8]> = change.path.as_bytes().split(|&b| b == b'/').collect();
        let name = parts.pop().unwrap_or_default();
        let mut at = &mut top;
        for part in parts {
            at = at.folders.entry(part).or_default();
        }
        at.files.insert(name, change.new.as_ref());
    }
    let mut fresh = Vec::new();
    let id = match apply(odb, Some(tree), &top, &mut fresh)? {
        Some(id) => id,
        None => keep(&mut fresh, Vec::new())?,
    };
    Ok((id, fresh))
}

/// One entry on its way into a new directory.
struct Entry<'a> {
    mode: u32,
    name: &'a [u8],
    id: Vec<u8>,
    /// Its bytes as they stand in the old directory.
    raw: Option<&'a [u8]>,
}

impl Entry<'_> {
    fn shape(&self) -> RawEntry<'_> {
        RawEntry {
            mode: self.mode,
            name: self.name,
            id: &self.id,
        }
    }
}

/// Makes one directory; `None` if nothing is left in it.
fn apply(
    odb: &Odb<'_>,
    old: Option<&str>,
    changed: &Changed<'_>,
    fresh: &mut Vec<Fresh>,
) -> Result<Option<Oid>> {
    let data = match old {
        Some(id) => read_tree(odb, id)?.data().to_vec(),
        None => Vec::new(),
    };
    let mut folders: BTreeMap<&[u8], String> = BTreeMap::new();
    let mut made: Vec<Entry<'_>> = Vec::new();
    let mut rest = &data[..];
    for entry in entries(&data) {
        let entry = entry?;
        let end = rest.iter().position(|&b| b == 0).unwrap_or(0) + 1 + entry.id.len();
        let (raw, after) = rest.split_at(end);
        rest = after;
        if entry.is_dir() && changed.folders.contains_key(entry.name) {
            folders.insert(entry.name, entry.oid());
        } else if entry.is_dir() || !changed.files.contains_key(entry.name) {
            made.push(Entry {
                mode: entry.mode,
                name: entry.name,
                id: entry.id.to_vec(),
                raw: Some(raw),
            });
        }
    }
    for (&name, side) in &changed.files {
        if let Some(side) = side {
            made.push(Entry {
                mode: side.mode,
                name,
                id: oid(&side.oid)?.as_bytes().to_vec(),
                raw: None,
            });
        }
    }
    for (&name, inside) in &changed.folders {
        let old = folders.get(name).map(String::as_str);
        if let Some(id) = apply(odb, old, inside, fresh)? {
            made.push(Entry {
                mode: DIRECTORY,
                name,
                id: id.as_bytes().to_vec(),
                raw: None,
            });
        }
    }
    made.sort_by(|a, b| order(&a.shape(), &b.shape()));
    let mut names: Vec<&[u8]> = made.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let name = String::from_utf8_lossy(twice[0]).into_owned();
        ensure!(false, "`{name}` would be a file and a directory at once");
    }
    if made.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(data.len());
    for entry in &made {
        if let Some(raw) = entry.raw {
            bytes.extend_from_slice(raw);
        } else {
            bytes.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
            bytes.extend_from_slice(entry.name);
            bytes.push(0);
            bytes.extend_from_slice(&entry.id);
        }
    }
    keep(fresh, bytes).map(Some)
}

fn keep(fresh: &mut Vec<Fresh>, data: Vec<u8>) -> Result<Oid> {
    let kind = ObjectType::Tree;
    let id = Oid::hash_object(kind, &data).context("naming a tree")?;
    fresh.push(Fresh { kind, id, data });
    Ok(id)
}
