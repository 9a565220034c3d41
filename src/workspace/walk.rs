//! Looks at every entry of a workspace with lstat, once, never through a symbolic link.
//!
//! The caller says which directories to enter; everything met is returned, sorted by path. Two threads share a
//! big tree: most of the time is the kernel's, and they halve it. Nothing may write in the workspace meanwhile:
//! the unit that worked there is dead.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use super::index::{Kind, Stat};

/// One thing on disk. Directories carry no stat.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Relative to the workspace.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) stat: Stat,
    /// More than one name on disk.
    pub(super) hard_linked: bool,
}

/// Trees with fewer known directories are walked by one thread.
const SHARED_FROM: usize = 500;

struct Queue {
    waiting: Vec<Vec<u8>>,
    /// Directories that are waiting or being read; 0 means finished.
    open: usize,
}

/// Walks `root` from the directories in `starts` (`b""` is the root itself), entering those for which `enter`
/// says yes. The top `.git` is not returned. `expected` is a guess at the number of directories.
///
/// # Errors
/// If a directory cannot be read; one that vanished meanwhile is such an error.
pub(super) fn walk(
    root: &Path,
    starts: Vec<Vec<u8>>,
    expected: usize,
    enter: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Result<Vec<Found>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = openat(rustix::fs::CWD, root, flags, Mode::empty())
        .with_context(|| format!("opening the workspace {}", root.display()))?;
    let open = starts.len();
    let queue = (
        Mutex::new(Queue {
            waiting: starts,
            open,
        }),
        Condvar::new(),
    );
    let threads = if expected < SHARED_FROM { 1 } else { 2 };
    let parts: Vec<Result<Vec<Found>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| work(&top, &queue, enter)))
            .collect();
        let mut parts = vec![work(&top, &queue, enter)];
        parts.extend(workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a walking thread panicked")))
        }));
        parts
    });
    let mut all = Vec::new();
    for part in parts {
        all.append(&mut part.with_context(|| format!("walking the workspace {}", root.display()))?);
    }
    all.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn work(
    top: &OwnedFd,
    (queue, changed): &(Mutex<Queue>, Condvar),
    enter: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    loop {
        let mut held = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let next = loop {
            if let Some(next) = held.waiting.pop() {
                break next;
            }
            if held.open == 0 {
                return Ok(found);
            }
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        };
        drop(held);
        let mut deeper = Vec::new();
        let read = read_directory(top, &next, &mut found, &mut deeper, enter);
        let mut held = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_err() {
            // The other thread must not wait for what will never be read.
            held.waiting.clear();
            held.open = 0;
            changed.notify_all();
            drop(held);
            read?;
            return Ok(found);
        }
        held.open = (held.open + deeper.len()).saturating_sub(1);
        held.waiting.append(&mut deeper);
        changed.notify_all();
    }
}

fn read_directory(
    top: &OwnedFd,
    directory: &[u8],
    found: &mut Vec<Found>,
    deeper: &mut Vec<Vec<u8>>,
    enter: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Result<()> {
    let name = if directory.is_empty() {
        &b"."[..]
    } else {
        directory
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let context = || {
        format!(
            "reading the directory {}",
            String::from_utf8_lossy(name).escape_debug()
        )
    };
    let opened = openat(top, name, flags, Mode::empty()).with_context(context)?;
    let mut dir = Dir::new(opened).with_context(context)?;
    while let Some(entry) = dir.read() {
        let entry = entry.with_context(context)?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || (directory.is_empty() && name == b".git") {
            continue;
        }
        let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
        if !directory.is_empty() {
            path.extend_from_slice(directory);
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let one = look(&dir, &entry, path).with_context(context)?;
        if one.kind == Kind::Directory && enter(&one.path) {
            deeper.push(one.path.clone());
        }
        found.push(one);
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "cut as git cuts them"
)]
fn look(dir: &Dir, entry: &rustix::fs::DirEntry, path: Vec<u8>) -> rustix::io::Result<Found> {
    let nothing = Stat {
        ctime: (0, 0),
        mtime: (0, 0),
        ino: 0,
        uid: 0,
        gid: 0,
        size: 0,
    };
    if entry.file_type() == FileType::Directory {
        return Ok(Found {
            path,
            kind: Kind::Directory,
            stat: nothing,
            hard_linked: false,
        });
    }
    let stat = statat(dir.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File {
            executable: stat.st_mode & 0o100 != 0,
        },
        FileType::Symlink => Kind::Link,
        FileType::Directory => Kind::Directory,
        FileType::Fifo => Kind::Special("a FIFO"),
        FileType::Socket => Kind::Special("a socket"),
        _ => Kind::Special("a device"),
    };
    Ok(Found {
        path,
        kind,
        stat: Stat {
            ctime: (stat.st_ctime as u32, stat.st_ctime_nsec as u32),
            mtime: (stat.st_mtime as u32, stat.st_mtime_nsec as u32),
            ino: stat.st_ino as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u32,
        },
        hard_linked: stat.st_nlink > 1 && kind != Kind::Directory,
    })
}
