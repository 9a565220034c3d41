//! Plans: reading, checking, ordering, writing and reusing them.

mod json;
mod meet;
pub mod order;
pub mod parse;
pub mod schema;
pub mod validate;
