//! Creation of a workspace: filled first, published last.
//!
//! A staging folder two levels below the common directory is a valid git directory as it stands, because its
//! `commondir`, `../..`, is right there and in `worktrees/<name>`. git fills the workspace through it, and one
//! rename publishes a finished worktree: whenever this is killed, no other command of the repository sees
//! anything half-made. Staging folders carry a number of their own, so that a git process that outlives a
//! killed dynwf cannot touch a second try.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::disk::{self, Identity, Rights};
use super::index::{self, Parsed};
use super::place::{self, Extent, Head, RECORD, Record, SEED};
use super::sparse::SparseSpec;
use crate::error::Failure;
use crate::git::Git;
use crate::model::id::CommitId;
use crate::model::packet::Workspace;

/// What to make.
#[derive(Clone, Debug)]
pub struct MakeSpec {
    /// The name of the administrative folder: `<slug>.<packet>`, with `.a2` for a second attempt beside it.
    pub admin_name: String,
    /// The directory; it must not exist. Best from [`super::Sites::path`].
    pub path: PathBuf,
    /// The branch, which the caller has created at `commit`, or a detached HEAD.
    pub head: Head,
    /// What it holds.
    pub commit: CommitId,
    /// `None`: the whole tree.
    pub sparse: Option<SparseSpec>,
}

/// What has just been done: where a test stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Staged,
    DirectoryMade,
    Recorded,
    Described(&'static str),
    Filled,
    Seeded,
    Linked,
    Published,
    Finished,
}

/// Makes a workspace, or recognises the one that an earlier call with the same spec finished. What an earlier
/// call left half-made is cleared first. The caller must not hold the common lock.
///
/// # Errors
/// If the directory exists already and is not ours, if the branch is not at the commit, or if git cannot fill
/// the directory (then it is cleared away again).
pub fn make(git: &Git, spec: &MakeSpec) -> Result<Workspace> {
    let site = Site::new(git, spec)?;
    if let Some(workspace) = site.finished()? {
        return Ok(workspace);
    }
    site.clear()?;
    let made = site.make(&mut |_| Ok(()));
    if made.is_err() {
        // The error counts; what cannot be cleared now is cleared by the next try.
        let _ = site.clear();
    }
    made.with_context(|| format!("making the workspace {}", site.work.display()))
}

/// Where a workspace is being made.
pub(super) struct Site<'a> {
    git: &'a Git,
    spec: &'a MakeSpec,
    rights: Rights,
    work: PathBuf,
    admin: PathBuf,
    /// The folder of all staging folders.
    below: PathBuf,
}

impl<'a> Site<'a> {
    pub(super) fn new(git: &'a Git, spec: &'a MakeSpec) -> Result<Self> {
        let name = spec.admin_name.as_bytes();
        let good =
            |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        if name.is_empty() || name[0] == b'.' || !name.iter().all(good) {
            bail!("`{}` cannot name a workspace", spec.admin_name);
        }
        let work = std::path::absolute(&spec.path)
            .with_context(|| format!("resolving {}", spec.path.display()))?;
        if work.to_str().is_none() {
            return Err(Failure::usage(format!(
                "the workspace path {} is not UTF-8",
                work.display()
            ))
            .hint("set [workspace] path in dynwf.toml to another place")
            .into());
        }
        let common = git.common_dir();
        Ok(Self {
            git,
            spec,
            rights: Rights::like(common)?,
            work: real(&work)?,
            admin: common.join("worktrees").join(&spec.admin_name),
            below: common.join("dynwf"),
        })
    }

    /// Returns the workspace if an earlier call finished it.
    ///
    /// # Errors
    /// If the name is taken by another worktree.
    pub(super) fn finished(&self) -> Result<Option<Workspace>> {
        if !disk::exists(&self.admin)? {
            return Ok(None);
        }
        let taken = || {
            Failure::usage(format!(
                "the worktree name {} is taken",
                self.spec.admin_name
            ))
            .hint("see `git worktree list`, or choose another slug")
        };
        let record = Record::read(&self.admin).ok_or_else(taken)?;
        if record.head != self.spec.head
            || record.commit != self.spec.commit
            || disk::read_text(&self.admin.join("gitdir")) != Some(self.gitdir())
        {
            return Err(taken().into());
        }
        if disk::directory_at(&self.work)? != Some(record.identity) {
            bail!(
                "the workspace {} was made, and its directory is gone or another one now",
                self.work.display()
            );
        }
        Ok(Some(self.workspace(record.identity)))
    }

    fn gitdir(&self) -> String {
        format!("{}/.git\n", self.work.display())
    }

    fn workspace(&self, identity: Identity) -> Workspace {
        Workspace {
            path: self.work.display().to_string(),
            admin: self.admin.display().to_string(),
            device: identity.device,
            inode: identity.inode,
        }
    }

    /// Takes away what killed or failed tries left. The directory goes only if it is the recorded one, or
    /// empty.
    pub(super) fn clear(&self) -> Result<()> {
        for stage in self.stages()? {
            self.clear_one(&stage)?;
        }
        Ok(())
    }

    /// The staging folders of this name.
    fn stages(&self) -> Result<Vec<PathBuf>> {
        let prefix = format!("stage.{}~", self.spec.admin_name);
        let entries = match fs::read_dir(&self.below) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", self.below.display()));
            }
        };
        let mut stages = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", self.below.display()))?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                stages.push(entry.path());
            }
        }
        Ok(stages)
    }

    fn clear_one(&self, stage: &Path) -> Result<()> {
        let recorded = Record::read(stage).map(|record| record.identity);
        match disk::directory_at(&self.work)? {
            Some(found) if Some(found) == recorded => {
                let away = super::remove::move_to_trash(&self.work, &self.spec.admin_name)?;
                // What cannot be deleted now stays in the trash for the next sweep.
                let _ = disk::delete_tree(&away);
                let _ = away.parent().map(fs::remove_dir);
            }
            // Killed between making the directory and recording it: it is empty, or it is not ours.
            Some(_) if recorded.is_none() => {
                let _ = fs::remove_dir(&self.work);
            }
            _ => {}
        }
        disk::delete_tree(stage)
    }

    /// The recipe. `after` is told each step and may stop it there.
    pub(super) fn make(&self, after: &mut dyn FnMut(Step) -> Result<()>) -> Result<Workspace> {
        let stage = self.new_stage()?;
        after(Step::Staged)?;
        let identity = self.make_directory()?;
        after(Step::DirectoryMade)?;
        let extent = self
            .spec
            .sparse
            .as_ref()
            .map_or(Extent::Full, |sparse| Extent::Sparse { cone: sparse.cone });
        let record = Record {
            identity,
            head: self.spec.head.clone(),
            extent,
            commit: self.spec.commit.clone(),
        };
        self.rights
            .write_new(&stage.join(RECORD), record.write().as_bytes())?;
        disk::sync_dir(&stage)?;
        after(Step::Recorded)?;
        self.describe(&stage, extent, after)?;
        self.fill(&stage, extent)?;
        after(Step::Filled)?;
        if !stage.join("index").exists() {
            bail!("git wrote no index for {}", self.spec.commit);
        }
        place::plant_seed(&stage.join("index"), &stage.join(SEED))?;
        after(Step::Seeded)?;
        self.rights.write_new(
            &self.work.join(".git"),
            place::dot_git(&self.admin).as_bytes(),
        )?;
        disk::sync_dir(&self.work)?;
        disk::sync_dir(&stage)?;
        after(Step::Linked)?;
        self.publish(&stage)?;
        after(Step::Published)?;
        self.step_clock()?;
        after(Step::Finished)?;
        Ok(self.workspace(identity))
    }

    /// Makes a git directory for a workspace whose own is gone, unpublished: the caller deletes it. Its index is
    /// the commit's, without any stat. What a killed try left is deleted first.
    pub(super) fn lend(&self) -> Result<PathBuf> {
        for old in self.stages()? {
            disk::delete_tree(&old)?;
        }
        let stage = self.new_stage()?;
        self.describe(&stage, Extent::Full, &mut |_| Ok(()))?;
        let command = place::command(self.git, &stage, &self.below, Extent::Full);
        command
            .args(["read-tree", self.spec.commit.as_str()])
            .ok()?;
        place::plant_seed(&stage.join("index"), &stage.join(SEED))?;
        Ok(stage)
    }

    fn new_stage(&self) -> Result<PathBuf> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        self.rights.ensure_dir(&self.below)?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "stage.{}~{}-{count}",
            self.spec.admin_name,
            std::process::id()
        );
        let stage = self.below.join(name);
        self.rights.make_dir(&stage)?;
        Ok(stage)
    }

    fn make_directory(&self) -> Result<Identity> {
        if let Some(parent) = self.work.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("making the directory {}", parent.display()))?;
        }
        if let Err(error) = fs::create_dir(&self.work) {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                return Err(
                    Failure::usage(format!("{} exists already", self.work.display()))
                        .hint("move it away, or set [workspace] path in dynwf.toml")
                        .into(),
                );
            }
            return Err(error).with_context(|| format!("making {}", self.work.display()));
        }
        disk::sync_parent(&self.work)?;
        disk::directory_at(&self.work)?
            .with_context(|| format!("{} vanished at once", self.work.display()))
    }

    /// Writes the files that make the staging folder a git directory.
    fn describe(
        &self,
        stage: &Path,
        extent: Extent,
        after: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<()> {
        let reftable = self.git.common_dir().join("reftable").is_dir();
        let head = match &self.spec.head {
            _ if reftable => "ref: refs/heads/.invalid\n".to_owned(),
            Head::Branch(name) => format!("ref: {name}\n"),
            Head::Detached => format!("{}\n", self.spec.commit),
        };
        let locked = format!("dynwf: the workspace {}\n", self.spec.admin_name);
        let files = [
            ("commondir", "../..\n"),
            ("gitdir", &self.gitdir()),
            ("HEAD", &head),
            ("locked", &locked),
        ];
        for (name, content) in files {
            self.rights
                .write_new(&stage.join(name), content.as_bytes())?;
            after(Step::Described(name))?;
        }
        if let Some(sparse) = &self.spec.sparse {
            self.rights.make_dir(&stage.join("info"))?;
            let file = stage.join("info/sparse-checkout");
            self.rights.write_new(&file, sparse.patterns.as_bytes())?;
        }
        if reftable {
            self.describe_reftable(stage, extent)?;
        }
        disk::sync_dir(stage)
    }

    /// A worktree of a reftable repository has a table stack of its own, and HEAD lies in it.
    fn describe_reftable(&self, stage: &Path, extent: Extent) -> Result<()> {
        self.rights.make_dir(&stage.join("refs"))?;
        let note = b"this repository uses the reftable format\n";
        self.rights.write_new(&stage.join("refs/heads"), note)?;
        self.rights.make_dir(&stage.join("reftable"))?;
        self.rights
            .write_new(&stage.join("reftable/tables.list"), b"")?;
        let command = place::command(self.git, stage, &self.work, extent);
        match &self.spec.head {
            Head::Branch(name) => command.args(["symbolic-ref", "HEAD", name.as_str()]).ok()?,
            Head::Detached => command
                .args([
                    "update-ref",
                    "--no-deref",
                    "HEAD",
                    self.spec.commit.as_str(),
                ])
                .ok()?,
        };
        Ok(())
    }

    fn fill(&self, stage: &Path, extent: Extent) -> Result<()> {
        place::command(self.git, stage, &self.work, extent)
            .args([
                "read-tree",
                "-mu",
                "--no-recurse-submodules",
                self.spec.commit.as_str(),
            ])
            .ok()
            .with_context(|| format!("filling it from {}", self.spec.commit))?;
        Ok(())
    }

    fn publish(&self, stage: &Path) -> Result<()> {
        let _lock = disk::lock(self.git.common_dir(), self.rights)?;
        // While it was staged, nothing kept another git from moving or deleting the branch.
        if let Head::Branch(name) = &self.spec.head {
            let found = self.git.read_ref(name)?;
            if found.as_ref() != Some(&self.spec.commit) {
                bail!("{name} is not at {} any more", self.spec.commit.short());
            }
        }
        let worktrees = self.git.common_dir().join("worktrees");
        self.rights.ensure_dir(&worktrees)?;
        if disk::exists(&self.admin)? {
            bail!("the worktree name {} is taken", self.spec.admin_name);
        }
        disk::rename(stage, &self.admin)?;
        disk::sync_dir(&worktrees)?;
        disk::sync_dir(&self.below)
    }

    /// Waits until the clock is in a later second than the last file, and dates the index then: git compares
    /// whole seconds, and would else read (and filter) again whatever was written in the index's own second.
    /// Must come before anybody edits. Small trees without filters are not worth the wait: reading them again
    /// costs less, and the collector compares in nanoseconds anyway.
    fn step_clock(&self) -> Result<()> {
        let path = self.admin.join(SEED);
        let Parsed::Index(index) = index::read(&path, place::id_bytes(&self.spec.commit))? else {
            return Ok(());
        };
        let filtered = || {
            let attributes = index.entries.iter().filter(|entry| {
                entry.path == b".gitattributes" || entry.path.ends_with(b"/.gitattributes")
            });
            let mut files = attributes.map(|entry| self.work.join(disk::os_path(&entry.path)));
            files.any(|file| mentions_filter(&file))
                || mentions_filter(&self.git.common_dir().join("info/attributes"))
        };
        let there = index.entries.iter().filter(|entry| !entry.skip_worktree);
        if there.count() < WORTH_WAITING && !filtered() {
            return Ok(());
        }
        let now = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            },
        };
        for path in [path, self.admin.join("index")] {
            let file =
                fs::File::open(&path).with_context(|| format!("opening {}", path.display()))?;
            loop {
                wait_for_next_second(index.written.0);
                // The kernel's own clock for files lags a little behind the system's: look again.
                rustix::fs::futimens(&file, &now)
                    .with_context(|| format!("dating {}", path.display()))?;
                let meta = file
                    .metadata()
                    .with_context(|| format!("looking at {}", path.display()))?;
                if std::os::unix::fs::MetadataExt::mtime(&meta) > i64::from(index.written.0) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

/// From this many files on, reading them all again costs more than waiting for the next second.
const WORTH_WAITING: usize = 1000;

fn wait_for_next_second(second: u32) {
    let next = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(second) + 1);
    if let Ok(left) = next.duration_since(SystemTime::now()) {
        // A clock that was set back must not hold us up.
        std::thread::sleep(left.min(Duration::from_secs(1)));
    }
}

fn mentions_filter(file: &Path) -> bool {
    disk::read_text(file)
        .is_some_and(|text| text.contains("filter=") || text.contains("working-tree-encoding"))
}

/// The path with its existing part free of symbolic links: git compares paths by text.
fn real(path: &Path) -> Result<PathBuf> {
    let there = disk::nearest_directory(path.parent().unwrap_or(path))?;
    let rest = path.strip_prefix(&there).unwrap_or(path).to_path_buf();
    if rest
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        bail!(
            "the workspace path {} leads through a directory that does not exist",
            path.display()
        );
    }
    let there = there
        .canonicalize()
        .with_context(|| format!("resolving {}", there.display()))?;
    Ok(there.join(rest))
}
