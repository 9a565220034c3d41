//! `dynwf script`: dynamic workflow scripts in JavaScript.

use anyhow::Result;

use super::context::Context;
use super::script_run;
use crate::error::ExitCode;

/// Dynamic workflow scripts in JavaScript
#[derive(Debug, clap::Subcommand)]
pub(super) enum ScriptCommand {
    Run(script_run::RunArgs),
}

pub(super) fn script(
    here: &dyn Fn() -> Result<Context>,
    command: &ScriptCommand,
) -> Result<ExitCode> {
    match command {
        ScriptCommand::Run(args) => script_run::run(&here()?, args),
    }
}
