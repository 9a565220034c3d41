//! Reading trees: all files of one, and the raw entries of one level.

use std::path::Path;

use anyhow::{Context as _, Result};
use git2::{ObjectType, Odb};

use super::object::{TreeEntry, oid};
use super::repo::Git;
use crate::model::hex::hex;
use crate::model::id::{CommitId, TreeId};
use crate::model::path::RepoPath;

/// The mode of a directory.
pub(super) const DIRECTORY: u32 = 0o040_000;

/// Bytes of a SHA-1 id; libgit2 opens no other repositories.
const ID_BYTES: usize = 20;

/// One entry of one tree object.
pub(super) struct RawEntry<'a> {
    pub(super) mode: u32,
    pub(super) name: &'a [u8],
    pub(super) id: &'a [u8],
}

impl RawEntry<'_> {
    pub(super) fn is_dir(&self) -> bool {
        self.mode == DIRECTORY
    }

    /// The id in hexadecimal.
    pub(super) fn oid(&self) -> String {
        hex(self.id)
    }
}

impl Git {
    /// Returns the contents of a file of a commit; none if there is no such file.
    ///
    /// # Errors
    /// If the commit cannot be read.
    pub fn file_at(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>> {
        if let Some(library) = self.library()? {
            let found = library
                .find_commit(oid(commit.as_str())?)
                .and_then(|commit| commit.tree())
                .and_then(|tree| tree.get_path(Path::new(path)))
                .and_then(|entry| {
                    library
                        .find_blob(entry.id())
                        .map(|blob| blob.content().to_vec())
                });
            match found {
                Ok(content) => return Ok(Some(content)),
                Err(error) if error.code() == git2::ErrorCode::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("reading {path} of {commit}"));
                }
            }
        }
        // Not there, or in a partial clone not here yet.
        let name = format!("{commit}:{path}");
        let output = self.command().args(["cat-file", "blob", &name]).run()?;
        Ok(output.success().then_some(output.stdout))
    }

    /// Lists all files of a tree, symbolic links and submodule entries included, in the order of their paths.
    pub fn files(&self, tree: &TreeId) -> Result<Vec<TreeEntry>> {
        if let Some(library) = self.library()? {
            let odb = library.odb().context("opening the object database")?;
            let mut files = Vec::new();
            match list(&odb, tree.as_str(), &mut Vec::new(), &mut files) {
                Err(error) if is_missing(&error) => {}
                listed => {
                    return listed
                        .map(|()| files)
                        .with_context(|| format!("listing tree {tree}"));
                }
            }
        }
        let bytes = self
            .command()
            .args(["ls-tree", "-r", "-z", "--full-tree", tree.as_str()])
            .ok()?;
        bytes
            .split(|&b| b == 0)
            .filter(|line| !line.is_empty())
            .map(|line| listed(line).with_context(|| format!("listing tree {tree}")))
            .collect()
    }

    /// Returns the sizes of blobs in bytes, in the order given; `None` for what is no blob or, in a partial clone, not
    /// here. Nothing is fetched.
    ///
    /// # Errors
    /// If the object database cannot be read.
    pub fn blob_sizes(&self, ids: &[&str]) -> Result<Vec<Option<u64>>> {
        if let Some(library) = self.library()? {
            let odb = library.odb().context("opening the object database")?;
            return ids
                .iter()
                .map(|id| match odb.read_header(oid(id)?) {
                    Ok((size, ObjectType::Blob)) => Ok(Some(size as u64)),
                    Ok(_) => Ok(None),
                    Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
                    Err(error) => Err(error).with_context(|| format!("reading the size of {id}")),
                })
                .collect();
        }
        let mut asked = String::new();
        for id in ids {
            asked.push_str(id);
            asked.push('\n');
        }
        let bytes = self
            .command()
            .env("GIT_NO_LAZY_FETCH", "1")
            .args(["cat-file", "--batch-check=%(objecttype) %(objectsize)"])
            .stdin(asked)
            .ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let size = |line: &str| line.strip_prefix("blob ")?.parse().ok();
        Ok(text.lines().map(size).collect())
    }
}

fn list(odb: &Odb<'_>, id: &str, path: &mut Vec<u8>, files: &mut Vec<TreeEntry>) -> Result<()> {
    let object = read_tree(odb, id)?;
    for entry in entries(object.data()) {
        let entry = entry?;
        let length = path.len();
        path.extend_from_slice(entry.name);
        if entry.is_dir() {
            path.push(b'/');
            list(odb, &entry.oid(), path, files)?;
        } else {
            files.push(TreeEntry {
                mode: entry.mode,
                oid: entry.oid(),
                path: RepoPath::new(path.as_slice()),
            });
        }
        path.truncate(length);
    }
    Ok(())
}

/// Reads a line of `git ls-tree -z`: `mode SP kind SP id TAB path`.
fn listed(line: &[u8]) -> Result<TreeEntry> {
    let read = || {
        let tab = line.iter().position(|&b| b == b'\t')?;
        let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let oid = words.nth(1)?.to_owned();
        Some(TreeEntry {
            mode,
            oid,
            path: RepoPath::new(&line[tab + 1..]),
        })
    };
    read().context("git ls-tree answered in an unknown form")
}

/// Reads one tree object.
pub(super) fn read_tree<'a>(odb: &'a Odb<'_>, id: &str) -> Result<git2::OdbObject<'a>> {
    let object = odb
        .read(oid(id)?)
        .with_context(|| format!("reading tree {id}"))?;
    anyhow::ensure!(
        object.kind() == ObjectType::Tree,
        "object {id} is not a tree"
    );
    Ok(object)
}

/// Whether an object was missing: in a partial clone the git program can fetch it.
pub(super) fn is_missing(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<git2::Error>())
        .any(|cause| cause.code() == git2::ErrorCode::NotFound)
}

/// Walks the entries of a tree object's bytes: `mode SP name NUL id`, one after another.
pub(super) fn entries(mut data: &[u8]) -> impl Iterator<Item = Result<RawEntry<'_>>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let read = |data: &mut &'_ [u8]| -> Option<(u32, usize, usize)> {
            let space = data.iter().position(|&b| b == b' ')?;
            let mode = std::str::from_utf8(&data[..space]).ok()?;
            let mode = u32::from_str_radix(mode, 8).ok()?;
            let name = data[space + 1..].iter().position(|&b| b == 0)?;
            let id = space + 1 + name + 1;
            (data.len() >= id + ID_BYTES).then_some((mode, space + 1, id))
        };
        let Some((mode, name, id)) = read(&mut data) else {
            data = &[];
            return Some(Err(anyhow::anyhow!("a tree object is damaged")));
        };
        let entry = RawEntry {
            mode: canonical(mode),
            name: &data[name..id - 1],
            id: &data[id..id + ID_BYTES],
        };
        data = &data[id + ID_BYTES..];
        Some(Ok(entry))
    })
}

/// The mode as git shows it: old trees hold others, such as 100664.
fn canonical(mode: u32) -> u32 {
    match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        kind @ (0o120_000 | DIRECTORY) => kind,
        _ => 0o160_000,
    }
}
