//! What a screen can show, and the colours. Called by everything that draws.

use anstyle::{AnsiColor, Style};

use super::words::{fit, plain};

/// What the screen can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns; none where lines may be as long as they like.
    pub width: Option<usize>,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Whether colour is wanted.
    pub colour: bool,
}

impl Look {
    /// No screen at all: a file or a pipe.
    pub const PLAIN: Self = Self {
        width: None,
        unicode: true,
        colour: false,
    };

    /// Returns the text in a style, if colour is wanted.
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// Replaces what the screen cannot show.
    pub(super) fn shown(&self, text: &str) -> String {
        plain(text, self.unicode).into_owned()
    }

    pub(super) fn fit(&self, text: &str, columns: usize) -> String {
        fit(text, columns, self.unicode).into_owned()
    }
}

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const RED: Style = AnsiColor::Red.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();
