//! What is wrong with a file that a person wrote, with its place: `label:line:column: message`, the line, and
//! a caret under it.
//!
//! Lines and columns count from 1; a column counts characters. What is shown can never move the reader's
//! cursor: treacherous characters are escaped.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

use crate::error::Failure;
use crate::model::path::printable;

/// How many problems one error shows at most.
const SHOWN: usize = 20;

/// How many characters of a source line are shown before and after the caret.
const AROUND: usize = 70;

/// A text with a label (its path, as people know it) that can tell lines and columns.
#[derive(Clone, Debug)]
pub struct Source {
    label: String,
    text: String,
    lines: Vec<usize>,
}

/// A place in a text: line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// One thing that is wrong, or odd, at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as people know it.
    pub label: String,
    /// Where; `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// What is wrong, in one line, lower case.
    pub message: String,
    /// The source line and the caret under it, ready to print; empty without a place.
    pub excerpt: String,
}

impl Source {
    /// Wraps a text; a byte order mark at its start is dropped.
    pub fn new(label: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            label: label.to_owned(),
            text: text.to_owned(),
            lines: std::iter::once(0).chain(starts).collect(),
        }
    }

    /// Returns the text, without its byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns line and column of a byte offset; one past the end is the end.
    pub fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = self.lines[line - 1];
        Place {
            line,
            column: self.text[start..offset].chars().count() + 1,
        }
    }

    /// Returns a problem at a byte offset.
    pub fn problem(&self, offset: usize, message: impl Into<String>) -> Problem {
        self.problem_at(self.place(offset), message)
    }

    /// Returns a problem at a place that [`Source::place`] gave.
    pub fn problem_at(&self, place: Place, message: impl Into<String>) -> Problem {
        Problem {
            label: self.label.clone(),
            place: Some(place),
            message: printable(&message.into()).into_owned(),
            excerpt: self.excerpt(place),
        }
    }

    fn excerpt(&self, place: Place) -> String {
        let start = self.lines.get(place.line - 1).copied().unwrap_or(0);
        let line = self.text[start..].lines().next().unwrap_or("");
        let before = place.column - 1;
        let skipped = before.saturating_sub(AROUND);
        let show = |from: usize, count: usize| -> String {
            let part: String = line.chars().skip(from).take(count).collect();
            printable(&part.replace('\t', " ")).into_owned()
        };
        let left = show(skipped, before - skipped);
        let right = show(before, AROUND);
        let dots = if skipped > 0 { "…" } else { "" };
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(dots.width() + left.width());
        format!(" {number} | {dots}{left}{right}\n {gutter} | {indent}^")
    }
}

impl Problem {
    /// Returns a problem of a file as a whole.
    pub fn of_file(label: &str, message: impl Into<String>) -> Self {
        Self {
            label: label.to_owned(),
            place: None,
            message: printable(&message.into()).into_owned(),
            excerpt: String::new(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.excerpt.is_empty() {
            write!(f, "\n{}", self.excerpt)?;
        }
        Ok(())
    }
}

/// Sorts by place, then by message, and drops what is said twice.
pub fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
    problems.dedup();
}

/// Turns problems into one usage error (exit code 2) that shows them in order; the first twenty are shown.
pub fn failure(mut problems: Vec<Problem>) -> anyhow::Error {
    sort(&mut problems);
    let mut text: Vec<String> = problems
        .iter()
        .take(SHOWN)
        .map(Problem::to_string)
        .collect();
    if problems.len() > SHOWN {
        text.push(format!("and {} more problems", problems.len() - SHOWN));
    }
    anyhow::Error::new(Failure::usage(text.join("\n")))
}

/// Returns the known name that somebody who wrote `given` most likely meant, if one is near enough.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(given);
    known
        .into_iter()
        .map(|name| (distance(&folded, &fold(name)), name))
        .filter(|&(far, name)| far <= name.chars().count().max(folded.len()).div_ceil(3).min(4))
        .min()
        .map(|(_, name)| name)
}

/// Completes a message about an unknown name: the nearest known one, else all of them.
pub fn suggestion(given: &str, known: &[&str]) -> String {
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known: {}", known.join(", ")),
    }
}

fn fold(name: &str) -> Vec<char> {
    let folded = name.to_lowercase().replace('-', "_");
    folded.chars().take(100).collect()
}

/// The number of insertions, removals, replacements and swaps of neighbours between two names.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_lines_from_one() {
        let source = Source::new("f", "\u{feff}äb\nc\n");
        assert_eq!(source.place(0).to_string(), "1:1");
        assert_eq!(source.place("ä".len()).to_string(), "1:2");
        assert_eq!(source.place("äb\n".len()).to_string(), "2:1");
        assert_eq!(source.place(999).to_string(), "3:1");
    }

    #[test]
    fn the_caret_stands_under_the_place_even_after_wide_text_and_tabs() {
        let source = Source::new("plan.toml", "a\n\t語x = 1");
        let shown = source.problem("a\n\t語".len(), "bad").to_string();
        assert_eq!(shown, "plan.toml:2:3: bad\n 2 |  語x = 1\n   |    ^");
    }

    #[test]
    fn a_long_line_is_cut_and_cannot_move_the_cursor() {
        let text = format!("{}\u{1b}[2J{}", "x".repeat(100), "y".repeat(100));
        let shown = Source::new("f", &text).problem(100, "bad").to_string();
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() < 170),
            "{shown}"
        );
        let mut lines = shown.lines().skip(1);
        let (source, caret) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        let column = caret.chars().count() - 1;
        assert_eq!(source.chars().nth(column), Some('\\'), "{shown}");
    }

    #[test]
    fn the_nearest_name_is_the_one_meant() {
        let known = ["scope", "sources", "stop", "objective", "min_free_gb"];
        assert_eq!(nearest("scopes", known), Some("scope"));
        assert_eq!(nearest("sorces", known), Some("sources"));
        assert_eq!(nearest("min-free-gb", known), Some("min_free_gb"));
        assert_eq!(nearest("Objetcive", known), Some("objective"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(suggestion("zzz", &["a", "b"]), "; known: a, b");
    }

    #[test]
    fn many_problems_are_one_sorted_usage_error() {
        let source = Source::new("f", &"x\n".repeat(40));
        let problems = (0..30)
            .rev()
            .map(|n| source.problem(n * 2, "bad"))
            .collect();
        let error = failure(problems);
        assert_eq!(crate::error::code_of(&error), crate::error::ExitCode::Usage);
        let text = error.to_string();
        assert!(text.starts_with("f:1:1: bad"), "{text}");
        assert!(text.ends_with("and 10 more problems"), "{text}");
    }
}
