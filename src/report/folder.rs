//! Writing files below one folder, without ever leaving it.
//!
//! Invariants: every step is taken from an open directory and follows no symbolic link, so that a link laid
//! in the way (by an agent, say) is an error and not a way out; a file is either the old one or the new one;
//! what is the same is not written; nothing is removed. Called by `face`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, renameat};
use rustix::io::Errno;

use crate::error::{ExitCode, Failure};

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Folder {
    /// Opens an existing folder; links on the way to it are the user's own and are followed.
    ///
    /// # Errors
    /// If it is not there or no folder.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fd = openat(CWD, path, FOLDER, Mode::empty())
            .with_context(|| format!("opening the folder {}", path.display()))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// Opens a folder in this one, making it if it is not there.
    ///
    /// # Errors
    /// A [`Failure`] if a symbolic link or a file is in its place.
    pub(super) fn below(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        match mkdirat(&self.fd, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("making the folder {}", path.display()));
            }
        }
        match openat(&self.fd, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(in_the_way(&path)),
            Err(error) => {
                Err(error).with_context(|| format!("opening the folder {}", path.display()))
            }
        }
    }

    /// Returns a file's content; none if it is not there.
    ///
    /// # Errors
    /// A [`Failure`] if it is no plain file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        // Not blocking: opening a pipe that lies there must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut file = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(in_the_way(&path)),
            Err(error) => {
                return Err(error).with_context(|| format!("opening {}", path.display()));
            }
        };
        let context = || format!("reading {}", path.display());
        if !file.metadata().with_context(context)?.is_file() {
            return Err(in_the_way(&path));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(context)?;
        Ok(Some(bytes))
    }

    /// Gives a file this content; returns whether it had another.
    ///
    /// Not forced to the disk: whatever is written here can be rendered again, and the next write mends what a
    /// crash of the machine left half-done.
    ///
    /// # Errors
    /// A [`Failure`] if something other than a plain file is in its place.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        if self.read(name)?.is_some_and(|old| old == bytes) {
            return Ok(false);
        }
        let path = self.path.join(name);
        let context = || format!("writing {}", path.display());
        // The process id keeps two writers apart; a file that a kill left behind is written over.
        let temporary = format!(".{name}.{}.tmp", std::process::id());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.fd, &*temporary, flags, Mode::from_raw_mode(0o666))
            .with_context(context)?;
        File::from(fd).write_all(bytes).with_context(context)?;
        renameat(&self.fd, &*temporary, &self.fd, name).with_context(context)?;
        Ok(true)
    }
}

fn in_the_way(path: &Path) -> anyhow::Error {
    anyhow!(
        Failure::new(
            ExitCode::Usage,
            format!(
                "{} is not what dynwf put there; it is not written through",
                path.display()
            ),
        )
        .hint(format!("move it away: mv '{0}' '{0}.away'", path.display()))
    )
}
