//! Whether a JSON Schema can be used at all: a script learns it at the call, not after the agent worked.
//!
//! Invariant: nothing is loaded; a `$ref` works within the schema alone. Called for every `schema` of a call and for
//! the arguments that a header declares.

use boon::{Compiler, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value;

/// The made-up address of the schema.
const ADDRESS: &str = "schema:///wanted.json";

/// Refuses every address.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("it refers to {url}, which is outside it").into())
    }
}

fn compiled(schema: &Value) -> Result<(Schemas, SchemaIndex), String> {
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(Nothing));
    let mut schemas = Schemas::new();
    let why = |error: boon::CompileError| {
        let text = format!("{error:#}").replace(ADDRESS, "");
        text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
    };
    compiler
        .add_resource(ADDRESS, schema.clone())
        .map_err(why)?;
    let index = compiler.compile(ADDRESS, &mut schemas).map_err(why)?;
    Ok((schemas, index))
}

/// Says why a schema cannot be used, if so.
pub(super) fn usable(schema: &Value) -> Result<(), String> {
    compiled(schema)
        .map(drop)
        .map_err(|why| format!("this JSON Schema cannot be used: {why}"))
}

/// Says what is wrong with a value, one line each.
pub(super) fn problems(schema: &Value, value: &Value) -> Result<Vec<String>, String> {
    let (schemas, index) = compiled(schema)?;
    let Err(error) = schemas.validate(value, index) else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    leaves(&error, &mut lines);
    lines.dedup();
    Ok(lines)
}

fn leaves(error: &boon::ValidationError<'_, '_>, lines: &mut Vec<String>) {
    if error.causes.is_empty() {
        let mut path = String::new();
        for token in &error.instance_location.tokens {
            path.push_str(&match token {
                boon::InstanceToken::Prop(name) => format!(".{name}"),
                boon::InstanceToken::Item(index) => format!("[{index}]"),
            });
        }
        lines.push(format!("args{path}: {}", error.kind));
    }
    for cause in &error.causes {
        leaves(cause, lines);
    }
}
