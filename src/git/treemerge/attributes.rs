//! What can make git merge a file in another way than as text.
//!
//! Not an evaluation of attributes: a file of them is searched for what could have a say, and then the program
//! merges. In doubt a line counts.

use git2::Oid;

use super::entry::oid;
use super::reader::{Reader, Stop};
use crate::git::tree::entries;

/// The name of the files in trees.
const NAME: &[u8] = b".gitattributes";

/// What lies outside of the trees and decides how texts merge.
#[derive(Debug, Default)]
pub(in crate::git) struct Outside {
    /// Whether the configuration leaves texts to git's own merge.
    pub(in crate::git) plain: bool,
    /// The contents of the attribute files of the machine, the person and the repository.
    pub(in crate::git) attributes: Vec<Vec<u8>>,
}

/// Makes sure that the file at `path` merges as text, by the attributes that lie in the tree `ours` and outside.
pub(super) fn plain_text(
    reader: &mut Reader<'_>,
    ours: Oid,
    path: &[u8],
    outside: &Outside,
) -> Result<(), Stop> {
    const UNSURE: Stop = Stop::Unsure("attributes or settings about merging");
    let says = |file: &[u8]| concerns(file, path);
    if !outside.plain || outside.attributes.iter().any(|file| says(file)) {
        return Err(UNSURE);
    }
    let mut tree = ours;
    for part in path.split(|&b| b == b'/') {
        let data = reader.tree(tree)?;
        let mut below = None;
        for entry in entries(&data) {
            let entry = entry?;
            if entry.is_dir() && entry.name == part {
                below = Some(oid(&entry)?);
            } else if entry.name == NAME
                && (entry.mode & 0o170_000 != 0o100_000 || says(reader.file(oid(&entry)?)?.data()))
            {
                return Err(UNSURE);
            }
        }
        match below {
            Some(below) => tree = below,
            None => break,
        }
    }
    Ok(())
}

/// Whether a file of attributes may say how the file at `path` merges.
fn concerns(file: &[u8], path: &[u8]) -> bool {
    file.split(|&b| b == b'\n')
        .any(|line| line_concerns(line, path))
}

fn line_concerns(line: &[u8], path: &[u8]) -> bool {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return false;
    }
    // A macro can hide anything; a quoted pattern is not worth reading.
    if line.starts_with(b"[attr]") || line.starts_with(b"\"") {
        return true;
    }
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(pattern) = words.next() else {
        return false;
    };
    words.any(is_about_merging) && may_match(pattern, path)
}

/// `merge` in any form, and `binary`, which stands for `-diff -merge -text`.
fn is_about_merging(word: &[u8]) -> bool {
    let word = word.trim_start_with(b"-!");
    let name = word.split(|&b| b == b'=').next().unwrap_or_default();
    name == b"merge" || name == b"binary"
}

/// Whether a pattern may match: only `*.ending` and plain names are told apart, in any case of letters.
fn may_match(pattern: &[u8], path: &[u8]) -> bool {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let special = |b: &u8| matches!(b, b'*' | b'?' | b'[' | b'\\' | b'/');
    let is_plain = |text: &[u8]| !text.iter().any(special);
    match pattern.strip_prefix(b"*") {
        Some(ending) if is_plain(ending) => name
            .to_ascii_lowercase()
            .ends_with(&ending.to_ascii_lowercase()),
        None if is_plain(pattern) => name.eq_ignore_ascii_case(pattern),
        _ => true,
    }
}

trait TrimStart {
    fn trim_start_with(&self, bytes: &[u8]) -> &[u8];
}

impl TrimStart for [u8] {
    fn trim_start_with(&self, bytes: &[u8]) -> &[u8] {
        let end = self.iter().position(|b| !bytes.contains(b));
        &self[end.unwrap_or(self.len())..]
    }
}

#[cfg(test)]
mod tests {
    use super::concerns;

    #[test]
    fn only_lines_that_may_say_how_a_file_merges_count() {
        let says = |line: &str| concerns(format!("# merge\n\n{line}\n").as_bytes(), b"a/b.Rs");
        for line in [
            "* merge=union",
            "*.rs -merge",
            "b.rs !merge",
            "/a/** merge",
            "*.rs binary",
            "[attr]x y",
            "b.?s merge",
        ] {
            assert!(says(line), "{line}");
        }
        for line in [
            "* text=auto",
            "*.png binary",
            "c.rs merge=ours",
            "*.rs diff=rust eol=lf",
            "#* merge",
        ] {
            assert!(!says(line), "{line}");
        }
    }
}
