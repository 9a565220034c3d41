//! dynwf: one large code change as many small supervised ones.
//!
//! The map. A lower layer never imports a higher one; `tests/it/repo_rules.rs` holds the table.
//!
//! | layer | module | what it is for |
//! |---|---|---|
//! | 0 | [`error`] | exit codes, errors with hints |
//! | 0 | [`fault`] | crash points, in test builds only |
//! | 0 | [`model`] | the nouns and their rules; no input or output |
//! | 0 | [`process`] | the one place that starts units |
//! | 1 | [`git`] | the one door to the repository |
//! | 1 | [`config`] | what a person and a repository set |
//! | 1 | [`journal`] | the truth on disk: records, lock, inbox |
//! | 1 | [`script`] | dynamic workflow scripts in JavaScript: contract, check, engine, replay |
//! | 2 | [`plan`] | read, check, render plans; recipes |
//! | 2 | [`agent`] | how each client is started and understood |
//! | 2 | [`workspace`] | a packet's directory: make, collect, rescue, remove |
//! | 2 | [`review`] | what a change is, for people and for the gate |
//! | 2 | [`gate`] | when a person is asked, and what an approval covers |
//! | 3 | [`integrate`] | merges as objects, landing, pushing |
//! | 3 | [`hook`] | the git hooks that dynwf installs |
//! | 3 | [`report`] | what people see |
//! | 4 | [`runner`] | the one loop that makes things happen |
//! | 5 | [`cli`] | a file a verb |
//!
//! Start at [`runner`] to follow a workflow from its plan to its push.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod agent;
pub mod cli;
pub mod config;
pub mod error;
pub mod fault;
pub mod gate;
pub mod git;
pub mod hook;
pub mod integrate;
pub mod journal;
pub mod model;
pub mod plan;
pub mod process;
pub mod report;
pub mod review;
pub mod runner;
pub mod script;
pub mod workspace;
