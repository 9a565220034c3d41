//! The thread of an engine: makes the world of the script, runs it, and delivers answers.
//!
//! Invariants: nothing of the script runs but within a wound clock; whatever stopped it is noticed after every promise
//! job, because the engine swallows an interrupt there; every handle into the engine is gone before the engine is.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, TryRecvError};

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{
    CatchResultExt as _, CaughtError, Context, Ctx, Function, Object, Persistent, Runtime, Value,
};

use super::call::CallKind;
use super::host::{self, Main, Pending, Settings, Shared, well_formed};
use super::limits::Clock;
use super::setup::{Setup, Told};
use super::source::{Source, Sources};
use super::talk::{Answer, ErrorKind, Outcome, Said, ScriptError};
use super::thrown::{Thrown, describe, describe_value};
use super::watch::Voice;
use super::{POISON, PRELUDE, rejections};

/// More memory for the words about a script that used up its own.
const LAST_MEMORY: usize = 64 * 1024 * 1024;

/// How much is allocated before the engine first looks for circles of garbage, in bytes: a large script looks less often.
const GARBAGE: usize = 32 * 1024 * 1024;

/// How many promise jobs run between two looks at the clock.
const JOBS_A_LOOK: u32 = 128;

/// What the thread is started with.
pub(super) struct Thread {
    pub(super) setup: Setup,
    pub(super) source: Source,
    pub(super) say: Voice,
    pub(super) told: Receiver<Told>,
    pub(super) stopping: Arc<AtomicBool>,
}

impl Thread {
    /// Runs the script to its end.
    pub(super) fn run(self) {
        let Self {
            setup,
            source,
            say,
            told,
            stopping,
        } = self;
        say.here();
        let clock = Rc::new(Clock::new(setup.limits.slice, stopping));
        let ended = World::make(setup, &source, Rc::clone(&clock)).and_then(|world| {
            let ended = world.run(&say, &told);
            world.flush(&say, &mut true);
            world.warn_of_rejections(&say);
            world.shared.borrow_mut().clear();
            ended
        });
        // The host may be gone already; then nobody wants to know.
        say.say(Said::Ended(ended));
    }
}

/// The functions of the prelude that the host calls.
struct Prelude {
    start: Persistent<Function<'static>>,
    finish: Persistent<Function<'static>>,
    spend: Persistent<Function<'static>>,
    abort: Persistent<Function<'static>>,
    abort_error: Persistent<Function<'static>>,
    failure: Persistent<Function<'static>>,
}

/// An engine with a script in it. Fields are dropped in this order: handles first, the runtime last.
struct World {
    prelude: Prelude,
    body: Persistent<Function<'static>>,
    rejections: rejections::Unhandled,
    shared: Rc<RefCell<Shared>>,
    clock: Rc<Clock>,
    context: Context,
    memory: usize,
    slice: std::time::Duration,
    runtime: Runtime,
}

type Chosen = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    intrinsic::Promise,
);

impl World {
    fn make(setup: Setup, source: &Source, clock: Rc<Clock>) -> Result<Self, ScriptError> {
        let broken = |error: rquickjs::Error| {
            ScriptError::new(ErrorKind::Limit, format!("starting the engine: {error}"))
        };
        let runtime = Runtime::new().map_err(broken)?;
        runtime.set_memory_limit(setup.limits.memory);
        runtime.set_gc_threshold(GARBAGE);
        runtime.set_max_stack_size(setup.limits.stack);
        let context = Context::custom::<Chosen>(&runtime).map_err(broken)?;
        let rejections = rejections::Unhandled::watch(&runtime);
        let interrupt = Rc::clone(&clock);
        runtime.set_interrupt_handler(Some(Box::new(move || interrupt.is_over())));
        let mut sources = Sources::default();
        sources.add(source);
        let slice = setup.limits.slice;
        let memory = setup.limits.memory;
        let settings = (setup.args, setup.cwd, setup.budget, setup.limits.items);
        let shared = Rc::new(RefCell::new(Shared::new(
            setup.limits,
            sources,
            setup.resolve,
            setup.refuse,
        )));
        clock.wind();
        let made = context.with(|ctx| {
            let (args, cwd, budget, items) = &settings;
            let settings = Settings {
                items: *items,
                // A budget is counted in tokens; beyond 2^53 a number of the script is not exact, and none is needed.
                budget: budget.map(|tokens| u32::try_from(tokens).map_or(9e15, f64::from)),
                cwd,
                args: args.as_deref(),
            };
            let prelude = prelude(&ctx, &shared, &settings)
                .catch(&ctx)
                .map_err(|error| unwanted(&error))?;
            let body = source
                .compile(&ctx)
                .catch(&ctx)
                .map_err(|error| describe(&error, &shared.borrow().sources))?;
            Ok((prelude, Persistent::save(&ctx, body)))
        });
        let (prelude, body) = made?;
        Ok(Self {
            prelude,
            body,
            rejections,
            shared,
            clock,
            context,
            memory,
            slice,
            runtime,
        })
    }

    fn run(&self, say: &Voice, told: &Receiver<Told>) -> Result<Outcome, ScriptError> {
        self.turn(|ctx| self.start(ctx))?;
        let mut awaited = false;
        let mut taken = 0;
        loop {
            if let Some(ended) = self.end() {
                return ended;
            }
            say.turn();
            let heard = match told.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.flush(say, &mut awaited);
                    if !say.say(Said::Idle(taken)) {
                        return Err(ScriptError::new(ErrorKind::Aborted, "the host is gone"));
                    }
                    told.recv().ok()
                }
                heard => heard.ok(),
            };
            say.turn();
            match heard {
                Some(Told::Answer(answer)) => {
                    self.deliver(&answer)?;
                    taken += 1;
                }
                Some(Told::Abort) | None => {
                    self.turn(|ctx| self.abort(ctx))?;
                    return Err(ScriptError::new(
                        ErrorKind::Aborted,
                        "the workflow was aborted",
                    ));
                }
            }
        }
    }

    /// Sends on what was said, and what the author should know about the end.
    fn flush(&self, say: &Voice, awaited: &mut bool) {
        let mut shared = self.shared.borrow_mut();
        for said in std::mem::take(&mut shared.said) {
            say.say(said);
        }
        if matches!(shared.main, Main::Value(_)) && !shared.pending.is_empty() && !*awaited {
            *awaited = true;
            say.say(Said::Warned(still_running(&shared)));
        }
    }

    /// Whether the script is over, and how.
    fn end(&self) -> Option<Result<Outcome, ScriptError>> {
        let (main, waits) = {
            let mut shared = self.shared.borrow_mut();
            let waits = !shared.pending.is_empty();
            match &shared.main {
                Main::Running | Main::Value(_) if waits => return None,
                _ => (std::mem::replace(&mut shared.main, Main::Running), waits),
            }
        };
        debug_assert!(!waits || matches!(main, Main::Error(_)));
        Some(match main {
            Main::Running => Err(ScriptError::new(
                ErrorKind::Stuck,
                "the script waits for a promise that no call can settle: nothing is running, and it has not ended",
            )),
            Main::Error(error) => Err(self.describe(Thrown::Value(error))),
            Main::Value(value) => self.finish(value),
        })
    }

    /// Starts the script; what it does before it first waits happens here.
    fn start(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let body = self.body.clone().restore(ctx)?;
        let of = Rc::clone(&self.shared);
        let succeeded = Function::new(ctx.clone(), move |value: Persistent<Value<'static>>| {
            of.borrow_mut().main = Main::Value(value);
        })?;
        let of = Rc::clone(&self.shared);
        let failed = Function::new(ctx.clone(), move |value: Persistent<Value<'static>>| {
            of.borrow_mut().main = Main::Error(value);
        })?;
        let start = self.prelude.start.clone().restore(ctx)?;
        start.call((body, succeeded, failed))
    }

    /// Makes the value of the script plain data.
    fn finish(&self, value: Persistent<Value<'static>>) -> Result<Outcome, ScriptError> {
        let mut text = None;
        self.turn(|ctx| {
            let finish = self.prelude.finish.clone().restore(ctx)?;
            let json: String = finish.call((value.restore(ctx)?,))?;
            text = Some(well_formed(json));
            Ok(())
        })?;
        text.map(|value| Outcome { value })
            .ok_or_else(|| ScriptError::new(ErrorKind::Thrown, "the script ended without a value"))
    }

    fn deliver(&self, answer: &Answer) -> Result<(), ScriptError> {
        let pending = self.shared.borrow_mut().pending.remove(&answer.ordinal);
        let Some(pending) = pending else {
            return Err(ScriptError::new(
                ErrorKind::Unexpected,
                format!(
                    "an answer came for call #{}, which the script does not wait for",
                    answer.ordinal
                ),
            ));
        };
        self.turn(|ctx| self.settle(ctx, answer, pending))
    }

    fn settle(&self, ctx: &Ctx<'_>, answer: &Answer, pending: Pending) -> rquickjs::Result<()> {
        if answer.spent > 0 {
            let spend = self.prelude.spend.clone().restore(ctx)?;
            // Token counts stay far below 2^53, where numbers of the script stop being exact.
            let tokens = u32::try_from(answer.spent).map_or(f64::from(u32::MAX), f64::from);
            spend.call::<_, ()>((tokens,))?;
        }
        match &answer.value {
            Ok(json) => {
                let value = ctx.json_parse(json.as_bytes())?;
                pending.resolve.restore(ctx)?.call((value,))
            }
            Err(_) if pending.kind == CallKind::Agent => {
                let null = Value::new_null(ctx.clone());
                pending.resolve.restore(ctx)?.call((null,))
            }
            Err(failed) => {
                let failure = self.prelude.failure.clone().restore(ctx)?;
                let message = format!("{} ({})", failed.message, pending.title);
                let error: Value<'_> = failure.call((message,))?;
                pending.reject.restore(ctx)?.call((error,))
            }
        }
    }

    /// Lets every call that waits throw, in the order in which they were made.
    fn abort(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        self.prelude.abort.clone().restore(ctx)?.call::<_, ()>(())?;
        let mut waiting: Vec<(u64, Pending)> = self.shared.borrow_mut().pending.drain().collect();
        waiting.sort_by_key(|(ordinal, _)| *ordinal);
        for (_, pending) in waiting {
            let error: Value<'_> = self.prelude.abort_error.clone().restore(ctx)?.call(())?;
            pending.reject.restore(ctx)?.call::<_, ()>((error,))?;
        }
        Ok(())
    }

    /// Runs something of the host's in the script's world, and every promise job that follows from it.
    fn turn(
        &self,
        work: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<()>,
    ) -> Result<(), ScriptError> {
        self.clock.wind();
        let done = self.context.with(|ctx| {
            work(&ctx)
                .catch(&ctx)
                .map_err(|error| Thrown::keep(&ctx, error))
        });
        let thrown = done.err().map(|thrown| self.describe(thrown));
        if self.clock.stopped() {
            return Err(self.stopped(thrown));
        }
        if let Some(error) = thrown {
            return Err(error);
        }
        let mut jobs: u32 = 0;
        loop {
            let job = self.runtime.execute_pending_job();
            let thrown = match job {
                Ok(true) => None,
                Ok(false) => return Ok(()),
                Err(exception) => {
                    let context = exception.0;
                    let value = context.with(|ctx| Persistent::save(&ctx, ctx.catch()));
                    Some(self.describe(Thrown::Value(value)))
                }
            };
            // A chain of jobs without a loop in it is stopped here.
            jobs = jobs.wrapping_add(1);
            if self.clock.stopped() || (jobs.is_multiple_of(JOBS_A_LOOK) && self.clock.is_over()) {
                return Err(self.stopped(thrown));
            }
            if let Some(error) = thrown {
                if error.kind == ErrorKind::Limit {
                    return Err(error);
                }
                self.shared
                    .borrow_mut()
                    .said
                    .push(Said::Warned(format!("a task threw: {error}")));
            }
        }
    }

    fn stopped(&self, thrown: Option<ScriptError>) -> ScriptError {
        let slice = self.slice.as_secs_f64();
        let mut error = ScriptError::new(
            ErrorKind::Limit,
            format!(
                "the script ran for {slice} s of processor time without waiting for anything, and was stopped: \
                 is there a loop that never ends?"
            ),
        );
        if let Some(thrown) = thrown {
            error.at = thrown.at;
            error.stack = thrown.stack;
        }
        error
    }

    /// Puts what was thrown into words; a script that used up its memory gets some more for that.
    fn describe(&self, thrown: Thrown) -> ScriptError {
        self.runtime
            .set_memory_limit(self.memory.saturating_add(LAST_MEMORY));
        let error = self.context.with(|ctx| {
            let restored = match thrown {
                Thrown::Value(value) => value.restore(&ctx).map_err(|error| error.to_string()),
                Thrown::Text(text) => Err(text),
            };
            match restored {
                Ok(value) => describe_value(&value, &self.shared.borrow().sources),
                Err(text) => ScriptError::new(ErrorKind::Thrown, text),
            }
        });
        self.runtime.set_memory_limit(self.memory);
        error
    }

    fn warn_of_rejections(&self, say: &Voice) {
        for message in self.rejections.messages() {
            say.say(Said::Warned(format!(
                "a promise was rejected and nothing handled it: {message}"
            )));
        }
    }
}

fn still_running(shared: &Shared) -> String {
    let mut waiting: Vec<_> = shared.pending.iter().collect();
    waiting.sort_by_key(|(ordinal, _)| **ordinal);
    let names: Vec<&str> = waiting
        .iter()
        .take(3)
        .map(|(_, pending)| pending.title.as_str())
        .collect();
    let more = if waiting.len() > names.len() {
        ", …"
    } else {
        ""
    };
    format!(
        "the script ended while {} calls were running ({}{more}): they are waited for; is an await missing?",
        waiting.len(),
        names.join(", "),
    )
}

/// Makes the world that a script sees.
fn prelude<'js>(
    ctx: &Ctx<'js>,
    shared: &Rc<RefCell<Shared>>,
    settings: &Settings<'_>,
) -> rquickjs::Result<Prelude> {
    let options = |name: &str| {
        let mut options = EvalOptions::default();
        options.filename = Some(name.to_owned());
        options
    };
    ctx.eval_with_options::<(), _>(POISON, options("dynwf:poison"))?;
    let build: Function<'js> = ctx.eval_with_options(PRELUDE, options("dynwf:prelude"))?;
    let made: Object<'js> = build.call((host::object(ctx, shared, settings)?,))?;
    let function = |name: &str| -> rquickjs::Result<_> {
        let function: Function<'js> = made.get(name)?;
        Ok(Persistent::save(ctx, function))
    };
    Ok(Prelude {
        start: function("start")?,
        finish: function("finish")?,
        spend: function("spend")?,
        abort: function("abort")?,
        abort_error: function("abortError")?,
        failure: function("failure")?,
    })
}

/// An error of our own code, which no script can cause.
fn unwanted(error: &CaughtError<'_>) -> ScriptError {
    ScriptError::new(
        ErrorKind::Limit,
        format!("making the world of the script: {error}"),
    )
}
