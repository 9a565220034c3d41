//! What the doctor looks at, one function each. None of them changes anything.
//!
//! Each looks on its own: whatever is wrong with one thing hides nothing about the others.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::agent::client;
use crate::cli::agents;
use crate::cli::context::Context;
use crate::cli::hooks;
use crate::config::SandboxMode;
use crate::error::{hint_of, usage};
use crate::git::{Git, Version};
use crate::hook::{self, State};
use crate::model::id::{RefName, Slug};
use crate::process::sandbox::{self, Kind};

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) about: &'static str,
    pub(super) level: Level,
    pub(super) what: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Finding {
    fn ok(about: &'static str, what: impl Into<String>) -> Self {
        Self {
            about,
            level: Level::Ok,
            what: what.into(),
            hint: None,
        }
    }

    fn warn(about: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            about,
            level: Level::Warn,
            what: what.into(),
            hint: Some(hint.into()),
        }
    }

    fn fail(about: &'static str, error: &anyhow::Error) -> Self {
        Self {
            about,
            level: Level::Fail,
            what: format!("{error:#}"),
            hint: hint_of(error).map(str::to_owned),
        }
    }
}

/// Looks at everything that can be looked at from this folder.
pub(super) fn all(directory: Option<&Path>) -> Vec<Finding> {
    let (context, broken) = match Context::open_anyway(directory) {
        Ok(found) => found,
        Err(error) => return vec![Finding::fail("repository", &error)],
    };
    let mut all = vec![program(&context.git), repository(&context.git)];
    all.push(match context.git.ident() {
        Ok(ident) => Finding::ok("identity", ident),
        Err(error) => Finding::fail("identity", &error),
    });
    all.extend(names(&context.git));
    match broken {
        Some(error) => all.push(Finding::fail("settings", &error)),
        None => all.extend(settings(&context)),
    }
    all.extend(hook_state(&context.git));
    all.push(sandbox(&context));
    all.push(disk(&context));
    all.extend(journals(&context));
    all.extend(leftovers(&context));
    all.extend(clients(&context));
    all
}

fn program(git: &Git) -> Finding {
    match git.version() {
        Ok(version) if version < Version::FLOOR => Finding {
            level: Level::Fail,
            ..Finding::warn(
                "git",
                format!("git {version} is too old"),
                format!("install git {} or newer", Version::FLOOR),
            )
        },
        Ok(version) => Finding::ok("git", format!("git {version}")),
        Err(error) => Finding::fail("git", &error),
    }
}

fn repository(git: &Git) -> Finding {
    let common = git.common_dir().display();
    let mut what = match git.main_work_tree() {
        Some(top) => format!("{}", top.display()),
        None => format!("{common}, bare"),
    };
    if git.program_only() {
        what.push_str("; its format is read through the git program, which is slower");
    }
    let writable = rustix::fs::access(git.common_dir(), rustix::fs::Access::WRITE_OK);
    if writable.is_err() {
        return Finding {
            level: Level::Fail,
            ..Finding::warn(
                "repository",
                format!("{common} cannot be written"),
                "dynwf keeps its state there: make it writable",
            )
        };
    }
    Finding::ok("repository", what)
}

/// A branch in the way of all of ours.
fn names(git: &Git) -> Option<Finding> {
    let name = RefName::of_branch("dynwf").ok()?;
    let taken = git.read_ref(&name).ok()?.is_some();
    taken.then(|| Finding {
        level: Level::Fail,
        ..Finding::warn(
            "branches",
            "a branch is called `dynwf`, so that git cannot make branches below `dynwf/`",
            "git branch -m dynwf OTHER-NAME",
        )
    })
}

fn settings(context: &Context) -> Vec<Finding> {
    let set: Vec<String> = context
        .config
        .origins()
        .map(|(key, origin)| format!("{key} ({origin})"))
        .collect();
    let what = if set.is_empty() {
        "all defaults".to_owned()
    } else {
        set.join("\n")
    };
    let mut found = vec![Finding::ok("settings", what)];
    found.extend(context.config.ignored.iter().map(|problem| {
        Finding::warn(
            "settings",
            format!("ignored: {problem}"),
            "set it in ~/.config/dynwf/config.toml",
        )
    }));
    found
}

fn hook_state(git: &Git) -> Vec<Finding> {
    match look_at_hook(git) {
        Ok(found) => found,
        Err(error) => vec![Finding::fail("hook", &error)],
    }
}

fn look_at_hook(git: &Git) -> Result<Vec<Finding>> {
    let status = hook::status(git)?;
    let (_, text) = hooks::words(&status.state);
    let place = format!("pre-push {text} ({})", status.hook.display());
    let mut found = match status.state {
        State::Absent => {
            let hint = "dynwf hooks install stops unapproved work from being pushed by accident";
            return Ok(vec![Finding::warn("hook", place, hint)]);
        }
        State::Changed(_) => vec![Finding {
            level: Level::Fail,
            ..Finding::warn("hook", place, "dynwf hooks install puts it right")
        }],
        State::Installed => vec![Finding::ok("hook", place)],
    };
    found.extend(hook::fires(git)?.into_iter().map(|fired| match fired.missing {
        None => Finding::ok("hook", format!("fires from {}", fired.from)),
        Some(why) => Finding {
            level: Level::Fail,
            ..Finding::warn(
                "hook",
                format!("does not fire from {}: {why}", fired.from),
                "an absolute core.hooksPath is found from everywhere; then dynwf hooks install",
            )
        },
    }));
    found.extend(
        status
            .notes
            .iter()
            .map(|note| Finding::ok("hook", note.clone())),
    );
    Ok(found)
}

fn sandbox(context: &Context) -> Finding {
    let path = std::env::var("PATH").unwrap_or_default();
    match (context.config.sandbox.mode, sandbox::available()) {
        (SandboxMode::None, _) => Finding::warn(
            "sandbox",
            "switched off by the settings: units run with your own rights".to_owned(),
            "[sandbox] mode = \"auto\" takes the best that works here",
        ),
        (SandboxMode::Auto | SandboxMode::Bubblewrap, Kind::Bubblewrap) => {
            Finding::ok("sandbox", "units run in bubblewrap".to_owned())
        }
        (mode, Kind::None) => {
            let why = match client::find("bwrap", &path) {
                Some(program) => format!("{} does not work here", program.display()),
                None => "bubblewrap is not installed".to_owned(),
            };
            let hint = "install bubblewrap, or run agents that you do not trust in a container";
            if mode == SandboxMode::Bubblewrap {
                Finding::fail("sandbox", &usage(format!("nothing runs: {why}"), hint))
            } else {
                Finding::warn(
                    "sandbox",
                    format!("units run with your own rights: {why}"),
                    hint,
                )
            }
        }
    }
}

fn disk(context: &Context) -> Finding {
    match free(context) {
        Ok((place, bytes)) => {
            let gib = bytes >> 30;
            let what = format!("{gib} GiB free at {place}");
            let least = u64::from(context.config.workspace.min_free_gb);
            if gib < least {
                return Finding {
                    level: Level::Fail,
                    ..Finding::warn(
                        "disk",
                        format!("{what}, less than the {least} GiB that workspaces need"),
                        "free some, or set [workspace] path or min_free_gb",
                    )
                };
            }
            Finding::ok("disk", what)
        }
        Err(error) => Finding::fail("disk", &error),
    }
}

/// Where workspaces would lie, and how much is free there.
fn free(context: &Context) -> Result<(String, u64)> {
    let slug: Slug = "any".parse()?;
    let path = context
        .sites(&slug)?
        .path(&crate::model::unit::WorkspaceName::Integration, 1);
    let above = Path::new(&path)
        .ancestors()
        .nth(2)
        .unwrap_or_else(|| Path::new(&path));
    let bytes = crate::workspace::free_bytes(above)?;
    Ok((above.display().to_string(), bytes))
}

fn journals(context: &Context) -> Vec<Finding> {
    let slugs = match context.store.workflows() {
        Ok(slugs) => slugs,
        Err(error) => return vec![Finding::fail("workflows", &error)],
    };
    if slugs.is_empty() {
        return vec![Finding::ok("workflows", "none yet")];
    }
    slugs
        .iter()
        .map(|slug| match context.store.read(slug) {
            Ok(Some(state)) => {
                let status = if state.archived {
                    "archived"
                } else {
                    state.workflow_status().word()
                };
                let held = context.store.is_held(slug).unwrap_or(false);
                let by = held.then(|| context.store.holder(slug)).flatten();
                let by = by.map_or_else(String::new, |pid| format!(", held by process {pid}"));
                Finding::ok(
                    "workflows",
                    format!("{slug}: {status}, {} records{by}", state.seq),
                )
            }
            Ok(None) => Finding::ok("workflows", format!("{slug}: nothing recorded yet")),
            Err(error) => Finding {
                what: format!("{slug}: {error:#}"),
                ..Finding::fail("workflows", &error)
            },
        })
        .collect()
}

/// What killed runs may have left.
fn leftovers(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    match crate::cli::prune::cases(context) {
        Ok(cases) if cases.is_empty() => found.push(Finding::ok("leftovers", "none")),
        Ok(cases) => {
            let lines: Vec<String> = cases.iter().map(ToString::to_string).collect();
            found.push(Finding::warn(
                "leftovers",
                lines.join("\n"),
                "dynwf prune --dry-run explains each, dynwf prune takes them away",
            ));
        }
        Err(error) => found.push(Finding::fail("leftovers", &error)),
    }
    found
}

fn clients(context: &Context) -> Vec<Finding> {
    let agents = match agents::look(&context.config, true) {
        Ok(agents) => agents,
        Err(error) => return vec![Finding::fail("agents", &error)],
    };
    agents
        .into_iter()
        .filter_map(|agent| {
            let program = agent.program?;
            let Some(path) = agent.path else {
                let hint = format!(
                    "needed only by packets with agent = \"{}\"; dynwf agents list",
                    agent.name
                );
                let what = format!("{}: `{program}` is not on PATH", agent.name);
                return Some(Finding::warn("agents", what, hint));
            };
            Some(match (agent.version, agent.trouble) {
                (Some(version), _) => Finding::ok(
                    "agents",
                    format!("{} {version} ({})", agent.name, path.display()),
                ),
                (None, trouble) => Finding::warn(
                    "agents",
                    format!("{}: {}", agent.name, trouble.unwrap_or_default()),
                    format!("try `{} --version` yourself", path.display()),
                ),
            })
        })
        .collect()
}
