//! The difference between two trees as a value: files, hunks, lines, words.
//!
//! Invariants: made from objects only; renames are for display (facts and digests know none); hunks are
//! numbered through from 1, so that a comment can name one; what is not shown (binary, too big, out of time)
//! is said with its size. Files whose name, mode or kind changed come first. Called by `dynwf review`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use similar::DiffOp;

use super::facts::{GITLINK, SYMLINK, UNREAD, only_mode_differs, read, size};
use super::lines;
use super::rename::{Renamed, renames};
use super::words::{self, Pieces};
use crate::git::{Change, Git, Side};
use crate::model::id::TreeId;
use crate::model::path::RepoPath;

/// What is compared in full, and how much is shown around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Unchanged lines around a change.
    pub context: usize,
    /// Files with more bytes on either side are summarised.
    pub bytes: u64,
    /// Files with more changed lines are summarised.
    pub lines: u32,
    /// How long comparing one file may take.
    pub per_file: Duration,
    /// How long comparing all files may take; what comes later is compared coarsely.
    pub in_all: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            context: 3,
            bytes: 1 << 20,
            lines: 20_000,
            per_file: Duration::from_millis(500),
            in_all: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Everything that can be read is shown.
    pub const FULL: Self = Self {
        context: 3,
        bytes: UNREAD,
        lines: u32::MAX,
        per_file: Duration::from_secs(5),
        in_all: Duration::from_secs(60),
    };
}

/// The difference between two trees.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The changed files; renames, mode changes and special entries first.
    pub files: Vec<FileDiff>,
    /// Added lines.
    pub additions: u32,
    /// Removed lines.
    pub deletions: u32,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// Its content differs.
    Modified,
    /// It has another name, and perhaps other content.
    Renamed,
    /// Only its mode differs.
    Mode,
    /// It is another kind of thing (a file became a symbolic link, say).
    Kind,
}

/// One changed file.
#[derive(Clone, Debug, Serialize)]
pub struct FileDiff {
    /// Its name now (or its last name, if it is gone).
    pub path: RepoPath,
    /// Its name before, if that was another.
    pub from: Option<RepoPath>,
    /// How much of a renamed file is the same, in percent.
    pub alike: Option<u8>,
    /// What happened to it.
    pub what: What,
    /// Its mode before.
    pub old_mode: Option<u32>,
    /// Its mode now.
    pub new_mode: Option<u32>,
    /// Added lines.
    pub additions: u32,
    /// Removed lines.
    pub deletions: u32,
    /// What differs in its content.
    pub body: Body,
}

/// What differs in a file's content.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Body {
    /// Nothing.
    Same,
    /// These hunks.
    Text {
        /// The hunks, in order.
        hunks: Vec<Hunk>,
    },
    /// It holds a NUL byte.
    Binary {
        /// Bytes before.
        old: u64,
        /// Bytes now.
        new: u64,
    },
    /// It is too big to be shown; the counts of lines are zero where it was not even compared.
    Big {
        /// Bytes before.
        old: u64,
        /// Bytes now.
        new: u64,
    },
}

/// A run of changed lines with what stands around it.
#[derive(Clone, Debug, Serialize)]
pub struct Hunk {
    /// Its number in the whole difference, from 1.
    pub number: usize,
    /// Its first line before, from 1.
    pub old_start: usize,
    /// How many lines it had before.
    pub old_lines: usize,
    /// Its first line now, from 1.
    pub new_start: usize,
    /// How many lines it has now.
    pub new_lines: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a hunk.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Whether it is common, removed or added.
    pub side: On,
    /// Its number before, from 1.
    pub old: Option<usize>,
    /// Its number now, from 1.
    pub new: Option<usize>,
    /// The text without its newline.
    pub pieces: Pieces,
    /// Whether the file ends here without a newline.
    pub unended: bool,
}

/// Which side has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Both.
    Both,
    /// The old one only.
    Old,
    /// The new one only.
    New,
}

/// Compares two trees for a reader.
///
/// # Errors
/// If a tree or a blob cannot be read.
pub fn compare(git: &Git, base: &TreeId, tip: &TreeId, limits: Limits) -> Result<Diff> {
    let changes = git
        .changes(base, tip)
        .with_context(|| format!("comparing the trees {base} and {tip}"))?;
    let end = Instant::now() + limits.in_all;
    let mut files = Vec::with_capacity(changes.len());
    for renamed in renames(git, changes)? {
        let path = renamed.change.path.clone();
        let file = file(git, renamed, limits, end).with_context(|| format!("comparing {path}"))?;
        files.push(file);
    }
    files.sort_by(|a, b| (!is_special(a), &a.path).cmp(&(!is_special(b), &b.path)));
    let mut number = 0;
    for hunk in files.iter_mut().flat_map(|file| match &mut file.body {
        Body::Text { hunks } => hunks.as_mut_slice(),
        _ => &mut [],
    }) {
        number += 1;
        hunk.number = number;
    }
    let sum = |count: fn(&FileDiff) -> u32| files.iter().map(count).fold(0, u32::saturating_add);
    Ok(Diff {
        additions: sum(|file| file.additions),
        deletions: sum(|file| file.deletions),
        files,
    })
}

/// Whether something other than the content of a plain file changed.
fn is_special(file: &FileDiff) -> bool {
    let odd = |mode: Option<u32>| matches!(mode, Some(SYMLINK | GITLINK));
    matches!(file.what, What::Renamed | What::Mode | What::Kind)
        || matches!((file.old_mode, file.new_mode), (Some(old), Some(new)) if old != new)
        || odd(file.old_mode)
        || odd(file.new_mode)
}

fn file(git: &Git, renamed: Renamed, limits: Limits, end: Instant) -> Result<FileDiff> {
    let Renamed {
        change,
        from,
        alike,
    } = renamed;
    let (old_mode, new_mode) = (mode(change.old.as_ref()), mode(change.new.as_ref()));
    let mut file = FileDiff {
        what: what(&change, from.is_some()),
        path: change.path.clone(),
        from,
        alike,
        old_mode,
        new_mode,
        additions: 0,
        deletions: 0,
        body: Body::Same,
    };
    if only_mode_differs(&change) {
        return Ok(file);
    }
    let (old_size, new_size) = (
        size(git, change.old.as_ref())?.unwrap_or(0),
        size(git, change.new.as_ref())?.unwrap_or(0),
    );
    let big = Body::Big {
        old: old_size,
        new: new_size,
    };
    let (Some(old), Some(new)) = (
        read(git, change.old.as_ref())?,
        read(git, change.new.as_ref())?,
    ) else {
        file.body = big;
        return Ok(file);
    };
    if !lines::is_text(&old) || !lines::is_text(&new) {
        file.body = Body::Binary {
            old: old_size,
            new: new_size,
        };
        return Ok(file);
    }
    let (old, new) = (lines::split(&old), lines::split(&new));
    let ops = lines::compare(&old, &new, end.min(Instant::now() + limits.per_file));
    (file.additions, file.deletions) = lines::count(&ops);
    let too_long = file.additions.saturating_add(file.deletions) > limits.lines;
    file.body = if too_long || old_size.max(new_size) > limits.bytes {
        big
    } else {
        Body::Text {
            hunks: hunks(&old, &new, ops, limits.context),
        }
    };
    Ok(file)
}

fn mode(side: Option<&Side>) -> Option<u32> {
    side.map(|side| side.mode)
}

fn what(change: &Change, renamed: bool) -> What {
    let kind = |mode: u32| mode & 0o170_000;
    match (&change.old, &change.new) {
        (Some(_), Some(_)) if renamed => What::Renamed,
        (Some(old), Some(new)) if kind(old.mode) != kind(new.mode) => What::Kind,
        (Some(old), Some(new)) if old.oid == new.oid => What::Mode,
        (Some(_), Some(_)) => What::Modified,
        (None, _) => What::Added,
        (Some(_), None) => What::Deleted,
    }
}

fn hunks(old: &[&[u8]], new: &[&[u8]], ops: Vec<DiffOp>, context: usize) -> Vec<Hunk> {
    similar::group_diff_ops(ops, context)
        .iter()
        .filter_map(|group| hunk(old, new, group))
        .collect()
}

fn hunk(old: &[&[u8]], new: &[&[u8]], group: &[DiffOp]) -> Option<Hunk> {
    let (first, last) = (group.first()?, group.last()?);
    let (old_start, old_end) = (first.old_range().start, last.old_range().end);
    let (new_start, new_end) = (first.new_range().start, last.new_range().end);
    let mut lines = Vec::new();
    for op in group {
        let (old_range, new_range) = (op.old_range(), op.new_range());
        if let DiffOp::Equal { .. } = op {
            lines.extend(old_range.zip(new_range).map(|(before, now)| Line {
                side: On::Both,
                old: Some(before + 1),
                new: Some(now + 1),
                pieces: words::unmarked(body(old[before])),
                unended: is_unended(old[before]),
            }));
            continue;
        }
        let bodies = |lines: &[&'_ [u8]]| -> Vec<Vec<u8>> {
            lines.iter().map(|line| body(line).to_vec()).collect()
        };
        let (removed, added) = (
            bodies(&old[old_range.clone()]),
            bodies(&new[new_range.clone()]),
        );
        let removed: Vec<&[u8]> = removed.iter().map(Vec::as_slice).collect();
        let added: Vec<&[u8]> = added.iter().map(Vec::as_slice).collect();
        let (removed, added) = words::mark(&removed, &added);
        lines.extend(old_range.zip(removed).map(|(at, pieces)| Line {
            side: On::Old,
            old: Some(at + 1),
            new: None,
            pieces,
            unended: is_unended(old[at]),
        }));
        lines.extend(new_range.zip(added).map(|(at, pieces)| Line {
            side: On::New,
            old: None,
            new: Some(at + 1),
            pieces,
            unended: is_unended(new[at]),
        }));
    }
    Some(Hunk {
        number: 0,
        // As git counts: a side without lines is named by the line before it.
        old_start: old_start + usize::from(old_end > old_start),
        old_lines: old_end - old_start,
        new_start: new_start + usize::from(new_end > new_start),
        new_lines: new_end - new_start,
        lines,
    })
}

fn body(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn is_unended(line: &[u8]) -> bool {
    !line.ends_with(b"\n")
}
