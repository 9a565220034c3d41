//! The folder of a unit and the small files in it.
//!
//! `ctl/` holds `task.json` (what to run, without the environment), `lock`, `begun` (who runs it), `status`
//! (how it ended) and `log` (what the shim itself had to say); nothing that runs in a sandbox sees it, so that
//! no agent can forge its own end. `io/` holds `prompt.md`, `result`, `stdout` and `stderr`.
//!
//! Called by all of `process`; the runner and the agents use the paths.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::durable::{sync_folder, write_durably};
use super::proc_table::Identity;
use super::{GRACE, OUTPUT_LIMIT};
use crate::model::unit::UnitOutcome;

/// What a unit runs, and its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The program, looked up in `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// The folder that it runs in, absolute.
    pub cwd: String,
    /// The whole environment, or none for that of dynwf itself. Handed down by inheritance and never written to
    /// disk: it may hold secrets.
    #[serde(skip)]
    pub env: Option<BTreeMap<String, String>>,
    /// How many seconds it may take; 0 is as long as it likes.
    pub seconds: u64,
    /// How many seconds it may print nothing; 0 is as long as it likes.
    pub silence: u64,
    /// How many bytes it may print on each of standard output and standard error; 0 is [`OUTPUT_LIMIT`].
    pub output_limit: u64,
    /// How many seconds it has between TERM and KILL.
    pub grace: u64,
}

impl Task {
    /// This command in this folder, without a deadline and with the usual output limit and grace time.
    pub fn new(argv: Vec<String>, cwd: impl Into<String>) -> Self {
        Self {
            argv,
            cwd: cwd.into(),
            env: None,
            seconds: 0,
            silence: 0,
            output_limit: OUTPUT_LIMIT,
            grace: GRACE,
        }
    }
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The outcome.
    pub outcome: UnitOutcome,
    /// How long it ran, in milliseconds.
    pub millis: u64,
    /// The SHA-256, in hex, of the bytes of `io/stdout` followed by those of `io/stderr`.
    pub output_digest: String,
}

/// Who runs a unit; written before its command is started, and again with the command's own process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The value of [`super::MARK`] in the environment of all its processes.
    pub(super) mark: String,
    /// The boot in which the process numbers below mean something.
    pub(super) boot: String,
    /// When it began, in milliseconds since 1970.
    pub(super) at: u64,
    /// The shim, leader of the unit's session.
    pub(super) shim: Identity,
    /// The command, leader of its process group.
    pub(super) child: Option<Identity>,
}

/// The folder of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitDir {
    root: PathBuf,
}

impl UnitDir {
    /// The unit in this folder, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that the unit may read and write.
    pub fn io(&self) -> PathBuf {
        self.root.join("io")
    }

    /// The folder that is dynwf's alone.
    pub fn ctl(&self) -> PathBuf {
        self.root.join("ctl")
    }

    /// What the unit printed on standard output.
    pub fn stdout(&self) -> PathBuf {
        self.io().join("stdout")
    }

    /// What the unit printed on standard error.
    pub fn stderr(&self) -> PathBuf {
        self.io().join("stderr")
    }

    /// Where the prompt of an agent lies.
    pub fn prompt(&self) -> PathBuf {
        self.io().join("prompt.md")
    }

    /// Where an agent may leave a result.
    pub fn result(&self) -> PathBuf {
        self.io().join("result")
    }

    /// Makes the folders, so that a prompt can be put into `io/` before the launch. Doing it again is harmless.
    pub fn create(&self) -> Result<()> {
        for folder in [self.io(), self.ctl()] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
        }
        sync_folder(&self.root)?;
        self.root.parent().map_or(Ok(()), sync_folder)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.ctl().join("log")
    }

    pub(super) fn write_task(&self, task: &Task) -> Result<()> {
        write_durably(&self.ctl().join("task.json"), &serde_json::to_vec(task)?)
    }

    /// Reads what the unit is to run; its environment is empty here.
    pub fn task(&self) -> Result<Option<Task>> {
        read_json(&self.ctl().join("task.json"))
    }

    pub(super) fn write_begun(&self, begun: &Begun) -> Result<()> {
        write_durably(&self.ctl().join("begun"), &serde_json::to_vec(begun)?)
    }

    pub(super) fn begun(&self) -> Result<Option<Begun>> {
        read_json(&self.ctl().join("begun"))
    }

    pub(super) fn write_ended(&self, ended: &Ended) -> Result<()> {
        write_durably(&self.ctl().join("status"), &serde_json::to_vec(ended)?)
    }

    /// Reads how the unit ended, if it has.
    pub fn ended(&self) -> Result<Option<Ended>> {
        read_json(&self.ctl().join("status"))
    }

    /// Whether the unit was begun or has ended: it must not be started again.
    pub(super) fn is_used(&self) -> bool {
        self.ctl().join("begun").exists() || self.ctl().join("status").exists()
    }

    /// Takes the unit's lock, or returns `None` if somebody has it; `None` too for a probe where no lock file is.
    pub(super) fn try_lock(&self, how: Lock) -> Result<Option<File>> {
        let path = self.ctl().join("lock");
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(how == Lock::Own)
            .truncate(false)
            .open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && how != Lock::Own => {
                return Ok(None);
            }
            other => other.with_context(|| format!("opening {}", path.display()))?,
        };
        let operation = match how {
            Lock::Probe => FlockOperation::NonBlockingLockShared,
            Lock::Own => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&file, operation) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    /// Whether there is a lock file: without one no shim was ever started.
    pub(super) fn has_lock_file(&self) -> bool {
        self.ctl().join("lock").exists()
    }
}

/// Why the lock of a unit is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// To see whether a shim lives; two who look do not disturb each other.
    Probe,
    /// To run the unit, or to write its end in place of a shim that was killed; makes the lock file.
    Own,
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("reading {}", path.display()))?,
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .with_context(|| format!("reading {}", path.display()))
}
