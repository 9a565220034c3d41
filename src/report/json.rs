//! What tools read: the same views as JSON, one document with a newline at its end.
//!
//! Called by `cli` for `--json`.

use serde::Serialize;

use super::list::Summary;
use super::view::StatusView;

/// `dynwf status SLUG --json`.
pub fn status(view: &StatusView) -> String {
    document(view)
}

/// `dynwf status --json`: `{"workflows": […]}`.
pub fn list(workflows: &[Summary]) -> String {
    #[derive(Serialize)]
    struct All<'a> {
        workflows: &'a [Summary],
    }
    document(&All { workflows })
}

/// `dynwf gates --json`: `{"slug", "gates": […]}` for one workflow; the fields are those of the status.
pub fn gates(view: &StatusView) -> String {
    document(&serde_json::json!({ "slug": view.slug, "gates": view.gates }))
}

/// Any value that is made for it.
pub fn document<T: Serialize>(value: &T) -> String {
    // Views hold no maps with odd keys and no failing types, so that this cannot fail; if it ever did, the
    // reader would see why instead of half a document.
    let mut text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| format!("{{\"error\": {:?}}}", error.to_string()));
    text.push('\n');
    text
}
