//! Verbs that need no repository: `dynwf triage` and `dynwf completions`.

use anyhow::Result;
use clap_complete::Shell;

use super::output;
use crate::error::{ExitCode, usage};
use crate::plan::triage;
use crate::report::json;

/// Say whether a task is worth a workflow, and why; starts nothing
///
/// A workflow pays if at least two of these hold: independent tracks, a written contract would reduce drift, risk, a
/// verification of its own, a pattern to use again, or that you wish it. It is guessed from your words, and the words
/// are named, so that you can disagree.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  dynwf triage \"replace the log facade by tracing in every crate, one crate at a time\"")]
pub(super) struct TriageArgs {
    /// The task, in your words
    #[arg(required = true, num_args = 1..)]
    task: Vec<String>,

    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,
}

/// Print what a shell needs to complete the words of dynwf
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf completions bash > ~/.local/share/bash-completion/completions/dynwf
  dynwf completions zsh > ~/.zfunc/_dynwf          with fpath+=~/.zfunc before compinit
  dynwf completions fish > ~/.config/fish/completions/dynwf.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Known,
}

/// The shells that are completed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn triage(args: &TriageArgs) -> Result<ExitCode> {
    let task = args.task.join(" ");
    if task.trim().is_empty() {
        return Err(usage(
            "there is no task to judge",
            "dynwf triage \"what is to be done\"",
        ));
    }
    let advice = triage::triage(&task);
    if args.json {
        output::answer(&json::document(&serde_json::json!({
            "orchestrate": advice.orchestrate, "reasons": advice.reasons,
        })))?;
        return Ok(ExitCode::Done);
    }
    output::answer(if advice.orchestrate {
        "a workflow pays here"
    } else {
        "do it directly: a workflow would cost more than it brings"
    })?;
    for reason in &advice.reasons {
        output::answer(&format!("  {}", crate::model::path::printable(reason)))?;
    }
    if advice.orchestrate {
        output::say("next: dynwf plan NAME --task \"…\"");
    }
    Ok(ExitCode::Done)
}

/// Prints the completions of a command.
pub(super) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<ExitCode> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, "dynwf", &mut bytes);
    output::answer(&String::from_utf8_lossy(&bytes))?;
    Ok(ExitCode::Done)
}
