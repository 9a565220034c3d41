//! A folder with the files of a tree, for a command that is to write some of them anew.
//!
//! It is no worktree: it has no `.git`, and nothing but the files that are asked for is read back. It goes away when it
//! is dropped. Called by `runner::mend`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::disk;
use super::survey::nul_joined;
use crate::git::{Cmd, Git};
use crate::model::id::TreeId;
use crate::model::path::RepoPath;

/// A folder with the files of a tree.
pub struct Scratch<'a> {
    git: &'a Git,
    folder: TempDir,
}

impl<'a> Scratch<'a> {
    /// Fills a fresh folder with the files of a tree.
    ///
    /// # Errors
    /// If git cannot fill it.
    pub fn of(git: &'a Git, tree: &TreeId) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("dynwf-mend")
            .tempdir()
            .context("making a temporary directory")?;
        let scratch = Self { git, folder };
        let work = scratch.work();
        std::fs::create_dir(&work).with_context(|| format!("making {}", work.display()))?;
        scratch
            .command()
            .args(["read-tree", "--reset", "-u", "--no-recurse-submodules"])
            .arg(tree.as_str())
            .ok()
            .with_context(|| format!("filling {} with {tree}", work.display()))?;
        Ok(scratch)
    }

    /// Where the files lie.
    pub fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("files")
    }

    /// The tree with these files as they are now; what else changed in the folder is left out.
    ///
    /// # Errors
    /// If one of them is no regular file any more, or git fails.
    pub fn record(&self, files: &[RepoPath]) -> Result<TreeId> {
        for file in files {
            let path = self.work().join(disk::os_path(file.as_bytes()));
            if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                bail!("{file} is no file any more");
            }
        }
        self.command()
            .args(["update-index", "-z", "--add", "--stdin"])
            .stdin(nul_joined(files.iter().map(RepoPath::as_bytes)))
            .ok()?;
        Ok(self.command().arg("write-tree").text()?.parse()?)
    }

    fn command(&self) -> Cmd {
        let index: &Path = &self.folder.path().join("index");
        self.git
            .command_in(self.git.common_dir(), &self.work())
            .config("core.sparseCheckout", "false")
            .config("core.bare", "false")
            .config("submodule.recurse", "false")
            .env("GIT_INDEX_FILE", index)
    }
}
