//! Marks for git processes that change something that counts.
//!
//! A child can outlive a killed dynwf and move a ref a second later, under the hands of the dynwf that resumes.
//! So such a child holds a locked file open as its standard input, and resume waits for the locks. Each file
//! is locked once, by its maker, and never made again under the same name while it is there.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A locked file that says that a child is at work. The lock belongs to the open file that the child
/// inherits, so it lasts as long as the child, not as long as dynwf.
pub(super) struct EffectMark {
    pub(super) file: File,
    path: PathBuf,
}

impl EffectMark {
    pub(super) fn make(folder: &Path, content: &[u8]) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{count}", std::process::id()));
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path);
            let mut file = match opened {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                other => other.with_context(|| format!("making {}", path.display()))?,
            };
            file.lock()
                .with_context(|| format!("locking {}", path.display()))?;
            // Between the two steps somebody who waits for effects may have taken it for a dead one.
            if file.metadata().is_ok_and(|meta| meta.nlink() == 0) {
                continue;
            }
            file.write_all(content)
                .and_then(|()| file.rewind())
                .with_context(|| format!("writing {}", path.display()))?;
            return Ok(Self { file, path });
        }
    }
}

impl Drop for EffectMark {
    fn drop(&mut self) {
        // Left over, it is only an unlocked file that the next wait takes away.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Waits until no git process of an earlier dynwf is still changing something under `folder` (see
/// [`super::Cmd::effect`]). Resume calls this before it looks at what git did.
///
/// # Errors
/// If one is still at work after `limit`, or the folder cannot be read.
pub fn wait_for_effects(folder: &Path, limit: Duration) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.with_context(|| format!("reading the folder {}", folder.display()))?,
    };
    let deadline = Instant::now() + limit;
    for entry in entries {
        let path = entry
            .with_context(|| format!("reading the folder {}", folder.display()))?
            .path();
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.with_context(|| format!("opening {}", path.display()))?,
        };
        while let Err(error) = file.try_lock() {
            if let std::fs::TryLockError::Error(error) = error {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
            if Instant::now() >= deadline {
                bail!(
                    "a git process that an earlier dynwf started is still at work ({})",
                    path.display()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}
