//! Reads JSON into the same positioned tree as TOML, so that a plan in either form gets the same messages.
//!
//! `null` counts as an absent key: planner agents under a strict schema write it for everything optional.

use crate::config::document::{Content, Document, Entry, Node};
use crate::config::problem::{Problem, Source};

/// How deeply values may be nested; a plan needs five levels.
const DEPTH: usize = 64;

/// Reads a JSON text.
///
/// # Errors
/// The first syntax error, or all repeated keys, with their places.
pub(super) fn read(label: &str, text: &str) -> Result<Document, Vec<Problem>> {
    let source = Source::new(label, text);
    let mut reader = Reader {
        source: &source,
        text: source.text(),
        at: 0,
        problems: Vec::new(),
    };
    let root = reader.document();
    let problems = reader.problems;
    match root {
        Ok(root) if problems.is_empty() => Ok(Document { source, root }),
        Ok(_) => Err(problems),
        Err(problem) => Err(problems.into_iter().chain([problem]).collect()),
    }
}

struct Reader<'a> {
    source: &'a Source,
    text: &'a str,
    at: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, Problem> {
        let root = self.value(0)?;
        self.space();
        if self.at < self.text.len() {
            return Err(self.expected("the end of the file"));
        }
        Ok(root)
    }

    fn expected(&self, what: &str) -> Problem {
        let found = match self.text[self.at..].chars().next() {
            Some(c) => format!("`{c}`"),
            None => "the end of the file".to_owned(),
        };
        self.source
            .problem(self.at, format!("expected {what}, found {found}"))
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        self.at += rest.len() - rest.trim_start_matches(blank).len();
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn value(&mut self, depth: usize) -> Result<Node, Problem> {
        let first = self.peek();
        let at = self.at;
        if depth > DEPTH {
            return Err(self.source.problem(at, "the values are nested too deeply"));
        }
        let content = match first {
            Some(b'{') => self.table(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Content::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { at, content })
    }

    fn table(&mut self, depth: usize) -> Result<Content, Problem> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        if self.take(b'}') {
            return Ok(Content::Table(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in quotes"));
            }
            let at = self.at;
            let key = self.string()?;
            if !self.take(b':') {
                return Err(self.expected("`:`"));
            }
            let node = self.value(depth + 1)?;
            if !seen.insert(key.clone()) {
                let problem = self
                    .source
                    .problem(at, format!("the key `{key}` is repeated"));
                self.problems.push(problem);
            }
            if !matches!(node.content, Content::Null) {
                entries.push(Entry { at, key, node });
            }
            if self.take(b'}') {
                return Ok(Content::Table(entries));
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Content, Problem> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Content::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Content::List(items));
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    /// Finds the closing quote and leaves the escapes to `serde_json`.
    fn string(&mut self) -> Result<String, Problem> {
        let start = self.at;
        let mut escaped = false;
        let inside = self.text[start + 1..].bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let Some(length) = inside else {
            return Err(self.source.problem(start, "the text has no closing quote"));
        };
        self.at = start + length + 2;
        let raw = &self.text[start..self.at];
        serde_json::from_str(raw).map_err(|error| {
            let message = error.to_string();
            let why = message.split(" at line").next().unwrap_or("bad text");
            self.source.problem(start, format!("bad text: {why}"))
        })
    }

    fn number(&mut self) -> Result<Content, Problem> {
        let rest = &self.text[self.at..];
        let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let raw = &rest[..rest.len() - rest.trim_start_matches(part).len()];
        let problem = || {
            self.source
                .problem(self.at, format!("`{raw}` is no number"))
        };
        let whole: Option<i128> = raw.parse().ok();
        let content = match whole {
            Some(number) if is_plain(raw) => Content::Integer(number),
            _ => Content::Float(serde_json::from_str(raw).map_err(|_| problem())?),
        };
        self.at += raw.len();
        Ok(content)
    }

    fn word(&mut self) -> Result<Content, Problem> {
        for (word, content) in [
            ("null", Content::Null),
            ("true", Content::Bool(true)),
            ("false", Content::Bool(false)),
        ] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(content);
            }
        }
        Err(self.expected("a value"))
    }
}

/// Whether a whole number is written as JSON wants it: without `+` and without leading zeros.
fn is_plain(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    digits == "0" || !digits.starts_with(['0', '+'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_places_are_read() {
        let text = "\u{feff}{\"a\": [1, -2.5, true, \"x\\u00e4\\\"\"],\n \"b\": null, \"c\": {}}";
        let doc = read("f", text).expect("good JSON");
        assert_eq!(
            doc.root.value(),
            serde_json::json!({"a": [1, -2.5, true, "xä\""], "c": {}})
        );
        assert_eq!(
            doc.source.place(doc.root.entries()[1].at).to_string(),
            "2:13"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            ("", "f:1:1: expected a value, found the end of the file"),
            ("{\"a\": 1,}", "f:1:9: expected a key in quotes, found `}`"),
            ("{\"a\" 1}", "f:1:6: expected `:`, found `1`"),
            ("[1\n 2]", "f:2:2: expected `,` or `]`, found `2`"),
            (
                "{\"a\":1} x",
                "f:1:9: expected the end of the file, found `x`",
            ),
            ("\"a", "f:1:1: the text has no closing quote"),
            ("\"\\q\"", "f:1:1: bad text: invalid escape"),
            ("01", "f:1:1: `01` is no number"),
            ("1.e", "f:1:1: `1.e` is no number"),
            ("{\"a\":1,\n\"a\":2}", "f:2:1: the key `a` is repeated"),
            ("nul", "f:1:1: expected a value, found `n`"),
        ] {
            let problems = read("f", text).expect_err(text);
            let shown = problems[0].to_string();
            assert!(shown.starts_with(expected), "{text}: {shown}");
        }
        let deep = "[".repeat(10_000);
        let problems = read("f", &deep).expect_err("deep");
        assert!(problems[0].message.contains("nested"), "{problems:?}");
    }
}
