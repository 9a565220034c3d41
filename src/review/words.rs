//! Which words of changed lines differ.
//!
//! A block of removed lines and the block of added lines that replaced it are compared word by word; what is
//! not in both is marked. Where hardly anything is common, marks would only be noise, and there are none.
//! Called by `diff`.

use std::time::{Duration, Instant};

use serde::Serialize;
use similar::{Algorithm, DiffOp};

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The text, as it stands in the file (bytes that are no UTF-8 are replaced).
    pub text: String,
    /// Whether the other side of the change does not have it.
    pub strong: bool,
}

/// Blocks with more bytes or lines are shown without marks: they would take long and help nobody.
const MOST_BYTES: usize = 32 << 10;
const MOST_LINES: usize = 100;
const PER_BLOCK: Duration = Duration::from_millis(200);

/// A line in pieces.
pub(super) type Pieces = Vec<Piece>;

/// A line without marks.
pub(super) fn unmarked(line: &[u8]) -> Pieces {
    vec![Piece {
        text: String::from_utf8_lossy(line).into_owned(),
        strong: false,
    }]
}

/// Compares removed lines with the added ones that replaced them. Lines come without their newline.
pub(super) fn mark(old: &[&[u8]], new: &[&[u8]]) -> (Vec<Pieces>, Vec<Pieces>) {
    let plain = |lines: &[&[u8]]| lines.iter().map(|line| unmarked(line)).collect();
    let bytes: usize = old.iter().chain(new).map(|line| line.len()).sum();
    if old.is_empty() || new.is_empty() || bytes > MOST_BYTES || old.len() + new.len() > MOST_LINES
    {
        return (plain(old), plain(new));
    }
    let (old_words, new_words) = (words(old), words(new));
    let ops = similar::capture_diff_slices_deadline(
        Algorithm::Myers,
        &texts(&old_words),
        &texts(&new_words),
        Some(Instant::now() + PER_BLOCK),
    );
    let mut strong = (vec![true; old_words.len()], vec![true; new_words.len()]);
    let mut common = 0;
    for op in &ops {
        if let DiffOp::Equal { .. } = op {
            strong.0[op.old_range()].fill(false);
            strong.1[op.new_range()].fill(false);
            common += old_words[op.old_range()]
                .iter()
                .filter(|word| !word.is_space())
                .count();
        }
    }
    let most = solid(&old_words).max(solid(&new_words));
    // At least a third must be common.
    if common * 3 < most {
        return (plain(old), plain(new));
    }
    (
        pieces(old.len(), &old_words, &strong.0),
        pieces(new.len(), &new_words, &strong.1),
    )
}

struct Word<'a> {
    line: usize,
    text: &'a [u8],
}

impl Word<'_> {
    fn is_space(&self) -> bool {
        self.text.iter().all(u8::is_ascii_whitespace)
    }
}

fn solid(words: &[Word<'_>]) -> usize {
    words.iter().filter(|word| !word.is_space()).count()
}

fn texts<'a>(words: &[Word<'a>]) -> Vec<&'a [u8]> {
    words.iter().map(|word| word.text).collect()
}

/// Splits into runs of letters and digits, runs of spaces, and single signs. Bytes above ASCII count as
/// letters, so that no character is cut.
fn words<'a>(lines: &[&'a [u8]]) -> Vec<Word<'a>> {
    let class = |byte: u8| match byte {
        b'_' | 0x80.. => 1,
        byte if byte.is_ascii_alphanumeric() => 1,
        byte if byte.is_ascii_whitespace() => 2,
        _ => 3,
    };
    let mut words = Vec::new();
    for (line, &text) in lines.iter().enumerate() {
        for part in text.chunk_by(|&a, &b| class(a) == class(b) && class(a) != 3) {
            words.push(Word { line, text: part });
        }
    }
    words
}

/// Puts words together to lines again. A line whose every word is marked is no better than one without
/// marks: it is simply new.
fn pieces(lines: usize, words: &[Word<'_>], strong: &[bool]) -> Vec<Pieces> {
    let mut raw: Vec<Vec<(Vec<u8>, bool)>> = vec![Vec::new(); lines];
    for (word, &strong) in words.iter().zip(strong) {
        let line = &mut raw[word.line];
        match line.last_mut() {
            Some((text, marked)) if *marked == strong => text.extend_from_slice(word.text),
            _ => line.push((word.text.to_vec(), strong)),
        }
    }
    raw.into_iter()
        .map(|line| {
            let all = line
                .iter()
                .all(|(text, strong)| *strong || text.iter().all(u8::is_ascii_whitespace));
            line.into_iter()
                .map(|(text, strong)| Piece {
                    text: String::from_utf8_lossy(&text).into_owned(),
                    strong: strong && !all,
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[Pieces]) -> Vec<String> {
        lines
            .iter()
            .map(|line| {
                line.iter()
                    .map(|piece| {
                        if piece.strong {
                            format!("[{}]", piece.text)
                        } else {
                            piece.text.clone()
                        }
                    })
                    .collect()
            })
            .collect()
    }

    fn marked(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
        let lines = |text: &'static str| text.lines().map(str::as_bytes).collect::<Vec<_>>();
        let (old, new) = (old.to_owned().leak(), new.to_owned().leak());
        let (old, new) = mark(&lines(old), &lines(new));
        (shown(&old), shown(&new))
    }

    #[test]
    fn only_the_words_that_differ_are_marked() {
        let (old, new) = marked("use log::{debug, info};", "use tracing::{debug, info};");
        assert_eq!(old, ["use [log]::{debug, info};"]);
        assert_eq!(new, ["use [tracing]::{debug, info};"]);
        let (old, new) = marked("a(b, c)", "a(b, c, d)");
        assert_eq!(old, ["a(b, c)"]);
        assert_eq!(new, ["a(b, c[, d])"]);
    }

    #[test]
    fn lines_that_have_little_in_common_are_not_marked() {
        let (old, new) = marked("one two three four", "five six seven eight nine");
        assert_eq!(old, ["one two three four"]);
        assert_eq!(new, ["five six seven eight nine"]);
    }

    #[test]
    fn no_character_is_cut_and_nothing_is_lost() {
        let (old, new) = marked("let größe = 1; // ü", "let grösse = 1; // ü");
        assert_eq!(old, ["let [größe] = 1; // ü"]);
        assert_eq!(new, ["let [grösse] = 1; // ü"]);
        let (old, new) = mark(&[b"x \xff\xfe y z"], &[b"x \xff y z"]);
        assert_eq!(
            old[0].iter().map(|p| p.text.chars().count()).sum::<usize>(),
            8
        );
        assert_eq!(new.len(), 1);
    }
}
