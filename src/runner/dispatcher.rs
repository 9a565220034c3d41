//! The loop: inputs → facts → consequences → append, apply, report → start the jobs that are not going on.
//!
//! It owns the session while a verb runs. Inputs that arrive while a batch is written queue up and are the next
//! batch: that is the group commit. Jobs go on beside it and each ends with one message.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, MissedTickBehavior, interval};

use super::end::{End, end};
use super::executor::Executor;
use super::facts::facts;
use super::goal::{Goal, Options};
use super::jobs::{Job, jobs};
use super::limit;
use super::message::{Input, Message};
use super::order::{Order, Update};
use super::rules;
use super::script::{self, Host};
use super::session::Session;
use crate::error::ExitCode;
use crate::fault;
use crate::journal::Found;
use crate::model::event::{Event, EventKind};
use crate::model::id::{RequestId, UnitId};
use crate::model::request::RequestBody;
use crate::model::unit::{Unit, Usage, WorkspaceName};
use crate::process::{Asked, Stop, signals};
use crate::script::Said;
use crate::workspace;

/// How often the inbox is looked at and the observer is told that time has passed.
const TICK: Duration = Duration::from_millis(250);

/// How many consequences one batch may have. More can only be two rules that undo each other.
const MOST_CONSEQUENCES: usize = 20_000;

/// How long a script that runs is waited for before the rest of the loop goes on.
const REST: Duration = Duration::from_millis(20);

impl Session {
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
}

struct Dispatcher<'s> {
    session: &'s mut Session,
    options: Options,
    executor: Executor,
    live: BTreeMap<Job, Live>,
    host: Option<Host>,
    messages: mpsc::UnboundedReceiver<Message>,
    stop: Stop,
    /// What agents at work say that they used so far.
    used: BTreeMap<UnitId, Usage>,
    /// The agents that are ended because a budget is used up, each with why.
    over: BTreeMap<UnitId, String>,
    /// The signal that asked to stop, or TERM's number where a request did.
    signal: Option<u8>,
}

/// A job that goes on.
struct Live {
    stop: watch::Sender<Stop>,
    /// The number of the last event of the state that it was given.
    seen: u64,
}

/// What one turn of the loop brought.
#[derive(Default)]
struct Batch {
    inputs: Vec<Input>,
    /// Each with the number of the last event that it had seen.
    ended: Vec<(Job, u64)>,
    requests: Vec<RequestId>,
}

impl<'s> Dispatcher<'s> {
    fn new(session: &'s mut Session, options: Options) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let executor = Executor::new(session, sender);
        Self {
            session,
            options,
            executor,
            live: BTreeMap::new(),
            host: None,
            messages,
            stop: Stop::No,
            used: BTreeMap::new(),
            over: BTreeMap::new(),
            signal: None,
        }
    }

    /// Runs until nothing is left to do without a person.
    async fn run(mut self, mut order: Order, observe: &mut dyn FnMut(Update<'_>)) -> Result<End> {
        let mut signals = signals()?;
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let new = order.script.take();
        let state = &self.session.state;
        let tools = self.executor.tools();
        self.host = match order.reuse {
            Some(how) => Some(
                script::begin_over(tools, state, &self.options, new, how)
                    .await?
                    .0,
            ),
            None => script::begin(tools, state, &self.options, new).await?,
        };
        let started = EventKind::RunStarted {
            goal: order.goal.word().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sandbox: self.executor.sandbox()?.to_owned(),
        };
        self.session
            .record(vec![started], Timestamp::now(), observe)?;
        let mut batch = Batch {
            inputs: self.first_inputs(order)?,
            ..Batch::default()
        };
        self.read_inbox(&mut batch);
        loop {
            self.turn(batch, observe)?;
            batch = Batch::default();
            if let Some(host) = &mut self.host {
                host.deliver();
            }
            if self.live.is_empty() && !self.host.as_ref().is_some_and(Host::is_busy) {
                self.read_inbox(&mut batch);
                if !batch.inputs.is_empty() {
                    continue;
                }
                if !self.waits_for_the_clock() {
                    break;
                }
            }
            tokio::select! {
                said = next_said(&mut self.host) => self.hear(said).await?,
                Some(message) = self.messages.recv() => {
                    self.take(message, &mut batch, observe);
                    while let Ok(message) = self.messages.try_recv() {
                        self.take(message, &mut batch, observe);
                    }
                }
                asked = signals.next() => {
                    if let Some(end) = self.asked_to_stop(asked) {
                        return Ok(end);
                    }
                }
                _ = clock.tick() => {
                    self.read_inbox(&mut batch);
                    observe(Update::Tick(&self.session.state));
                }
            }
        }
        self.finish(observe)
    }

    /// Takes what the script says, and what more it says before it rests: one batch, if it is quick.
    async fn hear(&mut self, said: Said) -> Result<()> {
        let Some(host) = &mut self.host else {
            return Ok(());
        };
        host.take(said)?;
        while host.is_at_work() {
            let Ok(said) = tokio::time::timeout(REST, host.next()).await else {
                break;
            };
            host.take(said)?;
        }
        Ok(())
    }

    /// Whether agents are only held back by a pause that a service asked for.
    fn waits_for_the_clock(&self) -> bool {
        let state = &self.session.state;
        self.options.goal.works()
            && !self.options.winding_down
            && limit::waits_for_pauses(state, Timestamp::now())
    }

    fn first_inputs(&mut self, order: Order) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        if order.goal == Goal::Integrate && !self.session.state.is_scripted() {
            inputs.push(Input::Script(script::released(&self.session.state)));
        }
        if let Some(frozen) = &self.session.state.frozen
            && let Some(commit) = self.session.git.read_ref(&frozen.target)?
        {
            let tree = self.session.git.tree_of(&commit)?;
            inputs.push(Input::Target(commit, tree));
        }
        if order.check_again {
            inputs.push(Input::CheckAgain);
        }
        inputs.extend(order.push.map(Input::Push));
        Ok(inputs)
    }

    /// Takes a batch in, lets everything follow that follows, and starts what should be going on.
    fn turn(&mut self, batch: Batch, observe: &mut dyn FnMut(Update<'_>)) -> Result<()> {
        self.follow_up(batch.inputs, observe)?;
        for request in &batch.requests {
            self.executor.forget(request);
        }
        let mut wanted = jobs(&self.session.state, &self.options);
        let now = self.session.state.seq;
        let idle = batch
            .ended
            .into_iter()
            .find(|(job, seen)| *seen == now && wanted.contains(job));
        if let Some((job, _)) = idle {
            // It would be asked for, and end like this, for ever.
            let why = "it ended without a result (this is a bug in dynwf)".to_owned();
            self.follow_up(vec![Input::Failed { job, why }], observe)?;
            wanted = jobs(&self.session.state, &self.options);
        }
        let over = limit::over(&self.session.state, &self.used, Timestamp::now());
        for (unit, why) in over {
            self.over.entry(unit).or_insert(why);
        }
        self.stop_units();
        self.start(&wanted);
        Ok(())
    }

    /// Facts and their consequences, found on a copy of the state, recorded in one append.
    fn follow_up(&mut self, inputs: Vec<Input>, observe: &mut dyn FnMut(Update<'_>)) -> Result<()> {
        let now = Timestamp::now();
        let mut state = self.session.state.clone();
        let mut all = Vec::new();
        let brought = self.host.as_mut().map(Host::facts).unwrap_or_default();
        for input in std::iter::once(Input::Script(brought)).chain(inputs) {
            for kind in facts(&state, &self.options, input, now) {
                apply(&mut state, &mut all, kind, now);
            }
        }
        if let Some(host) = &mut self.host {
            while let Some(facts) = host.admit(&state, &self.options)? {
                for kind in facts {
                    apply(&mut state, &mut all, kind, now);
                }
            }
        }
        let brought = all.len();
        loop {
            let following = rules::next(&state, &self.options, now);
            if following.is_empty() {
                break;
            }
            for kind in following {
                apply(&mut state, &mut all, kind, now);
            }
            if all.len() - brought > MOST_CONSEQUENCES {
                bail!("the rules of workflow {} do not come to rest", state.slug);
            }
        }
        let mut heard = Ok(());
        let host = &mut self.host;
        self.session.record(all, now, &mut |update| {
            if let (Update::Fact(event, _), Some(host), true) = (&update, &mut *host, heard.is_ok())
            {
                heard = host.heard(event);
            }
            observe(update);
        })?;
        heard
    }

    fn start(&mut self, wanted: &BTreeSet<Job>) {
        for job in wanted {
            if !self.live.contains_key(job) {
                fault::point("job:start");
                let (sender, receiver) = watch::channel(self.stop_of(job));
                self.executor
                    .start(job.clone(), &self.session.state, receiver);
                let live = Live {
                    stop: sender,
                    seen: self.session.state.seq,
                };
                self.live.insert(job.clone(), live);
            }
        }
    }

    /// Tells running units to stop where the run winds down or their packet was given up.
    fn stop_units(&self) {
        for (job, live) in &self.live {
            let stop = self.stop_of(job);
            live.stop.send_if_modified(|told| {
                let changed = *told != stop;
                *told = stop;
                changed
            });
        }
    }

    fn stop_of(&self, job: &Job) -> Stop {
        let given_up = match job {
            Job::Attend(unit) => self.session.state.units.get(unit).is_some_and(|live| {
                live.stopping || self.over.contains_key(unit) || self.answers_nothing(&live.unit)
            }),
            _ => false,
        };
        match self.stop {
            Stop::No if given_up => Stop::Term,
            stop => stop,
        }
    }

    /// Whether a unit answers a call of a script that ended without it.
    fn answers_nothing(&self, unit: &Unit) -> bool {
        unit.call()
            .is_some_and(|ordinal| self.session.state.open_call(ordinal).is_none())
    }

    fn take(&mut self, message: Message, batch: &mut Batch, observe: &mut dyn FnMut(Update<'_>)) {
        match message {
            Message::Ended { job, mut input } => {
                if let Some(Input::UnitEnded(end)) = &mut input {
                    self.used.remove(&end.unit);
                    if let Some(why) = self.over.remove(&end.unit) {
                        end.is_over(why);
                    }
                }
                let seen = self.live.remove(&job).map_or(0, |live| live.seen);
                batch.ended.push((job, seen));
                batch.inputs.extend(input);
            }
            Message::Note(input) => batch.inputs.push(input),
            Message::Used { unit, usage } => {
                self.used.insert(unit, usage);
            }
            Message::Progress { unit, text } => observe(Update::Progress { unit, text: &text }),
        }
    }

    /// Takes the requests that other processes left. One that was answered before only loses its file.
    fn read_inbox(&mut self, batch: &mut Batch) {
        for found in self.executor.inbox() {
            let Found::Request(request) = found else {
                continue;
            };
            batch.requests.push(request.id.clone());
            if self.session.state.requests.contains_key(&request.id) {
                self.executor.forget(&request.id);
                continue;
            }
            if request.body == RequestBody::Stop {
                self.wind_down(Stop::Term, 15);
            }
            let looked_up = self.executor.look_up(&self.session.state, &request);
            batch.inputs.push(Input::Request { request, looked_up });
        }
    }

    fn wind_down(&mut self, stop: Stop, signal: u8) {
        self.stop = stop;
        self.signal = Some(signal);
        self.options.winding_down = true;
        if let Some(host) = &mut self.host {
            host.abort();
        }
        self.stop_units();
    }

    /// Once: no new work, TERM to the units. Twice: KILL. A hang-up ends dynwf alone: its units go on and are
    /// adopted by the next run.
    fn asked_to_stop(&mut self, asked: Asked) -> Option<End> {
        match asked {
            Asked::Stop { signal } => self.wind_down(Stop::Term, signal),
            Asked::Kill { signal } => self.wind_down(Stop::Kill, signal),
            Asked::Leave { signal } => {
                return Some(End {
                    code: ExitCode::Signal(signal),
                    why: vec![
                        "the terminal went away; units go on, `dynwf run` adopts them".to_owned(),
                    ],
                });
            }
        }
        None
    }

    fn finish(self, observe: &mut dyn FnMut(Update<'_>)) -> Result<End> {
        let mut ended = end(&self.session.state, &self.options);
        if let Some(signal) = self.signal {
            ended.code = ExitCode::Signal(signal);
            let slug = &self.session.state.slug;
            ended
                .why
                .insert(0, format!("stopped; `dynwf run {slug}` goes on from here"));
        }
        // Directories of removed workspaces are deleted last, when nobody waits for a result.
        let site = self.options.sites.path(&WorkspaceName::Integration, 0);
        if let Err(error) = workspace::empty_trash(&self.session.git, Path::new(&site)) {
            ended
                .why
                .push(format!("removed workspaces are not deleted yet: {error:#}"));
        }
        let fact = EventKind::RunEnded {
            code: ended.code.number(),
        };
        self.session.record(vec![fact], Timestamp::now(), observe)?;
        Ok(ended)
    }
}

/// What the script says next; for ever nothing where there is none.
async fn next_said(host: &mut Option<Host>) -> Said {
    match host {
        Some(host) => host.next().await,
        None => std::future::pending().await,
    }
}

fn apply(
    state: &mut crate::model::state::RunState,
    all: &mut Vec<EventKind>,
    kind: EventKind,
    now: Timestamp,
) {
    let event = Event {
        seq: state.seq + 1,
        at: now,
        kind,
    };
    state.apply(&event);
    all.push(event.kind);
}
