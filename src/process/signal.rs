//! What the person at the terminal, or the system, asks of a running dynwf.
//!
//! Called by the runner's dispatcher.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The first interrupt or terminate: start nothing new, end the units gently, then end.
    Stop {
        /// The number of the signal, for the exit code.
        signal: u8,
    },
    /// A further one: end the units at once.
    Kill {
        /// The number of the signal.
        signal: u8,
    },
    /// The terminal is gone: end, and let the units go on; the next run adopts them.
    Leave {
        /// The number of the signal.
        signal: u8,
    },
}

/// The signals of this process, from [`signals`] on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
    asked_to_stop: bool,
}

/// Begins to catch Interrupt, Terminate and the hang-up of the terminal; must be called inside a tokio runtime.
/// What whoever started dynwf had ignored (`nohup`, a job in the background of a script) stays ignored.
pub fn signals() -> Result<Signals> {
    let ignored = ignored();
    let catch = |kind: SignalKind| -> Result<Option<Signal>> {
        if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
            return Ok(None);
        }
        let number = kind.as_raw_value();
        let caught = signal(kind).with_context(|| format!("catching signal {number}"))?;
        Ok(Some(caught))
    };
    Ok(Signals {
        interrupt: catch(SignalKind::interrupt())?,
        terminate: catch(SignalKind::terminate())?,
        hang_up: catch(SignalKind::hangup())?,
        asked_to_stop: false,
    })
}

impl Signals {
    /// Waits for the next signal. Nothing is lost if the wait is given up and begun again.
    pub async fn next(&mut self) -> Asked {
        let signal = tokio::select! {
            () = received(self.interrupt.as_mut()) => SignalKind::interrupt(),
            () = received(self.terminate.as_mut()) => SignalKind::terminate(),
            () = received(self.hang_up.as_mut()) => SignalKind::hangup(),
        };
        let number = u8::try_from(signal.as_raw_value()).unwrap_or_default();
        if signal == SignalKind::hangup() {
            Asked::Leave { signal: number }
        } else if std::mem::replace(&mut self.asked_to_stop, true) {
            Asked::Kill { signal: number }
        } else {
            Asked::Stop { signal: number }
        }
    }
}

async fn received(signal: Option<&mut Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The signals that this process ignores, bit n-1 for signal n.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn the_first_asks_to_stop_the_next_to_kill_and_a_hang_up_to_leave() {
        let mut signals = signals().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(signals.next().await, Asked::Stop { signal: 15 });
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(signals.next().await, Asked::Kill { signal: 15 });
        if signals.hang_up.is_some() {
            kill_process(getpid(), Signal::HUP).unwrap();
            assert_eq!(signals.next().await, Asked::Leave { signal: 1 });
        }
    }
}
