//! Runs something short in a sandbox and returns what it printed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Sandbox;

impl Sandbox {
    /// Runs a command in this sandbox with these bytes as its standard input, waits for it, and returns what it
    /// printed, at most `most` bytes. It ends with this process, and after `limit` at the latest.
    ///
    /// # Errors
    /// If it cannot be started, fails, takes too long or prints too much; the error holds what it complained of.
    pub fn capture(
        &self,
        argv: Vec<String>,
        mut env: BTreeMap<String, String>,
        stdin: &[u8],
        limit: Duration,
        most: u64,
    ) -> Result<Vec<u8>> {
        let mut line = self.wrap(argv, &mut env)?;
        line.insert(1, "--die-with-parent".to_owned());
        capture(&line, &env, stdin, limit, most)
    }
}

/// Runs a command without a sandbox, and otherwise as [`Sandbox::capture`] does.
///
/// # Errors
/// As [`Sandbox::capture`].
pub fn capture(
    line: &[String],
    env: &BTreeMap<String, String>,
    stdin: &[u8],
    limit: Duration,
    most: u64,
) -> Result<Vec<u8>> {
    let (mut out, mut err) = (spool(b"")?, spool(b"")?);
    let mut child = Command::new(&line[0])
        .args(&line[1..])
        .env_clear()
        .envs(env)
        .current_dir("/")
        .stdin(spool(stdin)?)
        .stdout(out.try_clone().context("opening the output")?)
        .stderr(Stdio::from(err.try_clone().context("opening the output")?))
        .spawn()
        .with_context(|| format!("starting {}", line[0]))?;
    let until = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for a sandbox")? {
            break status;
        }
        let size = out.metadata().map_or(0, |meta| meta.len());
        if Instant::now() > until || size > most {
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "it took longer than {} s or printed too much",
                limit.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let printed = drain(&mut out, most)?;
    if !status.success() {
        let said = drain(&mut err, 4096)?;
        bail!("{status}: {}", String::from_utf8_lossy(&said).trim());
    }
    Ok(printed)
}

fn spool(bytes: &[u8]) -> Result<File> {
    let mut file = tempfile::tempfile().context("making a temporary file")?;
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .context("writing a temporary file")?;
    Ok(file)
}

fn drain(file: &mut File, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(most).read_to_end(&mut bytes))
        .context("reading what was printed")?;
    Ok(bytes)
}
