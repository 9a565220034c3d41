//! The CPU time of a command and of every process that comes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{WaitOptions, set_child_subreaper, wait};
use tempfile::TempDir;

/// What `/proc` counts in: `USER_HZ`, which is 100 wherever Linux runs but on Alpha.
const TICKS_A_SECOND: u64 = 100;

/// Makes this process the parent of those whose parents end, so that none escapes the count.
pub(crate) fn adopt_orphans() -> Result<()> {
    set_child_subreaper(Some(rustix::process::getpid())).context("becoming the parent of orphans")
}

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

    /// A command in a directory.
    pub(crate) fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb");
        command
    }

    /// Runs git; it must end well.
    pub(crate) fn git(&self, dir: &Path, args: &[&str]) -> Result<()> {
        let mut command = self.command("git", dir);
        cpu(command.args(args), &[0]).map(drop)
    }

    /// A call of dynwf.
    pub(crate) fn dynwf(&self, dir: &Path, line: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_dynwf"), dir);
        command.args(line.split(' '));
        command
    }
}

/// Runs a command, which must end with one of these codes, and waits for all that is left of it; returns what they used.
pub(crate) fn cpu(command: &mut Command, codes: &[i32]) -> Result<Duration> {
    cpu_of(|| ends(command, codes))
}

/// Does something, and waits for all processes that are left of it; returns what they used.
pub(crate) fn cpu_of(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = used()?;
    work()?;
    // The end of the list of children is an error by the name of "no child processes".
    while wait(WaitOptions::empty()).is_ok() {}
    Ok(used()?.saturating_sub(before))
}

/// Runs a command, which must end with one of these codes.
pub(crate) fn ends(command: &mut Command, codes: &[i32]) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(
        output
            .status
            .code()
            .is_some_and(|code| codes.contains(&code)),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(())
}

/// What all children that were waited for have used, and theirs.
fn used() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    // The name stands in brackets and may hold spaces; 14 and 15 of the rest are the children's times.
    let rest = stat.rsplit_once(") ").context("reading /proc/self/stat")?.1;
    let ticks: Vec<u64> = rest
        .split(' ')
        .skip(13)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("reading times")?;
    let millis = ticks.iter().sum::<u64>() * 1000 / TICKS_A_SECOND;
    Ok(Duration::from_millis(millis))
}

/// Whether a target is met, in words.
pub(crate) fn verdict(value: f64, target: f64) -> &'static str {
    if value <= target { "met" } else { "MISSED" }
}
