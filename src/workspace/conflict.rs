//! A conflict laid out in the integration workspace for a person, and what the person made of it.
//!
//! Everything in the workspace counts as the resolution, whether it was added, committed, or only edited. A
//! path is unresolved while it holds conflict markers that neither side had, or, where git could write no
//! markers (one side deleted, a binary file), while nobody touched, added or removed it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::collect::record;
use super::disk::{self, Rights};
use super::place::{CONFLICT, unfinished};
use super::place::{Place, id_bytes};
use super::reset::reset;
use super::survey::nul_split;
use crate::git::Git;
use crate::model::hex::hex;
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::Workspace;
use crate::model::path::RepoPath;

/// What a person made of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The tree of the whole workspace, and what people should know.
    Tree {
        /// The tree.
        tree: TreeId,
        /// Notes of the collector.
        notes: Vec<String>,
    },
    /// These paths still conflict.
    Unresolved(Vec<RepoPath>),
    /// Something lies in the workspace that cannot be collected: one line each.
    Refused(Vec<String>),
}

/// Lays the merge of `tip` onto `onto` out in a workspace with a detached HEAD: HEAD is `onto`, `MERGE_HEAD` is
/// `tip`, the files hold conflict markers. `label`, such as `dynwf/<slug>/<packet>`, is what the markers call
/// the packet's side, if it names `tip`. No hook runs. If this very merge is laid out already, nothing is
/// touched, unless `again`: a person may be at work on it.
///
/// # Errors
/// If there is nothing to merge, or git fails.
pub fn open_conflict(
    git: &Git,
    workspace: &Workspace,
    onto: &CommitId,
    tip: &CommitId,
    label: &str,
    again: bool,
) -> Result<()> {
    let laid_out = Laid::read(Path::new(&workspace.admin))
        .is_some_and(|laid| laid.onto == *onto && laid.tip == *tip);
    if laid_out && !again && Place::open(git, workspace)?.is_there()? {
        return Ok(());
    }
    reset(git, workspace, onto)?;
    let place = Place::open(git, workspace)?;
    let named = place.commit_of(label)?.as_ref() == Some(tip);
    let output = place
        .command()
        .args([
            "merge",
            "--no-ff",
            "--no-commit",
            "--no-edit",
            "--no-verify",
            "--no-verify-signatures",
        ])
        .args([
            "--no-stat",
            "--no-autostash",
            "--no-log",
            "--quiet",
            "--strategy=ort",
        ])
        .arg(if named { label } else { tip.as_str() })
        .run()?;
    if !matches!(output.code(), Some(0 | 1)) || unfinished(&place.admin) != ["a merge"] {
        bail!(
            "laying out the merge of {tip} onto {onto} in {}: {}",
            place.work.display(),
            output.complaint()
        );
    }
    let mut text = format!("{onto} {tip}\n");
    for path in unmerged(&place)? {
        let stamp = stamp(&place.work.join(disk::os_path(&path)));
        let name = hex(&path);
        text.push_str(&format!("{name} {stamp}\n"));
    }
    Rights::like(git.common_dir())?.replace(&place.admin.join(CONFLICT), text.as_bytes())
}

/// Returns the commits whose merge is laid out in a workspace: the one merged onto, and the one merged.
pub fn laid_out(workspace: &Workspace) -> Option<(CommitId, CommitId)> {
    let laid = Laid::read(Path::new(&workspace.admin))?;
    Some((laid.onto, laid.tip))
}

/// Whether somebody did something about the conflict that is laid out in a workspace: touched a file of it.
///
/// # Errors
/// If the workspace is unknown to git.
pub fn is_touched(git: &Git, workspace: &Workspace) -> Result<bool> {
    let place = Place::open(git, workspace)?;
    let Some(laid) = Laid::read(&place.admin) else {
        return Ok(false);
    };
    Ok(place.is_there()?
        && laid
            .stamps
            .iter()
            .any(|(path, then)| *then != stamp(&place.work.join(disk::os_path(path)))))
}

/// Takes what lies in the workspace as the resolution of the conflict in `conflicted` (paths as the merge
/// named them; those that git found unmerged are looked at as well). Moves no ref.
///
/// # Errors
/// If no conflict is laid out there, the directory is gone, or git fails.
pub fn resolution(git: &Git, workspace: &Workspace, conflicted: &[RepoPath]) -> Result<Resolution> {
    let place = Place::open(git, workspace)?;
    let laid = Laid::read(&place.admin)
        .with_context(|| format!("no conflict is laid out in {}", place.work.display()))?;
    if !place.is_there()? {
        bail!(
            "{} is gone, or is not the directory that was made",
            place.work.display()
        );
    }
    let still = unmerged(&place)?;
    let mut unresolved = Vec::new();
    let named = conflicted.iter().map(|path| path.as_bytes().to_vec());
    for path in named
        .chain(laid.stamps.keys().cloned())
        .collect::<BTreeSet<_>>()
    {
        let file = place.work.join(disk::os_path(&path));
        let untouched = laid
            .stamps
            .get(&path)
            .is_some_and(|then| *then == stamp(&file));
        if (untouched && still.contains(&path)) || has_new_markers(&place, &laid, &path)? {
            unresolved.push(RepoPath::new(path));
        }
    }
    if !unresolved.is_empty() {
        return Ok(Resolution::Unresolved(unresolved));
    }
    Ok(
        match record(&place, "dynwf.resolution", id_bytes(&laid.onto))? {
            Ok(recorded) => Resolution::Tree {
                tree: recorded.tree,
                notes: recorded.notes,
            },
            Err(why) => Resolution::Refused(why),
        },
    )
}

/// What was laid out, read back.
struct Laid {
    onto: CommitId,
    tip: CommitId,
    stamps: BTreeMap<Vec<u8>, String>,
}

impl Laid {
    fn read(admin: &Path) -> Option<Self> {
        let text = disk::read_text(&admin.join(CONFLICT))?;
        let mut lines = text.lines();
        let (onto, tip) = lines.next()?.split_once(' ')?;
        let mut stamps = BTreeMap::new();
        for line in lines {
            let (name, stamp) = line.split_once(' ')?;
            let pairs = (0..name.len()).step_by(2).map(|at| name.get(at..at + 2));
            let path = pairs
                .map(|pair| u8::from_str_radix(pair?, 16).ok())
                .collect::<Option<Vec<u8>>>()?;
            stamps.insert(path, stamp.to_owned());
        }
        Some(Self {
            onto: onto.parse().ok()?,
            tip: tip.parse().ok()?,
            stamps,
        })
    }
}

/// What changes when somebody writes a file: `absent` if there is none.
fn stamp(path: &Path) -> String {
    fs::symlink_metadata(path).map_or_else(
        |_| "absent".to_owned(),
        |meta| {
            let times = (
                meta.mtime(),
                meta.mtime_nsec(),
                meta.ctime(),
                meta.ctime_nsec(),
            );
            format!(
                "{} {} {}.{} {}.{}",
                meta.ino(),
                meta.size(),
                times.0,
                times.1,
                times.2,
                times.3
            )
        },
    )
}

/// The paths that the ordinary index calls unmerged; none if a person committed or added them.
fn unmerged(place: &Place<'_>) -> Result<BTreeSet<Vec<u8>>> {
    let listed = place
        .command()
        .args(["ls-files", "--unmerged", "-z"])
        .ok()?;
    let paths = nul_split(&listed).filter_map(|line| line.splitn(2, |&byte| byte == b'\t').nth(1));
    Ok(paths.map(<[u8]>::to_vec).collect())
}

/// Whether a file holds conflict markers, and neither side of the merge did (a text about merging may).
fn has_new_markers(place: &Place<'_>, laid: &Laid, path: &[u8]) -> Result<bool> {
    let file = place.work.join(disk::os_path(path));
    let is_file = fs::symlink_metadata(&file).is_ok_and(|meta| meta.is_file());
    if !is_file {
        return Ok(false);
    }
    let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    if !has_markers(&content) {
        return Ok(false);
    }
    for side in [&laid.onto, &laid.tip] {
        let mut name = format!("{side}:").into_bytes();
        name.extend_from_slice(path);
        let output = place
            .command()
            .args(["cat-file", "blob"])
            .arg(disk::os_path(&name))
            .run()?;
        if output.success() && has_markers(&output.stdout) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether there is a line that begins a conflict and, after it, one that ends it.
fn has_markers(content: &[u8]) -> bool {
    let is_marker = |line: &[u8], byte: u8| {
        let length = line.iter().take_while(|&&b| b == byte).count();
        length >= 7 && matches!(line.get(length), None | Some(b' ' | b'\r'))
    };
    let mut lines = content.split(|&byte| byte == b'\n');
    lines.any(|line| is_marker(line, b'<')) && lines.any(|line| is_marker(line, b'>'))
}

#[cfg(test)]
mod tests {
    use super::has_markers;

    #[test]
    fn only_whole_conflicts_are_markers() {
        assert!(has_markers(
            b"a\n<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> other\n"
        ));
        assert!(has_markers(
            b"<<<<<<<<<<< HEAD\r\n=======\r\n>>>>>>>>>>> x\r\n"
        ));
        assert!(!has_markers(b"a\n=======\nb\n"));
        assert!(!has_markers(b"a << b\n  <<<<<<< no\n>>>>>>> x\n"));
        assert!(!has_markers(b">>>>>>> x\n<<<<<<< y\n"));
    }
}
