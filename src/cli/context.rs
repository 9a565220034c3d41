//! Where a verb runs: the repository, its configuration, its workflows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::config::{Config, Sources};
use crate::error::usage;
use crate::git::Git;
use crate::journal::Store;
use crate::model::id::{CommitId, Slug};
use crate::model::state::RunState;
use crate::runner::Session;
use crate::workspace::{self, Sites};

/// The file of a repository's settings.
const SETTINGS: &str = "dynwf.toml";

/// The repository that a verb works on, and what is set for it.
pub(super) struct Context {
    pub(super) git: Git,
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) here: PathBuf,
    /// Nothing but the repository's own file is asked for settings.
    alone: bool,
}

impl Context {
    /// Finds the repository around `directory` (default: the current one) and reads the configuration.
    pub(super) fn open(directory: Option<&Path>) -> Result<Self> {
        let here = match directory {
            Some(directory) => std::path::absolute(directory)?,
            None => std::env::current_dir().context("finding the current folder")?,
        };
        Self::found(here, false)
    }

    /// The same without the person's own configuration and without the environment's.
    pub(super) fn open_alone(directory: &Path) -> Result<Self> {
        Self::found(directory.to_owned(), true)
    }

    /// The same where the configuration may be wrong: then with the defaults, and what is wrong with it.
    pub(super) fn open_anyway(directory: Option<&Path>) -> Result<(Self, Option<anyhow::Error>)> {
        let here = match directory {
            Some(directory) => std::path::absolute(directory)?,
            None => std::env::current_dir().context("finding the current folder")?,
        };
        let git = Git::discover(&here)?;
        let (config, broken) = match configuration(&git, None, false) {
            Ok(config) => (config, None),
            Err(error) => (Config::default(), Some(error)),
        };
        let context = Self {
            store: Store::new(git.common_dir()),
            git,
            config,
            here,
            alone: false,
        };
        Ok((context, broken))
    }

    fn found(here: PathBuf, alone: bool) -> Result<Self> {
        let git = Git::discover(&here)?;
        let config = configuration(&git, None, alone)?;
        Ok(Self {
            store: Store::new(git.common_dir()),
            git,
            config,
            here,
            alone,
        })
    }

    /// The same with the settings about trust taken from a commit, which no packet could have changed.
    pub(super) fn trusting(&self, base: &CommitId) -> Result<Config> {
        configuration(&self.git, Some(base), self.alone)
    }

    /// Returns the workflow's state.
    ///
    /// # Errors
    /// A usage error if there is none: not planned, or not split yet.
    pub(super) fn state(&self, slug: &Slug) -> Result<RunState> {
        if let Some(state) = self
            .store
            .read(slug)?
            .filter(|state| state.frozen.is_some())
        {
            return Ok(state);
        }
        if self.plan_file(slug).is_ok_and(|file| file.exists()) {
            return Err(usage(
                format!("workflow {slug} is planned, and not split yet"),
                format!("dynwf split {slug}, or dynwf run {slug}"),
            ));
        }
        let known = self.store.workflows()?;
        let known: Vec<&str> = known.iter().map(Slug::as_str).collect();
        Err(usage(
            format!("no workflow is called {slug}"),
            if known.is_empty() {
                format!("dynwf plan {slug} --from plan.toml begins one")
            } else {
                format!(
                    "there are {}; dynwf plan {slug} --from FILE begins a new one",
                    known.join(", ")
                )
            },
        ))
    }

    /// Takes the workflow's lock.
    pub(super) fn session(&self, slug: &Slug) -> Result<Session> {
        let config = match self.store.read(slug)?.and_then(|state| state.frozen) {
            Some(frozen) => self.trusting(&frozen.base)?,
            None => self.config.clone(),
        };
        Session::open(&self.git, &config, slug, self.sites(slug)?)
    }

    /// Where the workspaces of a workflow lie.
    pub(super) fn sites(&self, slug: &Slug) -> Result<Sites> {
        let template = self.config.workspace.path.as_str();
        let template = Some(template).filter(|template| !template.is_empty());
        workspace::sites(&self.git, template, &state_folder(), slug)
    }

    /// The folder that people read a workflow in.
    pub(super) fn face(&self, slug: &Slug) -> Result<PathBuf> {
        Ok(self.git.face_root()?.join(".workflow").join(slug.as_str()))
    }

    /// The plan as people edit it.
    pub(super) fn plan_file(&self, slug: &Slug) -> Result<PathBuf> {
        Ok(self.face(slug)?.join("plan.toml"))
    }
}

fn configuration(git: &Git, base: Option<&CommitId>, alone: bool) -> Result<Config> {
    // Without the environment there is no home either, and so no person's file.
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter(|_| !alone)
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut sources = Sources::read(env, git.work_tree().or(git.main_work_tree()))?;
    if let Some(base) = base
        && let Some(text) = git.file_at(base, SETTINGS)?
    {
        let text = String::from_utf8_lossy(&text).into_owned();
        sources.base = Some((format!("{SETTINGS} at {}", base.short()), text));
    }
    Config::load(&sources)
}

/// `$XDG_STATE_HOME/dynwf`, or `~/.local/state/dynwf`.
fn state_folder() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("dynwf")
}
