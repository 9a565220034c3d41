//! A structured text as a tree in which every key and value knows where it stands.
//!
//! TOML and JSON come to the same [`Node`]s, so that one check of shapes ([`super::shape`]) and one set of
//! messages serve plans and configuration alike.

use std::path::Path;

use anyhow::Result as Anyhow;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Source};
use crate::error::Failure;

/// A text and the tree that was read from it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The text.
    pub source: Source,
    /// Its tree.
    pub root: Node,
}

/// A value and the byte offset at which it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub at: usize,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// JSON's `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of the text.
    Table(Vec<Entry>),
    /// A date or time of TOML, which no field takes.
    Date,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key begins.
    pub at: usize,
    /// The key.
    pub key: String,
    /// The value.
    pub node: Node,
}

impl Document {
    /// Reads TOML.
    ///
    /// # Errors
    /// All syntax errors that the parser can tell apart, with their places.
    pub fn of_toml(label: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let source = Source::new(label, text);
        let (table, errors) = DeTable::parse_recoverable(source.text());
        if !errors.is_empty() {
            return Err(errors
                .iter()
                .map(|error| {
                    let at = error.span().map_or(0, |span| span.start);
                    source.problem(at, error.message().replace('\n', "; "))
                })
                .collect());
        }
        let root = Node {
            at: 0,
            content: of_table(table.get_ref()),
        };
        Ok(Self { source, root })
    }
}

impl Node {
    /// Returns the value of a key, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&found.node)
    }

    /// Returns the entries of a table; none for everything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items of a list; none for everything else.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the plain value. Numbers that JSON cannot hold and dates become `null`; the check of shapes
    /// refuses them before.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Null | Content::Date => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Integer(value) => u64::try_from(*value)
                .map(Number::from)
                .or_else(|_| i64::try_from(*value).map(Number::from))
                .map_or(Value::Null, Value::Number),
            Content::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Table(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

fn of_table(table: &DeTable<'_>) -> Content {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            at: key.span().start,
            key: key.get_ref().to_string(),
            node: of_value(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    Content::Table(entries)
}

pub(super) fn of_value(value: &Spanned<DeValue<'_>>) -> Node {
    let content = match value.get_ref() {
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i128::from_str_radix(&digits, number.radix())
                .map_or(Content::Float(f64::INFINITY), Content::Integer)
        }
        DeValue::Float(number) => Content::Float(
            number
                .as_str()
                .replace('_', "")
                .parse()
                .unwrap_or(f64::INFINITY),
        ),
        DeValue::Boolean(value) => Content::Bool(*value),
        DeValue::Datetime(_) => Content::Date,
        DeValue::Array(items) => Content::List(items.iter().map(of_value).collect()),
        DeValue::Table(table) => of_table(table),
    };
    Node {
        at: value.span().start,
        content,
    }
}

/// Reads a file of settings; none if it is not there.
pub(super) fn text_of(path: &Path) -> Anyhow<Option<String>> {
    use std::io::ErrorKind;
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // `HOME=/dev/null` is a usual way to say "no configuration".
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => {
            let message = format!("reading the configuration {}: {error}", path.display());
            Err(Failure::usage(message).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_where_it_stands() {
        let text = "a = 1\n[[p]]\nid = \"x\"\nn = [0xff, -2, 1_000, 1.5]\n[p.sub]\nk.l = true\n";
        let doc = Document::of_toml("f", text).expect("good TOML");
        let packet = &doc.root.get("p").expect("p").items()[0];
        assert_eq!(doc.source.place(packet.at).to_string(), "2:1");
        let list = packet.get("n").expect("n");
        let places: Vec<String> = list
            .items()
            .iter()
            .map(|node| doc.source.place(node.at).to_string())
            .collect();
        assert_eq!(places, ["4:6", "4:12", "4:16", "4:23"]);
        assert_eq!(
            doc.root.value(),
            serde_json::json!({"a": 1, "p": [{"id": "x", "n": [255, -2, 1000, 1.5], "sub": {"k": {"l": true}}}]})
        );
    }

    #[test]
    fn several_syntax_errors_are_reported_at_once() {
        let problems = Document::of_toml("f", "a = \nb = 1\nb = 2\nc = ]\n").expect_err("bad TOML");
        let lines: Vec<_> = problems
            .iter()
            .filter_map(|p| p.place)
            .map(|p| p.line)
            .collect();
        assert!(lines.contains(&1) && lines.contains(&3), "{problems:?}");
    }
}
