//! The arguments of a script: what its header declares, filled with the defaults and checked before it starts.

use serde_json::Value;

use super::check::Meta;
use super::schema;

/// Returns the arguments that a script starts with, as JSON; `given` is what the caller has, `None` for nothing.
///
/// A script that declares no arguments gets what was given. One that does (`meta.args`, a JSON Schema with
/// `properties`) gets an object in which missing properties have their `default`.
///
/// # Errors
/// What is wrong with them, one line each.
pub fn prepare(meta: &Meta, given: Option<&str>) -> Result<Option<String>, Vec<String>> {
    let value: Option<Value> = given
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| vec![format!("args: not JSON: {error}")])?;
    let Some(declared) = &meta.args else {
        return Ok(given.map(str::to_owned));
    };
    let mut value = value.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if let (Value::Object(fields), Some(Value::Object(properties))) =
        (&mut value, declared.get("properties"))
    {
        for (name, property) in properties {
            if let Some(default) = property.get("default") {
                fields
                    .entry(name.clone())
                    .or_insert_with(|| default.clone());
            }
        }
    }
    let problems = schema::problems(declared, &value).unwrap_or_else(|why| vec![why]);
    if problems.is_empty() {
        Ok(Some(value.to_string()))
    } else {
        Err(problems)
    }
}

/// The arguments that a header declares, for people: name, what it is, its default, whether it must be given.
pub fn declared(meta: &Meta) -> Vec<Argument> {
    let Some(args) = &meta.args else {
        return Vec::new();
    };
    let required = |name: &str| {
        let list = args.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one == name))
    };
    let properties = args.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| Argument {
            name: name.clone(),
            description: property
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            default: property.get("default").map(ToString::to_string),
            required: required(name),
        })
        .collect()
}

/// One declared argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// One line, empty if the header has none.
    pub description: String,
    /// Its default, as JSON.
    pub default: Option<String>,
    /// Whether a run without it is refused.
    pub required: bool,
}
