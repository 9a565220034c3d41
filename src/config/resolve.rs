//! Puts the sources of configuration together: flag, environment, repository, person, default.
//!
//! Every key remembers where its value came from ([`Config::origin`], for `doctor`). Keys that decide about
//! trust are taken from the person's own file or from the `dynwf.toml` of the base commit, never from the
//! `dynwf.toml` of a work tree, which a packet could have changed. This module reads no repository: the caller
//! brings the texts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;
use toml::de::DeValue;

use super::document::{Content, Document, Entry, Node, of_value, text_of};
use super::file::{
    AgentConfig, File, GateConfig, IntegrationConfig, LimitsConfig, ReviewConfig, RoleConfig,
    SandboxConfig, WorkspaceConfig,
};
use super::problem::{Place, Problem, Source, failure};
use super::rules::ADAPTERS;

/// The name of the repository's configuration file, at the top of the work tree.
pub const REPOSITORY_FILE: &str = "dynwf.toml";

/// How settings in the environment begin; `DYNWF_CONFIG_LIMITS__MINUTES` is `minutes` of `[limits]`.
pub const PREFIX: &str = "DYNWF_CONFIG_";

/// The texts that a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The person's own file and its text.
    pub user: Option<(PathBuf, String)>,
    /// The repository's file as it lies in the work tree: its label and its text.
    pub repo: Option<(String, String)>,
    /// The repository's file as the base commit has it: what it says about trust counts.
    pub base: Option<(String, String)>,
    /// The environment; names that do not begin with [`PREFIX`] are not looked at.
    pub env: BTreeMap<String, String>,
    /// Values from the command line by dotted key (`limits.concurrency`).
    pub flags: BTreeMap<String, String>,
}

/// The configuration that holds, each value from the first source that names it.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Agents by name, beside the built-in ones.
    pub agents: BTreeMap<String, AgentConfig>,
    /// Where and how packets' workspaces are made.
    pub workspace: WorkspaceConfig,
    /// What units may use.
    pub limits: LimitsConfig,
    /// What keeps units in their place.
    pub sandbox: SandboxConfig,
    /// When a person is asked.
    pub gate: GateConfig,
    /// How packets are put together.
    pub integration: IntegrationConfig,
    /// How differences are shown.
    pub review: ReviewConfig,
    /// Roles that scripts name.
    pub roles: BTreeMap<String, RoleConfig>,
    /// Settings that were left out because they decide about trust and stand in a file that may not.
    pub ignored: Vec<Problem>,
    origins: BTreeMap<String, Origin>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This variable.
    Environment(String),
    /// The repository's file.
    Repository {
        /// Its label.
        label: String,
        /// The place in it.
        place: Place,
    },
    /// The person's own file.
    Person {
        /// Its path.
        label: String,
        /// The place in it.
        place: Place,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(name) => f.write_str(name),
            Self::Repository { label, place } | Self::Person { label, place } => {
                write!(f, "{label}:{place}")
            }
            Self::Default => f.write_str("default"),
        }
    }
}

/// Returns where a person's own file is: `$XDG_CONFIG_HOME/dynwf/config.toml`, else below `~/.config`.
pub fn user_file(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(env.get(name)?);
        path.is_absolute().then_some(path)
    };
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("dynwf/config.toml"))
}

impl Sources {
    /// Reads the person's file and the one at the top of a work tree; files that are not there say nothing.
    ///
    /// # Errors
    /// If a file is there and cannot be read or is not UTF-8.
    pub fn read(env: BTreeMap<String, String>, work_tree: Option<&Path>) -> Result<Self> {
        let user = user_file(&env);
        let user = user.map(|path| text_of(&path).map(|text| Some((path, text?))));
        let repo = work_tree.map(|top| {
            text_of(&top.join(REPOSITORY_FILE))
                .map(|text| Some((REPOSITORY_FILE.to_owned(), text?)))
        });
        Ok(Self {
            user: user.transpose()?.flatten(),
            repo: repo.transpose()?.flatten(),
            env,
            ..Self::default()
        })
    }
}

impl Config {
    /// Puts the sources together.
    ///
    /// # Errors
    /// A usage failure that lists every problem of every source, with its place.
    pub fn load(sources: &Sources) -> Result<Self> {
        let schema = schemars::schema_for!(File).to_value();
        let mut loader = Loader::new(schema);
        loader.files(sources);
        for (name, value) in &sources.env {
            if let Some(key) = name.strip_prefix(PREFIX) {
                let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
                loader.setting(name, &path, value, &Origin::Environment(name.clone()));
            }
        }
        for (key, value) in &sources.flags {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            loader.setting(key, &path, value, &Origin::Flag);
        }
        loader.finish()
    }

    /// Returns where the value of a dotted key (`limits.minutes`, `agents.codex.model`) came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Returns every dotted key that somebody set, with where its value came from, sorted by key.
    pub fn origins(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.origins
            .iter()
            .map(|(key, origin)| (key.as_str(), origin))
    }

    /// Returns every setting with its value, by table, as `dynwf.toml` could hold it.
    pub fn settings(&self) -> File {
        File {
            agents: self.agents.clone(),
            workspace: self.workspace.clone(),
            limits: self.limits.clone(),
            sandbox: self.sandbox.clone(),
            gate: self.gate.clone(),
            integration: self.integration.clone(),
            review: self.review.clone(),
            roles: self.roles.clone(),
        }
    }

    /// Returns the names that a packet may give as its agent, sorted: built-in and configured.
    pub fn agent_names(&self) -> Vec<String> {
        let built_in = ADAPTERS.map(str::to_owned);
        let mut names: Vec<String> = built_in
            .into_iter()
            .chain(self.agents.keys().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns what is configured for an agent; everything is absent for a built-in one that is not.
    pub fn agent(&self, name: &str) -> AgentConfig {
        self.agents.get(name).cloned().unwrap_or_default()
    }

    /// Returns the adapter of an agent: as configured, else the agent's own name.
    pub fn adapter<'a>(&'a self, name: &'a str) -> &'a str {
        let configured = self
            .agents
            .get(name)
            .and_then(|agent| agent.adapter.as_deref());
        configured.unwrap_or(name)
    }
}

struct Loader {
    schema: Value,
    merged: Value,
    origins: BTreeMap<String, Origin>,
    sources: Vec<Source>,
    problems: Vec<Problem>,
    ignored: Vec<Problem>,
}

impl Loader {
    fn new(schema: Value) -> Self {
        Self {
            schema,
            merged: Value::Object(serde_json::Map::new()),
            origins: BTreeMap::new(),
            sources: Vec::new(),
            problems: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn document(&mut self, label: &str, text: &str) -> Option<Document> {
        match Document::of_toml(label, text) {
            Ok(doc) => {
                let problems = super::shape::check(&doc, &self.schema);
                let good = problems.is_empty();
                self.problems.extend(problems);
                self.sources.push(doc.source.clone());
                good.then_some(doc)
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn files(&mut self, sources: &Sources) {
        if let Some((path, text)) = &sources.user {
            let label = path.display().to_string();
            if let Some(doc) = self.document(&label, text) {
                let origin = |place| Origin::Person {
                    label: label.clone(),
                    place,
                };
                self.merge(&doc, &origin, &|_, _| true);
            }
        }
        let repository = |label: &str| {
            let label = label.to_owned();
            move |place| Origin::Repository {
                label: label.clone(),
                place,
            }
        };
        if let Some((label, text)) = &sources.repo
            && let Some(doc) = self.document(label, text)
        {
            let base = sources.base.as_ref().map(|(_, text)| text);
            if base != Some(text) {
                self.note_ignored(&doc);
            }
            self.merge(&doc, &repository(label), &|path, value| {
                !decides_trust(path, value)
            });
        }
        if let Some((label, text)) = &sources.base
            && let Some(doc) = self.document(label, text)
        {
            self.merge(&doc, &repository(label), &decides_trust);
        }
    }

    fn note_ignored(&mut self, doc: &Document) {
        let mut found = Vec::new();
        leaves(&doc.root, &[], &mut |path, entry| {
            let path = path.join(".");
            if decides_trust(&path, &entry.node.value()) {
                found.push((entry.at, path));
            }
        });
        for (at, path) in found {
            let message = format!(
                "`{path}` decides about trust: it counts in your own configuration or in the base commit, not here"
            );
            self.ignored.push(doc.source.problem(at, message));
        }
    }

    /// Takes over every value of a document that the filter lets pass.
    fn merge(
        &mut self,
        doc: &Document,
        origin: &dyn Fn(Place) -> Origin,
        wanted: &dyn Fn(&str, &Value) -> bool,
    ) {
        let mut found = Vec::new();
        leaves(&doc.root, &[], &mut |path, entry| {
            let value = entry.node.value();
            if wanted(&path.join("."), &value) {
                found.push((path.to_vec(), value, doc.source.place(entry.at)));
            }
        });
        for (path, value, place) in found {
            put(&mut self.merged, &path, value);
            self.origins.insert(path.join("."), origin(place));
        }
    }

    /// Takes over one setting from the environment or the command line.
    fn setting(&mut self, label: &str, path: &[String], text: &str, origin: &Origin) {
        let path = self.named(path);
        let readings = [toml_value(text), Some(Content::Text(text.to_owned()))];
        let mut refused: Option<Vec<Problem>> = None;
        for content in readings.into_iter().flatten() {
            let doc = Document {
                source: Source::new(label, text),
                root: nested(&path, Node { at: 0, content }),
            };
            let problems = super::shape::check(&doc, &self.schema);
            if problems.is_empty() {
                return self.take_setting(label, &doc, origin);
            }
            refused.get_or_insert(problems);
        }
        let refused = refused.into_iter().flatten();
        self.problems
            .extend(refused.map(|problem| Problem::of_file(label, problem.message)));
    }

    /// Takes over a good setting; what decides whose approvals count is the person's file's to say.
    fn take_setting(&mut self, label: &str, doc: &Document, origin: &Origin) {
        let mut found = Vec::new();
        leaves(&doc.root, &[], &mut |path, entry| {
            found.push((path.to_vec(), entry.node.value()));
        });
        for (path, value) in found {
            let key = path.join(".");
            if key.starts_with("gate.") && decides_trust(&key, &value) {
                let message =
                    format!("`{key}` decides about trust: set it in your own configuration file");
                self.problems.push(Problem::of_file(label, message));
            } else {
                put(&mut self.merged, &path, value);
                self.origins.insert(key, origin.clone());
            }
        }
    }

    /// Finds the agent or role that a variable means: its name may hold `-` where the variable has `_`.
    fn named(&self, path: &[String]) -> Vec<String> {
        let mut path = path.to_vec();
        if let [table, name, _, ..] = path.as_mut_slice()
            && matches!(table.as_str(), "agents" | "roles")
        {
            let known = self.merged.get(table.as_str()).and_then(Value::as_object);
            let same = |other: &&String| other.to_lowercase().replace('-', "_") == *name;
            match known.and_then(|known| known.keys().find(same)) {
                Some(known) => *name = known.clone(),
                None => *name = name.replace('_', "-"),
            }
        }
        path
    }

    fn finish(mut self) -> Result<Config> {
        if !self.problems.is_empty() {
            return Err(failure(self.problems));
        }
        let file: File = serde_json::from_value(std::mem::take(&mut self.merged))
            .context("putting the configuration together")?;
        for (key, message) in super::rules::check(&file) {
            self.fault(&key, message);
        }
        if !self.problems.is_empty() {
            return Err(failure(self.problems));
        }
        Ok(Config {
            agents: file.agents,
            workspace: file.workspace,
            limits: file.limits,
            sandbox: file.sandbox,
            gate: file.gate,
            integration: file.integration,
            review: file.review,
            roles: file.roles,
            ignored: self.ignored,
            origins: self.origins,
        })
    }

    /// Reports a problem of the value that won, at the place that it came from.
    fn fault(&mut self, key: &str, message: String) {
        let key = &self.first_key(key);
        let problem = match self.origins.get(key) {
            Some(Origin::Repository { label, place } | Origin::Person { label, place }) => {
                let source = self.sources.iter().find(|source| source.label() == label);
                source.map(|source| source.problem_at(*place, message.as_str()))
            }
            Some(Origin::Environment(name)) => Some(Problem::of_file(name, message.as_str())),
            _ => None,
        };
        self.problems
            .push(problem.unwrap_or_else(|| Problem::of_file(key, message)));
    }

    fn first_key(&self, prefix: &str) -> String {
        let found = self.origins.keys().find(|key| key.starts_with(prefix));
        found.cloned().unwrap_or_else(|| prefix.to_owned())
    }
}

/// Whether a value decides about trust. A sandbox is only a matter of trust where it is switched off or opened.
fn decides_trust(path: &str, value: &Value) -> bool {
    let off = value.as_str() == Some("none");
    match path {
        "gate.quorum"
        | "gate.unattended"
        | "gate.allowed_signers"
        | "sandbox.read"
        | "sandbox.write" => true,
        "sandbox.mode" => off,
        _ => off && path.starts_with("agents.") && path.ends_with(".sandbox"),
    }
}

/// Calls back for every value that is no table, with the keys that lead to it. An empty table counts as a
/// value, so that `[agents.x]` alone names an agent.
fn leaves(node: &Node, path: &[String], visit: &mut dyn FnMut(&[String], &Entry)) {
    for entry in node.entries() {
        let mut below = path.to_vec();
        below.push(entry.key.clone());
        if entry.node.entries().is_empty() {
            visit(&below, entry);
        } else {
            leaves(&entry.node, &below, visit);
        }
    }
}

/// Sets a value by the keys that lead to it. An empty table does not replace one that is there.
fn put(root: &mut Value, path: &[String], value: Value) {
    let mut at = root;
    for part in path {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        let Value::Object(map) = at else { return };
        at = map.entry(part.as_str()).or_insert(Value::Null);
    }
    let keeps = at.is_object() && value.as_object().is_some_and(serde_json::Map::is_empty);
    if !keeps {
        *at = value;
    }
}

fn nested(path: &[String], value: Node) -> Node {
    path.iter().rev().fold(value, |node, key| Node {
        at: 0,
        content: Content::Table(vec![Entry {
            at: 0,
            key: key.clone(),
            node,
        }]),
    })
}

fn toml_value(text: &str) -> Option<Content> {
    let value = DeValue::parse(text).ok()?;
    Some(of_value(&value).content)
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
