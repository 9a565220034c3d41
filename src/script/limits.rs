//! How much a script may use, and the clock that stops it.
//!
//! Invariants: the time is that of the thread's own processor, so a busy machine stops no script; it counts anew for
//! every answer, because waiting for agents costs nothing; what stops a script is remembered, because an interrupt
//! within a promise job is swallowed by the engine.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How much a script may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the script, in bytes.
    pub memory: usize,
    /// Stack of the script, in bytes.
    pub stack: usize,
    /// Processor time between two answers.
    pub slice: Duration,
    /// Agents and packets of a run.
    pub calls: u64,
    /// Calls of a run that start no agent.
    pub steps: u64,
    /// Items of one list.
    pub items: u32,
    /// Bytes of one call, one line, one report.
    pub text: usize,
    /// Lines, phases and reports of a run.
    pub lines: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 * 1024 * 1024,
            stack: 4 * 1024 * 1024,
            slice: Duration::from_secs(5),
            calls: 1_000,
            steps: 10_000,
            items: 4_096,
            text: 4 * 1024 * 1024,
            lines: 20_000,
        }
    }
}

/// What the thread of an engine needs besides the stack of the script.
pub(super) const STACK_BESIDES: usize = 4 * 1024 * 1024;

/// How long a script that is to stop may still run, for its `finally` blocks.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Stops the script when its time is over.
///
/// Reading a thread's processor time costs a system call, so a slice begins when it is first asked about: the engine asks
/// after some thousand steps, and most answers need fewer.
pub(super) struct Clock {
    slice: Duration,
    until: Cell<Option<Duration>>,
    hurried: Cell<bool>,
    stopped: Cell<bool>,
    stopping: Arc<AtomicBool>,
}

impl Clock {
    /// A clock that gives `slice` each time it is wound, and little more once `stopping` is set.
    pub(super) fn new(slice: Duration, stopping: Arc<AtomicBool>) -> Self {
        Self {
            slice,
            until: Cell::new(None),
            hurried: Cell::new(false),
            stopped: Cell::new(false),
            stopping,
        }
    }

    /// Gives a whole slice, or the time for last words if the host wants an end.
    pub(super) fn wind(&self) {
        self.hurried.set(false);
        self.until.set(None);
    }

    /// Whether the script must stop now; remembered by [`Clock::stopped`].
    pub(super) fn is_over(&self) -> bool {
        let now = now();
        let mut until = self.until.get().unwrap_or_else(|| now + self.slice);
        if self.stopping.load(Ordering::Relaxed) && !self.hurried.replace(true) {
            until = until.min(now + LAST_WORDS);
        }
        self.until.set(Some(until));
        let over = now >= until;
        if over {
            self.stopped.set(true);
        }
        over
    }

    /// Whether the script was stopped.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.get()
    }
}

/// The processor time of this thread.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
