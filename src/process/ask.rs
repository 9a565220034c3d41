//! A short question to a program, such as `--version`: its answer, within a time limit.
//!
//! No unit: nothing is recorded and nobody waits for it later. Input is empty, output goes to a file (a grandchild that
//! keeps it open cannot hold us up), and the whole group is killed at the end. Called by `dynwf agents list` and
//! `dynwf doctor`.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How many bytes of an answer are read.
const MOST: u64 = 64 * 1024;

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs a program and returns what it printed, on either stream, in a folder where it finds nothing.
///
/// # Errors
/// If it cannot be started, ends with an error, or takes longer than `limit`.
pub fn ask(program: &Path, args: &[&str], limit: Duration) -> Result<String> {
    let name = program.display();
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let mut output = tempfile::tempfile_in(folder.path()).context("making a temporary file")?;
    let stream = |file: &File| file.try_clone().context("sharing a temporary file");
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(stream(&output)?)
        .stderr(stream(&output)?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let group = Pid::from_child(&child);
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => std::thread::sleep(PAUSE),
            other => break other.with_context(|| format!("waiting for {name}"))?,
        }
    };
    // Fails where nobody of the group is left.
    let _ = kill_process_group(group, Signal::KILL);
    let Some(status) = status else {
        let _ = child.wait();
        bail!("{name} did not answer within {} s", limit.as_secs());
    };
    let mut bytes = Vec::new();
    output.rewind().context("reading a temporary file")?;
    output
        .take(MOST)
        .read_to_end(&mut bytes)
        .context("reading a temporary file")?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn the_answer_of_both_streams_comes_back() {
        let said = ask(Path::new("/bin/sh"), &["-c", "echo a; echo b >&2"], LIMIT);
        assert_eq!(said.expect("answers"), "a\nb\n");
    }

    #[test]
    fn a_failure_and_a_silence_are_errors() {
        let said = ask(Path::new("/bin/sh"), &["-c", "exit 3"], LIMIT);
        assert!(said.is_err_and(|error| error.to_string().contains('3')));
        let begun = Instant::now();
        let sleeps = ["-c", "sleep 100 & sleep 100"];
        let said = ask(Path::new("/bin/sh"), &sleeps, Duration::from_millis(50));
        assert!(said.is_err_and(|error| error.to_string().contains("did not answer")));
        assert!(begun.elapsed() < LIMIT, "it was waited for");
        assert!(ask(Path::new("/nowhere/at/all"), &[], LIMIT).is_err());
    }
}
