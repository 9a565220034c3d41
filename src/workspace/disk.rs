//! The file system as this module needs it: durable files, identities, copies, deletion that follows no link.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, OFlags, Timespec, Timestamps, UTIME_OMIT};

/// Which directory it is, whatever its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// Returns which directory lies at `path`; `None` if nothing, or something else than a directory (a symbolic
/// link to one included), lies there.
pub(super) fn directory_at(path: &Path) -> Result<Option<Identity>> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(Some(Identity {
            device: meta.dev(),
            inode: meta.ino(),
        })),
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("looking at {}", path.display())),
    }
}

/// Whether anything at all lies at `path`.
pub(super) fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("looking at {}", path.display())),
    }
}

/// Reads a small text file; `None` if it is not there or no regular file.
pub(super) fn read_text(path: &Path) -> Option<String> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.len() > 1 << 20 {
        return None;
    }
    fs::read_to_string(path).ok()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Access rights for what lies in the common directory, taken from that directory itself: git gave it the
/// rights of `core.sharedRepository`, so what git's own commands of other group members need follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    file: u32,
    directory: Option<u32>,
}

impl Rights {
    pub(super) fn like(common: &Path) -> Result<Self> {
        let meta =
            fs::metadata(common).with_context(|| format!("looking at {}", common.display()))?;
        let mode = meta.mode();
        if mode & 0o020 == 0 {
            return Ok(Self {
                file: 0o644,
                directory: None,
            });
        }
        Ok(Self {
            file: 0o660 | (mode & 0o004),
            directory: Some(mode & 0o2775),
        })
    }

    /// Makes a directory that must not exist.
    pub(super) fn make_dir(self, path: &Path) -> Result<()> {
        let made = DirBuilder::new()
            .mode(0o777)
            .create(path)
            .and_then(|()| match self.directory {
                // Not what the mask left: the group must be able to write.
                Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
                None => Ok(()),
            });
        made.with_context(|| format!("making the directory {}", path.display()))
    }

    /// Makes a directory unless it is there.
    pub(super) fn ensure_dir(self, path: &Path) -> Result<()> {
        if directory_at(path)?.is_some() {
            return Ok(());
        }
        match self.make_dir(path) {
            Err(_) if directory_at(path)?.is_some() => Ok(()),
            other => other,
        }
    }

    /// Writes a file that must not exist and syncs it.
    pub(super) fn write_new(self, path: &Path, content: &[u8]) -> Result<()> {
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(self.file)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)?;
            file.write_all(content)?;
            if self.directory.is_some() {
                file.set_permissions(fs::Permissions::from_mode(self.file))?;
            }
            file.sync_all()
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// Writes a file beside `path` and renames it over it.
    pub(super) fn replace(self, path: &Path, content: &[u8]) -> Result<()> {
        let beside = with_suffix(path, ".dynwf-new");
        remove_if_there(&beside)?;
        self.write_new(&beside, content)?;
        rename(&beside, path)?;
        sync_parent(path)
    }
}

/// Syncs a directory, so that the names in it are on disk.
pub(super) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .with_context(|| format!("syncing the directory {}", path.display()))
}

/// Syncs the directory that holds `path`.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_dir)
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("renaming {} to {}", from.display(), to.display()))
}

pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// `path` with something added to its last name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A path of the repository as a path of the system.
pub(super) fn os_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// A path of the system as bytes.
pub(super) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Copies a regular file with its rights, its times where `times` says so, sharing its blocks where the file
/// system can. `to` must not exist; what lies at `from` must not be a link.
pub(super) fn copy_file(from: &Path, to: &Path, times: bool) -> io::Result<()> {
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let mut source = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(from)?;
    let meta = source.metadata()?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(meta.mode() & 0o777)
        .custom_flags(no_follow)
        .open(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
        io::copy(&mut source, &mut target)?;
    }
    target.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o777))?;
    if times {
        let stamps = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: meta.mtime(),
                tv_nsec: meta.mtime_nsec(),
            },
        };
        rustix::fs::futimens(&target, &stamps)?;
    }
    Ok(())
}

/// The lock of the common directory: short, blocking, held for a publish or a removal only. Never unlinked.
/// A caller that already holds it through another handle waits for ever.
pub(super) fn lock(common: &Path, rights: Rights) -> Result<File> {
    let folder = common.join("dynwf");
    rights.ensure_dir(&folder)?;
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(rights.file)
        .open(&path)
        .with_context(|| format!("opening the lock {}", path.display()))?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }
}

/// Returns a name in `folder` that is not taken: `<name>.<n>`.
pub(super) fn free_name(folder: &Path, name: &str) -> Result<PathBuf> {
    for n in 0..100_000 {
        let path = folder.join(format!("{name}.{n}"));
        if !exists(&path)? {
            return Ok(path);
        }
    }
    bail!("{} is full of {name}", folder.display())
}

/// Deletes a directory and all it holds. Links are deleted, never followed; directories that refuse are given
/// the right to be written first. Something that a dying process still puts there is deleted in a second try.
///
/// # Errors
/// If something cannot be deleted.
pub(super) fn delete_tree(path: &Path) -> Result<()> {
    let mut last = Ok(());
    for _ in 0..4 {
        last = fs::remove_dir_all(path);
        match &last {
            Ok(()) => return Ok(()),
            Err(error) if is_absent(error) && !exists(path)? => return Ok(()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => open_up(path)?,
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty || is_absent(error) => {}
            Err(_) => break,
        }
    }
    last.with_context(|| format!("deleting {}", path.display()))
}

/// Gives every directory below `path` (and itself) read, write and search rights for its owner.
fn open_up(path: &Path) -> Result<()> {
    let mut waiting = vec![path.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        make_writable(&directory)?;
        let entries =
            fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(directory.join(entry.file_name()));
            }
        }
    }
    Ok(())
}

/// Gives a directory read, write and search rights for its owner; a link is not followed.
pub(super) fn make_writable(directory: &Path) -> Result<()> {
    let make = || -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(directory, flags, rustix::fs::Mode::empty())?;
        // Through the handle: the name may have become a link.
        let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
        fs::set_permissions(name, fs::Permissions::from_mode(0o700))
    };
    make().with_context(|| format!("making {} writable", directory.display()))
}

/// Returns the bytes that an unprivileged user may still write on the file system of `path`, or of the
/// nearest directory above it that exists.
///
/// # Errors
/// If no directory above it can be looked at.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let there = nearest_directory(path)?;
    let figures = rustix::fs::statvfs(&there)
        .with_context(|| format!("asking for the free space of {}", there.display()))?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

/// Returns `path` or the nearest directory above it that exists.
pub(super) fn nearest_directory(path: &Path) -> Result<PathBuf> {
    let whole =
        std::path::absolute(path).with_context(|| format!("resolving {}", path.display()))?;
    for candidate in whole.ancestors() {
        if candidate.is_dir() {
            return Ok(candidate.to_path_buf());
        }
    }
    bail!("no directory above {} exists", path.display())
}
