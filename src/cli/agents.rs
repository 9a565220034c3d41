//! `dynwf agents list`: which clients are here; `agents test` is `agents_test`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::context::Context;
use super::output;
use crate::agent::{self, client};
use crate::config::{AgentConfig, Config, SandboxMode};
use crate::error::ExitCode;
use crate::model::plan::COMMAND_AGENT;
use crate::process::sandbox::{self, Kind};
use crate::report::json;

/// How long a client may take to say its version.
const LIMIT: Duration = Duration::from_secs(10);

/// The agents that packets can name
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  dynwf agents list
  dynwf agents list --json
  dynwf agents test codex          one file in a scratch repository, through the whole loop")]
pub(super) enum AgentsCommand {
    /// List the agents: built-in and configured, whether their program is here, and which version
    List {
        /// Machine-readable, for scripts
        #[arg(long)]
        json: bool,
        /// Start no program to ask for its version
        #[arg(long)]
        no_version: bool,
    },
    /// Let an agent write one file in a scratch repository, and say exactly what failed
    Test {
        /// The agent
        name: String,
    },
}

/// What is known about an agent.
#[derive(Serialize)]
pub(super) struct Found {
    /// What a packet calls it.
    pub(super) name: String,
    pub(super) adapter: String,
    /// What is started, as configured; none where no client is needed.
    pub(super) program: Option<String>,
    /// Where that program lies.
    pub(super) path: Option<PathBuf>,
    pub(super) version: Option<String>,
    /// Why there is no version although there is a program.
    pub(super) trouble: Option<String>,
    /// Which variables with credentials are set (never their values).
    pub(super) keys: Vec<String>,
    /// What keeps it in its place: `bubblewrap` or `none`; nothing where no unit is started.
    pub(super) sandbox: Option<String>,
    /// Whether it can be used as far as one can see.
    pub(super) usable: bool,
}

pub(super) fn list(context: &Context, json: bool, no_version: bool) -> Result<ExitCode> {
    let found = look(&context.config, !no_version)?;
    if json {
        output::answer(&json::document(&serde_json::json!({"agents": found})))?;
        return Ok(ExitCode::Done);
    }
    let width = found.iter().map(|agent| agent.name.len()).max();
    let look = output::look(&std::io::stdout());
    for agent in &found {
        let sign = match (agent.usable, look.unicode) {
            (true, true) => "✓",
            (true, false) => "+",
            (false, true) => "✗",
            (false, false) => "x",
        };
        let line = format!(
            "{sign} {:width$}  {}",
            agent.name,
            describe(agent),
            width = width.unwrap_or(0)
        );
        output::answer(&crate::model::path::printable(line.trim_end()))?;
    }
    Ok(ExitCode::Done)
}

/// An agent in words.
pub(super) fn describe(agent: &Found) -> String {
    let mut words = Vec::new();
    if agent.name != agent.adapter {
        words.push(format!("adapter {}", agent.adapter));
    }
    match (&agent.program, &agent.path) {
        (None, _) => words.push(
            match agent.adapter.as_str() {
                "parent" => "work outside dynwf: dynwf packet next, dynwf packet done",
                _ => "the packet's own shell command",
            }
            .to_owned(),
        ),
        (Some(program), None) => words.push(format!(
            "`{program}` is not on PATH; set `program` in [agents.{}], or install it",
            agent.name
        )),
        (Some(_), Some(path)) => {
            if agent.adapter != COMMAND_AGENT {
                words.push(agent.version.clone().unwrap_or_else(|| {
                    agent
                        .trouble
                        .clone()
                        .unwrap_or_else(|| "version unknown".to_owned())
                }));
            }
            words.push(path.display().to_string());
        }
    }
    if let Some(sandbox) = agent.sandbox.as_ref().filter(|_| agent.usable) {
        words.push(format!("sandbox {sandbox}"));
    }
    if !agent.keys.is_empty() {
        words.push(format!("{} set", agent.keys.join(", ")));
    }
    words.join("  ")
}

/// Looks for every agent that packets can name; starts their programs to ask for versions if wanted.
pub(super) fn look(config: &Config, versions: bool) -> Result<Vec<Found>> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut found = Vec::new();
    for name in config.agent_names() {
        let table = config.agent(&name);
        let row = agent::row_of(&name, &table)?;
        let program = table
            .program
            .clone()
            .or_else(|| row.program.map(str::to_owned));
        let keys = row
            .keys
            .iter()
            .filter(|key| std::env::var_os(key).is_some_and(|value| !value.is_empty()))
            .map(|&key| key.to_owned())
            .collect();
        let lies = program
            .as_deref()
            .and_then(|program| client::find(program, &path));
        found.push(Found {
            usable: program.is_none() || lies.is_some(),
            adapter: row.name.to_owned(),
            path: lies,
            program,
            version: None,
            trouble: None,
            sandbox: (row.name != "parent").then(|| sandbox_of(config, &table)),
            keys,
            name,
        });
    }
    if versions {
        // Each takes its time, so all are asked at once.
        std::thread::scope(|scope| {
            for agent in &mut found {
                scope.spawn(|| ask(agent));
            }
        });
    }
    Ok(found)
}

/// What keeps the units of an agent in their place, in a word.
fn sandbox_of(config: &Config, table: &AgentConfig) -> String {
    let found = sandbox::available();
    match table.sandbox.unwrap_or(config.sandbox.mode) {
        SandboxMode::None => Kind::None.word().to_owned(),
        SandboxMode::Bubblewrap if found == Kind::None => {
            "bubblewrap, which does not work here".to_owned()
        }
        SandboxMode::Auto | SandboxMode::Bubblewrap => found.word().to_owned(),
    }
}

fn ask(agent: &mut Found) {
    // Whatever a command agent starts need not know the question.
    let Some(path) = agent
        .path
        .as_ref()
        .filter(|_| agent.adapter != COMMAND_AGENT)
    else {
        return;
    };
    match crate::process::ask(path, &["--version"], LIMIT) {
        Ok(printed) => match client::version(&printed) {
            Some(version) => agent.version = Some(version.to_owned()),
            None => agent.trouble = Some("it says no version".to_owned()),
        },
        Err(error) => {
            agent.trouble = Some(format!("{error:#}"));
            agent.usable = false;
        }
    }
}
