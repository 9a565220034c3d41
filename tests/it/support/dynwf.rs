//! The binary under test, started as a person would start it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::output::CommandOutput;
use super::place::Place;
use super::test_repo::TestRepo;

/// How often a condition is looked at, and how many looks a hanging test gets before it fails.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const MOST_LOOKS: u32 = 24_000;

/// Calls of dynwf from one directory with one environment.
pub(crate) struct Dynwf<'a> {
    place: &'a Place,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl<'a> Dynwf<'a> {
    /// Called from the top of the repository.
    pub(crate) fn new(repo: &'a TestRepo) -> Self {
        Self::at(repo.place(), repo.path())
    }

    /// Called from a directory.
    pub(crate) fn at(place: &'a Place, cwd: &Path) -> Self {
        Self {
            place,
            cwd: cwd.to_owned(),
            env: Vec::new(),
        }
    }

    /// The same with a variable of the environment.
    #[must_use]
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The command, not started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.place.command(env!("CARGO_BIN_EXE_dynwf"));
        command
            .args(args)
            .current_dir(&self.cwd)
            // Workers of most tests leave signs outside their workspace; what the sandbox does has its own tests.
            .env("DYNWF_CONFIG_SANDBOX__MODE", "none")
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> CommandOutput {
        self.spawn(args).wait()
    }

    /// Runs a line of words, the way it would be typed (no quoting).
    #[track_caller]
    pub(crate) fn line(&self, line: &str) -> CommandOutput {
        self.run(line.split_whitespace())
    }

    /// `status SLUG --json`.
    #[track_caller]
    pub(crate) fn status(&self, slug: &str) -> serde_json::Value {
        self.run(["status", slug, "--json"]).success().json()
    }

    /// Starts it. What it prints goes to files: a full pipe can block nobody, and a unit that outlives it keeps no
    /// reader waiting.
    #[track_caller]
    pub(crate) fn spawn<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| self.place.join(format!("call-{number}.{name}"));
        let (out, err) = (file("stdout"), file("stderr"));
        let mut command = self.command(args);
        command
            .stdout(File::create(&out).expect("stdout can be made"))
            .stderr(File::create(&err).expect("stderr can be made"));
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        Running {
            line: format!("dynwf {}", words.join(" ")),
            child: command.spawn().expect("dynwf can be started"),
            out,
            err,
        }
    }
}

/// A dynwf that runs. It is killed when the value is dropped.
pub(crate) struct Running {
    line: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Waits until the file is there; fails if dynwf ends before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, file: &Path) {
        self.wait_until(&format!("{} is there", file.display()), || file.exists());
    }

    /// Waits until it holds; fails if dynwf ends before.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..MOST_LOOKS {
            if holds() {
                return;
            }
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                // It may have been the last thing that it did.
                assert!(holds(), "{status} before {what}\n{}", self.said());
                return;
            }
            sleep(BETWEEN_LOOKS);
        }
        panic!("waited in vain until {what}\n{}", self.said());
    }

    /// SIGKILL, and nothing but this process.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> CommandOutput {
        let status = self.child.wait().expect("it is our child");
        let output = Output {
            status,
            stdout: fs::read(&self.out).unwrap_or_default(),
            stderr: fs::read(&self.err).unwrap_or_default(),
        };
        CommandOutput::new(self.line.clone(), &output)
    }

    fn end(&mut self) {
        // An error means that it has ended by itself, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    fn said(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        format!(
            "$ {}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            read(&self.out),
            read(&self.err)
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until no process with this id is left (a zombie counts as gone).
#[track_caller]
pub(crate) fn wait_until_gone(pid: u32) {
    for _ in 0..MOST_LOOKS {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with(['Z', 'X']));
        if state.unwrap_or(true) {
            return;
        }
        sleep(BETWEEN_LOOKS);
    }
    panic!("process {pid} is still there");
}
