//! The published JSON Schema of a plan: what `dynwf plan --schema` prints and planner agents get as their
//! output schema.
//!
//! It comes from the types of [`crate::model::plan`]; `docs/plan.schema.json` is the same text, committed, and
//! a test holds the two together.

use serde_json::Value;

use crate::model::plan::Plan;

/// The version of the plan's form. Fields are only ever added; a reader of version 1 reads every later plan
/// that uses none of them.
pub const VERSION: u32 = 1;

/// Returns the schema.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Plan);
    schema.insert("title".to_owned(), "dynwf plan".into());
    schema.insert("version".to_owned(), VERSION.into());
    schema.to_value()
}

/// Returns the schema as the text of a file.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        assert_eq!(
            include_str!("../../docs/plan.schema.json"),
            text(),
            "the types have changed: dynwf plan --schema > docs/plan.schema.json"
        );
    }

    #[test]
    fn every_field_is_described_and_what_is_required_is_marked() {
        let schema = schema();
        assert_eq!(schema["required"], serde_json::json!(["goal"]));
        assert_eq!(schema["additionalProperties"], serde_json::json!(false));
        let packet = &schema["$defs"]["Packet"];
        assert_eq!(packet["required"], serde_json::json!(["id", "objective"]));
        for table in [&schema, packet] {
            let fields = table["properties"].as_object().expect("properties");
            for (name, field) in fields {
                assert!(
                    field["description"].is_string(),
                    "{name} has no description"
                );
            }
        }
    }
}
