//! The sandbox: a command line that starts another one in a view of the machine of its own.
//!
//! [`Sandbox`] is plain data, [`Sandbox::wrap`] turns it into a call of bubblewrap, and the shim runs that like
//! any other command. What the unit gets: `/` read-only, with HOME, `/tmp` and `/run` empty; in these shown
//! again what tools need (`mounts`); its workspace, its private git directory and its `io/` folder writable; its
//! own process numbers, so that nothing outlives it; no terminal and no capabilities.
//!
//! Invariants:
//! - The environment is not cleared here: it is the allow-list already, and the mark of the unit has to stay.
//! - Bubblewrap is not told to die with its parent: TERM, which ends its outer process at once, would then kill
//!   the unit without its grace time. A unit whose shim was killed is found by its mark and its descent, and the
//!   end of the namespace's first process ends everything in it.
//!
//! Called by `runner`, which knows what a unit may see; [`available`] also by `cli`.

mod capture;
mod limits;
mod mounts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use capture::capture;
pub use limits::Limits;
use mounts::{Mounts, Show, text};

/// What keeps units in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bubblewrap.
    Bubblewrap,
    /// Nothing.
    None,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::None => "none",
        }
    }
}

/// A private git directory, shown to the unit instead of the one that its workspace has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateGit {
    /// The directory, writable.
    pub dir: PathBuf,
    /// The file that names it, shown as `.git` in the workspace.
    pub pointer: PathBuf,
}

/// What a unit sees and may change. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Its workspace, writable.
    pub workspace: PathBuf,
    /// Its private git directory.
    pub git: Option<PrivateGit>,
    /// Its `io/` folder, writable.
    pub io: Option<PathBuf>,
    /// The common directory of the repository, read-only.
    pub repository: Option<PathBuf>,
    /// Folders whose absence it notices when it writes there: the checkout.
    pub sealed: Vec<PathBuf>,
    /// What it does not see at all, wherever it lies: the journal, the approvals, sockets.
    pub hidden: Vec<PathBuf>,
    /// The home folder: empty, but for the tool caches in it. One that is not there can lie below `/tmp`.
    pub home: Option<PathBuf>,
    /// Files that lie elsewhere for it, read-only: each with its place there.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// Programs that it runs and that may lie in hidden places; shown with the folders that they need.
    pub programs: Vec<PathBuf>,
    /// More paths that it may read.
    pub read: Vec<PathBuf>,
    /// More paths that it may write.
    pub write: Vec<PathBuf>,
    /// Whether it has no network.
    pub offline: bool,
    /// What it may use.
    pub limits: Limits,
}

/// Namespaces of its own for everything but the network, the end of the terminal, and no capability (root keeps
/// them otherwise).
const ALONE: [&str; 8] = [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--new-session",
    "--cap-drop",
    "ALL",
];

/// Variables that say where sockets and temporary files of the machine are, which is nowhere in a sandbox.
const NOWHERE: [&str; 4] = [
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// How long the trial may take.
const TRIAL: Duration = Duration::from_secs(10);

impl Sandbox {
    /// Returns the command line that runs `argv` in this sandbox, and takes out of `env` what does not hold
    /// there. Looks at the disk, changes nothing.
    ///
    /// # Errors
    /// If there is no bubblewrap that works, or a path that the unit cannot do without is not there or is not
    /// UTF-8.
    pub fn wrap(
        &self,
        argv: Vec<String>,
        env: &mut BTreeMap<String, String>,
    ) -> Result<Vec<String>> {
        let Some(bwrap) = bubblewrap() else {
            bail!("bubblewrap does not work on this machine");
        };
        let mut line = vec![text(bwrap)?];
        line.extend(ALONE.map(str::to_owned));
        if self.offline {
            line.push("--unshare-net".to_owned());
        }
        let path = env.get("PATH").map_or("", String::as_str);
        line.extend(self.mounts(path)?.arguments()?);
        line.extend([
            "--chdir".to_owned(),
            text(&self.workspace)?,
            "--".to_owned(),
        ]);
        line.extend(self.limits.hold(argv));
        for name in NOWHERE {
            env.remove(name);
        }
        Ok(line)
    }

    fn mounts(&self, path: &str) -> Result<Mounts> {
        let mut mounts = Mounts::new(self.home.as_deref());
        if let Some(home) = &self.home {
            mounts.make(home);
        }
        mounts.show_tools(path);
        for program in &self.programs {
            mounts.show_program(program);
        }
        for read in &self.read {
            mounts.show(read, Show::Read);
        }
        for write in &self.write {
            mounts.show(write, Show::Write);
        }
        if let Some(repository) = &self.repository {
            mounts.show_repository(repository);
        }
        for sealed in &self.sealed {
            mounts.seal(sealed);
        }
        for hidden in &self.hidden {
            mounts.hide(hidden);
        }
        let mut needed = vec![&self.workspace];
        needed.extend(&self.io);
        needed.extend(self.git.iter().map(|git| &git.dir));
        for path in needed {
            if mounts.show(path, Show::Write).is_none() {
                bail!("there is no {}", path.display());
            }
        }
        if let Some(git) = &self.git {
            mounts.put(&git.pointer, &self.workspace.join(".git"));
        }
        for (file, place) in &self.files {
            mounts.put(file, place);
        }
        Ok(mounts)
    }
}

/// Says what there is on this machine, by trying it once: the program may be there and the kernel not allow it.
pub fn available() -> Kind {
    if bubblewrap().is_some() {
        Kind::Bubblewrap
    } else {
        Kind::None
    }
}

/// The bubblewrap that works here.
fn bubblewrap() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join("bwrap"))
                .find(|program| program.is_file() && works(program))
        })
        .as_deref()
}

fn works(program: &Path) -> bool {
    let started = Command::new(program)
        .args(ALONE)
        .args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"])
        .args(["--tmpfs", "/tmp", "--", "/bin/sh", "-c", ":"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return false };
    let until = Instant::now() + TRIAL;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            _ => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}
