//! A folder to measure in, and the CPU time of what is started there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// What `/proc` counts children in: 100 ticks a second wherever Linux runs but on Alpha.
const MILLIS_A_TICK: f64 = 10.0;

/// A temporary folder with a home of its own, and commands that see nothing else of the person who measures.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let root = tempfile::Builder::new().prefix("dynwf-bench").tempdir()?;
        fs::write(
            root.path().join(".gitconfig"),
            "[user]\n\tname = Bench\n\temail = bench@example.com\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n",
        )?;
        Ok(Self { root })
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    /// Runs git; returns what it answered.
    pub(crate) fn git(&self, dir: &Path, args: &[&str]) -> Result<String> {
        answer(self.command("git", dir).args(args))
    }

    /// Does a task in a process of its own; returns what it answered.
    pub(crate) fn own(&self, task: &str, dir: &Path) -> Result<String> {
        let me = std::env::current_exe().context("finding this program")?;
        answer(self.command(me, dir).arg(task).arg(dir))
    }
}

fn answer(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The CPU time of all children that were waited for, in milliseconds.
pub(crate) fn children_cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    // The name stands in brackets and may hold spaces; 14 and 15 of the rest are the children's times.
    let rest = stat.rsplit_once(") ").context("reading /proc/self/stat")?.1;
    let ticks = rest.split(' ').skip(13).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? * MILLIS_A_TICK)
}

/// The CPU time of this thread, in milliseconds.
pub(crate) fn own_cpu() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("reading schedstat")?;
    let nanos: f64 = text
        .split(' ')
        .next()
        .unwrap_or_default()
        .parse()
        .context("reading schedstat")?;
    Ok(nanos / 1e6)
}

/// The most memory that this process ever used, in megabytes.
pub(crate) fn peak_memory() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: f64 = kilobytes.context("reading VmHWM")?.trim().parse()?;
    Ok(kilobytes / 1024.0)
}
