//! The one door to the repository.
//!
//! What needs no working tree and no program of the user's (opening, refs, commits, trees, blobs, differences)
//! is read in this process through libgit2; everything else, and everything that must be on disk before it is
//! named, goes through the git program (`cmd`). Repositories that libgit2 cannot open (SHA-256, reftable,
//! unknown extensions) are served by the program alone, behind the same functions.
//!
//! Invariants: names of refs are full, ids are full; nothing here reads or writes the user's checkout, index
//! or configuration; no hook runs, except in a push. Every module above layer 0 that touches git goes through
//! [`Git`].

mod batch;
mod cmd;
mod diff;
mod effect;
mod graft;
mod history;
mod merge;
mod object;
mod refs;
mod remote;
mod repo;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod treemerge;
mod trial;
mod unmerged;
mod worktree;

pub use batch::Batch;
pub use cmd::{Cmd, Output};
pub use diff::{Change, Side};
pub use effect::wait_for_effects;
pub use merge::TreeMerge;
pub use object::{CommitSpec, TreeEntry};
pub use refs::RefMove;
pub use remote::PushResult;
pub use repo::{Git, Version};
pub use trial::{Carried, Chain, Trial};
pub use unmerged::Unmerged;
pub use worktree::{BranchUse, Use};
