//! Files and folders that must be there after a crash, and random names.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::Failure;
use crate::model::hex::hex;

/// Returns random bytes as hexadecimal text.
pub(super) fn random_hex(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut buffer))
        .context("reading /dev/urandom")?;
    Ok(hex(&buffer))
}

/// Writes a file that nobody sees half-written and that never takes another's place. Returns whether it is
/// ours: false where one of that name was there already.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)
        .map_err(|error| cannot_write(error, folder))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| cannot_write(error, path))?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            sync_folder(folder)?;
            Ok(true)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot_write(error.error, path)),
    }
}

/// Makes a folder and what is above it, durably.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(folder.parent().unwrap_or_else(|| Path::new("."))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(cannot_write(error, folder)),
    }
}

/// Makes renames and new names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("syncing {}", folder.display()))
}

/// An error that says where dynwf needs to write, if that is what is wrong.
pub(super) fn cannot_write(error: io::Error, path: &Path) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "dynwf keeps its state in the repository's git directory: make it writable"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and run the same command again: nothing is lost"
        }
        _ => return anyhow::Error::new(error).context(format!("writing {}", path.display())),
    };
    Failure::usage(format!("cannot write {}: {error}", path.display()))
        .hint(hint)
        .into()
}
