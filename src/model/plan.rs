//! The plan: what people and planner agents write, and what a workflow is frozen from.
//!
//! These types are the schema: `plan.toml`, its JSON form, the published JSON Schema (`dynwf plan --schema`)
//! and the journal all come from them. Field comments are the schema's descriptions. Rules that need more than
//! one field (unique ids, no cycles, disjoint scopes) are checked by `plan::validate`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::PacketId;

/// A plan for one large change, split into packets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the whole change achieves, in a sentence or two.
    pub goal: String,
    /// How a reader can tell that the goal is reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<String>,
    /// What every worker must know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// What must stay true throughout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// The revision that the work starts from; resolved to a commit and pinned when the plan is split.
    /// Default: HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// How accepted packets are put together, and where they land.
    #[serde(default)]
    pub integration: Integration,
    /// What the workflow may use.
    #[serde(default)]
    pub budget: Budget,
    /// What could go wrong.
    #[serde(default, rename = "risk", skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Risk>,
    /// Where a person is asked first.
    #[serde(default, rename = "gate", skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<PlanGate>,
    /// Commands that must exit 0.
    #[serde(default, rename = "check", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The self-contained pieces of work.
    #[serde(default, rename = "packet", skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<Packet>,
}

/// How accepted packets are put together, and where they land.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// The branch that the result lands on. Default: the branch that is checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How a packet becomes commits on the integration branch.
    #[serde(default)]
    pub strategy: Strategy,
    /// The order in which accepted packets are merged.
    #[serde(default)]
    pub order: Order,
    /// What to do with packets that could run together and may write the same files.
    #[serde(default)]
    pub overlap: Overlap,
    /// Whether a packet that turns a check of the integrated tree red is found and taken out. Default:
    /// `[integration] bisect` of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bisect: Option<bool>,
}

/// How a packet becomes commits on the integration branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// One merge commit per packet, whose second parent is the packet's tip.
    #[default]
    Merge,
    /// One ordinary commit per packet.
    Squash,
    /// The packet's own commits, replayed.
    Rebase,
}

/// The order in which accepted packets are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As the plan lists them (what a packet needs comes first).
    #[default]
    Plan,
    /// The packet with the fewest changed lines first.
    SmallestFirst,
}

/// What to do with packets that could run together and may write the same files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// Refuse the plan.
    #[default]
    Error,
    /// The later one starts from the earlier one's result.
    Serialize,
    /// Let them run side by side; a conflict may follow.
    Allow,
}

/// What a workflow may use. Absent means no limit, but for `concurrency`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How many units run at once. Default: `[limits] concurrency` of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: Option<u32>,
    /// How many minutes of units' time all packets together may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub minutes: Option<u32>,
    /// How many tokens all agents together may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// How much money, in US dollars, all agents together may cost, as far as they report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars: Option<f64>,
    /// How many packets agents may begin; those that were begun go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub packets: Option<u32>,
}

/// Something that could go wrong, and what is done about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// What could go wrong.
    pub what: String,
    /// How bad that would be.
    #[serde(default)]
    pub severity: Severity,
    /// What is done about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mitigation: String,
}

/// How bad a risk is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Easily mended.
    Low,
    /// Worth watching.
    #[default]
    Medium,
    /// Would hurt.
    High,
}

/// A place in the workflow where a person is asked first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanGate {
    /// `packet:ID`, `integrate`, `land` or `push`.
    pub before: String,
    /// Why a person should look.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A command that must exit 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The name that evidence is recorded under; unique in the plan.
    pub name: String,
    /// The shell command.
    pub run: String,
    /// On which trees it runs.
    #[serde(default)]
    pub when: CheckWhen,
    /// How many minutes it may take. Default: `[limits] minutes` of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub minutes: Option<u32>,
    /// Whether it must pass even where it fails on the base in the same way. Default: only new failures count.
    #[serde(default, skip_serializing_if = "is_false")]
    pub must_pass: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// On which trees a check runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckWhen {
    /// On each packet's own result.
    Packet,
    /// On the integrated tree.
    #[default]
    Integrated,
    /// On both.
    Both,
}

/// One self-contained piece of work, as the plan states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    /// `[a-z0-9][a-z0-9-]{0,63}`; files sort well with a two-digit prefix.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9-]{0,63}$"))]
    pub id: PacketId,
    /// What the packet achieves.
    pub objective: String,
    /// What its worker must know, beside the plan's context.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// Who answers for the result (a person or a team).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The globs that it may change, relative to the top of the repository. A name without wildcards covers
    /// the file or the whole directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// What to read first: paths or links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// What to do, step by step.
    #[serde(default, rename = "do", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// What not to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dont: Vec<String>,
    /// The expected output, and the metric of success.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expect: String,
    /// When to stop.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stop: String,
    /// Shell commands that must exit 0 in the packet's workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// The packets whose integrated result it starts from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub after: Vec<PacketId>,
    /// Who works on it: an agent's name. Default: `command` if `run` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The shell command that does the work; only with the agent `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What comes of it.
    #[serde(default)]
    pub kind: Kind,
    /// Goal mode: how often the agent may be prompted, again with the failing check, until the checks pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub turns: Option<u32>,
    /// How many minutes one turn may take. Default: `[limits] minutes` of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub minutes: Option<u32>,
    /// How many minutes all units of this packet together may take, checks and further turns included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub total_minutes: Option<u32>,
    /// How many tokens this packet may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// How much money, in US dollars, this packet may cost, as far as its agent reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars: Option<f64>,
    /// The JSON Schema that the answer of a research or review packet follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
}

/// What comes of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Changed files.
    #[default]
    Edit,
    /// Knowledge; no commit is expected.
    Research,
    /// The resolution of a conflict.
    Resolve,
    /// A judgement of other packets' work.
    Review,
}

/// How often an answer that does not follow its schema may be given, where the plan does not say.
pub const ANSWERS: u32 = 3;

/// The agent that runs a packet's `run` command.
pub const COMMAND_AGENT: &str = "command";

/// The agent of work that is done outside dynwf.
pub const PARENT_AGENT: &str = "parent";

impl Packet {
    /// A packet of which nothing more is stated: its worker is `command`, it may change nothing.
    pub fn new(id: PacketId, objective: String) -> Self {
        Self {
            id,
            objective,
            context: String::new(),
            owner: None,
            scope: Vec::new(),
            sources: Vec::new(),
            steps: Vec::new(),
            dont: Vec::new(),
            expect: String::new(),
            stop: String::new(),
            checks: Vec::new(),
            after: Vec::new(),
            agent: None,
            run: None,
            kind: Kind::Edit,
            turns: None,
            minutes: None,
            tokens: None,
            dollars: None,
            total_minutes: None,
            schema: None,
        }
    }

    /// Returns the agent's name: as given, else `command` (a valid plan has `agent` or `run`).
    pub fn agent_name(&self) -> &str {
        self.agent.as_deref().unwrap_or(COMMAND_AGENT)
    }

    /// Whether the work is done outside dynwf, by the host agent or a person.
    pub fn is_parent_work(&self) -> bool {
        self.agent_name() == PARENT_AGENT
    }

    /// Returns how many turns its agent gets at most.
    pub fn turns_at_most(&self) -> u32 {
        let usual = if self.schema.is_some() { ANSWERS } else { 1 };
        self.turns.unwrap_or(usual)
    }

    /// Whether the result is a set of changed files that is merged.
    pub fn expects_commit(&self) -> bool {
        matches!(self.kind, Kind::Edit | Kind::Resolve)
    }
}

impl Plan {
    /// Returns the packet with this id.
    pub fn packet(&self, id: &PacketId) -> Option<&Packet> {
        self.packets.iter().find(|packet| &packet.id == id)
    }

    /// Returns the checks of a packet: its own, then the plan's that run on packets. A packet's own check is
    /// named by its command, and must pass: it says whether the packet reached what it is for.
    pub fn checks_of(&self, packet: &Packet) -> Vec<Check> {
        let own = packet.checks.iter().map(|run| Check {
            name: run.clone(),
            run: run.clone(),
            when: CheckWhen::Packet,
            minutes: None,
            must_pass: true,
        });
        let shared = self
            .checks
            .iter()
            .filter(|check| matches!(check.when, CheckWhen::Packet | CheckWhen::Both));
        own.chain(shared.cloned()).collect()
    }

    /// Returns the checks of the integrated tree.
    pub fn integrated_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .filter(|check| matches!(check.when, CheckWhen::Integrated | CheckWhen::Both))
    }

    /// Returns why the plan asks a person before this step, if it does; `before` as in [`PlanGate::before`].
    pub fn asks_before(&self, before: &str) -> Option<&PlanGate> {
        self.gates.iter().find(|gate| gate.before == before)
    }
}
