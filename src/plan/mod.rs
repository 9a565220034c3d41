//! Plans: reading, checking, ordering, writing and reusing them.

pub mod amend;
mod json;
mod meet;
pub mod order;
pub mod parse;
pub mod schema;
pub mod toml_text;
pub mod validate;
