//! Commits everything in a workspace that would otherwise be lost to a rescue ref.
//!
//! A ref of its own, in nobody's way: the branch, the index and the files are not touched. What cannot be kept
//! is listed by name. Caches that a build makes again (directories with `CACHEDIR.TAG`, `node_modules`) and
//! ignored files above the caps are among it; ignored files that are only copies of the main work tree's
//! (`.worktreeinclude`) are not lost and not mentioned.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use jiff::Timestamp;

use super::collect::{update, write_tree};
use super::disk::{self, Identity};
use super::index::Kind;
use super::make::{MakeSpec, Site};
use super::names::is_dot_git;
use super::place::{Extent, Head, Place, id_bytes};
use super::survey::{Survey, nul_split, survey};
use super::walk::walk;
use crate::git::{CommitSpec, Git, RefMove};
use crate::model::id::{CommitId, RefName, TreeId};
use crate::model::op::RefUpdate;
use crate::model::packet::Workspace;
use crate::model::path::RepoPath;

/// How much of the ignored files is kept, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The largest file.
    pub file: u64,
    /// All of them together.
    pub total: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            file: 1 << 20,
            total: 16 << 20,
        }
    }
}

/// What was rescued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescued {
    /// The commit that the rescue ref names; `None` if there was nothing to keep, only something to list.
    pub commit: Option<CommitId>,
    /// What is not in it, one line each.
    pub left_out: Vec<String>,
}

/// How many files of ignored directories are looked at.
const MANY: usize = 2000;

/// Rescues what a workspace holds beyond the commit `holds`: edits, new files, ignored files up to the caps,
/// and commits made there that no ref of ours names. Creates the ref `name`; `None` if there was nothing.
/// Works as well where the agent removed the directory (its commits are kept) or the administrative folder.
///
/// # Errors
/// If git or the file system fails, or the ref exists with something else: then nothing may be removed.
pub fn rescue(
    git: &Git,
    workspace: &Workspace,
    holds: &CommitId,
    name: &RefName,
    at: Timestamp,
    caps: Caps,
) -> Result<Option<Rescued>> {
    let lent = Lent::open(git, workspace, holds)?;
    let place = &lent.place;
    let mut left_out = Vec::new();
    let before = git.tree_of(holds)?;
    let tree = if place.is_there()? {
        everything(place, holds, caps, &mut left_out)?
    } else {
        before.clone()
    };
    let mut parents = vec![holds.clone()];
    parents.extend(commits_made(place, holds)?);
    if tree == before && parents.len() == 1 {
        return Ok((!left_out.is_empty()).then_some(Rescued {
            commit: None,
            left_out,
        }));
    }
    let mut message = format!("dynwf: rescued from {}\n", place.work.display());
    if !left_out.is_empty() {
        message.push_str(&format!("\nNot kept:\n  {}\n", left_out.join("\n  ")));
    }
    let commit = git.commit(&CommitSpec {
        tree: tree.clone(),
        parents,
        message,
        at,
    })?;
    let commit = name_it(git, name, commit, &tree)?;
    Ok(Some(Rescued {
        commit: Some(commit),
        left_out,
    }))
}

/// Creates the ref. One that a killed try made counts if it holds the same files.
fn name_it(git: &Git, name: &RefName, commit: CommitId, tree: &TreeId) -> Result<CommitId> {
    let update = RefUpdate {
        name: name.clone(),
        old: None,
        new: Some(commit.clone()),
    };
    match git.update_refs(&[update], "dynwf: rescue")? {
        RefMove::Moved | RefMove::Already => Ok(commit),
        RefMove::Refused {
            found: Some(found), ..
        } if git.tree_of(&found)? == *tree => Ok(found),
        RefMove::Refused { .. } => bail!("the rescue ref {name} exists and holds something else"),
    }
}

/// A workspace, with its own administrative folder or, where that is gone, with one lent for the rescue.
struct Lent<'a> {
    place: Place<'a>,
    folder: Option<PathBuf>,
}

impl<'a> Lent<'a> {
    fn open(git: &'a Git, workspace: &Workspace, holds: &CommitId) -> Result<Self> {
        if let Ok(place) = Place::open(git, workspace) {
            return Ok(Self {
                place,
                folder: None,
            });
        }
        let work = PathBuf::from(&workspace.path);
        let name = Path::new(&workspace.admin)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let spec = MakeSpec {
            admin_name: format!("rescue.{name}"),
            path: work.clone(),
            head: Head::Detached,
            commit: holds.clone(),
            sparse: None,
        };
        let admin = Site::new(git, &spec)?.lend()?;
        let place = Place {
            git,
            work,
            admin: admin.clone(),
            recorded: Identity {
                device: workspace.device,
                inode: workspace.inode,
            },
            head: Head::Detached,
            extent: Extent::Full,
        };
        Ok(Self {
            place,
            folder: Some(admin),
        })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // Left over, it is cleared with the next one.
            let _ = disk::delete_tree(folder);
        }
    }
}

/// The tree of everything that can be kept.
fn everything(
    place: &Place<'_>,
    holds: &CommitId,
    caps: Caps,
    left_out: &mut Vec<String>,
) -> Result<TreeId> {
    let private = place.private_index("dynwf.rescue")?;
    let index = place.read_index(&private, id_bytes(holds))?;
    let survey = survey(place, &index, &private)?;
    left_out.extend(survey.refused.iter().map(ToString::to_string));
    keep(place, &private, survey, left_out)?;
    let ignored = Survey {
        changed: ignored_files(place, &private, caps, left_out)?,
        ..Survey::default()
    };
    keep(place, &private, ignored, left_out)?;
    let tree = write_tree(place, &private)?;
    disk::remove_if_there(&private)?;
    Ok(tree)
}

/// Records the differences. If git refuses the lot (a file that cannot be read), each path is tried alone, so
/// that only what really cannot be kept is left out.
fn keep(
    place: &Place<'_>,
    private: &Path,
    survey: Survey,
    left_out: &mut Vec<String>,
) -> Result<()> {
    if update(place, private, &survey)?.is_ok() {
        return Ok(());
    }
    let removed = Survey {
        removed: survey.removed,
        ..Survey::default()
    };
    if let Err(why) = update(place, private, &removed)? {
        bail!("{why}");
    }
    for path in survey.changed {
        let one = Survey {
            changed: vec![path.clone()],
            ..Survey::default()
        };
        if let Err(why) = update(place, private, &one)? {
            left_out.push(format!("{}: {why}", RepoPath::new(path)));
        }
    }
    Ok(())
}

/// The commits that somebody made in the workspace, or was about to work on.
fn commits_made(place: &Place<'_>, holds: &CommitId) -> Result<Vec<CommitId>> {
    let mut made = Vec::new();
    let names = [
        "HEAD",
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "rebase-merge/orig-head",
        "rebase-merge/autostash",
        "rebase-apply/orig-head",
        "rebase-apply/autostash",
    ];
    for name in names {
        let commit = if name == "HEAD" {
            place.commit_of(name)?
        } else {
            match disk::read_text(&place.admin.join(name)) {
                Some(text) => match text.lines().next().unwrap_or_default().parse::<CommitId>() {
                    Ok(id) => place.commit_of(id.as_str())?,
                    Err(_) => None,
                },
                None => None,
            }
        };
        if let Some(commit) = commit
            && !made.contains(&commit)
            && !place.git.is_ancestor(&commit, holds)?
        {
            made.push(commit);
        }
    }
    Ok(made)
}

/// The ignored files that are kept; the rest is listed.
fn ignored_files(
    place: &Place<'_>,
    private: &Path,
    caps: Caps,
    left_out: &mut Vec<String>,
) -> Result<Vec<Vec<u8>>> {
    let listed = place
        .with_index(private)
        .args([
            "ls-files",
            "-o",
            "-i",
            "--exclude-standard",
            "--directory",
            "-z",
        ])
        .ok()?;
    let mut kept = Vec::new();
    let mut room = caps.total;
    for name in nul_split(&listed) {
        let shown = RepoPath::new(name);
        let found = match name.strip_suffix(b"/") {
            None => Ok(vec![name.to_vec()]),
            Some(directory) => files_of(place, directory)?,
        };
        match found.and_then(|files| weigh(place, files, caps.file, room)) {
            Ok((files, bytes)) => {
                room -= bytes;
                kept.extend(files);
            }
            Err(why) => left_out.push(format!("{shown}: ignored, {why}")),
        }
    }
    Ok(kept)
}

/// All files of an ignored directory; `Err` inside: why it is left out as a whole.
fn files_of(place: &Place<'_>, directory: &[u8]) -> Result<Result<Vec<Vec<u8>>, &'static str>> {
    let path = place.work.join(disk::os_path(directory));
    let name = directory
        .rsplit(|&byte| byte == b'/')
        .next()
        .unwrap_or(directory);
    let cache = matches!(name, b"node_modules" | b"__pycache__" | b"target")
        || path.join("CACHEDIR.TAG").exists();
    if cache {
        return Ok(Err("a cache"));
    }
    let mut files = Vec::new();
    let mut level = vec![directory.to_vec()];
    while !level.is_empty() {
        let found = walk(&place.work, std::mem::take(&mut level), 0, &|_| false)?;
        for one in found {
            let name = one
                .path
                .rsplit(|&byte| byte == b'/')
                .next()
                .unwrap_or(&one.path);
            if is_dot_git(name) {
                return Ok(Err("a repository lies in it"));
            }
            match one.kind {
                Kind::Directory => level.push(one.path),
                Kind::File { .. } | Kind::Link => files.push(one.path),
                Kind::Special(_) => {}
            }
        }
        if files.len() + level.len() > MANY {
            return Ok(Err("too many files"));
        }
    }
    Ok(Ok(files))
}

/// Drops what the main work tree holds as well, and adds up the rest.
fn weigh(
    place: &Place<'_>,
    files: Vec<Vec<u8>>,
    largest: u64,
    room: u64,
) -> Result<(Vec<Vec<u8>>, u64), &'static str> {
    let mut sum = 0;
    let mut kept = Vec::new();
    for path in files {
        let name = disk::os_path(&path);
        let file = place.work.join(&name);
        let Ok(meta) = fs::symlink_metadata(&file) else {
            continue;
        };
        if !(meta.is_file() || meta.is_symlink()) {
            return Err("no regular file");
        }
        if meta.is_file() && meta.len() > largest {
            return Err("too large");
        }
        if place
            .git
            .main_work_tree()
            .is_some_and(|main| is_copy(&main.join(&name), &file, &meta))
        {
            continue;
        }
        sum += meta.len();
        if sum > room {
            return Err("too much in all");
        }
        kept.push(path);
    }
    Ok((kept, sum))
}

fn is_copy(original: &Path, file: &Path, meta: &fs::Metadata) -> bool {
    let same_length = fs::symlink_metadata(original)
        .is_ok_and(|other| other.is_file() && meta.is_file() && other.len() == meta.len());
    same_length && matches!((fs::read(original), fs::read(file)), (Ok(a), Ok(b)) if a == b)
}
