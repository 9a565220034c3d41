//! The rules of a plan that need more than one field, or a look around: ids, order, scopes, agents, checks,
//! gates, names of branches.
//!
//! Nothing runs before a plan has passed. The answer is the same for the same plan and surroundings, in the
//! order of the text.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::order;
use super::parse::Places;
use crate::config::problem::{Problem, failure, nearest, sort, suggestion};
use crate::model::id::{PacketId, RefName};
use crate::model::path::RepoPath;
use crate::model::plan::{COMMAND_AGENT, Overlap, Packet, Plan, Strategy};
use crate::model::scope::Scope;

/// How many packets a plan may have.
pub const MAX_PACKETS: usize = 1000;

/// What a plan is looked at against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The files of the base commit; empty if they are not known.
    pub files: &'a [RepoPath],
    /// The names of all agents, built-in and configured.
    pub known_agents: &'a [String],
    /// The branch that is checked out; `None` for a detached HEAD.
    pub head_branch: Option<&'a RefName>,
}

/// What is wrong with a plan, and what is odd about it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The plan cannot be used.
    pub errors: Vec<Problem>,
    /// The plan can be used; a person should know.
    pub warnings: Vec<Problem>,
}

impl Report {
    /// Returns the warnings of a good plan.
    ///
    /// # Errors
    /// A usage failure with all errors.
    pub fn into_result(self) -> Result<Vec<Problem>> {
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            Err(failure(self.errors))
        }
    }
}

/// Checks every rule.
pub fn validate(plan: &Plan, places: &Places, around: &Surroundings<'_>) -> Report {
    let mut check = Check {
        plan,
        places,
        around,
        files: Files::new(around.files),
        report: Report::default(),
    };
    if plan.packets.len() > MAX_PACKETS {
        let message = format!(
            "the plan has {} packets and may have at most {MAX_PACKETS}: split it into several workflows",
            plan.packets.len()
        );
        check.error("", message);
        return check.report;
    }
    check.texts();
    check.names();
    check.order();
    for (index, packet) in plan.packets.iter().enumerate() {
        check.scope(index, packet);
        check.agent(index, packet);
    }
    check.overlaps();
    check.checks();
    check.gates();
    check.integration();
    sort(&mut check.report.errors);
    sort(&mut check.report.warnings);
    check.report
}

struct Check<'a> {
    plan: &'a Plan,
    places: &'a Places,
    around: &'a Surroundings<'a>,
    files: Files<'a>,
    report: Report,
}

impl Check<'_> {
    fn error(&mut self, path: &str, message: impl Into<String>) {
        self.report.errors.push(self.places.problem(path, message));
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.report
            .warnings
            .push(self.places.problem(path, message));
    }

    fn filled(&mut self, path: &str, text: &str) {
        if text.trim().is_empty() {
            let name = path.rsplit('.').next().unwrap_or(path);
            self.error(path, format!("`{name}` is empty"));
        }
    }

    /// Refuses what no shell can be given.
    fn runnable(&mut self, path: &str, command: &str) {
        if command.contains('\0') {
            self.error(path, "the command holds a NUL, which no command can");
        }
    }

    fn texts(&mut self) {
        self.filled("goal", &self.plan.goal);
        for (index, packet) in self.plan.packets.iter().enumerate() {
            self.filled(&format!("packet[{index}].objective"), &packet.objective);
        }
        for (index, risk) in self.plan.risks.iter().enumerate() {
            self.filled(&format!("risk[{index}].what"), &risk.what);
        }
        if self.plan.packets.is_empty() {
            self.error("", "the plan has no packets");
        }
        let budget = &self.plan.budget;
        self.limits("budget", budget.tokens, budget.dollars);
        for (index, packet) in self.plan.packets.iter().enumerate() {
            self.limits(&format!("packet[{index}]"), packet.tokens, packet.dollars);
        }
    }

    fn limits(&mut self, table: &str, tokens: Option<u64>, dollars: Option<f64>) {
        if dollars.is_some_and(|dollars| dollars <= 0.0) {
            self.error(
                &format!("{table}.dollars"),
                "`dollars` must be above 0; leave it out for no limit",
            );
        }
        if tokens == Some(0) {
            self.error(
                &format!("{table}.tokens"),
                "`tokens` must be above 0; leave it out for no limit",
            );
        }
    }

    fn names(&mut self) {
        let mut first: BTreeMap<&PacketId, usize> = BTreeMap::new();
        for (index, packet) in self.plan.packets.iter().enumerate() {
            if let Some(other) = first.get(&packet.id) {
                let line = self.places.line(&format!("packet[{other}].id"));
                let line = line.map_or(String::new(), |line| format!(", first in line {line}"));
                let message = format!("the packet id `{}` is used twice{line}", packet.id);
                self.error(&format!("packet[{index}].id"), message);
            } else {
                first.insert(&packet.id, index);
            }
        }
    }

    fn order(&mut self) {
        let ids: Vec<&str> = self
            .plan
            .packets
            .iter()
            .map(|packet| packet.id.as_str())
            .collect();
        for (index, packet) in self.plan.packets.iter().enumerate() {
            let mut seen = BTreeSet::new();
            for (at, need) in packet.after.iter().enumerate() {
                let path = format!("packet[{index}].after[{at}]");
                if !ids.contains(&need.as_str()) {
                    let near = suggestion(need.as_str(), &ids);
                    self.error(&path, format!("no packet is called `{need}`{near}"));
                } else if !seen.insert(need) {
                    self.warn(&path, format!("`{need}` is named twice"));
                }
            }
        }
        if let Some(road) = order::cycle(self.plan) {
            let id = |&index: &usize| self.plan.packets[index].id.to_string();
            let mut names: Vec<String> = road.iter().map(id).collect();
            names.extend(road.first().map(id));
            let next = road
                .get(1)
                .or(road.first())
                .map(|&index| &self.plan.packets[index].id);
            let after = &self.plan.packets[road[0]].after;
            let at = after
                .iter()
                .position(|need| Some(need) == next)
                .unwrap_or(0);
            let message = format!("packets wait for each other: {}", names.join(" → "));
            self.error(&format!("packet[{}].after[{at}]", road[0]), message);
        }
    }

    fn scope(&mut self, index: usize, packet: &Packet) {
        if packet.scope.is_empty() && packet.expects_commit() {
            let message = format!(
                "packet `{}` has no `scope`: list the globs that it may change, or say kind = \"research\"",
                packet.id
            );
            self.error(&format!("packet[{index}].scope"), message);
        }
        for (at, pattern) in packet.scope.iter().enumerate() {
            let path = format!("packet[{index}].scope[{at}]");
            match Scope::new(std::slice::from_ref(pattern)) {
                Err(bad) => self.error(&path, format!("`{pattern}`: {}", bad.why)),
                Ok(scope) if !self.files.any(pattern, &scope) => {
                    self.warn(&path, format!("`{pattern}` matches no file of the base"));
                }
                Ok(_) => {}
            }
        }
    }

    fn agent(&mut self, index: usize, packet: &Packet) {
        let at = |key: &str| format!("packet[{index}].{key}");
        let id = &packet.id;
        match (&packet.agent, &packet.run) {
            (None, None) => {
                let message = format!("packet `{id}` needs `agent`, or `run` with a command");
                return self.error(&at("agent"), message);
            }
            (Some(agent), _) if !self.around.known_agents.contains(agent) => {
                let known: Vec<&str> = self
                    .around
                    .known_agents
                    .iter()
                    .map(String::as_str)
                    .collect();
                let near = suggestion(agent, &known);
                self.error(&at("agent"), format!("no agent is called `{agent}`{near}"));
            }
            (Some(agent), Some(_)) if agent != COMMAND_AGENT => {
                let message = format!("`run` goes with the agent `{COMMAND_AGENT}`, not `{agent}`");
                self.error(&at("run"), message);
            }
            (Some(agent), None) if agent == COMMAND_AGENT => {
                let message = format!("packet `{id}` has the agent `{COMMAND_AGENT}` and no `run`");
                self.error(&at("agent"), message);
            }
            _ => {}
        }
        if let Some(run) = &packet.run {
            self.filled(&at("run"), run);
            self.runnable(&at("run"), run);
        }
        if packet.turns.is_some_and(|turns| turns > 1) && self.plan.checks_of(packet).is_empty() {
            let message =
                format!("packet `{id}` has `turns` and no check that could ask for another one");
            self.warn(&at("turns"), message);
        }
    }

    fn overlaps(&mut self) {
        if self.plan.integration.overlap != Overlap::Error {
            return;
        }
        for meeting in order::meetings(self.plan) {
            let (first, second) = (meeting.first, meeting.second);
            let (a, b) = (&self.plan.packets[first], &self.plan.packets[second]);
            let shared = self.files.shared(a, b);
            let (i, j) = shared.map_or(meeting.patterns, |(patterns, _)| patterns);
            let example = shared.map_or_else(
                || format!("such as `{}` (no such file is there yet)", meeting.path),
                |(_, file)| format!("such as `{file}`"),
            );
            let message = format!(
                "packets `{}` (`{}`) and `{}` (`{}`) may run together and may both change files {example}: order \
                 them with `after`, narrow a scope, or set [integration] overlap",
                a.id, a.scope[i], b.id, b.scope[j]
            );
            self.error(&format!("packet[{second}].scope[{j}]"), message);
        }
    }

    fn checks(&mut self) {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for (index, check) in self.plan.checks.iter().enumerate() {
            self.filled(&format!("check[{index}].name"), &check.name);
            self.filled(&format!("check[{index}].run"), &check.run);
            self.runnable(&format!("check[{index}].run"), &check.run);
            if !names.insert(&check.name) {
                let message = format!("two checks are called `{}`", check.name);
                self.error(&format!("check[{index}].name"), message);
            }
        }
        for (index, packet) in self.plan.packets.iter().enumerate() {
            for (at, run) in packet.checks.iter().enumerate() {
                let path = format!("packet[{index}].checks[{at}]");
                if run.trim().is_empty() {
                    self.error(&path, "the check is an empty command");
                }
                self.runnable(&path, run);
            }
        }
        let none =
            self.plan.checks.is_empty() && self.plan.packets.iter().all(|p| p.checks.is_empty());
        if none {
            self.warn(
                "",
                "the plan has no checks: nothing will show that the result works",
            );
        }
    }

    fn gates(&mut self) {
        const STEPS: [&str; 3] = ["integrate", "land", "push"];
        let mut seen = BTreeSet::new();
        for (index, gate) in self.plan.gates.iter().enumerate() {
            let path = format!("gate[{index}].before");
            let before = gate.before.as_str();
            if let Some(id) = before.strip_prefix("packet:") {
                let ids: Vec<&str> = self
                    .plan
                    .packets
                    .iter()
                    .map(|packet| packet.id.as_str())
                    .collect();
                if !ids.contains(&id) {
                    let near = suggestion(id, &ids);
                    self.error(&path, format!("no packet is called `{id}`{near}"));
                }
            } else if !STEPS.contains(&before) {
                let near = nearest(before, STEPS)
                    .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let message = format!(
                    "`before` must be packet:ID, integrate, land or push, not `{before}`{near}"
                );
                self.error(&path, message);
            }
            if !seen.insert(before) {
                self.warn(&path, format!("a gate before `{before}` is there already"));
            }
        }
    }

    fn integration(&mut self) {
        let integration = &self.plan.integration;
        match &integration.target {
            Some(target) => {
                if let Err(why) = target_branch(target) {
                    self.error("integration.target", format!("`{target}` {why}"));
                }
            }
            None if self.around.head_branch.is_none() => {
                let message =
                    "`target` is missing and no branch is checked out: name the branch to land on";
                self.error("integration.target", message);
            }
            None => {}
        }
        if let Some(base) = &self.plan.base
            && !is_revision(base)
        {
            self.error("base", format!("`{base}` is no revision"));
        }
        if integration.strategy == Strategy::Rebase {
            let message = "strategy \"rebase\" is not available yet: use \"merge\" (one merge commit per packet) or \
                           \"squash\" (one ordinary commit per packet)";
            self.error("integration.strategy", message);
        }
    }
}

/// Returns the full name of the branch that a plan lands on, from `main` or `refs/heads/main`.
///
/// # Errors
/// In words that complete "`NAME` …": it is no branch name, or one of dynwf's own.
pub fn target_branch(target: &str) -> Result<RefName, String> {
    let short = target.strip_prefix("refs/heads/").unwrap_or(target);
    let odd = short.starts_with('-') || short == "HEAD" || short.starts_with("refs/");
    let name = RefName::of_branch(short).ok().filter(|_| !odd);
    let name = name.ok_or("is no branch name")?;
    if short == "dynwf" || short.starts_with("dynwf/") {
        return Err("is below dynwf/, where packets have their branches".to_owned());
    }
    Ok(name)
}

/// Whether git could read the text as one revision; whether there is one is found out when the plan is split.
fn is_revision(text: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    !text.is_empty() && !text.starts_with('-') && !text.contains("..") && !text.contains(odd)
}

/// The files of the base, sorted, so that a pattern is only tried where its fixed beginning is.
struct Files<'a> {
    sorted: Vec<&'a RepoPath>,
}

impl<'a> Files<'a> {
    fn new(files: &'a [RepoPath]) -> Self {
        let mut sorted: Vec<&RepoPath> = files.iter().collect();
        sorted.sort();
        Self { sorted }
    }

    /// Whether the pattern covers a file; yes if no files are known.
    fn any(&self, pattern: &str, scope: &Scope) -> bool {
        let mut near = self.near(pattern).iter();
        self.sorted.is_empty() || near.any(|file| scope.covers(file.as_bytes()))
    }

    /// Returns a file that both packets may change, and the pattern of each that says so.
    fn shared(&self, a: &Packet, b: &Packet) -> Option<((usize, usize), &'a RepoPath)> {
        let (left, right) = (each(&a.scope), each(&b.scope));
        let which = |scopes: &[Option<Scope>], file: &RepoPath| {
            let covers = |scope: &Scope| scope.covers(file.as_bytes());
            scopes
                .iter()
                .position(|scope| scope.as_ref().is_some_and(covers))
        };
        let mut near = a.scope.iter().flat_map(|pattern| self.near(pattern));
        near.find_map(|file| Some(((which(&left, file)?, which(&right, file)?), *file)))
    }

    fn near(&self, pattern: &str) -> &[&'a RepoPath] {
        let fixed = super::meet::fixed(pattern).as_bytes();
        let from = self.sorted.partition_point(|file| file.as_bytes() < fixed);
        let rest = &self.sorted[from..];
        &rest[..rest.partition_point(|file| file.as_bytes().starts_with(fixed))]
    }
}

/// Compiles each pattern by itself; bad ones are reported elsewhere.
fn each(patterns: &[String]) -> Vec<Option<Scope>> {
    let one = |pattern: &String| Scope::new(std::slice::from_ref(pattern)).ok();
    patterns.iter().map(one).collect()
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
