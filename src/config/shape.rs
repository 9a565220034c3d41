//! Checks a [`Document`] against the JSON Schema of a type: unknown keys, wrong types, unknown words, missing
//! keys, numbers out of range, all at once and each with its place.
//!
//! Only what schemas of our own types hold is understood: objects, lists, references, words (`enum`, or
//! `oneOf` of `const`), optional values, `minimum` and `maximum`.

use serde_json::Value;

use super::document::{Content, Document, Node};
use super::problem::{Problem, suggestion};

/// Returns everything in which the document differs from the schema, in the order of the text.
pub fn check(doc: &Document, schema: &Value) -> Vec<Problem> {
    let mut walk = Walk {
        doc,
        root: schema,
        problems: Vec::new(),
    };
    walk.node(&doc.root, schema, "");
    super::problem::sort(&mut walk.problems);
    walk.problems
}

struct Walk<'a> {
    doc: &'a Document,
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn report(&mut self, at: usize, message: String) {
        self.problems.push(self.doc.source.problem(at, message));
    }

    fn node(&mut self, node: &Node, schema: &'a Value, path: &str) {
        let schema = resolve(self.root, schema);
        if let Some(words) = words_of(schema) {
            return self.word(node, &words, path);
        }
        let kinds = kinds_of(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_kind(node, kind)) {
            let name = last(path);
            let (wanted, found) = (describe(&kinds), describe_node(node));
            return self.report(node.at, format!("`{name}` must be {wanted}, not {found}"));
        }
        match &node.content {
            Content::Table(_) => self.table(node, schema, path),
            Content::List(items) => {
                if let Some(inner) = schema.get("items") {
                    for item in items {
                        self.node(item, inner, path);
                    }
                }
            }
            Content::Integer(value) => self.range(node, *value, schema, path),
            Content::Float(value) if !value.is_finite() => {
                self.report(node.at, format!("`{}` is no usable number", last(path)));
            }
            _ => {}
        }
    }

    fn table(&mut self, node: &Node, schema: &'a Value, path: &str) {
        let empty = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = properties
            .unwrap_or(&empty)
            .keys()
            .map(String::as_str)
            .collect();
        for entry in node.entries() {
            let inner = properties.and_then(|known| known.get(&entry.key));
            let other = schema.get("additionalProperties");
            let below = join(path, &entry.key);
            match inner.or(other) {
                Some(Value::Bool(false)) => {
                    let place = inside(path);
                    let near = suggestion(&entry.key, &known);
                    self.report(
                        entry.at,
                        format!("unknown key `{}`{place}{near}", entry.key),
                    );
                }
                Some(inner) => self.node(&entry.node, inner, &below),
                None => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if node.get(key).is_none() {
                self.report(node.at, format!("`{key}` is missing{}", inside(path)));
            }
        }
    }

    fn word(&mut self, node: &Node, words: &[&str], path: &str) {
        let name = last(path);
        match node.text() {
            Some(text) if words.contains(&text) => {}
            Some(text) => {
                let near = match super::problem::nearest(text, words.iter().copied()) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None => String::new(),
                };
                let all = words.join(", ");
                self.report(
                    node.at,
                    format!("`{name}` must be one of {all}, not `{text}`{near}"),
                );
            }
            None => {
                let all = words.join(", ");
                let found = describe_node(node);
                self.report(
                    node.at,
                    format!("`{name}` must be one of {all}, not {found}"),
                );
            }
        }
    }

    fn range(&mut self, node: &Node, value: i128, schema: &Value, path: &str) {
        let bound = |key: &str| schema.get(key).and_then(whole);
        let least = bound("minimum");
        let format = schema.get("format").and_then(Value::as_str);
        // TOML knows no numbers above i64, so a plan that holds one could not be written down again.
        let limit = i128::from(if format == Some("uint32") {
            u32::MAX.into()
        } else {
            i64::MAX
        });
        let most = bound("maximum").unwrap_or(limit);
        if least.is_some_and(|least| value < least) {
            let least = least.unwrap_or_default();
            self.report(
                node.at,
                format!("`{}` must be at least {least}", last(path)),
            );
        } else if value > most {
            self.report(node.at, format!("`{}` must be at most {most}", last(path)));
        }
    }
}

/// Follows references and the one real branch of an optional value.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // Types do not nest references deeper than this; a loop of references ends here.
    for _ in 0..16 {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = name.trim_start_matches('#');
            match root.pointer(pointer) {
                Some(found) => schema = found,
                None => return schema,
            }
        } else if let Some(branch) = optional(schema) {
            schema = branch;
        } else {
            break;
        }
    }
    schema
}

fn optional(schema: &Value) -> Option<&Value> {
    let branches = schema.get("anyOf")?.as_array()?;
    let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
    if branches.iter().any(|branch| is_null(&branch)) {
        branches.iter().find(|branch| !is_null(branch))
    } else {
        None
    }
}

fn words_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().map(Value::as_str).collect();
    }
    let branches = schema.get("oneOf")?.as_array()?;
    let words = branches.iter().flat_map(|branch| {
        let word = branch.get("const").and_then(Value::as_str);
        let list = branch.get("enum").and_then(Value::as_array);
        let list = list.into_iter().flatten().filter_map(Value::as_str);
        word.into_iter().chain(list)
    });
    Some(words.collect())
}

fn kinds_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_kind(node: &Node, kind: &str) -> bool {
    match &node.content {
        Content::Null => kind == "null",
        Content::Bool(_) => kind == "boolean",
        Content::Integer(_) => kind == "integer" || kind == "number",
        Content::Float(_) => kind == "number",
        Content::Text(_) => kind == "string",
        Content::List(_) => kind == "array",
        Content::Table(_) => kind == "object",
        Content::Date => false,
    }
}

fn describe(kinds: &[&str]) -> &'static str {
    match kinds.iter().find(|&&kind| kind != "null") {
        Some(&"string") => "text in quotes",
        Some(&"integer") => "a whole number",
        Some(&"number") => "a number",
        Some(&"boolean") => "true or false",
        Some(&"array") => "a list",
        Some(&"object") => "a table",
        _ => "of another type",
    }
}

fn describe_node(node: &Node) -> &'static str {
    match &node.content {
        Content::Null => "null",
        Content::Bool(_) => "true or false",
        Content::Integer(_) => "a whole number",
        Content::Float(_) => "a number with a fraction",
        Content::Text(_) => "text",
        Content::List(_) => "a list",
        Content::Table(_) => "a table",
        Content::Date => "a date",
    }
}

fn whole(value: &Value) -> Option<i128> {
    let from_float = |number: f64| format!("{number:.0}").parse().ok();
    let number = value.as_i64().map(i128::from);
    number.or_else(|| value.as_f64().and_then(from_float))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn last(path: &str) -> &str {
    match path.rsplit('.').next() {
        Some(name) if !name.is_empty() => name,
        _ => "the file",
    }
}

fn inside(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" in [{path}]")
    }
}
