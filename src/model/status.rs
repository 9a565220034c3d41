//! The words that people and tools read.

use serde::{Deserialize, Serialize};

/// The state of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PacketStatus {
    /// Not started; it may have a reason why it cannot.
    Planned,
    /// Its workspace is there.
    Ready,
    /// A unit works on it.
    Running,
    /// Its work is a commit.
    Collected,
    /// Its checks passed.
    Checked,
    /// A gate waits.
    Waiting,
    /// It will be merged.
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
    /// A person turned it down.
    Rejected,
    /// It was given up or waived.
    Cancelled,
    /// What it started from has changed.
    Stale,
}

impl PacketStatus {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Collected => "collected",
            Self::Checked => "checked",
            Self::Waiting => "waiting",
            Self::Accepted => "accepted",
            Self::Integrated => "integrated",
            Self::NoChange => "no_change",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Conflicted => "conflicted",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Stale => "stale",
        }
    }

    /// Whether nothing more happens to the packet by itself.
    pub fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Integrated
                | Self::NoChange
                | Self::Done
                | Self::Failed
                | Self::Conflicted
                | Self::Rejected
                | Self::Cancelled
        )
    }

    /// Whether the workflow can be complete with the packet like this.
    pub fn is_good(self) -> bool {
        matches!(
            self,
            Self::Integrated | Self::NoChange | Self::Done | Self::Cancelled
        )
    }
}

/// The state of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowStatus {
    /// Nothing was started.
    Planned,
    /// Something can go on by itself.
    Running,
    /// A gate waits for a person.
    Waiting,
    /// A conflict, a failed verification or work outside dynwf keeps it from going on.
    Blocked,
    /// Some packets failed and nothing else is left to do.
    Failed,
    /// Every packet is integrated, changed nothing, is done, or was waived.
    Complete,
}

impl WorkflowStatus {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Complete => "complete",
        }
    }
}
