//! Reads a git index: names, kinds and the recorded stat of every entry.
//!
//! Only what the collector needs, and only the plain forms (version 2 and 3, not split, not sparse). Other
//! forms are [`Parsed::OtherForm`]: the caller has git rewrite its private copy first. Nothing here trusts the
//! bytes: every length is checked, a damaged file is an error and never a panic.

use std::fs;
use std::path::Path;

use crate::model::hex::hex;
use anyhow::{Context as _, Result, bail};

/// The stat fields that git records, as it records them (cut to 32 bits). Times are (seconds, nanoseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) ctime: (u32, u32),
    pub(super) mtime: (u32, u32),
    pub(super) ino: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u32,
}

/// What kind of thing an index entry or a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        executable: bool,
    },
    Link,
    /// In the index: a gitlink. On disk: a directory.
    Directory,
    /// A FIFO, a socket or a device; the word says which.
    Special(&'static str),
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// The entry is outside the sparse patterns: its absence says nothing.
    pub(super) skip_worktree: bool,
    pub(super) stat: Stat,
    /// The object id, in hexadecimal, for gitlinks only.
    pub(super) gitlink: Option<String>,
}

/// A whole index, in git's order (by path, then stage).
#[derive(Debug)]
pub(super) struct Index {
    pub(super) entries: Vec<Entry>,
    /// When the file was written: entries that are not older may hide an edit.
    pub(super) written: (u32, u32),
}

/// What the reader found.
#[derive(Debug)]
pub(super) enum Parsed {
    Index(Index),
    /// Version 4, a split or a sparse index: right, but not readable here.
    OtherForm,
}

const FLAG_EXTENDED: u16 = 0x4000;
const FLAG_SKIP_WORKTREE: u16 = 0x4000;

/// Reads the index at `path`; `id_bytes` is 20 or 32.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub(super) fn read(path: &Path, id_bytes: usize) -> Result<Parsed> {
    let meta = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    let data = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&data, id_bytes, written(&meta))
        .with_context(|| format!("the index {} is damaged", path.display()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as git stores it"
)]
fn written(meta: &fs::Metadata) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt as _;
    (meta.mtime() as u32, meta.mtime_nsec() as u32)
}

/// A reader over bytes that fails instead of reading past the end.
struct Bytes<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&end| end <= self.data.len());
        let Some(end) = end else {
            bail!(
                "it ends at byte {} in the middle of an entry",
                self.data.len()
            );
        };
        let taken = &self.data[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4)?);
        Ok(u32::from_be_bytes(four))
    }

    fn u16(&mut self) -> Result<u16> {
        let mut two = [0; 2];
        two.copy_from_slice(self.take(2)?);
        Ok(u16::from_be_bytes(two))
    }

    fn until_nul(&mut self) -> Result<&'a [u8]> {
        let rest = &self.data[self.at.min(self.data.len())..];
        let Some(length) = rest.iter().position(|&byte| byte == 0) else {
            bail!("a name has no end");
        };
        self.take(length)
    }
}

fn parse(data: &[u8], id_bytes: usize, written: (u32, u32)) -> Result<Parsed> {
    let Some(body) = data.len().checked_sub(id_bytes) else {
        bail!("it is shorter than its checksum");
    };
    let mut bytes = Bytes {
        data: &data[..body],
        at: 0,
    };
    if bytes.take(4)? != b"DIRC" {
        bail!("it does not begin with DIRC");
    }
    match bytes.u32()? {
        2 | 3 => {}
        4 => return Ok(Parsed::OtherForm),
        other => bail!("its version is {other}"),
    }
    let count = bytes.u32()? as usize;
    // An entry takes at least 62 bytes: a lying count must not make us reserve memory.
    let mut entries = Vec::with_capacity(count.min(body / 62));
    for _ in 0..count {
        let Some(entry) = entry(&mut bytes, id_bytes)? else {
            return Ok(Parsed::OtherForm);
        };
        entries.push(entry);
    }
    while bytes.at < body {
        let name = bytes.take(4)?;
        let length = bytes.u32()? as usize;
        bytes.take(length)?;
        // An extension in lower case is needed to understand the file: `link` (split), `sdir` (sparse).
        if !name[0].is_ascii_uppercase() {
            return Ok(Parsed::OtherForm);
        }
    }
    Ok(Parsed::Index(Index { entries, written }))
}

/// Reads one entry; `None` where it is a directory of a sparse index.
fn entry(bytes: &mut Bytes<'_>, id_bytes: usize) -> Result<Option<Entry>> {
    let first = bytes.at;
    let ctime = (bytes.u32()?, bytes.u32()?);
    let mtime = (bytes.u32()?, bytes.u32()?);
    let _device = bytes.u32()?;
    let ino = bytes.u32()?;
    let mode = bytes.u32()?;
    let stat = Stat {
        ctime,
        mtime,
        ino,
        uid: bytes.u32()?,
        gid: bytes.u32()?,
        size: bytes.u32()?,
    };
    let id = bytes.take(id_bytes)?;
    let flags = bytes.u16()?;
    let extended = if flags & FLAG_EXTENDED == 0 {
        0
    } else {
        bytes.u16()?
    };
    let path = bytes.until_nul()?.to_vec();
    // One to eight NULs, up to a multiple of eight.
    bytes.take(8 - (bytes.at - first) % 8)?;
    let kind = match mode & 0o170_000 {
        0o100_000 => Kind::File {
            executable: mode & 0o100 != 0,
        },
        0o120_000 => Kind::Link,
        0o160_000 => Kind::Directory,
        0o040_000 => return Ok(None),
        _ => bail!("an entry has the mode {mode:o}"),
    };
    let gitlink = (kind == Kind::Directory).then(|| hex(id));
    Ok(Some(Entry {
        path,
        kind,
        skip_worktree: extended & FLAG_SKIP_WORKTREE != 0,
        stat,
        gitlink,
    }))
}

impl Index {
    /// Whether an entry's recorded time is so late that an edit right after it would not show.
    pub(super) fn is_racy(&self, entry: &Entry) -> bool {
        entry.stat.mtime >= self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(version: u32, path: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut data = b"DIRC".to_vec();
        data.extend(version.to_be_bytes());
        data.extend(1_u32.to_be_bytes());
        for word in [1, 2, 3, 4, 5, 6, 0o100_755, 7, 8, 9_u32] {
            data.extend(word.to_be_bytes());
        }
        data.extend([0xab; 20]);
        data.extend(u16::try_from(path.len()).expect("short").to_be_bytes());
        data.extend(path);
        let pad = 8 - (data.len() - 12) % 8;
        data.extend(vec![0; pad]);
        data.extend(tail);
        data.extend([0; 20]);
        data
    }

    #[test]
    fn every_field_is_read() {
        let Ok(Parsed::Index(index)) = parse(&bytes(2, b"a/b\xff", b"TREE\0\0\0\0"), 20, (9, 9))
        else {
            panic!("readable");
        };
        let entry = &index.entries[0];
        assert_eq!(entry.path, b"a/b\xff");
        assert_eq!(entry.kind, Kind::File { executable: true });
        assert_eq!(
            entry.stat,
            Stat {
                ctime: (1, 2),
                mtime: (3, 4),
                ino: 6,
                uid: 7,
                gid: 8,
                size: 9
            }
        );
        assert!(!index.is_racy(entry));
    }

    #[test]
    fn other_forms_are_named_and_damage_is_an_error() {
        for (version, tail) in [(4, &b""[..]), (2, b"link\0\0\0\0"), (2, b"sdir\0\0\0\0")] {
            assert!(matches!(
                parse(&bytes(version, b"a", tail), 20, (0, 0)),
                Ok(Parsed::OtherForm)
            ));
        }
        let whole = bytes(2, b"some/name", b"");
        for length in 0..whole.len() - 20 {
            let mut cut = whole[..length].to_vec();
            cut.extend([0; 20]);
            assert!(parse(&cut, 20, (0, 0)).is_err(), "cut at {length}");
        }
        assert!(parse(&bytes(2, b"a", b"TREE\xff\xff\xff\xff"), 20, (0, 0)).is_err());
    }
}
