//! Where git looks for hooks, and whether that place is ours to write.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::error::Failure;
use crate::git::Git;

/// The folder of hooks of a repository.
pub(super) struct Place {
    /// The folder; it may not exist.
    pub(super) folder: PathBuf,
    /// `core.hooksPath` as it is set, if it is relative: each worktree then has a folder of its own, or none.
    pub(super) relative: Option<String>,
    /// Why dynwf does not write there, if it does not.
    pub(super) foreign: Option<String>,
}

impl Place {
    /// Finds the folder as git does: `core.hooksPath`, else `hooks` in the common directory.
    pub(super) fn of(git: &Git) -> Result<Self> {
        let Some((scope, set)) = configured(git)? else {
            let folder = git.common_dir().join("hooks");
            let foreign = folder.is_symlink().then(|| {
                format!(
                    "{} is a link to a folder that others may share",
                    folder.display()
                )
            });
            return Ok(Self {
                folder,
                relative: None,
                foreign,
            });
        };
        let path = Path::new(&set);
        let top = git.main_work_tree().unwrap_or(git.common_dir());
        let folder = top.join(path);
        // A person's or the machine's setting holds for every repository: so would a hook put there.
        let foreign = (scope != "local" && scope != "worktree").then(|| {
            format!("core.hooksPath is set to {set} for all repositories ({scope} configuration)")
        });
        let relative = path.is_relative().then_some(set);
        Ok(Self {
            folder,
            relative,
            foreign,
        })
    }

    /// Returns where the hook lies.
    pub(super) fn hook(&self) -> PathBuf {
        self.folder.join("pre-push")
    }

    /// What a person should know about the place.
    pub(super) fn notes(&self) -> Vec<String> {
        let relative = self.relative.as_ref().map(|set| {
            format!(
                "core.hooksPath is relative ({set}): a linked worktree without that folder has no hook"
            )
        });
        relative.into_iter().chain(self.foreign.clone()).collect()
    }

    /// Refuses a place that others share, or where the hook is part of the project.
    pub(super) fn check(&self, git: &Git) -> Result<()> {
        let why = match &self.foreign {
            Some(why) => why.clone(),
            None if is_tracked(git, &self.hook())? => {
                format!("{} is part of the project", self.hook().display())
            }
            None => return Ok(()),
        };
        bail!(
            Failure::usage(format!("dynwf does not change this hooks folder: {why}"))
                .hint("add this line to its pre-push hook: dynwf hook pre-push \"$@\" || exit 1")
        )
    }
}

/// Returns the scope and the value of `core.hooksPath`.
fn configured(git: &Git) -> Result<Option<(String, String)>> {
    let asked = git.command().hooks(true).args([
        "config",
        "--show-scope",
        "--type=path",
        "--get",
        "core.hooksPath",
    ]);
    let output = asked.run()?;
    match output.code() {
        Some(0) => {}
        Some(1) => return Ok(None),
        _ => bail!("asking for core.hooksPath: {}", output.complaint()),
    }
    let text = String::from_utf8(output.stdout)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text
        .split_once('\t')
        .map(|(scope, set)| (scope.to_owned(), set.to_owned()))
        .filter(|(_, set)| !set.is_empty()))
}

fn is_tracked(git: &Git, file: &Path) -> Result<bool> {
    let Some(top) = git.main_work_tree() else {
        return Ok(false);
    };
    let Ok(path) = file.strip_prefix(top) else {
        return Ok(false);
    };
    if file.starts_with(git.common_dir()) {
        return Ok(false);
    }
    let found = git
        .command_in(git.common_dir(), top)
        .args(["--literal-pathspecs", "ls-files", "-z", "--"])
        .arg(path)
        .ok()?;
    Ok(!found.is_empty())
}
