//! A workflow that this process holds: its lock, its journal, its state.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::goal::{Goal, Options};
use super::message::Tools;
use super::order::{Reuse, Update};
use super::script;
use super::work;
use crate::config::Config;
use crate::git::{self, Git};
use crate::integrate::Rules;
use crate::journal::{Journal, Store};
use crate::model::carve::Carved;
use crate::model::event::EventKind;
use crate::model::id::{CommitId, RefName, Slug};
use crate::model::plan::Plan;
use crate::model::script::ScriptRun;
use crate::model::state::RunState;
use crate::plan::carve::Share;
use crate::workspace::Sites;

/// How long a git process of an earlier run is waited for; a push may take its time.
const EFFECTS: Duration = Duration::from_secs(30);

/// A workflow that this process holds. Dropping it lets go of the lock.
pub struct Session {
    pub(super) git: Git,
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) state: RunState,
    pub(super) sites: Sites,
}

impl Session {
    /// Takes the workflow's lock and replays its journal. `sites` is where its workspaces lie.
    ///
    /// # Errors
    /// A [`crate::error::Failure`] with exit code 5 where another process holds the lock; damage in the journal.
    pub fn open(git: &Git, config: &Config, slug: &Slug, sites: Sites) -> Result<Self> {
        let store = Store::new(git.common_dir());
        let (journal, state) = Journal::open(&store, slug)?;
        // A git process may outlive the dynwf that started it: what it does is done before we look.
        git::wait_for_effects(&git.effects_folder(), EFFECTS)?;
        Ok(Self {
            git: git.clone(),
            config: config.clone(),
            store,
            journal,
            state,
            sites,
        })
    }

    /// Returns the state.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Fixes the plan: the workflow begins. Does nothing if it has begun already.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn freeze(
        &mut self,
        plan: Plan,
        base: CommitId,
        target: RefName,
        observe: &mut dyn FnMut(Update<'_>),
    ) -> Result<()> {
        if self.state.frozen.is_some() {
            return Ok(());
        }
        let fact = self.frozen(plan, base, target)?;
        self.record(vec![fact], Timestamp::now(), observe)
    }

    /// Fixes the plan of packets that were carved from a branch, with their work collected: all of it or nothing. Does
    /// nothing if the workflow has begun already.
    ///
    /// # Errors
    /// If a share cannot be read, or the journal cannot be written.
    pub fn freeze_carved(
        &mut self,
        plan: Plan,
        carved: Carved,
        shares: Vec<Share>,
        target: RefName,
        observe: &mut dyn FnMut(Update<'_>),
    ) -> Result<()> {
        if self.state.frozen.is_some() {
            return Ok(());
        }
        let mut works = Vec::with_capacity(shares.len());
        for share in shares {
            let planned = plan.packet(&share.packet);
            let patterns = planned.map_or(&[][..], |packet| &packet.scope);
            let base = carved.base.clone();
            let work = work::collected(&self.git, base, share.tip, share.tree, patterns)
                .with_context(|| format!("looking at the share of packet {}", share.packet))?;
            works.push(EventKind::PacketCollected {
                packet: share.packet,
                collected: work,
            });
        }
        let mut facts = vec![
            self.frozen(plan, carved.base.clone(), target)?,
            EventKind::BranchCarved { carved },
        ];
        facts.extend(works);
        self.record(facts, Timestamp::now(), observe)
    }

    fn frozen(&self, plan: Plan, base: CommitId, target: RefName) -> Result<EventKind> {
        Ok(EventKind::PlanFrozen {
            plan: Box::new(plan),
            tree: self.git.tree_of(&base)?,
            base,
            target,
            repository: self.store.repository_id()?,
        })
    }

    /// Lets a script be what this workflow runs; the plan is frozen by now.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn begin_script(
        &mut self,
        run: ScriptRun,
        observe: &mut dyn FnMut(Update<'_>),
    ) -> Result<()> {
        let fact = EventKind::ScriptBegan { run: Box::new(run) };
        self.record(vec![fact], Timestamp::now(), observe)
    }

    /// Says what of the answers of the workflow's script would be taken over, and what would have to be run. Starts
    /// and records nothing.
    ///
    /// # Errors
    /// If the script cannot be started.
    pub fn rehearse(&self, new: Option<ScriptRun>, how: Reuse) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the loop")?;
        let tools = self.tools();
        let options = self.options(Goal::Run);
        let begun = script::begin_over(&tools, &self.state, &options, new, how);
        let (mut host, preview) = runtime.block_on(begun)?;
        host.abort();
        Ok(preview)
    }

    /// Returns what every job may use.
    pub(super) fn tools(&self) -> Tools {
        Tools {
            git: self.git.clone(),
            config: Arc::new(self.config.clone()),
            store: self.store.clone(),
        }
    }

    /// Appends facts, applies them, reports them: the only way in which the state changes.
    pub(super) fn record(
        &mut self,
        facts: Vec<EventKind>,
        now: Timestamp,
        observe: &mut dyn FnMut(Update<'_>),
    ) -> Result<()> {
        if facts.is_empty() {
            return Ok(());
        }
        let events = self
            .journal
            .append(facts, now)
            .with_context(|| format!("recording what happened in workflow {}", self.state.slug))?;
        for event in &events {
            self.state.apply(event);
            observe(Update::Fact(event, &self.state));
        }
        Ok(())
    }

    /// Resolves the settings that the rules look at.
    pub(super) fn options(&self, goal: Goal) -> Options {
        let limits = &self.config.limits;
        let concurrency = if self.state.script.is_some() {
            limits.script_concurrency
        } else {
            limits.concurrency
        };
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Options {
            goal,
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            cores,
            minutes: limits.minutes,
            silence: limits.silence,
            setup: self.config.workspace.setup.clone(),
            bisect: self.config.integration.bisect,
            resolver: self.config.integration.resolver.clone(),
            rules: Rules::new(
                &self.config.integration.rules,
                self.config.integration.lock_files,
            ),
            policy: self.config.gate.policy(),
            sites: self.sites.clone(),
            winding_down: false,
        }
    }
}
