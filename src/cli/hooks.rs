//! `dynwf hooks …`, and `dynwf hook pre-push`, which git's hook calls.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::context::Context;
use super::output;
use crate::error::ExitCode;
use crate::hook::{self, Installed, Push, State, Verdict};
use crate::report::json;

/// The git hook that lets no work of a workflow leave this machine without an approval
///
/// The pre-push hook refuses commits that dynwf made and nobody approved. A hook that is there already is kept and
/// called first; uninstall puts it back as it was. It is a seat belt, not a wall: git push --no-verify steps around it.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  dynwf hooks install
  dynwf hooks status         how it stands, and whether git really reaches it
  dynwf hooks uninstall")]
pub(super) enum HooksCommand {
    /// Install the pre-push hook, in front of whatever is there
    Install,
    /// Say how the hook stands, and prove with a push of nothing that it fires
    Status {
        /// Machine-readable, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Take the hook away and put back what was there before
    Uninstall,
}

/// What git's hooks call
#[derive(Debug, clap::Subcommand)]
pub(super) enum HookCommand {
    /// Decide about a push: what is pushed is on standard input, as git describes it to the hook
    PrePush {
        /// The remote's name, or its address
        remote: String,
        /// The remote's address
        url: String,
    },
}

pub(super) fn hooks(context: &Context, command: &HooksCommand) -> Result<ExitCode> {
    match command {
        HooksCommand::Install => install(context),
        HooksCommand::Status { json } => status(context, *json),
        HooksCommand::Uninstall => uninstall(context),
    }
}

/// Installs the hook for the program that runs now, and says what was written.
pub(super) fn install(context: &Context) -> Result<ExitCode> {
    let program = std::env::current_exe().context("finding out where dynwf lies")?;
    let done = hook::install(&context.git, &program)?;
    let what = match (done.changed, done.chained) {
        (false, _) => "is installed already",
        (true, true) => "is installed; the hook that was there is kept beside it and called first",
        (true, false) => "is installed",
    };
    say_done(&done, what)?;
    Ok(ExitCode::Done)
}

fn uninstall(context: &Context) -> Result<ExitCode> {
    let done = hook::uninstall(&context.git)?;
    let what = match (done.changed, done.chained) {
        (false, _) => "was not installed",
        (true, true) => "is gone, and the hook from before is back",
        (true, false) => "is gone",
    };
    say_done(&done, what)?;
    Ok(ExitCode::Done)
}

fn say_done(done: &Installed, what: &str) -> Result<()> {
    output::say(&format!("the pre-push hook {what}"));
    for note in &done.notes {
        output::say(&format!("  {note}"));
    }
    output::answer(&done.hook.display().to_string())
}

/// How the hook stands, in a word and for people.
pub(super) fn words(state: &State) -> (&'static str, String) {
    match state {
        State::Absent => ("absent", "not installed".to_owned()),
        State::Installed => ("installed", "installed".to_owned()),
        State::Changed(why) => (
            "changed",
            format!("installed once, but not as it was: {why}"),
        ),
    }
}

fn status(context: &Context, as_json: bool) -> Result<ExitCode> {
    let status = hook::status(&context.git)?;
    let (word, text) = words(&status.state);
    let fired = if status.state == State::Absent {
        Vec::new()
    } else {
        hook::fires(&context.git)?
    };
    if as_json {
        let probes: Vec<_> = fired
            .iter()
            .map(|fired| serde_json::json!({"from": fired.from, "fires": fired.missing.is_none(), "why": fired.missing}))
            .collect();
        output::answer(&json::document(&serde_json::json!({
            "hook": status.hook, "state": word, "detail": text, "notes": status.notes, "probes": probes,
        })))?;
    } else {
        output::answer(&format!("pre-push: {text}\n  {}", status.hook.display()))?;
        for note in &status.notes {
            output::answer(&format!("  {note}"))?;
        }
        for fired in &fired {
            let line = match &fired.missing {
                None => format!("  fires from {}", fired.from),
                Some(why) => format!("  does not fire from {}: {why}", fired.from),
            };
            output::answer(&line)?;
        }
        match status.state {
            State::Installed => {}
            State::Absent => output::say("dynwf hooks install puts it in place"),
            State::Changed(_) => output::say(
                "dynwf hooks install puts it in place, once your changes are in another hook and this file is gone",
            ),
        }
    }
    let well = fired.iter().all(|fired| fired.missing.is_none());
    Ok(match status.state {
        State::Changed(_) => ExitCode::PacketsFailed,
        State::Installed if !well => ExitCode::PacketsFailed,
        _ => ExitCode::Done,
    })
}

/// Answers git's hook: 0 lets the push go on, everything else stops it. Whatever goes wrong here stops it.
pub(super) fn hook(command: &HookCommand) -> ExitCode {
    let HookCommand::PrePush { remote, url } = command;
    match pre_push(remote, url) {
        Ok(Verdict::Allowed) => ExitCode::Done,
        Ok(Verdict::Refused(lines)) => {
            for line in lines {
                output::say(&line);
            }
            ExitCode::PacketsFailed
        }
        Err(error) => {
            output::error(&error);
            output::say("the push is refused, because dynwf could not decide about it");
            ExitCode::PacketsFailed
        }
    }
}

fn pre_push(remote: &str, url: &str) -> Result<Verdict> {
    // Before anything that could fail: the probe asks whether this place is reached.
    if let Some(word) = hook::probed() {
        return Ok(Verdict::Refused(vec![word]));
    }
    let mut lines = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut lines)
        .context("reading what git pushes")?;
    let start = hook::pre_push::start();
    let context = Context::open(Some(&start))?;
    hook::decide(
        &context.git,
        &context.store,
        context.config.gate.push,
        Push {
            remote,
            url,
            lines: &lines,
        },
        Timestamp::now(),
    )
}
