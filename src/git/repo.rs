//! Finding and opening a repository.
//!
//! Invariants: an ordinary repository is found and opened without a git process; all directories are
//! absolute, free of symbolic links and UTF-8. libgit2 handles come from a small pool and are used by one
//! thread at a time.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail};
use git2::Repository;

use super::cmd::Cmd;
use super::settings::Settings;
use crate::error::Failure;

/// How many idle handles are kept open.
const IDLE_HANDLES: usize = 4;

/// A repository, seen from the directory where dynwf was called. Cheap to clone.
#[derive(Clone)]
pub struct Git {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_tree: Option<PathBuf>,
    main_work_tree: Option<PathBuf>,
    program_only: bool,
    version: OnceLock<Version>,
    pub(super) idents: OnceLock<(String, String)>,
    pub(super) settings: OnceLock<Settings>,
    handles: Mutex<Vec<Repository>>,
    /// A folder of more objects, which only libgit2 looks into.
    beside: Option<PathBuf>,
}

/// The version of a git program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl Version {
    /// The oldest git that will do: it brought `merge-tree --write-tree`.
    pub const FLOOR: Self = Self::new(2, 38, 0);

    /// The version with these numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads the answer of `git version`, such as `git version 2.39.5 (Apple Git-154)`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text
            .strip_prefix("git version ")?
            .split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        let patch = numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Some(Self::new(major, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Debug for Git {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Git({})", self.inner.git_dir.display())
    }
}

/// A libgit2 handle on loan from the pool.
pub(super) struct Handle<'a> {
    git: &'a Git,
    repository: Option<Repository>,
}

impl Deref for Handle<'_> {
    type Target = Repository;
    #[expect(clippy::expect_used, reason = "the handle is taken out only in drop")]
    fn deref(&self) -> &Repository {
        self.repository.as_ref().expect("present until dropped")
    }
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        let handles = &self.git.inner.handles;
        let mut idle = handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repository) = self.repository.take()
            && idle.len() < IDLE_HANDLES
        {
            idle.push(repository);
        }
    }
}

/// The directories of a repository, as found.
struct Found {
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_tree: Option<PathBuf>,
    main_work_tree: Option<PathBuf>,
}

impl Git {
    /// Finds the repository that `start` lies in, or that `start` is the git directory of. `GIT_DIR` is not
    /// looked at; `GIT_CEILING_DIRECTORIES` is.
    ///
    /// # Errors
    /// A usage [`Failure`] if there is none, it belongs to somebody else, this git cannot open it, or a path
    /// is not UTF-8.
    pub fn discover(start: &Path) -> Result<Self> {
        let ceilings: Vec<PathBuf> = std::env::var_os("GIT_CEILING_DIRECTORIES")
            .map(|list| std::env::split_paths(&list).collect())
            .unwrap_or_default();
        // With the worktree's own `.git` file in sight, unlike an opening of the git directory alone.
        let opened = Repository::open_ext(start, git2::RepositoryOpenFlags::empty(), &ceilings);
        let (found, handle) = match opened {
            Ok(repository) => (found_by_library(&repository)?, Some(repository)),
            Err(error) => match error.code() {
                git2::ErrorCode::NotFound => return Err(not_found(start)),
                git2::ErrorCode::Owner => return Err(owned_by_another(start)),
                _ => (found_by_program(start, &error)?, None),
            },
        };
        Self::assemble(found, handle)
    }

    fn assemble(found: Found, handle: Option<Repository>) -> Result<Self> {
        let git_dir = plain(&found.git_dir)?;
        let common_dir = plain(&found.common_dir)?;
        let work_tree = found.work_tree.as_deref().map(plain).transpose()?;
        // A main work tree that was moved away is no reason to refuse work in a linked one.
        let main_work_tree = match found.main_work_tree {
            Some(path) if path.is_dir() => Some(plain(&path)?),
            _ => None,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                git_dir,
                common_dir,
                work_tree,
                main_work_tree,
                program_only: handle.is_none(),
                version: OnceLock::new(),
                idents: OnceLock::new(),
                settings: OnceLock::new(),
                handles: Mutex::new(handle.into_iter().collect()),
                beside: None,
            }),
        })
    }

    /// Reads the configuration that counts for the common directory.
    pub(super) fn settings(&self) -> Result<Settings> {
        let bytes = self.command().args(["config", "-z", "--list"]).ok()?;
        Ok(Settings::parse(&bytes))
    }

    /// Returns the directory that all worktrees share: objects, refs, configuration, `dynwf/`.
    pub fn common_dir(&self) -> &Path {
        &self.inner.common_dir
    }

    /// Returns the git directory of the worktree that dynwf was called in.
    pub fn git_dir(&self) -> &Path {
        &self.inner.git_dir
    }

    /// Returns the top of the worktree that dynwf was called in; `None` in a bare repository.
    pub fn work_tree(&self) -> Option<&Path> {
        self.inner.work_tree.as_deref()
    }

    /// Returns the top of the main worktree; `None` if the repository is bare, or if git does not record
    /// where it is (a separate git directory, seen from a linked worktree).
    pub fn main_work_tree(&self) -> Option<&Path> {
        self.inner.main_work_tree.as_deref()
    }

    /// Returns the worktree that `.workflow/` lies in: the main one, else the current one.
    ///
    /// # Errors
    /// A usage [`Failure`] in a bare repository.
    pub fn face_root(&self) -> Result<PathBuf> {
        let root = self.main_work_tree().or(self.work_tree());
        root.map(Path::to_path_buf).ok_or_else(|| {
            Failure::usage(format!(
                "{} is a bare repository",
                self.common_dir().display()
            ))
            .hint("run dynwf in a worktree of it: git worktree add <directory>")
            .into()
        })
    }

    /// Returns whether libgit2 cannot open the repository, so that every question starts a git process.
    pub fn program_only(&self) -> bool {
        self.inner.program_only
    }

    /// Returns the version of the git program; asked for once.
    ///
    /// # Errors
    /// A usage [`Failure`] if git is missing or older than [`Version::FLOOR`].
    pub fn version(&self) -> Result<Version> {
        if let Some(version) = self.inner.version.get() {
            return Ok(*version);
        }
        let text = Cmd::bare(self.common_dir()).arg("version").text()?;
        let Some(version) = Version::parse(&text) else {
            bail!("`git version` answered `{text}`");
        };
        if version < Version::FLOOR {
            return Err(Failure::usage(format!(
                "git {version} is too old: dynwf needs {}",
                Version::FLOOR
            ))
            .hint("install a newer git, or put one first on PATH")
            .into());
        }
        Ok(*self.inner.version.get_or_init(|| version))
    }

    /// A git command on the common directory, run there: HEAD is the main worktree's, and no working tree is
    /// in sight.
    pub fn command(&self) -> Cmd {
        Cmd::on(self.common_dir(), None, self.common_dir())
    }

    /// A git command on a worktree by its recorded git directory, run at its top; what lies at `.git` in the
    /// worktree is not looked at.
    pub fn command_in(&self, git_dir: &Path, work_tree: &Path) -> Cmd {
        Cmd::on(git_dir, Some(work_tree), work_tree)
    }

    /// A git command as seen from where dynwf was called: HEAD is that worktree's. Run in its git directory.
    pub(super) fn command_here(&self) -> Cmd {
        Cmd::on(self.git_dir(), None, self.git_dir())
    }

    /// Returns the folder of the locked files that mark git processes at work in this repository: see
    /// [`Cmd::effect`] and [`super::wait_for_effects`].
    pub fn effects_folder(&self) -> PathBuf {
        self.common_dir().join("dynwf").join("effects")
    }

    /// The same repository, read as if the objects in `folder` were in it too. Only what libgit2 reads sees them.
    pub(super) fn with_objects(&self, folder: &Path) -> Self {
        let inner = &self.inner;
        Self {
            inner: Arc::new(Inner {
                git_dir: inner.git_dir.clone(),
                common_dir: inner.common_dir.clone(),
                work_tree: inner.work_tree.clone(),
                main_work_tree: inner.main_work_tree.clone(),
                program_only: inner.program_only,
                version: inner.version.clone(),
                idents: OnceLock::new(),
                settings: OnceLock::new(),
                handles: Mutex::default(),
                beside: Some(folder.to_owned()),
            }),
        }
    }

    fn open(&self) -> Result<Repository> {
        let repository = Repository::open(self.git_dir())?;
        if let Some(folder) = &self.inner.beside {
            let path = folder.to_str().context("a path is not UTF-8")?;
            repository.odb()?.add_disk_alternate(path)?;
        }
        Ok(repository)
    }

    /// Borrows a libgit2 handle; `None` if libgit2 cannot open this repository.
    pub(super) fn library(&self) -> Result<Option<Handle<'_>>> {
        if self.program_only() {
            return Ok(None);
        }
        let idle = {
            let handles = &self.inner.handles;
            let mut idle = handles.lock().unwrap_or_else(PoisonError::into_inner);
            idle.pop()
        };
        let repository = match idle {
            Some(repository) => repository,
            None => self
                .open()
                .with_context(|| format!("opening the repository {}", self.git_dir().display()))?,
        };
        Ok(Some(Handle {
            git: self,
            repository: Some(repository),
        }))
    }
}

fn not_found(start: &Path) -> anyhow::Error {
    Failure::usage(format!(
        "there is no git repository at or above {}",
        start.display()
    ))
    .hint("run dynwf inside a repository, or make one with `git init`")
    .into()
}

fn owned_by_another(start: &Path) -> anyhow::Error {
    Failure::usage(format!(
        "the repository at {} belongs to another user",
        start.display()
    ))
    .hint("if you trust it: git config --global --add safe.directory <its directory>")
    .into()
}

fn found_by_library(repository: &Repository) -> Result<Found> {
    let git_dir = repository.path().to_path_buf();
    let common_dir = repository.commondir().to_path_buf();
    let work_tree = repository.workdir().map(Path::to_path_buf);
    let main_work_tree = if repository.is_worktree() {
        let main = Repository::open(&common_dir)
            .with_context(|| format!("opening the repository {}", common_dir.display()))?;
        let configured = main.config().and_then(|c| c.get_path("core.worktree")).ok();
        main_of(&common_dir, main.is_bare(), configured)
    } else {
        work_tree.clone()
    };
    Ok(Found {
        git_dir,
        common_dir,
        work_tree,
        main_work_tree,
    })
}

/// Where the main worktree of a repository is, seen from a linked one: where `core.worktree` says, else beside
/// a directory named `.git`.
fn main_of(common_dir: &Path, bare: bool, configured: Option<PathBuf>) -> Option<PathBuf> {
    if bare {
        return None;
    }
    configured.map(|path| common_dir.join(path)).or_else(|| {
        (common_dir.file_name()? == ".git")
            .then(|| common_dir.parent().map(Path::to_path_buf))
            .flatten()
    })
}

/// Asks the git program where libgit2 gave up; git decides whether the repository is a good one.
fn found_by_program(start: &Path, why: &git2::Error) -> Result<Found> {
    let cwd = if start.is_dir() {
        start
    } else {
        start.parent().unwrap_or(start)
    };
    let ask = |what: &[&str]| -> Result<String> {
        Cmd::bare(cwd)
            .arg("rev-parse")
            .arg("--path-format=absolute")
            .args(what)
            .line()
    };
    let git_dir = ask(&["--git-dir"]).map_err(|error| {
        Failure::usage(format!(
            "cannot open the repository at {}: {error:#} (libgit2: {})",
            start.display(),
            why.message()
        ))
        .hint("a newer git may be able to: put it first on PATH")
    })?;
    let common_dir = PathBuf::from(ask(&["--git-common-dir"])?);
    let inside = ask(&["--is-inside-work-tree"])? == "true";
    let work_tree = inside
        .then(|| ask(&["--show-toplevel"]).map(PathBuf::from))
        .transpose()?;
    let git_dir = PathBuf::from(git_dir);
    let main_work_tree = if git_dir == common_dir && work_tree.is_some() {
        work_tree.clone()
    } else {
        let main = Cmd::on(&common_dir, None, &common_dir);
        let setting = |key: &str| main.clone().args(["config", "--get", key]).line().ok();
        let bare = setting("core.bare").as_deref() == Some("true");
        main_of(
            &common_dir,
            bare,
            setting("core.worktree").map(PathBuf::from),
        )
    };
    Ok(Found {
        git_dir,
        common_dir,
        work_tree,
        main_work_tree,
    })
}

/// The path without symbolic links; it must be UTF-8, because it goes into files that are.
fn plain(path: &Path) -> Result<PathBuf> {
    let real = path
        .canonicalize()
        .with_context(|| format!("resolving the path {}", path.display()))?;
    if real.to_str().is_none() {
        return Err(Failure::usage(format!(
            "the path {} is not UTF-8, which dynwf cannot record",
            real.display()
        ))
        .hint("move the repository to a directory whose name is UTF-8")
        .into());
    }
    Ok(real)
}
