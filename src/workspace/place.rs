//! A workspace as the other files of this module see it: its directories, its record, and git run in it.
//!
//! The record (`dynwf.made` in the administrative folder) says what was made: the identity of the directory,
//! the HEAD that it got, and its sparse form. The seed (`dynwf.seed`) is the index as dynwf last wrote it: what
//! an agent does to the ordinary index (flags that hide edits, damage, deletion) changes nothing for us. Both
//! lie beside git's own files, which git leaves alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::disk::{self, Identity, Rights};
use super::index::{self, Index, Parsed};
use crate::git::{Cmd, Git};
use crate::model::id::{CommitId, RefName};
use crate::model::packet::Workspace;

/// The name of the record in the administrative folder.
pub(super) const RECORD: &str = "dynwf.made";
/// The name of the untouched index.
pub(super) const SEED: &str = "dynwf.seed";
/// The name of the index that the collector fills, for [`super::settle`].
pub(super) const PRIVATE: &str = "dynwf.index";

/// The mark in the administrative folder of a workspace that has a git directory of its own.
const OWN: &str = "dynwf.clone";

/// A tree of any size is filled and collected within this time.
const LIMIT: Duration = Duration::from_secs(3600);

/// What HEAD of a workspace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// On this branch.
    Branch(RefName),
    /// On a commit, not on a branch.
    Detached,
}

/// How much of the tree a workspace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Full,
    /// The patterns in `info/sparse-checkout`; in cone mode or not.
    Sparse {
        cone: bool,
    },
}

/// What was made, as recorded beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) identity: Identity,
    pub(super) head: Head,
    pub(super) extent: Extent,
    /// The commit that it was filled from.
    pub(super) commit: CommitId,
}

impl Record {
    pub(super) fn write(&self) -> String {
        let head = match &self.head {
            Head::Branch(name) => name.as_str(),
            Head::Detached => "detached",
        };
        let extent = match self.extent {
            Extent::Full => "full",
            Extent::Sparse { cone: true } => "cone",
            Extent::Sparse { cone: false } => "patterns",
        };
        let Identity { device, inode } = self.identity;
        format!("{device} {inode}\n{head}\n{extent}\n{}\n", self.commit)
    }

    /// Reads the record in an administrative or a staging folder; `None` if it is missing or damaged.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let text = disk::read_text(&folder.join(RECORD))?;
        let mut lines = text.lines();
        let (device, inode) = lines.next()?.split_once(' ')?;
        let identity = Identity {
            device: device.parse().ok()?,
            inode: inode.parse().ok()?,
        };
        let head = match lines.next()? {
            "detached" => Head::Detached,
            name => Head::Branch(name.parse().ok()?),
        };
        let extent = match lines.next()? {
            "full" => Extent::Full,
            "cone" => Extent::Sparse { cone: true },
            "patterns" => Extent::Sparse { cone: false },
            _ => return None,
        };
        let commit = lines.next()?.parse().ok()?;
        Some(Self {
            identity,
            head,
            extent,
            commit,
        })
    }
}

/// The settings that tell git how much of the tree a workspace holds.
pub(super) fn sparse_words(extent: Extent) -> [(&'static str, &'static str); 2] {
    let (sparse, cone) = match extent {
        Extent::Full => ("false", "false"),
        Extent::Sparse { cone } => ("true", if cone { "true" } else { "false" }),
    };
    [
        ("core.sparseCheckout", sparse),
        ("core.sparseCheckoutCone", cone),
    ]
}

/// A git command in a workspace: explicit directories, no sparse surprise, nothing hidden by a user's setting.
pub(super) fn command(git: &Git, git_dir: &Path, work: &Path, extent: Extent) -> Cmd {
    let [(sparse, is_sparse), (cone, is_cone)] = sparse_words(extent);
    git.command_in(git_dir, work)
        .config(sparse, is_sparse)
        .config(cone, is_cone)
        .config("index.sparse", "false")
        .config("index.version", "2")
        // Would mark every entry as unchanged for good.
        .config("core.ignoreStat", "false")
        .config("core.safecrlf", "false")
        .config("core.logAllRefUpdates", "false")
        .config("submodule.recurse", "false")
        // One sync for all objects of a run instead of one each.
        .config("core.fsyncMethod", "batch")
        // Several workspaces are filled at once; more workers for each are not faster.
        .config("checkout.workers", "1")
        .effect(&git.effects_folder())
        .timeout(LIMIT)
}

/// A workspace with what is needed to work on it.
pub(super) struct Place<'a> {
    pub(super) git: &'a Git,
    pub(super) work: PathBuf,
    pub(super) admin: PathBuf,
    pub(super) recorded: Identity,
    pub(super) head: Head,
    pub(super) extent: Extent,
}

impl<'a> Place<'a> {
    /// Opens a workspace by what the journal says of it.
    ///
    /// # Errors
    /// If its administrative folder is not one of this repository, or dynwf's record in it is gone.
    pub(super) fn open(git: &'a Git, workspace: &Workspace) -> Result<Self> {
        let admin = PathBuf::from(&workspace.admin);
        if admin.parent() != Some(git.common_dir().join("worktrees").as_path()) {
            bail!(
                "{} is no administrative folder of this repository",
                admin.display()
            );
        }
        let Some(record) = Record::read(&admin) else {
            bail!(
                "the administrative folder {} is gone or is not dynwf's",
                admin.display()
            );
        };
        Ok(Self {
            git,
            work: PathBuf::from(&workspace.path),
            admin,
            recorded: Identity {
                device: workspace.device,
                inode: workspace.inode,
            },
            head: record.head,
            extent: record.extent,
        })
    }

    /// Whether the directory is the one that was made.
    pub(super) fn is_there(&self) -> Result<bool> {
        Ok(disk::directory_at(&self.work)? == Some(self.recorded))
    }

    /// A git command on the ordinary index.
    pub(super) fn command(&self) -> Cmd {
        command(self.git, &self.admin, &self.work, self.extent)
    }

    /// A git command that needs no files: it works where the directory is gone.
    pub(super) fn without_files(&self) -> Cmd {
        self.command().cwd(&self.admin)
    }

    /// A git command on another index.
    pub(super) fn with_index(&self, index: &Path) -> Cmd {
        self.command().env("GIT_INDEX_FILE", index)
    }

    /// Copies the seed, with its time, to `name` in the administrative folder: without the time git's
    /// protection against edits in the second of writing is off.
    pub(super) fn private_index(&self, name: &str) -> Result<PathBuf> {
        let private = self.admin.join(name);
        disk::remove_if_there(&private)?;
        // Left by a kill; nobody else uses this name, and effects of a dead dynwf have been waited for.
        disk::remove_if_there(&disk::with_suffix(&private, ".lock"))?;
        let seed = self.admin.join(SEED);
        disk::copy_file(&seed, &private, true)
            .with_context(|| format!("copying {} to {}", seed.display(), private.display()))?;
        Ok(private)
    }

    /// Reads a private index; one in a form that is not read here is rewritten first.
    pub(super) fn read_index(&self, private: &Path, id_bytes: usize) -> Result<Index> {
        if let Parsed::Index(index) = index::read(private, id_bytes)? {
            return Ok(index);
        }
        self.with_index(private)
            .args([
                "update-index",
                "--index-version",
                "2",
                "--no-split-index",
                "--force-write-index",
            ])
            .ok()?;
        match index::read(private, id_bytes)? {
            Parsed::Index(index) => Ok(index),
            Parsed::OtherForm => bail!("the index {} is in an unknown form", private.display()),
        }
    }

    /// Makes a private index the ordinary one and the seed.
    pub(super) fn adopt_index(&self, private: &Path) -> Result<()> {
        plant_seed(private, &self.admin.join(SEED))?;
        disk::remove_if_there(&self.admin.join("index.lock"))?;
        disk::rename(private, &self.admin.join("index"))?;
        disk::sync_dir(&self.admin)
    }

    /// Puts the workspace's `.git` file back if it is not ours any more; what lay there goes to the trash.
    pub(super) fn restore_dot_git(&self) -> Result<()> {
        let path = self.work.join(".git");
        let content = dot_git(&self.admin);
        if names(&self.work, &self.admin) {
            return Ok(());
        }
        if disk::exists(&path)? {
            let trash = trash_beside(&self.work)?;
            disk::rename(&path, &disk::free_name(&trash, "dot-git")?)?;
        }
        Rights::like(self.git.common_dir())?.write_new(&path, content.as_bytes())?;
        disk::sync_dir(&self.work)
    }

    /// Makes a filled git directory the workspace's own `.git`.
    pub(super) fn own_dot_git(&self, git_dir: &Path) -> Result<()> {
        let mark = self.admin.join(OWN);
        fs::write(&mark, "").with_context(|| format!("writing {}", mark.display()))?;
        let path = self.work.join(".git");
        if disk::exists(&path)? {
            let trash = trash_beside(&self.work)?;
            disk::rename(&path, &disk::free_name(&trash, "dot-git")?)?;
        }
        disk::rename(git_dir, &path)?;
        disk::sync_dir(&self.work)
    }

    /// Whether somebody ran `git sparse-checkout set` in a workspace that we made full.
    pub(super) fn was_made_sparse(&self) -> bool {
        let settings = disk::read_text(&self.admin.join("config.worktree")).unwrap_or_default();
        let on = |line: &str| {
            let line = line.to_ascii_lowercase();
            let (key, value) = line.split_once('=').unwrap_or_default();
            key.trim() == "sparsecheckout" && value.trim() == "true"
        };
        self.extent == Extent::Full && settings.lines().any(on)
    }

    /// Reads HEAD of the workspace as it is now.
    pub(super) fn head_now(&self) -> Result<Head> {
        let text = disk::read_text(&self.admin.join("HEAD")).unwrap_or_default();
        let mut name = text.trim_end().strip_prefix("ref: ").map(str::to_owned);
        if name.as_deref() == Some("refs/heads/.invalid") {
            // Reftable: the file says nothing.
            let output = self
                .without_files()
                .args(["symbolic-ref", "-q", "HEAD"])
                .run()?;
            name = output
                .success()
                .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        match name {
            None => Ok(Head::Detached),
            Some(name) => Ok(Head::Branch(
                name.parse().context("reading HEAD of the workspace")?,
            )),
        }
    }

    /// Returns the commit that HEAD of the workspace stands on; without a git process in all usual cases.
    pub(super) fn head_commit(&self) -> Result<Option<CommitId>> {
        let text = disk::read_text(&self.admin.join("HEAD")).unwrap_or_default();
        match self.head_now()? {
            Head::Branch(name) => self.git.read_ref(&name),
            Head::Detached => match text.trim_end().parse() {
                Ok(id) => Ok(Some(id)),
                Err(_) => self.commit_of("HEAD"),
            },
        }
    }

    /// Returns the commit of a revision as seen from the workspace.
    pub(super) fn commit_of(&self, revision: &str) -> Result<Option<CommitId>> {
        let output = self
            .without_files()
            .args(["rev-parse", "--verify", "-q", "--end-of-options"])
            .arg(format!("{revision}^{{commit}}"))
            .run()?;
        let text = String::from_utf8_lossy(&output.stdout);
        // With --end-of-options some versions print that option as well.
        let id = text.lines().last().unwrap_or_default().trim();
        Ok(output.success().then(|| id.parse().ok()).flatten())
    }
}

/// The content of a workspace's `.git` file.
pub(super) fn dot_git(admin: &Path) -> String {
    format!("gitdir: {}\n", admin.display())
}

/// Keeps the index `from` as the seed: the same file under a second name, since git replaces an index and
/// never writes into it; a copy where the file system has no hard links.
pub(super) fn plant_seed(from: &Path, seed: &Path) -> Result<()> {
    let beside = disk::with_suffix(seed, ".new");
    disk::remove_if_there(&beside)?;
    if fs::hard_link(from, &beside).is_err() {
        disk::copy_file(from, &beside, true)
            .with_context(|| format!("copying {} to {}", from.display(), beside.display()))?;
    }
    disk::rename(&beside, seed)
}

/// Returns the trash directory beside a workspace, made if need be.
pub(super) fn trash_beside(work: &Path) -> Result<PathBuf> {
    let parent = work
        .parent()
        .context("a workspace has no parent directory")?;
    let trash = parent.join(".trash");
    match fs::create_dir(&trash) {
        Err(error) if disk::directory_at(&trash)?.is_none() => {
            Err(error).with_context(|| format!("making {}", trash.display()))
        }
        _ => Ok(trash),
    }
}

/// How many bytes an object id has in the repository of this commit.
pub(super) fn id_bytes(commit: &CommitId) -> usize {
    commit.as_str().len() / 2
}

/// Whether the `.git` file of a workspace names its administrative folder, or it has a git directory of its own as it
/// should.
pub(super) fn names(work: &Path, admin: &Path) -> bool {
    let path = work.join(".git");
    disk::read_text(&path).as_deref() == Some(dot_git(admin).as_str())
        || (has_own(admin) && path.symlink_metadata().is_ok_and(|meta| meta.is_dir()))
}

/// Whether the workspace of this administrative folder has a git directory of its own.
pub(super) fn has_own(admin: &Path) -> bool {
    admin.join(OWN).exists()
}

/// Whether the workspace has a git directory of its own, as the layout `clone` gives it.
pub fn has_own_git(workspace: &Workspace) -> bool {
    has_own(Path::new(&workspace.admin))
}

/// Puts the workspace's `.git` back if somebody replaced it: a person who looks at what a refused packet left must not
/// run a program with `git status`. Doing it again changes nothing.
///
/// # Errors
/// If the administrative folder is gone or a file cannot be written.
pub fn mend_dot_git(git: &Git, workspace: &Workspace) -> Result<()> {
    let place = Place::open(git, workspace)?;
    if place.is_there()? {
        place.restore_dot_git()?;
    }
    Ok(())
}

/// Puts a workspace's own git directory into the trash and its `.git` file back. Does nothing where it has none.
pub(super) fn leave_dot_git(workspace: &Workspace) -> Result<()> {
    let (work, admin) = (Path::new(&workspace.path), Path::new(&workspace.admin));
    let identity = Identity {
        device: workspace.device,
        inode: workspace.inode,
    };
    if !has_own(admin) {
        return Ok(());
    }
    disk::remove_if_there(&admin.join(OWN))?;
    if disk::directory_at(work)? != Some(identity) {
        return Ok(());
    }
    let path = work.join(".git");
    if disk::exists(&path)? {
        let away = disk::free_name(&trash_beside(work)?, "dot-git")?;
        disk::rename(&path, &away)?;
    }
    fs::write(&path, dot_git(admin)).with_context(|| format!("writing {}", path.display()))
}

/// Which of git's longer operations are under way, by the files that they leave.
pub(super) fn unfinished(admin: &Path) -> Vec<&'static str> {
    let marks = [
        ("MERGE_HEAD", "a merge"),
        ("CHERRY_PICK_HEAD", "a cherry-pick"),
        ("REVERT_HEAD", "a revert"),
        ("rebase-merge", "a rebase"),
        ("rebase-apply", "a rebase"),
        ("BISECT_START", "a bisection"),
    ];
    let there = marks
        .iter()
        .filter(|(name, _)| admin.join(name).symlink_metadata().is_ok());
    there.map(|(_, what)| *what).collect()
}

/// What of a conflict was laid out, beside git's own files: `onto tip`, then a line for each unmerged path with
/// its stamp.
pub(super) const CONFLICT: &str = "dynwf.conflict";
