//! Merges and commits that are made in memory and written together.
//!
//! A merge in this process is much cheaper than a process that merges, but only if what it makes is not written file
//! by file. So a batch keeps its trees and commits in memory, where the next merge of the batch finds them, and writes
//! all of them as one pack through the git program, which syncs it and obeys `core.sharedRepository`.
//!
//! Invariants: nothing of a batch is in the repository before [`Batch::write`], and nothing refers to it then; a batch
//! that is dropped leaves nothing. Before the program merges or signs, everything is written, because it has to
//! see it. Every answer is the one that `git merge-tree` gives.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use git2::{ObjectType, Oid, Repository};
use tempfile::TempDir;

use super::diff::Change;
use super::graft::graft;
use super::merge::TreeMerge;
use super::object::{CommitSpec, Prepared, oid};
use super::repo::Git;
use super::tree::is_missing;
use super::treemerge::{Cache, Fresh, Outside, Stop, TreeWalk};
use crate::model::id::{CommitId, TreeId};

/// How many objects are written as single files rather than as a pack, as git does with what it receives.
const FEW: usize = 100;

/// The road of a merge that was made in this process.
pub(super) const TREE_ROAD: &str = "tree";

/// Merges and commits on their way into the repository. Used by one thread at a time.
pub struct Batch {
    git: Git,
    /// A handle of its own, whose object database also holds what is not written yet.
    library: Option<Repository>,
    waiting: Vec<Oid>,
    /// Where the program puts the objects of a probe.
    scratch: Option<TempDir>,
    cache: Cache,
    reason: Option<&'static str>,
    merged_texts: bool,
    outside: Arc<OnceLock<Arc<Outside>>>,
}

impl Git {
    /// Begins a batch of merges and commits.
    ///
    /// # Errors
    /// If the repository cannot be opened.
    pub fn batch(&self) -> Result<Batch> {
        let open = || -> Result<Repository> {
            let library = Repository::open(self.git_dir())?;
            // Asked first of all, and the one that takes what is written.
            library.odb()?.add_new_mempack_backend(1000)?;
            Ok(library)
        };
        let library = (!self.program_only())
            .then(open)
            .transpose()
            .with_context(|| format!("opening the repository {}", self.common_dir().display()))?;
        Ok(Batch {
            git: self.clone(),
            library,
            waiting: Vec::new(),
            scratch: None,
            cache: Cache::default(),
            reason: None,
            merged_texts: false,
            outside: Arc::default(),
        })
    }
}

impl Batch {
    /// As [`Git::merge_tree`]; the commits may be of this batch.
    ///
    /// # Errors
    /// As [`Git::merge_tree`].
    pub fn merge_tree(&mut self, ours: &CommitId, theirs: &CommitId) -> Result<TreeMerge> {
        self.merge(None, ours, theirs)
            .with_context(|| format!("merging {theirs} into {ours}"))
    }

    /// As [`Git::merge_tree_onto`]; the commits may be of this batch.
    ///
    /// # Errors
    /// As [`Git::merge_tree`].
    pub fn merge_tree_onto(
        &mut self,
        base: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        self.merge(Some(base), ours, theirs)
            .with_context(|| format!("merging {theirs} into {ours} from {base}"))
    }

    /// Says what a merge would give, and keeps nothing of it: the tree is not in the repository afterwards. `base` as in [`Git::merge_tree_onto`], if given.
    ///
    /// # Errors
    /// As [`Git::merge_tree`].
    pub fn probe(
        &mut self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        self.try_out(base, ours, theirs)
            .with_context(|| format!("probing {theirs} against {ours}"))
    }

    /// Returns why the last merge or probe was left to the program; `None` if it was not.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Returns whether the last merge or probe put the texts of a file together; if not, each file of the result is
    /// one side's.
    pub fn merged_texts(&self) -> bool {
        self.merged_texts
    }

    /// As [`Git::commit`], but not in the repository before [`Batch::write`]. A commit that is to be signed is
    /// written at once, with all that came before.
    ///
    /// # Errors
    /// As [`Git::commit`].
    pub fn commit(&mut self, spec: &CommitSpec) -> Result<CommitId> {
        if let Some(library) = &self.library
            && let Prepared::Raw(raw) = self.git.prepare(spec)?
        {
            let id = Oid::hash_object(ObjectType::Commit, raw.as_bytes())
                .with_context(|| format!("making a commit of tree {}", spec.tree))?;
            let fresh = Fresh {
                kind: ObjectType::Commit,
                id,
                data: raw.into_bytes(),
            };
            take_in(library, &mut self.waiting, vec![fresh])?;
            return Ok(id.to_string().parse()?);
        }
        self.write()?;
        self.git.commit(spec)
    }

    /// Writes and syncs everything that was made so far; nothing refers to it yet.
    ///
    /// # Errors
    /// If git cannot write it.
    pub fn write(&mut self) -> Result<()> {
        let Some(library) = &self.library else {
            return Ok(());
        };
        if self.waiting.is_empty() {
            return Ok(());
        }
        let pack = pack(library, &self.waiting).context("packing the objects of merges")?;
        let few = self.waiting.len() <= FEW;
        let take: &[&str] = if few {
            &["unpack-objects", "-q"]
        } else {
            &["index-pack", "--stdin"]
        };
        self.git
            .command()
            .args(take)
            .stdin(pack)
            .ok()
            .context("writing the objects of merges")?;
        // What is written stays in memory too, and is not waiting any more.
        self.waiting.clear();
        Ok(())
    }

    /// Returns the tree with these changes made. Where only the program can make it, its objects go to the folder
    /// `place`, if given, and into the repository else.
    ///
    /// # Errors
    /// If a tree cannot be read, or the changes cannot be true together.
    pub(super) fn tree_with(
        &mut self,
        tree: &TreeId,
        changes: &[&Change],
        place: Option<&Path>,
    ) -> Result<TreeId> {
        let context = || format!("changing {} paths of tree {tree}", changes.len());
        if let Some(library) = &self.library {
            let odb = library.odb()?;
            match graft(&odb, tree.as_str(), changes) {
                // In a partial clone the program can fetch what is missing.
                Err(error) if is_missing(&error) => {}
                grafted => {
                    let (id, fresh) = grafted.with_context(context)?;
                    take_in(library, &mut self.waiting, fresh)?;
                    return Ok(id.to_string().parse()?);
                }
            }
        }
        self.git
            .tree_by_index(tree, changes, place)
            .with_context(context)
    }

    /// As [`Git::commit`] of the tree with these changes made, which becomes part of the batch too.
    ///
    /// # Errors
    /// If a tree cannot be read, the changes cannot be true together, or as [`Git::commit`].
    pub fn commit_changes(
        &mut self,
        spec: &CommitSpec,
        changes: &[&Change],
    ) -> Result<(CommitId, TreeId)> {
        let tree = self.tree_with(&spec.tree, changes, None)?;
        let spec = CommitSpec {
            tree: tree.clone(),
            ..spec.clone()
        };
        Ok((self.commit(&spec)?, tree))
    }

    /// The handle that also sees what is not written yet.
    pub(super) fn library(&self) -> Option<&Repository> {
        self.library.as_ref()
    }

    /// The handle, and the objects that are not written yet.
    pub(super) fn memory(&mut self) -> Option<(&Repository, &mut Vec<Oid>)> {
        self.library
            .as_ref()
            .map(|library| (library, &mut self.waiting))
    }

    /// Merges in this process, and keeps what that makes; `None` if the program has to merge.
    pub(super) fn merge_here(
        &mut self,
        base: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<Option<TreeMerge>> {
        let Some((tree, fresh)) = self.in_memory(Some(base), ours, theirs)? else {
            return Ok(None);
        };
        if let Some(library) = &self.library {
            take_in(library, &mut self.waiting, fresh)?;
        }
        clean(tree).map(Some)
    }

    fn try_out(
        &mut self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        if let Some((tree, _)) = self.in_memory(base, ours, theirs)? {
            return clean(tree);
        }
        self.write()?;
        let scratch = match self.scratch.take() {
            Some(scratch) => scratch,
            None => tempfile::tempdir().context("making a temporary directory")?,
        };
        let place = Some(scratch.path());
        let merged = self.git.merge_by_program(base, ours, theirs, ours, place);
        self.scratch = Some(scratch);
        merged
    }

    fn merge(
        &mut self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        if let Some((tree, fresh)) = self.in_memory(base, ours, theirs)? {
            if let Some(library) = &self.library {
                take_in(library, &mut self.waiting, fresh)?;
            }
            return clean(tree);
        }
        self.write()?;
        self.git.merge_by_program(base, ours, theirs, ours, None)
    }

    /// Merges in this process; `None` if the program has to.
    fn in_memory(
        &mut self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<Option<(Oid, Vec<Fresh>)>> {
        self.reason = None;
        self.merged_texts = true;
        let Some(library) = &self.library else {
            self.reason = Some("a repository for the program alone");
            return Ok(None);
        };
        let (ours, theirs) = (oid(ours.as_str())?, oid(theirs.as_str())?);
        let base = base.map(|base| oid(base.as_str())).transpose()?;
        let git = self.git.clone();
        let known = Arc::clone(&self.outside);
        let outside = move || {
            if let Some(outside) = known.get() {
                return Ok(Arc::clone(outside));
            }
            let found = Arc::new(outside(&git)?);
            Ok(Arc::clone(known.get_or_init(|| found)))
        };
        let cache = &mut self.cache;
        let mut merged = || -> Result<_, Stop> {
            let base = match base {
                Some(base) => base,
                None => one_base(&self.git, library, ours, theirs)?,
            };
            let tree = |commit: Oid| library.find_commit(commit).map(|commit| commit.tree_id());
            let (base, ours, theirs) = (tree(base)?, tree(ours)?, tree(theirs)?);
            TreeWalk::new(library.odb()?, cache, ours, &outside).merge(base, theirs)
        };
        match merged() {
            Ok(merged) => {
                self.merged_texts = merged.1.iter().any(|new| new.kind == ObjectType::Blob);
                Ok(Some(merged))
            }
            Err(Stop::Unsure(why)) => {
                self.reason = Some(why);
                Ok(None)
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

fn clean(tree: Oid) -> Result<TreeMerge> {
    let tree: TreeId = tree.to_string().parse()?;
    Ok(TreeMerge::Clean {
        tree,
        road: TREE_ROAD,
    })
}

/// The only best common ancestor. Of several git makes one by merging them, and of none it may make an error.
fn one_base(git: &Git, library: &Repository, ours: Oid, theirs: Oid) -> Result<Oid, Stop> {
    let cut = ["shallow", "info/grafts"];
    if cut.iter().any(|file| git.common_dir().join(file).exists()) {
        return Err(Stop::Unsure("a history that is cut off"));
    }
    match library.merge_bases(ours, theirs)?[..] {
        [base] => Ok(base),
        _ => Err(Stop::Unsure("several common ancestors")),
    }
}

/// Puts new objects into the memory of a batch, or finds them in the repository.
pub(super) fn take_in(
    library: &Repository,
    waiting: &mut Vec<Oid>,
    fresh: Vec<Fresh>,
) -> Result<()> {
    let odb = library.odb()?;
    for object in fresh {
        let known = odb.exists(object.id);
        // Of a known one this renews the time, so that no clean-up takes it for garbage.
        let id = odb
            .write(object.kind, &object.data)
            .with_context(|| format!("keeping object {}", object.id))?;
        if !known {
            waiting.push(id);
        }
    }
    Ok(())
}

pub(super) fn pack(library: &Repository, objects: &[Oid]) -> Result<Vec<u8>> {
    let mut builder = library.packbuilder()?;
    builder.set_threads(1);
    let mut seen = HashSet::new();
    for &id in objects.iter().filter(|&&id| seen.insert(id)) {
        builder.insert_object(id, None)?;
    }
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack)?;
    Ok(pack.to_vec())
}

/// Reads what outside of the trees decides how texts merge.
fn outside(git: &Git) -> Result<Outside> {
    let settings = git.commit_settings()?;
    let mut plain = !settings.flag("merge.renormalize") && settings.text("merge.default").is_none();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let mut files = vec![
        git.common_dir().join("info/attributes"),
        PathBuf::from("/etc/gitattributes"),
        PathBuf::from("/usr/local/etc/gitattributes"),
    ];
    if let Some(program) = super::cmd::program()?.parent().and_then(Path::parent) {
        files.push(program.join("etc/gitattributes"));
    }
    if let Some(file) = settings.text("core.attributesfile") {
        match file.strip_prefix("~/").zip(home) {
            Some((file, home)) => files.push(home.join(file)),
            // Another person's home, or git's own folder.
            None if file.starts_with(['~', '%']) => plain = false,
            None => files.push(git.common_dir().join(file)),
        }
    } else {
        let set = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
        let folder = set.map(PathBuf::from);
        let folder = folder.or(home.map(|home| home.join(".config")));
        files.extend(folder.map(|folder| folder.join("git/attributes")));
    }
    // A file that cannot be read is none to git either.
    let attributes = files.iter().filter_map(|file| std::fs::read(file).ok());
    Ok(Outside {
        plain,
        attributes: attributes.collect(),
    })
}
