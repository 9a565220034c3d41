//! Programs that a person works in, at their own terminal: an editor, a shell, a pager. They are no units: no
//! limits, no log, and dynwf waits for them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Opens a file in the person's editor (`VISUAL`, `EDITOR`, else `vi`) and waits for its end.
///
/// # Errors
/// If the editor cannot be started or ends with an error.
pub fn edit(file: &Path) -> Result<()> {
    let editor = chosen(&["VISUAL", "EDITOR"]).unwrap_or_else(|| "vi".into());
    let status = through_shell(&editor).arg(file).status();
    let status = status.with_context(|| format!("starting the editor {}", editor.display()))?;
    if !status.success() {
        bail!("the editor {} ended with {status}", editor.display());
    }
    Ok(())
}

/// Opens the person's shell (`SHELL`, else `/bin/sh`) in a folder, with more variables, and waits for its end.
///
/// # Errors
/// If it cannot be started.
pub fn shell(folder: &Path, variables: &BTreeMap<String, String>) -> Result<()> {
    let shell = chosen(&["SHELL"]).unwrap_or_else(|| "/bin/sh".into());
    Command::new(&shell)
        .current_dir(folder)
        .envs(variables)
        .status()
        .with_context(|| format!("starting {} in {}", shell.display(), folder.display()))?;
    Ok(())
}

/// Shows a text in a pager and waits for its end. A pager that is left early is no error.
///
/// # Errors
/// If it cannot be started.
pub fn page(pager: &str, text: &str) -> Result<()> {
    let mut child = through_shell(&OsString::from(pager))
        .env(
            "LESS",
            std::env::var_os("LESS").unwrap_or_else(|| "FRX".into()),
        )
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting the pager {pager}"))?;
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(text.as_bytes());
    }
    child
        .wait()
        .with_context(|| format!("waiting for the pager {pager}"))?;
    Ok(())
}

fn chosen(names: &[&str]) -> Option<OsString> {
    names
        .iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty())
}

/// A command line as people write it in a variable: words for the shell, then our arguments.
fn through_shell(words: &OsString) -> Command {
    let mut script = words.clone();
    script.push(" \"$@\"");
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).arg("sh");
    command
}
