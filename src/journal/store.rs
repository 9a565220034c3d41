//! The folders under `<common>/dynwf`, and reading from them without a lock.

use std::fs::{self};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::blobs::Blobs;
use super::folder::{make_folder, random_hex, write_new};
use super::inbox::Inbox;
use super::{lock, reader};
use crate::error::Failure;
use crate::model::event::Event;
use crate::model::id::Slug;
use crate::model::state::RunState;

/// Where the workflows of a repository are kept. Making one touches nothing.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store of the repository with this common directory.
    pub fn new(common_dir: &Path) -> Self {
        Self {
            root: common_dir.join("dynwf"),
        }
    }

    /// Returns `<common>/dynwf`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the names of all workflows that have a journal, sorted.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn workflows(&self) -> Result<Vec<Slug>> {
        let folder = self.root.join("w");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", folder.display()));
            }
        };
        let mut slugs = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
            let slug = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<Slug>().ok());
            slugs.extend(slug.filter(|slug| self.journal(slug).is_file()));
        }
        slugs.sort();
        Ok(slugs)
    }

    /// Returns the folder of a workflow: `<common>/dynwf/w/<slug>`. It may not exist.
    pub fn folder(&self, slug: &Slug) -> PathBuf {
        self.root.join("w").join(slug.as_str())
    }

    /// Returns the folder of a workflow's units. It may not exist.
    pub fn units(&self, slug: &Slug) -> PathBuf {
        self.folder(slug).join("units")
    }

    /// Returns the large texts of a workflow.
    pub fn blobs(&self, slug: &Slug) -> Blobs {
        Blobs::new(self.folder(slug).join("blobs"))
    }

    /// Returns where other processes leave requests for a workflow.
    pub fn inbox(&self, slug: &Slug) -> Inbox {
        Inbox::new(self.folder(slug).join("inbox"))
    }

    /// Returns the state of a workflow as it is on disk now; `None` if nothing was ever recorded. Takes no lock.
    ///
    /// # Errors
    /// If the journal cannot be read, is damaged, or was written by a newer dynwf.
    pub fn read(&self, slug: &Slug) -> Result<Option<RunState>> {
        let events = self.events(slug)?;
        Ok((!events.is_empty()).then(|| replay(slug, &events)))
    }

    /// Returns everything that was recorded of a workflow, the oldest first. Takes no lock.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn events(&self, slug: &Slug) -> Result<Vec<Event>> {
        Ok(reader::read(&self.journal(slug))?.map_or_else(Vec::new, |contents| contents.events))
    }

    /// Whether a dynwf holds the workflow's lock right now.
    ///
    /// # Errors
    /// If the lock cannot be asked for.
    pub fn is_held(&self, slug: &Slug) -> Result<bool> {
        lock::is_held(&self.lock(slug))
    }

    /// Returns the process that holds, or last held, the workflow's lock.
    pub fn holder(&self, slug: &Slug) -> Option<u32> {
        lock::holder(&self.lock(slug))
    }

    /// Returns the repository's own id: random, made when first asked for, the same for ever after.
    ///
    /// # Errors
    /// If it can be neither read nor made.
    pub fn repository_id(&self) -> Result<String> {
        let path = self.root.join("id");
        if let Some(id) = read_id(&path)? {
            return Ok(id);
        }
        make_folder(&self.root)?;
        let id = random_hex(16)?;
        write_new(&path, format!("{id}\n").as_bytes())?;
        read_id(&path)?.with_context(|| format!("{} is gone again", path.display()))
    }

    pub(super) fn journal(&self, slug: &Slug) -> PathBuf {
        self.folder(slug).join("journal.jsonl")
    }

    pub(super) fn lock(&self, slug: &Slug) -> PathBuf {
        self.folder(slug).join("lock")
    }
}

/// What the events add up to.
pub(super) fn replay(slug: &Slug, events: &[Event]) -> RunState {
    let mut state = RunState::new(slug.clone());
    for event in events {
        state.apply(event);
    }
    state
}

fn read_id(path: &Path) -> Result<Option<String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let id = text.trim();
    if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!(
            Failure::usage(format!("{} does not hold a repository id", path.display()))
                .hint("remove the file: a new id is made, and approvals given before are void")
        );
    }
    Ok(Some(id.to_owned()))
}
