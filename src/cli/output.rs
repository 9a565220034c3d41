//! The two streams, and what the terminal can show.
//!
//! Nothing else in `cli` prints. A reader that goes away (`| head`) ends the verb quietly.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use anyhow::Result;

use crate::error;
use crate::model::path::printable;
use crate::report::human::Look;
use crate::report::progress::Size;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is dumb
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

static COLOUR: OnceLock<Colour> = OnceLock::new();

/// Remembers what `--color` said.
pub(super) fn set_colour(colour: Colour) {
    let _ = COLOUR.set(colour);
}

/// Writes an answer to stdout, with a line end if it has none.
pub(super) fn answer(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Writes a line that narrates to stderr.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes an error, its causes and its hint to stderr.
pub(super) fn error(error: &anyhow::Error) {
    let look = look(&io::stderr());
    let (red, cyan) = if look.colour {
        ("\u{1b}[1;31m", "\u{1b}[36m")
    } else {
        ("", "")
    };
    let off = if look.colour { "\u{1b}[0m" } else { "" };
    let text: Vec<String> = error
        .chain()
        .map(std::string::ToString::to_string)
        .flat_map(|text| {
            text.lines()
                .map(|l| printable(l).into_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let mut lines = text.iter();
    say(&format!(
        "{red}error:{off} {}",
        lines.next().map_or("", String::as_str)
    ));
    for line in lines {
        say(&format!("  {line}"));
    }
    if let Some(hint) = error::hint_of(error) {
        for line in hint.lines() {
            say(&format!("{cyan}hint:{off} {}", printable(line)));
        }
    }
}

/// Whether the error is that the reader of our output went away.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Returns what a stream can show.
pub(super) fn look(stream: &(impl io::IsTerminal + std::os::fd::AsFd)) -> Look {
    let terminal = stream.is_terminal();
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = match COLOUR.get().copied().unwrap_or_default() {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && !dumb && !no_colour,
    };
    Look {
        width: terminal.then(|| size(stream).columns),
        unicode: !terminal || is_utf8(),
        colour,
    }
}

/// Whether the locale says that the terminal shows UTF-8.
fn is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// Returns the size of the terminal behind a stream; 80 × 24 where it does not say.
pub(super) fn size(stream: &impl std::os::fd::AsFd) -> Size {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
            columns: size.ws_col.into(),
            lines: size.ws_row.into(),
        },
        _ => Size {
            columns: 80,
            lines: 24,
        },
    }
}

/// Whether a person sits at a terminal: they can be asked, and can see the question.
pub(super) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
