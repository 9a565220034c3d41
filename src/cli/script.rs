//! `dynwf script`: dynamic workflow scripts in JavaScript.

use std::path::Path;

use anyhow::Result;

use super::context::Context;
use super::{script_check, script_run};
use crate::error::ExitCode;

/// Dynamic workflow scripts in JavaScript
///
/// A script is one file: `export const meta = { name, description }` first, then code that calls agent(), parallel(),
/// pipeline() and the like. Scripts that other hosts of dynamic workflows run work unchanged.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  dynwf script check review.js
  dynwf script run review.js --agent codex
  dynwf script types > dynwf.d.ts")]
pub(super) enum ScriptCommand {
    Run(script_run::RunArgs),
    /// Check a script before anything runs: header, syntax, determinism, missing awaits
    Check(script_check::CheckArgs),
    /// Print the types of what a script can use, for editors
    Types,
}

pub(super) fn script(
    directory: Option<&Path>,
    here: &dyn Fn() -> Result<Context>,
    command: &ScriptCommand,
) -> Result<ExitCode> {
    match command {
        ScriptCommand::Run(args) => script_run::run(&here()?, args),
        ScriptCommand::Check(args) => script_check::check(directory, args),
        ScriptCommand::Types => script_check::types(),
    }
}
