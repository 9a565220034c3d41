//! Cutting a damaged journal after its last good append, on a person's word.
//!
//! What comes after the damage cannot be trusted: each record names the one before it. Nothing is thrown away: the
//! whole file is kept beside the journal first. Called by `dynwf doctor --repair`.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::folder::{cannot_write, make_folder, write_new};
use super::record::{self, BadLine};
use super::{lock, store::Store};
use crate::error::usage;
use crate::model::id::{Slug, UnitId};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// How many records are left.
    pub kept: u64,
    /// How many lines after them were cut off.
    pub cut: u64,
    /// Where the whole damaged file is.
    pub copy: PathBuf,
    /// What is wrong with the first line that was cut off.
    pub why: String,
}

/// Cuts a workflow's journal after its last good append, after keeping a copy. `None` if nothing is wrong with it.
///
/// # Errors
/// A [`crate::error::Failure`] if another dynwf holds the workflow or a newer one wrote the journal; if nothing can
/// be read or written.
pub fn repair(store: &Store, slug: &Slug) -> Result<Option<Repaired>> {
    let path = store.journal(slug);
    if !path.exists() {
        return Err(usage(
            format!("no workflow is called {slug}"),
            "dynwf status lists them",
        ));
    }
    let _lock = lock::workflow_lock(&store.lock(slug), slug.as_str())?;
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let (mut at, mut head) = (0, record::NO_LINE.to_owned());
    let mut events = Vec::new();
    // What was appended together and is not complete goes with the damage.
    let mut whole = (0, 0);
    let why = loop {
        let rest = &bytes[at..];
        let Some(length) = rest.iter().position(|&b| b == b'\n') else {
            // A record without its newline is damage; the beginning of one is only an unfinished write.
            match rest.split_last() {
                Some((_, line)) if record::is_whole(line) => {
                    break "it does not end as it was written".to_owned();
                }
                _ => return Ok(None),
            }
        };
        match record::decode(&rest[..length], events.len() as u64, &head) {
            Ok((event, more)) => {
                events.push(event);
                if !more {
                    whole = (at + length + 1, events.len());
                }
            }
            Err(BadLine::Damaged(why)) => break why.to_owned(),
            Err(bad @ BadLine::Newer(_)) => {
                return Err(usage(
                    format!("the journal of {slug} cannot be judged: {bad}"),
                    "use a newer dynwf",
                ));
            }
        }
        head = record::short_hash(&rest[..length]);
        at += length + 1;
    };
    let (good, records) = whole;
    events.truncate(records);
    let lines = bytes[good..].split(|&b| b == b'\n');
    let cut = lines.filter(|line| !line.is_empty()).count() as u64;
    let copy = keep(store, slug, &bytes)?;
    put_units_aside(
        store,
        slug,
        &copy,
        super::store::replay(slug, &events).last_unit,
    )?;
    OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|file| {
            file.set_len(good as u64)?;
            file.sync_all()
        })
        .map_err(|error: io::Error| cannot_write(error, &path))?;
    Ok(Some(Repaired {
        kept: events.len() as u64,
        cut,
        copy,
        why,
    }))
}

/// Units that the records left do not know would be taken for the next ones of their numbers: their folders move to
/// `<copy>.units/`.
fn put_units_aside(store: &Store, slug: &Slug, copy: &Path, last: UnitId) -> Result<()> {
    let folder = store.units(slug);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", folder.display())),
    };
    let aside = PathBuf::from(format!("{}.units", copy.display()));
    for entry in entries {
        let name = entry
            .with_context(|| format!("reading {}", folder.display()))?
            .file_name();
        let number = name.to_str().and_then(|name| name.parse::<u64>().ok());
        if number.is_none_or(|number| number <= last.0) {
            continue;
        }
        make_folder(&aside)?;
        fs::rename(folder.join(&name), aside.join(&name))
            .with_context(|| format!("moving a unit from {} aside", folder.display()))?;
    }
    Ok(())
}

/// Keeps the bytes as `journal.damaged-<n>`.
fn keep(store: &Store, slug: &Slug, bytes: &[u8]) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let copy = store.folder(slug).join(format!("journal.damaged-{number}"));
        if write_new(&copy, bytes)? {
            return Ok(copy);
        }
        number += 1;
    }
}
