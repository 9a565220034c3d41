//! Reads a plan that a person or a planner agent wrote: `plan.toml` or its JSON form.
//!
//! Every problem that can be told without looking around (syntax, unknown keys, wrong types, bad ids) is
//! reported here, all at once and each with its place. Rules between fields are `plan::validate`'s, which
//! finds places through [`Places`].

use anyhow::Result;

use crate::config::document::{Content, Document, Node};
use crate::config::problem::{Problem, Source, failure};
use crate::config::shape;
use crate::model::id::PacketId;
use crate::model::plan::Plan;

/// How many bytes a plan may have.
pub const MAX_BYTES: usize = 1 << 20;

/// Where each value of a plan stands in its text. Empty for a plan that was not read from a text.
#[derive(Clone, Debug, Default)]
pub struct Places {
    doc: Option<Document>,
}

/// Reads a plan by the ending of its label: JSON if it ends in `.json`, else TOML.
///
/// # Errors
/// A usage failure with every problem: too large, not UTF-8, or as [`parse_toml`] and [`parse_json`] say.
pub fn parse(bytes: &[u8], label: &str) -> Result<(Plan, Places)> {
    refuse_large(bytes.len(), label)?;
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let source = Source::new(label, &good);
        failure(vec![
            source.problem(good.len(), "the file is not UTF-8 from here on"),
        ])
    })?;
    if is_json(bytes, label) {
        parse_json(text, label)
    } else {
        parse_toml(text, label)
    }
}

/// Whether a plan is to be read as JSON: its name says so, or it begins with a brace, which TOML cannot.
pub fn is_json(bytes: &[u8], label: &str) -> bool {
    let ending = std::path::Path::new(label).extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
        || bytes.trim_ascii_start().first() == Some(&b'{')
}

/// Reads a plan in TOML.
///
/// # Errors
/// A usage failure with every problem as `label:line:column: message`, the source line and a caret.
pub fn parse_toml(text: &str, label: &str) -> Result<(Plan, Places)> {
    refuse_large(text.len(), label)?;
    plan_of(Document::of_toml(label, text).map_err(failure)?)
}

/// Reads a plan in JSON; `null` counts as an absent key.
///
/// # Errors
/// As [`parse_toml`], but only the first syntax error.
pub fn parse_json(text: &str, label: &str) -> Result<(Plan, Places)> {
    refuse_large(text.len(), label)?;
    plan_of(super::json::read(label, text).map_err(failure)?)
}

pub(super) fn refuse_large(bytes: usize, label: &str) -> Result<()> {
    if bytes > MAX_BYTES {
        let message = format!(
            "the plan has {bytes} bytes and may have at most {MAX_BYTES}: split it into several workflows, or move \
             long context into files that `sources` names"
        );
        return Err(failure(vec![Problem::of_file(label, message)]));
    }
    Ok(())
}

fn plan_of(doc: Document) -> Result<(Plan, Places)> {
    let mut problems = shape::check(&doc, &super::schema::schema());
    problems.extend(bad_ids(&doc.source, &doc.root));
    if !problems.is_empty() {
        return Err(failure(problems));
    }
    let places = |doc| Places { doc: Some(doc) };
    match serde_json::from_value(doc.root.value()) {
        Ok(plan) => Ok((plan, places(doc))),
        // The check of shapes has missed something: still bad input, still with its file.
        Err(error) => Err(failure(vec![doc.source.problem(0, error.to_string())])),
    }
}

/// Returns a problem for each bad packet id below a plan's node.
pub(super) fn bad_ids(source: &Source, plan: &Node) -> Vec<Problem> {
    let packets = plan.get("packet").map_or(&[][..], Node::items);
    let ids = packets.iter().flat_map(|packet| {
        let after = packet.get("after").map_or(&[][..], Node::items);
        packet.get("id").into_iter().chain(after)
    });
    ids.filter_map(|node| {
        let bad = node.text()?.parse::<PacketId>().err()?;
        Some(source.problem(node.at, bad.to_string()))
    })
    .collect()
}

impl Places {
    /// Returns a problem at a path of the plan, such as `packet[3].scope[1]`; where the text has no such
    /// value, at the nearest one above it.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        match &self.doc {
            Some(doc) => doc.source.problem(self.find(path).0, message),
            None => Problem::of_file("the plan", message),
        }
    }

    /// Whether the text gives a value at this path, rather than leaving it to its default.
    pub fn given(&self, path: &str) -> bool {
        self.doc.is_some() && self.find(path).1
    }

    /// Returns the line of a path, from 1, where the text has it.
    pub fn line(&self, path: &str) -> Option<usize> {
        let doc = self.doc.as_ref()?;
        let (at, exact) = self.find(path);
        exact.then(|| doc.source.place(at).line)
    }

    /// Returns the offset of the path, or of the nearest value above it, and whether it is the path's own.
    fn find(&self, path: &str) -> (usize, bool) {
        let Some(doc) = &self.doc else {
            return (0, false);
        };
        let mut node = &doc.root;
        for step in path.split(['.', '[']) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|i: usize| node.items().get(i)),
                None => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => return (node.at, false),
            }
        }
        (node.at, !matches!(node.content, Content::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ExitCode, code_of};

    const GOOD: &str = "goal = \"g\"\n[integration]\ntarget = \"main\"\n[[packet]]\nid = \"01-a\"\nobjective = \"o\"\n\
                        scope = [\"a/**\",\n  \"b\"]\nrun = \"true\"\n";

    fn refusal(text: &str) -> String {
        let error = parse_toml(text, "plan.toml").expect_err("must be refused");
        assert_eq!(code_of(&error), ExitCode::Usage);
        error.to_string()
    }

    #[test]
    fn toml_and_json_give_the_same_plan_and_places() {
        let (plan, places) = parse_toml(GOOD, "plan.toml").expect("good");
        assert_eq!(plan.packets[0].scope, ["a/**", "b"]);
        let problem = places.problem("packet[0].scope[1]", "bad");
        assert!(
            problem.to_string().starts_with("plan.toml:8:3: bad\n"),
            "{problem}"
        );
        let above = places.problem("packet[0].owner", "x");
        assert!(above.to_string().starts_with("plan.toml:4:1: "), "{above}");
        assert!(places.given("integration.target") && !places.given("integration.strategy"));
        assert_eq!(places.line("packet[0].id"), Some(5));

        let json = serde_json::to_string_pretty(&plan).expect("serialises");
        let (same, places) = parse_json(&json, "plan.json").expect("good");
        assert_eq!(same, plan);
        assert!(places.given("packet[0].scope[1]"));
        assert_eq!(
            parse(json.as_bytes(), "x/PLAN.JSON").expect("by ending").0,
            plan
        );
        assert_eq!(parse(GOOD.as_bytes(), "plan").expect("by ending").0, plan);
    }

    #[test]
    fn all_problems_of_shape_are_reported_at_once_with_their_places() {
        let text = refusal(
            "gaol = \"g\"\n[[packet]]\nid = \"Bad Id\"\nobjective = 3\nscopes = [\"a\"]\nafter = [\"x_y\"]\nkind = \"edits\"\n\
             turns = 0\n[integration]\noverlap = true\n[[packet]]\nid = \"integration\"\n",
        );
        for expected in [
            "plan.toml:1:1: `goal` is missing\n 1 | gaol = \"g\"\n   | ^",
            "plan.toml:1:1: unknown key `gaol`; did you mean `goal`?",
            "plan.toml:3:6: `Bad Id` is not a packet id",
            "plan.toml:4:13: `objective` must be text in quotes, not a whole number",
            "plan.toml:5:1: unknown key `scopes` in [packet]; did you mean `scope`?",
            "plan.toml:6:10: `x_y` is not a packet id",
            "plan.toml:7:8: `kind` must be one of edit, research, resolve, review, not `edits`; did you mean `edit`?",
            "plan.toml:8:9: `turns` must be at least 1",
            "plan.toml:10:11: `overlap` must be one of error, serialize, allow, not true or false",
            "plan.toml:11:1: `objective` is missing in [packet]",
            "plan.toml:12:6: `integration` is not a packet id",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn syntax_errors_name_line_and_column() {
        let text = refusal("goal = \"g\"\n[[packet]\nid = \"a\"\n");
        assert!(text.starts_with("plan.toml:2:"), "{text}");
        let error = parse_json("{\n \"goal\": }", "plan.json").expect_err("bad");
        assert!(
            error
                .to_string()
                .starts_with("plan.json:2:10: expected a value"),
            "{error}"
        );
    }

    #[test]
    fn a_byte_order_mark_is_accepted_and_other_bytes_are_refused_where_they_stand() {
        assert!(parse(format!("\u{feff}{GOOD}").as_bytes(), "plan.toml").is_ok());
        let error = parse(b"goal = \"g\"\n# \xff\n", "plan.toml").expect_err("bad");
        assert!(
            error
                .to_string()
                .starts_with("plan.toml:2:3: the file is not UTF-8"),
            "{error}"
        );
    }

    #[test]
    fn a_plan_of_five_megabytes_is_refused_before_it_is_read() {
        let large = vec![b'#'; 5 << 20];
        let error = parse(&large, "plan.toml").expect_err("large");
        assert_eq!(code_of(&error), ExitCode::Usage);
        assert!(
            error
                .to_string()
                .contains("5242880 bytes and may have at most 1048576"),
            "{error}"
        );
        let most = vec![b'#'; MAX_BYTES];
        let error = parse(&most, "plan.toml").expect_err("no goal");
        assert!(error.to_string().contains("`goal` is missing"), "{error}");
    }

    #[test]
    fn deep_nesting_is_an_error_like_any_other() {
        for text in [
            "a = ".to_owned() + &"[".repeat(200_000),
            "[a".to_owned() + &".a".repeat(200_000) + "]",
        ] {
            let text = refusal(&text);
            assert!(text.starts_with("plan.toml:1:"), "{}", &text[..200]);
        }
    }

    #[test]
    fn numbers_that_no_field_can_hold_are_refused() {
        for (line, expected) in [
            ("minutes = 4294967296", "at most 4294967295"),
            ("concurrency = 257", "at most 256"),
            ("tokens = -1", "at least 0"),
            (
                "tokens = 99999999999999999999",
                "at most 9223372036854775807",
            ),
            (
                "minutes = 1.5",
                "must be a whole number, not a number with a fraction",
            ),
            ("dollars = nan", "no usable number"),
            ("dollars = 1979-05-27", "must be a number, not a date"),
        ] {
            let text = refusal(&format!("goal = \"g\"\n[budget]\n{line}\n"));
            assert!(text.starts_with("plan.toml:3:"), "{text}");
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        let dollars = parse_toml("goal = \"g\"\n[budget]\ndollars = 5\n", "plan.toml")
            .expect("good")
            .0;
        assert_eq!(dollars.budget.dollars, Some(5.0));
    }
}
