//! Which schemas the clients' own flags take: each service knows a part of JSON Schema, and refuses the rest.
//!
//! A flag is a help, never the judge ([`super::schema`] is): what a flag does not take is left out of it, or the
//! whole schema is asked for in words alone. Called by the adapters.

use serde_json::{Map, Value};

/// Whether a service with strict schemas takes this one: every object lists all its properties as required
/// and allows no others, and only plain keywords are used. Others are asked for in words.
pub(super) fn is_strict(schema: &Value) -> bool {
    schema["type"] == "object" && strict(schema)
}

fn strict(schema: &Value) -> bool {
    const PLAIN: [&str; 23] = [
        "$defs",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "definitions",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    ];
    let Some(keywords) = schema.as_object() else {
        return false;
    };
    if !keywords
        .keys()
        .all(|keyword| PLAIN.contains(&keyword.as_str()))
    {
        return false;
    }
    let below = ["properties", "$defs", "definitions"];
    let named = below.iter().filter_map(|key| schema[*key].as_object());
    named.flat_map(serde_json::Map::values).all(strict)
        && schema.get("items").is_none_or(strict)
        && schema["anyOf"]
            .as_array()
            .is_none_or(|any| any.iter().all(strict))
        && closed(schema)
}

fn closed(schema: &Value) -> bool {
    let types = &schema["type"];
    let is_object = types == "object"
        || types
            .as_array()
            .is_some_and(|types| types.iter().any(|kind| kind == "object"))
        || schema.get("properties").is_some();
    if !is_object {
        return true;
    }
    let required = schema["required"].as_array();
    let properties = schema["properties"].as_object();
    schema["additionalProperties"] == false
        && properties.is_some_and(|properties| {
            properties.keys().all(|name| {
                required.is_some_and(|required| required.iter().any(|given| given == name))
            })
        })
}

/// Returns the schema as a validator of draft 7 takes it that refuses words it does not know: without them, and
/// without what only speaks of other drafts. Nothing where too little would be left, or where the result would not
/// be what a tool may take: an object, and no choice between objects.
pub(super) fn of_draft_7(schema: &Value) -> Option<Value> {
    const CHOICES: [&str; 3] = ["allOf", "anyOf", "oneOf"];
    let plain = plain(schema)?;
    let is_tool = plain["type"] == "object" && CHOICES.iter().all(|key| plain.get(key).is_none());
    is_tool.then_some(plain)
}

/// What draft 7 knows of one schema and of those in it; nothing if what it does not know carries the meaning.
fn plain(schema: &Value) -> Option<Value> {
    const LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
    const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];
    const SCHEMAS: [&str; 5] = [
        "items",
        "additionalProperties",
        "contains",
        "propertyNames",
        "not",
    ];
    const VALUES: [&str; 23] = [
        "$ref",
        "const",
        "default",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "required",
        "title",
        "type",
        "uniqueItems",
    ];
    // References that would lead nowhere, and rules whose halves the strict validator wants in its own way.
    const TOO_MUCH: [&str; 8] = [
        "$anchor",
        "$dynamicRef",
        "$id",
        "$recursiveRef",
        "additionalItems",
        "dependencies",
        "if",
        "patternProperties",
    ];
    let Some(keywords) = schema.as_object() else {
        return schema.is_boolean().then(|| schema.clone());
    };
    let mut kept = Map::new();
    for (keyword, value) in keywords {
        let word = keyword.as_str();
        let value = if TOO_MUCH.contains(&word) {
            return None;
        } else if VALUES.contains(&word) {
            value.clone()
        } else if SCHEMAS.contains(&word) {
            plain(value)?
        } else if MAPS.contains(&word) {
            let named = value.as_object()?.iter();
            let named = named.map(|(name, schema)| Some((name.clone(), plain(schema)?)));
            Value::Object(named.collect::<Option<_>>()?)
        } else if LISTS.contains(&word) {
            Value::Array(value.as_array()?.iter().map(plain).collect::<Option<_>>()?)
        } else {
            continue;
        };
        kept.insert(keyword.clone(), value);
    }
    Some(Value::Object(kept))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strict_means_closed_objects_and_plain_words() {
        let closed = json!({"type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "array", "items": {"type": "string"}}}});
        assert!(is_strict(&closed));
        for (pointer, value) in [
            ("/required", json!([])),
            ("/additionalProperties", json!(true)),
            ("/properties/a/items", json!({"type": "object"})),
            ("/properties/a/items", json!({"oneOf": []})),
        ] {
            let mut open = closed.clone();
            *open.pointer_mut(pointer).unwrap() = value;
            assert!(!is_strict(&open), "{open}");
        }
        assert!(!is_strict(&json!({"type": "array"})));
    }

    #[test]
    fn draft_7_is_what_is_left_without_foreign_words() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "version": 1, "type": "object",
            "properties": {"version": {"$ref": "#/$defs/number"}, "any": true},
            "unevaluatedProperties": false,
            "$defs": {"number": {"anyOf": [{"type": "integer", "format": "uint32", "x-unit": "s"}]}}
        });
        let left = json!({
            "type": "object",
            "properties": {"version": {"$ref": "#/$defs/number"}, "any": true},
            "$defs": {"number": {"anyOf": [{"type": "integer", "format": "uint32"}]}}
        });
        assert_eq!(of_draft_7(&schema), Some(left));
        for unfit in [
            json!({"type": "array"}),
            json!({"properties": {}}),
            json!({"type": "object", "oneOf": [{}]}),
            json!({"type": "object", "properties": {"a": {"$dynamicRef": "#x"}}}),
        ] {
            assert_eq!(of_draft_7(&unfit), None, "{unfit}");
        }
    }
}
