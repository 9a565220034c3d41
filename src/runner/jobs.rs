//! What should be going on now, as a function of the state alone. Pure.
//!
//! The dispatcher compares this with what is going on, and starts the difference; on resume nothing is going
//! on, so everything is started: that is all that resuming takes.

use std::collections::BTreeSet;
use std::fmt;

use super::goal::Options;
use super::{queue, suspect};
use crate::model::id::{OpId, PacketId, UnitId};
use crate::model::state::{RunState, Stage};

/// Something that goes on beside the dispatcher and ends with an input for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    /// See a unit through to its end: launch it, adopt it, or settle what is left of it.
    Attend(UnitId),
    /// Perform an effect.
    Perform(OpId),
    /// Make a commit of what a worker left.
    Collect(PacketId),
    /// Merge the packets whose turn it is, as objects.
    Merge,
    /// Merge the moved target, as objects.
    FollowTarget,
    /// Put the integration branch together again, as objects.
    Rebuild,
    /// Replay a packet's work onto another base, as objects.
    Restack(PacketId),
    /// Look at what landing would change.
    Weigh,
    /// Hold the packets on their way against each other.
    Radar,
    /// Settle a packet's conflict by rule.
    Mend(PacketId),
    /// Give a packet's conflict to a resolver.
    Hand(PacketId),
    /// Look at what a resolver made of a conflict; the packet is the resolver's.
    TakeResolution(PacketId),
}

impl Job {
    /// Returns the packet that the job is for, if it is for one.
    pub(super) fn packet(&self) -> Option<&PacketId> {
        match self {
            Self::Collect(packet)
            | Self::Restack(packet)
            | Self::Mend(packet)
            | Self::Hand(packet)
            | Self::TakeResolution(packet) => Some(packet),
            _ => None,
        }
    }
}

/// In words that complete "the job …".
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attend(unit) => write!(f, "attend unit {unit}"),
            Self::Perform(op) => write!(f, "perform effect {op}"),
            Self::Collect(packet) => write!(f, "collect {packet}"),
            Self::Merge => f.write_str("merge what was accepted"),
            Self::FollowTarget => f.write_str("merge the moved target"),
            Self::Rebuild => f.write_str("take packets out of the integration branch"),
            Self::Restack(packet) => write!(f, "replay {packet}"),
            Self::Weigh => f.write_str("look at what landing would change"),
            Self::Radar => f.write_str("see which packets will conflict"),
            Self::Mend(packet) => write!(f, "settle the conflict of {packet} by rule"),
            Self::Hand(packet) => write!(f, "give the conflict of {packet} to a resolver"),
            Self::TakeResolution(packet) => write!(f, "take the resolution of {packet}"),
        }
    }
}

/// Returns what should be going on.
pub(super) fn jobs(state: &RunState, options: &Options) -> BTreeSet<Job> {
    let mut jobs: BTreeSet<Job> = state.ops.keys().map(|&op| Job::Perform(op)).collect();
    if state.archived {
        return jobs;
    }
    jobs.extend(state.units.keys().map(|&unit| Job::Attend(unit)));
    jobs.extend(
        state
            .in_plan_order()
            .filter(|(_, packet)| packet.stage == Stage::Returned)
            .map(|(id, _)| Job::Collect(id.clone())),
    );
    if queue::must_follow_target(state, options) {
        jobs.insert(Job::FollowTarget);
    }
    if queue::must_merge(state, options) {
        jobs.insert(Job::Merge);
    }
    if queue::must_rebuild(state, options) || suspect::must_straighten(state, options) {
        jobs.insert(Job::Rebuild);
    }
    jobs.extend(queue::to_restack(state, options).cloned().map(Job::Restack));
    if options.goal.offers_landing()
        && !options.winding_down
        && queue::is_ready_to_land(state)
        && !is_weighed(state)
    {
        jobs.insert(Job::Weigh);
    }
    jobs.extend(queue::to_mend(state, options).map(Job::Mend));
    jobs.extend(queue::to_hand(state, options).map(Job::Hand));
    jobs.extend(queue::to_take(state, options).map(Job::TakeResolution));
    if queue::must_sweep(state, options) {
        jobs.insert(Job::Radar);
    }
    jobs
}

/// Whether it is known what landing the present integration commit would change.
pub(super) fn is_weighed(state: &RunState) -> bool {
    state.integration.as_ref().is_some_and(|integration| {
        integration.weight.as_ref().is_some_and(|weight| {
            weight.old == integration.target && weight.new == integration.commit
        })
    })
}
