//! Exit codes and errors that carry a hint.
//!
//! Everything below `cli` returns [`anyhow::Result`]; the message says what was being done to which path,
//! packet or ref. An error that calls for a certain exit code, or that the reader can mend with a command,
//! is a [`Failure`] somewhere in the chain. `main` alone turns the chain into text and a code.

use std::{fmt, io};

/// The exit codes that users and scripts may rely on. `128 + n` for a signal is not in this list: see
/// [`Failure::signal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything that was asked for is done.
    Done,
    /// Some packets failed.
    PacketsFailed,
    /// Usage or bad input; nothing was changed.
    Usage,
    /// A gate waits for a person.
    Waiting,
    /// A conflict is left for a person.
    Conflict,
    /// Another dynwf holds this workflow.
    Locked,
    /// A check on the integrated tree failed.
    VerificationFailed,
    /// A budget is exhausted.
    BudgetExhausted,
    /// A bug in dynwf, or a state that it cannot explain.
    Bug,
    /// Ended by the signal with this number.
    Signal(u8),
}

impl ExitCode {
    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::PacketsFailed => 1,
            Self::Usage => 2,
            Self::Waiting => 3,
            Self::Conflict => 4,
            Self::Locked => 5,
            Self::VerificationFailed => 6,
            Self::BudgetExhausted => 7,
            Self::Bug => 70,
            Self::Signal(n) => 128 + n,
        }
    }

    /// The code to end with where several hold: the first of 5, 3, 4, 6, 7, 1 counts, and 0 only if none does.
    pub fn first_of(codes: &[Self]) -> Self {
        const ORDER: [ExitCode; 6] = [
            ExitCode::Locked,
            ExitCode::Waiting,
            ExitCode::Conflict,
            ExitCode::VerificationFailed,
            ExitCode::BudgetExhausted,
            ExitCode::PacketsFailed,
        ];
        ORDER
            .into_iter()
            .find(|code| codes.contains(code))
            .unwrap_or(Self::Done)
    }
}

/// An error with an exit code of its own, a hint, or both.
#[derive(Debug)]
pub struct Failure {
    /// What the process ends with.
    pub code: ExitCode,
    /// One line, lower case, what was being done to what.
    pub message: String,
    /// The command or the step that helps, if there is one.
    pub hint: Option<String>,
}

impl Failure {
    /// Bad input or usage: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// An error with this code and no hint.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// Ended by a signal.
    pub fn signal(number: u8) -> Self {
        Self::new(
            ExitCode::Signal(number),
            format!("stopped by signal {number}"),
        )
    }

    /// The same error with the line that tells the reader what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A usage error with a hint, as most verbs need one.
pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Failure::usage(message).hint(hint).into()
}

/// Returns the exit code of an error chain: that of the outermost [`Failure`] in it, else 2 where the machine is in
/// the way (a full disk, no right to write), else [`ExitCode::Bug`] (an error that nobody classified is ours to mend).
pub fn code_of(error: &anyhow::Error) -> ExitCode {
    match failure_of(error) {
        Some(failure) => failure.code,
        None if machine_hint(error).is_some() => ExitCode::Usage,
        None => ExitCode::Bug,
    }
}

/// What helps where the machine is in the way and nobody said more about it.
fn machine_hint(error: &anyhow::Error) -> Option<&'static str> {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(|cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("make room on that disk, then give the same command again: it goes on where it was")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                Some("dynwf must be able to write there: mount it writable, or work in a clone elsewhere")
            }
            io::ErrorKind::PermissionDenied => {
                Some("dynwf must be able to write there: look at the owner and the mode of that path")
            }
            _ => None,
        })
}

/// Returns the hint of the outermost [`Failure`] that has one.
pub fn hint_of(error: &anyhow::Error) -> Option<&str> {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<Failure>())
        .find_map(|failure| failure.hint.as_deref())
        .or_else(|| {
            failure_of(error)
                .is_none()
                .then(|| machine_hint(error))
                .flatten()
        })
}

fn failure_of(error: &anyhow::Error) -> Option<&Failure> {
    error
        .downcast_ref::<Failure>()
        .or_else(|| error.chain().find_map(|cause| cause.downcast_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_stated_order_counts() {
        use ExitCode as E;
        assert_eq!(E::first_of(&[]), E::Done);
        assert_eq!(E::first_of(&[E::PacketsFailed, E::Waiting]), E::Waiting);
        assert_eq!(
            E::first_of(&[E::VerificationFailed, E::Conflict]),
            E::Conflict
        );
        assert_eq!(E::first_of(&[E::Waiting, E::Locked]), E::Locked);
    }

    #[test]
    fn the_outermost_failure_gives_the_code_and_any_gives_the_hint() {
        use anyhow::Context as _;
        let inner = Failure::new(ExitCode::Locked, "inner").hint("wait");
        let error = Err::<(), _>(anyhow::Error::new(inner))
            .context("reading the journal")
            .unwrap_err();
        assert_eq!(code_of(&error), ExitCode::Locked);
        assert_eq!(hint_of(&error), Some("wait"));
        assert_eq!(code_of(&anyhow::anyhow!("plain")), ExitCode::Bug);
    }

    #[test]
    fn a_machine_in_the_way_is_no_bug_and_has_a_hint() {
        use anyhow::Context as _;
        for (kind, words) in [
            (io::ErrorKind::StorageFull, "make room"),
            (io::ErrorKind::ReadOnlyFilesystem, "mount it writable"),
            (io::ErrorKind::PermissionDenied, "owner and the mode"),
        ] {
            let error = Err::<(), _>(io::Error::from(kind))
                .context("writing /some/lock")
                .unwrap_err();
            assert_eq!(code_of(&error), ExitCode::Usage, "{kind}");
            assert!(hint_of(&error).is_some_and(|hint| hint.contains(words)));
        }
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::InvalidData));
        assert_eq!((code_of(&error), hint_of(&error)), (ExitCode::Bug, None));
    }
}
