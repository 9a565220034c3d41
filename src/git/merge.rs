//! Merging two commits without a checkout: in this process where the answer is certain (`treemerge`, through
//! `batch`), else through `git merge-tree`, with the same answer.
//!
//! Invariants: nothing but objects is written; no working tree of the user's is looked at; attributes come
//! from `ours`, so that what is merged in cannot hide a conflict by a `merge=union` of its own. The same two
//! commits give the same tree.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::cmd::{Cmd, Output};
use super::repo::{Git, Version};
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::ConflictFile;
use crate::model::path::RepoPath;

/// The git that can read attributes from a tree (`GIT_ATTR_SOURCE`).
const ATTRIBUTES_FROM_TREE: Version = Version::new(2, 41, 0);

/// The git whose `merge-tree` takes a base.
const GIVEN_BASE: Version = Version::new(2, 40, 0);

/// How a merge of two commits ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeMerge {
    /// Merged.
    Clean {
        /// The merged tree.
        tree: TreeId,
        /// What made it: `tree` (this process) or `git` (the program).
        road: &'static str,
    },
    /// Not merged.
    Conflicted {
        /// What conflicts, and how, in the order of the paths.
        files: Vec<ConflictFile>,
        /// Whether git lists these paths as unmerged. Where a directory was moved in two ways it lists none;
        /// then they are those of its message.
        unmerged: bool,
    },
}

impl Git {
    /// Merges `theirs` into `ours` over their common ancestors, with the attributes of `ours`.
    ///
    /// # Errors
    /// If the histories have nothing in common, or git fails; a conflict is no error.
    pub fn merge_tree(&self, ours: &CommitId, theirs: &CommitId) -> Result<TreeMerge> {
        let mut batch = self.batch()?;
        let merged = batch.merge_tree(ours, theirs)?;
        batch.write()?;
        Ok(merged)
    }

    /// Merges `theirs` into `ours` as if `base` were their only common ancestor: applies what changed from
    /// `base` to `theirs`.
    ///
    /// # Errors
    /// As [`Git::merge_tree`].
    pub fn merge_tree_onto(
        &self,
        base: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        let mut batch = self.batch()?;
        let merged = batch.merge_tree_onto(base, ours, theirs)?;
        batch.write()?;
        Ok(merged)
    }

    /// Merges with `git merge-tree`; over `base`, if given, with the attributes of that commit. New objects go to the folder `scratch`, if given,
    /// and are not synced there.
    pub(super) fn merge_by_program(
        &self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
        attributes: &CommitId,
        scratch: Option<&Path>,
    ) -> Result<TreeMerge> {
        let run = self.run(scratch, attributes)?;
        match base {
            Some(base) if self.version()? < GIVEN_BASE => {
                let ours = run.stand_in(base, ours)?;
                let theirs = run.stand_in(base, theirs)?;
                run.merge_tree(None, &ours, &theirs)
            }
            _ => run.merge_tree(base, ours, theirs),
        }
    }

    /// Prepares the place for what a merge writes.
    fn run<'a>(&'a self, scratch: Option<&'a Path>, attributes: &'a CommitId) -> Result<Run<'a>> {
        if let Some(scratch) = scratch {
            let info = scratch.join("info");
            std::fs::create_dir_all(&info)
                .and_then(|()| {
                    let objects = self.common_dir().join("objects");
                    std::fs::write(info.join("alternates"), format!("{}\n", objects.display()))
                })
                .with_context(|| format!("preparing {}", scratch.display()))?;
        }
        Ok(Run {
            git: self,
            scratch,
            attributes,
        })
    }

    /// The tree that `git merge-tree` makes of `tip` on `onto` as if `base` were their only common ancestor, with
    /// conflict marks in the files that conflict, which are listed. As [`Git::merge_by_program`] else.
    pub(super) fn marked_by_program(
        &self,
        base: &CommitId,
        onto: &CommitId,
        tip: &CommitId,
        scratch: Option<&Path>,
    ) -> Result<(TreeId, Vec<ConflictFile>)> {
        let run = self.run(scratch, onto)?;
        let (command, output) = if self.version()? < GIVEN_BASE {
            let (onto, tip) = (run.stand_in(base, onto)?, run.stand_in(base, tip)?);
            run.output(None, &onto, &tip)?
        } else {
            run.output(Some(base), onto, tip)?
        };
        let tree = output.stdout.split(|&b| b == 0).next().unwrap_or_default();
        let tree = || Ok::<TreeId, anyhow::Error>(String::from_utf8_lossy(tree).parse()?);
        match output.code() {
            Some(0) => Ok((tree()?, Vec::new())),
            Some(1) => match conflicts(&output.stdout) {
                Some(TreeMerge::Conflicted { files, .. }) => Ok((tree()?, files)),
                _ => anyhow::bail!("git merge-tree answered in an unknown form"),
            },
            _ => Err(command.failed(&output)),
        }
    }

    /// What `git merge-tree` says about a conflict, byte for byte; `None` where there is none.
    pub(super) fn conflict_by_program(
        &self,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<Option<Vec<u8>>> {
        let run = Run {
            git: self,
            scratch: None,
            attributes: ours,
        };
        let (command, output) = run.output(None, ours, theirs)?;
        match output.code() {
            Some(0) => Ok(None),
            Some(1) => Ok(Some(output.stdout)),
            _ => Err(command.failed(&output)),
        }
    }

    /// Writes the `.gitattributes` files of a commit, and nothing else of it, below `top`.
    fn lay_out_attributes(&self, commit: &CommitId, top: &Path) -> Result<()> {
        const NAME: &str = ".gitattributes";
        // Without one at the top git may take the merged one, which theirs can have changed.
        let first = top.join(NAME);
        std::fs::write(&first, "").with_context(|| format!("writing {}", first.display()))?;
        for file in self.files(&self.tree_of(commit)?)? {
            let regular = file.mode & 0o170_000 == 0o100_000;
            if !regular || file.path.name() != NAME.as_bytes() {
                continue;
            }
            let path = top.join(os_path(&file.path)?);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("making the folder {}", folder.display()))?;
            }
            std::fs::write(&path, self.blob(&file.oid)?)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Merges of the git program, with a place for what it writes.
struct Run<'a> {
    git: &'a Git,
    scratch: Option<&'a Path>,
    /// Where attributes are taken from.
    attributes: &'a CommitId,
}

impl Run<'_> {
    fn placed(&self, command: Cmd) -> Cmd {
        match self.scratch {
            Some(scratch) => command
                .config("core.fsync", "none")
                .env("GIT_OBJECT_DIRECTORY", scratch),
            None => command,
        }
    }

    /// A commit with the tree of `like` whose only parent is `base`: with two of them, an older git finds
    /// `base` as the common ancestor. Nothing refers to it, and the same arguments give the same commit.
    fn stand_in(&self, base: &CommitId, like: &CommitId) -> Result<CommitId> {
        let tree = self.git.tree_of(like)?;
        let nobody = "dynwf <dynwf@localhost> 0 +0000";
        let raw = format!(
            "tree {tree}\nparent {base}\nauthor {nobody}\ncommitter {nobody}\n\nfor a merge\n"
        );
        let id = self
            .placed(self.git.command())
            .args(["hash-object", "-t", "commit", "-w", "--stdin"])
            .stdin(raw)
            .text()?;
        Ok(id.parse()?)
    }

    fn merge_tree(
        &self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<TreeMerge> {
        let (command, output) = self.output(base, ours, theirs)?;
        match output.code() {
            Some(0) => {
                let id = output.stdout.split(|&b| b == 0).next().unwrap_or_default();
                let tree = String::from_utf8_lossy(id).parse()?;
                Ok(TreeMerge::Clean { tree, road: "git" })
            }
            Some(1) => {
                conflicts(&output.stdout).context("git merge-tree answered in an unknown form")
            }
            _ => Err(command.failed(&output)),
        }
    }

    /// What `git merge-tree` answers, with 0 or 1 where it could be asked.
    fn output(
        &self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<(Cmd, Output)> {
        // In a checkout git would read the attributes that lie there, committed or not.
        let empty;
        let command = if self.git.version()? >= ATTRIBUTES_FROM_TREE {
            let tree = self.git.tree_of(self.attributes)?;
            self.git.command().env("GIT_ATTR_SOURCE", tree.as_str())
        } else {
            empty = tempfile::tempdir().context("making a temporary directory")?;
            self.git.lay_out_attributes(self.attributes, empty.path())?;
            Cmd::on(self.git.common_dir(), Some(empty.path()), empty.path())
        };
        let command = self
            .placed(command)
            .args(["merge-tree", "--write-tree", "-z", "--messages"])
            .args(base.map(|base| format!("--merge-base={base}")))
            .args([ours.as_str(), theirs.as_str()]);
        let output = command.run()?;
        Ok((command, output))
    }
}

/// A path of a tree as one below a directory of ours; a hand-made tree may hold names that lead out of it.
fn os_path(path: &RepoPath) -> Result<&Path> {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = |part: &[u8]| matches!(part, b"" | b"." | b"..");
    anyhow::ensure!(
        !path.as_bytes().split(|&b| b == b'/').any(odd),
        "the tree holds the path `{path}`, which no checkout can hold"
    );
    Ok(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())))
}

/// How the advice begins that git 2.39 prints behind the messages where submodules conflict. It is no message.
const SUBMODULE_ADVICE: &[u8] = b"Recursive merging with submodules";

/// Reads the answer about a conflict: the tree, the stages (`mode SP id SP stage TAB path`), an empty field,
/// and messages (how many paths, the paths, the kind, the text).
fn conflicts(bytes: &[u8]) -> Option<TreeMerge> {
    let mut fields = bytes.split(|&b| b == 0);
    fields.next()?;
    // For each path the stages it has, as bits: base, ours, theirs.
    let mut stages: BTreeMap<Vec<u8>, u8> = BTreeMap::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        let tab = field.iter().position(|&b| b == b'\t')?;
        let stage = field[..tab].last()?.checked_sub(b'1').filter(|&n| n < 3)?;
        *stages.entry(field[tab + 1..].to_vec()).or_default() |= 1 << stage;
    }
    let mut kinds: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    while let Some(count) = fields.next().filter(|field| !field.is_empty()) {
        if count.starts_with(SUBMODULE_ADVICE) {
            break;
        }
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        let paths: Vec<_> = fields.by_ref().take(count).collect();
        let kind = String::from_utf8_lossy(fields.next()?);
        fields.next()?;
        let Some(kind) = kind
            .strip_prefix("CONFLICT")
            .and_then(|rest| rest.trim_start().strip_prefix('('))
            .and_then(|rest| rest.strip_suffix(')'))
        else {
            continue;
        };
        for path in paths {
            let kind = match stages.get(path) {
                // Git calls it `contents` here and `add/add` in its text.
                Some(0b110) if kind == "contents" => "add/add",
                _ => kind,
            };
            kinds
                .entry(path.to_vec())
                .or_insert_with(|| kind.to_owned());
        }
    }
    // A message also names paths that are in order, such as the old name of a renamed file.
    let unmerged = !stages.is_empty();
    if unmerged {
        kinds.retain(|path, _| stages.contains_key(path));
    }
    for path in stages.into_keys() {
        kinds.entry(path).or_insert_with(|| "contents".to_owned());
    }
    let file = |(path, kind)| ConflictFile {
        path: RepoPath::new(path),
        kind,
    };
    Some(TreeMerge::Conflicted {
        files: kinds.into_iter().map(file).collect(),
        unmerged,
    })
}
