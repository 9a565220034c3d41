//! Recipes: reusable plan shapes, distilled from a finished workflow and committed in `.workflow/recipes/`.
//!
//! A recipe is TOML: a front (name, description, trigger, parameters, known risks, verification) and a plan
//! whose texts may hold `{{parameter}}`. It never holds what a worker said, and nothing that looks like a
//! secret: a plan that has such a text cannot become a recipe.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::toml_text::{Writer, toml_text_below};
use crate::config::document::{Document, Node};
use crate::config::problem::{Problem, failure, suggestion};
use crate::config::shape;
use crate::error::Failure;
use crate::model::id::{PacketId, Slug};
use crate::model::plan::Plan;

/// Where recipes are kept, below the top of the main work tree: `<name>.toml` each.
pub const FOLDER: &str = ".workflow/recipes";

/// A reusable plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name: the name of its file without the ending.
    #[schemars(with = "String")]
    pub name: Slug,
    /// What it does, in a sentence.
    pub description: String,
    /// When to use it.
    #[serde(default)]
    pub trigger: String,
    /// What could go wrong, as earlier workflows showed.
    #[serde(default)]
    pub known_risks: Vec<String>,
    /// What to look at before the result counts.
    #[serde(default)]
    pub verification: Vec<String>,
    /// What must be given when it is used.
    #[serde(default, rename = "parameter")]
    pub parameters: Vec<Parameter>,
    /// The plan, with placeholders.
    pub plan: Plan,
}

/// Something that is given when a recipe is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name: a-z, 0-9, `-` and `_`; `{{name}}` in a text of the plan stands for its value.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub what: String,
    /// Its value where none is given; a parameter without one must be given.
    #[serde(default)]
    pub default: Option<String>,
}

/// What is learned from a finished workflow.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The packets that did not make it into the result: they are left out.
    pub left_out: Vec<PacketId>,
    /// What went wrong or nearly did, a line each: conflicts, failed checks, gates that asked.
    pub lessons: Vec<String>,
}

/// Distils a recipe from a finished workflow: its plan without base, target and what was left out, with the
/// goal as a parameter.
///
/// # Errors
/// A usage failure that names the texts that look like a secret.
pub fn from_finished(name: &Slug, plan: &Plan, outcome: &Outcome) -> Result<Recipe> {
    let mut shape = plan.clone();
    shape.base = None;
    shape.integration.target = None;
    let gone = |id: &PacketId| outcome.left_out.contains(id);
    shape.packets.retain(|packet| !gone(&packet.id));
    for packet in &mut shape.packets {
        packet.after.retain(|id| !gone(id));
    }
    let lost: Vec<String> = outcome
        .left_out
        .iter()
        .map(|id| format!("packet:{id}"))
        .collect();
    shape.gates.retain(|gate| !lost.contains(&gate.before));
    let taken = placeholders(plan)?;
    let goal = if taken.contains("goal") {
        "the-goal"
    } else {
        "goal"
    };
    shape.goal = format!("{{{{{goal}}}}}");
    let mut known_risks: Vec<String> = plan.risks.iter().map(|risk| risk.what.clone()).collect();
    known_risks.extend(outcome.lessons.iter().cloned());
    let mut verification = plan.success.clone();
    verification.extend(
        plan.checks
            .iter()
            .map(|check| format!("{}: {}", check.name, check.run)),
    );
    let mut parameters = vec![Parameter {
        name: goal.to_owned(),
        what: "what the whole change achieves".to_owned(),
        default: Some(plan.goal.clone()),
    }];
    // What looks like a placeholder and is none (a template in a command) stands for itself.
    parameters.extend(taken.into_iter().map(|name| Parameter {
        what: "a text of the plan as it was".to_owned(),
        default: Some(format!("{{{{{name}}}}}")),
        name,
    }));
    let recipe = Recipe {
        name: name.clone(),
        description: plan.goal.clone(),
        trigger: String::new(),
        known_risks,
        verification,
        parameters,
        plan: shape,
    };
    refuse_secrets(&recipe)?;
    Ok(recipe)
}

/// Returns the recipe as the text of its file.
pub fn to_text(recipe: &Recipe) -> String {
    let mut out = Writer::new("");
    out.always("name", recipe.name.as_str());
    out.always("description", &recipe.description);
    out.words("trigger", &recipe.trigger);
    out.list("known_risks", &recipe.known_risks);
    out.list("verification", &recipe.verification);
    for parameter in &recipe.parameters {
        out.item("parameter");
        out.always("name", &parameter.name);
        out.words("what", &parameter.what);
        out.maybe("default", parameter.default.as_deref());
    }
    out.text.push('\n');
    out.text + &toml_text_below(&recipe.plan, "plan")
}

/// Reads the text of a recipe's file.
///
/// # Errors
/// A usage failure with every problem and its place: syntax, shape, bad names, placeholders of no parameter.
pub fn parse(text: &str, label: &str) -> Result<Recipe> {
    super::parse::refuse_large(text.len(), label)?;
    let doc = Document::of_toml(label, text).map_err(failure)?;
    let schema = schemars::schema_for!(Recipe).to_value();
    let mut problems = shape::check(&doc, &schema);
    if let Some(name) = doc.root.get("name")
        && let Some(Err(bad)) = name.text().map(str::parse::<Slug>)
    {
        problems.push(doc.source.problem(name.at, bad.to_string()));
    }
    if let Some(plan) = doc.root.get("plan") {
        problems.extend(super::parse::bad_ids(&doc.source, plan));
    }
    let parameters = doc.root.get("parameter").map_or(&[][..], Node::items);
    let mut names = BTreeSet::new();
    for node in parameters
        .iter()
        .filter_map(|parameter| parameter.get("name"))
    {
        let name = node.text().unwrap_or_default();
        if !is_name(name) {
            let message = format!("`{name}` is no parameter name: a-z, 0-9, `-` and `_`");
            problems.push(doc.source.problem(node.at, message));
        } else if !names.insert(name) {
            let message = format!("two parameters are called `{name}`");
            problems.push(doc.source.problem(node.at, message));
        }
    }
    if !problems.is_empty() {
        return Err(failure(problems));
    }
    let whole =
        |error: serde_json::Error| failure(vec![Problem::of_file(label, error.to_string())]);
    let recipe: Recipe = serde_json::from_value(doc.root.value()).map_err(whole)?;
    let unknown = placeholders(&recipe.plan)?;
    let unknown = unknown.iter().filter(|name| !names.contains(name.as_str()));
    let known: Vec<&str> = names.iter().copied().collect();
    let problems: Vec<Problem> = unknown
        .map(|name| {
            let near = suggestion(name, &known);
            let at = doc
                .source
                .text()
                .find(&format!("{{{{{name}}}}}"))
                .unwrap_or(0);
            doc.source
                .problem(at, format!("no parameter is called `{name}`{near}"))
        })
        .collect();
    if problems.is_empty() {
        Ok(recipe)
    } else {
        Err(failure(problems))
    }
}

/// Returns the plan with every placeholder filled in.
///
/// # Errors
/// A usage failure that lists the parameters that are unknown or missing.
pub fn instantiate(recipe: &Recipe, given: &BTreeMap<String, String>) -> Result<Plan> {
    let names: Vec<&str> = recipe
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    let mut wrong = Vec::new();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        wrong.push(format!(
            "no parameter is called `{name}`{}",
            suggestion(name, &names)
        ));
    }
    let mut values: BTreeMap<&str, &str> = BTreeMap::new();
    for parameter in &recipe.parameters {
        if let Some(value) = given.get(&parameter.name).or(parameter.default.as_ref()) {
            values.insert(&parameter.name, value);
        } else {
            let what = Some(parameter.what.trim()).filter(|what| !what.is_empty());
            let what = what.map_or(String::new(), |what| format!(" ({what})"));
            wrong.push(format!(
                "the parameter `{}`{what} is missing",
                parameter.name
            ));
        }
    }
    if !wrong.is_empty() {
        let message = format!(
            "the recipe {} cannot be used: {}",
            recipe.name,
            wrong.join("; ")
        );
        let hint = format!("dynwf recipe show {}", recipe.name);
        return Err(Failure::usage(message).hint(hint).into());
    }
    let mut plan = serde_json::to_value(&recipe.plan)?;
    each_text(&mut plan, &mut |text| *text = filled(text, &values));
    Ok(serde_json::from_value(plan)?)
}

/// Replaces every placeholder once: what a value brings along is not looked at again.
fn filled(text: &str, values: &BTreeMap<&str, &str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let placeholder = after
            .split_once("}}")
            .and_then(|(name, tail)| Some((values.get(name)?, tail)));
        if let Some((value, tail)) = placeholder {
            out.push_str(value);
            rest = tail;
        } else {
            out.push_str("{{");
            rest = after;
        }
    }
    out + rest
}

/// Returns the names in `{{…}}` of all texts of a plan, as far as they could be parameter names.
fn placeholders(plan: &Plan) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut value = serde_json::to_value(plan)?;
    each_text(&mut value, &mut |text| {
        for part in text.split("{{").skip(1) {
            if let Some((name, _)) = part.split_once("}}")
                && is_name(name)
            {
                found.insert(name.to_owned());
            }
        }
    });
    Ok(found)
}

fn each_text(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(map) => map.values_mut().for_each(|item| each_text(item, change)),
        _ => {}
    }
}

fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(good)
}

fn refuse_secrets(recipe: &Recipe) -> Result<()> {
    let mut value = serde_json::to_value(recipe)?;
    let mut found = Vec::new();
    each_text(&mut value, &mut |text| {
        if let Some(start) = secret_start(text) {
            found.push(start);
        }
    });
    if found.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the plan holds what looks like a secret and cannot become a recipe: a text with `{}…`",
        found.join("…`, `")
    );
    Err(Failure::usage(message)
        .hint("take it out of the plan and pass it in the environment: [agents.NAME] pass_env")
        .into())
}

/// Returns the beginning of what looks like a secret: enough to find it, too little to use it.
fn secret_start(text: &str) -> Option<&'static str> {
    /// Beginnings, and how many more letters and digits make it a secret.
    const KNOWN: [(&str, usize); 10] = [
        ("-----BEGIN ", 3),
        ("AKIA", 16),
        ("ghp_", 20),
        ("gho_", 20),
        ("github_pat_", 20),
        ("glpat-", 16),
        ("xoxb-", 10),
        ("xoxp-", 10),
        ("sk-", 20),
        ("AIza", 30),
    ];
    let long = |rest: &str| {
        let part = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
        rest.chars().take_while(part).count()
    };
    let starts = |(start, least): &(&'static str, usize)| {
        text.match_indices(start).any(|(at, _)| {
            let alone = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            alone && long(&text[at + start.len()..]) >= *least
        })
    };
    KNOWN
        .iter()
        .find(|known| starts(known))
        .map(|(start, _)| *start)
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
