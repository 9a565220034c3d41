//! Proof that git reaches the hook: a push that sends nothing, to a repository made for it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::git::{Cmd, Git};

/// The variable that asks the hook to say that it was reached. The answer is a refusal, so that setting it
/// opens nothing.
const PROBE: &str = "DYNWF_HOOK_PROBE";

/// How the hook answers, before the probe's own word.
const ANSWER: &str = "dynwf answers the probe ";

/// What a push from one kind of worktree met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// From where, in words: `the main worktree`, `a linked worktree`.
    pub from: &'static str,
    /// Nothing if the hook answered; else what happened instead, for people.
    pub missing: Option<String>,
}

/// Returns what `dynwf hook pre-push` must print, before it ends with 1, if it was asked whether it is reached.
pub fn probed() -> Option<String> {
    let word = std::env::var(PROBE).ok().filter(|word| !word.is_empty())?;
    Some(format!("{ANSWER}{word}"))
}

/// Pushes, dry, from the main worktree and from a linked one, and says whether the hook answered. Nothing in the
/// repository changes: the linked worktree is a folder outside it that git takes for one. Empty if there is no
/// commit to push.
///
/// # Errors
/// If the repository to push to cannot be made.
pub fn fires(git: &Git) -> Result<Vec<Fired>> {
    let Some(commit) = any_commit(git)? else {
        return Ok(Vec::new());
    };
    let dir = tempfile::TempDir::new().context("making a folder for the hook's probe")?;
    let remote = dir.path().join("remote.git");
    let format = git
        .command()
        .args(["rev-parse", "--show-object-format"])
        .text()?;
    git.command()
        .args(["init", "--quiet", "--bare", "--template="])
        .arg(format!("--object-format={format}"))
        .arg(&remote)
        .cwd(dir.path())
        .ok()
        .context("making a repository for the hook's probe")?;
    let main = match git.main_work_tree() {
        Some(top) => git.command_in(git.common_dir(), top),
        None => git.command(),
    };
    let linked = linked_worktree(git, dir.path(), &commit)?;
    let places = [("the main worktree", main), ("a linked worktree", linked)];
    Ok(places
        .into_iter()
        .map(|(from, command)| Fired {
            from,
            missing: push(command, &remote, &commit),
        })
        .collect())
}

fn any_commit(git: &Git) -> Result<Option<String>> {
    let newest = ["rev-list", "-n1", "HEAD"];
    let output = git.command().args(newest).run()?;
    let text = if output.success() {
        String::from_utf8_lossy(&output.stdout).into_owned()
    } else {
        git.command().args(["rev-list", "-n1", "--all"]).text()?
    };
    let commit = text.trim();
    Ok((!commit.is_empty()).then(|| commit.to_owned()))
}

/// A folder that git takes for a linked worktree of the repository: it has a HEAD and names the common
/// directory. The repository does not know it.
fn linked_worktree(git: &Git, dir: &Path, commit: &str) -> Result<Cmd> {
    let (admin, top) = (dir.join("admin"), dir.join("linked"));
    let common = git.common_dir().to_string_lossy().into_owned();
    let make = || -> std::io::Result<()> {
        fs::create_dir(&admin)?;
        fs::create_dir(&top)?;
        fs::write(admin.join("HEAD"), format!("{commit}\n"))?;
        fs::write(admin.join("commondir"), format!("{common}\n"))?;
        fs::write(
            admin.join("gitdir"),
            format!("{}\n", top.join(".git").display()),
        )?;
        fs::write(top.join(".git"), format!("gitdir: {}\n", admin.display()))
    };
    make().context("making a worktree for the hook's probe")?;
    Ok(git.command_in(&admin, &top))
}

/// Pushes; `None` if the hook answered, else what happened instead.
fn push(command: Cmd, remote: &Path, commit: &str) -> Option<String> {
    let word = format!("{}-{}", std::process::id(), commit);
    let output = command
        .hooks(true)
        .env(PROBE, &word)
        .config("push.gpgSign", "false")
        .config("push.pushOption", "")
        .config("protocol.file.allow", "always")
        .args([
            "push",
            "--dry-run",
            "--no-follow-tags",
            "--recurse-submodules=no",
        ])
        .arg(remote)
        .arg(format!("{commit}:refs/heads/dynwf-probe"))
        .timeout(std::time::Duration::from_secs(60))
        .run();
    let output = match output {
        Ok(output) => output,
        Err(error) => return Some(format!("git push did not end: {error:#}")),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answered = said
        .lines()
        .any(|line| line.trim() == format!("{ANSWER}{word}"));
    match (answered, output.success()) {
        (true, false) => None,
        (true, true) => Some("the hook answered, but git pushed all the same".to_owned()),
        (false, true) => Some("git would have pushed without asking dynwf".to_owned()),
        (false, false) => Some(format!(
            "git push failed before dynwf was asked: {}",
            output.complaint()
        )),
    }
}
