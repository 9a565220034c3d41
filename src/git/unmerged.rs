//! The two sides of a conflict, file by file, and trees in which some files are settled.
//!
//! Called by `integrate::rules`, which settles what can be settled by rule.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use super::diff::{Change, Side};
use super::repo::Git;
use crate::model::id::{CommitId, TreeId};
use crate::model::path::RepoPath;

/// A merge that git could not make alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmerged {
    /// What git merged, with its marks in the files that conflict.
    pub tree: TreeId,
    /// The files that conflict: as they were in the common ancestor, in ours and in theirs, where they were there.
    pub files: BTreeMap<RepoPath, [Option<Side>; 3]>,
    /// Whether git tells of a conflict in none of these files: of a directory, for example.
    pub elsewhere: bool,
}

impl Git {
    /// Merges `theirs` into `ours`, and returns the sides of what conflicts; `None` if nothing does.
    ///
    /// # Errors
    /// If git fails.
    pub fn unmerged(&self, ours: &CommitId, theirs: &CommitId) -> Result<Option<Unmerged>> {
        let Some(bytes) = self.conflict_by_program(ours, theirs)? else {
            return Ok(None);
        };
        read(&bytes)
            .context("git merge-tree answered in an unknown form")
            .map(Some)
    }

    /// Keeps the lines of both sides where they conflict, as `merge=union` does.
    ///
    /// # Errors
    /// If a side is no regular text file, or git fails.
    pub fn union(&self, sides: &[Option<Side>; 3]) -> Result<Side> {
        let [base, Some(ours), Some(theirs)] = sides else {
            anyhow::bail!("one side has no such file");
        };
        let regular = |side: &Side| side.mode & 0o170_000 == 0o100_000;
        ensure!(regular(ours) && regular(theirs), "it is no regular file");
        let folder = tempfile::tempdir().context("making a temporary directory")?;
        let write = |name: &str, side: Option<&Side>| -> Result<()> {
            let bytes = side.map_or_else(|| Ok(Vec::new()), |side| self.blob(&side.oid))?;
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
        };
        write("ours", Some(ours))?;
        write("base", base.as_ref())?;
        write("theirs", Some(theirs))?;
        let merged = self
            .command_in(self.common_dir(), folder.path())
            .args([
                "merge-file",
                "-p",
                "-q",
                "--union",
                "ours",
                "base",
                "theirs",
            ])
            .ok()
            .context("keeping the lines of both sides")?;
        let oid = self
            .command()
            .args(["hash-object", "-w", "--no-filters", "--stdin"])
            .stdin(merged)
            .text()?;
        let changed = base.as_ref().is_none_or(|base| base.mode != ours.mode);
        let mode = if changed { ours.mode } else { theirs.mode };
        Ok(Side { mode, oid })
    }

    /// Returns the tree with these files in it.
    ///
    /// # Errors
    /// If git fails.
    pub fn tree_with_files(&self, tree: &TreeId, files: &[(RepoPath, Side)]) -> Result<TreeId> {
        let changes: Vec<Change> = files
            .iter()
            .map(|(path, side)| Change {
                path: path.clone(),
                old: None,
                new: Some(side.clone()),
            })
            .collect();
        let changes: Vec<&Change> = changes.iter().collect();
        self.tree_by_index(tree, &changes, None)
    }
}

/// Reads the tree and the stages (`mode SP id SP stage TAB path`), up to the empty field.
fn read(bytes: &[u8]) -> Option<Unmerged> {
    let mut fields = bytes.split(|&b| b == 0);
    let tree = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let mut files: BTreeMap<RepoPath, [Option<Side>; 3]> = BTreeMap::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        let tab = field.iter().position(|&b| b == b'\t')?;
        let mut words = std::str::from_utf8(&field[..tab]).ok()?.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let oid = words.next()?.to_owned();
        let stage: usize = words.next()?.parse().ok()?;
        let sides = files.entry(RepoPath::new(&field[tab + 1..])).or_default();
        *sides.get_mut(stage.checked_sub(1)?)? = Some(Side { mode, oid });
    }
    let mut elsewhere = files.is_empty();
    // The messages: how many paths, the paths, the kind, the text.
    while let Some(count) = fields.next().filter(|field| !field.is_empty()) {
        let Some(count) = std::str::from_utf8(count)
            .ok()
            .and_then(|text| text.parse().ok())
        else {
            break;
        };
        let paths: Vec<&[u8]> = fields.by_ref().take(count).collect();
        let is_conflict = fields.next()?.starts_with(b"CONFLICT");
        fields.next()?;
        let known = |path: &&[u8]| files.contains_key(&RepoPath::new(*path));
        elsewhere |= is_conflict && !paths.iter().any(known);
    }
    Some(Unmerged {
        tree,
        files,
        elsewhere,
    })
}
