//! The one writer of a journal.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use super::folder::{cannot_write, make_folder, sync_folder, write_new};
use super::lock::{self, Guard};
use super::store::{self, Store};
use super::{reader, record};
use crate::error::{ExitCode, Failure};
use crate::fault;
use crate::model::event::{Event, EventKind};
use crate::model::id::Slug;
use crate::model::state::RunState;

/// The journal of one workflow, open for writing. Holds the workflow's lock until it is dropped.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    seq: u64,
    head: String,
    torn: Option<PathBuf>,
    broken: Option<String>,
    _lock: Guard,
}

impl Journal {
    /// Takes the workflow's lock, reads the journal (an absent one is made), cuts a torn tail off and keeps it
    /// aside. Returns the state that the records add up to.
    ///
    /// # Errors
    /// A [`Failure`] with [`ExitCode::Locked`] if another dynwf holds the workflow for longer than a second; one
    /// that names the place if the journal is damaged or newer.
    pub fn open(store: &Store, slug: &Slug) -> Result<(Self, RunState)> {
        let lock = lock::workflow_lock(&store.lock(slug), slug.as_str())?;
        let folder = store.folder(slug);
        make_folder(&folder)?;
        let path = store.journal(slug);
        let contents = reader::read(&path)?;
        let is_new = contents.is_none();
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|error| cannot_write(error, &path))?;
        if is_new {
            sync_folder(&folder)?;
        }
        let (events, head, torn) = match contents {
            None => (Vec::new(), record::NO_LINE.to_owned(), None),
            Some(contents) => {
                let torn = cut(&file, &folder, contents.good, &contents.torn)?;
                (contents.events, contents.head, torn)
            }
        };
        // Another dynwf may have been killed between its write and its sync: what is built on a record must not
        // outlive it.
        file.sync_data()
            .with_context(|| format!("syncing {}", path.display()))?;
        let state = store::replay(slug, &events);
        let journal = Self {
            file,
            path,
            seq: events.len() as u64,
            head,
            torn,
            broken: None,
            _lock: lock,
        };
        Ok((journal, state))
    }

    /// Records facts, all with the same time, in one write and one sync; returns them as events. When it
    /// returns, they are on disk; whoever is killed in it has recorded all of them or none.
    ///
    /// # Errors
    /// If they may not all be on disk. The journal then takes nothing more: what is true is found out by opening
    /// it anew.
    pub fn append(&mut self, facts: Vec<EventKind>, now: Timestamp) -> Result<Vec<Event>> {
        if let Some(why) = &self.broken {
            bail!(
                "the journal {} takes nothing more: {why}",
                self.path.display()
            );
        }
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        let mut lines = Vec::new();
        let mut head = self.head.clone();
        let mut events = Vec::with_capacity(facts.len());
        let last = self.seq + facts.len() as u64;
        for (seq, kind) in (self.seq + 1..).zip(facts) {
            let event = Event { seq, at: now, kind };
            head = record::encode(&mut lines, &event, &head, seq < last)
                .with_context(|| format!("putting the fact {} into words", event.kind.name()))?;
            events.push(event);
        }
        for event in &events {
            fault::point(&format!("append:{}:before", event.kind.name()));
        }
        if let Err(error) =
            fault::write_all("journal", &mut self.file, &lines).and_then(|()| self.file.sync_data())
        {
            self.broken = Some(error.to_string());
            return Err(not_recorded(&error, &self.path));
        }
        self.seq += events.len() as u64;
        self.head = head;
        for event in &events {
            fault::point(&format!("append:{}:after", event.kind.name()));
        }
        Ok(events)
    }

    /// Returns the beginning of the SHA-256 of the last line (zeros if there is none): whoever keeps it can tell
    /// later whether the history up to here was changed.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Returns where the torn tail is kept that was cut off when the journal was opened, if there was one.
    pub fn torn(&self) -> Option<&Path> {
        self.torn.as_deref()
    }
}

/// Keeps the torn tail aside as `journal.torn-<n>`, then cuts it off. Killed in between, it does both again.
fn cut(file: &File, folder: &Path, good: u64, torn: &[u8]) -> Result<Option<PathBuf>> {
    if torn.is_empty() {
        return Ok(None);
    }
    let mut number = 1;
    let kept = loop {
        let path = folder.join(format!("journal.torn-{number}"));
        if write_new(&path, torn)? {
            break path;
        }
        number += 1;
    };
    file.set_len(good)
        .and_then(|()| file.sync_all())
        .with_context(|| {
            format!(
                "cutting the torn tail off the journal in {}",
                folder.display()
            )
        })?;
    Ok(Some(kept))
}

fn not_recorded(error: &io::Error, path: &Path) -> anyhow::Error {
    Failure::new(
        ExitCode::Bug,
        format!("cannot record what happened in {}: {error}", path.display()),
    )
    .hint("mend what keeps the file from growing (a full disk?), then run the same command again: nothing is lost")
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_error_nothing_more_is_recorded_until_it_is_opened_anew() {
        let dir = tempfile::TempDir::new().expect("a temporary folder");
        let store = Store::new(dir.path());
        let slug: Slug = "refactor".parse().expect("a slug");
        let fact = || vec![EventKind::RunEnded { code: 0 }];
        let now = Timestamp::UNIX_EPOCH;
        let (mut journal, _) = Journal::open(&store, &slug).expect("opens");
        journal.append(fact(), now).expect("appends");
        let full = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("is on every Linux");
        let good = std::mem::replace(&mut journal.file, full);
        let error = journal.append(fact(), now).expect_err("the disk is full");
        assert!(crate::error::hint_of(&error).is_some_and(|hint| hint.contains("nothing is lost")));
        journal.file = good;
        let error = journal
            .append(fact(), now)
            .expect_err("is not to be trusted any more");
        assert!(error.to_string().contains("takes nothing more"), "{error}");
        drop(journal);
        let (mut journal, state) = Journal::open(&store, &slug).expect("opens again");
        assert_eq!(state.seq, 1);
        assert_eq!(journal.append(fact(), now).expect("appends")[0].seq, 2);
    }
}
