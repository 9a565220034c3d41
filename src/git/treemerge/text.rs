//! Merging one file that both sides changed.
//!
//! The result is git's, byte for byte, or there is none: changes that touch each other without being equal, and files
//! that git might merge in another way than as text, are left to the program.

use std::ops::Range;

use super::histogram::{Hunk, diff};
use super::lines::Numbering;

/// Git looks this far for a NUL byte, which says that a file is no text.
const LOOKED_AT: usize = 8000;

/// Larger files are the program's.
const LARGE: usize = 4 << 20;

/// Merges a text; `None` if git might give another answer, a conflict for instance.
pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let files = [base, ours, theirs];
    let is_text =
        |file: &&[u8]| file.len() <= LARGE && !file[..file.len().min(LOOKED_AT)].contains(&0);
    if !files.iter().all(is_text) {
        return None;
    }
    let mut numbering = Numbering::default();
    let (base, base_numbers) = numbering.split(base)?;
    let (ours, our_numbers) = numbering.split(ours)?;
    let (theirs, their_numbers) = numbering.split(theirs)?;
    let values = numbering.len();
    let our_hunks = diff(&base_numbers, &our_numbers, values)?;
    let their_hunks = diff(&base_numbers, &their_numbers, values)?;
    let hunks = weave(
        &our_hunks,
        &their_hunks,
        |ours: &Range<usize>, theirs: &Range<usize>| {
            our_numbers[ours.clone()] == their_numbers[theirs.clone()]
        },
    )?;
    let mut merged = Vec::new();
    let mut at = 0;
    for (hunk, is_ours) in hunks {
        let side = if is_ours { &ours } else { &theirs };
        for line in base[at..hunk.old.start]
            .iter()
            .chain(&side[hunk.new.clone()])
        {
            merged.extend_from_slice(line);
        }
        at = hunk.old.end;
    }
    for line in &base[at..] {
        merged.extend_from_slice(line);
    }
    Some(merged)
}

/// Puts the changes of both sides in order, equal ones once; `None` if two others touch each other.
fn weave<'a>(
    mut ours: &'a [Hunk],
    mut theirs: &'a [Hunk],
    equal: impl Fn(&Range<usize>, &Range<usize>) -> bool,
) -> Option<Vec<(&'a Hunk, bool)>> {
    let mut woven = Vec::with_capacity(ours.len() + theirs.len());
    loop {
        match (ours.split_first(), theirs.split_first()) {
            (None, None) => return Some(woven),
            (Some((first, rest)), None) => {
                woven.push((first, true));
                ours = rest;
            }
            (None, Some((first, rest))) => {
                woven.push((first, false));
                theirs = rest;
            }
            (Some((our, our_rest)), Some((their, their_rest))) => {
                if our.old.end < their.old.start {
                    woven.push((our, true));
                    ours = our_rest;
                } else if their.old.end < our.old.start {
                    woven.push((their, false));
                    theirs = their_rest;
                } else if our.old == their.old && equal(&our.new, &their.new) {
                    woven.push((our, true));
                    (ours, theirs) = (our_rest, their_rest);
                } else {
                    return None;
                }
            }
        }
    }
}
