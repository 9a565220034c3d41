//! The tests that drive dynwf from outside, as one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its scene fails there"
)]

mod crash;
mod job;
mod kill;
mod merge_equal;
mod model_server_test;
mod probe;
mod process;
mod real_clients;
mod repo_rules;
mod support;
mod support_test;
