//! Roles: who a script means by `agentType`.
//!
//! A role is `[roles.NAME]` of the configuration, or a Markdown file in `.claude/agents/` or `.agents/agents/` with a
//! front matter (`name`, `description`, `model`, `tools`) whose body heads the prompt: what hosts know already. Invariants:
//! files are read, never followed out of their folder; a file that cannot be understood is an error that names it, never
//! a role without its words. Called by `runner`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::config::Config;

/// Where hosts keep definitions of agents, below the top of a work tree and below home. The first that has a name wins.
const FOLDERS: [&str; 2] = [".claude/agents", ".agents/agents"];

/// The longest definition that is read, in bytes.
const LONGEST: u64 = 256 * 1024;

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// What it is for.
    pub description: Option<String>,
    /// The agent that plays it.
    pub agent: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// What is put before each prompt.
    pub head: Option<String>,
}

/// The roles that hosts bring along, so that scripts written for them find theirs: a name, what it is for, and what is
/// put before each prompt.
const BROUGHT: [(&str, &str, Option<&str>); 3] = [
    ("general-purpose", "any work that needs several steps", None),
    (
        "Explore",
        "looks for something in the code and changes nothing",
        Some(
            "You look for something in this code and report what you find, with paths and lines. Change nothing: write, \
             move and delete no files, and run only commands that read.",
        ),
    ),
    (
        "Plan",
        "works out how something is to be done and changes nothing",
        Some(
            "You work out how something is to be done in this code: the steps in their order, the files that each \
             concerns, and what could go wrong. Change nothing: write, move and delete no files, and run only commands \
             that read.",
        ),
    ),
];

/// Returns every role by name: those of the configuration, then those of files below `tops`, then those that come along.
///
/// # Errors
/// If a definition is there and cannot be read.
pub fn roles(config: &Config, tops: &[&Path]) -> Result<BTreeMap<String, Role>> {
    let mut roles: BTreeMap<String, Role> = config
        .roles
        .iter()
        .map(|(name, table)| {
            let role = Role {
                description: table.description.clone(),
                agent: table.agent.clone(),
                model: table.model.clone(),
                effort: table.effort.clone(),
                head: table.prompt.clone(),
            };
            (name.clone(), role)
        })
        .collect();
    for top in tops {
        for folder in FOLDERS {
            for (name, role) in of_folder(&top.join(folder))? {
                roles.entry(name).or_insert(role);
            }
        }
    }
    for (name, description, head) in BROUGHT {
        roles.entry(name.to_owned()).or_insert_with(|| Role {
            description: Some(description.to_owned()),
            head: head.map(str::to_owned),
            ..Role::default()
        });
    }
    Ok(roles)
}

/// Returns what is said about a role that nobody knows.
pub fn unknown(name: &str, roles: &BTreeMap<String, Role>) -> String {
    let known: Vec<&str> = roles.keys().map(String::as_str).collect();
    format!(
        "no agentType is called `{name}`; there are {}; `[roles.{name}]` in dynwf.toml or .claude/agents/{name}.md makes \
         one",
        known.join(", ")
    )
}

fn of_folder(folder: &Path) -> Result<Vec<(String, Role)>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let about = || format!("reading the role {}", file.display());
        let facts = fs::symlink_metadata(&file).with_context(about)?;
        if !facts.is_file() || facts.len() > LONGEST {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(about)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        found.push(read(&stem, &text));
    }
    Ok(found)
}

/// Reads a definition; without a name in it, it is called as its file.
fn read(stem: &str, text: &str) -> (String, Role) {
    let (front, body) = split(text);
    let value = |key: &str| {
        front.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| unquoted(value.trim()).to_owned())
        })
    };
    let set = |key: &str| value(key).filter(|value| !value.is_empty());
    // What stands for the model of whoever reads the file names none.
    let model = set("model").filter(|model| model != "inherit");
    let mut head = body.trim().to_owned();
    if let Some(tools) = list(&front, "tools") {
        if !head.is_empty() {
            head.push_str("\n\n");
        }
        head.push_str(&format!("Use no other tools than these: {tools}."));
    }
    let role = Role {
        description: set("description"),
        agent: set("agent"),
        model,
        effort: set("effort"),
        head: Some(head).filter(|head| !head.is_empty()),
    };
    (set("name").unwrap_or_else(|| stem.to_owned()), role)
}

/// The lines between the first two `---`, and what comes after them.
fn split(text: &str) -> (Vec<&str>, &str) {
    let text = text.trim_start_matches('\u{feff}');
    let Some(rest) = text
        .strip_prefix("---\n")
        .or_else(|| text.strip_prefix("---\r\n"))
    else {
        return (Vec::new(), text);
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return (rest[..at].lines().collect(), &rest[at + line.len()..]);
        }
        at += line.len();
    }
    (Vec::new(), text)
}

/// A list of the front matter: after the colon with commas or in brackets, or a line each.
fn list(front: &[&str], key: &str) -> Option<String> {
    let at = front.iter().position(|line| {
        line.split_once(':')
            .is_some_and(|(name, _)| name.trim() == key)
    })?;
    let here = front[at]
        .split_once(':')
        .map_or("", |(_, value)| value.trim());
    let items: Vec<String> = if here.is_empty() {
        front[at + 1..]
            .iter()
            .map_while(|line| line.trim().strip_prefix("- "))
            .map(|item| unquoted(item.trim()).to_owned())
            .collect()
    } else {
        here.trim_matches(['[', ']'])
            .split(',')
            .map(|item| unquoted(item.trim()).to_owned())
            .filter(|item| !item.is_empty())
            .collect()
    };
    (!items.is_empty() && items != ["*"]).then(|| items.join(", "))
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RoleConfig;

    #[test]
    fn a_definition_is_a_name_a_model_and_the_words_before_the_prompt() {
        let (name, role) = read(
            "file",
            "---\nname: reviewer\ndescription: \"Looks: closely\"\nmodel: opus\ntools: Read, Grep\n---\n\nBe strict.\n",
        );
        assert_eq!(name, "reviewer");
        assert_eq!(role.description.as_deref(), Some("Looks: closely"));
        assert_eq!(role.model.as_deref(), Some("opus"));
        assert_eq!(
            role.head.as_deref(),
            Some("Be strict.\n\nUse no other tools than these: Read, Grep.")
        );
        let (name, role) = read("plain", "Just words.\n---\nnot a front matter");
        assert_eq!(name, "plain");
        assert_eq!(
            role.head.as_deref(),
            Some("Just words.\n---\nnot a front matter")
        );
        let (_, role) = read(
            "x",
            "---\nmodel: inherit\ntools:\n  - Read\n  - 'Bash'\n---\n",
        );
        assert_eq!(role.model, None);
        assert_eq!(
            role.head.as_deref(),
            Some("Use no other tools than these: Read, Bash.")
        );
    }

    #[test]
    fn a_role_that_comes_along_is_replaced_by_one_of_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(".claude/agents");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Explore.md"), "look hard").unwrap();
        let roles = roles(&Config::default(), &[dir.path()]).unwrap();
        assert_eq!(roles["Explore"].head.as_deref(), Some("look hard"));
    }

    #[test]
    fn the_configuration_wins_over_files_and_unknown_names_are_told_the_known_ones() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, name) in [(".claude/agents", "a"), (".agents/agents", "b")] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(
                dir.path().join(folder).join(format!("{name}.md")),
                format!("file {name}"),
            )
            .unwrap();
        }
        let mut config = Config::default();
        config.roles.insert(
            "a".into(),
            RoleConfig {
                prompt: Some("configured".into()),
                ..RoleConfig::default()
            },
        );
        let roles = roles(&config, &[dir.path()]).unwrap();
        assert_eq!(roles["a"].head.as_deref(), Some("configured"));
        assert_eq!(roles["b"].head.as_deref(), Some("file b"));
        assert_eq!(
            unknown("c", &roles),
            "no agentType is called `c`; there are Explore, Plan, a, b, general-purpose; `[roles.c]` in dynwf.toml or \
             .claude/agents/c.md makes one"
        );
        assert_eq!(roles["general-purpose"].head, None);
        let looks = roles["Explore"].head.clone().unwrap();
        assert!(looks.contains("Change nothing"), "{looks}");
    }
}
