//! Merging three trees in this process, where the answer of `git merge-tree` is certain beforehand.
//!
//! Base, ours and theirs are walked together. Where two of them are equal the answer is known without a look inside,
//! so a merge costs what both sides changed and not what is there. The walk gives up, and the git program
//! merges, as soon as anything could make git's answer another one. Renames are why most of these rules are as
//! they are:
//!
//! - Git pairs a path that a side deleted with one that the same side added. That changes the result only if the
//!   other side touched the deleted path (changed it, or deleted it too) or added something at the new one. So a path
//!   that one side deleted must be unchanged on the other, and a path that one side added must be missing on the other.
//! - Git carries files that one side added to a directory over to where the other side moved that
//!   directory. That needs a directory of the base which one side has not and the other has changed; the rule
//!   above covers it, because it counts for directories as for files.
//! - A directory that both sides changed equally is still walked, because it can hold a path that both deleted.
//! - A name that is a file here and a directory there, and a file with two different changes, unless its text
//!   merges by `text`, are the program's.
//!
//! Invariants: nothing is written, new objects are handed to the caller; the same trees give the same answer.
//! Called by `batch`.

mod attributes;
mod entry;
mod histogram;
mod lines;
mod reader;
mod text;
mod walk;

pub(super) use attributes::Outside;
pub(super) use reader::{Cache, Stop};
pub(super) use walk::{Fresh, TreeWalk};
