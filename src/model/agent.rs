//! How a named agent is configured: one `[agents.NAME]` table.
//!
//! Two tables with the same adapter are two different agents, so two differently configured clients can work
//! side by side. Read by `config`, used by `agent` and `runner`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One `[agents.NAME]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// Which adapter drives it. Default: the one called like the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The program to start: a path, or a name that is looked up on PATH. Default: the adapter's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Arguments added after dynwf's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The shell command of a `command` agent; it finds the prompt in `$DYNWF_PROMPT_FILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Environment variables that are set for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of environment variables that are handed down from the caller; a `*` at the end stands for
    /// any rest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// The folder with the client's own configuration and credentials. Default: the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_dir: Option<String>,
    /// The model, as the client calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How hard the model is to think, as the client calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// `auto`, `bubblewrap`, `landlock` or `none`. Default: `[sandbox] mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// `host` or `none`. Default: `[sandbox] network`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}
