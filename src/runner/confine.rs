//! Puts a unit into its sandbox: decides what it sees of this machine.
//!
//! The view: everything read-only; home, `/tmp`, `/run` and dynwf's own state covered; shown again: the agent's
//! program, PATH, tool caches, the repository (read-only), the workspace, the unit's `io/`, a private git directory in
//! the place of `.git`, and a private copy of the client's configuration. Called by `unit` before a launch and by
//! `work` before files are collected.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::message::Tools;
use crate::agent::{self, client};
use crate::config::{AgentConfig, Network, SandboxMode};
use crate::error::{ExitCode, Failure};
use crate::model::packet::Workspace;
use crate::model::plan::COMMAND_AGENT;
use crate::model::state::RunState;
use crate::model::unit::{Unit, WorkspaceName};
use crate::process::sandbox::{self, Kind, Sandbox};
use crate::process::{Task, UnitDir};
use crate::workspace::{self, PrivateGit};

/// Tool caches that are shown, below home: without them nothing builds. Secrets in them are hidden by name.
const CACHES: [&str; 16] = [
    ".cargo",
    ".rustup",
    ".npm",
    ".nvm",
    ".volta",
    ".bun",
    ".deno",
    ".yarn",
    ".local/share/pnpm",
    ".pyenv",
    ".local/share/uv",
    ".m2",
    ".gradle",
    ".sdkman",
    "go",
    ".local/bin",
];

/// Files in those caches that hold secrets, below home.
const SECRETS: [&str; 6] = [
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".yarn/.npmrc",
];

/// What keeps the units of a workflow in their place.
///
/// # Errors
/// Where the configuration wants a sandbox that is not to be had here.
pub(super) fn kind(mode: SandboxMode) -> Result<Kind> {
    match (mode, sandbox::available()) {
        (SandboxMode::None, _) => Ok(Kind::None),
        (SandboxMode::Auto, kind) => Ok(kind),
        (SandboxMode::Bubblewrap, Kind::Bubblewrap) => Ok(Kind::Bubblewrap),
        (SandboxMode::Bubblewrap, Kind::None) => Err(unavailable("bubblewrap")),
        (SandboxMode::Landlock, _) => Err(unavailable("landlock")),
    }
}

fn unavailable(which: &str) -> anyhow::Error {
    Failure::new(
        ExitCode::Usage,
        format!("the sandbox {which} does not work here"),
    )
    .hint("dynwf doctor says why; `[sandbox] mode = \"auto\"` takes the best that works")
    .into()
}

/// The mode for an agent's table: its own, else that of `[sandbox]`.
pub(super) fn mode(tools: &Tools, table: &AgentConfig) -> SandboxMode {
    table.sandbox.unwrap_or(tools.config.sandbox.mode)
}

/// Wraps a task so that it runs in its sandbox, if it is to.
pub(super) fn confine(
    tools: &Tools,
    state: &RunState,
    unit: &Unit,
    workspace: &Workspace,
    folder: &UnitDir,
    worker: (&str, &AgentConfig),
    mut task: Task,
) -> Result<Task> {
    let (agent, table) = worker;
    if kind(mode(tools, table))? == Kind::None {
        return Ok(task);
    }
    let private = private_of(tools, state, &unit.workspace, unit.attempt);
    workspace::lend(&tools.git, workspace, &private)
        .with_context(|| format!("lending {} a git directory", unit.workspace))?;
    let home = home_of(&mut task);
    let own_home = tools
        .store
        .folder(&state.slug)
        .join("homes")
        .join(format!("{}.{}", unit.workspace, unit.attempt));
    let place = places(agent, table, &home, &own_home)?;
    let common = tools.git.common_dir();
    let mut read = vec![common.to_owned()];
    read.extend(shown(&task, &home));
    read.extend(extra(&tools.config.sandbox.read, &home));
    // What this user cannot see cannot be shown, and bubblewrap would refuse to try.
    read.retain(|path| path.metadata().is_ok());
    let mut write = vec![
        PathBuf::from(&workspace.path),
        folder.io(),
        private.folder.clone(),
    ];
    write.extend(extra(&tools.config.sandbox.write, &home));
    let view = Sandbox {
        cover: vec!["/tmp".into(), "/run".into()],
        place,
        read,
        hide: SECRETS
            .iter()
            .map(|file| home.join(file))
            .filter(|file| file.is_file())
            .collect(),
        cover_again: vec![common.join("dynwf")],
        write,
        file: Some((
            private.dotgit.clone(),
            Path::new(&workspace.path).join(".git"),
        )),
        cwd: PathBuf::from(&task.cwd),
        network: table.network.unwrap_or(tools.config.sandbox.network) == Network::Host,
    };
    task.argv = view.wrap(&task.argv);
    Ok(task)
}

/// The private git directory of one attempt.
pub(super) fn private_of(
    tools: &Tools,
    state: &RunState,
    name: &WorkspaceName,
    attempt: u32,
) -> PrivateGit {
    let folder = tools.store.folder(&state.slug).join("private");
    PrivateGit::at(&folder.join(format!("{name}.{attempt}")))
}

/// The home folder that the unit sees. Where the person has none, nothing can be laid over it: then it gets one below
/// the temporary folder.
fn home_of(task: &mut Task) -> PathBuf {
    let home = task.env.as_ref().and_then(|env| env.get("HOME"));
    let known = home
        .map(PathBuf::from)
        .filter(|home| home.is_absolute() && home.is_dir() && home.parent().is_some());
    known.unwrap_or_else(|| {
        let made = PathBuf::from("/tmp/home");
        if let Some(env) = &mut task.env {
            env.insert("HOME".to_owned(), made.to_string_lossy().into_owned());
        }
        made
    })
}

/// The unit's own home in the place of the person's, with a copy of what its client needs to know.
fn places(
    agent: &str,
    table: &AgentConfig,
    home: &Path,
    own: &Path,
) -> Result<Vec<(PathBuf, PathBuf)>> {
    let fresh = !own.exists();
    fs::create_dir_all(own).with_context(|| format!("making {}", own.display()))?;
    let mut places = vec![(own.to_owned(), home.to_owned())];
    let client = match agent {
        COMMAND_AGENT => None,
        name => agent::row_of(name, table)?.home,
    };
    let Some(client) = client else {
        return Ok(places);
    };
    let elsewhere = table.config_dir.as_ref().map(|dir| expand(dir, home));
    let copy = match &elsewhere {
        Some(_) => own.with_extension("config"),
        None => own.join(client.folder),
    };
    if fresh || !copy.exists() {
        let from = elsewhere
            .clone()
            .unwrap_or_else(|| home.join(client.folder));
        copy_folder(&from, &copy, client.leave)
            .with_context(|| format!("copying the configuration in {}", from.display()))?;
        for name in client.beside {
            let file = home.join(name);
            if file.is_file() {
                let to = own.join(name);
                fs::copy(&file, &to).with_context(|| format!("copying {}", file.display()))?;
            }
        }
    }
    if let Some(at) = elsewhere {
        places.push((copy, at));
    }
    Ok(places)
}

/// Copies plain files and folders; links and special files are nothing that a client needs.
fn copy_folder(from: &Path, to: &Path, leave: &[&str]) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    let Ok(entries) = fs::read_dir(from) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if leave.iter().any(|left| name == *left) {
            continue;
        }
        let kind = entry.file_type()?;
        let target = to.join(&name);
        if kind.is_dir() {
            copy_folder(&entry.path(), &target, &[])?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("copying {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Brings refreshed credentials of a client back, by name only, where the person's own did not change meanwhile.
pub(super) fn bring_back(
    tools: &Tools,
    state: &RunState,
    unit: &Unit,
    agent: &str,
    table: &AgentConfig,
) {
    let Some(client) = agent::row_of(agent, table).ok().and_then(|row| row.home) else {
        return;
    };
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else {
        return;
    };
    let own = tools
        .store
        .folder(&state.slug)
        .join("homes")
        .join(format!("{}.{}", unit.workspace, unit.attempt));
    let (copy, original) = match &table.config_dir {
        Some(dir) => (own.with_extension("config"), expand(dir, &home)),
        None => (own.join(client.folder), home.join(client.folder)),
    };
    for name in client.refreshed {
        // Best effort: a client whose credentials did not come back asks the person to log in again.
        let _ = refresh(&copy.join(name), &original.join(name));
    }
}

fn refresh(copy: &Path, original: &Path) -> Result<()> {
    let (new, old) = (fs::symlink_metadata(copy)?, fs::symlink_metadata(original)?);
    if !new.is_file()
        || !old.is_file()
        || new.len() > 1 << 20
        || new.modified()? <= old.modified()?
    {
        return Ok(());
    }
    let bytes = fs::read(copy)?;
    if bytes != fs::read(original)? && serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() {
        crate::process::write_durably(original, &bytes)?;
    }
    Ok(())
}

/// What is shown again of covered folders: the program, PATH, tool caches.
fn shown(task: &Task, home: &Path) -> Vec<PathBuf> {
    let mut shown: Vec<PathBuf> = CACHES.iter().map(|cache| home.join(cache)).collect();
    let path = task
        .env
        .as_ref()
        .and_then(|env| env.get("PATH"))
        .map_or("", String::as_str);
    shown.extend(
        path.split(':')
            .filter(|entry| entry.starts_with('/'))
            .flat_map(|entry| tree(Path::new(entry))),
    );
    if let Some(program) = task
        .argv
        .first()
        .and_then(|program| client::find(program, path))
    {
        shown.extend(program.parent().into_iter().flat_map(tree));
        let real = client::behind(&program).canonicalize().ok();
        shown.extend(real.iter().filter_map(|real| real.parent()).flat_map(tree));
    }
    // A folder that is no more than home itself would show everything again.
    shown.retain(|path| path.components().count() > 1 && !home.starts_with(path));
    shown
}

/// The folder, and where it belongs to an installed package the whole of that.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut top = PathBuf::new();
    for part in folder.components() {
        top.push(part);
        if part.as_os_str() == "node_modules" {
            found.push(top.clone());
            break;
        }
    }
    found
}

fn extra(paths: &[String], home: &Path) -> Vec<PathBuf> {
    paths
        .iter()
        .map(|path| expand(path, home))
        .filter(|path| path.exists())
        .collect()
}

fn expand(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(below) => home.join(below),
        None if path == "~" => home.to_owned(),
        None => PathBuf::from(path),
    }
}
