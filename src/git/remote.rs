//! Remotes: which one, what it has, and sending to it.

use anyhow::{Result, bail};

use super::repo::Git;
use crate::model::id::{CommitId, RefName};
use crate::model::op::RefUpdate;

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The remote has the new values.
    Pushed,
    /// The remote or a hook refused; nothing was changed there.
    Refused(String),
}

impl Git {
    /// Returns the remote to push `target` to.
    pub fn default_remote(&self, target: &RefName, given: Option<&str>) -> Result<String> {
        bail!("not written yet: {target} {given:?}")
    }
    /// Returns the address that a push to `remote` goes to.
    pub fn remote_url(&self, remote: &str) -> Result<String> {
        bail!("not written yet: {remote}")
    }
    /// Returns the values of refs at the remote.
    pub fn remote_refs(&self, remote: &str, names: &[RefName]) -> Result<Vec<Option<CommitId>>> {
        bail!("not written yet: {remote} {names:?}")
    }
    /// Sends refs to the remote; the user's hooks run.
    pub fn push(&self, remote: &str, updates: &[RefUpdate]) -> Result<PushResult> {
        bail!("not written yet: {remote} {updates:?}")
    }
}
