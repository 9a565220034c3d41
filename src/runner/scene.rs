//! What the confinement of a unit depends on, and where what belongs to a workspace lies.
//!
//! Made by whoever starts or ends a unit, collects, resets or removes a workspace. Called by `confine` and `around`.

use std::path::{Path, PathBuf};

use super::message::Tools;
use crate::model::packet::Workspace;
use crate::model::state::RunState;
use crate::model::unit::WorkspaceName;

/// What a unit's confinement depends on.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) tools: &'a Tools,
    pub(super) state: &'a RunState,
    pub(super) name: &'a WorkspaceName,
    pub(super) workspace: &'a Workspace,
    /// The agent whose turn it is, by its name; none for checks and setup commands.
    pub(super) agent: Option<&'a str>,
}

impl Scene<'_> {
    /// The folder of this kind that belongs to the workspace.
    pub(super) fn folder(&self, kind: &str) -> PathBuf {
        let checkout = Path::new("@checkout");
        let name = match self.name {
            WorkspaceName::Checkout => Some(checkout.as_os_str()),
            _ => Path::new(&self.workspace.admin).file_name(),
        };
        let folder = self.tools.store.folder(&self.state.slug).join(kind);
        folder.join(name.unwrap_or_default())
    }
}
