//! The difference as text for a terminal, a pager or a file.
//!
//! Invariants: control and bidirectional characters are escaped, tabs are spaces; a long line is continued
//! below, never cut, because what is approved must have been there to be read. Without colour the text says
//! the same, but for the marks of words. Called by `dynwf review`.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar as _;

use super::diff::{Body, Diff, FileDiff, Hunk, Line, On, What};
use super::words::Piece;
use crate::model::path::is_treacherous;

/// What the difference is written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Columns; none where lines may be as long as they like (then never side by side).
    pub width: Option<usize>,
    /// Whether old and new stand beside each other.
    pub side_by_side: bool,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Whether colour is wanted.
    pub colour: bool,
}

const TITLE: Style = Style::new().bold();
const HUNK: Style = AnsiColor::Cyan.on_default();
const FAINT: Style = Style::new().dimmed();
const OLD: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const TAB: usize = 4;
/// Side by side needs this much; below it, the unified form is used.
const SIDES: usize = 60;

/// Writes the difference.
///
/// # Errors
/// If the writer fails.
pub fn write(diff: &Diff, paper: Paper, out: &mut dyn Write) -> io::Result<()> {
    let sides = paper.side_by_side && paper.width.is_some_and(|width| width >= SIDES);
    for (at, file) in diff.files.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", paper.paint(TITLE, &title(file, paper)))?;
        match &file.body {
            Body::Same => {}
            Body::Binary { old, new } => {
                writeln!(out, "  binary: {old} bytes before, {new} now")?;
            }
            Body::Big { old, new } => {
                writeln!(out, "  too big to be shown: {old} bytes before, {new} now")?;
            }
            Body::Text { hunks } => {
                for hunk in hunks {
                    let head = format!(
                        "#{} @@ -{},{} +{},{} @@",
                        hunk.number, hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines
                    );
                    writeln!(out, "{}", paper.paint(HUNK, &head))?;
                    if sides {
                        write_sides(hunk, paper, out)?;
                    } else {
                        write_unified(hunk, paper, out)?;
                    }
                }
            }
        }
    }
    Ok(())
}

impl Paper {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }
}

fn title(file: &FileDiff, paper: Paper) -> String {
    let arrow = paper.sign("→", "->");
    let what = match file.what {
        What::Added => "added",
        What::Deleted => "deleted",
        What::Modified => "modified",
        What::Renamed => "renamed",
        What::Mode => "mode",
        What::Kind => "kind",
    };
    let mut text = format!("{what} ");
    if let Some(from) = &file.from {
        text.push_str(&format!("{from} {arrow} "));
    }
    text.push_str(&file.path.to_string());
    match (file.old_mode, file.new_mode) {
        (Some(old), Some(new)) if old != new => {
            text.push_str(&format!("  {old:06o} {arrow} {new:06o}"));
        }
        (None, Some(mode)) | (Some(mode), None) if mode != 0o100_644 => {
            text.push_str(&format!("  {mode:06o}"));
        }
        _ => {}
    }
    if let Some(alike) = file.alike {
        text.push_str(&format!("  {alike}% the same"));
    }
    if file.additions + file.deletions > 0 {
        let minus = paper.sign("−", "-");
        text.push_str(&format!("  +{} {minus}{}", file.additions, file.deletions));
    }
    text
}

fn write_unified(hunk: &Hunk, paper: Paper, out: &mut dyn Write) -> io::Result<()> {
    let digits = digits(hunk);
    let gutter = 2 * digits + 4;
    let room = paper
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(gutter).max(10));
    for line in &hunk.lines {
        let (sign, style) = match line.side {
            On::Both => (" ", None),
            On::Old => ("-", Some(OLD)),
            On::New => ("+", Some(NEW)),
        };
        let number = |at: Option<usize>| at.map_or_else(String::new, |at| at.to_string());
        let head = format!(
            "{:>digits$} {:>digits$} ",
            number(line.old),
            number(line.new)
        );
        for (row, text) in rows(&line.pieces, style, room, paper).iter().enumerate() {
            let head = if row == 0 {
                paper.paint(FAINT, &head)
            } else {
                " ".repeat(2 * digits + 2)
            };
            let sign = if row == 0 { sign } else { continued(paper) };
            let sign = style.map_or_else(|| sign.to_owned(), |style| paper.paint(style, sign));
            writeln!(out, "{}", format!("{head}{sign} {}", text.text).trim_end())?;
        }
        if line.unended {
            let text = "(no newline at the end)";
            let indent = " ".repeat(gutter);
            writeln!(out, "{indent}{}", paper.paint(FAINT, text))?;
        }
    }
    Ok(())
}

fn continued(paper: Paper) -> &'static str {
    paper.sign("↪", "\\")
}

fn digits(hunk: &Hunk) -> usize {
    let last = (hunk.old_start + hunk.old_lines).max(hunk.new_start + hunk.new_lines);
    last.to_string().len().max(3)
}

/// A part of a line that fits into its column.
struct RowText {
    /// With colours.
    text: String,
    /// Columns taken.
    width: usize,
}

/// Escapes a line and lays it out in rows of at most `room` columns; at least one.
fn rows(pieces: &[Piece], style: Option<Style>, room: usize, paper: Paper) -> Vec<RowText> {
    let mut rows: Vec<RowText> = Vec::new();
    let (mut row, mut column, mut at) = (String::new(), 0, 0);
    for piece in pieces {
        let style = match (style, piece.strong) {
            (Some(style), true) => Some(style.bold().invert()),
            (style, _) => style,
        };
        let mut run = String::new();
        for c in piece.text.chars() {
            let shown: String = match c {
                '\t' => " ".repeat(TAB - at % TAB),
                c if is_treacherous(c) => c.escape_unicode().collect(),
                c if !paper.unicode && !c.is_ascii() => c.escape_unicode().collect(),
                c => c.to_string(),
            };
            for c in shown.chars() {
                let wide = c.width().unwrap_or(0);
                if column + wide > room && column > 0 {
                    row.push_str(&painted(paper, style, &run));
                    run.clear();
                    rows.push(RowText {
                        text: std::mem::take(&mut row),
                        width: column,
                    });
                    column = 0;
                }
                run.push(c);
                column += wide;
                at += wide;
            }
        }
        row.push_str(&painted(paper, style, &run));
    }
    rows.push(RowText {
        text: row,
        width: column,
    });
    rows
}

fn painted(paper: Paper, style: Option<Style>, text: &str) -> String {
    style.map_or_else(|| text.to_owned(), |style| paper.paint(style, text))
}

fn write_sides(hunk: &Hunk, paper: Paper, out: &mut dyn Write) -> io::Result<()> {
    let digits = digits(hunk);
    let width = paper.width.unwrap_or(SIDES);
    let half = (width - 3) / 2;
    let room = half.saturating_sub(digits + 3).max(5);
    for (old, new) in pairs(&hunk.lines) {
        let left = side(old, On::Old, digits, room, paper);
        let right = side(new, On::New, digits, room, paper);
        for at in 0..left.len().max(right.len()) {
            let blank = RowText {
                text: String::new(),
                width: 0,
            };
            let left = left.get(at).unwrap_or(&blank);
            let right = right.get(at).unwrap_or(&blank);
            let gap = " ".repeat(half.saturating_sub(left.width));
            let bar = paper.paint(FAINT, paper.sign("│", "|"));
            let line = format!("{}{gap} {bar} {}", left.text, right.text);
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

/// Which line stands beside which: a removed one beside the added one that took its place.
fn pairs(lines: &[Line]) -> Vec<(Option<&Line>, Option<&Line>)> {
    let mut pairs = Vec::new();
    let mut rest = lines;
    while let Some(first) = rest.first() {
        if first.side == On::Both {
            pairs.push((Some(first), Some(first)));
            rest = &rest[1..];
            continue;
        }
        let run = |lines: &[Line], side| lines.iter().take_while(|line| line.side == side).count();
        let removed = run(rest, On::Old);
        let added = run(&rest[removed..], On::New);
        for at in 0..removed.max(added) {
            let old = (at < removed).then(|| &rest[at]);
            let new = (at < added).then(|| &rest[removed + at]);
            pairs.push((old, new));
        }
        rest = &rest[removed + added..];
    }
    pairs
}

fn side(line: Option<&Line>, on: On, digits: usize, room: usize, paper: Paper) -> Vec<RowText> {
    let Some(line) = line else { return Vec::new() };
    let (number, sign, style) = match (line.side, on) {
        (On::Both, On::Old) => (line.old, " ", None),
        (On::Both, _) => (line.new, " ", None),
        (On::Old, _) => (line.old, "-", Some(OLD)),
        (On::New, _) => (line.new, "+", Some(NEW)),
    };
    let number = number.map_or_else(String::new, |number| number.to_string());
    let mut all: Vec<RowText> = rows(&line.pieces, style, room, paper)
        .into_iter()
        .enumerate()
        .map(|(at, row)| {
            let number = if at == 0 { number.as_str() } else { "" };
            let sign = if at == 0 { sign } else { continued(paper) };
            RowText {
                text: format!(
                    "{} {} {}",
                    paper.paint(FAINT, &format!("{number:>digits$}")),
                    painted(paper, style, sign),
                    row.text
                ),
                width: digits + 3 + row.width,
            }
        })
        .collect();
    if line.unended {
        let text = "(no newline)";
        all.push(RowText {
            text: format!("{} {}", " ".repeat(digits + 2), paper.paint(FAINT, text)),
            width: digits + 3 + text.len(),
        });
    }
    all
}
