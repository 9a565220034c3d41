//! Agents: how each client is started, what its output means, and what it is told.
//!
//! An [`Agent`] turns a [`Call`] into a command line and reads the client's lines with a [`Reader`], whose
//! [`Verdict`] is the only word on whether the client did its job: exit codes alone lie (one client exits 0 on
//! an API error, another after an interrupt). Adapters are one file and one row of [`registry`] each.
//! Invariants: nothing here starts a process, reads a clock or knows the repository; readers never fail,
//! whatever a client prints. Called by `runner` (packets) and `cli` (`agents list`, `packet show --prompt`).

use std::sync::Arc;

use anyhow::Result;

use crate::config::AgentConfig;
use crate::error::Failure;
use crate::model::plan::{COMMAND_AGENT, PARENT_AGENT};

mod claude;
pub mod client;
mod codex;
mod command;
mod contract;
mod dialect;
pub mod env;
pub mod home;
mod parent;
mod pi;
pub mod prompt;
pub mod role;
pub mod schema;
mod stream;
mod verdict;

pub use contract::{Agent, Call, ClientHome, Launch, Reader};
pub use verdict::{AgentEvent, RateLimit, Span, Verdict};

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
    /// Whether its client reports what it cost.
    pub prices: bool,
    /// Makes the agent.
    pub make: fn() -> Arc<dyn Agent>,
}

/// Returns every adapter. A new one is a file beside this one and a row here.
pub fn registry() -> &'static [Adapter] {
    &[
        Adapter {
            name: codex::NAME,
            program: Some(codex::NAME),
            home: Some(&codex::CLIENT_HOME),
            keys: &["CODEX_API_KEY", "OPENAI_API_KEY"],
            prices: false,
            make: || Arc::new(codex::Codex),
        },
        Adapter {
            name: claude::NAME,
            program: Some(claude::NAME),
            home: Some(&claude::CLIENT_HOME),
            keys: &["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
            prices: true,
            make: || Arc::new(claude::Claude),
        },
        Adapter {
            name: pi::NAME,
            program: Some(pi::NAME),
            home: Some(&pi::CLIENT_HOME),
            keys: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"],
            prices: true,
            make: || Arc::new(pi::Pi),
        },
        Adapter {
            name: COMMAND_AGENT,
            program: None,
            home: None,
            keys: &[],
            prices: false,
            make: || Arc::new(command::Command),
        },
        Adapter {
            name: PARENT_AGENT,
            program: None,
            home: None,
            keys: &[],
            prices: false,
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
mod launches;
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
