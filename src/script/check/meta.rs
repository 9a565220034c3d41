//! The header of a script: `export const meta = {…}`, a literal that is read without running anything.

use oxc_ast::ast::{
    ArrayExpressionElement, BindingPattern, Declaration, Expression, ObjectExpression,
    ObjectPropertyKind, Program, PropertyKey, PropertyKind, Statement, UnaryOperator,
    VariableDeclarationKind,
};
use oxc_span::{GetSpan as _, Span};
use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::problem::{Problem, Text};

/// What a script says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// One line.
    pub description: String,
    /// When it is the right one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_to_use: Option<String>,
    /// The phases that it means to go through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<MetaPhase>,
    /// The JSON Schema of its arguments, if it declares them so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    /// Whatever else stands there.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A phase that a script means to go through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MetaPhase {
    /// What `phase()` is called with.
    pub title: String,
    /// What happens in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The model that it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

const HELP: &str =
    "begin with: export const meta = { name: 'my-workflow', description: 'what it does' }";

const WHY: &str = "meta is read without running the script: write the value itself";

/// How deep a header may be nested.
const DEEPEST: usize = 64;

/// Reads the header, and where its word `export` is.
pub(super) fn read(text: &Text<'_>, program: &Program<'_>) -> Result<(Meta, usize), Vec<Problem>> {
    let one = |problem| vec![problem];
    let first_must = "`export const meta = { name, description }` must be the first statement";
    if let Some(directive) = program.directives.first() {
        return Err(one(text.error(directive.span, first_must, Some(HELP))));
    }
    let Some(first) = program.body.first() else {
        return Err(one(text.error(Span::new(0, 0), first_must, Some(HELP))));
    };
    let Statement::ExportDeclaration(export) = first else {
        return Err(one(text.error(first.span(), first_must, Some(HELP))));
    };
    let Declaration::VariableDeclaration(declaration) = &export.declaration else {
        return Err(one(text.error(
            export.span,
            "the first export must be `export const meta = …`",
            Some(HELP),
        )));
    };
    if declaration.kind != VariableDeclarationKind::Const {
        return Err(one(text.error(
            declaration.span,
            "meta must be a `const`",
            Some(HELP),
        )));
    }
    let [declarator] = declaration.declarations.as_slice() else {
        return Err(one(text.error(
            declaration.span,
            "the first export must declare `meta` alone",
            None,
        )));
    };
    match &declarator.id {
        BindingPattern::BindingIdentifier(name) if name.name == "meta" => {}
        other => {
            return Err(one(text.error(
                other.span(),
                "the first export must be called `meta`",
                Some(HELP),
            )));
        }
    }
    let Some(init) = &declarator.init else {
        return Err(one(text.error(
            declarator.span,
            "meta has no value",
            Some(HELP),
        )));
    };
    let value = literal(text, init, "meta", 0).map_err(one)?;
    let meta = meta(text, init, value)?;
    Ok((meta, export.span.start as usize))
}

/// The value of a literal.
fn literal(
    text: &Text<'_>,
    node: &Expression<'_>,
    path: &str,
    depth: usize,
) -> Result<Value, Problem> {
    let refuse = |span: Span, what: &str| text.error(span, format!("{what} in {path}"), Some(WHY));
    if depth > DEEPEST {
        return Err(refuse(node.span(), "this is nested too deeply"));
    }
    match node {
        Expression::StringLiteral(string) => Ok(Value::String(string.value.to_string())),
        Expression::BooleanLiteral(boolean) => Ok(Value::Bool(boolean.value)),
        Expression::NullLiteral(_) => Ok(Value::Null),
        Expression::NumericLiteral(number) => Ok(json_number(number.value)),
        Expression::UnaryExpression(unary) => match (&unary.operator, &unary.argument) {
            (UnaryOperator::UnaryNegation, Expression::NumericLiteral(number)) => {
                Ok(json_number(-number.value))
            }
            _ => Err(refuse(
                unary.span,
                "only a minus before a number is allowed",
            )),
        },
        Expression::TemplateLiteral(template) => {
            if !template.expressions.is_empty() {
                return Err(refuse(template.span, "`${…}` is not allowed"));
            }
            let parts = template.quasis.iter().map(|quasi| {
                let cooked = quasi.value.cooked.as_ref();
                cooked.unwrap_or(&quasi.value.raw).as_str()
            });
            Ok(Value::String(parts.collect()))
        }
        Expression::ArrayExpression(array) => {
            let mut values = Vec::with_capacity(array.elements.len());
            for (index, element) in array.elements.iter().enumerate() {
                let inner = match element {
                    ArrayExpressionElement::SpreadElement(spread) => {
                        return Err(refuse(spread.span, "a spread is not allowed"));
                    }
                    ArrayExpressionElement::Elision(hole) => {
                        return Err(refuse(hole.span, "a hole is not allowed"));
                    }
                    other => other.to_expression(),
                };
                values.push(literal(
                    text,
                    inner,
                    &format!("{path}[{index}]"),
                    depth + 1,
                )?);
            }
            Ok(Value::Array(values))
        }
        Expression::ObjectExpression(object) => object_literal(text, object, path, depth),
        other => Err(refuse(other.span(), "only literals are allowed")),
    }
}

/// The value of an object literal.
fn object_literal(
    text: &Text<'_>,
    object: &ObjectExpression<'_>,
    path: &str,
    depth: usize,
) -> Result<Value, Problem> {
    let refuse = |span: Span, what: &str| text.error(span, format!("{what} in {path}"), Some(WHY));
    let mut fields = Map::new();
    for property in &object.properties {
        let property = match property {
            ObjectPropertyKind::ObjectProperty(property) => property,
            ObjectPropertyKind::SpreadProperty(spread) => {
                return Err(refuse(spread.span, "a spread is not allowed"));
            }
        };
        if property.computed {
            return Err(refuse(property.key.span(), "a computed key is not allowed"));
        }
        if property.kind != PropertyKind::Init || property.method {
            return Err(refuse(property.span, "a method or accessor is not allowed"));
        }
        let name = match &property.key {
            PropertyKey::StaticIdentifier(name) => name.name.to_string(),
            PropertyKey::StringLiteral(name) => name.value.to_string(),
            PropertyKey::NumericLiteral(name) => json_number(name.value).to_string(),
            other => return Err(refuse(other.span(), "this key is not allowed")),
        };
        if matches!(name.as_str(), "__proto__" | "constructor" | "prototype") {
            return Err(refuse(
                property.key.span(),
                "this reserved name is not allowed",
            ));
        }
        let value = literal(text, &property.value, &format!("{path}.{name}"), depth + 1)?;
        fields.insert(name, value);
    }
    Ok(Value::Object(fields))
}

fn json_number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT && !(value == 0.0 && value.is_sign_negative()) {
        // The guard keeps this exact.
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// The fields that are known, checked.
fn meta(text: &Text<'_>, node: &Expression<'_>, value: Value) -> Result<Meta, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        problems.push(text.error(field_span(node, field), message, None));
    };
    let Value::Object(mut fields) = value else {
        return Err(vec![text.error(
            node.span(),
            "meta must be an object",
            Some(HELP),
        )]);
    };
    let mut required = |fields: &mut Map<String, Value>, field: &str| match fields.remove(field) {
        Some(Value::String(string)) if !string.trim().is_empty() => string,
        _ => {
            wrong(field, &format!("meta.{field} must be a non-empty string"));
            String::new()
        }
    };
    let mut meta = Meta {
        name: required(&mut fields, "name"),
        description: required(&mut fields, "description"),
        ..Meta::default()
    };
    match fields.remove("whenToUse") {
        None => {}
        Some(Value::String(string)) => meta.when_to_use = Some(string),
        Some(_) => wrong("whenToUse", "meta.whenToUse must be a string"),
    }
    match fields.remove("phases") {
        None => {}
        Some(Value::Array(phases)) => {
            for phase in phases {
                let Some(phase) = read_phase(&phase) else {
                    wrong(
                        "phases",
                        "each of meta.phases must have a title, which is a string",
                    );
                    break;
                };
                meta.phases.push(phase);
            }
        }
        Some(_) => wrong("phases", "meta.phases must be an array"),
    }
    if let Some(args) = fields.get("args").filter(|args| is_schema(args)).cloned() {
        match crate::script::schema::usable(&args) {
            Ok(()) => {
                fields.remove("args");
                meta.args = Some(args);
            }
            Err(why) => wrong("args", &format!("meta.args: {why}")),
        }
    }
    meta.more = fields;
    if problems.is_empty() {
        Ok(meta)
    } else {
        Err(problems)
    }
}

/// Whether `meta.args` declares arguments; other hosts take anything there, and so do we.
fn is_schema(args: &Value) -> bool {
    args.get("properties").is_some_and(Value::is_object)
}

fn read_phase(phase: &Value) -> Option<MetaPhase> {
    let string = |field: &str| phase.get(field).and_then(Value::as_str).map(str::to_owned);
    Some(MetaPhase {
        title: string("title")?,
        detail: string("detail"),
        model: string("model"),
    })
}

/// Where a field of the header is; the whole header for a field that is missing.
fn field_span(node: &Expression<'_>, field: &str) -> Span {
    let Expression::ObjectExpression(object) = node else {
        return node.span();
    };
    let found = object
        .properties
        .iter()
        .find_map(|property| match property {
            ObjectPropertyKind::ObjectProperty(property)
                if property.key.static_name().as_deref() == Some(field) =>
            {
                Some(property.value.span())
            }
            _ => None,
        });
    found.unwrap_or_else(|| node.span())
}
