//! Trees, commits and merges that are tried out: nothing of them reaches the repository.
//!
//! What is made in this process stays in memory, and what the git program makes goes to a temporary folder that the
//! repository's objects are alternates of. Called by `plan::carve`, which proves with it that packets add up before
//! it makes them, and by `review::interdiff`, which shows what a change would be on another base.

use std::path::Path;

use anyhow::{Context as _, Result};
use git2::ObjectType;
use tempfile::TempDir;

use super::batch::{Batch, pack, take_in};
use super::cmd::Cmd;
use super::diff::Change;
use super::merge::TreeMerge;
use super::repo::Git;
use super::treemerge::Fresh;
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::ConflictFile;
use crate::model::path::RepoPath;

/// A place to try things out in. Used by one thread at a time.
pub struct Trial {
    git: Git,
    batch: Batch,
    scratch: TempDir,
}

/// What merging commits one after another gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// All merged.
    Clean {
        /// The tree at the end.
        tree: TreeId,
        /// How many of the merges the git program made.
        by_program: usize,
    },
    /// One of them does not merge.
    Conflicted {
        /// Which, from 0.
        at: usize,
        /// What conflicts, and how.
        files: Vec<ConflictFile>,
    },
}

/// A change carried over to another base.
pub struct Carried {
    /// The tree that the change makes of the new base; conflict marks stand in the files of `conflicts`.
    pub tree: TreeId,
    /// Where the change does not go onto the new base by itself.
    pub conflicts: Vec<ConflictFile>,
    /// The repository with the tree in it.
    pub git: Git,
    /// Where the tree lies, until this is dropped.
    _place: TempDir,
}

impl Git {
    /// Carries what changed from `base` to `tip` over to `onto`, to be looked at. Nothing of it reaches the
    /// repository, but where libgit2 cannot open it: there, objects are left that nothing refers to.
    ///
    /// # Errors
    /// If git cannot merge, or there is no room for temporary files. A conflict is no error.
    pub fn carry(&self, base: &CommitId, onto: &CommitId, tip: &CommitId) -> Result<Carried> {
        let place = tempfile::tempdir().context("making a temporary directory")?;
        let scratch = (!self.program_only()).then_some(place.path());
        let (tree, conflicts) = self
            .marked_by_program(base, onto, tip, scratch)
            .with_context(|| format!("carrying {base}..{tip} over to {onto}"))?;
        Ok(Carried {
            tree,
            conflicts,
            git: self.with_objects(place.path()),
            _place: place,
        })
    }

    /// Begins to try something out.
    ///
    /// # Errors
    /// If the repository cannot be opened, or there is no room for temporary files.
    pub fn trial(&self) -> Result<Trial> {
        let scratch = tempfile::tempdir().context("making a temporary directory")?;
        let info = scratch.path().join("info");
        std::fs::create_dir_all(&info)
            .and_then(|()| {
                let objects = self.common_dir().join("objects");
                std::fs::write(info.join("alternates"), format!("{}\n", objects.display()))
            })
            .with_context(|| format!("preparing {}", scratch.path().display()))?;
        let batch = self.batch()?;
        if let Some(library) = batch.library() {
            let path = scratch.path().to_str().context("a path is not UTF-8")?;
            library.odb()?.add_disk_alternate(path)?;
        }
        Ok(Trial {
            git: self.clone(),
            batch,
            scratch,
        })
    }
}

impl Trial {
    /// Returns the tree with these changes made.
    ///
    /// # Errors
    /// If a tree cannot be read, or the changes cannot be true together.
    pub fn tree_with(&mut self, tree: &TreeId, changes: &[&Change]) -> Result<TreeId> {
        let place = self.scratch.path().to_owned();
        self.batch.tree_with(tree, changes, Some(&place))
    }

    /// Returns a commit of nobody's with this tree and parent: the same arguments give the same commit.
    ///
    /// # Errors
    /// If git cannot make it.
    pub fn commit(&mut self, tree: &TreeId, parent: &CommitId) -> Result<CommitId> {
        let nobody = "dynwf <dynwf@localhost> 0 +0000";
        let raw = format!(
            "tree {tree}\nparent {parent}\nauthor {nobody}\ncommitter {nobody}\n\nto try it out\n"
        );
        if let Some((library, waiting)) = self.batch.memory() {
            let kind = ObjectType::Commit;
            let id = git2::Oid::hash_object(kind, raw.as_bytes())?;
            let data = raw.into_bytes();
            take_in(library, waiting, vec![Fresh { kind, id, data }])?;
            return Ok(id.to_string().parse()?);
        }
        let id = placed(self.git.command(), self.scratch.path())
            .args(["hash-object", "-t", "commit", "-w", "--stdin"])
            .stdin(raw)
            .text()?;
        Ok(id.parse()?)
    }

    /// Merges commits onto their common parent `base`, one after another; in this process where the answer is
    /// certain, and by the git program elsewhere, or everywhere if `by_program`.
    ///
    /// # Errors
    /// If git fails; a conflict is no error.
    pub fn merge_in_turn(
        &mut self,
        base: &CommitId,
        tips: &[&CommitId],
        by_program: bool,
    ) -> Result<Chain> {
        let mut tree = self.git.tree_of(base)?;
        let mut ours = base.clone();
        let mut programs = 0;
        for (at, tip) in tips.iter().enumerate() {
            let merged = self
                .merge(base, &ours, tip, by_program)
                .with_context(|| format!("merging {tip} into {ours}"))?;
            match merged {
                TreeMerge::Conflicted { files, .. } => {
                    return Ok(Chain::Conflicted { at, files });
                }
                TreeMerge::Clean { tree: next, road } => {
                    programs += usize::from(road == "git");
                    tree = next;
                }
            }
            if at + 1 < tips.len() {
                ours = self.commit(&tree, base)?;
            }
        }
        Ok(Chain::Clean {
            tree,
            by_program: programs,
        })
    }

    /// Lists the paths in which two trees differ.
    ///
    /// # Errors
    /// If git cannot compare them.
    pub fn differing(&mut self, one: &TreeId, other: &TreeId) -> Result<Vec<RepoPath>> {
        self.lay_out()?;
        let bytes = placed(self.git.command(), self.scratch.path())
            .args(["diff-tree", "-r", "-z", "--name-only", "--no-renames"])
            .args([one.as_str(), other.as_str()])
            .ok()?;
        let paths = bytes.split(|&b| b == 0).filter(|path| !path.is_empty());
        Ok(paths.map(RepoPath::new).collect())
    }

    fn merge(
        &mut self,
        base: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
        by_program: bool,
    ) -> Result<TreeMerge> {
        if !by_program && let Some(merged) = self.batch.merge_here(base, ours, theirs)? {
            return Ok(merged);
        }
        self.lay_out()?;
        // Both have `base` as their only parent, or are it: git finds it by itself. Attributes are read in the
        // repository, which has none of what is tried out.
        let place = Some(self.scratch.path());
        self.git.merge_by_program(None, ours, theirs, base, place)
    }

    /// Puts what is in memory where the program finds it.
    fn lay_out(&mut self) -> Result<()> {
        let Some((library, waiting)) = self.batch.memory() else {
            return Ok(());
        };
        if waiting.is_empty() {
            return Ok(());
        }
        let pack = pack(library, waiting).context("packing what is tried out")?;
        waiting.clear();
        placed(self.git.command(), self.scratch.path())
            .args(["unpack-objects", "-q"])
            .stdin(pack)
            .ok()
            .context("writing what is tried out")?;
        Ok(())
    }
}

/// Lets a command write its objects to another place, where they need not last.
fn placed(command: Cmd, scratch: &Path) -> Cmd {
    command
        .config("core.fsync", "none")
        .env("GIT_OBJECT_DIRECTORY", scratch)
}
