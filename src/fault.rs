//! Places where a test can end the process or make a write fail.
//!
//! Everything that must survive a kill at any instruction is tried by killing it there: code that changes the
//! world names the steps before and after with [`point`], and writes what counts with [`write_all`]. Without
//! the feature `test-support` (and outside this crate's own tests) both do nothing of their own.
//!
//! Read from the environment, for the process and for every dynwf process that it starts:
//!
//! - `DYNWF_CRASH_AT=<name>[:<n>]`: abort at the n-th pass of that point in this process (the first if no
//!   number is given);
//! - `DYNWF_CRASH_ONCE=FILE`: only if this file does not exist yet; it is made when the process aborts, so
//!   that the processes started afterwards live;
//! - `DYNWF_CRASH_LOG=FILE`: every pass appends the line `<name>:<n>`, a value for `DYNWF_CRASH_AT`;
//! - `DYNWF_FAIL_AT=<name>[:<n>]`: from the n-th such write on, half of the bytes are written and then there
//!   is no room left.
//!
//! Called by `process`, `journal`, `git`, `workspace` and `runner`. Point names read `what:step`, for example
//! `append:PlanFrozen:before`.

use std::io::{self, Write};

/// Marks a step at which a test may end this process.
#[inline]
pub fn point(name: &str) {
    #[cfg(any(test, feature = "test-support"))]
    armed::pass(name);
    #[cfg(not(any(test, feature = "test-support")))]
    let _ = name;
}

/// Returns the variables above that are set, for a process that is started without the rest of the environment.
#[inline]
pub fn settings() -> Vec<(String, String)> {
    #[cfg(any(test, feature = "test-support"))]
    return armed::settings();
    #[cfg(not(any(test, feature = "test-support")))]
    Vec::new()
}

/// Writes all of `bytes`, unless a test wants the write called `name` to fail: then half of them and the error
/// of a full disk.
#[inline]
pub fn write_all(name: &str, out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    #[cfg(any(test, feature = "test-support"))]
    if armed::fails(name) {
        out.write_all(&bytes[..bytes.len() / 2])?;
        return Err(io::ErrorKind::StorageFull.into());
    }
    let _ = name;
    out.write_all(bytes)
}

#[cfg(any(test, feature = "test-support"))]
pub use armed::{Full, fill};

#[cfg(any(test, feature = "test-support"))]
mod armed {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex, PoisonError};

    static PASSES: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
    static CRASH_AT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| place("DYNWF_CRASH_AT"));
    static FAIL_AT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| place("DYNWF_FAIL_AT"));

    thread_local! {
        static FULL: RefCell<Option<(String, u64)>> = const { RefCell::new(None) };
    }

    pub(super) fn settings() -> Vec<(String, String)> {
        std::env::vars()
            .filter(|(name, _)| name.starts_with("DYNWF_CRASH_") || name == "DYNWF_FAIL_AT")
            .collect()
    }

    fn place(variable: &str) -> Option<(String, u64)> {
        std::env::var(variable).ok().map(|text| parse(&text))
    }

    pub(super) fn parse(text: &str) -> (String, u64) {
        if let Some((name, number)) = text.rsplit_once(':')
            && let Ok(number) = number.parse()
        {
            return (name.to_owned(), number);
        }
        (text.to_owned(), 1)
    }

    fn count(key: String) -> u64 {
        let mut passes = PASSES.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = passes.entry(key).or_default();
        *entry += 1;
        *entry
    }

    pub(super) fn pass(name: &str) {
        let pass = count(name.to_owned());
        if let Some(log) = std::env::var_os("DYNWF_CRASH_LOG")
            && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(log)
        {
            // One write of a short line: lines of several processes do not mix. A log that cannot be written
            // shows in the test that reads it.
            let _ = file.write_all(format!("{name}:{pass}\n").as_bytes());
        }
        if CRASH_AT
            .as_ref()
            .is_some_and(|(at, n)| at == name && *n == pass)
            && first_crash()
        {
            std::process::abort();
        }
    }

    fn first_crash() -> bool {
        std::env::var_os("DYNWF_CRASH_ONCE").is_none_or(|file| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(file)
                .is_ok()
        })
    }

    pub(super) fn fails(name: &str) -> bool {
        let by_thread = FULL.with_borrow_mut(|full| match full {
            Some((at, left)) if at == name => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            _ => false,
        });
        let by_process = FAIL_AT
            .as_ref()
            .is_some_and(|(at, n)| at == name && count(format!("write {name}")) >= *n);
        by_thread || by_process
    }

    /// While this lives, the writes that [`fill`] named fail on this thread.
    #[must_use]
    pub struct Full(());

    /// Makes the n-th write called `name`, and every later one, fail on this thread until the returned value
    /// is dropped.
    pub fn fill(name: &str, n: u64) -> Full {
        FULL.set(Some((name.to_owned(), n)));
        Full(())
    }

    impl Drop for Full {
        fn drop(&mut self) {
            FULL.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_name_with_colons_and_maybe_a_number() {
        assert_eq!(armed::parse("a:b:before"), ("a:b:before".to_owned(), 1));
        assert_eq!(armed::parse("a:b:before:3"), ("a:b:before".to_owned(), 3));
    }

    #[test]
    fn a_full_disk_writes_half_and_stays_full_until_the_guard_goes() {
        let mut out = Vec::new();
        let full = fill("record", 2);
        write_all("record", &mut out, b"1234").unwrap();
        write_all("other", &mut out, b"-").unwrap();
        assert!(write_all("record", &mut out, b"5678").is_err());
        assert!(write_all("record", &mut out, b"9").is_err());
        drop(full);
        write_all("record", &mut out, b"!").unwrap();
        assert_eq!(out, b"1234-56!");
    }
}
