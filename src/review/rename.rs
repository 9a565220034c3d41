//! Which added file is a deleted one under a new name. For display only: facts and digests know no renames.
//!
//! The same content is a rename for certain; beyond that, small sets are compared by the lines that they
//! have in common. Called by `diff`.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

use super::facts::{GITLINK, SYMLINK};
use super::lines;
use crate::git::{Change, Git, Side};
use crate::model::path::RepoPath;

/// A change, with the earlier name of its file where that was another.
pub(super) struct Renamed {
    /// The change; both sides of it for a rename.
    pub(super) change: Change,
    /// The earlier name.
    pub(super) from: Option<RepoPath>,
    /// How much is the same, in percent.
    pub(super) alike: Option<u8>,
}

/// No more pairs than this are compared by their content, and no bigger files.
const MOST_PAIRS: usize = 2500;
const MOST_BYTES: u64 = 256 << 10;
/// Less than this in common, in percent, is no rename.
const ALIKE: u8 = 50;

/// Pairs deletions with additions.
///
/// # Errors
/// If a blob cannot be read.
pub(super) fn renames(git: &Git, changes: Vec<Change>) -> Result<Vec<Renamed>> {
    let (mut gone, mut new, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match (&change.old, &change.new) {
            (Some(old), None) if is_file(old) => gone.push(change),
            (None, Some(side)) if is_file(side) => new.push(change),
            _ => rest.push(Renamed::not(change)),
        }
    }
    let mut pairs = same_content(&gone, &new);
    pairs.extend(similar_content(git, &gone, &new, &pairs)?);
    let mut gone: Vec<Option<Change>> = gone.into_iter().map(Some).collect();
    let mut new: Vec<Option<Change>> = new.into_iter().map(Some).collect();
    for (from, to, alike) in pairs {
        if let (Some(from), Some(to)) = (gone[from].take(), new[to].take()) {
            rest.push(Renamed {
                change: Change {
                    path: to.path,
                    old: from.old,
                    new: to.new,
                },
                from: Some(from.path),
                alike: Some(alike),
            });
        }
    }
    rest.extend(gone.into_iter().chain(new).flatten().map(Renamed::not));
    Ok(rest)
}

impl Renamed {
    fn not(change: Change) -> Self {
        Self {
            change,
            from: None,
            alike: None,
        }
    }
}

fn is_file(side: &Side) -> bool {
    !matches!(side.mode, SYMLINK | GITLINK)
}

/// Pairs by object id, the first with the first. Indices into both lists, and 100 percent.
fn same_content(gone: &[Change], new: &[Change]) -> Vec<(usize, usize, u8)> {
    let mut by_oid: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, change) in gone.iter().enumerate().rev() {
        if let Some(side) = &change.old {
            by_oid.entry(&side.oid).or_default().push(at);
        }
    }
    new.iter()
        .enumerate()
        .filter_map(|(to, change)| {
            let from = by_oid.get_mut(change.new.as_ref()?.oid.as_str())?.pop()?;
            Some((from, to, 100))
        })
        .collect()
}

/// Pairs what is left by common lines, the most alike first.
fn similar_content(
    git: &Git,
    gone: &[Change],
    new: &[Change],
    paired: &[(usize, usize, u8)],
) -> Result<Vec<(usize, usize, u8)>> {
    let left = |count: usize, taken: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..count).filter(|&at| !taken(at)).collect()
    };
    let from = left(gone.len(), &|at| paired.iter().any(|pair| pair.0 == at));
    let to = left(new.len(), &|at| paired.iter().any(|pair| pair.1 == at));
    if from.is_empty() || to.is_empty() || from.len() * to.len() > MOST_PAIRS {
        return Ok(Vec::new());
    }
    let old: Vec<Option<Vec<u8>>> = from
        .iter()
        .map(|&at| text(git, gone[at].old.as_ref()))
        .collect::<Result<_>>()?;
    let now: Vec<Option<Vec<u8>>> = to
        .iter()
        .map(|&at| text(git, new[at].new.as_ref()))
        .collect::<Result<_>>()?;
    let mut pairs: Vec<(usize, usize, u8)> = Vec::new();
    for (a, old) in old.iter().enumerate() {
        let Some(old) = old else { continue };
        let counted = count_lines(old);
        for (b, now) in now.iter().enumerate() {
            let Some(now) = now else { continue };
            let percent = alike(&counted, old.len(), now);
            if percent >= ALIKE {
                pairs.push((from[a], to[b], percent));
            }
        }
    }
    pairs.sort_by_key(|&(from, to, percent)| (u8::MAX - percent, from, to));
    Ok(pairs)
}

fn text(git: &Git, side: Option<&Side>) -> Result<Option<Vec<u8>>> {
    let Some(side) = side else { return Ok(None) };
    let bytes = git.blob_size(&side.oid)?;
    if bytes == 0 || bytes > MOST_BYTES {
        return Ok(None);
    }
    let content = git
        .blob(&side.oid)
        .with_context(|| format!("reading the blob {}", side.oid))?;
    Ok(lines::is_text(&content).then_some(content))
}

fn count_lines(text: &[u8]) -> HashMap<&[u8], u32> {
    let mut counts = HashMap::new();
    for line in lines::split(text) {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// How many percent of the bytes of the bigger text stand in lines that both have.
fn alike(old: &HashMap<&[u8], u32>, old_length: usize, new: &[u8]) -> u8 {
    let mut left = old.clone();
    let mut common = 0;
    for line in lines::split(new) {
        if let Some(count) = left.get_mut(line).filter(|count| **count > 0) {
            *count -= 1;
            common += line.len();
        }
    }
    u8::try_from(common * 100 / old_length.max(new.len()).max(1)).unwrap_or(100)
}
