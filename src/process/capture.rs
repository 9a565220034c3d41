//! Copying what a unit prints into its files, up to its limit, and the digest of those files.
//!
//! The beginning is kept, the rest is read and dropped, so that the unit is not held up while it is stopped.
//! Called by the shim.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::folder::UnitDir;

/// Signs of life of a unit, seen by the threads that copy its output.
#[derive(Debug)]
pub(super) struct Life {
    start: Instant,
    last_millis: AtomicU64,
    flooded: AtomicBool,
    flood: Notify,
}

impl Life {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last_millis: AtomicU64::new(0),
            flooded: AtomicBool::new(false),
            flood: Notify::new(),
        }
    }

    /// When the last byte came; at first, when the unit began.
    pub(super) fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_millis.load(Ordering::Relaxed))
    }

    /// Whether more was printed than is kept.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }

    /// Waits until [`Self::is_flooded`].
    pub(super) async fn flooded(&self) {
        self.flood.notified().await;
    }

    fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }

    fn flood(&self) {
        self.flooded.store(true, Ordering::Relaxed);
        self.flood.notify_one();
    }
}

/// The two files that the output goes to, and the threads that fill them.
pub(super) struct Capture {
    /// Signs of life.
    pub(super) life: Arc<Life>,
    limit: u64,
    ready: Option<(File, File)>,
    done: Receiver<()>,
    when_done: Sender<()>,
}

impl Capture {
    /// Makes the files, empty.
    pub(super) fn new(dir: &UnitDir, limit: u64) -> Result<Self> {
        let (when_done, done) = channel();
        Ok(Self {
            life: Arc::new(Life::new()),
            limit,
            ready: Some((create(&dir.stdout())?, create(&dir.stderr())?)),
            done,
            when_done,
        })
    }

    /// Starts to copy. Does nothing the second time.
    pub(super) fn start(
        &mut self,
        out: Option<impl Read + Send + 'static>,
        err: Option<impl Read + Send + 'static>,
    ) {
        if let Some((out_file, err_file)) = self.ready.take() {
            self.copy(out, out_file);
            self.copy(err, err_file);
        }
    }

    fn copy(&self, from: Option<impl Read + Send + 'static>, to: File) {
        let Some(from) = from else { return };
        let (life, limit, done) = (self.life.clone(), self.limit, self.when_done.clone());
        thread::spawn(move || {
            copy(from, to, limit, &life);
            let _ = done.send(());
        });
    }

    /// Waits until both streams were copied to their end, but not longer than `patience`: a process that could
    /// not be killed may hold them open.
    pub(super) fn finish(self, patience: Duration) {
        let Self {
            done, when_done, ..
        } = self;
        drop(when_done);
        let until = Instant::now() + patience;
        while done
            .recv_timeout(until.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
    }
}

fn copy(mut from: impl Read, mut to: impl Write, limit: u64, life: &Life) {
    let mut room = limit;
    let mut full = false;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        life.touch();
        if full {
            continue;
        }
        let kept = usize::try_from(room).unwrap_or(usize::MAX).min(count);
        room -= kept as u64;
        let mut written = to.write_all(&buffer[..kept]);
        if kept < count {
            full = true;
            written = written.and_then(|()| {
                to.write_all(
                    format!("\n[dynwf: stopped here, more than {limit} bytes were printed]\n")
                        .as_bytes(),
                )
            });
        }
        if let Err(error) = written {
            // A full disk is no reason to fill it further, nor to judge a unit by half of its output.
            let _ = writeln!(io::stderr(), "dynwf: keeping the output of a unit: {error}");
            full = true;
        }
        if full {
            life.flood();
        }
    }
}

fn create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(flags(OFlags::NOFOLLOW))
        .open(path)
        .with_context(|| format!("making {}", path.display()))
}

/// Opens a file of `io/`, into which the unit can put what it likes: no symlink is followed, nothing blocks, and
/// only a regular file counts. `None` if there is none.
pub(super) fn open_regular(path: &Path) -> Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
    };
    let is_file = file
        .metadata()
        .with_context(|| format!("looking at {}", path.display()))?
        .is_file();
    Ok(is_file.then_some(file))
}

fn flags(flags: OFlags) -> i32 {
    // The flags of open(2) are small positive numbers on every platform.
    i32::try_from(flags.bits()).unwrap_or_default()
}

/// The SHA-256, in hex, of `io/stdout` followed by `io/stderr`; what is not there counts as empty.
pub(super) fn digest_of_files(dir: &UnitDir) -> Result<String> {
    let mut hash = Sha256::new();
    for path in [dir.stdout(), dir.stderr()] {
        if let Some(mut file) = open_regular(&path)? {
            io::copy(&mut file, &mut hash)
                .with_context(|| format!("reading {}", path.display()))?;
        }
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_limit_is_no_flood() {
        let (life, mut out) = (Life::new(), Vec::new());
        copy(&b"12345"[..], &mut out, 5, &life);
        assert_eq!(out, b"12345");
        assert!(!life.is_flooded());
    }

    #[test]
    fn one_byte_more_keeps_the_beginning_and_says_so() {
        let (life, mut out) = (Life::new(), Vec::new());
        copy(&b"123456"[..], &mut out, 5, &life);
        assert!(out.starts_with(b"12345\n[dynwf: stopped here, more than 5 bytes"));
        assert!(life.is_flooded());
    }

    #[test]
    fn a_flood_on_one_stream_cuts_nothing_of_the_other() {
        let (life, mut out) = (Life::new(), Vec::new());
        life.flood();
        copy(&b"why it failed"[..], &mut out, 50, &life);
        assert_eq!(out, b"why it failed");
    }

    #[test]
    fn a_symlink_in_the_place_of_output_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("stdout");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(open_regular(&link).unwrap().is_none());
        assert!(open_regular(folder.path()).unwrap().is_none());
    }
}
