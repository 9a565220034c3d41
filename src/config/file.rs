//! The schema of `dynwf.toml` and of a person's `config.toml`: tables, keys, defaults.
//!
//! These structs are what the rest of dynwf reads; their field comments are the documentation of the keys.
//! Rules that need more than one field are checked by [`super::resolve`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::gate::{Policy, PushWatch};
use crate::model::plan::Strategy;

/// Every table of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Agents by name, beside the built-in ones.
    pub agents: BTreeMap<String, AgentConfig>,
    /// Where and how packets' workspaces are made.
    pub workspace: WorkspaceConfig,
    /// What units may use.
    pub limits: LimitsConfig,
    /// What keeps units in their place.
    pub sandbox: SandboxConfig,
    /// When a person is asked.
    pub gate: GateConfig,
    /// How packets are put together.
    pub integration: IntegrationConfig,
    /// How differences are shown.
    pub review: ReviewConfig,
    /// Roles that scripts name (`agentType`).
    pub roles: BTreeMap<String, RoleConfig>,
}

/// An agent: which client is started, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// The adapter that knows the client's arguments and output. Default: the agent's own name.
    pub adapter: Option<String>,
    /// The program. Default: the adapter's.
    pub program: Option<String>,
    /// More arguments for the program.
    pub args: Vec<String>,
    /// A shell command instead of a program; for the adapter `command`.
    pub run: Option<String>,
    /// Variables set for its units.
    pub env: BTreeMap<String, String>,
    /// Names of variables passed on from the environment of dynwf.
    pub pass_env: Vec<String>,
    /// The client's configuration folder. Default: the client's.
    pub config_dir: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort, in the client's words.
    pub effort: Option<String>,
    /// Default: `[sandbox] mode`.
    pub sandbox: Option<SandboxMode>,
    /// Default: `[sandbox] network`.
    pub network: Option<Network>,
}

/// Where and how packets' workspaces are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspaceConfig {
    /// Where, relative to the main work tree; `{repo}`, `{slug}` and `{packet}` are filled in. `{packet}` may
    /// be left out: the packet's id is then the last folder.
    pub path: String,
    /// What a workspace is.
    pub layout: Layout,
    /// Whether all files are checked out, or only those that the packet may change.
    pub sparse: Sparse,
    /// Shell commands that run in a fresh workspace before the agent, in this order.
    pub setup: Vec<String>,
    /// Globs of ignored files that are copied from the main work tree, beside `.worktreeinclude`.
    pub include: Vec<String>,
    /// No workspace is made while the disk has less free space than this, in GiB.
    pub min_free_gb: u32,
}

/// What a workspace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A linked git worktree.
    #[default]
    Worktree,
    /// A private clone that shares the repository's objects, for machines without a sandbox.
    Clone,
}

/// What is checked out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sparse {
    /// Everything.
    #[default]
    None,
    /// What the packet may change, and the files in the folders above it.
    Scope,
}

/// What units may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// How many units run at once.
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
    /// How many units run at once for a script.
    #[schemars(range(min = 1, max = 256))]
    pub script_concurrency: u32,
    /// How many minutes a unit may take.
    #[schemars(range(min = 1))]
    pub minutes: u32,
    /// How many minutes an agent may be silent; 0 means as long as it likes. Checks and setup commands may
    /// always be silent: a build often is.
    pub silence: u32,
    /// How many MiB a unit may print.
    #[schemars(range(min = 1))]
    pub output_mb: u32,
    /// How many MiB of data one process of a unit may hold; 0 means no limit.
    pub memory_mb: u32,
    /// How many MiB a file may have that a unit writes; 0 means no limit.
    pub file_mb: u32,
    /// How many processes a unit in a sandbox may have; 0 means no limit. The kernel does not hold root to it.
    pub processes: u32,
}

/// What keeps units in their place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// Which sandbox.
    pub mode: SandboxMode,
    /// What units reach of the network.
    pub network: Network,
    /// More paths that units may read; `~` is the home folder.
    pub read: Vec<String>,
    /// More paths that units may write; `~` is the home folder.
    pub write: Vec<String>,
}

/// Which sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// The best that works here.
    #[default]
    Auto,
    /// Bubblewrap, or nothing runs.
    Bubblewrap,
    /// None.
    None,
}

/// What units reach of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// What the machine reaches.
    #[default]
    Host,
    /// Nothing.
    None,
}

/// When a person is asked, and what counts as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GateConfig {
    /// How many paths a packet may change without a gate.
    pub max_files: u32,
    /// How many lines it may add and remove together.
    pub max_lines: u32,
    /// How many directories at the top of the repository it may touch.
    pub max_top_dirs: u32,
    /// How many bytes one of its files may have.
    pub max_blob_bytes: u64,
    /// How many files it may delete.
    pub max_deletions: u32,
    /// Globs of paths that a packet may not change without a gate.
    pub protected: Vec<String>,
    /// How many hours an approval is good for.
    #[schemars(range(min = 1))]
    pub expires_hours: u32,
    /// How many people must approve a change of a protected path.
    #[schemars(range(min = 1))]
    pub quorum: u32,
    /// Which plain `git push` the `pre-push` hook looks at.
    pub push: PushWatch,
    /// Whether an approval that was given without a terminal (`--yes`) counts.
    pub unattended: bool,
    /// The file with the ssh keys whose signatures count as approvals; without it approvals need no signature.
    pub allowed_signers: Option<String>,
}

/// How packets are put together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrationConfig {
    /// The strategy of plans that name none.
    pub strategy: Option<Strategy>,
    /// What is done by rule with files that conflict: the first rule that names a file counts.
    #[serde(rename = "rule")]
    pub rules: Vec<MechanicalRule>,
    /// The agent that is asked to resolve conflicts that no rule settles. Default: none, a person does.
    pub resolver: Option<String>,
    /// Whether well-known lock files that conflict and that no rule names are written anew by their own tools.
    pub lock_files: bool,
    /// Whether a packet that turns a check of the integrated tree red is found and taken out, where the plan
    /// does not say.
    pub bisect: bool,
}

/// What is done by rule with certain files when they conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MechanicalRule {
    /// Globs of the files.
    pub files: Vec<String>,
    /// What is done.
    pub how: Mechanism,
    /// The shell command that writes the files anew; with `how = "run"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// What is done with files that conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// The lines of both sides are kept.
    Union,
    /// A command writes them anew (lock files, generated files).
    Run,
}

/// How differences are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReviewConfig {
    /// The form.
    pub style: ReviewStyle,
    /// How many unchanged lines are shown around a change.
    pub context: u32,
    /// The pager. Default: git's.
    pub pager: Option<String>,
}

/// The form in which differences are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewStyle {
    /// Old and new lines below each other.
    #[default]
    Unified,
    /// Old and new lines beside each other.
    SideBySide,
}

/// A role that scripts name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoleConfig {
    /// What the role is for.
    pub description: Option<String>,
    /// The agent that plays it.
    pub agent: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort, in the client's words.
    pub effort: Option<String>,
    /// What is put before each prompt.
    pub prompt: Option<String>,
}

impl GateConfig {
    /// Returns the thresholds that changes are judged by.
    pub fn policy(&self) -> Policy {
        Policy {
            max_files: self.max_files,
            max_lines: self.max_lines,
            max_top_dirs: self.max_top_dirs,
            max_blob_bytes: self.max_blob_bytes,
            max_deletions: self.max_deletions,
            protected: self.protected.clone(),
            expires_hours: self.expires_hours,
            unattended: self.unattended,
            push: self.push,
        }
    }
}

impl Default for WorkspaceConfig {
    fn default() -> Self {
        Self {
            path: "../{repo}.dynwf/{slug}/{packet}".to_owned(),
            layout: Layout::default(),
            sparse: Sparse::default(),
            setup: Vec::new(),
            include: Vec::new(),
            min_free_gb: 1,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            concurrency: 4,
            script_concurrency: 16,
            minutes: 60,
            silence: 15,
            output_mb: 64,
            memory_mb: 0,
            file_mb: 0,
            processes: 8192,
        }
    }
}

impl Default for GateConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            max_files: policy.max_files,
            max_lines: policy.max_lines,
            max_top_dirs: policy.max_top_dirs,
            max_blob_bytes: policy.max_blob_bytes,
            max_deletions: policy.max_deletions,
            protected: policy.protected,
            expires_hours: policy.expires_hours,
            quorum: 1,
            push: policy.push,
            unattended: policy.unattended,
            allowed_signers: None,
        }
    }
}

impl Default for IntegrationConfig {
    fn default() -> Self {
        Self {
            strategy: None,
            rules: Vec::new(),
            resolver: None,
            lock_files: true,
            bisect: true,
        }
    }
}

impl Default for ReviewConfig {
    fn default() -> Self {
        Self {
            style: ReviewStyle::default(),
            context: 3,
            pager: None,
        }
    }
}
