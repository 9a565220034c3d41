//! Which paths changed together.

use anyhow::Result;

use super::repo::Git;
use crate::model::id::CommitId;
use crate::model::path::RepoPath;

impl Git {
    /// Lists the paths that each of the last `most` commits before and at `from` changed, the latest first. Merges
    /// are left out, and renames are not followed.
    ///
    /// # Errors
    /// If git cannot read the history.
    pub fn touched(&self, from: &CommitId, most: usize) -> Result<Vec<Vec<RepoPath>>> {
        let bytes = self
            .command()
            .args(["log", "-z", "--no-merges", "--no-renames", "--name-only"])
            .args(["--no-show-signature", "--format=format:%x01"])
            .arg(format!("--max-count={most}"))
            .args(["--end-of-options", from.as_str(), "--"])
            .ok()?;
        let mut commits: Vec<Vec<RepoPath>> = Vec::new();
        for field in bytes.split(|&b| b == 0).filter(|field| !field.is_empty()) {
            // The mark, alone or before a line end and the first path.
            let path = match field.strip_prefix(b"\x01") {
                Some(rest) => {
                    commits.push(Vec::new());
                    rest.strip_prefix(b"\n").unwrap_or(rest)
                }
                None => field,
            };
            if let (Some(commit), false) = (commits.last_mut(), path.is_empty()) {
                commit.push(RepoPath::new(path));
            }
        }
        Ok(commits)
    }

    /// Lists what moved from one tree to another, the old path and the new one, as git finds it: the same content
    /// wherever it is, and where there are not too many files, content that is alike.
    ///
    /// # Errors
    /// If git cannot compare the trees.
    pub fn renames(
        &self,
        old: &crate::model::id::TreeId,
        new: &crate::model::id::TreeId,
    ) -> Result<Vec<(RepoPath, RepoPath)>> {
        let bytes = self
            .command()
            .args(["diff-tree", "-r", "-z", "--name-status", "--diff-filter=R"])
            .args(["-M50%", "-l1000", old.as_str(), new.as_str()])
            .ok()?;
        let mut fields = bytes.split(|&b| b == 0).filter(|field| !field.is_empty());
        let mut found = Vec::new();
        while let (Some(_), Some(from), Some(to)) = (fields.next(), fields.next(), fields.next()) {
            found.push((RepoPath::new(from), RepoPath::new(to)));
        }
        Ok(found)
    }
}
