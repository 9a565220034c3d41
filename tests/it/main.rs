//! The tests that drive dynwf from outside, as one binary.

mod repo_rules;
mod support;
mod support_test;
