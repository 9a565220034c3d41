//! The engine of one run: a thread that owns the JavaScript runtime, and the handle that feeds it.
//!
//! Invariants: one answer is given at a time, and every promise job that follows from it has run before the next is
//! looked at, so what a script does depends on the order of the answers and on nothing else; after `Ended` nothing is
//! said. Called by `runner`, which reads what is said, does it, and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::check::{self, Problem};
use super::limits::STACK_BESIDES;
use super::setup::{Setup, Told};
use super::source::Source;
use super::talk::{Answer, ErrorKind, Said, ScriptError};
use super::thread::Thread;
use super::watch::Voice;

/// A running script.
pub struct Engine {
    tell: mpsc::Sender<Told>,
    stopping: Arc<AtomicBool>,
}

impl Engine {
    /// Checks a script and starts it. What it says comes through the receiver, first what it says before it waits.
    ///
    /// # Errors
    /// The problems that keep it from starting; see [`check::check`].
    pub fn start(setup: Setup) -> Result<(Self, UnboundedReceiver<Said>), Vec<Problem>> {
        let checked = check::check(&setup.file, &setup.source);
        if checked.errors().next().is_some() {
            return Err(checked.problems);
        }
        let source = Source::main(&setup.file, &setup.source, checked.export);
        let (say, said) = unbounded_channel();
        let (tell, told) = mpsc::channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let say = Voice::new(say, Arc::clone(&stopping));
        let thread = Thread {
            setup,
            source,
            say: say.clone(),
            told,
            stopping: Arc::clone(&stopping),
        };
        spawn(thread, &say);
        Ok((Self { tell, stopping }, said))
    }

    /// Gives the script an answer. Answers are delivered in the order of these calls, one at a time.
    pub fn answer(&self, answer: Answer) {
        // A script that has ended takes no more answers, and its end was said.
        let _ = self.tell.send(Told::Answer(answer));
    }

    /// Ends the run: every call that waits throws an `AbortError`, `finally` blocks run, and the script has ended.
    pub fn abort(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let _ = self.tell.send(Told::Abort);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Runs the engine on a thread with room for its stack.
fn spawn(thread: Thread, say: &Voice) {
    let stack = thread.setup.limits.stack + STACK_BESIDES;
    let last = say.clone();
    let watched = last.watch(thread.setup.limits.slice);
    let spawned = watched.and_then(|()| {
        thread::Builder::new()
            .name("script".to_owned())
            .stack_size(stack)
            .spawn(move || thread.run())
    });
    if let Err(error) = spawned {
        let why = format!("starting the thread of the script: {error}");
        last.say(Said::Ended(Err(ScriptError::new(ErrorKind::Limit, why))));
    }
}
