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
  dynwf script types > dynwf.d.ts
  dynwf script run review.js --args '{\"base\":\"main\"}'")]
pub(super) enum ScriptCommand {
    Check(script_check::CheckArgs),
    Run(script_run::RunArgs),
    /// Print the types of what a script can use, for editors
    Types,
}

pub(super) fn script(
    directory: Option<&Path>,
    here: &dyn Fn() -> Result<Context>,
    command: &ScriptCommand,
) -> Result<ExitCode> {
    match command {
        ScriptCommand::Check(args) => script_check::check(directory, args),
        ScriptCommand::Run(args) => script_run::run(&here()?, args),
        ScriptCommand::Types => script_check::types(),
    }
}
