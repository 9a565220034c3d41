//! The watch over the thread of an engine: ends a run whose script is within a builtin that cannot be interrupted.
//!
//! The engine asks the clock between the steps of a script and within patterns, but not within every builtin: a search
//! in a long string may take hours. Then nobody can stop the thread; but the run can end without it, with an error, and
//! the process leaves the thread behind when it exits. Invariants: nothing is said after the end, whoever says it first;
//! only the processor time of the watched thread counts, so a busy machine ends no run. Used by `engine` and `thread`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::talk::{ErrorKind, Said, ScriptError};

/// How often the watch looks.
const LOOK: Duration = Duration::from_millis(250);

/// How much longer than a slice the clock may take to stop a script; also all that a script has that is to stop.
const GRACE: Duration = Duration::from_secs(1);

/// What the thread of an engine says, until the first end of it.
#[derive(Clone)]
pub(super) struct Voice(Arc<Inner>);

struct Inner {
    say: Mutex<Option<UnboundedSender<Said>>>,
    ended: Condvar,
    /// Odd while the thread works, even while it waits to be told something; each change counts on.
    work: AtomicU64,
    /// Where the system tells the processor time of the thread.
    times: OnceLock<PathBuf>,
    stopping: Arc<AtomicBool>,
}

impl Voice {
    pub(super) fn new(say: UnboundedSender<Said>, stopping: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Inner {
            say: Mutex::new(Some(say)),
            ended: Condvar::new(),
            work: AtomicU64::new(0),
            times: OnceLock::new(),
            stopping,
        }))
    }

    fn sender(&self) -> MutexGuard<'_, Option<UnboundedSender<Said>>> {
        // Nothing panics while it holds this; a sender is whole in any case.
        self.0.say.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something; whether somebody still listens.
    pub(super) fn say(&self, said: Said) -> bool {
        let mut sender = self.sender();
        let heard = sender.as_ref().is_some_and(|say| {
            if matches!(said, Said::Ended(_)) {
                let _ = say.send(said);
                return false;
            }
            say.send(said).is_ok()
        });
        if !heard {
            *sender = None;
            self.0.ended.notify_all();
        }
        heard
    }

    /// Remembers that it is this thread that is watched, and that it works.
    pub(super) fn here(&self) {
        if let Ok(thread) = fs::read_link("/proc/thread-self") {
            let times = Path::new("/proc").join(thread).join("schedstat");
            // It is one thread that says so, once.
            let _ = self.0.times.set(times);
        }
        self.0.work.store(1, Ordering::Release);
    }

    /// The thread waits to be told something, or works on what it was told.
    pub(super) fn turn(&self) {
        self.0.work.fetch_add(1, Ordering::Release);
    }

    /// Watches until the end of the run, on a thread of its own.
    pub(super) fn watch(&self, slice: Duration) -> std::io::Result<()> {
        let voice = self.clone();
        thread::Builder::new()
            .name("script-watch".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || voice.look(slice))
            .map(drop)
    }

    fn look(&self, slice: Duration) {
        let born = Instant::now();
        // The work that was seen last, and what the thread had used when it was first seen, and when it was to stop.
        let mut seen = (0, Duration::ZERO);
        let mut stopping: Option<(u64, Duration)> = None;
        let mut sender = self.sender();
        while sender.is_some() {
            sender = self
                .0
                .ended
                .wait_timeout(sender, LOOK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let work = self.0.work.load(Ordering::Acquire);
            if sender.is_none() || work.is_multiple_of(2) {
                continue;
            }
            // Where the system does not tell it, all time counts.
            let used = self.0.times.get().and_then(|times| used(times));
            let used = used.unwrap_or_else(|| born.elapsed());
            if work != seen.0 {
                seen = (work, used);
            }
            if self.0.stopping.load(Ordering::Relaxed) && stopping.is_none_or(|at| at.0 != work) {
                stopping = Some((work, used));
            }
            let hurried = stopping
                .is_some_and(|at| at.0 == work && used.saturating_sub(at.1) > GRACE + GRACE);
            if hurried || used.saturating_sub(seen.1) > slice * 2 + GRACE {
                let why = format!(
                    "the script is within one builtin function that has run for longer than the {} s of processor time \
                     that it may take, and cannot be interrupted: it was left behind; is a search or a pattern applied \
                     to a very long string?",
                    slice.as_secs_f64()
                );
                if let Some(say) = sender.take() {
                    let error = ScriptError::new(ErrorKind::Limit, why);
                    let _ = say.send(Said::Ended(Err(error)));
                }
            }
        }
    }
}

/// The processor time that a thread has used.
fn used(times: &Path) -> Option<Duration> {
    let text = fs::read_to_string(times).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
