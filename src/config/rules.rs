//! Rules of the configuration that need more than one key, or more than a type.

use super::file::{AgentConfig, File, Mechanism};
use super::problem::suggestion;
use crate::model::scope::Scope;

/// The adapters that dynwf has; each is an agent of that name too.
pub const ADAPTERS: [&str; 5] = ["claude", "codex", "command", "parent", "pi"];

/// Returns what is wrong: the dotted key (or the beginning of one) that is at fault, and the message.
pub(super) fn check(file: &File) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, message: String| faults.push((key.to_owned(), message));
    for (name, agent) in &file.agents {
        agent_rules(name, agent, &mut fault);
    }
    let path = &file.workspace.path;
    if let Some(bad) = bad_placeholder(path) {
        let message = format!("`path` has {bad}; it takes {{repo}}, {{slug}} and {{packet}}");
        fault("workspace.path", message);
    } else if !path.contains("{slug}") {
        let message = "`path` needs {slug}, or two workflows would share folders";
        fault("workspace.path", message.to_owned());
    }
    if let Err(bad) = Scope::new(&file.gate.protected) {
        let message = format!("`{}`: {}", file.gate.protected[bad.index], bad.why);
        fault("gate.protected", message);
    }
    for rule in &file.integration.rules {
        if let Err(bad) = Scope::new(&rule.files) {
            let message = format!("`{}`: {}", rule.files[bad.index], bad.why);
            fault("integration.rule", message);
        }
        if (rule.how == Mechanism::Run) != rule.run.is_some() {
            let message = "a rule has `run` exactly if it says how = \"run\"";
            fault("integration.rule", message.to_owned());
        }
    }
    faults
}

fn agent_rules(name: &str, agent: &AgentConfig, fault: &mut dyn FnMut(&str, String)) {
    let table = format!("agents.{name}");
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        let message = format!("`{name}` is no agent name: a-z, 0-9, `-`, `_` and `.`");
        return fault(&table, message);
    }
    let adapter = agent.adapter.as_deref().unwrap_or(name);
    if !ADAPTERS.contains(&adapter) {
        let near = suggestion(adapter, &ADAPTERS);
        if agent.adapter.is_some() {
            let message = format!("no adapter is called `{adapter}`{near}");
            fault(&format!("{table}.adapter"), message);
        } else {
            fault(
                &table,
                format!("the agent `{name}` needs an `adapter`{near}"),
            );
        }
    } else if agent.run.is_some() && adapter != "command" {
        let message = format!("`run` goes with the adapter `command`, not `{adapter}`");
        fault(&format!("{table}.run"), message);
    }
}

fn bad_placeholder(path: &str) -> Option<String> {
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else {
            return Some("a `{` without `}`".to_owned());
        };
        if !matches!(name, "repo" | "slug" | "packet") {
            return Some(format!("`{{{name}}}`"));
        }
        rest = tail;
    }
    None
}
