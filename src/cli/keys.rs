//! The key that ends a run beside Ctrl-C: Esc, while the live view is on the screen.
//!
//! Invariants: the terminal is read only while it is ours (a job in the background would be stopped), and is as it was once
//! the live view is gone; a sequence that begins with Esc, such as an arrow key, is no Esc. Called by `drive`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr,
};

/// The key, as a terminal sends it.
const ESC: u8 = 0x1b;

/// How long the terminal is asked for a key before it is looked whether the terminal is still ours, in tenths of a second.
const WAIT: u8 = 1;

/// Listens for Esc until it is dropped.
pub(super) struct Keys {
    before: Termios,
    over: Arc<AtomicBool>,
}

impl Keys {
    /// Begins to listen, if the standard input is a terminal and this process has it.
    pub(super) fn listen() -> Option<Self> {
        if !isatty(io::stdin()) || !is_ours() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || read(&told))
            .ok()?;
        Some(Self { before, over })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if is_ours() {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        }
    }
}

/// Whether this process is in the foreground of its terminal.
fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Gives keys as they are pressed, and shows none. Whoever stopped us may have changed that, so it is looked at anew.
fn by_key() -> Option<()> {
    let mut modes = tcgetattr(io::stdin()).ok()?;
    if modes.local_modes.contains(LocalModes::ICANON) {
        modes
            .local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = WAIT;
        tcsetattr(io::stdin(), OptionalActions::Now, &modes).ok()?;
    }
    Some(())
}

fn read(over: &AtomicBool) {
    let mut alone = false;
    while !over.load(Ordering::SeqCst) {
        if !is_ours() {
            thread::sleep(Duration::from_millis(u64::from(WAIT) * 100));
            continue;
        }
        let mut keys = [0; 32];
        let got = by_key().map(|()| rustix::io::read(io::stdin(), &mut keys));
        let got = match got {
            Some(Ok(got)) => got,
            Some(Err(rustix::io::Errno::INTR)) => continue,
            // A terminal that is gone gives no more keys.
            _ => return,
        };
        if is_escape(&mut alone, &keys[..got]) {
            // The same as Ctrl-C, and told to the same listener.
            let _ = kill_process(getpid(), Signal::INT);
        }
    }
}

/// Whether these keys make an Esc of what came before: alone, and with nothing behind it within the wait.
fn is_escape(alone: &mut bool, keys: &[u8]) -> bool {
    let before = std::mem::replace(alone, keys == [ESC]);
    before && (keys.is_empty() || keys == [ESC])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_is_a_key_and_the_begin_of_an_arrow_is_not() {
        let mut alone = false;
        for (keys, escape) in [
            (&b""[..], false),
            (b"\x1b", false),
            (b"", true),
            (b"", false),
            (b"\x1b[A", false),
            (b"", false),
            (b"\x1b", false),
            (b"[A", false),
            (b"", false),
            (b"\x1b", false),
            (b"\x1b", true),
            (b"q", false),
            (b"", false),
        ] {
            assert_eq!(is_escape(&mut alone, keys), escape, "{keys:?}");
        }
    }
}
