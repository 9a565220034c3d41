//! What is recorded of a script: what it is, what it asked for, what it was answered, how it ended.
//!
//! Large texts are kept beside the journal and named by their digest ([`Kept`]), so that a journal with ten thousand
//! answers is read quickly. What the calls mean is for `script` and `runner::script`.

use serde::{Deserialize, Serialize};

use super::id::{GateId, PacketId};

/// What a script asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// One conversation with an agent.
    Agent,
    /// A packet with a branch of its own.
    Packet,
    /// The integration of packets.
    Integrate,
    /// One shell command.
    Shell,
    /// A person's answer.
    Gate,
    /// The collection of what lies in the shared workspace.
    Checkpoint,
}

impl Asks {
    /// Returns the function of the script that asks so.
    pub fn function(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Packet => "packet",
            Self::Integrate => "integrate",
            Self::Shell => "sh",
            Self::Gate => "gate",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// A text that is kept: here, or in a file of the workflow that its digest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The text itself.
    Here(String),
    /// A file in the workflow's `blobs` folder: SHA-256 of the text, in hexadecimal.
    Blob(String),
}

/// A script as it is run. Script and arguments are kept in the run, so that going on takes its name alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRun {
    /// The script's own name.
    pub name: String,
    /// What it says that it does.
    pub description: String,
    /// The file that it was read from, as it was named.
    pub file: String,
    /// The folder that it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Its text.
    pub source: Kept,
    /// Its arguments, as JSON; none where none were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Kept>,
    /// The engine and the prelude that run it.
    pub engine: String,
    /// The agent that does what names no other.
    pub agent: String,
    /// The checkout that agents work in, where they work in the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<String>,
    /// How much of what it says was recorded before it began with this text.
    #[serde(default)]
    pub said: u64,
    /// How many tokens the script may use, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// By which policy answers of the script as it ran before are taken over, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// Whether calls that failed before are made again.
    #[serde(default)]
    pub retry_failed: bool,
    /// What was found out about that before it began, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

/// A call that was taken in: an agent, a packet, a command, a question is to answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCall {
    /// The how-manieth call of the script it is, from 1.
    pub ordinal: u64,
    /// What it asks for.
    pub asks: Asks,
    /// What it is called, for people.
    pub label: String,
    /// How many answers the script had got when it made the call.
    #[serde(default)]
    pub after: u64,
    /// The phase of the script that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What says whether two calls are the same.
    pub key: String,
    /// What was asked, as canonical JSON.
    pub body: Kept,
    /// The agent that answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The model, where the call or its role names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The reasoning effort, where the call or its role names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// The words of its role, which come before the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The packet that was made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<PacketId>,
    /// The packets that it integrates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<PacketId>,
    /// The gate that it waits at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateId>,
    /// What the person is asked, or the name of the checkpoint.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// How many seconds one unit of it may take; the configured time where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A value, as JSON.
    Value(Kept),
    /// None, and why: an agent's call is `null` for the script, any other throws.
    Failed(String),
}

/// How many calls came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Answered with a value.
    pub done: u64,
    /// Answered with nothing, because what was to answer failed.
    pub failed: u64,
    /// Answers of an earlier script that were taken over; they count as done, too.
    #[serde(default)]
    pub reused: u64,
    /// Made by the script and never started, because it had ended.
    #[serde(default)]
    pub skipped: u64,
    /// Begun and stopped, because the script had ended.
    #[serde(default)]
    pub cancelled: u64,
}

impl std::fmt::Display for Census {
    /// `3 done, 1 null, 2 of them reused`: what there is none of is left out, but for what is done.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} done", self.done)?;
        for (count, word) in [
            (self.failed, "null"),
            (self.reused, "of them reused"),
            (self.skipped, "skipped"),
            (self.cancelled, "cancelled"),
        ] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        Ok(())
    }
}

/// What a script said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saying {
    /// It came to a phase.
    Phase,
    /// It narrates.
    Log,
    /// Something that is to survive whatever comes, as JSON.
    Report,
    /// Something is odd about it.
    Warning,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptEnd {
    /// With this value, as JSON.
    Value(Kept),
    /// With this error.
    Error(String),
}
