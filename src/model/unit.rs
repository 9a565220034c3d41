//! Units: child processes with a deadline. Agents, checks and setup commands are all units.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::{PacketId, TreeId, UnitId};

/// Which workspace of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WorkspaceName {
    /// The workspace of a packet.
    Packet(PacketId),
    /// The workspace in which integrated trees are checked and conflicts are resolved by hand.
    Integration,
    /// The user's own checkout, where a script was told to work in it.
    Checkout,
}

/// How the checkout is written; no packet can be called so.
const CHECKOUT: &str = "@checkout";

impl WorkspaceName {
    /// Returns the packet that the workspace belongs to, if any.
    pub fn packet(&self) -> Option<&PacketId> {
        match self {
            Self::Packet(packet) => Some(packet),
            Self::Integration | Self::Checkout => None,
        }
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(packet) => packet.fmt(f),
            Self::Integration => f.pad("integration"),
            Self::Checkout => f.pad(CHECKOUT),
        }
    }
}

impl From<WorkspaceName> for String {
    fn from(name: WorkspaceName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for WorkspaceName {
    type Error = super::id::BadName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "integration" {
            Ok(Self::Integration)
        } else if text == CHECKOUT {
            Ok(Self::Checkout)
        } else {
            text.parse().map(Self::Packet)
        }
    }
}

/// One child process with a deadline, announced before it is launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its number in this workflow.
    pub id: UnitId,
    /// What it does.
    pub kind: UnitKind,
    /// The workspace that it runs in.
    pub workspace: WorkspaceName,
    /// Which attempt of the packet it belongs to (0 in the integration workspace).
    pub attempt: u32,
    /// How many seconds it may take.
    pub seconds: u64,
    /// How many seconds it may be silent; 0 means as long as it likes.
    pub silence: u64,
}

/// What a unit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// A command of `[workspace] setup`.
    Setup {
        /// Which command of the list, from 0.
        index: u32,
        /// The shell command.
        run: String,
    },
    /// An agent's turn at a packet.
    Work {
        /// The turn, from 1.
        turn: u32,
    },
    /// A check.
    Check {
        /// The name that evidence is recorded under.
        check: String,
        /// The shell command.
        run: String,
        /// The tree that the workspace holds.
        tree: TreeId,
    },
    /// An agent's turn at a call of a script, or the command that the call asks for.
    Call {
        /// The call.
        ordinal: u64,
        /// The turn, from 1.
        turn: u32,
    },
}

impl Unit {
    /// Returns the packet that the unit works for, if any.
    pub fn packet(&self) -> Option<&PacketId> {
        self.workspace.packet()
    }

    /// Returns the call of a script that the unit answers, if it answers one.
    pub fn call(&self) -> Option<u64> {
        match self.kind {
            UnitKind::Call { ordinal, .. } => Some(ordinal),
            _ => None,
        }
    }

    /// Whether the unit is an agent's turn at a packet.
    pub fn is_work(&self) -> bool {
        matches!(self.kind, UnitKind::Work { .. })
    }
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitOutcome {
    /// With this exit code.
    Exited(i32),
    /// By a signal that dynwf did not send.
    Signalled(i32),
    /// Stopped because its time was up.
    TimedOut,
    /// Stopped because it was silent for too long.
    Silent,
    /// Stopped because it printed more than it may.
    TooMuchOutput,
    /// Stopped because a budget was used up, in words.
    OverBudget(String),
    /// Stopped because a person or dynwf wanted so.
    Cancelled,
    /// Its process vanished together with the record of its end (a crash of the machine, or a kill of the
    /// process that attended it).
    Lost,
    /// It could not be started.
    NotStarted(String),
    /// It was not started, because its workspace was changed before anybody worked there: what, in words.
    Spoilt(String),
}

impl UnitOutcome {
    /// Whether the process exited with 0.
    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }

    /// Whether the attempt says nothing about the work: it is to be made again and does not count.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Lost | Self::Cancelled | Self::Spoilt(_))
    }
}

/// In words that complete "the unit …".
impl fmt::Display for UnitOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signalled(number) => write!(f, "killed by signal {number}"),
            Self::TimedOut => f.write_str("stopped: its time was up"),
            Self::Silent => f.write_str("stopped: silent for too long"),
            Self::TooMuchOutput => f.write_str("stopped: too much output"),
            Self::OverBudget(why) => write!(f, "stopped: {why}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Lost => f.write_str("lost with the process that attended it"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
            Self::Spoilt(what) => write!(
                f,
                "not started: somebody else changed its workspace before: {what}"
            ),
        }
    }
}

/// What an agent says it used. Absent figures were not reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Cost in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars: Option<f64>,
}

impl Usage {
    /// Adds what another turn used.
    pub fn add(&mut self, other: &Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        self.input_tokens = sum(self.input_tokens, other.input_tokens);
        self.output_tokens = sum(self.output_tokens, other.output_tokens);
        self.dollars = match (self.dollars, other.dollars) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
        };
    }

    /// Whether any tokens were reported.
    pub fn has_tokens(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }

    /// Returns input and output tokens together (0 where nothing was reported).
    pub fn tokens(&self) -> u64 {
        self.input_tokens.unwrap_or(0) + self.output_tokens.unwrap_or(0)
    }
}
