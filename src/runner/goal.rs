//! What an acting verb wants, and the settings that the rules look at.

use crate::integrate::Rules;
use crate::model::gate::Policy;
use crate::workspace::Sites;

/// What an acting verb wants. Every verb runs the same loop; the goal says which steps it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Answer requests, and collect what they say is ready.
    Answer,
    /// Branches and workspaces for all packets that can start.
    Split,
    /// Everything up to the next gate.
    Run,
    /// Check, judge and merge what was collected.
    Integrate,
    /// Run the checks on the integrated tree.
    Verify,
    /// Move the target branch.
    Land,
    /// Push what was looked up.
    Push,
    /// Take the workspaces away and keep the branches as plain refs.
    Archive {
        /// The recipe that was saved of the workflow.
        recipe: Option<String>,
    },
}

impl Goal {
    /// Returns the verb.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Split => "split",
            Self::Run => "run",
            Self::Integrate => "integrate",
            Self::Verify => "verify",
            Self::Land => "land",
            Self::Push => "push",
            Self::Archive { .. } => "archive",
        }
    }

    /// Whether branches and workspaces are made for packets.
    pub fn prepares(&self) -> bool {
        matches!(self, Self::Split | Self::Run)
    }

    /// Whether agents are started.
    pub fn works(&self) -> bool {
        matches!(self, Self::Run)
    }

    /// Whether collected work is checked, judged and merged.
    pub fn integrates(&self) -> bool {
        matches!(self, Self::Run | Self::Integrate)
    }

    /// Whether the integrated tree is checked.
    pub fn verifies(&self) -> bool {
        matches!(self, Self::Run | Self::Verify)
    }

    /// Whether the gate for landing is opened.
    pub fn offers_landing(&self) -> bool {
        matches!(self, Self::Run | Self::Verify | Self::Land)
    }
}

/// The settings that rules and jobs look at: resolved once, never read again while the loop runs.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// What the verb wants.
    pub goal: Goal,
    /// How many units run at once.
    pub concurrency: usize,
    /// How many workspaces are made at once.
    pub cores: usize,
    /// How many minutes a unit may take where the plan does not say.
    pub minutes: u32,
    /// How many minutes an agent may be silent; 0 means as long as it likes.
    pub silence: u32,
    /// The commands that prepare a fresh workspace.
    pub setup: Vec<String>,
    /// Whether packets that turn checks red are found and taken out, where the plan does not say.
    pub bisect: bool,
    /// The agent that is asked to resolve what no rule does, if one is.
    pub resolver: Option<String>,
    /// What is done by rule with files that conflict.
    pub rules: Rules,
    /// What opens a merge gate.
    pub policy: Policy,
    /// Where the workflow's workspaces lie.
    pub sites: Sites,
    /// No new work: a person asked to stop.
    pub winding_down: bool,
}
