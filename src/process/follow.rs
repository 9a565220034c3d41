//! Reading the output of a unit while it grows, and its end.
//!
//! Called by the agents' parsers, by the live view and wherever a failing output is shown.

use std::collections::VecDeque;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::capture::open_regular;

/// The longest line that is kept whole; a longer one is cut.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// How many bytes are read at a time.
const STEP: u64 = 256 * 1024;

/// Returns the last `bytes` bytes of a file as text, from the beginning of a line where one begins in them.
/// What is not UTF-8 becomes U+FFFD; a file that is not there is empty.
pub fn tail(path: &Path, bytes: u64) -> Result<String> {
    let action = || format!("reading the end of {}", path.display());
    let Some(mut file) = open_regular(path)? else {
        return Ok(String::new());
    };
    let length = file.metadata().with_context(action)?.len();
    // One byte more shows whether the first line is whole.
    let start = length.saturating_sub(bytes.saturating_add(1));
    file.seek(SeekFrom::Start(start)).with_context(action)?;
    let mut end = Vec::new();
    file.take(bytes.saturating_add(1))
        .read_to_end(&mut end)
        .with_context(action)?;
    let whole = start == 0 && end.len() as u64 <= bytes;
    let from = if whole {
        0
    } else {
        end[..end.len().saturating_sub(1)]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(1, |at| at + 1)
    };
    Ok(String::from_utf8_lossy(&end[from..]).into_owned())
}

/// Reads the lines of a growing file, each once.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
    /// The rest of the line that is being read is dropped.
    cut: bool,
    ready: VecDeque<String>,
}

impl Follow {
    /// From the beginning of this file, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            partial: Vec::new(),
            cut: false,
            ready: VecDeque::new(),
        }
    }

    /// Returns the next line that is complete, without its line end, or `None` if there is none yet. What is not
    /// UTF-8 becomes U+FFFD; of a line of more than 16 MiB the beginning counts.
    pub fn line(&mut self) -> Result<Option<String>> {
        while self.ready.is_empty() {
            if self.read()? == 0 {
                return Ok(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Like [`Self::line`], for a unit that has ended: the last line counts without a line end too.
    pub fn last_line(&mut self) -> Result<Option<String>> {
        if let Some(line) = self.line()? {
            return Ok(Some(line));
        }
        if self.partial.is_empty() {
            return Ok(None);
        }
        self.push();
        Ok(self.ready.pop_front())
    }

    fn read(&mut self) -> Result<usize> {
        let action = || format!("reading {}", self.path.display());
        let Some(mut file) = open_regular(&self.path)? else {
            return Ok(0);
        };
        file.seek(SeekFrom::Start(self.offset))
            .with_context(action)?;
        let mut bytes = Vec::new();
        file.take(STEP)
            .read_to_end(&mut bytes)
            .with_context(action)?;
        self.offset += bytes.len() as u64;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.partial.len());
            let (text, ends) = piece
                .strip_suffix(b"\n")
                .map_or((piece, false), |text| (text, true));
            if !self.cut {
                self.partial
                    .extend_from_slice(&text[..text.len().min(room)]);
                self.cut = text.len() > room;
            }
            if ends {
                self.push();
            }
        }
        Ok(bytes.len())
    }

    fn push(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.cut = false;
        self.ready
            .push_back(String::from_utf8_lossy(&line).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_tail_begins_with_a_whole_line_where_one_fits() {
        let (_folder, path) = file(b"one\ntwo\nthree\n");
        assert_eq!(tail(&path, 100).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(tail(&path, 14).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(tail(&path, 13).unwrap(), "two\nthree\n");
        assert_eq!(tail(&path, 6).unwrap(), "three\n");
        assert_eq!(tail(&path, 4).unwrap(), "ree\n");
        assert_eq!(tail(&path, 0).unwrap(), "");
        assert_eq!(tail(&path.with_file_name("none"), 9).unwrap(), "");
    }

    #[test]
    fn lines_come_once_and_only_when_they_are_whole() {
        let (_folder, path) = file(b"one\r\ntw");
        let mut follow = Follow::new(path.clone());
        assert_eq!(follow.line().unwrap().as_deref(), Some("one"));
        assert_eq!(follow.line().unwrap(), None);
        let mut more = OpenOptions::new().append(true).open(&path).unwrap();
        more.write_all(b"o\n\xffx").unwrap();
        assert_eq!(follow.line().unwrap().as_deref(), Some("two"));
        assert_eq!(follow.line().unwrap(), None);
        assert_eq!(follow.last_line().unwrap().as_deref(), Some("\u{fffd}x"));
        assert_eq!(follow.last_line().unwrap(), None);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let mut content = vec![b'x'; LONGEST_LINE + 10];
        content.extend_from_slice(b"\nnext\n");
        let (_folder, path) = file(&content);
        let mut follow = Follow::new(path);
        assert_eq!(
            follow.line().unwrap().map(|line| line.len()),
            Some(LONGEST_LINE)
        );
        assert_eq!(follow.line().unwrap().as_deref(), Some("next"));
    }

    #[test]
    fn a_file_that_comes_later_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout");
        let mut follow = Follow::new(path.clone());
        assert_eq!(follow.line().unwrap(), None);
        fs::write(&path, "late\n").unwrap();
        assert_eq!(follow.line().unwrap().as_deref(), Some("late"));
    }
}
