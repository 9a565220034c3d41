//! What goes between the dispatcher and its jobs. Never stored: `facts` turns inputs into events.

use std::sync::Arc;

use super::jobs::Job;
use crate::agent::RateLimit;
use crate::config::Config;
use crate::git::Git;
use crate::journal::Store;
use crate::model::event::EventKind;
use crate::model::gate::Binding;
use crate::model::id::{CommitId, OpId, PacketId, TreeId, UnitId};
use crate::model::op::OpOutcome;
use crate::model::packet::{Collected, Conflict, Merge, Rebuild, Resolving, Restack, Weight};
use crate::model::plan::Packet;
use crate::model::proof::Proof;
use crate::model::radar::Sweep;
use crate::model::request::Request;
use crate::model::script::Reply;
use crate::model::unit::{UnitOutcome, Usage};

/// What every job may use. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) git: Git,
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
}

/// What a job sends to the dispatcher.
#[derive(Debug)]
pub(super) enum Message {
    /// It ended, with this input (none where nothing is to be said).
    Ended {
        /// The job.
        job: Job,
        /// What it says.
        input: Option<Input>,
    },
    /// It learned something on the way.
    Note(Input),
    /// A unit that goes on says what it used.
    Used {
        /// The unit.
        unit: UnitId,
        /// What it used in this turn so far.
        usage: Usage,
    },
    /// A unit says what it is at.
    Progress {
        /// The unit.
        unit: UnitId,
        /// One line.
        text: String,
    },
}

/// What git had to be asked for a request, before it can be answered.
#[derive(Debug)]
pub(super) enum LookedUp {
    /// Nothing.
    Nothing,
    /// For [`crate::model::request::RequestBody::Continue`]: the merge commit of the resolution, or why there is
    /// none.
    Resolution(Result<Merge, String>),
    /// For [`crate::model::request::RequestBody::Revert`]: the work that takes the packet out again, or why there is
    /// none.
    Revert(Result<Box<Collected>, String>),
}

/// An input.
#[derive(Debug)]
pub(super) enum Input {
    /// What the host of a script brings: facts already.
    Script(Vec<EventKind>),
    /// The target branch stands here, and this is its tree.
    Target(CommitId, TreeId),
    /// What failed on the integrated tree is to be checked again.
    CheckAgain,
    /// A push was asked for; this is what it would do.
    Push(Binding),
    /// A request was found in the inbox.
    Request {
        /// The request.
        request: Box<Request>,
        /// What git had to be asked for it.
        looked_up: LookedUp,
    },
    /// A unit's client named its conversation.
    UnitNoted {
        /// The unit.
        unit: UnitId,
        /// The session.
        session: String,
    },
    /// A unit ended.
    UnitEnded(UnitEnd),
    /// An effect ended.
    OpEnded {
        /// The effect.
        op: OpId,
        /// How.
        outcome: OpOutcome,
    },
    /// A worker's files were looked through.
    Collected {
        /// The packet.
        packet: PacketId,
        /// What came of it.
        result: CollectResult,
    },
    /// Packets were merged, each onto the one before it, or could not be.
    Merged(Vec<(PacketId, MergeResult)>),
    /// The moved target was merged, or could not be.
    Followed {
        /// The target's commit.
        target: CommitId,
        /// What came of it.
        result: MergeResult,
    },
    /// The integration branch was put together again.
    Rebuilt(Rebuild),
    /// A packet's work was replayed, or could not be.
    Restacked {
        /// The packet.
        packet: PacketId,
        /// Its work before and after, or why it cannot be replayed.
        result: Result<Box<Restack>, String>,
    },
    /// What landing would change was looked at.
    Weighed(Weight),
    /// Packets on their way were held against each other.
    Swept(Sweep),
    /// A conflict with its marks is a commit that a resolver can start from, or why not.
    Handed {
        /// The packet that conflicts.
        packet: PacketId,
        /// What the resolver is to do, and the packet that does it.
        result: Result<Box<(Resolving, Packet)>, String>,
    },
    /// A resolver's work was looked at.
    Resolved {
        /// The resolver's packet.
        packet: PacketId,
        /// The merge commit of the resolution, or why it is none.
        result: Result<Box<Merge>, String>,
    },
    /// A conflict was settled by rule, or could not be.
    Mended {
        /// The packet.
        packet: PacketId,
        /// The merge commit of the resolution and what settled it, or why it is not settled.
        result: Result<Box<(Merge, String)>, String>,
    },
    /// A job could not do what it was asked for.
    Failed {
        /// The job.
        job: Job,
        /// Why.
        why: String,
    },
}

/// How a unit ended, with what its output said.
#[derive(Debug)]
pub(super) struct UnitEnd {
    /// The unit.
    pub(super) unit: UnitId,
    /// How its process ended.
    pub(super) outcome: UnitOutcome,
    /// How many milliseconds it ran.
    pub(super) millis: u64,
    /// SHA-256 of its output, in hexadecimal.
    pub(super) output: String,
    /// What its agent used.
    pub(super) usage: Option<Usage>,
    /// What went wrong, in its agent's words.
    pub(super) complaint: Option<String>,
    /// What its agent answered, where the answer is the result.
    pub(super) answer: Option<String>,
    /// Why the answer does not follow the packet's schema, a line each.
    pub(super) problems: Vec<String>,
    /// Its service wants a pause; nothing is wrong with the work.
    pub(super) rate_limited: Option<RateLimit>,
    /// What the call of a script is answered, where the unit answers one.
    pub(super) reply: Option<Reply>,
    /// The packets whose workspaces were changed while it ran though nobody worked in them.
    pub(super) soiled: Vec<PacketId>,
}

impl UnitEnd {
    /// The end of a unit that printed nothing.
    pub(super) fn of(unit: UnitId, outcome: UnitOutcome) -> Self {
        Self {
            unit,
            outcome,
            millis: 0,
            output: String::new(),
            usage: None,
            complaint: None,
            answer: None,
            problems: Vec::new(),
            rate_limited: None,
            reply: None,
            soiled: Vec::new(),
        }
    }

    /// Says why a unit that was stopped was, where a budget did it. One that was through before stays so.
    pub(super) fn is_over(&mut self, why: String) {
        if self.outcome == UnitOutcome::Cancelled {
            self.outcome = UnitOutcome::OverBudget(why);
            self.complaint = None;
            self.answer = None;
            self.problems.clear();
        }
    }
}

/// What a worker left.
#[derive(Debug)]
pub(super) enum CollectResult {
    /// Nothing.
    Nothing {
        /// Oddities, for people.
        notes: Vec<String>,
    },
    /// A commit.
    Work(Box<Collected>),
    /// Something that is not collected, by name.
    Refused(Vec<String>),
}

/// What came of a merge.
#[derive(Debug)]
pub(super) enum MergeResult {
    /// A commit.
    Clean(Merge),
    /// A conflict.
    Conflict(Conflict),
    /// A merge that lacks something of a side's change, which nobody has seen yet.
    Doubt(Proof),
    /// Git could not answer, and will not if it is asked again.
    Failed(String),
}
