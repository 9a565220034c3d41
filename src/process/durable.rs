//! Writing a small file so that a reader sees the old or the new content, after a power cut too.
//!
//! Called within `process`, and by whoever writes a file that counts.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::fault;

/// Writes `bytes` to `path`: a temporary file beside it, fsync, rename, fsync of the folder. The temporary name
/// is always the same, so a kill leaves at most one; there may be one writer a path at a time.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let action = || format!("writing {}", path.display());
    let fresh = beside(path);
    let mut file = File::create(&fresh).with_context(action)?;
    fault::write_all("file", &mut file, bytes).with_context(action)?;
    file.sync_all().with_context(action)?;
    drop(file);
    fs::rename(&fresh, path).with_context(action)?;
    sync_folder(path.parent().unwrap_or(Path::new("/")))
}

/// Makes the names in a folder survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("syncing {}", folder.display()))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}
