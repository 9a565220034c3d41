//! Asking a person. Only ever at a terminal; elsewhere the caller needs a flag.

use std::io::{self, BufRead as _, Write as _};

use anyhow::{Context as _, Result};

use super::output;
use crate::error::usage;

/// Asks a question that is answered by typing `word`, or takes `yes` for an answer where nobody can be asked.
/// Returns whether a person was asked.
///
/// # Errors
/// A usage error where nobody can be asked and `yes` is not given; an error if the answer is another.
pub(super) fn confirm(question: &str, word: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(false);
    }
    if !output::is_attended() {
        return Err(usage(
            "nobody is there to ask: this needs a terminal",
            "--yes answers without one, and is recorded as unattended",
        ));
    }
    {
        let mut err = io::stderr().lock();
        write!(err, "{question} Type `{word}` to go on: ")?;
        err.flush()?;
    }
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .context("reading the answer")?;
    if line.trim() == word {
        Ok(true)
    } else {
        Err(usage(
            "not confirmed; nothing was changed",
            format!("the answer was not `{word}`"),
        ))
    }
}
