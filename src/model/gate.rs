//! Gates and what an approval is bound to.
//!
//! An approval is for one transition: it names the repository, the remote, each ref with its old and new
//! value, the digest of the difference that was shown and the digest of the policy that asked. If any of them
//! differs, it does not cover what is about to happen.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{CommitId, GateId, PacketId, RefName};
use super::reference::RefUpdate;

/// What a gate guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateKind {
    /// The plan itself.
    Plan,
    /// The start of a packet.
    Packet,
    /// The merge of a packet.
    Merge,
    /// The merge of all packets.
    Batch,
    /// An unexplained risk.
    Risk,
    /// The move of the target branch.
    Land,
    /// A push.
    Push,
    /// A question of a script.
    Named,
}

impl GateKind {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Packet => "packet",
            Self::Merge => "merge",
            Self::Batch => "batch",
            Self::Risk => "risk",
            Self::Land => "land",
            Self::Push => "push",
            Self::Named => "named",
        }
    }
}

/// What an approval is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The repository's own id.
    pub repository: String,
    /// The remote's name, for a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The remote's address, for a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The refs that move; empty where nothing moves (a packet's start).
    pub updates: Vec<RefUpdate>,
    /// Digest of the difference that was shown, in hexadecimal; empty where there is none.
    pub diff: String,
    /// Digest of the policy that asked, in hexadecimal.
    pub policy: String,
}

impl Binding {
    /// Names the first field in which two bindings differ, with both values, for people.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let id = |value: Option<&CommitId>| value.map_or("nothing", CommitId::short).to_owned();
        if self.repository != other.repository {
            return Some("the repository differs".to_owned());
        }
        for (what, a, b) in [
            ("remote", &self.remote, &other.remote),
            ("address", &self.url, &other.url),
        ] {
            if a != b {
                return Some(format!("the {what} was {} and is {}", text(a), text(b)));
            }
        }
        if self.updates.len() != other.updates.len() {
            return Some(format!(
                "{} refs were to move, now {}",
                self.updates.len(),
                other.updates.len()
            ));
        }
        for (a, b) in self.updates.iter().zip(&other.updates) {
            if a.name != b.name {
                return Some(format!("the ref was {} and is {}", a.name, b.name));
            }
            if a.old != b.old {
                return Some(format!(
                    "the old value of {} was {} and is {}",
                    a.name,
                    id(a.old.as_ref()),
                    id(b.old.as_ref())
                ));
            }
            if a.new != b.new {
                return Some(format!(
                    "the new value of {} was {} and is {}",
                    a.name,
                    id(a.new.as_ref()),
                    id(b.new.as_ref())
                ));
            }
        }
        if self.diff != other.diff {
            return Some("the difference is another".to_owned());
        }
        if self.policy != other.policy {
            return Some("the gate's policy was changed".to_owned());
        }
        None
    }
}

/// When a person is asked: the `[gate]` table of the configuration. Plain data; `gate::policy` judges by it.
///
/// The patterns are those of a packet's scope: `*` stays within a directory, `**` does not, a name without
/// wildcards covers the file or the whole directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Ask where more files changed than this.
    pub max_files: u32,
    /// Ask where more lines were added and removed, together, than this.
    pub max_lines: u32,
    /// Ask where files below more top-level directories changed than this.
    pub max_top_dirs: u32,
    /// Ask where a file is larger than this many bytes. Facts name only files above 1 MiB, so that a smaller
    /// value asks from there on.
    pub max_blob_bytes: u64,
    /// Ask where more files were deleted than this.
    pub max_deletions: u32,
    /// Ask where a path matches one of these patterns.
    pub protected: Vec<String>,
    /// For how many hours an approval is good.
    pub expires_hours: u32,
    /// Whether an approval counts that was given without a terminal (`--yes`).
    pub unattended: bool,
    /// Which plain `git push` the pre-push hook looks at.
    pub push: PushWatch,
}

/// Which plain `git push` needs an approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PushWatch {
    /// One that sends commits which dynwf made.
    #[default]
    Workflow,
    /// Every one.
    All,
}

/// The paths that a person looks at before they change, unless the configuration says otherwise: what runs in
/// CI or on a developer's machine by itself, what decides how git shows or merges files, what pins
/// dependencies, what instructs agents.
const PROTECTED: [&str; 26] = [
    ".github/**",
    ".gitlab-ci*",
    ".circleci/**",
    "Jenkinsfile",
    "**/Dockerfile",
    "hooks/**",
    ".husky/**",
    "**/.gitattributes",
    "**/.gitmodules",
    "**/.gitconfig",
    "**/.lfsconfig",
    ".workflow/**",
    "dynwf.toml",
    "**/CODEOWNERS",
    "**/*.lock",
    "**/*lock*.json",
    "**/go.sum",
    "**/build.rs",
    "**/.cargo/**",
    "**/Makefile",
    "**/.envrc",
    ".vscode/**",
    ".idea/**",
    ".devcontainer/**",
    "**/CLAUDE.md",
    "**/AGENTS.md",
];

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_files: 20,
            max_lines: 500,
            max_top_dirs: 5,
            max_blob_bytes: 1 << 20,
            max_deletions: 10,
            protected: PROTECTED.iter().map(|&text| text.to_owned()).collect(),
            expires_hours: 24,
            unattended: true,
            push: PushWatch::Workflow,
        }
    }
}

/// A question to a person, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What `dynwf approve` takes.
    pub id: GateId,
    /// What it guards.
    pub kind: GateKind,
    /// What an approval is bound to.
    pub binding: Binding,
    /// Why a person is asked, a line each.
    pub why: Vec<String>,
    /// The answer so far.
    pub status: GateStatus,
    /// When it was asked.
    pub opened: Timestamp,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// The state of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateStatus {
    /// Nobody has answered.
    Waiting,
    /// A person said yes; good until then.
    Approved {
        /// When the approval expires.
        until: Timestamp,
    },
    /// A person said no.
    Denied,
    /// The approval was spent.
    Consumed {
        /// The sequence number of the record that spent it. The same effect may go on with it after a crash;
        /// no other may.
        by: u64,
        /// When the approval would have expired; an effect that was refused gives it back.
        until: Timestamp,
    },
    /// Nobody used the approval in time.
    Expired,
    /// A person took the approval back.
    Revoked,
}

impl GateStatus {
    /// Returns the word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved { .. } => "approved",
            Self::Denied => "denied",
            Self::Consumed { .. } => "consumed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Who answered a gate, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The person, as git names them (`user.name <user.email>`).
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether a terminal was there to ask at; if not, `--yes` was given.
    pub attended: bool,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// The move of the target branch, frozen when its gate opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandPlan {
    /// The gate whose approval covers it.
    pub gate: GateId,
    /// What it does, exactly.
    pub binding: Binding,
    /// The packets that it brings, for messages.
    pub packets: Vec<PacketId>,
}

/// A push, frozen when its gate opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushPlan {
    /// The gate whose approval covers it.
    pub gate: GateId,
    /// What it does, exactly; `binding.updates` are refs of the remote.
    pub binding: Binding,
}

/// Something that moves refs and needs an approval of exactly that move.
pub trait Transition {
    /// The gate whose approval covers it.
    fn gate(&self) -> &GateId;
    /// What it does, exactly.
    fn binding(&self) -> &Binding;
}

impl Transition for LandPlan {
    fn gate(&self) -> &GateId {
        &self.gate
    }
    fn binding(&self) -> &Binding {
        &self.binding
    }
}

impl Transition for PushPlan {
    fn gate(&self) -> &GateId {
        &self.gate
    }
    fn binding(&self) -> &Binding {
        &self.binding
    }
}

impl LandPlan {
    /// Returns the target branch with its old and new value.
    pub fn update(&self) -> Option<(&RefName, Option<&CommitId>, &CommitId)> {
        let update = self.binding.updates.first()?;
        Some((&update.name, update.old.as_ref(), update.new.as_ref()?))
    }
}
