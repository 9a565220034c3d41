//! `dynwf doctor`: what is right and wrong here, a line each, with the way out.

mod findings;
mod repair;

use std::path::Path;

use anyhow::Result;

use super::context::Context;
use super::output;
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::model::path::printable;
use crate::report::json;
use findings::{Finding, Level};

/// Say what is right and wrong on this machine and in this repository, and how to mend it
///
/// Looks at git, the repository, your identity, the settings, the hook (with a push of nothing that proves that it
/// fires), the sandbox, the disk, the journals, leftovers and the agents. Changes nothing, but for --repair.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf doctor
  dynwf doctor --settings           every setting, and where its value comes from
  dynwf doctor --repair refactor    cut a damaged journal at its last good record; a copy is kept")]
pub(super) struct DoctorArgs {
    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,

    /// Show every setting and where its value comes from
    #[arg(long, conflicts_with = "repair")]
    settings: bool,

    /// Cut this workflow's journal at its last good record, after keeping a copy of it
    #[arg(long, value_name = "SLUG")]
    repair: Option<Slug>,
}

pub(super) fn doctor(directory: Option<&Path>, args: &DoctorArgs) -> Result<ExitCode> {
    if let Some(slug) = &args.repair {
        return repair::repair(&Context::open(directory)?, slug);
    }
    if args.settings {
        return settings(&Context::open(directory)?, args.json);
    }
    let all = findings::all(directory);
    if args.json {
        output::answer(&json::document(&serde_json::json!({"findings": all})))?;
    } else {
        print(&all)?;
    }
    let failed = all.iter().any(|finding| finding.level == Level::Fail);
    Ok(if failed {
        ExitCode::PacketsFailed
    } else {
        ExitCode::Done
    })
}

fn print(all: &[Finding]) -> Result<()> {
    let look = output::look(&std::io::stdout());
    let width = all.iter().map(|finding| finding.about.len()).max();
    for finding in all {
        let (word, colour) = match finding.level {
            Level::Ok => ("ok  ", "32"),
            Level::Warn => ("warn", "33"),
            Level::Fail => ("fail", "31"),
        };
        let word = if look.colour {
            format!("\u{1b}[{colour}m{word}\u{1b}[0m")
        } else {
            word.to_owned()
        };
        let mut lines = finding.what.lines().map(printable);
        let first = lines.next().unwrap_or_default();
        let width = width.unwrap_or(0);
        output::answer(&format!("{word}  {:width$}  {first}", finding.about))?;
        for line in lines {
            output::answer(&format!("      {:width$}  {line}", ""))?;
        }
        for line in finding.hint.iter().flat_map(|hint| hint.lines()) {
            output::answer(&format!("      {:width$}  hint: {}", "", printable(line)))?;
        }
    }
    Ok(())
}

/// Every setting with its value and where it comes from.
fn settings(context: &Context, as_json: bool) -> Result<ExitCode> {
    let mut rows = Vec::new();
    flatten(
        "",
        &serde_json::to_value(context.config.settings())?,
        &mut rows,
    );
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(key, value)| {
                let origin = context.config.origin(key).to_string();
                serde_json::json!({"key": key, "value": value, "origin": origin})
            })
            .collect();
        output::answer(&json::document(&serde_json::json!({"settings": rows})))?;
        return Ok(ExitCode::Done);
    }
    for (key, value) in &rows {
        let origin = context.config.origin(key);
        output::answer(&printable(&format!("{key} = {value}  ({origin})")))?;
    }
    for problem in &context.config.ignored {
        output::say(&format!("ignored: {problem}"));
    }
    Ok(ExitCode::Done)
}

fn flatten(prefix: &str, value: &serde_json::Value, rows: &mut Vec<(String, serde_json::Value)>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, rows);
            }
        }
        serde_json::Value::Null => {}
        other => rows.push((prefix.to_owned(), other.clone())),
    }
}
