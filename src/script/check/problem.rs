//! One thing that is wrong with a script, and how it is shown: with its place, its line and a caret.

use std::fmt;

use oxc_span::Span;
use serde::Serialize;

use crate::script::talk::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The script cannot run.
    Error,
    /// The script can run, and probably does not do what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the caller called it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The column behind the last character that is meant, on the same line.
    pub end_column: u32,
    /// One line.
    pub message: String,
    /// What helps, if something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line of the script.
    pub source: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (number, shown, before, width) = self.shown();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{word}: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{number} | {shown}")?;
        write!(f, "{gutter} | {}{}", " ".repeat(before), "^".repeat(width))?;
        if let Some(help) = &self.help {
            write!(f, "\n{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

/// The most characters of a line that are shown.
const WIDEST: usize = 160;

impl Problem {
    /// The number of the line, the part of it that is shown, where the caret starts in it and how long it is.
    fn shown(&self) -> (String, String, usize, usize) {
        let column = (self.column as usize).saturating_sub(1);
        let length = (self.end_column.saturating_sub(self.column) as usize).max(1);
        // A line of a packed script is cut around the place.
        let skip = if column > WIDEST / 2 {
            column - WIDEST / 4
        } else {
            0
        };
        let part: Vec<char> = self.source.chars().skip(skip).take(WIDEST).collect();
        let width = |characters: &[char]| -> usize {
            characters
                .iter()
                .map(|one| unicode_width::UnicodeWidthChar::width(*one).unwrap_or(1))
                .sum()
        };
        let from = (column - skip).min(part.len());
        let to = (from + length).min(part.len());
        let before = width(&part[..from]);
        let carets = width(&part[from..to]).max(1);
        let shown = part
            .iter()
            .map(|one| if one.is_control() { ' ' } else { *one })
            .collect();
        (self.line.to_string(), shown, before, carets)
    }
}

/// The text that problems are found in.
pub(super) struct Text<'a> {
    file: &'a str,
    source: &'a str,
}

impl<'a> Text<'a> {
    pub(super) fn new(file: &'a str, source: &'a str) -> Self {
        Self { file, source }
    }

    pub(super) fn error(
        &self,
        span: Span,
        message: impl Into<String>,
        help: Option<&str>,
    ) -> Problem {
        self.problem(Severity::Error, span, message.into(), help)
    }

    pub(super) fn warning(
        &self,
        span: Span,
        message: impl Into<String>,
        help: Option<&str>,
    ) -> Problem {
        self.problem(Severity::Warning, span, message.into(), help)
    }

    fn problem(
        &self,
        severity: Severity,
        span: Span,
        message: String,
        help: Option<&str>,
    ) -> Problem {
        let start = floor(self.source, span.start as usize);
        let end = floor(self.source, span.end as usize).max(start);
        let before = &self.source[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.source[start..]
            .find('\n')
            .map_or(self.source.len(), |at| start + at);
        let characters = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let column = characters(&self.source[line_start..start]) + 1;
        Problem {
            severity,
            file: self.file.to_owned(),
            line: u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX - 1) + 1,
            column,
            end_column: column + characters(&self.source[start..end.min(line_end).max(start)]),
            message,
            help: help.map(str::to_owned),
            source: self.source[line_start..line_end]
                .trim_end_matches('\r')
                .to_owned(),
        }
    }

    /// A problem that the engine found while it compiled the script.
    pub(super) fn at(&self, place: Option<&Place>, message: String) -> Problem {
        let (line, column) = place.map_or((1, 1), |place| (place.line, place.column));
        let text = self
            .source
            .lines()
            .nth(line as usize - 1)
            .unwrap_or_default();
        Problem {
            severity: Severity::Error,
            file: self.file.to_owned(),
            line,
            column,
            end_column: column + 1,
            message,
            help: None,
            source: text.to_owned(),
        }
    }
}

/// The start of the character that this byte belongs to.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
