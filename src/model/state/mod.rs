//! The state of a workflow: what its events add up to.
//!
//! [`RunState::apply`] is the only way in which it changes, live and on resume alike. `apply` is total: it
//! accepts any event in any state without a panic (a journal may come from an older or newer dynwf), and it
//! decides nothing: what should follow is for `runner::rules`. Everything that can be derived is a method
//! (`query.rs`), not a field.

mod apply;
mod apply_op;
mod apply_packet;
mod branch;
mod budget;
mod query;
mod radar;
mod reviewed;
mod script;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

pub use reviewed::{Earlier, Reviewed, Said};
pub use script::{OpenCall, PacketOfScript, ScriptState};
use serde::{Deserialize, Serialize};

use super::carve::Carved;
use super::evidence::Evidence;
use super::gate::{Binding, Gate};
use super::id::{CommitId, GateId, OpId, PacketId, RefName, RequestId, Slug, TreeId, UnitId};
use super::op::{MergeSide, Op};
use super::packet::{
    Blame, Collected, Conflict, Merge, Rebuild, Resolving, Restack, Weight, Workspace,
};
use super::plan::Plan;
use super::proof::Proof;
use super::radar::Radar;
use super::unit::{Unit, UnitOutcome, Usage, WorkspaceName};

pub use super::spent::{Limit, Pause, Share, Spent, Turns};
pub use verdict::Verdict;

/// The state of one workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// The workflow's name.
    pub slug: Slug,
    /// The number of the last event.
    pub seq: u64,
    /// The time of the last event.
    pub at: Option<Timestamp>,
    /// What was fixed at the split; nothing else happens before.
    pub frozen: Option<Frozen>,
    /// The branch that the packets were carved from, if they were.
    pub carved: Option<Carved>,
    /// Every packet of the plan.
    pub packets: BTreeMap<PacketId, PacketState>,
    /// Units that were started and have not ended.
    pub units: BTreeMap<UnitId, LiveUnit>,
    /// The number of the last unit.
    pub last_unit: UnitId,
    /// How many units in a row were cut short in a workspace in this run.
    pub cut_short: BTreeMap<WorkspaceName, u32>,
    /// Effects that were begun and have not ended.
    pub ops: BTreeMap<OpId, OpenOp>,
    /// Why effects were refused, the last one of each workspace or ref first in line for a person.
    pub refusals: Vec<Refusal>,
    /// The integration branch, once it exists.
    pub integration: Option<Integration>,
    /// What checks said, the newest last.
    pub evidence: Vec<Evidence>,
    /// Every gate that was opened.
    pub gates: BTreeMap<GateId, Gate>,
    /// Requests that were answered.
    pub requests: BTreeMap<RequestId, Option<String>>,
    /// Where the target branch was last seen.
    pub target_seen: Option<CommitId>,
    /// The trees of the target's commits, as far as they were told.
    pub target_trees: BTreeMap<CommitId, TreeId>,
    /// A push that was asked for and looked up.
    pub push_asked: Option<Binding>,
    /// The last commit that was landed.
    pub landed: Option<CommitId>,
    /// The pushes that were made.
    pub pushed: Vec<Binding>,
    /// What agents and units used.
    pub spent: Spent,
    /// What keeps units in their place, as the last run said.
    pub sandbox: String,
    /// Whether a run began and did not say that it ended.
    pub open_run: bool,
    /// What the ended turns of each agent used.
    pub turns: BTreeMap<String, Turns>,
    /// The pauses that services asked for since they last answered well, by agent.
    pub pauses: BTreeMap<String, Pause>,
    /// The workflow's branches are plain refs now.
    pub branches_archived: bool,
    /// The workflow was archived.
    pub archived: bool,
    /// The script that runs as this workflow, if one does.
    pub script: Option<ScriptState>,
    /// What is known about conflicts that have not happened.
    pub radar: Radar,
}

/// What was fixed when the plan was split.
#[derive(Clone, Debug, PartialEq)]
pub struct Frozen {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The commit that the work starts from.
    pub base: CommitId,
    /// The tree of that commit.
    pub tree: TreeId,
    /// The branch that the result lands on.
    pub target: RefName,
    /// The repository's own id.
    pub repository: String,
    /// When.
    pub at: Timestamp,
}

/// A unit that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveUnit {
    /// The unit.
    pub unit: Unit,
    /// When it was announced.
    pub since: Timestamp,
    /// Whether it is to be stopped.
    pub stopping: bool,
}

/// An effect that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenOp {
    /// The effect.
    pub op: Op,
    /// When it was announced: commits that it makes carry this time.
    pub since: Timestamp,
}

/// An effect that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub op: Op,
    /// Why.
    pub why: String,
}

/// The integration branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Its commit.
    pub commit: CommitId,
    /// That commit's tree.
    pub tree: TreeId,
    /// The target's commit that it contains.
    pub target: CommitId,
    /// The packets merged, in order.
    pub merged: Vec<PacketId>,
    /// The workspace in which it is checked.
    pub workspace: Option<Workspace>,
    /// The commit that the workspace holds.
    pub holds: Option<CommitId>,
    /// How many setup commands ran in the workspace.
    pub set_up: u32,
    /// Whose conflict is laid out in the workspace, and onto which commit.
    pub resolving: Option<(MergeSide, CommitId)>,
    /// A person put the conflict off: none is laid out in this run.
    pub put_off: bool,
    /// A moved target's merge that no ref names yet.
    pub following: Option<(Merge, CommitId)>,
    /// What landing it would change, when it was last looked at.
    pub weight: Option<Weight>,
    /// Why the moved target cannot be merged.
    pub conflict: Option<Conflict>,
    /// Why the integrated tree cannot be checked (a setup command failed, for example).
    pub broken: Option<String>,
    /// The commits that it stood on and still contains, in order.
    pub stood: Vec<CommitId>,
    /// How many of those are in the target for good.
    pub firm: usize,
    /// How many of the merged packets are in the target.
    pub landed: usize,
    /// The branch without packets that are to leave it, which no ref names yet.
    pub rebuild: Option<Rebuild>,
}

/// How far a packet has come. The words that people read are derived from it: [`RunState::status_of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing was started (for this attempt).
    #[default]
    Planned,
    /// The workspace is there.
    Prepared,
    /// The worker is at it.
    Working,
    /// The worker has ended; its files are to be collected.
    Returned,
    /// Its work is a commit.
    Collected,
    /// It may be merged.
    Accepted,
    /// It is merged.
    Integrated,
    /// It changed nothing.
    NoChange,
    /// Research is done.
    Done,
    /// It failed.
    Failed,
    /// It cannot be merged by machine.
    Conflicted,
    /// What it started from has changed: its work is to be replayed.
    Stale,
    /// It was turned down.
    Rejected,
    /// It was given up or waived.
    Cancelled,
}

/// The state of one packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PacketState {
    /// How far it has come.
    pub stage: Stage,
    /// Why it is where it is, for people.
    pub reason: Option<String>,
    /// The number of the current or last attempt; 0 before the first.
    pub attempt: u32,
    /// The turn of the attempt; 0 before the first.
    pub turn: u32,
    /// The commit that the attempt started from.
    pub base: Option<CommitId>,
    /// The value of its branch.
    pub branch: Option<CommitId>,
    /// Its workspace.
    pub workspace: Option<Workspace>,
    /// How many setup commands ran in the workspace.
    pub set_up: u32,
    /// How the last turn ended; none for work outside dynwf.
    pub outcome: Option<UnitOutcome>,
    /// What went wrong in the last turn although its process ended well.
    pub complaint: Option<String>,
    /// What its agent answered, where the answer is the result.
    pub answer: Option<String>,
    /// The client's session, for later turns.
    pub session: Option<String>,
    /// What the turns of that session used: clients report totals of it.
    pub session_used: Usage,
    /// How many turns in a row left the same tree as the one before.
    pub stuck: u32,
    /// Its work.
    pub collected: Option<Collected>,
    /// Who accepted it.
    pub accepted_by: Option<String>,
    /// Its merge.
    pub merge: Option<Merge>,
    /// What it conflicts with.
    pub conflict: Option<Conflict>,
    /// The resolution of the conflict.
    pub resolution: Option<CommitId>,
    /// What made the resolution: `rule NAME…`, `resolver NAME` or `person`.
    pub settled_by: Option<String>,
    /// The tip whose conflict the rules did not settle.
    pub unruly: Option<CommitId>,
    /// A person did not want the last resolution: the conflict is to be laid out anew.
    pub refused: bool,
    /// What its merge lacks of the two sides' changes, as a person saw it or is to see it.
    pub proof: Option<Proof>,
    /// What it was taken out for, in this attempt or an earlier one.
    pub blamed: Option<Blame>,
    /// Its work on another base, which its branch does not name yet.
    pub restack: Option<Restack>,
    /// Its base and its work before it was last replayed onto another base.
    pub restacked: Option<(CommitId, CommitId)>,
    /// The work that a person judged last, in this attempt or an earlier one.
    pub reviewed: Option<Reviewed>,
    /// The worker outside dynwf who took it.
    pub claimed_by: Option<String>,
    /// What the worker is told beside the packet's own text: failing checks, comments.
    pub feedback: Vec<String>,
    /// What the worker outside dynwf, or the collector, said.
    pub notes: Vec<String>,
    /// When the first unit of the attempt started.
    pub began: Option<Timestamp>,
    /// When it came to its present stage.
    pub since: Option<Timestamp>,
    /// What it used.
    pub spent: Spent,
    /// Whether an agent began it, in this attempt or an earlier one.
    pub begun: bool,
    /// What a script wants with it, where one made it.
    pub script: Option<PacketOfScript>,
    /// The packet that it takes out again.
    pub reverts: Option<PacketId>,
    /// The conflict that it is to resolve.
    pub resolves: Option<Resolving>,
    /// The tip whose conflict was given to a resolver.
    pub handed: Option<CommitId>,
}

impl RunState {
    /// The state of a workflow without events.
    pub fn new(slug: Slug) -> Self {
        Self {
            slug,
            seq: 0,
            at: None,
            frozen: None,
            carved: None,
            packets: BTreeMap::new(),
            units: BTreeMap::new(),
            last_unit: UnitId(0),
            cut_short: BTreeMap::new(),
            ops: BTreeMap::new(),
            refusals: Vec::new(),
            integration: None,
            evidence: Vec::new(),
            gates: BTreeMap::new(),
            requests: BTreeMap::new(),
            target_seen: None,
            target_trees: BTreeMap::new(),
            push_asked: None,
            landed: None,
            pushed: Vec::new(),
            spent: Spent::default(),
            sandbox: String::new(),
            open_run: false,
            turns: BTreeMap::new(),
            pauses: BTreeMap::new(),
            branches_archived: false,
            archived: false,
            script: None,
            radar: Radar::default(),
        }
    }

    /// The packets of the plan, in its order.
    pub fn in_plan_order(&self) -> impl Iterator<Item = (&PacketId, &PacketState)> {
        self.frozen.iter().flat_map(|frozen| {
            frozen
                .plan
                .packets
                .iter()
                .filter_map(|packet| Some((&packet.id, self.packets.get(&packet.id)?)))
        })
    }

    /// The ids of all packets whose work is on the integration branch.
    pub fn integrated(&self) -> BTreeSet<&PacketId> {
        self.integration
            .iter()
            .flat_map(|integration| &integration.merged)
            .collect()
    }
}
