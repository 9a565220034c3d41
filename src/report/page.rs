//! Building a Markdown page: headings, paragraphs, lists.
//!
//! Invariant: what comes from outside cannot hide text from a reader (control and bidirectional characters
//! are escaped). Called by everything that renders a page.

use crate::model::path::is_treacherous;

/// A page that grows.
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A page with this title.
    pub(super) fn new(title: &str) -> Self {
        Self {
            text: format!("# {}\n", visible(title).trim()),
        }
    }

    /// A page without a title.
    pub(super) fn untitled() -> Self {
        Self {
            text: String::new(),
        }
    }

    /// A heading of the second rank.
    pub(super) fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("## {heading}\n"));
    }

    /// A paragraph; nothing if it is empty.
    pub(super) fn paragraph(&mut self, text: &str) {
        let text = visible(text);
        if !text.trim().is_empty() {
            self.text.push_str(&format!("\n{}\n", text.trim()));
        }
    }

    /// A heading with a list below it; `None.` if the list is empty, so that a reader knows.
    pub(super) fn list(&mut self, heading: &str, items: impl IntoIterator<Item = String>) {
        self.heading(heading);
        self.text.push('\n');
        let before = self.text.len();
        for item in items {
            let item = visible(&item);
            let mut lines = item.trim().lines();
            self.text
                .push_str(&format!("- {}\n", lines.next().unwrap_or("")));
            for line in lines {
                self.text.push_str(&format!("  {line}\n"));
            }
        }
        if self.text.len() == before {
            self.text.push_str("None.\n");
        }
    }

    /// As [`Page::list`], but nothing at all if the list is empty.
    pub(super) fn list_if_any(&mut self, heading: &str, items: Vec<String>) {
        if !items.is_empty() {
            self.list(heading, items);
        }
    }

    /// The text.
    pub(super) fn text(self) -> String {
        self.text
    }
}

/// Escapes what a viewer would hide; line breaks stay.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c if is_treacherous(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Text as code, whatever it holds.
pub(super) fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 {
        format!("`{text}`")
    } else {
        format!("{fence} {text} {fence}")
    }
}
