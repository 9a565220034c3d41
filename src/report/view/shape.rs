//! The fields of the view, which are an interface. Made by `build`.

use jiff::Timestamp;
use serde::Serialize;

use super::script::ScriptView;
use crate::model::id::{CommitId, GateId, PacketId, RefName, Slug, TreeId};
use crate::model::op::RefUpdate;
use crate::model::packet::ConflictFile;
use crate::model::plan::Kind;
use crate::model::proof::Proof;
use crate::model::status::{PacketStatus, WorkflowStatus};
use crate::report::estimate::Estimate;
use crate::report::next::Next;

/// One workflow as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Its name.
    pub slug: Slug,
    /// The word for its state.
    pub status: WorkflowStatus,
    /// What it achieves.
    pub goal: String,
    /// The branch that the result lands on.
    pub target: TargetView,
    /// The commit that the work starts from; none before the split.
    pub base: Option<CommitId>,
    /// Where packets are merged.
    pub integration: IntegrationView,
    /// The packets, in the plan's order.
    pub packets: Vec<PacketView>,
    /// Every gate that was opened.
    pub gates: Vec<GateView>,
    /// The checks of the integrated tree.
    pub checks: Vec<CheckView>,
    /// What it may use and what it used.
    pub budget: BudgetView,
    /// The agents whose services want a pause that is not over.
    pub paused: Vec<PauseView>,
    /// What is still to be done and what it may take, where somebody looked that up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What keeps units in their place, as the last run said.
    pub sandbox: String,
    /// Whether its last run ended without a word: it was killed, and nobody goes on with it.
    pub killed: bool,
    /// How many packets are settled: nothing more happens to them by itself.
    pub settled: usize,
    /// How many packets a unit works on.
    pub running: usize,
    /// The commit that was landed last.
    pub landed: Option<CommitId>,
    /// How often something was pushed.
    pub pushes: usize,
    /// Whether it is archived.
    pub archived: bool,
    /// When it was split.
    pub created_at: Option<Timestamp>,
    /// When something happened last.
    pub updated_at: Option<Timestamp>,
    /// Seconds from the split until now, or until the last event where nothing is going on.
    pub seconds: u64,
    /// What the reader can do, with the commands.
    pub next: Vec<Next>,
    /// Pairs of packets on their way that change the same paths.
    pub radar: Vec<PairView>,
    /// The script that runs as this workflow, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptView>,
}

/// Two packets on their way that change the same paths.
#[derive(Clone, Debug, Serialize)]
pub struct PairView {
    /// The two, in the plan's order.
    pub packets: [PacketId; 2],
    /// `conflict` or `clean`.
    pub status: &'static str,
    /// What conflicts.
    pub conflicts: Vec<ConflictFile>,
}

/// The branch that the result lands on.
#[derive(Clone, Debug, Serialize)]
pub struct TargetView {
    /// Its full name.
    #[serde(rename = "ref")]
    pub name: Option<RefName>,
    /// Where it was last seen.
    pub commit: Option<CommitId>,
}

/// Where packets are merged.
#[derive(Clone, Debug, Serialize)]
pub struct IntegrationView {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Its commit; none before it exists.
    pub commit: Option<CommitId>,
    /// That commit's tree.
    pub tree: Option<TreeId>,
    /// The packets merged, in order.
    pub merged: Vec<PacketId>,
    /// The packet whose conflict is laid out in the workspace.
    pub resolving: Option<PacketId>,
    /// The workspace, where it exists.
    pub worktree: Option<String>,
    /// Why the integrated tree cannot be checked, or the moved target not be merged.
    pub reason: Option<String>,
}

/// One packet.
#[derive(Clone, Debug, Serialize)]
pub struct PacketView {
    /// Its id.
    pub id: PacketId,
    /// The word for its state.
    pub status: PacketStatus,
    /// Who works on it.
    pub agent: String,
    /// Its branch without `refs/heads/`, once it exists.
    pub branch: Option<String>,
    /// The directory of its workspace, while there is one.
    pub worktree: Option<String>,
    /// The commit that it started from.
    pub base: Option<CommitId>,
    /// The commit that holds its work.
    pub tip: Option<CommitId>,
    /// How many attempts were started.
    pub attempts: u32,
    /// Changed files, once its work is collected.
    pub files: Option<u32>,
    /// Added lines.
    pub additions: Option<u32>,
    /// Removed lines.
    pub deletions: Option<u32>,
    /// Why it is where it is.
    pub reason: Option<String>,
    /// What it achieves.
    pub objective: String,
    /// What comes of it.
    pub kind: Kind,
    /// The packets that it needs.
    pub after: Vec<PacketId>,
    /// Whether it is worked on outside dynwf.
    pub parent_work: bool,
    /// The turn of the attempt; 0 before the first.
    pub turn: u32,
    /// How many turns it may take.
    pub turns: u32,
    /// What happens now, in plain words.
    pub doing: Option<String>,
    /// Who accepted it: `policy` or a person.
    pub accepted_by: Option<String>,
    /// The commit on the integration branch that brought it.
    pub merged: Option<CommitId>,
    /// What made that merge: `tree`, `git`, `rule NAME…`, `resolver NAME`, `person`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub road: Option<String>,
    /// What its merge lacks of the two sides' changes; none where every file is one side's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// The packet that it takes out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverts: Option<PacketId>,
    /// The packet that takes it out again, or has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverted_by: Option<PacketId>,
    /// What it conflicts in.
    pub conflict: Vec<ConflictFile>,
    /// Its checks.
    pub checks: Vec<CheckView>,
    /// What workers and the collector said.
    pub notes: Vec<String>,
    /// Seconds that its units ran.
    pub seconds: u64,
    /// Tokens used, as far as they were reported.
    pub tokens: u64,
    /// Since when a unit works on it.
    #[serde(skip)]
    pub(super) running_since: Option<Timestamp>,
    /// Seconds that its ended units ran.
    #[serde(skip)]
    pub(super) ended_seconds: u64,
}

/// One gate.
#[derive(Clone, Debug, Serialize)]
pub struct GateView {
    /// What `dynwf approve` takes.
    pub id: GateId,
    /// What it guards.
    pub kind: &'static str,
    /// The word for its state.
    pub status: &'static str,
    /// The first ref that an approval is bound to.
    #[serde(rename = "ref")]
    pub name: Option<RefName>,
    /// That ref's value before.
    pub old: Option<CommitId>,
    /// That ref's value afterwards.
    pub new: Option<CommitId>,
    /// Every ref that an approval is bound to.
    pub updates: Vec<RefUpdate>,
    /// The remote, for a push.
    pub remote: Option<String>,
    /// Digest of the difference that an approval is bound to.
    pub diff: String,
    /// Why a person is asked.
    pub why: Vec<String>,
    /// When it was opened.
    pub opened: Timestamp,
    /// Until when the approval is good.
    pub until: Option<Timestamp>,
    /// Who answered.
    pub by: Option<String>,
}

/// One check on one tree.
#[derive(Clone, Debug, Serialize)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// The tree that it ran on (or is to run on).
    pub tree: Option<TreeId>,
    /// `planned`, `running`, `passed`, `failed`, or `stale` where it only ran on an earlier tree.
    pub status: &'static str,
    /// The exit code, where it exited.
    pub exit_code: Option<i32>,
    /// The shell command.
    pub run: String,
    /// How it ended, in words.
    pub outcome: Option<String>,
    /// SHA-256 of its output.
    pub output: Option<String>,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// Whether it fails on the base in the same way: then it keeps nothing from landing.
    pub failed_before: bool,
}

/// What a workflow may use and what it used. An absent limit means none.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BudgetView {
    /// Units at once.
    pub concurrency: Option<u32>,
    /// Minutes of units' time.
    pub minutes: Option<u32>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// US dollars.
    pub dollars: Option<f64>,
    /// Packets that agents may begin.
    pub packets: Option<u32>,
    /// What was used.
    pub spent: SpentView,
    /// What is reserved for the agents at work.
    pub reserved: AmountView,
    /// What is left beside both; absent where there is no limit.
    pub remaining: RemainingView,
    /// The limit that keeps what could go on from being begun, in words, if one does.
    pub used_up: Option<String>,
}

/// What was used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SpentView {
    /// Seconds of units' time.
    pub seconds: u64,
    /// Tokens, as far as they were reported.
    pub tokens: u64,
    /// US dollars, as far as they were reported.
    pub dollars: f64,
    /// Packets that agents began.
    pub packets: usize,
    /// How many turns ended whose tokens are not known.
    pub turns_without_tokens: u32,
    /// How many turns ended whose dollars are not known.
    pub turns_without_dollars: u32,
}

/// An amount of what is limited.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AmountView {
    /// Seconds of units' time.
    pub seconds: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub dollars: f64,
}

/// What is left of each limit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RemainingView {
    /// Seconds of units' time.
    pub seconds: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// US dollars.
    pub dollars: Option<f64>,
    /// Packets.
    pub packets: Option<usize>,
}

/// A pause that the service behind an agent asked for.
#[derive(Clone, Debug, Serialize)]
pub struct PauseView {
    /// The agent.
    pub agent: String,
    /// Until when it is not started.
    pub until: Timestamp,
    /// The client's words.
    pub why: String,
    /// How many were asked for in a row.
    pub in_a_row: u32,
}
