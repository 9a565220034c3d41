//! Units as processes: started under a shim that outlives dynwf, limited, stopped, adopted, and never left
//! behind.
//!
//! A unit lives in a folder ([`UnitDir`]): `ctl/` is dynwf's, `io/` is shared with the unit. [`launch`] takes
//! the lock on `ctl/lock` and hands the open file to the shim (`dynwf __unit DIR`, [`shim_main`]) as its
//! standard input, so there is no moment in which a started unit is not locked. The shim starts the command,
//! holds it to its limits, and writes `ctl/status` last of all.
//!
//! Invariants, whichever process is killed at whichever moment:
//!
//! - a unit is started at most once: [`launch`] does nothing if it finds the lock held, a begin or an end;
//! - the lock is held as long as the shim lives, and by nothing that the unit starts;
//! - `ctl/status` exists only if no process of the unit is left;
//! - a unit whose shim was killed is found by its mark in the environment and by its recorded process, is
//!   killed, and ends as [`UnitOutcome::Lost`](crate::model::unit::UnitOutcome::Lost).
//!
//! Called by `runner` (launch, attend, signals), `agent` (reads the output with [`Follow`]), and `main` (the
//! shim). Linux only: it reads `/proc` and relies on the child subreaper.

mod ask;
mod attend;
mod capture;
mod durable;
mod folder;
mod follow;
mod launch;
mod person;
mod proc_table;
pub mod sandbox;
mod shim;
mod signal;
mod stop;

pub use ask::ask;
pub use attend::{Look, attend, look};
pub use durable::write_durably;
pub use folder::{Ended, Task, UnitDir};
pub use follow::{Follow, tail};
pub use launch::{launch, launch_with};
pub use person::{edit, page, shell};
pub use shim::shim_main;
pub use signal::{Asked, Signals, signals};
pub use stop::Stop;

/// The variable that marks every process of a unit, for as long as they keep their environment. Within a unit of
/// a dynwf that itself runs in a unit, the marks of both, with a slash between. A sandbox must pass it on.
pub const MARK: &str = "DYNWF_UNIT";

/// How many bytes of each output stream are kept where a task names no limit.
pub const OUTPUT_LIMIT: u64 = 64 * 1024 * 1024;

/// How many seconds a unit has between TERM and KILL where a task names no other time.
pub const GRACE: u64 = 5;
