//! A workflow that this process holds: its lock, its journal, its state.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::dispatcher::Dispatcher;
use super::end::End;
use super::goal::{Goal, Options};
use crate::config::Config;
use crate::gate::policy;
use crate::git::Git;
use crate::journal::{Journal, Store};
use crate::model::event::{Event, EventKind};
use crate::model::gate::Binding;
use crate::model::id::{RefName, Slug, UnitId};
use crate::model::plan::Plan;
use crate::model::state::RunState;

/// What the observer of a run is told.
#[derive(Debug)]
pub enum Update<'a> {
    /// Something happened; the state includes it.
    Fact(&'a Event, &'a RunState),
    /// A unit says what it is at.
    Progress {
        /// The unit.
        unit: UnitId,
        /// In its own words, one line.
        text: &'a str,
    },
    /// Time has passed: about four times a second.
    Tick(&'a RunState),
}

/// What a verb wants of a session.
#[derive(Clone, Debug)]
pub struct Order {
    /// The goal.
    pub goal: Goal,
    /// For [`Goal::Push`]: what the push would do, as it was looked up.
    pub push: Option<Binding>,
    /// Whether checks that failed on the integrated tree run again.
    pub check_again: bool,
}

impl Order {
    /// An order with nothing but a goal.
    pub fn of(goal: Goal) -> Self {
        Self {
            goal,
            push: None,
            check_again: false,
        }
    }
}

/// A workflow that this process holds. Dropping it lets go of the lock.
pub struct Session {
    pub(super) git: Git,
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) state: RunState,
    pub(super) workspaces: PathBuf,
}

impl Session {
    /// Takes the workflow's lock and replays its journal. `workspaces` is the folder for its workspaces.
    ///
    /// # Errors
    /// A [`crate::error::Failure`] with exit code 5 where another process holds the lock; damage in the journal.
    pub fn open(git: &Git, config: &Config, slug: &Slug, workspaces: PathBuf) -> Result<Self> {
        let store = Store::new(git.common_dir());
        let (journal, state) = Journal::open(&store, slug)?;
        Ok(Self {
            git: git.clone(),
            config: config.clone(),
            store,
            journal,
            state,
            workspaces,
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
        base: crate::model::id::CommitId,
        target: RefName,
        observe: &mut dyn FnMut(Update<'_>),
    ) -> Result<()> {
        if self.state.frozen.is_some() {
            return Ok(());
        }
        let tree = self.git.tree_of(&base)?;
        let fact = EventKind::PlanFrozen {
            plan: Box::new(plan),
            base,
            tree,
            target,
            repository: self.store.repository_id()?,
        };
        self.record(vec![fact], Timestamp::now(), observe)
    }

    /// Works towards the goal until nothing is left to do without a person, and says how that ended.
    ///
    /// # Errors
    /// If the journal cannot be written, or the loop cannot be set up. What agents, checks and git refuse is
    /// part of the state, not an error.
    pub fn drive(&mut self, order: Order, observe: &mut dyn FnMut(Update<'_>)) -> Result<End> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("starting the loop")?;
        let options = self.options(order.goal.clone());
        let end = runtime.block_on(Dispatcher::new(self, options).run(order, observe));
        // A job that was given up may still sit in a system call; it must not keep the process.
        runtime.shutdown_background();
        end
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

    fn options(&self, goal: Goal) -> Options {
        let limits = &self.config.limits;
        let policy = self.config.gate.policy();
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Options {
            goal,
            concurrency: usize::try_from(limits.concurrency).unwrap_or(usize::MAX),
            cores,
            minutes: limits.minutes,
            silence: limits.silence,
            setup: self.config.workspace.setup.clone(),
            policy_digest: policy::digest(&policy),
            policy,
            workspaces: self.workspaces.to_string_lossy().into_owned(),
            winding_down: false,
        }
    }
}
