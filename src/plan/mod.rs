//! Plans: reading, checking, ordering, writing and reusing them.
//!
//! The road of a plan: [`mod@parse`] reads what a person or a planner agent wrote and reports its shape,
//! [`mod@validate`] checks the rules against the repository's files and the known agents, [`order`] says who waits
//! for whom, [`render`] writes the pages that people and workers read. [`mod@toml_text`] writes plans that come from
//! elsewhere, [`recipe`] keeps their shape, [`amend`] says what a second version changes, [`triage`] whether a
//! task is worth a plan at all. All of that is pure: texts and values in, texts and values out. [`shard`] makes a plan of
//! the files of a commit, and [`mod@carve`] of a branch that is there; these two ask git.

pub mod amend;
pub mod carve;
mod json;
mod meet;
pub mod order;
pub mod parse;
pub mod recipe;
pub mod render;
pub mod schema;
pub mod shard;
pub mod toml_text;
pub mod triage;
pub mod validate;

pub use order::effective_after;
pub use parse::{Places, is_json, parse, parse_json, parse_toml};
pub use toml_text::toml_text;
pub use validate::{Report, Surroundings, validate};
