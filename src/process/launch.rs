//! Starting a unit's shim.
//!
//! Called by the runner for a unit that it announced in the journal.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::MARK;
use super::folder::{Lock, Task, UnitDir};
use super::proc_table::{self, inner_mark};
use crate::fault;

/// Variables that say which repository git is to work on. A unit works on the one that its folder lies in, even
/// if dynwf was started by a hook or an alias of git.
const PLACES_OF_GIT: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
];

/// Somebody who only looks holds the lock for an instant; who holds it longer runs the unit.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Starts the unit, unless it was started before: then nothing is done, and [`super::attend`] tells how it
/// stands. Returns as soon as the shim runs and holds the lock.
pub fn launch(dir: &UnitDir, task: &Task) -> Result<()> {
    // Not `current_exe`: that names a file that an update may have replaced meanwhile.
    launch_with(Path::new("/proc/self/exe"), dir, task)
}

/// The same with another program as the shim.
pub fn launch_with(program: &Path, dir: &UnitDir, task: &Task) -> Result<()> {
    let root = std::path::absolute(dir.root())
        .with_context(|| format!("finding the folder {}", dir.root().display()))?;
    let dir = UnitDir::new(root);
    dir.create()?;
    let Some(lock) = lock_within(&dir, LOCK_PATIENCE)? else {
        return Ok(());
    };
    if dir.is_used() {
        return Ok(());
    }
    dir.write_task(task)?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.log())
        .with_context(|| format!("opening {}", dir.log().display()))?;
    let mut command = Command::new(program);
    command
        .arg0("dynwf")
        .arg("__unit")
        .arg(dir.root())
        .current_dir("/")
        .stdin(Stdio::from(lock))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log));
    if let Some(env) = &task.env {
        command.env_clear().envs(env).envs(fault::settings());
    }
    for name in PLACES_OF_GIT {
        command.env_remove(name);
    }
    // The shim has the mark too: a child that has not become its program yet shows the shim's environment.
    let outer = std::env::var(MARK).ok();
    command.env(MARK, inner_mark(outer.as_deref(), &fresh_mark(&dir)));
    fault::point("launch:before");
    let shim = command
        .spawn()
        .with_context(|| format!("starting the unit in {}", dir.root().display()))?;
    fault::point("launch:after");
    collect_ended_shims(shim);
    Ok(())
}

/// A value that no other unit of this machine has.
fn fresh_mark(dir: &UnitDir) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = format!(
        "{} {} {:?} {}",
        proc_table::boot(),
        std::process::id(),
        now.unwrap_or_default(),
        dir.root().display()
    );
    format!("{:x}", Sha256::digest(seed))[..32].to_owned()
}

/// The shims that this process started. Nobody waits for them, their end is in `ctl/status`; but one that ended
/// keeps its number until its parent asks, so each launch asks for all before it.
static SHIMS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

fn collect_ended_shims(fresh: Child) {
    let mut shims = SHIMS.lock().unwrap_or_else(PoisonError::into_inner);
    shims.retain_mut(|shim| matches!(shim.try_wait(), Ok(None)));
    shims.push(fresh);
}

fn lock_within(dir: &UnitDir, patience: Duration) -> Result<Option<File>> {
    let until = Instant::now() + patience;
    loop {
        let lock = dir.try_lock(Lock::Own)?;
        if lock.is_some() || dir.is_used() || Instant::now() >= until {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
