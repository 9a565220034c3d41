//! The tests that drive dynwf from outside, as one binary.

mod crash;
mod job;
mod kill;
mod repo_rules;
mod support;
mod support_test;
