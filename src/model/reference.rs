//! Moves of refs, as plain data.

use serde::{Deserialize, Serialize};

use super::id::{CommitId, RefName};

/// One ref's move from a known value to another. `None` means that the ref does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// The full name.
    pub name: RefName,
    /// The value that it must have before.
    pub old: Option<CommitId>,
    /// The value that it has afterwards.
    pub new: Option<CommitId>,
}
