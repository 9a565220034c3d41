//! Where workspaces lie.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::disk;
use crate::error::Failure;
use crate::git::Git;
use crate::model::id::Slug;
use crate::model::unit::WorkspaceName;

/// Beside the repository, where nothing that walks the repository meets it.
const BESIDE: &str = "../{repo}.dynwf/{slug}/{packet}";

/// Where the workspaces of a workflow lie: a path in which the packet is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites {
    pattern: String,
}

/// What stands for the packet in a pattern.
const PACKET: &str = "{packet}";

impl Sites {
    /// Sites of a fixed pattern; `{packet}` stands for the packet.
    #[cfg(test)]
    pub(crate) fn at(pattern: &str) -> Self {
        Self {
            pattern: pattern.to_owned(),
        }
    }

    /// Returns the directory of a workspace; attempt 2 and later get directories of their own (`<packet>.a2`),
    /// because a process that escaped from an earlier attempt may still write into its directory.
    pub fn path(&self, name: &WorkspaceName, attempt: u32) -> String {
        let name = last_name(name, attempt);
        match self.pattern.rfind(PACKET) {
            Some(at) => {
                let (before, after) = self.pattern.split_at(at);
                format!("{before}{name}{}", &after[PACKET.len()..])
            }
            None => self.pattern.clone(),
        }
    }
}

/// Returns where the workspaces of a workflow lie: absolute, not made yet. `template` (from `[workspace] path`) may hold
/// `{repo}`, `{slug}` and `{packet}`, and is relative to the main work tree; without one it is
/// `../<repo>.dynwf/<slug>/<packet>`, or `<state>/<repo>-<hash>/<slug>/<packet>` where that cannot be written.
///
/// # Errors
/// A [`Failure`] if the template has no `{packet}`, an unknown placeholder, or leads into the repository's own
/// directory, or if the path is not UTF-8.
pub fn sites(git: &Git, template: Option<&str>, state: &Path, slug: &Slug) -> Result<Sites> {
    let root = match git.main_work_tree() {
        Some(root) => root,
        None => git.common_dir(),
    };
    let repo = root.file_name().map_or_else(
        || "repository".to_owned(),
        |name| {
            let name = name.to_string_lossy();
            name.strip_suffix(".git")
                .filter(|name| !name.is_empty())
                .unwrap_or(&name)
                .to_owned()
        },
    );
    let fill = |template: &str| fill(template, &repo, slug.as_str());
    let Some(template) = template else {
        let beside = joined(root, &fill(BESIDE)?)?;
        let there = disk::nearest_directory(&beside)?;
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        if rustix::fs::access(&there, access).is_ok() {
            return pattern(&beside);
        }
        let hash = format!("{:x}", Sha256::digest(disk::path_bytes(git.common_dir())));
        let kept = joined(state, &format!("{repo}-{}/{slug}/{PACKET}", &hash[..8]))?;
        return pattern(&kept);
    };
    if !template.contains(PACKET) {
        return Err(
            Failure::usage(format!("the workspace path `{template}` has no {{packet}}"))
                .hint("set [workspace] path to something like ../{repo}.dynwf/{slug}/{packet}")
                .into(),
        );
    }
    let path = joined(root, &fill(template)?)?;
    if path.starts_with(git.common_dir()) {
        return Err(Failure::usage(format!(
            "the workspace path {} lies in git's own directory",
            path.display()
        ))
        .hint("set [workspace] path to a place outside of it")
        .into());
    }
    pattern(&path)
}

fn pattern(path: &Path) -> Result<Sites> {
    let Some(text) = path.to_str() else {
        return Err(Failure::usage(format!(
            "the workspace path {} is not UTF-8, which journals and agents need",
            path.display()
        ))
        .hint("set [workspace] path to another place")
        .into());
    };
    Ok(Sites {
        pattern: text.to_owned(),
    })
}

/// The name of the administrative folder of a workspace: `<slug>.<packet>`, `<slug>.<packet>.a2`, ….
pub fn admin_name(slug: &Slug, name: &WorkspaceName, attempt: u32) -> String {
    format!("{slug}.{}", last_name(name, attempt))
}

fn last_name(name: &WorkspaceName, attempt: u32) -> String {
    if attempt > 1 {
        format!("{name}.a{attempt}")
    } else {
        name.to_string()
    }
}

fn fill(template: &str, repo: &str, slug: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let (word, after) = tail
            .find('}')
            .map_or((tail, ""), |end| tail.split_at(end + 1));
        out.push_str(match word {
            "{repo}" => repo,
            "{slug}" => slug,
            PACKET => PACKET,
            _ => {
                return Err(Failure::usage(format!(
                    "the workspace path `{template}` has an unknown placeholder"
                ))
                .hint("use {repo}, {slug} and {packet}")
                .into());
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Joins without leaving `..` in the result.
fn joined(root: &Path, relative: &str) -> Result<PathBuf> {
    let whole = std::path::absolute(root.join(relative))
        .with_context(|| format!("resolving {relative} from {}", root.display()))?;
    let mut out = PathBuf::new();
    for part in whole.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    Ok(out)
}
