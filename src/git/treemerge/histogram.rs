//! The line difference that git merges by.
//!
//! Git merges texts by its histogram difference, and where the difference puts a change decides whether two changes
//! meet. So this one has to make every choice as git makes it: which common run splits the files, and where a
//! change that could stand in several places ends up. Where git would turn to another algorithm there
//! is no answer.

use std::ops::Range;

/// A line that is more frequent than this does not split files.
const FREQUENT: u32 = 64;

/// One change: these lines of the old file became these of the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// Lists what changed, in order; `None` if git would not use the histogram. `values` is how many different
/// numbers the lines have.
pub(super) fn diff(old: &[u32], new: &[u32], values: usize) -> Option<Vec<Hunk>> {
    let mut search = Search {
        old,
        new,
        first: vec![NONE; values],
        count: vec![0; values],
        next: vec![NONE; old.len()],
    };
    let mut marks = [vec![false; old.len()], vec![false; new.len()]];
    let mut boxes = vec![(0..old.len(), 0..new.len())];
    while let Some((a, b)) = boxes.pop() {
        if a.is_empty() || b.is_empty() {
            marks[0][a].fill(true);
            marks[1][b].fill(true);
            continue;
        }
        match search.run(&a, &b) {
            Found::TooFrequent => return None,
            Found::Nothing => {
                marks[0][a].fill(true);
                marks[1][b].fill(true);
            }
            Found::Run(run) => {
                boxes.push((a.start..run.old.start, b.start..run.new.start));
                boxes.push((run.old.end..a.end, run.new.end..b.end));
            }
        }
    }
    let [mut deleted, mut added] = marks;
    settle(old, &mut deleted, &added)?;
    settle(new, &mut added, &deleted)?;
    Some(hunks(&deleted, &added))
}

/// No line.
const NONE: usize = usize::MAX;

struct Search<'a> {
    old: &'a [u32],
    new: &'a [u32],
    /// By value: where it comes first in the present box of the old file, and how often. Clear between searches.
    first: Vec<usize>,
    count: Vec<u32>,
    /// By line of the old file: the next equal line of the box.
    next: Vec<usize>,
}

enum Found {
    /// The box has no line in common.
    Nothing,
    /// All lines in common are too frequent.
    TooFrequent,
    Run(Hunk),
}

impl Search<'_> {
    /// Finds the common run that splits a box: one with a line as rare as possible, and of those the longest.
    fn run(&mut self, a: &Range<usize>, b: &Range<usize>) -> Found {
        for at in a.clone().rev() {
            let value = self.old[at] as usize;
            self.next[at] = self.first[value];
            self.first[value] = at;
            self.count[value] += 1;
        }
        let found = self.best(a, b);
        for at in a.clone() {
            let value = self.old[at] as usize;
            self.first[value] = NONE;
            self.count[value] = 0;
        }
        found
    }

    fn best(&self, a: &Range<usize>, b: &Range<usize>) -> Found {
        let mut rarest = FREQUENT + 1;
        let mut best: Option<Hunk> = None;
        let mut common = false;
        let mut at = b.start;
        while at < b.end {
            let value = self.new[at] as usize;
            let count = self.count[value];
            common |= count > 0;
            let mut follow = at + 1;
            let mut start = self.first[value];
            if count > rarest {
                start = NONE;
            }
            while start != NONE {
                let (run, rare) = self.widen(start, at, a, b);
                follow = follow.max(run.new.end);
                // At first even a run must have two lines to be better than none.
                let length = best.as_ref().map_or(1, |best| best.old.len());
                let end = run.old.end;
                if run.old.len() > length || rare < rarest {
                    rarest = rare;
                    best = Some(run);
                }
                start = self.next[start];
                while start != NONE && start < end {
                    start = self.next[start];
                }
            }
            at = follow;
        }
        match best {
            _ if common && rarest > FREQUENT => Found::TooFrequent,
            Some(run) => Found::Run(run),
            None => Found::Nothing,
        }
    }

    /// Widens a pair of equal lines to both sides; with it, how frequent its rarest line is.
    fn widen(&self, x: usize, y: usize, a: &Range<usize>, b: &Range<usize>) -> (Hunk, u32) {
        let count = |at: usize| self.count[self.old[at] as usize];
        let (mut from, mut to, mut rare) = (0, 1, count(x));
        while x - from > a.start
            && y - from > b.start
            && self.old[x - from - 1] == self.new[y - from - 1]
        {
            from += 1;
            rare = rare.min(count(x - from));
        }
        while x + to < a.end && y + to < b.end && self.old[x + to] == self.new[y + to] {
            rare = rare.min(count(x + to));
            to += 1;
        }
        let run = Hunk {
            old: x - from..x + to,
            new: y - from..y + to,
        };
        (run, rare)
    }
}

/// A stretch of marked lines, perhaps empty, between two that are not.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

impl Group {
    fn first(marks: &[bool]) -> Self {
        Self { start: 0, end: 0 }.grown(marks)
    }

    fn grown(mut self, marks: &[bool]) -> Self {
        while marks.get(self.end).is_some_and(|&marked| marked) {
            self.end += 1;
        }
        while self.start > 0 && marks[self.start - 1] {
            self.start -= 1;
        }
        self
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn len(self) -> usize {
        self.end - self.start
    }

    fn next(self, marks: &[bool]) -> Option<Self> {
        let at = self.end + 1;
        (self.end < marks.len()).then(|| Self { start: at, end: at }.grown(marks))
    }

    fn previous(self, marks: &[bool]) -> Option<Self> {
        let at = self.start.checked_sub(1)?;
        Some(Self { start: at, end: at }.grown(marks))
    }

    /// Moves one line up, where the line above equals the last one; joins a group that it meets.
    fn up(self, lines: &[u32], marks: &mut [bool]) -> Option<Self> {
        let above = self.start.checked_sub(1)?;
        if lines[above] != lines[self.end - 1] {
            return None;
        }
        marks[above] = true;
        marks[self.end - 1] = false;
        let moved = Self {
            start: above,
            end: self.end - 1,
        };
        Some(moved.grown(marks))
    }

    /// Moves one line down, where the line below equals the first one; joins a group that it meets.
    fn down(self, lines: &[u32], marks: &mut [bool]) -> Option<Self> {
        if self.end >= lines.len() || lines[self.start] != lines[self.end] {
            return None;
        }
        marks[self.start] = false;
        marks[self.end] = true;
        let moved = Self {
            start: self.start + 1,
            end: self.end + 1,
        };
        Some(moved.grown(marks))
    }
}

/// Puts every change that could stand in several places where git puts it: beside a change of the other file if
/// it can, else as far down as it goes. `None` cannot happen with marks that belong together.
fn settle(lines: &[u32], marks: &mut [bool], others: &[bool]) -> Option<()> {
    let mut group = Group::first(marks);
    let mut other = Group::first(others);
    loop {
        if !group.is_empty() {
            let mut highest;
            let mut beside;
            loop {
                let length = group.len();
                while let Some(moved) = group.up(lines, marks) {
                    group = moved;
                    other = other.previous(others)?;
                }
                highest = group.end;
                beside = !other.is_empty();
                while let Some(moved) = group.down(lines, marks) {
                    group = moved;
                    other = other.next(others)?;
                    beside |= !other.is_empty();
                }
                if length == group.len() {
                    break;
                }
            }
            if group.end != highest && beside {
                while other.is_empty() {
                    group = group.up(lines, marks)?;
                    other = other.previous(others)?;
                }
            }
        }
        match group.next(marks) {
            Some(next) => group = next,
            None => return Some(()),
        }
        other = other.next(others)?;
    }
}

/// The changes that the marks of both files stand for.
fn hunks(deleted: &[bool], added: &[bool]) -> Vec<Hunk> {
    let mut hunks = Vec::new();
    let (mut x, mut y) = (0, 0);
    while x < deleted.len() || y < added.len() {
        let (from, to) = (x, y);
        while deleted.get(x).is_some_and(|&marked| marked) {
            x += 1;
        }
        while added.get(y).is_some_and(|&marked| marked) {
            y += 1;
        }
        if x > from || y > to {
            hunks.push(Hunk {
                old: from..x,
                new: to..y,
            });
        } else {
            x += 1;
            y += 1;
        }
    }
    hunks
}
