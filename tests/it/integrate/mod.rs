//! Integrating, from outside: many packets at once, and what a conflict comes to.

mod batch;
mod bisect;
mod interdiff;
mod person;
mod radar;
mod resolver;
mod revert;
mod rules;
mod sixty;

use std::fs;
use std::path::PathBuf;

use crate::support::{TestRepo, packet_of, plan_with};

/// A packet that changes a file outside its own crate with a command.
fn touching(id: &str, file: &str, run: &str) -> String {
    packet_of(id, run, "").replace(&format!("crates/{id}/**"), file)
}

/// A plan whose packets may meet, with more lines in `[integration]` and after it.
fn meeting(more: &str, packets: &[String]) -> String {
    plan_with(&format!("overlap = \"allow\"\n{more}"), packets)
}

/// A file where the conflict lies.
fn laid(repo: &TestRepo, file: &str) -> PathBuf {
    repo.place().join("repo.dynwf/lines/integration").join(file)
}

fn read_laid(repo: &TestRepo, file: &str) -> String {
    fs::read_to_string(laid(repo, file)).expect("the conflict lies open")
}

/// A text with the lines of both sides of its conflicts.
fn both(text: &str) -> String {
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(['<', '=', '>', '|']))
        .collect();
    kept.join("\n") + "\n"
}
