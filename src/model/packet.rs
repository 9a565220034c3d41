//! What is known about a packet's result: the commit that was collected, what is risky about it, what it
//! conflicts with.

use serde::{Deserialize, Serialize};

use super::id::{CommitId, PacketId, TreeId};
use super::path::RepoPath;
use super::proof::Proof;

/// A workspace that exists on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The directory.
    pub path: String,
    /// Its administrative folder, `<common>/worktrees/<name>`.
    pub admin: String,
    /// The device of the directory that was made: removal checks it.
    pub device: u64,
    /// The inode of the directory that was made: removal checks it.
    pub inode: u64,
}

/// A packet's work as one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// The commit that the packet started from.
    pub base: CommitId,
    /// The commit that holds its work.
    pub tip: CommitId,
    /// The tree of that commit.
    pub tree: TreeId,
    /// What is risky about the change, as facts.
    pub facts: RiskFacts,
    /// Where the packet's branch stood if its worker had moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<CommitId>,
    /// What the collector left out or found odd, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Facts about a change that the gate's policy judges. Taken from raw tree differences and blob contents,
/// never from attributes or numstat, which the change itself could influence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskFacts {
    /// Changed paths in all.
    pub files: u32,
    /// Added lines in text files.
    pub additions: u32,
    /// Removed lines in text files.
    pub deletions: u32,
    /// SHA-256 of the raw difference (`diff-tree -r --raw -z --no-renames`), in hexadecimal.
    pub digest: String,
    /// Changed paths outside the packet's scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<RepoPath>,
    /// Deleted paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<RepoPath>,
    /// All changed paths, at most [`RiskFacts::MAX_PATHS`]; `files` is the true count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<RepoPath>,
    /// Files with a NUL byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binaries: Vec<RepoPath>,
    /// Files above 1 MiB, with their sizes in bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large: Vec<(RepoPath, u64)>,
    /// New or changed symbolic links, with their targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symlinks: Vec<(RepoPath, String)>,
    /// New or changed submodule entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gitlinks: Vec<RepoPath>,
    /// Files that became executable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executables: Vec<RepoPath>,
    /// Added lines that look like a secret: the path and what it looks like, never the secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<(RepoPath, String)>,
    /// Names that are dangerous or confusable: control characters, a case twin, longer than 240 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub odd_names: Vec<RepoPath>,
}

impl RiskFacts {
    /// How many paths are kept by name.
    pub const MAX_PATHS: usize = 2000;
}

/// A merge that could not be made by machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The integration commit that the packet was to be merged onto.
    pub onto: CommitId,
    /// The packets, already merged, that changed the same paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<PacketId>,
    /// What conflicts, and how.
    pub files: Vec<ConflictFile>,
}

/// One path of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictFile {
    /// The path.
    pub path: RepoPath,
    /// How git calls it: `contents`, `modify/delete`, `add/add`, `rename/rename`, ….
    pub kind: String,
}

/// A conflict in the hands of a resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolving {
    /// The packet that conflicts.
    pub packet: PacketId,
    /// Its tip.
    pub tip: CommitId,
    /// The integration commit that it conflicts with.
    pub onto: CommitId,
    /// A commit on both whose files hold the conflict with its marks: what the resolver starts from.
    pub base: CommitId,
    /// The files that conflict.
    pub files: Vec<RepoPath>,
}

/// A packet's merge onto the integration branch: made, and perhaps not yet on the branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The integration commit that it was made onto.
    pub onto: CommitId,
    /// The commit to which the integration branch moves.
    pub commit: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// What made it: `tree` or `git`; where there was a conflict, what settled it: `rule NAME…`, `resolver NAME`
    /// or `person`.
    pub road: String,
    /// What of the two sides' changes is not in it. `None` where every file is one side's, so that nothing can be
    /// lacking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// The integration branch put together again without some packets: made, and perhaps not yet on the branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuild {
    /// The integration commit whose place it takes.
    pub from: CommitId,
    /// The commit to which the integration branch moves.
    pub commit: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// The packets that are not in the target yet, in their order, each with its merge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<(PacketId, Merge)>,
    /// The packets that conflict now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<(PacketId, Conflict)>,
    /// The packets that leave the branch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<PacketId>,
}

/// A check of the integrated tree that a packet turned red.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// The check's name.
    pub check: String,
    /// Its command.
    pub run: String,
    /// The first tree on which it failed: the one with the packet, and without those that came after.
    pub tree: TreeId,
    /// Whether the packet goes back to its worker.
    pub again: bool,
}

/// A packet's work on another base: made, and perhaps not yet on its branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restack {
    /// The work as it was.
    pub from: CommitId,
    /// What it started from.
    pub base: CommitId,
    /// The work as it is now.
    pub collected: Collected,
}

/// What the difference between two commits amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// The commit before.
    pub old: CommitId,
    /// The commit after.
    pub new: CommitId,
    /// SHA-256 of the raw difference, in hexadecimal.
    pub digest: String,
    /// Changed paths.
    pub files: u32,
    /// Added lines in text files.
    pub additions: u32,
    /// Removed lines in text files.
    pub deletions: u32,
}
