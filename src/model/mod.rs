//! The nouns of dynwf and their rules: plain data, serde, no input or output.
//!
//! Invariants: nothing here reads a file, a clock, an environment variable or a repository. [`state::RunState`]
//! changes only through [`state::RunState::apply`]. What is stored in a journal ([`event::EventKind`] and all
//! it holds) only ever gains optional fields. Every other module may use this one; it uses only `error`.

pub mod carve;
pub mod event;
mod event_name;
pub mod evidence;
pub mod gate;
pub mod hex;
pub mod id;
pub mod op;
pub mod packet;
pub mod path;
pub mod plan;
pub mod proof;
pub mod radar;
pub mod reference;
pub mod request;
pub mod scope;
pub mod script;
pub mod spent;
pub mod state;
pub mod status;
pub mod unit;
