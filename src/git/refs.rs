//! Reading and moving refs.

use anyhow::{Result, bail};

use super::repo::Git;
use crate::model::id::{CommitId, RefName};
use crate::model::op::RefUpdate;

/// How a move of refs ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefMove {
    /// All refs moved.
    Moved,
    /// All refs already had their new values.
    Already,
    /// Nothing was moved: this ref has neither its old nor its new value.
    Refused {
        /// The ref.
        name: RefName,
        /// Its value.
        found: Option<CommitId>,
    },
}

impl Git {
    /// Returns the value of a ref; `None` if it does not exist.
    pub fn read_ref(&self, name: &RefName) -> Result<Option<CommitId>> {
        bail!("not written yet: {name}")
    }
    /// Lists the refs whose names start with `prefix`, in the order of their names.
    pub fn list_refs(&self, prefix: &str) -> Result<Vec<(RefName, CommitId)>> {
        bail!("not written yet: {prefix}")
    }
    /// Moves refs, all or none.
    pub fn update_refs(&self, updates: &[RefUpdate], reason: &str) -> Result<RefMove> {
        bail!("not written yet: {updates:?} {reason}")
    }
}
