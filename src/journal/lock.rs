//! Locks between processes.
//!
//! A lock is a `flock` on a file that is never removed (two processes could else hold two files of one name).
//! The file says which process holds it, for messages only. The descriptor is closed on exec, so that no child
//! keeps a lock by accident.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{ExitCode, Failure};

/// How long a held lock is tried again: the holder may have been killed a moment ago, and a child that it was
/// about to start may hold the descriptor until it execs.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing would do; this releases it even where a forked child still has the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Takes the lock of the whole repository (`<common>/dynwf/lock`), waiting for it as long as it takes. For
/// short steps that several workflows must not do at once, such as publishing a worktree. Never held across
/// anything slow, and never taken before a workflow's own lock.
///
/// # Errors
/// If the file cannot be made or locked.
pub fn common_lock(common_dir: &Path) -> Result<Guard> {
    let path = common_dir.join("dynwf").join("lock");
    let file = open(&path)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(Guard { file }),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }
}

/// Takes the lock of one workflow, trying for a second.
///
/// # Errors
/// A [`Failure`] with [`ExitCode::Locked`] that names the holder.
pub(super) fn workflow_lock(path: &Path, slug: &str) -> Result<Guard> {
    let file = open(path)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(Errno::WOULDBLOCK) => return Err(held_by(path, slug)),
            Err(error) => return Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }
    let guard = Guard { file };
    sign(&guard.file).with_context(|| format!("writing {}", path.display()))?;
    Ok(guard)
}

/// Whether some process holds the lock right now.
pub(super) fn is_held(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error).with_context(|| format!("asking for {}", path.display())),
    }
}

/// Returns the process that the lock file names, if it names one.
pub(super) fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(100)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().strip_prefix("pid ")?.parse().ok()
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        super::folder::make_folder(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| super::folder::cannot_write(error, path))
}

fn sign(mut file: &File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("pid {}\n", std::process::id()).as_bytes())
}

fn held_by(path: &Path, slug: &str) -> anyhow::Error {
    let who = holder(path).map_or_else(
        || "another dynwf".to_owned(),
        |pid| match fs::read_to_string(format!("/proc/{pid}/comm")) {
            Ok(name) => format!("process {pid} ({})", name.trim()),
            Err(_) => format!("process {pid}"),
        },
    );
    Failure::new(
        ExitCode::Locked,
        format!("workflow {slug} is held by {who}"),
    )
    .hint(format!("dynwf status {slug} --watch, or dynwf stop {slug}"))
    .into()
}
