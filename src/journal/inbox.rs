//! The inbox: requests that other processes leave for whoever works on a workflow.
//!
//! One file per request, named by its id; ids sort by time. A file appears whole or not at all and never takes
//! another's place. Only the holder of the workflow's lock lists and removes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;

use super::folder::{make_folder, random_hex, sync_folder, write_new};
use crate::fault;
use crate::model::id::RequestId;
use crate::model::request::Request;

/// The largest request that is read, in bytes: an amended plan may be several megabytes.
const MAX_BYTES: u64 = 32 << 20;

/// The folder that requests are left in.
#[derive(Clone, Debug)]
pub struct Inbox {
    folder: PathBuf,
}

/// What was found in the inbox.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A request.
    Request(Box<Request>),
    /// A file that is no request. It was moved aside.
    Bad {
        /// Where it is now.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Inbox {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes an id for a new request. Ids made later sort later (to the millisecond).
    ///
    /// # Errors
    /// If the machine has no random bytes.
    pub fn new_id(now: Timestamp) -> Result<RequestId> {
        let text = format!("{:014}-{}", now.as_millisecond().max(0), random_hex(6)?);
        text.parse()
            .map_err(|error| anyhow!("making a request id: {error}"))
    }

    /// Leaves a request. When it returns, the request is on disk. Leaving the same one again changes nothing.
    ///
    /// # Errors
    /// If it cannot be written, or another request has its id.
    pub fn leave(&self, request: &Request) -> Result<()> {
        make_folder(&self.folder)?;
        let path = self.file(&request.id);
        let text = serde_json::to_vec(request)
            .with_context(|| format!("putting the request {} into words", request.id))?;
        fault::point("request:leave:before");
        if !write_new(&path, &text)? && read(&path)? != *request {
            bail!("another request has the id {}", request.id);
        }
        fault::point("request:leave:after");
        Ok(())
    }

    /// Returns all requests, the oldest first. What is no request is moved to `bad/` and reported. Only for the
    /// holder of the workflow's lock.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Found>> {
        self.files()?
            .into_iter()
            .filter_map(|path| match read(&path) {
                Ok(request) => Some(Ok(Found::Request(Box::new(request)))),
                // Taken back, or already taken by the holder before us.
                Err(_) if !path.exists() && !path.is_symlink() => None,
                Err(error) => Some(self.set_aside(&path).map(|file| Found::Bad {
                    file,
                    why: format!("{error:#}"),
                })),
            })
            .collect()
    }

    /// Returns the requests that wait, the oldest first, and moves nothing. For anybody.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn pending(&self) -> Result<Vec<Request>> {
        Ok(self
            .files()?
            .iter()
            .filter_map(|path| read(path).ok())
            .collect())
    }

    /// Removes a request that was answered. One that is gone already is no error.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, id: &RequestId) -> Result<()> {
        let path = self.file(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing the request {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn file(&self, id: &RequestId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Every file that is not hidden (those are being written), sorted by name.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", self.folder.display()));
            }
        };
        let mut files = Vec::new();
        for entry in entries {
            let name = entry
                .with_context(|| format!("reading {}", self.folder.display()))?
                .file_name();
            if !name.as_encoded_bytes().starts_with(b".") && name != "bad" {
                files.push(self.folder.join(name));
            }
        }
        files.sort();
        Ok(files)
    }

    fn set_aside(&self, path: &Path) -> Result<PathBuf> {
        let folder = self.folder.join("bad");
        make_folder(&folder)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kept = folder.join(format!("{}-{name}", random_hex(4)?));
        fs::rename(path, &kept).with_context(|| format!("moving {} aside", path.display()))?;
        sync_folder(&self.folder)?;
        Ok(kept)
    }
}

fn read(path: &Path) -> Result<Request> {
    let found =
        fs::symlink_metadata(path).with_context(|| format!("reading {}", path.display()))?;
    if !found.is_file() || found.len() > MAX_BYTES {
        bail!("{} is no file of a request's size", path.display());
    }
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let request: Request = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no request", path.display()))?;
    if path.file_name().and_then(|name| name.to_str()) != Some(&format!("{}.json", request.id)) {
        bail!("{} holds the request {}", path.display(), request.id);
    }
    Ok(request)
}
