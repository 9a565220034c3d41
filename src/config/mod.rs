//! Configuration: what `dynwf.toml` and a person's own file say, and what came of it.
//!
//! [`mod@file`] is the schema, [`resolve`] puts the sources together (flag, environment, repository, person,
//! default: the first that says something counts). Unknown keys are errors that name the file, the line and
//! the nearest known key. What decides about trust is never taken from a file that a packet could have
//! changed. The verbs load a [`Config`] once and hand it down; nothing else reads these files.
//!
//! [`document`], [`problem`] and [`shape`] are how a text that a person wrote is read and found fault with;
//! `plan` uses them too.

pub mod document;
pub mod file;
pub mod problem;
pub mod resolve;
mod rules;
pub mod shape;

pub use file::{
    AgentConfig, GateConfig, IntegrationConfig, Layout, LimitsConfig, MechanicalRule, Mechanism,
    Network, ReviewConfig, ReviewStyle, RoleConfig, SandboxConfig, SandboxMode, Sparse,
    WorkspaceConfig,
};
pub use resolve::{Config, Origin, Sources, user_file};
pub use rules::ADAPTERS;
