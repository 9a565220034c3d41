//! One run of the git program.
//!
//! Invariants: the repository is named by `GIT_DIR`, never searched for; no `GIT_*` variable of the caller
//! gets through except those of [`KEPT`]; hooks, fsmonitor and automatic maintenance are off unless asked
//! for; what git writes is synced; a run ends within its time limit; nothing prompts. Input and output are
//! plain files, so that a daemon that keeps them open (an ssh master) cannot hold us up.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::effect::EffectMark;
use crate::error::Failure;

/// How long a run may take unless [`Cmd::timeout`] says otherwise.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// How long git has to take its lock files away after TERM.
const GRACE: Duration = Duration::from_secs(3);

/// The `GIT_*` variables of the caller that count: who the person is, where their configuration lies, and
/// how they reach remotes. All others would change what a command means.
const KEPT: [&str; 19] = [
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_PROXY_COMMAND",
    "GIT_PROXY_SSL_CERT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_SSL_NO_VERIFY",
    "GIT_HTTP_USER_AGENT",
];

/// Settings of every run. Later ones win, so [`Cmd::config`] can change each.
const SETTINGS: [(&str, &str); 8] = [
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.splitIndex", "false"),
    ("core.fsync", "all"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("color.ui", "false"),
    ("advice.detachedHead", "false"),
];

/// A command for the git program, built step by step; nothing happens before [`Cmd::run`].
#[derive(Clone, Debug)]
pub struct Cmd {
    git_dir: Option<PathBuf>,
    work_tree: Option<PathBuf>,
    cwd: PathBuf,
    settings: Vec<(String, String)>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    hooks: bool,
    limit: Duration,
    effects: Option<PathBuf>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// What it answered.
    pub stdout: Vec<u8>,
    /// What it said besides.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Returns whether git ended with 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Returns the exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns what git complained of, trimmed, for people; it may come from a hook or a remote, so
    /// treacherous characters are escaped line by line.
    pub fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<_> = text
            .trim()
            .lines()
            .map(|line| crate::model::path::printable(line).into_owned())
            .collect();
        lines.join("\n")
    }
}

impl Cmd {
    /// A command that belongs to no repository, run in this directory (git looks for one from there).
    pub(crate) fn bare(cwd: &Path) -> Self {
        Self {
            git_dir: None,
            work_tree: None,
            cwd: cwd.to_path_buf(),
            settings: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            hooks: false,
            limit: LIMIT,
            effects: None,
        }
    }

    /// A command on this git directory, run in `cwd`, with a work tree or without.
    pub(crate) fn on(git_dir: &Path, work_tree: Option<&Path>, cwd: &Path) -> Self {
        Self {
            git_dir: Some(git_dir.to_path_buf()),
            work_tree: work_tree.map(Path::to_path_buf),
            ..Self::bare(cwd)
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, on top of the scrubbed environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets a configuration value for this run (`-c key=value`).
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Gives these bytes as standard input; without it, standard input is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Runs in this directory instead.
    #[must_use]
    pub fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = dir.to_path_buf();
        self
    }

    /// Whether the repository's hooks run. Off by default.
    #[must_use]
    pub fn hooks(mut self, on: bool) -> Self {
        self.hooks = on;
        self
    }

    /// Ends the run after this time: TERM, and KILL if that does not help.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Marks the run as one that changes something that counts. Its standard input is then a locked file in
    /// `folder`: if dynwf is killed and the child lives on, [`super::wait_for_effects`] waits until it has ended.
    #[must_use]
    pub fn effect(mut self, folder: &Path) -> Self {
        self.effects = Some(folder.to_path_buf());
        self
    }

    /// Runs the command and returns how it ended, whatever the exit code.
    ///
    /// # Errors
    /// If git could not be started, or did not end within its time limit.
    pub fn run(&self) -> Result<Output> {
        let mark = self
            .effects
            .as_deref()
            .map(|folder| EffectMark::make(folder, &self.stdin))
            .transpose()?;
        let input = match &mark {
            Some(mark) => mark
                .file
                .try_clone()
                .context("passing a locked file to git")?
                .into(),
            None if self.stdin.is_empty() => Stdio::null(),
            None => Stdio::from(spool(&self.stdin)?),
        };
        let (mut out, mut err) = (spool(b"")?, spool(b"")?);
        let status = self.spawn_and_wait(
            input,
            out.try_clone().context("opening git's output")?,
            err.try_clone().context("opening git's output")?,
        )?;
        Ok(Output {
            status,
            stdout: drain(&mut out)?,
            stderr: drain(&mut err)?,
        })
    }

    /// Runs the command and returns what it answered.
    ///
    /// # Errors
    /// As [`Cmd::run`], and if git ended with anything but 0: the error holds what it complained of.
    pub fn ok(&self) -> Result<Vec<u8>> {
        let output = self.run()?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(self.failed(&output))
    }

    /// As [`Cmd::ok`], as text without white space at its ends.
    ///
    /// # Errors
    /// As [`Cmd::ok`]; and if the answer is not UTF-8.
    pub fn text(&self) -> Result<String> {
        let bytes = self.ok()?;
        let text = String::from_utf8(bytes)
            .with_context(|| format!("{} answered with bytes that are not UTF-8", self.title()))?;
        Ok(text.trim().to_owned())
    }

    /// As [`Cmd::ok`], as text without the line feed at its end: for a path, which may end with a space.
    pub(super) fn line(&self) -> Result<String> {
        let mut bytes = self.ok()?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        String::from_utf8(bytes).map_err(|_| {
            Failure::usage(format!(
                "{} answered with a path that is not UTF-8",
                self.title()
            ))
            .hint("move the repository to a directory whose name is UTF-8")
            .into()
        })
    }

    /// The error for a run that ended badly, with what git complained of.
    pub(crate) fn failed(&self, output: &Output) -> anyhow::Error {
        let how = match output.code() {
            Some(code) => format!("ended with {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let complaint = output.complaint();
        if complaint.is_empty() {
            anyhow!("{} {how}", self.title())
        } else {
            anyhow!("{} {how}: {complaint}", self.title())
        }
    }

    /// The command in two words, for messages.
    fn title(&self) -> String {
        let verb = self.args.iter().find(|arg| {
            let bytes = arg.as_encoded_bytes();
            !bytes.starts_with(b"-")
        });
        match verb {
            Some(verb) => format!("git {}", verb.to_string_lossy()),
            None => "git".to_owned(),
        }
    }

    fn spawn_and_wait(&self, input: Stdio, out: File, err: File) -> Result<ExitStatus> {
        let mut command = self.command()?;
        command.stdin(input).stdout(out).stderr(err);
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {} in {}", self.title(), self.cwd.display()))?;
        // The handles of the child's input must not live on in this process: they hold the lock.
        drop(command);
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (tell, told) = mpsc::channel();
        std::thread::Builder::new()
            .name("git".to_owned())
            .spawn(move || tell.send(child.wait()))
            .context("starting a thread that waits for git")?;
        match told.recv_timeout(self.limit) {
            Ok(status) => return status.with_context(|| format!("waiting for {}", self.title())),
            Err(RecvTimeoutError::Disconnected) => bail!("nobody waited for {}", self.title()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(group) = group {
            // It may end by itself right now; then there is nobody left to signal.
            let _ = kill_process_group(group, Signal::TERM);
            let ended = told.recv_timeout(GRACE).is_ok();
            // Also where git is gone: a filter or hook that it started may have ignored the first signal.
            let _ = kill_process_group(group, Signal::KILL);
            if !ended {
                let _ = told.recv_timeout(GRACE);
            }
        }
        bail!(
            "{} did not end within {} s and was stopped",
            self.title(),
            self.limit.as_secs()
        )
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.current_dir(&self.cwd).process_group(0);
        for (name, _) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b"GIT_") && !KEPT.iter().any(|kept| name == *kept) {
                command.env_remove(&name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_EDITOR", "false")
            .env("GIT_PAGER", "cat");
        if let Some(dir) = &self.git_dir {
            command.env("GIT_DIR", dir);
        }
        if let Some(dir) = &self.work_tree {
            command.env("GIT_WORK_TREE", dir);
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        if !self.hooks {
            command.args(["-c", "core.hooksPath=/dev/null"]);
        }
        for (key, value) in SETTINGS {
            command.arg("-c").arg(format!("{key}={value}"));
        }
        for (key, value) in &self.settings {
            command.arg("-c").arg(format!("{key}={value}"));
        }
        command.args(&self.args);
        Ok(command)
    }
}

/// Returns the git program: the first one on PATH, by its absolute path, because a relative entry would mean
/// another place in every working directory.
///
/// # Errors
/// A [`Failure`] if there is none.
pub(super) fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path)
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join("git"))
                .find(|file| is_program(file))
        })
        .as_deref()
        .ok_or_else(|| {
            Failure::usage("there is no git program on PATH")
                .hint("install git 2.38 or newer")
                .into()
        })
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

/// A file without a name that holds these bytes and stands at its start.
fn spool(bytes: &[u8]) -> Result<File> {
    let mut file = tempfile::tempfile().context("making a temporary file for git")?;
    if !bytes.is_empty() {
        file.write_all(bytes)
            .and_then(|()| file.rewind())
            .context("writing git's input to a temporary file")?;
    }
    Ok(file)
}

fn drain(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .context("reading git's output")?;
    Ok(bytes)
}
