//! Reading a journal: which of its bytes are records, and what is wrong with the others.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::record::{self, BadLine};
use crate::error::{ExitCode, Failure};
use crate::model::event::Event;

/// What a journal holds.
pub(super) struct Contents {
    /// Its records, in order.
    pub(super) events: Vec<Event>,
    /// How many bytes they take.
    pub(super) good: u64,
    /// The bytes after the last append that is complete: the beginning of a write that did not end.
    pub(super) torn: Vec<u8>,
    /// The short hash of the last line.
    pub(super) head: String,
}

/// Reads a journal; `None` if there is no such file.
///
/// # Errors
/// A [`Failure`] that names line and byte where anything but an unfinished last line is no record, or where a
/// newer dynwf wrote.
pub(super) fn read(path: &Path) -> Result<Option<Contents>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("reading the journal {}", path.display()));
        }
    };
    parse(&bytes, path).map(Some)
}

/// Takes the bytes of a journal apart. A live writer may be in the middle of a line: that is a torn tail, too.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Contents> {
    let mut contents = Contents {
        events: Vec::new(),
        good: 0,
        torn: Vec::new(),
        head: record::NO_LINE.to_owned(),
    };
    // Where the last complete append ends: its bytes, its records and its head.
    let mut whole = (0, 0, contents.head.clone());
    let mut at = 0;
    while let Some(length) = bytes[at..].iter().position(|&b| b == b'\n') {
        let line = &bytes[at..at + length];
        let last = contents.events.len() as u64;
        let (event, more) = record::decode(line, last, &contents.head)
            .map_err(|bad| broken(path, last + 1, at, &bad))?;
        contents.events.push(event);
        contents.head = record::short_hash(line);
        at += length + 1;
        if !more {
            whole = (at, contents.events.len(), contents.head.clone());
        }
    }
    let tail = &bytes[at..];
    // A whole record and one more byte, which is no newline: no unfinished write looks like this. The newline
    // was damaged, and to cut the record off would lose a fact that others rely on.
    if let Some((_, line)) = tail.split_last()
        && record::is_whole(line)
    {
        let bad = BadLine::Damaged("it does not end as it was written");
        return Err(broken(path, contents.events.len() as u64 + 1, at, &bad));
    }
    let (good, records, head) = whole;
    contents.events.truncate(records);
    contents.good = good as u64;
    contents.torn = bytes[good..].to_vec();
    contents.head = head;
    Ok(contents)
}

/// The workflow whose folder the journal lies in.
fn workflow_of(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    folder.map_or_else(
        || "SLUG".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn broken(path: &Path, line: u64, byte: usize, bad: &BadLine) -> anyhow::Error {
    let place = format!("line {line} (byte {byte}) of {}", path.display());
    match bad {
        BadLine::Damaged(why) => Failure::new(
            ExitCode::Bug,
            format!("the journal is damaged: {place}: {why}"),
        )
        .hint(format!("dynwf doctor --repair {}", workflow_of(path))),
        BadLine::Newer(_) => {
            Failure::usage(format!("cannot read {place}: {bad}")).hint("use a newer dynwf")
        }
    }
    .into()
}
