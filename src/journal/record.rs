//! One record as one line of text.
//!
//! `{"crc":"<8 hex>","seq":1,"prev":"<16 hex>","at":"…","v":1,"kind":"…","e":{…}}`: `crc` is the CRC-32 of all
//! bytes of the line after `"crc":"…",`; `prev` begins the SHA-256 of the line before (zeros for the first). The
//! line is put together by hand, because its check covers its bytes.
//!
//! Facts that were appended together count together or not at all: each but the last of them says `"more":true`
//! after its `v`, and a record with `more` counts only once its append is complete. A process that was killed in
//! the middle of the write could otherwise leave the end of a unit without the answer that came of it.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::model::event::{Event, EventKind};
use crate::model::hex::hex;

/// The format that this dynwf writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// What `prev` says in the first record.
pub(super) const NO_LINE: &str = "0000000000000000";

/// How each line begins, before the eight digits of its check.
const OPENING: &str = "{\"crc\":\"";

/// What stands for the check until it is known.
const NO_CRC: &str = "00000000";

/// What stands between the check and what it covers.
const AFTER_CRC: &str = "\",";

/// Where the checked bytes begin.
const CHECKED_FROM: usize = OPENING.len() + NO_CRC.len() + AFTER_CRC.len();

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    /// Its bytes are not those that were written.
    Damaged(&'static str),
    /// It is whole, but a newer dynwf wrote it.
    Newer(String),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => f.write_str(why),
            Self::Newer(what) => write!(f, "a newer dynwf wrote it ({what})"),
        }
    }
}

/// What a line says beside the fact.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    prev: String,
    at: Timestamp,
    v: u32,
    #[serde(default)]
    more: bool,
}

/// Appends the line of an event to `out`, with its newline, and returns the short hash that the next line
/// names. `more`: the next event belongs to the same append.
pub(super) fn encode(
    out: &mut Vec<u8>,
    event: &Event,
    prev: &str,
    more: bool,
) -> Result<String, serde_json::Error> {
    let (start, seq, at) = (out.len(), event.seq, event.at);
    let more = if more { ",\"more\":true" } else { "" };
    let head = format!(
        "{OPENING}{NO_CRC}{AFTER_CRC}\"seq\":{seq},\"prev\":\"{prev}\",\"at\":\"{at}\",\"v\":{VERSION}{more}"
    );
    out.extend_from_slice(head.as_bytes());
    let fact = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, &event.kind) {
        out.truncate(start);
        return Err(error);
    }
    // A fact is an object: its fields stand beside those of the head.
    out[fact] = b',';
    let crc = crc32fast::hash(&out[start + CHECKED_FROM..]);
    let place = start + OPENING.len();
    out[place..place + NO_CRC.len()].copy_from_slice(hex(&crc.to_be_bytes()).as_bytes());
    let hash = short_hash(&out[start..]);
    out.push(b'\n');
    Ok(hash)
}

/// Reads a line (without its newline) that must be the next after one with this number and this short hash.
/// Returns the event, and whether more of its append must follow before it counts.
pub(super) fn decode(line: &[u8], last_seq: u64, prev: &str) -> Result<(Event, bool), BadLine> {
    if !is_whole(line) {
        return Err(BadLine::Damaged("its checksum does not match"));
    }
    let head: Head = serde_json::from_slice(line).map_err(|error| newer(&error))?;
    if head.v > VERSION {
        return Err(BadLine::Newer(format!("format {}", head.v)));
    }
    if head.seq != last_seq + 1 {
        return Err(BadLine::Damaged("its number does not follow"));
    }
    if head.prev != prev {
        return Err(BadLine::Damaged("it does not continue the line before it"));
    }
    let kind: EventKind = serde_json::from_slice(line).map_err(|error| newer(&error))?;
    let event = Event {
        seq: head.seq,
        at: head.at,
        kind,
    };
    Ok((event, head.more))
}

/// Whether the bytes are a whole record by its own check, whatever comes before it.
pub(super) fn is_whole(line: &[u8]) -> bool {
    stated_crc(line).is_some_and(|crc| crc == crc32fast::hash(&line[CHECKED_FROM..]))
}

/// Returns the beginning of the SHA-256 of a line (without its newline).
pub(super) fn short_hash(line: &[u8]) -> String {
    hex(&Sha256::digest(line)[..8])
}

fn stated_crc(line: &[u8]) -> Option<u32> {
    let rest = line.strip_prefix(OPENING.as_bytes())?;
    let (digits, rest) = rest.split_at_checked(8)?;
    rest.strip_prefix(AFTER_CRC.as_bytes())?;
    // Only the digits that `encode` writes: the text must not be changeable without notice.
    if !digits
        .iter()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A line whose check matches is what somebody wrote: if it cannot be understood, its writer knew more.
fn newer(error: &serde_json::Error) -> BadLine {
    BadLine::Newer(error.to_string())
}
