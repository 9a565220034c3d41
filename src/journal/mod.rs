//! The journal: what happened in each workflow, and the only truth about it.
//!
//! One folder per workflow below `<common>/dynwf/w/`, with `journal.jsonl` (a checked, chained record per
//! line), `lock`, `inbox/` (requests of other processes) and `units/`.
//!
//! Invariants: only the process that holds the workflow's lock appends ([`Journal`]); anybody may read
//! ([`Store`]) or leave a request ([`Inbox`]). What was appended is on disk before `append` returns. Nothing is
//! appended after an error. A torn tail, left by a crash or a full disk, is kept aside and cut off when the
//! journal is next opened; any other damage is an error and never silently a shorter history.
//!
//! Called by `runner` (writes), `hook`, `report` and `cli` (read, leave requests).

mod blobs;
mod folder;
mod inbox;
mod lock;
mod reader;
mod record;
mod repair;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use blobs::Blobs;
pub use inbox::{Found, Inbox};
pub use lock::{Guard, common_lock};
pub use repair::{Repaired, repair};
pub use store::Store;
pub use writer::Journal;
