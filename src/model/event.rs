//! Facts: what happened in a workflow, in the past tense, in the order in which it was learned.
//!
//! A journal is a list of events and nothing else; [`super::state::RunState`] is what they add up to. Variants
//! and fields are only ever added (new fields with a default), so that every journal that was ever written can
//! be read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::carve::Carved;
use super::evidence::Evidence;
use super::gate::{Binding, Gate};
use super::id::{CommitId, GateId, OpId, PacketId, RefName, RequestId, TreeId, UnitId};
use super::op::{Op, OpOutcome};
use super::packet::{Blame, Collected, Conflict, Merge, Rebuild, Resolving, Restack, Weight};
use super::plan::{Packet, Plan};
use super::proof::Proof;
use super::radar::Sweep;
use super::script::{AskedCall, Census, Kept, Reply, Saying, ScriptEnd, ScriptRun};
use super::unit::{Unit, UnitOutcome, Usage};

/// A fact with its place and time in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The fact.
    pub kind: EventKind,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "e")]
pub enum EventKind {
    /// The plan was fixed; the workflow begins.
    PlanFrozen {
        /// The plan.
        plan: Box<Plan>,
        /// The commit that the work starts from.
        base: CommitId,
        /// The tree of that commit.
        tree: TreeId,
        /// The branch that the result lands on.
        target: RefName,
        /// The repository's own id.
        repository: String,
    },
    /// A branch that was there was carved into the packets; each one's work is collected in a fact of its own.
    BranchCarved {
        /// What was carved, and how it was shown that the packets add up to it.
        carved: Carved,
    },
    /// An amended plan took its place.
    PlanAmended {
        /// The plan.
        plan: Box<Plan>,
        /// What differs, a line each, for people.
        changes: Vec<String>,
        /// Who asked.
        by: String,
    },
    /// A dynwf took the lock and began to work.
    RunStarted {
        /// The verb.
        goal: String,
        /// The version of dynwf.
        version: String,
        /// What keeps units in their place: `bubblewrap` or `none`.
        sandbox: String,
    },
    /// It let go of the lock.
    RunEnded {
        /// With this exit code.
        code: u8,
    },
    /// A unit is to be launched (it may not be yet).
    UnitStarted {
        /// The unit.
        unit: Unit,
    },
    /// A unit's client named the conversation that later turns continue.
    UnitNoted {
        /// The unit.
        unit: UnitId,
        /// The client's session id.
        session: String,
    },
    /// A unit ended.
    UnitEnded {
        /// The unit.
        unit: UnitId,
        /// How.
        outcome: UnitOutcome,
        /// How many milliseconds it ran.
        millis: u64,
        /// What its agent says it used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// What went wrong in its agent's words, in one line for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        complaint: Option<String>,
        /// What its agent answered, where the answer is the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
    /// An effect is to be performed; its id is this record's number.
    OpBegan {
        /// The effect.
        op: Op,
    },
    /// An effect ended.
    OpEnded {
        /// Which.
        op: OpId,
        /// How.
        outcome: OpOutcome,
    },
    /// A packet's work is a commit; no ref names it yet.
    PacketCollected {
        /// The packet.
        packet: PacketId,
        /// The work.
        collected: Collected,
    },
    /// A packet changed nothing.
    PacketEmptied {
        /// The packet.
        packet: PacketId,
        /// What the collector left out or found odd, for people.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// A packet whose result is knowledge is done.
    PacketFinished {
        /// The packet.
        packet: PacketId,
    },
    /// A packet cannot go on.
    PacketFailed {
        /// The packet.
        packet: PacketId,
        /// Why, in one line for people.
        why: String,
    },
    /// A packet's next turn is due: a check failed and turns are left.
    PacketTurned {
        /// The packet.
        packet: PacketId,
        /// What its worker is told.
        feedback: String,
    },
    /// The service behind a packet's agent wants a pause: the turn is made again, and no agent starts before.
    PacketPostponed {
        /// The packet.
        packet: PacketId,
        /// Until when.
        until: Timestamp,
        /// The client's words.
        why: String,
    },
    /// A packet may be merged.
    PacketAccepted {
        /// The packet.
        packet: PacketId,
        /// `policy`, or the person who approved its gate.
        by: String,
    },
    /// A packet's merge exists as objects; no ref names it yet.
    PacketMerged {
        /// The packet.
        packet: PacketId,
        /// The merge.
        merge: Merge,
    },
    /// A packet cannot be merged by machine.
    PacketConflicted {
        /// The packet.
        packet: PacketId,
        /// The conflict.
        conflict: Conflict,
    },
    /// A check of the integrated tree turned red with a packet: the packet leaves the integration branch.
    PacketBlamed {
        /// The packet.
        packet: PacketId,
        /// What it is blamed for, and whether its worker is asked again.
        blame: Blame,
        /// Why, in words for people and for its worker.
        why: String,
    },
    /// The integration branch was put together again without some packets; no ref names it yet.
    IntegrationRebuilt {
        /// What it is now.
        rebuild: Rebuild,
    },
    /// A packet's work was replayed onto another base; no ref names it yet.
    PacketRestacked {
        /// The packet.
        packet: PacketId,
        /// The work before and after.
        restack: Box<Restack>,
    },
    /// A conflict was resolved, by a rule, a resolver or a person; the resolution is a merge commit, to be merged like a packet's tip.
    ConflictResolved {
        /// The packet.
        packet: PacketId,
        /// The resolution: its parents are the integration commit and the packet's tip.
        commit: CommitId,
        /// Who.
        by: String,
        /// The rung of the ladder: `rule NAME…`, `resolver NAME`; empty for a person.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        rung: String,
        /// What of the two sides' changes is not in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
    },
    /// A conflict is given to a resolver, as a packet of its own.
    ResolverAsked {
        /// What it is to resolve.
        resolving: Resolving,
        /// The packet that does it, as if the plan had stated it.
        packet: Box<Packet>,
    },
    /// A rung of the ladder did not settle a conflict: it goes on to the next.
    RungFailed {
        /// The packet.
        packet: PacketId,
        /// `rules` or `resolver`.
        rung: String,
        /// Why, in one line for people.
        why: String,
    },
    /// A packet could be merged, but the result lacks something of a side: a person is asked first.
    MergeDoubted {
        /// The packet.
        packet: PacketId,
        /// What it lacks.
        proof: Proof,
    },
    /// A person did not want a resolution: the conflict is open again.
    ResolutionRefused {
        /// The packet.
        packet: PacketId,
        /// Why, in one line for people.
        why: String,
    },
    /// A worker outside dynwf has taken a packet.
    PacketClaimed {
        /// The packet.
        packet: PacketId,
        /// Who.
        by: String,
    },
    /// A worker outside dynwf has finished a packet.
    PacketReturned {
        /// The packet.
        packet: PacketId,
        /// Who.
        by: String,
        /// What it says about the result.
        note: String,
    },
    /// A packet begins again from its base.
    PacketRetried {
        /// The packet.
        packet: PacketId,
        /// What its worker is told.
        comment: String,
    },
    /// A packet was given up, waived or turned down.
    PacketGivenUp {
        /// The packet.
        packet: PacketId,
        /// How.
        how: GivenUp,
        /// Why, in one line for people.
        why: String,
    },
    /// Packets on their way were merged with each other, in memory: which pairs will conflict.
    RadarSwept {
        /// What was found.
        sweep: Sweep,
    },
    /// A packet that landed is to be taken out again, by a packet of its own, which stands on its merge; that one's
    /// work is collected in the fact that follows.
    RevertAsked {
        /// The packet that is to be taken out.
        reverts: PacketId,
        /// The packet that does it, as if the plan had stated it.
        packet: Box<Packet>,
        /// Who asked.
        by: String,
    },
    /// The target branch was seen at this commit.
    TargetSeen {
        /// The commit.
        commit: CommitId,
        /// Its tree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<TreeId>,
    },
    /// The moved target was merged; no ref names the merge yet.
    TargetMerged {
        /// The merge.
        merge: Merge,
        /// The target's commit.
        target: CommitId,
    },
    /// The moved target cannot be merged by machine.
    TargetConflicted {
        /// The conflict.
        conflict: Conflict,
    },
    /// The difference that landing would make was looked at.
    IntegrationWeighed {
        /// What it amounts to.
        weight: Weight,
    },
    /// What a push would do was looked up at the remote.
    PushAsked {
        /// What an approval would be bound to.
        binding: Binding,
    },
    /// A check said something about a tree.
    EvidenceRecorded {
        /// What.
        evidence: Evidence,
    },
    /// What failed on a tree is to be checked again.
    EvidenceDropped {
        /// The tree.
        tree: TreeId,
    },
    /// A person is asked; a gate of the same id is replaced.
    GateOpened {
        /// The gate.
        gate: Gate,
    },
    /// A person answered.
    GateDecided {
        /// The gate.
        gate: GateId,
        /// The answer.
        answer: Answer,
        /// The request that brought it.
        request: RequestId,
        /// Who.
        by: String,
        /// Whether a terminal was there to ask at.
        attended: bool,
        /// What they said about it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// Nobody used an approval in time.
    GateExpired {
        /// The gate.
        gate: GateId,
    },
    /// A request was taken.
    RequestTaken {
        /// Which.
        request: RequestId,
    },
    /// A request was refused.
    RequestRefused {
        /// Which.
        request: RequestId,
        /// Why, in one line for people.
        why: String,
    },
    /// A job could not do what it was asked for, and would not if asked again.
    JobFailed {
        /// The job, in words.
        job: String,
        /// The packet that it was for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        packet: Option<PacketId>,
        /// Why, in one line for people.
        why: String,
    },
    /// A script begins, or goes on with another text.
    ScriptBegan {
        /// The script.
        run: Box<ScriptRun>,
    },
    /// A call of the script was taken in.
    CallAsked {
        /// The call.
        call: Box<AskedCall>,
    },
    /// A call's next turn is due: its answer does not follow the schema.
    CallTurned {
        /// The call.
        ordinal: u64,
        /// What its agent is told.
        feedback: String,
    },
    /// The service behind a call's agent wants a pause: the turn is made again.
    CallPostponed {
        /// The call.
        ordinal: u64,
        /// Until when.
        until: Timestamp,
        /// The client's words.
        why: String,
    },
    /// A call is answered. Answers are given to the script in the order in which they stand here.
    CallAnswered {
        /// The call.
        ordinal: u64,
        /// Its key, so that another script cannot take the answer by mistake.
        key: String,
        /// The answer.
        reply: Reply,
        /// How many tokens it took: what the script's budget counts.
        #[serde(default)]
        spent: u64,
        /// The unit that answered, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<UnitId>,
        /// The call of the script before that was answered so, where the answer was taken over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reused: Option<u64>,
    },
    /// The plan has one more packet.
    PacketAdded {
        /// The packet.
        packet: Box<Packet>,
        /// The commit that it starts from.
        base: CommitId,
        /// The call that made it; none for the shared workspace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u64>,
        /// What the script calls it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        label: String,
        /// Whether its agent is told the objective alone, as it stands.
        #[serde(default)]
        plain: bool,
    },
    /// A packet that was held on its branch may be merged.
    PacketReleased {
        /// The packet.
        packet: PacketId,
    },
    /// The script said something.
    ScriptSaid {
        /// What kind of thing.
        saying: Saying,
        /// What.
        text: Kept,
    },
    /// The script came to its end.
    ScriptEnded {
        /// How.
        end: ScriptEnd,
        /// What came of its calls.
        census: Census,
    },
    /// The workflow was archived.
    Archived {
        /// The recipe that was saved, if one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipe: Option<String>,
    },
}

/// An answer to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes, until then.
    Approved {
        /// When the approval expires.
        until: Timestamp,
    },
    /// No.
    Denied,
    /// The yes is taken back.
    Revoked,
}

/// How a packet was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenUp {
    /// Its units were stopped.
    Cancelled,
    /// The workflow can be complete without it.
    Dropped,
    /// Its work was turned down.
    Rejected,
}
