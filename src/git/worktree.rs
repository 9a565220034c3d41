//! Which worktrees use a branch, so that nobody's checkout is pulled away under them.
//!
//! Read from the administrative folders themselves, without a git process: HEAD, and what a rebase or a bisect
//! that is under way has written down. A worktree whose directory is gone still counts, as it does for git.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cmd::Cmd;
use super::repo::Git;
use crate::model::id::RefName;

/// How a worktree uses a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Its HEAD is on it.
    CheckedOut,
    /// A rebase that is under way will move it.
    Rebase,
    /// A bisect that is under way will go back to it.
    Bisect,
}

/// A worktree that uses a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchUse {
    /// The top of the worktree, as git records it.
    pub work_tree: PathBuf,
    /// Its git directory.
    pub git_dir: PathBuf,
    /// How.
    pub how: Use,
}

impl Git {
    /// Lists the worktrees that use a branch: the main one first, then by the name of their folders.
    ///
    /// # Errors
    /// If an administrative folder cannot be read.
    pub fn branch_uses(&self, branch: &RefName) -> Result<Vec<BranchUse>> {
        let mut uses = Vec::new();
        for (git_dir, work_tree) in self.work_trees()? {
            for how in [Use::CheckedOut, Use::Rebase, Use::Bisect] {
                if self.uses(&git_dir, branch, how)? {
                    uses.push(BranchUse {
                        work_tree: work_tree.clone(),
                        git_dir: git_dir.clone(),
                        how,
                    });
                }
            }
        }
        Ok(uses)
    }

    /// All worktrees with their git directories. A bare repository's own HEAD is no checkout.
    fn work_trees(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let mut found = Vec::new();
        if let Some(top) = self.main_work_tree() {
            found.push((self.common_dir().to_path_buf(), top.to_path_buf()));
        } else if !self.is_bare()? {
            // Git itself names the git directory where it does not know the worktree.
            let dir = self.common_dir().to_path_buf();
            found.push((dir.clone(), dir));
        }
        let folder = self.common_dir().join("worktrees");
        let context = || format!("reading the folder {}", folder.display());
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            other => other.with_context(context)?,
        };
        let mut linked = Vec::new();
        for entry in entries {
            let git_dir = entry.with_context(context)?.path();
            // Without this file git does not take the folder for a worktree either.
            let Some(link) = read(&git_dir.join("gitdir"))? else {
                continue;
            };
            let link = git_dir.join(os_path(link.strip_suffix(b"\n").unwrap_or(&link)));
            let top = link.parent().unwrap_or(&link).to_path_buf();
            linked.push((git_dir, top));
        }
        linked.sort();
        found.extend(linked);
        Ok(found)
    }

    fn uses(&self, git_dir: &Path, branch: &RefName, how: Use) -> Result<bool> {
        let name = branch.as_str().as_bytes();
        let short = branch.short().as_bytes();
        let is = |file: &str, wanted: &[u8]| -> Result<bool> {
            let content = read(&git_dir.join(file))?;
            Ok(content.is_some_and(|content| content.trim_ascii() == wanted))
        };
        Ok(match how {
            Use::CheckedOut if self.program_only() => self.head_of(git_dir)? == name,
            Use::CheckedOut => {
                let head = read(&git_dir.join("HEAD"))?.unwrap_or_default();
                let target = head.strip_prefix(b"ref:").map(<[u8]>::trim_ascii);
                target == Some(name)
            }
            Use::Rebase => {
                let update = read(&git_dir.join("rebase-merge/update-refs"))?.unwrap_or_default();
                is("rebase-merge/head-name", name)?
                    || is("rebase-apply/head-name", name)?
                    // Three lines for each ref: its name, the value before, the value after.
                    || update.split(|&b| b == b'\n').step_by(3).any(|line| line == name)
            }
            Use::Bisect => {
                branch.as_str().starts_with("refs/heads/") && is("BISECT_START", short)?
                    || is("BISECT_START", name)?
            }
        })
    }

    /// The branch of a worktree's HEAD by the git program: a reftable repository's HEAD file is a dummy.
    fn head_of(&self, git_dir: &Path) -> Result<Vec<u8>> {
        let command = Cmd::on(git_dir, None, git_dir).args(["symbolic-ref", "--quiet", "HEAD"]);
        let output = command.run()?;
        match output.code() {
            Some(0) => Ok(output.stdout.trim_ascii().to_vec()),
            Some(1) => Ok(Vec::new()),
            _ => Err(command.failed(&output)),
        }
    }

    fn is_bare(&self) -> Result<bool> {
        Ok(self.settings()?.flag("core.bare"))
    }
}

/// A file's content; `None` if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn os_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
