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

/// The format that this dynwf writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// What `prev` says in the first record.
pub(super) const NO_LINE: &str = "0000000000000000";

/// How each line begins, before the eight digits of its check.
const OPENING: &str = "{\"crc\":\"";

/// What stands between the check and what it covers.
const AFTER_CRC: &str = "\",";

/// Where the checked bytes begin.
const CHECKED_FROM: usize = OPENING.len() + 8 + AFTER_CRC.len();

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
    let fact = serde_json::to_string(&event.kind)?;
    let (seq, at) = (event.seq, event.at);
    let fields = fact.strip_prefix('{').unwrap_or(&fact);
    let more = if more { "\"more\":true," } else { "" };
    let rest =
        format!("\"seq\":{seq},\"prev\":\"{prev}\",\"at\":\"{at}\",\"v\":{VERSION},{more}{fields}");
    let line = format!(
        "{OPENING}{:08x}{AFTER_CRC}{rest}",
        crc32fast::hash(rest.as_bytes())
    );
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
    Ok(short_hash(line.as_bytes()))
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

/// Returns bytes as lower-case hexadecimal text.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push_str(&format!("{byte:02x}"));
    }
    out
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
