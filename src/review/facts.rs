//! Facts about the risk of a change: what `gate::policy` judges and what a reviewer is shown first.
//!
//! Invariants: taken from raw changes and blob contents only; lists are sorted by path and hold at most
//! [`RiskFacts::MAX_PATHS`] entries; the same two trees and scope give the same facts (unless comparing runs
//! out of time, which only makes the counts of lines larger). Called by the collector and by `dynwf review`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{lines, secrets};
use crate::git::{Change, Git, Side};
use crate::model::id::TreeId;
use crate::model::packet::RiskFacts;
use crate::model::path::{RepoPath, is_treacherous};
use crate::model::scope::Scope;

/// Git's mode of an executable file.
pub(super) const EXECUTABLE: u32 = 0o100_755;
/// Git's mode of a symbolic link.
pub(super) const SYMLINK: u32 = 0o120_000;
/// Git's mode of a submodule entry.
pub(super) const GITLINK: u32 = 0o160_000;

/// Files above this many bytes are listed as large.
const LARGE: u64 = 1 << 20;
/// Blobs above this many bytes are not read at all: their lines are not counted.
pub(super) const UNREAD: u64 = 64 << 20;
/// How long comparing one file may take, and all of them together.
const PER_FILE: Duration = Duration::from_secs(2);
const IN_ALL: Duration = Duration::from_secs(30);
/// The longest name, in bytes, that every system can check out.
const LONG_NAME: usize = 240;

/// Finds out what is risky about the change from `base` to `tip`, for a packet with this scope.
///
/// # Errors
/// If a tree or a blob cannot be read.
pub fn risk_facts(git: &Git, base: &TreeId, tip: &TreeId, scope: &Scope) -> Result<RiskFacts> {
    let changes = git
        .changes(base, tip)
        .with_context(|| format!("comparing the trees {base} and {tip}"))?;
    let mut facts = RiskFacts {
        files: u32::try_from(changes.len()).unwrap_or(u32::MAX),
        digest: git
            .changes_digest(base, tip)
            .with_context(|| format!("digesting what differs between {base} and {tip}"))?,
        ..RiskFacts::default()
    };
    let end = Instant::now() + IN_ALL;
    for change in &changes {
        facts.paths.push(change.path.clone());
        if !scope.covers(change.path.as_bytes()) {
            facts.outside.push(change.path.clone());
        }
        shape(&mut facts, change);
        content(git, &mut facts, change, end)
            .with_context(|| format!("reading what changed in {}", change.path))?;
    }
    facts.odd_names = odd_names(&changes);
    shorten(&mut facts);
    Ok(facts)
}

/// What can be told from modes alone.
fn shape(facts: &mut RiskFacts, change: &Change) {
    let old = change.old.as_ref().map(|side| side.mode);
    match change.new.as_ref().map(|side| side.mode) {
        None => facts.deleted.push(change.path.clone()),
        Some(GITLINK) => facts.gitlinks.push(change.path.clone()),
        Some(EXECUTABLE) if old != Some(EXECUTABLE) => {
            facts.executables.push(change.path.clone());
        }
        Some(_) => {}
    }
}

/// What must be read to be known.
fn content(git: &Git, facts: &mut RiskFacts, change: &Change, end: Instant) -> Result<()> {
    if let Some(size) = size(git, change.new.as_ref())?
        && size > LARGE
    {
        facts.large.push((change.path.clone(), size));
    }
    let Some(new) = read(git, change.new.as_ref())? else {
        return Ok(());
    };
    if change.new.as_ref().is_some_and(|side| side.mode == SYMLINK) {
        let target = String::from_utf8_lossy(&new).into_owned();
        facts.symlinks.push((change.path.clone(), target));
    }
    if only_mode_differs(change) {
        return Ok(());
    }
    let Some(old) = read(git, change.old.as_ref())? else {
        return Ok(());
    };
    if !lines::is_text(&new) || !lines::is_text(&old) {
        facts.binaries.push(change.path.clone());
        return Ok(());
    }
    let (old, new) = (lines::split(&old), lines::split(&new));
    let ops = lines::compare(&old, &new, end.min(Instant::now() + PER_FILE));
    let (added, removed) = lines::count(&ops);
    facts.additions = facts.additions.saturating_add(added);
    facts.deletions = facts.deletions.saturating_add(removed);
    let secret = ops
        .iter()
        .filter(|op| !matches!(op, similar::DiffOp::Equal { .. }))
        .flat_map(|op| &new[op.new_range()])
        .find_map(|line| secrets::looks_like(line));
    if let Some(kind) = secret {
        facts.secrets.push((change.path.clone(), kind.to_owned()));
    }
    Ok(())
}

/// Whether both sides hold the same content.
pub(super) fn only_mode_differs(change: &Change) -> bool {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => old.oid == new.oid,
        _ => false,
    }
}

/// Returns the size of a side that is a blob.
pub(super) fn size(git: &Git, side: Option<&Side>) -> Result<Option<u64>> {
    side.filter(|side| side.mode != GITLINK)
        .map(|side| git.blob_size(&side.oid))
        .transpose()
}

/// Returns a side's content: empty where there is none, git's line of text for a submodule; none if it is
/// too big to be read.
pub(super) fn read(git: &Git, side: Option<&Side>) -> Result<Option<Vec<u8>>> {
    let Some(side) = side else {
        return Ok(Some(Vec::new()));
    };
    if side.mode == GITLINK {
        return Ok(Some(
            format!("Subproject commit {}\n", side.oid).into_bytes(),
        ));
    }
    if git.blob_size(&side.oid)? > UNREAD {
        return Ok(None);
    }
    git.blob(&side.oid).map(Some)
}

/// Names of new or changed entries that are dangerous or confusable.
fn odd_names(changes: &[Change]) -> Vec<RepoPath> {
    let there = || changes.iter().filter(|change| change.new.is_some());
    let mut folded: BTreeMap<String, u32> = BTreeMap::new();
    for change in there() {
        *folded.entry(fold(&change.path)).or_default() += 1;
    }
    there()
        .filter(|change| is_odd(&change.path) || folded.get(&fold(&change.path)) > Some(&1))
        .map(|change| change.path.clone())
        .collect()
}

fn fold(path: &RepoPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).to_lowercase()
}

fn is_odd(path: &RepoPath) -> bool {
    path.name().len() > LONG_NAME
        || path.as_bytes().len() > LONG_NAME
        || path
            .as_text()
            .is_none_or(|text| text.chars().any(is_treacherous))
        || path.as_bytes().split(|&b| b == b'/').any(is_like_git)
}

/// Whether some file system takes the name for `.git` itself (other cases, trailing dots and spaces, the
/// short name of DOS).
fn is_like_git(name: &[u8]) -> bool {
    let end = name
        .iter()
        .rposition(|b| !matches!(b, b'.' | b' '))
        .map_or(0, |at| at + 1);
    name[..end].eq_ignore_ascii_case(b".git") || name[..end].eq_ignore_ascii_case(b"git~1")
}

fn shorten(facts: &mut RiskFacts) {
    for list in [
        &mut facts.outside,
        &mut facts.deleted,
        &mut facts.paths,
        &mut facts.binaries,
        &mut facts.gitlinks,
        &mut facts.executables,
        &mut facts.odd_names,
    ] {
        list.truncate(RiskFacts::MAX_PATHS);
    }
    facts.large.truncate(RiskFacts::MAX_PATHS);
    facts.symlinks.truncate(RiskFacts::MAX_PATHS);
    facts.secrets.truncate(RiskFacts::MAX_PATHS);
}
