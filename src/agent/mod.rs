//! Agents: how each client is started, what its output means, and what it is told.
//!
//! An [`Agent`] turns a [`Call`] into a command line and reads the client's lines with a [`Reader`], whose
//! [`Verdict`] is the only word on whether the client did its job: exit codes alone lie (one client exits 0 on
//! an API error, another after an interrupt). Adapters are one file and one row of [`registry`] each.
//! Invariants: nothing here starts a process, reads a clock or knows the repository; readers never fail,
//! whatever a client prints. Called by `runner` (packets) and `cli` (`agents list`, `packet show --prompt`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::config::AgentConfig;
use crate::error::Failure;
use crate::model::plan::{COMMAND_AGENT, PARENT_AGENT};
use crate::model::unit::UnitOutcome;

mod claude;
pub mod client;
mod codex;
mod command;
pub mod env;
mod parent;
mod pi;
pub mod prompt;
pub mod schema;
mod stream;
mod verdict;

pub use verdict::{AgentEvent, RateLimit, Span, Verdict};

/// One way to run agents: builds command lines and reads what comes back.
pub trait Agent: Send + Sync {
    /// Returns the adapter's name, as in [`registry`].
    fn name(&self) -> &'static str;

    /// Returns what to start for this call. Standard input is always `/dev/null`, the working directory the
    /// workspace.
    ///
    /// # Errors
    /// [`Failure`] where the configuration or the packet lacks what the adapter needs.
    fn argv(&self, call: &Call<'_>) -> Result<Launch>;

    /// Returns a reader for the output of one such call.
    fn reader(&self) -> Box<dyn Reader>;
}

/// One turn of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The agent's table.
    pub config: &'a AgentConfig,
    /// The program, where the caller has looked it up; else `config.program`, else the adapter's own name.
    pub program: Option<&'a Path>,
    /// What the agent is told.
    pub prompt: &'a str,
    /// The file that holds the same text.
    pub prompt_file: &'a Path,
    /// The file that the agent may leave a structured result in.
    pub result_file: &'a Path,
    /// The JSON Schema of a structured result, if one is wanted.
    pub schema_file: Option<&'a Path>,
    /// The workspace.
    pub workspace: &'a Path,
    /// The client's conversation to go on with; none starts a new one.
    pub session: Option<&'a str>,
    /// The packet's own shell command.
    pub run: Option<&'a str>,
    /// Whether dynwf's sandbox is around it: then the client's own one and its questions are switched off.
    pub sandboxed: bool,
}

/// What to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables that this client needs; they come on top of the unit's environment.
    pub env: BTreeMap<String, String>,
}

/// Understands the standard output of one client process.
pub trait Reader: Send {
    /// Takes one line, without its end. Lines that mean nothing to it are ignored.
    fn line(&mut self, line: &str) -> Vec<AgentEvent>;

    /// Judges what was read, once the process has ended in this way.
    fn finish(self: Box<Self>, outcome: &UnitOutcome) -> Verdict;
}

/// A row of the adapter table.
#[derive(Clone, Copy, Debug)]
pub struct Adapter {
    /// The adapter's name.
    pub name: &'static str,
    /// The program that it starts unless configured otherwise; none if there is no client.
    pub program: Option<&'static str>,
    /// Where the client keeps its configuration, if it has any.
    pub home: Option<&'static ClientHome>,
    /// The variables that hold its credentials: units get them only through `pass_env`.
    pub keys: &'static [&'static str],
    /// Makes the agent.
    pub make: fn() -> Arc<dyn Agent>,
}

/// A client's configuration folder: what a private copy of it needs, and what must come back.
#[derive(Clone, Copy, Debug)]
pub struct ClientHome {
    /// The variable that names another folder than the usual one.
    pub variable: &'static str,
    /// The usual folder, below HOME.
    pub folder: &'static str,
    /// Files beside the folder that belong into a copy.
    pub beside: &'static [&'static str],
    /// Names in the folder that a copy leaves out: transcripts and caches, which are large.
    pub leave: &'static [&'static str],
    /// Files whose new content is copied back: credentials that the client refreshed.
    pub refreshed: &'static [&'static str],
}

/// Returns every adapter. A new one is a file beside this one and a row here.
pub fn registry() -> &'static [Adapter] {
    &[
        Adapter {
            name: codex::NAME,
            program: Some(codex::NAME),
            home: Some(&codex::CLIENT_HOME),
            keys: &["CODEX_API_KEY", "OPENAI_API_KEY"],
            make: || Arc::new(codex::Codex),
        },
        Adapter {
            name: claude::NAME,
            program: Some(claude::NAME),
            home: Some(&claude::CLIENT_HOME),
            keys: &["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
            make: || Arc::new(claude::Claude),
        },
        Adapter {
            name: pi::NAME,
            program: Some(pi::NAME),
            home: Some(&pi::CLIENT_HOME),
            keys: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"],
            make: || Arc::new(pi::Pi),
        },
        Adapter {
            name: COMMAND_AGENT,
            program: None,
            home: None,
            keys: &[],
            make: || Arc::new(command::Command),
        },
        Adapter {
            name: PARENT_AGENT,
            program: None,
            home: None,
            keys: &[],
            make: || Arc::new(parent::Parent),
        },
    ]
}

/// Returns the agent that a packet names. `config` is its `[agents.NAME]` table, or the default if there is
/// none: then the name must be an adapter's.
///
/// # Errors
/// [`Failure`] (usage) where no adapter has the name.
pub fn for_name(name: &str, config: &AgentConfig) -> Result<Arc<dyn Agent>> {
    Ok((row_of(name, config)?.make)())
}

/// Returns the row of the table that an agent's name stands for, as [`for_name`] does.
///
/// # Errors
/// [`Failure`] (usage) where no adapter has the name.
pub fn row_of(name: &str, config: &AgentConfig) -> Result<&'static Adapter> {
    let adapter = config.adapter.as_deref().unwrap_or(name);
    registry()
        .iter()
        .find(|row| row.name == adapter)
        .ok_or_else(|| unknown(name, adapter).into())
}

fn unknown(name: &str, adapter: &str) -> Failure {
    let known: Vec<&str> = registry().iter().map(|row| row.name).collect();
    let known = known.join(", ");
    let failure = if name == adapter {
        Failure::usage(format!("no agent is called `{name}`"))
    } else {
        Failure::usage(format!("agent `{name}`: no adapter is called `{adapter}`"))
    };
    failure.hint(format!(
        "adapters are {known}; `[agents.{name}] adapter = \"…\"` in dynwf.toml names one; see `dynwf agents list`"
    ))
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ADAPTERS;
    use crate::error::hint_of;

    #[test]
    fn the_table_has_what_the_configuration_allows() {
        let mut names: Vec<&str> = registry().iter().map(|row| row.name).collect();
        names.sort_unstable();
        assert_eq!(names, ADAPTERS);
    }

    #[test]
    fn a_name_is_an_adapter_or_has_one() {
        let plain = AgentConfig::default();
        for row in registry() {
            let agent = for_name(row.name, &plain).unwrap();
            assert_eq!(agent.name(), row.name);
        }
        let config = AgentConfig {
            adapter: Some("command".into()),
            ..plain.clone()
        };
        assert_eq!(for_name("mine", &config).unwrap().name(), "command");
        let error = for_name("mine", &plain).err().unwrap();
        assert_eq!(error.to_string(), "no agent is called `mine`");
        assert!(hint_of(&error).unwrap().contains("command"));
    }
}
