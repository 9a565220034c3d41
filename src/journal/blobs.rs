//! Texts of a workflow that are too large for its journal: files named by their digest.
//!
//! Invariants: a file is complete and durable before its name is returned, so a journal never names one that is not
//! there; a name says what the content must be, and reading checks it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::folder::{make_folder, write_new};
use crate::model::hex::hex;
use crate::model::script::Kept;

/// The longest text that stays in the journal, in bytes.
const HERE: usize = 64 * 1024;

/// The large texts of one workflow.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// Those in this folder, which need not exist yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a text: as it is where it is short, else in a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn keep(&self, text: String) -> Result<Kept> {
        if text.len() <= HERE {
            return Ok(Kept::Here(text));
        }
        let digest = hex(&Sha256::digest(text.as_bytes()));
        make_folder(&self.folder)?;
        write_new(&self.file(&digest), text.as_bytes())?;
        Ok(Kept::Blob(digest))
    }

    /// Returns a text that was kept.
    ///
    /// # Errors
    /// If its file is gone or holds something else.
    pub fn text(&self, kept: &Kept) -> Result<String> {
        let digest = match kept {
            Kept::Here(text) => return Ok(text.clone()),
            Kept::Blob(digest) => digest,
        };
        let file = self.file(digest);
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "reading {}, which the journal beside it names",
                file.display()
            )
        })?;
        if hex(&Sha256::digest(text.as_bytes())) != *digest {
            bail!("{} does not hold what its name says", file.display());
        }
        Ok(text)
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.folder
            .join(Path::new(digest).file_name().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_lies_in_a_file_that_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(dir.path().join("blobs"));
        let short = blobs.keep("x".repeat(HERE)).unwrap();
        assert_eq!(short, Kept::Here("x".repeat(HERE)));
        let long = "ü".repeat(HERE);
        let kept = blobs.keep(long.clone()).unwrap();
        assert_eq!(blobs.keep(long.clone()).unwrap(), kept);
        assert_eq!(blobs.text(&kept).unwrap(), long);
        let Kept::Blob(digest) = &kept else {
            panic!("{kept:?}")
        };
        fs::write(dir.path().join("blobs").join(digest), "other").unwrap();
        assert!(blobs.text(&kept).unwrap_err().to_string().contains(digest));
    }
}
