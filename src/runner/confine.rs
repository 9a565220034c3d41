//! Keeps units in their place: builds their sandbox, brings home what was left in their private git directory,
//! and where there is no sandbox looks at what they changed elsewhere.
//!
//! A workspace has, below the workflow's folder and under the name of its administrative folder: `private/` (its
//! git directory for the sandbox), `client/` (its copies of clients' configuration), `stray/` (what its units
//! changed outside of it). All live as long as the workspace. Called by `unit` before and after every unit, by
//! `work` before collecting, by `effect` before a workspace is reset or removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::around;
use super::message::Tools;
use super::scene::Scene;
use crate::agent;
use crate::agent::client;
use crate::agent::env::unit_environment;
use crate::agent::home::ClientCopy;
use crate::config::{AgentConfig, Layout, Network, SandboxMode};
use crate::error::Failure;
use crate::model::id::PacketId;
use crate::model::unit::WorkspaceName;
use crate::process::sandbox::{self, Kind, Limits, PrivateGit, Sandbox};
use crate::process::{Task, UnitDir};
use crate::workspace::{self, Keep, Private, Script};

/// How long packing what was left may take, and how large it may be, in bytes.
const PACK_LIMIT: Duration = Duration::from_secs(600);
const PACK_MOST: u64 = 1 << 30;

/// The mode for an agent's table: its own, else that of `[sandbox]`, which checks and setup commands go by.
pub(super) fn mode(tools: &Tools, table: &AgentConfig) -> SandboxMode {
    table.sandbox.unwrap_or(tools.config.sandbox.mode)
}

/// What a mode amounts to on this machine.
///
/// # Errors
/// A usage [`Failure`] where the wanted kind does not work here.
pub(super) fn kind(mode: SandboxMode) -> Result<Kind> {
    match (mode, sandbox::available()) {
        (SandboxMode::None, _) => Ok(Kind::None),
        (SandboxMode::Auto, found) => Ok(found),
        (SandboxMode::Bubblewrap, Kind::Bubblewrap) => Ok(Kind::Bubblewrap),
        (SandboxMode::Bubblewrap, Kind::None) => Err(Failure::usage(
            "bubblewrap is wanted and does not work on this machine",
        )
        .hint("install bubblewrap and allow user namespaces, or set [sandbox] mode = \"none\"")
        .into()),
    }
}

/// Puts a task into its sandbox, or notes how things stand around it where there is none.
pub(super) fn confine(scene: &Scene<'_>, folder: &UnitDir, task: &mut Task) -> Result<()> {
    let config = scene.config();
    let kind = kind(mode(scene.tools, &config))?;
    around::note_work(scene)?;
    if kind == Kind::None {
        // All processes of the person would be counted.
        let limits = Limits {
            processes: 0,
            ..scene.limits()
        };
        task.argv = limits.hold(std::mem::take(&mut task.argv));
        if *scene.name == WorkspaceName::Checkout {
            return Ok(());
        }
        if !scene.is_clone() {
            let settings = workspace::sparse_settings(scene.workspace);
            task.env.get_or_insert_default().extend(settings);
            return around::note(scene, folder);
        }
    }
    let of_its_own = *scene.name != WorkspaceName::Checkout;
    let private = scene.private();
    if private.exists() && !private.is_current(&scene.tools.git, scene.workspace)? {
        // Its branch moved on.
        bring_rest_home(scene, Timestamp::now())?;
        private.forget()?;
    }
    if of_its_own {
        private.prepare(&scene.tools.git, scene.workspace)?;
    }
    if kind == Kind::None {
        return around::note(scene, folder);
    }
    let mut env = task.env.take().unwrap_or_default();
    give_home(&mut env);
    let mut view = scene.view(&config, &env, &private, folder);
    if !of_its_own {
        // In the user's own checkout git itself is seen, and cannot be written.
        view.git = None;
        view.files.clear();
        view.sealed.clear();
    }
    if let Some(copy) = scene.client_copy(&config) {
        copy.take()?;
        let place = copy.to.to_string_lossy().into_owned();
        env.insert(copy.client.variable.to_owned(), place);
        view.write.push(copy.to);
    }
    let argv = std::mem::take(&mut task.argv);
    if let Some(program) = argv.first() {
        let path = env.get("PATH").map_or("", String::as_str);
        view.programs.extend(client::find(program, path));
    }
    task.argv = view.wrap(argv, &mut env).context("building the sandbox")?;
    task.env = Some(env);
    Ok(())
}

/// What somebody else changed in a workspace before its first unit, in words. With a sandbox nobody can.
pub(super) fn soiled(scene: &Scene<'_>) -> Result<Option<String>> {
    match kind(mode(scene.tools, &scene.config()))? {
        Kind::None => around::soiled(scene),
        Kind::Bubblewrap => Ok(None),
    }
}

/// What is to be done once a unit has ended: credentials that a client refreshed go back, and strays are noted
/// down for [`notes`].
///
/// Returns the packets whose workspaces were changed though nobody worked in them.
pub(super) fn release(scene: &Scene<'_>, folder: &UnitDir) -> Result<Vec<PacketId>> {
    if let Some(copy) = scene
        .client_copy(&scene.config())
        .filter(|copy| copy.to.is_dir())
    {
        copy.give_back()
            .context("giving refreshed credentials back")?;
    }
    around::note_work(scene)?;
    around::look(scene, folder)
}

/// What people should know of a workspace before it is collected: commits and stashes, which are brought home,
/// and what its units may have changed elsewhere.
pub(super) fn notes(scene: &Scene<'_>, at: Timestamp) -> Result<Vec<String>> {
    let mut notes = bring_home(scene, at)?;
    notes.extend(around::lines(scene));
    if notes.len() > 40 {
        let more = notes.len() - 40;
        notes.truncate(40);
        notes.push(format!(
            "and {more} more, in {}",
            scene.folder("stray").display()
        ));
    }
    Ok(notes)
}

/// Forgets what belongs to a workspace that is reset or removed. What cannot be brought home stays.
pub(super) fn forget(scene: &Scene<'_>, at: Timestamp) -> Result<()> {
    bring_rest_home(scene, at)?;
    scene.private().forget()?;
    for kind in ["client", "stray"] {
        let folder = scene.folder(kind);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("removing {}", folder.display()))?;
        }
    }
    Ok(())
}

/// Brings home what was left since that was last done.
fn bring_rest_home(scene: &Scene<'_>, at: Timestamp) -> Result<()> {
    if !scene.private().is_emptied() {
        bring_home(scene, at)?;
    }
    Ok(())
}

/// Brings home what was left in the private git directory. One that cannot be read is kept aside, and said so.
fn bring_home(scene: &Scene<'_>, at: Timestamp) -> Result<Vec<String>> {
    let private = scene.private();
    if private.was_removed() {
        return Ok(vec![
            "its own .git was removed; what was committed in it is gone with it".to_owned(),
        ]);
    }
    if !private.exists() {
        return Ok(Vec::new());
    }
    let stamp = at.strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let name = scene.name.to_string();
    let keep = Keep {
        made: scene.state.slug.made(&name, &stamp),
        rescue: scene.state.slug.rescue(&name, &format!("{stamp}-git")),
        at,
    };
    let harvested = workspace::harvest(&scene.tools.git, &private, &keep, &mut |script| {
        scene.pack(&private, script)
    });
    match harvested {
        Ok(harvest) => {
            private.emptied()?;
            Ok(harvest.notes)
        }
        Err(error) => {
            let aside = scene.folder("kept").with_extension(&stamp);
            private.move_to(&aside)?;
            Ok(vec![format!(
                "its private git directory could not be read ({error:#}); it is kept in {}",
                aside.display()
            )])
        }
    }
}

impl Scene<'_> {
    fn config(&self) -> AgentConfig {
        self.agent
            .map(|name| self.tools.config.agent(name))
            .unwrap_or_default()
    }

    fn limits(&self) -> Limits {
        let limits = &self.tools.config.limits;
        Limits {
            memory_mb: limits.memory_mb,
            file_mb: limits.file_mb,
            processes: limits.processes,
        }
    }

    /// Whether the workspace is to have a git directory of its own. The one that people resolve conflicts in is not.
    fn is_clone(&self) -> bool {
        let wanted = self.tools.config.workspace.layout == Layout::Clone
            && self.name.packet().is_some()
            && !self.folder("private").exists();
        wanted || workspace::has_own_git(self.workspace)
    }

    fn private(&self) -> Private {
        let folder = self.folder("private");
        if self.is_clone() {
            Private::within(folder, self.workspace)
        } else {
            Private::new(folder)
        }
    }

    fn view(
        &self,
        config: &AgentConfig,
        env: &BTreeMap<String, String>,
        private: &Private,
        folder: &UnitDir,
    ) -> Sandbox {
        let home = env.get("HOME").map(PathBuf::from);
        let settings = &self.tools.config.sandbox;
        let below_home = |paths: &[String]| expanded(paths, home.as_deref());
        let network = config.network.unwrap_or(settings.network);
        Sandbox {
            workspace: PathBuf::from(&self.workspace.path),
            // One of its own lies in the workspace.
            git: (!self.is_clone()).then(|| PrivateGit {
                dir: private.git_dir(),
                pointer: private.pointer(),
            }),
            io: Some(folder.io()),
            repository: Some(self.tools.git.common_dir().to_owned()),
            sealed: self
                .tools
                .git
                .main_work_tree()
                .map(Path::to_owned)
                .into_iter()
                .collect(),
            hidden: self.hidden(),
            files: home
                .iter()
                .map(|home| (private.person(), home.join(".gitconfig")))
                .collect(),
            programs: Vec::new(),
            read: below_home(&settings.read),
            write: below_home(&settings.write),
            offline: network == Network::None,
            limits: self.limits(),
            home,
        }
    }

    fn hidden(&self) -> Vec<PathBuf> {
        hidden(self.tools)
    }

    fn client_copy(&self, config: &AgentConfig) -> Option<ClientCopy<'static>> {
        let name = self.agent?;
        let client = agent::row_of(name, config).ok()?.home?;
        let home = std::env::var_os("HOME").map(PathBuf::from)?;
        let named = std::env::var(client.variable).ok();
        let to = self.folder("client").join(name);
        let own = config.config_dir.as_deref();
        Some(ClientCopy::new(client, own, named.as_deref(), &home, to))
    }

    fn pack(&self, private: &Private, script: &Script) -> Result<Vec<u8>> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut env = BTreeMap::from([("PATH".to_owned(), path)]);
        env.extend(script.env.iter().cloned());
        let argv = ["/bin/sh", "-c", script.run.as_str()].map(str::to_owned);
        let doing = "packing what was committed in the private git directory";
        if sandbox::available() == Kind::None {
            // It was written by a unit with the person's own rights, and no setting of it is obeyed.
            env.insert("GIT_CONFIG_GLOBAL".to_owned(), "/dev/null".to_owned());
            return sandbox::capture(&argv, &env, &script.stdin, PACK_LIMIT, PACK_MOST)
                .context(doing);
        }
        let work = tempfile::tempdir().context("making a temporary folder")?;
        let view = Sandbox {
            workspace: work.path().to_owned(),
            repository: Some(self.tools.git.common_dir().to_owned()),
            hidden: self.hidden(),
            home: std::env::var_os("HOME").map(PathBuf::from),
            read: vec![private.folder().to_owned(), private.git_dir()],
            offline: true,
            ..Sandbox::default()
        };
        view.capture(argv.to_vec(), env, &script.stdin, PACK_LIMIT, PACK_MOST)
            .context(doing)
    }
}

/// Where the person has no home folder, the unit gets one: many tools fail without.
fn give_home(env: &mut BTreeMap<String, String>) {
    let home = env.get("HOME").map(Path::new);
    if !home.is_some_and(|home| home.is_absolute() && home.is_dir() && home.parent().is_some()) {
        env.insert("HOME".to_owned(), "/tmp/home".to_owned());
    }
}

/// Runs a shell command in a folder that is no workspace, in the sandbox that checks have, and waits for its end. It
/// does not outlive this process.
pub(super) fn run_there(
    tools: &Tools,
    folder: &Path,
    run: &str,
    told: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<()> {
    let table = AgentConfig::default();
    let mut env = unit_environment(std::env::vars_os(), &table, &BTreeMap::new(), told);
    let argv = ["/bin/sh", "-c", run].map(str::to_owned);
    if kind(mode(tools, &table))? == Kind::None {
        sandbox::capture(&argv, &env, &[], limit, PACK_MOST)?;
        return Ok(());
    }
    give_home(&mut env);
    let home = env.get("HOME").map(PathBuf::from);
    let settings = &tools.config.sandbox;
    let view = Sandbox {
        workspace: folder.to_owned(),
        repository: Some(tools.git.common_dir().to_owned()),
        sealed: tools
            .git
            .main_work_tree()
            .map(Path::to_owned)
            .into_iter()
            .collect(),
        hidden: hidden(tools),
        read: expanded(&settings.read, home.as_deref()),
        write: expanded(&settings.write, home.as_deref()),
        offline: settings.network == Network::None,
        home,
        ..Sandbox::default()
    };
    view.capture(argv.to_vec(), env, &[], limit, PACK_MOST)?;
    Ok(())
}

/// The journal, the approvals and everything else of ours; and the agent that signs for the person.
fn hidden(tools: &Tools) -> Vec<PathBuf> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let mut hidden = vec![tools.store.root().to_owned()];
    hidden.extend(socket.filter(|socket| socket.is_absolute()));
    hidden
}

fn expanded(paths: &[String], home: Option<&Path>) -> Vec<PathBuf> {
    paths.iter().map(|path| expand(path, home)).collect()
}

/// A path of the configuration: `~` is the home folder.
fn expand(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(below), Some(home)) if below.is_empty() || below.starts_with('/') => {
            home.join(below.trim_start_matches('/'))
        }
        _ => PathBuf::from(path),
    }
}
