//! Remotes: which one, what it has, and sending to it.
//!
//! Invariants: what is sent is named by full ids and full ref names, and each ref moves only from its stated
//! old value. The person's own hooks run in a push; nothing prompts, ssh included.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cmd::{Cmd, Output};
use super::repo::Git;
use crate::error::Failure;
use crate::model::id::{CommitId, RefName};
use crate::model::op::RefUpdate;
use crate::model::path::printable;

/// A pre-push hook may run a whole test suite.
const PUSH_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// A remote that does not answer in this time is not there.
const ASK_LIMIT: Duration = Duration::from_secs(2 * 60);

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The remote has the new values.
    Pushed,
    /// The remote, a hook, or a ref that is not where it was expected stopped it: why, for people. Nothing was
    /// changed there.
    Refused(String),
}

impl Git {
    /// Returns the remote to push `target` to: the given one, else `branch.<target>.pushRemote`,
    /// `remote.pushDefault`, `branch.<target>.remote`, the only remote. It may be an address.
    ///
    /// # Errors
    /// A usage [`Failure`] if the given one does not exist, or none follows.
    pub fn default_remote(&self, target: &RefName, given: Option<&str>) -> Result<String> {
        let settings = self.settings()?;
        let names = settings.remotes();
        if let Some(given) = given {
            if names.contains(&given) {
                return Ok(given.to_owned());
            }
            return Err(
                Failure::usage(format!("there is no remote `{}`", printable(given)))
                    .hint(known(&names))
                    .into(),
            );
        }
        let branch = target.short();
        let configured = [
            format!("branch.{branch}.pushremote"),
            "remote.pushdefault".to_owned(),
            format!("branch.{branch}.remote"),
        ]
        .into_iter()
        // A dot is this repository itself: an upstream among the local branches.
        .find_map(|key| settings.text(&key).filter(|name| *name != "."));
        if let Some(name) = configured {
            return Ok(name.to_owned());
        }
        match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Failure::usage("this repository has no remote")
                .hint("git remote add origin <address>")
                .into()),
            several => Err(Failure::usage(format!(
                "which remote? {} has none configured, and there are {}",
                branch,
                several.join(", ")
            ))
            .hint("give one: --remote <name>")
            .into()),
        }
    }

    /// Returns the address that a push to `remote` goes to, as git rewrites it; several are joined by `, `.
    pub fn remote_url(&self, remote: &str) -> Result<String> {
        Ok(self.push_urls(remote)?.join(", "))
    }

    /// Returns the values of refs at the place that a push goes to, in the order of `names`; `None` for one
    /// that does not exist there.
    ///
    /// # Errors
    /// If the remote does not answer.
    pub fn remote_refs(&self, remote: &str, names: &[RefName]) -> Result<Vec<Option<CommitId>>> {
        let urls = self.push_urls(remote)?;
        let fetch = self.command().args(["remote", "get-url", "--", remote]);
        // Only where both are the same can the remote be asked by name, with all its settings.
        let place = match (fetch.text(), urls.as_slice()) {
            (Ok(url), [only]) if url == *only => remote,
            (_, [first, ..]) => first.as_str(),
            (_, []) => remote,
        };
        let bytes = self
            .quiet_ssh(
                self.remote_command()
                    .args(["ls-remote", "--quiet", "--", place]),
            )?
            .args(names.iter().map(RefName::as_str))
            .timeout(ASK_LIMIT)
            .ok()
            .map_err(|error| no_answer(remote, &error))?;
        let text = String::from_utf8_lossy(&bytes);
        let value = |name: &RefName| -> Result<Option<CommitId>> {
            let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
            let found = lines.find(|(_, found)| *found == name.as_str());
            found.map(|(id, _)| Ok(id.parse()?)).transpose()
        };
        names.iter().map(value).collect()
    }

    /// Sends refs to a remote, all or none, each from its old to its new value there (a new value that does
    /// not descend from the old one is sent too: what may be sent is decided by the gate). The person's hooks
    /// run. May be done again: refs that already have their new values count as pushed.
    ///
    /// # Errors
    /// If the remote cannot be reached or git fails, so that it is not known what happened.
    pub fn push(&self, remote: &str, updates: &[RefUpdate]) -> Result<PushResult> {
        let leases = updates.iter().map(|update| {
            let old = update.old.as_ref().map_or("", CommitId::as_str);
            format!("--force-with-lease={}:{old}", update.name)
        });
        let specs = updates.iter().map(|update| {
            let new = update.new.as_ref().map_or("", CommitId::as_str);
            format!("{new}:{}", update.name)
        });
        let mut command = self
            .quiet_ssh(self.remote_command())?
            .args(["push", "--porcelain", "--no-follow-tags"])
            .args(["--recurse-submodules=no"]);
        // Some servers cannot do it, and one ref is one transaction anyway.
        if updates.len() > 1 {
            command = command.arg("--atomic");
        }
        let command = command
            .args(leases)
            .args(["--", remote])
            .args(specs)
            .hooks(true)
            .timeout(PUSH_LIMIT)
            .effect(&self.effects_folder());
        let output = command.run()?;
        if output.success() || self.is_there(remote, updates) {
            return Ok(PushResult::Pushed);
        }
        // 1: refused by the remote, a lease or a hook. Anything else: git did not get that far.
        if output.code() == Some(1) {
            return Ok(PushResult::Refused(refusal(&output)));
        }
        Err(command.failed(&output)).with_context(|| format!("pushing to the remote `{remote}`"))
    }

    /// Whether the remote has all new values already.
    fn is_there(&self, remote: &str, updates: &[RefUpdate]) -> bool {
        let names: Vec<_> = updates.iter().map(|update| update.name.clone()).collect();
        self.remote_refs(remote, &names).is_ok_and(|found| {
            let wanted = updates.iter().map(|update| &update.new);
            wanted.eq(found.iter())
        })
    }

    /// At the top of the main worktree, without `GIT_DIR`: hooks find what they find in a push of the person's
    /// own, and an address that is a relative path means what it means there.
    fn remote_command(&self) -> Cmd {
        match self.main_work_tree().or(self.work_tree()) {
            Some(top) => Cmd::bare(top),
            None => self.command(),
        }
    }

    fn push_urls(&self, remote: &str) -> Result<Vec<String>> {
        let command = self
            .command()
            .args(["remote", "get-url", "--push", "--all", "--", remote]);
        let output = command.run()?;
        if output.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            return Ok(text.lines().map(str::to_owned).collect());
        }
        if remote.contains(['/', ':']) {
            return Ok(vec![remote.to_owned()]);
        }
        Err(command.failed(&output))
            .with_context(|| format!("reading the address of the remote `{remote}`"))
    }

    /// Ssh must fail instead of asking for a passphrase, unless the person chose their own command for it.
    fn quiet_ssh(&self, command: Cmd) -> Result<Cmd> {
        let own = ["GIT_SSH_COMMAND", "GIT_SSH"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
        if own || self.settings()?.text("core.sshcommand").is_some() {
            return Ok(command);
        }
        Ok(command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"))
    }
}

fn no_answer(remote: &str, error: &anyhow::Error) -> Failure {
    Failure::usage(format!("the remote `{remote}` does not answer: {error:#}")).hint(format!(
        "git ls-remote {remote} shows whether git reaches it"
    ))
}

fn known(names: &[&str]) -> String {
    if names.is_empty() {
        "this repository has no remote: git remote add origin <address>".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    }
}

/// Why a push was refused, for people: git's line for each refused ref (`! TAB from:to TAB why`), then what
/// hooks and the remote said.
fn refusal(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let refused = text
        .lines()
        .filter_map(|line| line.strip_prefix("!\t"))
        .map(|line| {
            let (spec, why) = line.split_once('\t').unwrap_or((line, "refused"));
            let name = spec.rsplit(':').next().unwrap_or(spec);
            format!("{}: {}", printable(name), printable(why))
        });
    let mut lines: Vec<_> = refused.collect();
    let complaint = output.complaint();
    let said = complaint
        .lines()
        .filter(|line| !line.starts_with("hint:") && !line.starts_with("error: failed to push"));
    lines.extend(said.map(str::to_owned));
    if lines.is_empty() {
        lines.push(complaint);
    }
    lines.join("\n")
}
