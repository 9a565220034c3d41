//! Requests: what other processes (`approve`, `packet retry`, `stop`, …) ask of a workflow.
//!
//! A request is a file in the workflow's inbox; its name is its id. The dispatcher takes it, journals what
//! came of it, and removes it. One that was journaled is never taken twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gate::Binding;
use super::id::{GateId, PacketId, RequestId};
use super::plan::Plan;

/// What another process asks of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The name of its file, without the ending.
    pub id: RequestId,
    /// When it was left.
    pub at: Timestamp,
    /// Who left it, as git names them.
    pub by: String,
    /// Whether a terminal was there to ask at.
    pub attended: bool,
    /// What is asked.
    pub body: RequestBody,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    /// Say yes to a gate, for exactly this transition.
    Approve {
        /// The gate.
        gate: GateId,
        /// What was shown to the person.
        binding: Binding,
    },
    /// Say no to a gate.
    Deny {
        /// The gate.
        gate: GateId,
        /// Why.
        why: String,
    },
    /// Take an approval back.
    Revoke {
        /// The gate.
        gate: GateId,
    },
    /// Try a packet again from its base.
    Retry {
        /// The packet.
        packet: PacketId,
        /// What its worker is told beside the packet's own text.
        comment: String,
    },
    /// Stop a packet's units and give it up.
    Cancel {
        /// The packet.
        packet: PacketId,
        /// Why.
        why: String,
    },
    /// Waive a packet: the workflow can be complete without it.
    Drop {
        /// The packet.
        packet: PacketId,
        /// Why.
        why: String,
    },
    /// A worker outside dynwf has taken a packet.
    Claim {
        /// The packet.
        packet: PacketId,
    },
    /// A worker outside dynwf has finished a packet: collect it.
    Done {
        /// The packet.
        packet: PacketId,
        /// What it says about the result.
        note: String,
    },
    /// The conflict in the integration workspace is resolved.
    Continue {
        /// Why the resolution lacks what it lacks of the two sides' changes; empty if nobody says.
        #[serde(default)]
        why: String,
    },
    /// Take the layout of the conflict away; what was done there goes to a rescue ref.
    Abort,
    /// Give up a conflict: the workflow can be complete without its packet.
    Skip {
        /// The packet; else the one whose conflict is laid out, or the first that conflicts.
        #[serde(default)]
        packet: Option<PacketId>,
        /// Why.
        why: String,
    },
    /// Take a packet that landed out again.
    Revert {
        /// The packet.
        packet: PacketId,
        /// Why; may be empty.
        why: String,
    },
    /// Replace the plan by this one; what is finished must stay as it is.
    Amend {
        /// The plan.
        plan: Box<Plan>,
    },
    /// Wind down: no new units, stop the running ones.
    Stop,
}
