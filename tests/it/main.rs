//! The tests that drive dynwf from outside, as one binary.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may fail by panicking, and say why they skip"
)]

mod repo_rules;
mod support;
mod support_test;
