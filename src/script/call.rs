//! What a script asks of the world, as data: one call, its options, and the key that says whether two are the same.
//!
//! Invariants: a call is made of JSON alone, so that it can be kept and compared; the key covers everything that can
//! change the answer, and nothing that only changes how the call is shown (label, phase, place).

use crate::model::hex::hex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The kinds of calls that wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// `agent(prompt, options)`: one conversation with an agent.
    Agent,
    /// `packet(prompt, options)`: a packet with a branch of its own.
    Packet,
    /// `integrate(packets)`: merge packets.
    Integrate,
    /// `sh(command, options)`: one command.
    Shell,
    /// `gate(question)`: wait for a person.
    Gate,
    /// `checkpoint(name, value)`: collect what the shared workspace holds.
    Checkpoint,
}

impl CallKind {
    /// The function of the script that makes such a call.
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

    /// Whether such a call starts an agent, and so counts against the most agents of a run.
    pub fn is_agent(self) -> bool {
        matches!(self, Self::Agent | Self::Packet)
    }
}

/// One call of the script.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The how-manieth call of the run this is, from 1: its identity.
    pub ordinal: u64,
    /// What was called.
    pub kind: CallKind,
    /// The name that the script gave it.
    pub label: Option<String>,
    /// The phase it belongs to: its own option, else the last `phase()` of the script.
    pub phase: Option<String>,
    /// Where it was made, for people: `parallel#1[12]`, `pipeline#2[3].stage[1]`, `workflow[review]`; empty at the top.
    pub place: String,
    /// SHA-256, in hex, of the canonical JSON of everything that matters to the answer.
    pub key: String,
    /// What was asked.
    pub body: Body,
    /// `body` as canonical JSON: sorted keys, nothing that is not set.
    pub text: String,
}

impl Call {
    /// How people are told about this call: its label, else its phase or function with its number.
    pub fn title(&self) -> String {
        title(
            self.kind,
            self.ordinal,
            self.label.as_deref(),
            self.phase.as_deref(),
        )
    }
}

/// The title of a call of which only these are known; see [`Call::title`].
pub fn title(kind: CallKind, ordinal: u64, label: Option<&str>, phase: Option<&str>) -> String {
    match (label, phase) {
        (Some(label), _) => label.to_owned(),
        (None, Some(phase)) if kind.is_agent() => format!("{phase} agent {ordinal}"),
        (None, _) => format!("{} {ordinal}", kind.function()),
    }
}

/// What was asked, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// An agent.
    Agent(AgentCall),
    /// A packet.
    Packet(PacketCall),
    /// An integration.
    Integrate(IntegrateCall),
    /// A command.
    Shell(ShellCall),
    /// A question.
    Gate(GateCall),
    /// A checkpoint.
    Checkpoint(CheckpointCall),
}

/// The options of `agent()`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentCall {
    /// What the agent is told.
    pub prompt: String,
    /// The JSON Schema of the answer; without one the answer is the agent's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The model, as its client calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How hard the model is to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// `worktree`: a packet with a branch of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// The name of a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// The client that does the work, where it is not that of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How long it may take, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// With `isolation`: the globs that it may change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// With `isolation`: commands that must exit with 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// With `isolation`: what it starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Takes the place of the prompt in the key, so that a reworded call keeps its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The options of `packet()`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PacketCall {
    /// What the agent is told.
    pub prompt: String,
    /// The id of the packet, where the script wants a certain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The globs that it may change; empty means everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// Commands that must exit with 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// What it starts from: a revision, or the commit of another packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// How often the agent is asked again while a check fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// A command that does the work in place of an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// As in [`AgentCall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What `integrate()` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrateCall {
    /// The packets, in order; `None` for a call without a list: every packet of the run that is not integrated yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<Vec<PacketRef>>,
}

/// How a script names a packet: what `packet()` gave it, or one of its names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketRef {
    /// Its id, or whatever string the script gave: an id, a label or a branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// The options of `sh()`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShellCall {
    /// What the shell runs.
    pub command: String,
    /// How long it may take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// As in [`AgentCall`], in place of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What `gate()` asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateCall {
    /// What the person is asked.
    pub question: String,
    /// What the gate is called, where the script wants a certain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What `checkpoint()` keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointCall {
    /// What it is called.
    pub name: String,
    /// What the script gave with it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

impl Body {
    /// Reads the options of a call.
    ///
    /// # Errors
    /// Where a field has a wrong type or is not known.
    pub fn read(kind: CallKind, json: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            CallKind::Agent => Self::Agent(serde_json::from_str(json)?),
            CallKind::Packet => Self::Packet(serde_json::from_str(json)?),
            CallKind::Integrate => Self::Integrate(serde_json::from_str(json)?),
            CallKind::Shell => Self::Shell(serde_json::from_str(json)?),
            CallKind::Gate => Self::Gate(serde_json::from_str(json)?),
            CallKind::Checkpoint => Self::Checkpoint(serde_json::from_str(json)?),
        })
    }

    /// The kind of call that this is.
    pub fn kind(&self) -> CallKind {
        match self {
            Self::Agent(_) => CallKind::Agent,
            Self::Packet(_) => CallKind::Packet,
            Self::Integrate(_) => CallKind::Integrate,
            Self::Shell(_) => CallKind::Shell,
            Self::Gate(_) => CallKind::Gate,
            Self::Checkpoint(_) => CallKind::Checkpoint,
        }
    }

    /// The JSON Schema that the answer must follow.
    pub fn schema(&self) -> Option<&Value> {
        match self {
            Self::Agent(call) => call.schema.as_ref(),
            Self::Packet(call) => call.schema.as_ref(),
            _ => None,
        }
    }

    /// The fields, sorted, without those that are not set.
    pub fn fields(&self) -> Map<String, Value> {
        let value = match self {
            Self::Agent(call) => serde_json::to_value(call),
            Self::Packet(call) => serde_json::to_value(call),
            Self::Integrate(call) => serde_json::to_value(call),
            Self::Shell(call) => serde_json::to_value(call),
            Self::Gate(call) => serde_json::to_value(call),
            Self::Checkpoint(call) => serde_json::to_value(call),
        };
        match value {
            Ok(Value::Object(fields)) => fields,
            // Maps with string keys and finite numbers always become an object.
            _ => Map::new(),
        }
    }
}

/// The key of a call with these fields: a `key` among them stands for the prompt or the command.
pub fn key(kind: CallKind, fields: &Map<String, Value>) -> String {
    let pinned = fields.contains_key("key");
    let mut hash = Sha256::new();
    hash.update(kind.function().as_bytes());
    for (name, value) in fields {
        if pinned && matches!(name.as_str(), "prompt" | "command") {
            continue;
        }
        hash.update(b"\n");
        hash.update(name.as_bytes());
        hash.update(b"=");
        hash.update(value.to_string().as_bytes());
    }
    hex(&hash.finalize())
}
