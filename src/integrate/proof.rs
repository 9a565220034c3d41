//! Nothing dropped: whether what each side of a merge added and removed survives in the result. Pure.
//!
//! A file is compared as four versions: base, integration, packet, result. Each side's change is a line
//! difference from the base, taken as a multiset of added and removed lines. With `b` occurrences of a line in
//! the base, and each side's additions and removals, every honest merge has between
//!
//! - `b - both removals + the larger addition` (equal changes of both sides may be one change), and
//! - `b - the larger removal + both additions`
//!
//! occurrences of it. Fewer, and something was dropped: a side's added line, or a line that both kept. More,
//! and a line that a side removed is back; but lines that neither side has are the merger's own business.
//! Where a line stayed and another one jumped over it, it may as well be the one that moved: both are honest.
//! Blank lines do not count, nor does white space at the end of a line. Files that are no text, file modes, and
//! whether a file is there, are compared as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use similar::{Algorithm, DiffTag, TextDiff};

use crate::model::path::RepoPath;
use crate::model::proof::{Exception, Lack, Party};

/// How long one file's comparison may take before it is done more coarsely.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many bytes of a line an exception shows.
const SHOWN: usize = 300;

/// A version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The mode, such as `0o100644`.
    pub mode: u32,
    /// The bytes; a link's target, a submodule's commit id.
    pub bytes: &'a [u8],
}

/// A file in all versions of a merge; `None` where it is not there.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a> {
    /// Its name.
    pub path: &'a RepoPath,
    /// In the common ancestor.
    pub base: Option<Content<'a>>,
    /// On the integration branch.
    pub integration: Option<Content<'a>>,
    /// In what is merged.
    pub packet: Option<Content<'a>>,
    /// In the result.
    pub result: Option<Content<'a>>,
}

/// Returns what the result lacks of what either side did to the file.
pub fn exceptions(file: &Versions<'_>) -> Vec<Exception> {
    let Versions {
        base,
        integration,
        packet,
        result,
        ..
    } = *file;
    let mut found = Found {
        path: file.path,
        all: Vec::new(),
    };
    // Where one side alone changed it, or both alike, the result is known.
    let expected = if integration == base || integration == packet {
        Some(packet)
    } else if packet == base {
        Some(integration)
    } else {
        None
    };
    if expected == Some(result) {
        return Vec::new();
    }
    let sides = [(Party::Integration, integration), (Party::Packet, packet)];
    let Some(result) = result else {
        for (party, side) in sides {
            if side.is_some() && (side != base || sides.iter().all(|(_, side)| side.is_some())) {
                found.add(party, Lack::Dropped, "(the file)");
            }
        }
        return found.all;
    };
    for (party, side) in sides {
        if side.is_none() && base.is_some() {
            found.add(party, Lack::Returned, "(the file)");
        }
    }
    modes(&mut found, file, result);
    if [base, integration, packet, Some(result)]
        .into_iter()
        .flatten()
        .all(is_text)
    {
        lines(&mut found, file, result);
    } else {
        wholes(&mut found, file, result);
    }
    found.all
}

struct Found<'a> {
    path: &'a RepoPath,
    all: Vec<Exception>,
}

impl Found<'_> {
    fn add(&mut self, side: Party, lack: Lack, line: &str) {
        self.all.push(Exception {
            path: self.path.clone(),
            side,
            lack,
            line: line.to_owned(),
            why: String::new(),
        });
    }
}

fn is_text(content: Content<'_>) -> bool {
    content.mode & 0o170_000 == 0o100_000 && !content.bytes.contains(&0)
}

/// A side's new mode has to be the result's, unless the other side chose a third one.
fn modes(found: &mut Found<'_>, file: &Versions<'_>, result: Content<'_>) {
    let mode = |side: Option<Content<'_>>| side.map(|side| side.mode);
    let base = mode(file.base);
    for (party, side) in [
        (Party::Integration, file.integration),
        (Party::Packet, file.packet),
    ] {
        if let Some(side) = side
            && base.is_some_and(|base| base != side.mode)
            && side.mode != result.mode
        {
            found.add(party, Lack::Dropped, &format!("(mode {:o})", side.mode));
        }
    }
}

/// What is no text has to be the one side's where it alone changed; where both did, one of them is lost.
fn wholes(found: &mut Found<'_>, file: &Versions<'_>, result: Content<'_>) {
    let bytes = |side: Option<Content<'_>>| side.map(|side| side.bytes.to_vec());
    let base = bytes(file.base);
    for (party, side) in [
        (Party::Integration, file.integration),
        (Party::Packet, file.packet),
    ] {
        if let Some(side) = side
            && Some(side.bytes) != base.as_deref()
            && side.bytes != result.bytes
        {
            found.add(party, Lack::Dropped, "(its content)");
        }
    }
}

/// How often a line is in each version, and what each side did to it.
#[derive(Default)]
struct Count {
    base: i64,
    result: i64,
    sides: [Done; 2],
}

/// What one side did to a line.
#[derive(Clone, Copy, Default)]
struct Done {
    added: i64,
    removed: i64,
    /// How often it stayed but could as well have moved, because it and a line that moved changed places.
    perhaps_moved: i64,
}

fn lines(found: &mut Found<'_>, file: &Versions<'_>, result: Content<'_>) {
    let base = split(file.base);
    let mut counts: BTreeMap<&[u8], Count> = BTreeMap::new();
    for line in &base {
        counts.entry(line).or_default().base += 1;
    }
    for line in split(Some(result)) {
        counts.entry(line).or_default().result += 1;
    }
    for (at, side) in [file.integration, file.packet].into_iter().enumerate() {
        // A file that a side deleted was reported as a whole.
        if side.is_none() {
            continue;
        }
        for (line, done) in changes(&base, &split(side)) {
            counts.entry(line).or_default().sides[at] = done;
        }
    }
    for (line, count) in counts {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        judge(found, line, &count);
    }
}

/// What a side did to each line. Two ways to see it may differ in what moved: then it perhaps did.
fn changes<'a>(base: &[&'a [u8]], side: &[&'a [u8]]) -> BTreeMap<&'a [u8], Done> {
    let mut all = seen_by(Algorithm::Histogram, base, side);
    for algorithm in [Algorithm::Myers, Algorithm::Patience] {
        let mut others = seen_by(algorithm, base, side);
        for line in all.keys() {
            others.entry(line).or_default();
        }
        widen(&mut all, others);
    }
    all
}

fn widen<'a>(all: &mut BTreeMap<&'a [u8], Done>, others: BTreeMap<&'a [u8], Done>) {
    for (line, other) in others {
        let one = all.entry(line).or_default();
        let most = (one.removed + one.perhaps_moved).max(other.removed + other.perhaps_moved);
        let least = one.removed.min(other.removed);
        one.added -= one.removed - least;
        one.removed = least;
        one.perhaps_moved = most - least;
    }
}

fn seen_by<'a>(
    algorithm: Algorithm,
    base: &[&'a [u8]],
    side: &[&'a [u8]],
) -> BTreeMap<&'a [u8], Done> {
    let diff = TextDiff::configure()
        .algorithm(algorithm)
        .timeout(PATIENCE)
        .diff_slices(base, side);
    let mut all: BTreeMap<&[u8], Done> = BTreeMap::new();
    let (mut gone, mut new) = (Vec::new(), BTreeMap::<&[u8], Vec<usize>>::new());
    let mut stayed = Vec::new();
    for op in diff.ops() {
        let (old, new_range) = (op.old_range(), op.new_range());
        if op.tag() == DiffTag::Equal {
            stayed.extend(old.zip(new_range));
            continue;
        }
        for at in old {
            all.entry(base[at]).or_default().removed += 1;
            gone.push(at);
        }
        for at in new_range {
            all.entry(side[at]).or_default().added += 1;
            new.entry(side[at]).or_default().push(at);
        }
    }
    // Of a line that was removed and added, that is moved: from where, and to between where.
    let moved: Vec<(usize, usize, usize)> = gone
        .into_iter()
        .filter_map(|from| {
            let to = new.get(base[from])?;
            Some((from, *to.first()?, *to.last()?))
        })
        .collect();
    for at in crossed(&stayed, &moved) {
        all.entry(base[at]).or_default().perhaps_moved += 1;
    }
    all
}

/// Of the lines that stayed (place in the base, place in the side), both in order, those that changed places with
/// one that moved.
fn crossed(stayed: &[(usize, usize)], moved: &[(usize, usize, usize)]) -> Vec<usize> {
    let mut found = Vec::new();
    // The farthest to which something from further up moved.
    let mut from_above = moved.iter().peekable();
    let mut farthest = None;
    let mut nearest = vec![usize::MAX; moved.len() + 1];
    for (at, (_, first, _)) in moved.iter().enumerate().rev() {
        nearest[at] = nearest[at + 1].min(*first);
    }
    let mut passed = 0;
    for &(old, new) in stayed {
        while let Some((_, _, last)) = from_above.next_if(|(from, ..)| *from < old) {
            farthest = farthest.max(Some(*last));
            passed += 1;
        }
        if farthest.is_some_and(|last| last > new) || nearest[passed] < new {
            found.push(old);
        }
    }
    found
}

/// The fewest and the most times that an honest merge can have the line.
fn range(count: &Count) -> (i64, i64) {
    /// Beyond so many doubtful moves of one line nothing is gained by trying each.
    const MOST: i64 = 8;
    let [ours, theirs] = count.sides;
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for our_moves in 0..=ours.perhaps_moved.min(MOST) {
        for their_moves in 0..=theirs.perhaps_moved.min(MOST) {
            let removed = [ours.removed + our_moves, theirs.removed + their_moves];
            let added = [ours.added + our_moves, theirs.added + their_moves];
            let kept = (count.base - removed[0] - removed[1]).max(0);
            least = least.min(kept + added[0].max(added[1]));
            most = most.max(count.base - removed[0].max(removed[1]) + added[0] + added[1]);
        }
    }
    (least, most)
}

fn judge(found: &mut Found<'_>, line: &[u8], count: &Count) {
    let (least, most) = range(count);
    let text = shown(line);
    let parties = [Party::Integration, Party::Packet];
    if count.result < least {
        let lost = least - count.result;
        let mut blamed = 0;
        for (party, side) in parties.into_iter().zip(&count.sides) {
            for _ in 0..side.added.min(lost) {
                found.add(party, Lack::Dropped, &text);
                blamed += 1;
            }
        }
        for _ in blamed..lost {
            found.add(Party::Both, Lack::Dropped, &text);
        }
    } else if count.result > most {
        let back = count.result - most;
        for (party, side) in parties.into_iter().zip(&count.sides) {
            for _ in 0..side.removed.min(back) {
                found.add(party, Lack::Returned, &text);
            }
        }
    }
}

fn split(content: Option<Content<'_>>) -> Vec<&[u8]> {
    let bytes = content.map_or(&[][..], |content| content.bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .collect()
}

/// A line for people: its beginning, with odd bytes replaced.
fn shown(line: &[u8]) -> String {
    let cut = line.len().min(SHOWN);
    let mut text = String::from_utf8_lossy(&line[..cut]).into_owned();
    if cut < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
