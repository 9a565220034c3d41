//! Structured output: how an agent is asked for JSON, where its answer is looked for, and what is wrong with it.
//!
//! A client's own schema flag is a help, never the judge: whatever way an answer came, it is validated here, and
//! the problems go back into the same conversation. Invariants: a schema reaches no file and no network (`$ref`
//! works inside it alone); the result file, which an agent can write, is opened without following links and read
//! up to a limit. Called by the adapters (flags) and by `runner` (everything else).

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use rustix::fs::OFlags;
use serde_json::Value;

use super::verdict::Verdict;

/// How many problems are told at once.
const MOST_PROBLEMS: usize = 10;

/// The longest result file that is read, in bytes.
const LONGEST_RESULT: u64 = 16 * 1024 * 1024;

/// The made-up address of the schema; nothing is ever loaded from it.
const ADDRESS: &str = "schema:///wanted.json";

/// A compiled JSON Schema.
pub struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

/// Refuses every address, so that a schema cannot name files of the machine.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("the schema refers to {url}, which is outside it").into())
    }
}

impl Schema {
    /// Compiles a schema (draft 2020-12 unless it names another).
    ///
    /// # Errors
    /// Where it is no JSON Schema, or refers to anything outside itself.
    pub fn new(schema: &Value) -> Result<Self> {
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Nothing));
        let mut schemas = Schemas::new();
        let unusable =
            |error: boon::CompileError| anyhow!("the JSON Schema is not usable: {error:#}");
        compiler
            .add_resource(ADDRESS, schema.clone())
            .map_err(unusable)?;
        let index = compiler.compile(ADDRESS, &mut schemas).map_err(unusable)?;
        Ok(Self { schemas, index })
    }

    /// Returns what is wrong with a value, one `path: problem` line each, at most ten; empty if nothing is.
    pub fn problems(&self, value: &Value) -> Vec<String> {
        let Err(error) = self.schemas.validate(value, self.index) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        leaves(&error, &mut lines);
        lines.dedup();
        if lines.len() > MOST_PROBLEMS {
            lines.truncate(MOST_PROBLEMS);
        }
        lines
    }

    /// Returns the first of these that the schema accepts: the client's own structured result, the result
    /// file, the whole last message, the last JSON block in it.
    ///
    /// # Errors
    /// The problems of the first one that is JSON at all, as [`Schema::problems`] words them.
    pub fn answer(&self, verdict: &Verdict, result_file: &Path) -> Result<Value, Vec<String>> {
        let mut first = None;
        let found = [
            verdict.structured.clone(),
            from_file(result_file),
            whole(&verdict.text),
            last_block(&verdict.text),
        ];
        for value in found.into_iter().flatten() {
            let problems = self.problems(&value);
            if problems.is_empty() {
                return Ok(value);
            }
            first.get_or_insert(problems);
        }
        Err(first.unwrap_or_else(|| vec!["$: there is no JSON result".to_owned()]))
    }
}

/// Collects the errors that are no mere consequence of others.
fn leaves(error: &ValidationError<'_, '_>, lines: &mut Vec<String>) {
    if lines.len() > MOST_PROBLEMS {
        return;
    }
    if error.causes.is_empty() && !matches!(error.kind, ErrorKind::Group) {
        lines.push(format!("{}: {}", path(error), error.kind));
    }
    for cause in &error.causes {
        leaves(cause, lines);
    }
}

/// `$.packet[0].id`
fn path(error: &ValidationError<'_, '_>) -> String {
    let mut path = "$".to_owned();
    for token in &error.instance_location.tokens {
        let _ = match token {
            boon::InstanceToken::Prop(name) => write!(path, ".{name}"),
            boon::InstanceToken::Item(index) => write!(path, "[{index}]"),
        };
    }
    path
}

/// Reads a schema file.
///
/// # Errors
/// Where it cannot be read or is no JSON.
pub fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the JSON Schema {}", file.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("reading the JSON Schema {}", file.display()))
}

/// Returns what is added to a prompt that wants a structured result. The file is named by its variable, so
/// that the text holds no path of this machine.
pub fn instructions(schema: &Value) -> String {
    let schema = serde_json::to_string_pretty(schema).unwrap_or_default();
    format!(
        "## The form of your result\n\nYour result is one JSON value that follows this JSON Schema:\n\n\
         ```json\n{schema}\n```\n\nWrite it, and nothing else, to the file that the environment variable \
         DYNWF_RESULT_FILE names. If you cannot write there, end your last message with it in one ```json \
         block.\n"
    )
}

/// Returns what an agent is told, in the same conversation, about an answer that does not follow the schema.
pub fn ask_again(problems: &[String]) -> String {
    let lines: String = problems.iter().fold(String::new(), |mut lines, line| {
        let _ = writeln!(lines, "- {line}");
        lines
    });
    format!(
        "Your result does not follow the JSON Schema yet (`$` is the whole result):\n\n{lines}\nGive the whole \
         result again, in the same way as before, with these problems mended and the rest unchanged.\n"
    )
}

/// Returns the text as JSON if it is an object or a list and nothing else.
pub(super) fn whole(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The last fenced block that is JSON.
fn last_block(text: &str) -> Option<Value> {
    let mut last = None;
    let mut open: Option<(&str, String)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
        match &mut open {
            None if ticks >= 3 => open = Some((&trimmed[..ticks], String::new())),
            Some((fence, body)) if trimmed == *fence => {
                last = serde_json::from_str(body).ok().or(last);
                open = None;
            }
            Some((_, body)) => {
                body.push_str(line);
                body.push('\n');
            }
            None => {}
        }
    }
    last
}

/// What the result file holds, if it is a file of sane size with JSON in it.
fn from_file(file: &Path) -> Option<Value> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(file)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_RESULT).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person() -> Schema {
        Schema::new(&json!({
            "type": "object", "required": ["name", "tags"], "additionalProperties": false,
            "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"},
                           "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
            "$defs": {"tag": {"enum": ["a", "b"]}}
        }))
        .unwrap()
    }

    fn said(text: &str) -> Verdict {
        Verdict {
            text: text.to_owned(),
            ..Verdict::default()
        }
    }

    #[test]
    fn problems_name_their_place() {
        let problems = person().problems(&json!({"name": "X", "tags": ["a", "c"], "more": 1}));
        assert_eq!(problems.len(), 3, "{problems:?}");
        for place in ["$: ", "$.name: ", "$.tags[1]: "] {
            assert!(
                problems.iter().any(|line| line.starts_with(place)),
                "{problems:?}"
            );
        }
        let many: Vec<&str> = std::iter::repeat_n("c", 50).collect();
        assert_eq!(
            person().problems(&json!({"name": "x", "tags": many})).len(),
            10
        );
        assert!(
            person()
                .problems(&json!({"name": "x", "tags": []}))
                .is_empty()
        );
    }

    #[test]
    fn a_schema_reaches_nothing_outside_itself() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.json");
        std::fs::write(&file, "true").unwrap();
        for address in [
            format!("file://{}", file.display()),
            "http://127.0.0.1:1/s".into(),
        ] {
            let error = Schema::new(&json!({"$ref": address})).err().unwrap();
            assert!(error.to_string().contains("not usable"), "{error}");
        }
        assert!(Schema::new(&json!({"type": "thing"})).is_err());
    }

    #[test]
    fn the_first_answer_that_fits_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("result");
        let good = |name: &str| json!({"name": name, "tags": []});
        let text = format!(
            "So:\n```json\n{}\n```\nthen\n```json\n{}\n```",
            good("one"),
            good("two")
        );
        assert_eq!(person().answer(&said(&text), &file), Ok(good("two")));
        assert_eq!(
            person().answer(&said(&good("all").to_string()), &file),
            Ok(good("all"))
        );

        std::fs::write(&file, good("file").to_string()).unwrap();
        assert_eq!(person().answer(&said(&text), &file), Ok(good("file")));
        let native = Verdict {
            structured: Some(good("native")),
            ..said(&text)
        };
        assert_eq!(person().answer(&native, &file), Ok(good("native")));

        std::fs::write(&file, "{\"name\": 3, \"tags\": []}").unwrap();
        assert_eq!(person().answer(&said(&text), &file), Ok(good("two")));
        let problems = person().answer(&said("no"), &file).unwrap_err();
        assert!(problems[0].starts_with("$.name: "), "{problems:?}");
        assert!(ask_again(&problems).contains(&format!("- {}\n", problems[0])));
        std::fs::remove_file(&file).unwrap();
        let problems = person()
            .answer(&said("```json\n{oops\n```"), &file)
            .unwrap_err();
        assert_eq!(problems, ["$: there is no JSON result"]);
    }

    #[test]
    fn a_result_file_that_is_a_link_or_a_pipe_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "{\"name\": \"x\", \"tags\": []}").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert!(from_file(&secret).is_some());
        assert!(from_file(&link).is_none());
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(from_file(&pipe).is_none());
    }

    #[test]
    fn the_instructions_hold_the_schema_and_no_path() {
        let text = instructions(&json!({"type": "object"}));
        assert!(text.contains("\"type\": \"object\"") && text.contains("DYNWF_RESULT_FILE"));
    }
}
