//! Dynamic workflow scripts in JavaScript: the contract, the check, the engine, and the rules of replay.
//!
//! A script is a literal header and a body that calls `agent()`, `parallel()` and the like; `docs/scripts.md` is its
//! contract. Invariants: nothing here reads a file, starts a process or knows git: what a script wants is data
//! ([`Said`]), what it gets is data ([`Answer`]), and the same answers in the same order make the same run. Called by
//! `runner`, which does what is asked, and by `cli` (`dynwf script`).

pub mod args;
pub mod call;
pub mod check;
pub mod engine;
mod host;
pub mod limits;
pub mod recipes;
mod rejections;
pub mod replay;
mod schema;
mod setup;
mod source;
pub mod talk;
mod thread;
mod thrown;
mod watch;

#[cfg(test)]
mod tests;

pub use call::{AgentCall, Body, Call, CallKind, PacketCall, PacketRef};
pub use engine::Engine;
pub use limits::Limits;
pub use setup::{Refuse, Resolve, Setup};
pub use talk::{Answer, ErrorKind, Failed, Nulled, Outcome, Said, ScriptError};

use sha2::{Digest as _, Sha256};

/// The engine and the contract, for the header of a journal: another one may run a script differently.
pub const VERSION: &str = "quickjs-ng 0.16.2, contract 1";

/// What a script can use, for editors: the text of a `.d.ts`.
pub const TYPES: &str = include_str!("types.d.ts");

/// What runs before a script, and makes its world.
const POISON: &str = include_str!("poison.js");

/// The functions that a script sees.
const PRELUDE: &str = include_str!("prelude.js");

/// The engine, the contract and what runs before a script, in one line: what a journal is compared with.
pub fn engine_version() -> String {
    format!("{VERSION}, prelude {}", &prelude_hash()[..12])
}

/// SHA-256, in hex, of everything that runs before a script.
pub fn prelude_hash() -> String {
    let mut hash = Sha256::new();
    hash.update(POISON);
    hash.update(PRELUDE);
    crate::model::hex::hex(&hash.finalize())
}
