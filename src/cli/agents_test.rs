//! `dynwf agents test NAME`: one packet with one file in a scratch repository, from the start of the client to the
//! merged commit.
//!
//! Nothing is played: it is the loop of `dynwf run` with the settings that hold here, in a repository of its own below
//! the temporary folder. Says step by step what worked, and of the first thing that did not exactly what it was.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::agents::{self, Found};
use super::context::Context;
use super::{drive, output, plan, start};
use crate::error::{ExitCode, usage};
use crate::git::Cmd;
use crate::model::event::EventKind;
use crate::model::id::{PacketId, Slug, UnitId};
use crate::model::path::printable;
use crate::model::plan::COMMAND_AGENT;
use crate::model::state::RunState;
use crate::model::status::PacketStatus;
use crate::process::UnitDir;
use crate::runner::{Goal, Order};

/// The workflow and the packet in it.
const NAME: &str = "agents-test";
const PACKET: &str = "hello";

/// The file that the agent is to write, and what is to be in it.
const FILE: &str = "hello.txt";
const TEXT: &str = "hello from dynwf";

/// How many lines of a failed agent's output are shown.
const LINES: usize = 20;

pub(super) fn test(context: &Context, name: &str) -> Result<ExitCode> {
    let found = find(context, name)?;
    if found.adapter == "parent" {
        return Err(usage(
            format!("{name} is work outside dynwf: there is nothing to start"),
            "dynwf agents list names the agents that are started",
        ));
    }
    let steps = Steps(output::look(&std::io::stdout()).unicode);
    if !found.usable {
        steps.failed("program", &agents::describe(&found))?;
        return Ok(ExitCode::PacketsFailed);
    }
    steps.done("program", &agents::describe(&found))?;
    let root = tempfile::Builder::new()
        .prefix("dynwf-agents-test-")
        .tempdir()
        .context("making a temporary folder")?;
    let repository = scratch(context, root.path())?;
    let scratch = Context::open(Some(&repository))?;
    let slug: Slug = NAME.parse()?;
    plan::write(&scratch, &slug, plan_text(&found))?;
    let mut session = start::begin(&scratch, &slug)?;
    drive::drive(&scratch, &mut session, Order::of(Goal::Run), true)?;
    let state = scratch.state(&slug)?;
    steps.done("sandbox", &state.sandbox)?;
    if let Some(wrong) = judge(&scratch, &state)? {
        steps.failed("packet", &wrong)?;
        for line in last_words(&scratch, &state) {
            output::answer(&format!("    {}", printable(&line)))?;
        }
        let kept = root.keep();
        output::say(&format!(
            "everything is kept: dynwf -C {} packet log {NAME} {PACKET}; rm -r {} removes it",
            repository.display(),
            kept.display()
        ));
        return Ok(ExitCode::PacketsFailed);
    }
    let id: PacketId = PACKET.parse()?;
    let spent = state.packets.get(&id).map(|packet| packet.spent.clone());
    let spent = spent.unwrap_or_default();
    let mut words = format!("{FILE} is written and merged, in {} s", spent.millis / 1000);
    if spent.tokens > 0 {
        words.push_str(&format!(", with {} tokens", spent.tokens));
    }
    steps.done("packet", &words)?;
    Ok(ExitCode::Done)
}

/// What is known about the agent of this name.
fn find(context: &Context, name: &str) -> Result<Found> {
    let known = context.config.agent_names();
    if !known.iter().any(|one| one == name) {
        return Err(usage(
            format!("no agent is called {name}"),
            format!("there are {}", known.join(", ")),
        ));
    }
    let found = agents::look(&context.config, true)?;
    found
        .into_iter()
        .find(|agent| agent.name == name)
        .with_context(|| format!("looking for the agent {name}"))
}

/// The lines that are printed, one a step.
struct Steps(bool);

impl Steps {
    fn done(&self, step: &str, words: &str) -> Result<()> {
        print(if self.0 { "✓" } else { "+" }, step, words)
    }

    fn failed(&self, step: &str, words: &str) -> Result<()> {
        print(if self.0 { "✗" } else { "x" }, step, words)
    }
}

fn print(sign: &str, step: &str, words: &str) -> Result<()> {
    let line = format!("{sign} {step:8}  {words}");
    output::answer(&printable(line.trim_end()))
}

/// Makes a repository with one commit, and in it the settings that hold in this one.
fn scratch(context: &Context, root: &Path) -> Result<PathBuf> {
    let repository = root.join("scratch");
    Cmd::bare(root)
        .args(["init", "--quiet", "--template=", "--initial-branch=main"])
        .arg(&repository)
        .ok()?;
    let write = |name: &str, bytes: &[u8]| {
        let file = repository.join(name);
        std::fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))
    };
    write("README.md", b"# Scratch\n\nHere an agent is tried.\n")?;
    write("notes.txt", b"Nothing yet.\n")?;
    let settings = context
        .git
        .main_work_tree()
        .and_then(|top| std::fs::read(top.join("dynwf.toml")).ok());
    if let Some(settings) = settings {
        write("dynwf.toml", &settings)?;
    }
    let git = |args: &[&str]| {
        Cmd::on(&repository.join(".git"), Some(&repository), &repository)
            .args(args)
            .ok()
    };
    for (key, value) in [
        ("user.name", "dynwf"),
        ("user.email", "test@dynwf.invalid"),
        ("commit.gpgSign", "false"),
        ("core.autocrlf", "false"),
    ] {
        git(&["config", key, value])?;
    }
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--no-verify", "--message", "A start"])?;
    Ok(repository)
}

/// The plan: one packet, and a check that sees whether it did what it was asked for.
fn plan_text(found: &Found) -> String {
    let own = if found.name == COMMAND_AGENT {
        format!("run = \"echo '{TEXT}' > {FILE}\"")
    } else {
        format!("agent = \"{}\"", found.name)
    };
    format!(
        "goal = \"See whether the agent {name} works\"\n\
         [[packet]]\n\
         id = \"{PACKET}\"\n\
         objective = \"Create the file {FILE} with the one line: {TEXT}\"\n\
         scope = [\"*.txt\"]\n\
         checks = [\"grep -qx '{TEXT}' {FILE}\"]\n\
         minutes = 5\n\
         {own}\n",
        name = found.name
    )
}

/// What is wrong, in words; nothing if the file is merged.
fn judge(scratch: &Context, state: &RunState) -> Result<Option<String>> {
    let id: PacketId = PACKET.parse()?;
    let status = state.status_of(&id);
    if status == PacketStatus::Integrated {
        return Ok(None);
    }
    let mut words = vec![status.word().to_owned()];
    words.extend(state.reason_of(&id));
    if let Some(packet) = state.packets.get(&id) {
        words.extend(packet.notes.iter().cloned());
    }
    if status == PacketStatus::NoChange {
        words.push(format!("it ended well and wrote no {FILE}"));
    }
    let pause = state.pauses.values().next();
    if let Some(until) = pause
        .filter(|_| status != PacketStatus::Failed)
        .map(|pause| pause.until)
    {
        words.push(format!("the service has no quota before {until}"));
    }
    // The agent's own words, where the reason does not have them.
    for event in scratch.store.events(&state.slug)? {
        if let EventKind::UnitEnded {
            complaint: Some(complaint),
            ..
        } = event.kind
            && !words.iter().any(|word| word.contains(&complaint))
        {
            words.push(complaint);
        }
    }
    Ok(Some(words.join(": ")))
}

/// The last lines that the agent's last unit printed.
fn last_words(scratch: &Context, state: &RunState) -> Vec<String> {
    let units = scratch.store.units(&state.slug);
    let mut lines = Vec::new();
    let events = scratch.store.events(&state.slug).unwrap_or_default();
    let last: Option<UnitId> = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::UnitStarted { unit } if unit.is_work() => Some(unit.id),
        _ => None,
    });
    let Some(last) = last else {
        return lines;
    };
    let folder = UnitDir::new(units.join(last.to_string()));
    for file in [folder.stdout(), folder.stderr()] {
        let bytes = std::fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let all: Vec<&str> = text.lines().collect();
        let from = all.len().saturating_sub(LINES);
        lines.extend(all[from..].iter().map(|line| {
            let short: String = line.chars().take(400).collect();
            short
        }));
    }
    lines
}
