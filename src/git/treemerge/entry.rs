//! The entries of three trees, side by side.
//!
//! Base, ours, theirs: always in this order.

use std::cmp::Ordering;

use git2::Oid;

use super::reader::Stop;
use crate::git::diff::order;
use crate::git::tree::{RawEntry, entries};

/// The id of the tree without entries, which no tree may name.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// The modes as git writes them, with the space that ends them. It rewrites others when it rewrites a tree.
const MODES: [&[u8]; 5] = [b"100644 ", b"40000 ", b"100755 ", b"120000 ", b"160000 "];

/// What the three trees have of one name and kind.
pub(super) type Three<'a> = [Option<RawEntry<'a>>; 3];

/// How many bytes all three have in common from here, in whole entries.
pub(super) fn equal_run(rest: &[&[u8]; 3]) -> Result<usize, Stop> {
    let [base, ours, theirs] = rest;
    let mut at = 0;
    while let Some(length) = entry_length(&base[at..]) {
        let entry = &base[at..at + length];
        if !ours[at..].starts_with(entry) || !theirs[at..].starts_with(entry) {
            break;
        }
        check(entry)?;
        at += length;
    }
    Ok(at)
}

/// The bytes of the entry at the start; `None` at the end, or if it is damaged, which shows when it is read.
fn entry_length(data: &[u8]) -> Option<usize> {
    // No mode is shorter than five digits, and no name is empty.
    let name = 7;
    let end = data.get(name..)?.iter().position(|&b| b == 0)?;
    let length = name + end + 1 + 20;
    (data.len() >= length).then_some(length)
}

/// Gives up on an entry that git would rewrite or leave out.
fn check(entry: &[u8]) -> Result<(), Stop> {
    if !MODES.iter().any(|mode| entry.starts_with(mode)) {
        return Err(Stop::Unsure("an old mode"));
    }
    Ok(())
}

/// Takes the first entry off, from each tree that has it.
pub(super) fn take<'a>(rest: &mut [&'a [u8]; 3]) -> Result<Option<Three<'a>>, Stop> {
    let mut heads: Three<'a> = [None, None, None];
    for (head, &rest) in heads.iter_mut().zip(rest.iter()) {
        *head = entries(rest).next().transpose()?;
    }
    let first = heads.iter().flatten().min_by(|a, b| order(a, b));
    let Some(first) = first.map(|entry| (entry.mode, entry.name)) else {
        return Ok(None);
    };
    let first = RawEntry {
        mode: first.0,
        name: first.1,
        id: &[],
    };
    for (head, rest) in heads.iter_mut().zip(rest.iter_mut()) {
        let is_first = |entry: &RawEntry<'_>| order(entry, &first) == Ordering::Equal;
        if !head.as_ref().is_some_and(is_first) {
            *head = None;
            continue;
        }
        let length = entry_length(rest).ok_or(Stop::Unsure("a damaged tree"))?;
        check(&rest[..length])?;
        *rest = &rest[length..];
    }
    for entry in heads.iter().flatten() {
        if entry.is_dir() && oid(entry)? == empty_tree()? {
            return Err(Stop::Unsure("an empty directory"));
        }
    }
    Ok(Some(heads))
}

/// Whether a name that is a file in one tree is a directory in another. The file comes first in git's order, so
/// the directory is still to come.
pub(super) fn clashes(three: &Three<'_>, rest: &[&[u8]; 3]) -> Result<bool, Stop> {
    let Some(file) = three.iter().flatten().find(|entry| !entry.is_dir()) else {
        return Ok(false);
    };
    for rest in three.iter().zip(rest).filter(|(has, _)| has.is_none()) {
        for entry in entries(rest.1) {
            let entry = entry?;
            if !entry.name.starts_with(file.name) {
                break;
            }
            if entry.is_dir() && entry.name == file.name {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

pub(super) fn same(a: &RawEntry<'_>, b: &RawEntry<'_>) -> bool {
    a.mode == b.mode && a.id == b.id
}

pub(super) fn oid(entry: &RawEntry<'_>) -> Result<Oid, Stop> {
    Ok(Oid::from_bytes(entry.id)?)
}

fn empty_tree() -> Result<Oid, Stop> {
    Ok(Oid::from_str(EMPTY_TREE)?)
}

pub(super) fn append(tree: &mut Vec<u8>, entry: &RawEntry<'_>, id: &[u8]) {
    let mode = MODES.iter().find(|mode| number(mode) == entry.mode);
    tree.extend_from_slice(mode.unwrap_or(&MODES[0]));
    tree.extend_from_slice(entry.name);
    tree.push(0);
    tree.extend_from_slice(id);
}

/// A mode as a number.
fn number(mode: &[u8]) -> u32 {
    let digits = mode.iter().take_while(|digit| digit.is_ascii_digit());
    digits.fold(0, |number, digit| number * 8 + u32::from(digit - b'0'))
}
