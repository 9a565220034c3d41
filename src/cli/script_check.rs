//! `dynwf script check` and `dynwf script types`: what can be said of a script before it runs.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::output;
use crate::error::{ExitCode, usage};
use crate::script::args;
use crate::script::check::{self, Checked, LONGEST, Problem, Severity};
use crate::script::{TYPES, VERSION};

/// What is checked.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The script, or - for standard input
    file: PathBuf,

    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,
}

/// Prints the types of what a script can use.
pub(super) fn types() -> Result<ExitCode> {
    output::answer(TYPES)?;
    Ok(ExitCode::Done)
}

/// Checks a script, and says everything that is wrong with it.
pub(super) fn check(directory: Option<&Path>, args: &CheckArgs) -> Result<ExitCode> {
    let (shown, source) = read(directory, &args.file)?;
    let checked = check::check(&shown, &source);
    let code = if checked.errors().next().is_some() {
        ExitCode::Usage
    } else {
        ExitCode::Done
    };
    if args.json {
        output::answer(&as_json(&shown, &checked)?)?;
    } else {
        output::answer(&as_text(&shown, &checked))?;
    }
    Ok(code)
}

/// Reads a script, and says how it is called in messages.
fn read(directory: Option<&Path>, file: &Path) -> Result<(String, String)> {
    let (shown, bytes) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
        std::io::stdin()
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .context("reading the script from standard input")?;
        ("standard input".to_owned(), bytes)
    } else {
        let shown = file.display().to_string();
        let path = directory.unwrap_or(Path::new("")).join(file);
        let bytes = std::fs::read(&path).map_err(|error| {
            usage(
                format!("the script {shown} cannot be read: {error}"),
                "name a file, or - for standard input",
            )
        })?;
        (shown, bytes)
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        usage(
            format!(
                "the script {shown} is not UTF-8 text: byte {} is wrong",
                error.utf8_error().valid_up_to()
            ),
            "save it as UTF-8",
        )
    })?;
    Ok((shown, text))
}

fn as_json(file: &str, checked: &Checked) -> Result<String> {
    let value = json!({
        "file": file,
        "ok": checked.errors().next().is_none(),
        "meta": checked.meta,
        "problems": checked.problems,
        "engine": VERSION,
    });
    Ok(serde_json::to_string_pretty(&value)?)
}

fn as_text(file: &str, checked: &Checked) -> String {
    let mut text = String::new();
    for problem in &checked.problems {
        text += &format!("{problem}\n\n");
    }
    let count = |severity| {
        let those = |problem: &&Problem| problem.severity == severity;
        checked.problems.iter().filter(those).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok, {}", several(warnings, "warning")),
        (errors, 0) => several(errors, "error"),
        (errors, warnings) => format!(
            "{}, {}",
            several(errors, "error"),
            several(warnings, "warning")
        ),
    };
    text += &format!("{file}: {found}\n");
    if let Some(meta) = checked.meta.as_ref().filter(|_| errors == 0) {
        text += &format!("  {}: {}\n", meta.name, meta.description);
        let phases: Vec<&str> = meta
            .phases
            .iter()
            .map(|phase| phase.title.as_str())
            .collect();
        if !phases.is_empty() {
            text += &format!("  phases: {}\n", phases.join(", "));
        }
        for argument in args::declared(meta) {
            let default = match (&argument.default, argument.required) {
                (Some(default), _) => format!(" ({default})"),
                (None, true) => " (required)".to_owned(),
                (None, false) => String::new(),
            };
            text += &format!(
                "  args.{}{default}: {}\n",
                argument.name, argument.description
            );
        }
    }
    text
}

fn several(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
