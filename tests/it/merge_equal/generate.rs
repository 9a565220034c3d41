//! Made-up histories that are dense in what makes merging hard.
//!
//! The same seed gives the same cases. A side is a handful of random steps away from the base; names, directories and
//! lines are few, so that the sides keep running into each other.

use std::collections::BTreeMap;

/// A small generator of numbers (xorshift), so that a case can be made again from its number.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Spread neighbouring seeds, and never zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

/// A file: its mode as `git fast-import` takes it, and its bytes (for a submodule, the id of its commit).
pub(super) type Node = (&'static str, Vec<u8>);

/// All files of a commit.
pub(super) type Files = BTreeMap<Vec<u8>, Node>;

const PLAIN: &str = "100644";
const PROGRAM: &str = "100755";
const LINK: &str = "120000";
const MODULE: &str = "160000";

const FOLDERS: [&[u8]; 9] = [
    b"",
    b"a/",
    b"a/b/",
    b"a/b/c/",
    b"d/",
    b"d/e/",
    b"f/",
    b"a.b/",
    b"src/\xff/",
];
const NAMES: [&[u8]; 9] = [
    b"x", b"y", b"z", b"x.txt", b"b", b"e", b"log", b"a b", b"n\xe9",
];
const WORDS: [&str; 12] = [
    "one",
    "two",
    "three",
    "",
    "}",
    "}",
    "end",
    "if x {",
    "\tindent",
    "  spaces  ",
    "loop",
    "end",
];

/// What the attribute files of `ours` may say: pairs of path and text. Number 0 says nothing.
pub(super) const ATTRIBUTES: [&[(&str, &str)]; 7] = [
    &[],
    &[(".gitattributes", "* text=auto\n*.txt eol=crlf\n")],
    &[(".gitattributes", "log merge=union\n")],
    &[
        ("a/.gitattributes", "* -merge\n"),
        (".gitattributes", "*.md text\n"),
    ],
    &[(
        ".gitattributes",
        "*.txt binary\nx whitespace=tab-in-indent\n",
    )],
    &[(".gitattributes", "[attr]odd -merge\nz odd\n")],
    &[("a/b/.gitattributes", "\"x\" merge=union\ny merge=nobody\n")],
];

/// Three commits by their files: base, ours, theirs.
pub(super) struct Case {
    pub(super) base: Files,
    pub(super) sides: [Files; 2],
    /// Which of [`ATTRIBUTES`] ours has.
    pub(super) attributes: usize,
    /// Commits between the base and the sides, each of which merges the other: there are two best ancestors then.
    pub(super) crossed: Option<[Files; 2]>,
}

/// Makes the case with this number.
pub(super) fn case(number: u64) -> Case {
    let mut dice = Dice::new(number + 1);
    let base = base(&mut dice);
    // Half of the cases are tame: few steps, mostly edits, so that the fast road is tried too.
    let tame = dice.one_in(2);
    let crossed = dice.one_in(25).then(|| {
        let mut ends = [base.clone(), base.clone()];
        for end in &mut ends {
            change(&mut dice, end, tame);
        }
        ends
    });
    let mut sides = crossed.clone().unwrap_or([base.clone(), base.clone()]);
    if dice.one_in(8) {
        // What both sides did alike.
        let mut common = sides[0].clone();
        change(&mut dice, &mut common, tame);
        sides = [common.clone(), common];
    }
    for side in &mut sides {
        for _ in 0..=dice.roll(if tame { 3 } else { 5 }) {
            change(&mut dice, side, tame);
        }
    }
    let attributes = if dice.one_in(3) {
        dice.roll(ATTRIBUTES.len())
    } else {
        0
    };
    let theirs = if dice.one_in(4) {
        dice.roll(ATTRIBUTES.len())
    } else {
        attributes
    };
    let mut case = Case {
        base,
        sides,
        attributes,
        crossed,
    };
    set_attributes(&mut case.sides[0], attributes);
    set_attributes(&mut case.sides[1], theirs);
    if dice.one_in(2) {
        set_attributes(&mut case.base, attributes);
    }
    case
}

fn set_attributes(files: &mut Files, number: usize) {
    for (path, text) in ATTRIBUTES[number] {
        put(
            files,
            path.as_bytes().to_vec(),
            (PLAIN, text.as_bytes().to_vec()),
        );
    }
}

fn base(dice: &mut Dice) -> Files {
    let mut files = Files::new();
    for _ in 0..6 + dice.roll(16) {
        let node = node(dice);
        put(&mut files, path(dice), node);
    }
    files
}

fn path(dice: &mut Dice) -> Vec<u8> {
    [dice.pick(&FOLDERS), dice.pick(&NAMES)].concat()
}

/// Puts a file somewhere; what stands in the way goes.
fn put(files: &mut Files, path: Vec<u8>, node: Node) {
    let below = [&path[..], b"/"].concat();
    files.retain(|other, _| !other.starts_with(&below));
    for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
        files.remove(&path[..at]);
    }
    files.insert(path, node);
}

fn node(dice: &mut Dice) -> Node {
    match dice.roll(24) {
        0 => (LINK, [b"to-".as_slice(), dice.pick(&NAMES)].concat()),
        1 => (MODULE, module(dice)),
        2 => (PLAIN, binary(dice)),
        3 => (PLAIN, Vec::new()),
        4 => (PROGRAM, text(dice)),
        _ => (PLAIN, text(dice)),
    }
}

fn module(dice: &mut Dice) -> Vec<u8> {
    format!("{:040x}", 1 + dice.roll(5)).into_bytes()
}

fn binary(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text(dice);
    let at = dice.roll(bytes.len());
    bytes.insert(at, 0);
    bytes
}

fn text(dice: &mut Dice) -> Vec<u8> {
    let most = if dice.one_in(3) { 60 } else { 16 };
    let lines = 1 + dice.roll(most);
    // A text of its own, so that git finds it again under another name; or one like all others.
    let own = (!dice.one_in(4)).then(|| dice.roll(1000));
    let mut text = Vec::new();
    for _ in 0..lines {
        let line = line(dice, own);
        text.extend_from_slice(&line);
    }
    if dice.one_in(8) {
        text.pop();
    }
    text
}

fn line(dice: &mut Dice, own: Option<usize>) -> Vec<u8> {
    let word = dice.pick(&WORDS);
    let end = if dice.one_in(40) { "\r\n" } else { "\n" };
    match own {
        Some(own) if !dice.one_in(3) => format!("{word} {own}-{}{end}", dice.roll(40)),
        _ => format!("{word}{end}"),
    }
    .into_bytes()
}

/// Takes one step.
fn change(dice: &mut Dice, files: &mut Files, tame: bool) {
    let paths: Vec<Vec<u8>> = files.keys().cloned().collect();
    let Some(at) = paths.get(dice.roll(paths.len())).cloned() else {
        let node = node(dice);
        return put(files, path(dice), node);
    };
    let (mode, bytes) = files[&at].clone();
    match dice.roll(if tame { 12 } else { 26 }) {
        // Edits, several times in one file too.
        0..=8 => {
            let edits = 1 + dice.roll(3);
            let bytes = (0..edits).fold(bytes, |bytes, _| edit(dice, &bytes));
            files.insert(at, edited(dice, mode, bytes));
        }
        9 | 12 | 13 => {
            let node = node(dice);
            put(files, path(dice), node);
        }
        10 | 14 => drop(files.remove(&at)),
        11 | 15 | 16 => {
            files.remove(&at);
            let bytes = if dice.one_in(2) {
                edit(dice, &bytes)
            } else {
                bytes
            };
            let node = edited(dice, mode, bytes);
            put(files, path(dice), node);
        }
        // A directory gets another name, whole or in part.
        17..=19 => {
            let part = dice.one_in(4);
            let (from, to) = (dice.pick(&FOLDERS), dice.pick(&FOLDERS));
            move_folder(dice, files, from, to, part);
        }
        20 => {
            let folder = dice.pick(&FOLDERS[1..]);
            files.retain(|path, _| !path.starts_with(folder));
        }
        21 => {
            let other = if mode == PLAIN { PROGRAM } else { PLAIN };
            files.insert(at, (other, bytes));
        }
        22 => {
            let node = node(dice);
            files.insert(at, node);
        }
        // A file becomes a directory.
        23 => {
            let below = [&at[..], b"/", dice.pick(&NAMES)].concat();
            put(files, below, (PLAIN, bytes));
        }
        // A directory becomes a file.
        24 => {
            let folder = dice.pick(&FOLDERS[1..]);
            let node = node(dice);
            put(files, folder[..folder.len() - 1].to_vec(), node);
        }
        _ => {
            let copy = path(dice);
            put(files, copy, (mode, bytes));
        }
    }
}

/// Takes a few easy steps.
pub(super) fn edit_some(dice: &mut Dice, files: &mut Files) {
    for _ in 0..=dice.roll(3) {
        change(dice, files, true);
    }
}

fn edited(dice: &mut Dice, mode: &'static str, bytes: Vec<u8>) -> Node {
    match mode {
        MODULE => (MODULE, module(dice)),
        LINK => (LINK, [b"to-".as_slice(), dice.pick(&NAMES)].concat()),
        _ => (mode, bytes),
    }
}

fn move_folder(dice: &mut Dice, files: &mut Files, from: &[u8], to: &[u8], part: bool) {
    if from.is_empty() || to.starts_with(from) {
        return;
    }
    let inside: Vec<Vec<u8>> = files
        .keys()
        .filter(|path| path.starts_with(from))
        .cloned()
        .collect();
    for path in inside {
        if part && dice.one_in(3) {
            continue;
        }
        if let Some((mode, bytes)) = files.remove(&path) {
            let bytes = if dice.one_in(4) {
                edit(dice, &bytes)
            } else {
                bytes
            };
            let node = edited(dice, mode, bytes);
            put(files, [to, &path[from.len()..]].concat(), node);
        }
    }
}

/// Changes a line, takes lines away or puts lines in.
fn edit(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|&b| b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let at = dice.roll(lines.len() + 1);
    let own = dice.one_in(2).then(|| dice.roll(1000));
    match dice.roll(6) {
        0 | 1 if at < lines.len() => lines[at] = line(dice, own),
        2 if at < lines.len() => {
            let end = (at + 1 + dice.roll(3)).min(lines.len());
            lines.drain(at..end);
        }
        // A block once more, or in another place.
        3 if at < lines.len() => {
            let end = (at + 1 + dice.roll(4)).min(lines.len());
            let block: Vec<Vec<u8>> = if dice.one_in(2) {
                lines.drain(at..end).collect()
            } else {
                lines[at..end].to_vec()
            };
            let to = dice.roll(lines.len() + 1);
            lines.splice(to..to, block);
        }
        _ => {
            for _ in 0..=dice.roll(3) {
                lines.insert(at, line(dice, own));
            }
        }
    }
    lines.concat()
}
