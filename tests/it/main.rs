//! The tests that drive dynwf from outside, as one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its scene fails there"
)]

mod answers;
mod bad_input;
mod bad_place;
mod budgets;
mod cli;
mod crash;
mod docs;
mod everyday;
mod hostile;
mod integrate;
mod job;
mod kill;
mod merge_equal;
mod model_server_test;
mod probe;
mod process;
mod readme;
mod real_clients;
mod repo_rules;
mod sandbox;
mod scripts;
mod shapes;
mod sparse;
mod split;
mod support;
mod support_test;
