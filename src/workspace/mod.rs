//! A packet's directory: making it, collecting what an agent did in it, rescuing what would be lost, taking it
//! away. The integration workspace, in which integrated trees are checked and conflicts are resolved by hand,
//! is one too.
//!
//! A workspace is a linked git worktree outside the repository. Invariants:
//! - It is filled first and published last (`make`): a kill never leaves anything half-made in sight of git.
//! - It is addressed by its recorded administrative folder, never by the `.git` that lies in it; the user's
//!   checkout, index and configuration are never written, and no hook runs.
//! - Nothing here moves a branch or a pin, apart from creating rescue refs: the caller does, before or after.
//! - Every function may be called again after a kill at any instruction and then ends in the same state.
//! - A directory is only ever taken away if it is, by device and inode, the one that was made.
//! - No unit is alive in a workspace while a function here works on it. The caller does not hold the common
//!   lock: publishing and removing take it for a moment.
//! - A reset keeps ignored files (build caches) and removes everything else that is not in the commit.
//!
//! Called by `runner` (which journals what is done) and `integrate`; uses `git` for every git process.

mod aside;
mod collect;
mod conflict;
mod disk;
mod harvest;
mod include;
mod index;
mod leftovers;
mod make;
mod names;
mod place;
mod private;
mod remove;
mod rescue;
mod reset;
mod scratch;
mod site;
mod sparse;
mod stray;
mod survey;
mod walk;

#[cfg(test)]
mod tests;

pub use aside::keep_strays;
pub use collect::{CollectSpec, Collection, Outcome, collect, settle};
pub use conflict::{Resolution, is_touched, laid_out, open_conflict, resolution};
pub use disk::free_bytes;
pub use harvest::{Harvest, Keep, Script, harvest};
pub use include::copy_included;
pub use leftovers::{Made, Stage, clear_stage, in_trash, made, stages};
pub use make::{MakeSpec, make};
pub use place::{Head, has_own_git, mend_dot_git};
pub use private::Private;
pub use remove::{Facts, empty_trash, is_intact, read_only_facts, remove};
pub use rescue::{Caps, Rescued, rescue};
pub use reset::reset;
pub use scratch::Scratch;
pub use site::{Sites, admin_name, sites};
pub use sparse::{SparseSpec, sparse_settings};
pub use stray::{Sibling, Strays, Watch, note_work, soiled, watch};
