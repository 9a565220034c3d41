//! What every adapter is: builds command lines, reads what comes back.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::verdict::{AgentEvent, Verdict};
use crate::config::AgentConfig;
use crate::model::unit::UnitOutcome;

/// One way to run agents: builds command lines and reads what comes back.
pub trait Agent: Send + Sync {
    /// Returns the adapter's name, as in [`super::registry`].
    fn name(&self) -> &'static str;

    /// Returns what to start for this call. Standard input is always `/dev/null`, the working directory the
    /// workspace.
    ///
    /// # Errors
    /// A [`crate::error::Failure`] where the configuration or the packet lacks what the adapter needs.
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
