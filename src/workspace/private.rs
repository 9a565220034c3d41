//! A git directory of a packet's own, for the sandbox.
//!
//! In the sandbox the repository is read-only, and this directory is seen in the place of the workspace's `.git`: every
//! git command works there, and nothing of the shared repository changes. It borrows the repository's objects.
//! Afterwards it is read as plain files, never through its own configuration, which the unit could have changed:
//! commits are imported with a check of every object, and what collecting would not see (a stash, commits, an
//! unfinished merge) is kept on a ref and named.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::disk;
use super::place::{Head, Place, unfinished};
use crate::git::{Git, RefMove};
use crate::model::id::{CommitId, RefName};
use crate::model::op::RefUpdate;
use crate::model::packet::Workspace;

/// The longest ref file that is read, in bytes.
const LONGEST_REF: u64 = 1024;

/// A private git directory and the `.git` file that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateGit {
    /// The git directory: the unit writes it.
    pub folder: PathBuf,
    /// The file that is seen as the workspace's `.git`.
    pub dotgit: PathBuf,
}

impl PrivateGit {
    /// The private git directory below this folder, which need not exist yet.
    pub fn at(root: &Path) -> Self {
        Self {
            folder: root.join("git"),
            dotgit: root.join("dotgit"),
        }
    }
}

/// Makes the private git directory of a workspace anew, as its branch stands now. What an earlier unit left in it must
/// have been taken over by [`harvest`].
///
/// # Errors
/// If the repository cannot be read or a file cannot be written.
pub fn lend(git: &Git, workspace: &Workspace, private: &PrivateGit) -> Result<()> {
    // The file comes last and goes first, so where it is everything is.
    disk::remove_if_there(&private.dotgit)?;
    let place = Place::open(git, workspace)?;
    let folder = &private.folder;
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    for below in ["refs/heads", "objects/info", "info"] {
        let below = folder.join(below);
        fs::create_dir_all(&below).with_context(|| format!("making {}", below.display()))?;
    }
    let head = match &place.head {
        Head::Branch(name) => format!("ref: {name}\n"),
        Head::Detached => format!(
            "{}\n",
            place.commit_of("HEAD")?.context("HEAD names no commit")?
        ),
    };
    let put = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    };
    put("HEAD", &head)?;
    put("config", &config(git)?)?;
    put("packed-refs", &packed_refs(git)?)?;
    put("objects/info/alternates", &alternates(git))?;
    let exclude = git.common_dir().join("info/exclude");
    put(
        "info/exclude",
        &fs::read_to_string(exclude).unwrap_or_default(),
    )?;
    let index = place.admin.join("index");
    disk::copy_file(&index, &folder.join("index"), true)
        .with_context(|| format!("copying {}", index.display()))?;
    let dotgit = format!("gitdir: {}\n", folder.display());
    fs::write(&private.dotgit, dotgit)
        .with_context(|| format!("writing {}", private.dotgit.display()))
}

fn alternates(git: &Git) -> String {
    format!("{}\n", git.common_dir().join("objects").display())
}

/// Branches and tags as they stand now, so that the unit can compare with them.
fn packed_refs(git: &Git) -> Result<String> {
    let mut refs: BTreeMap<String, String> = BTreeMap::new();
    for prefix in ["refs/heads/", "refs/tags/"] {
        for (name, commit) in git.list_refs(prefix)? {
            refs.insert(name.to_string(), commit.to_string());
        }
    }
    let mut text = "# pack-refs with: sorted \n".to_owned();
    for (name, commit) in refs {
        text.push_str(&format!("{commit} {name}\n"));
    }
    Ok(text)
}

/// The settings that decide what files mean, the person's name, and nothing that runs by itself.
fn config(git: &Git) -> Result<String> {
    let listed = git.command().args(["config", "-z", "--list"]).ok()?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let kept = |key: &str| {
        key.starts_with("filter.")
            || matches!(
                key,
                "core.autocrlf"
                    | "core.eol"
                    | "core.symlinks"
                    | "core.ignorecase"
                    | "core.filemode"
                    | "user.name"
                    | "user.email"
                    | "extensions.objectformat"
            )
    };
    let mut text = String::new();
    let mut version = 0;
    for entry in listed.split('\0') {
        let Some((key, value)) = entry.split_once('\n').filter(|(key, _)| kept(key)) else {
            continue;
        };
        if key == "extensions.objectformat" {
            version = 1;
        }
        let (section, name) = key.rsplit_once('.').unwrap_or((key, ""));
        let section = match section.split_once('.') {
            Some((section, sub)) => format!("{section} {}", quoted(sub)),
            None => section.to_owned(),
        };
        text.push_str(&format!("[{section}]\n\t{name} = {}\n", quoted(value)));
    }
    Ok(format!(
        "[core]\n\trepositoryformatversion = {version}\n\tbare = false\n\tlogallrefupdates = true\n\
         [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n{text}"
    ))
}

fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Takes over what lies in the private git directory and is no file of the workspace: commits and a stash, on the
/// ref `keep`. Returns what people should know. Doing it again changes nothing.
///
/// # Errors
/// If git fails. What the unit did to the directory is never an error: what cannot be read is named.
pub fn harvest(
    git: &Git,
    private: &PrivateGit,
    base: &CommitId,
    keep: &RefName,
) -> Result<Vec<String>> {
    if !private.dotgit.exists() {
        return Ok(Vec::new());
    }
    let folder = &private.folder;
    let mut notes: Vec<String> = unfinished(folder)
        .into_iter()
        .map(|what| format!("the worker left {what} unfinished"))
        .collect();
    let refs = Refs::read(folder);
    let head = refs.head(folder).filter(|head| head != base);
    let stash = refs.commit(folder, "refs/stash");
    let made: Vec<&CommitId> = head.iter().chain(&stash).collect();
    if made.is_empty() {
        return Ok(notes);
    }
    if let Err(error) = import(git, folder, &made, base) {
        notes.push(format!(
            "the worker's own commits could not be read: {error:#}"
        ));
        return Ok(notes);
    }
    let tip = stash
        .as_ref()
        .or(head.as_ref())
        .context("one of them is there")?;
    let update = RefUpdate {
        name: keep.clone(),
        old: git.read_ref(keep)?,
        new: Some(tip.clone()),
    };
    if let RefMove::Refused { name, .. } = git.update_refs(&[update], "dynwf: kept")? {
        bail!("{name} moved while the worker's commits were kept");
    }
    notes.push(match (&head, &stash) {
        (_, Some(_)) => {
            format!("the worker left a stash, which is not part of its work: it is kept on {keep}")
        }
        _ => format!("the worker committed by itself; its commits are kept on {keep}"),
    });
    Ok(notes)
}

/// The refs of the directory, as plain text: no git runs on them.
struct Refs(BTreeMap<String, String>);

impl Refs {
    fn read(folder: &Path) -> Self {
        let text = read_short(&folder.join("packed-refs"), 64 << 20).unwrap_or_default();
        Self(
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(id, name)| (name.to_owned(), id.to_owned()))
                .collect(),
        )
    }

    fn head(&self, folder: &Path) -> Option<CommitId> {
        let text = read_short(&folder.join("HEAD"), LONGEST_REF)?;
        match text.trim().strip_prefix("ref: ") {
            Some(name) => self.commit(folder, name),
            None => text.trim().parse().ok(),
        }
    }

    fn commit(&self, folder: &Path, name: &str) -> Option<CommitId> {
        let name: RefName = name.parse().ok()?;
        let loose = read_short(&folder.join(name.as_str()), LONGEST_REF);
        loose
            .as_deref()
            .or_else(|| self.0.get(name.as_str()).map(String::as_str))
            .and_then(|text| text.trim().parse().ok())
    }
}

/// Reads a plain file that is not longer than it should be.
fn read_short(file: &Path, longest: u64) -> Option<String> {
    let meta = fs::symlink_metadata(file).ok()?;
    if !meta.is_file() || meta.len() > longest {
        return None;
    }
    let mut text = String::new();
    fs::File::open(file)
        .ok()?
        .take(longest)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// Copies what the commits need into the repository, every object checked. The repository's own git reads the
/// private objects as an alternate; the private configuration is never in force.
fn import(git: &Git, folder: &Path, made: &[&CommitId], base: &CommitId) -> Result<()> {
    let objects = folder.join("objects");
    // Alternates that the unit wrote could name any folder of this machine.
    let lent = objects.join("info/alternates");
    // Nor may a link that it put there lead our write out of the directory.
    for place in [folder.to_owned(), objects.clone(), objects.join("info")] {
        let meta = fs::symlink_metadata(&place)
            .with_context(|| format!("looking at {}", place.display()))?;
        if !meta.is_dir() {
            bail!("{} is no folder any more", place.display());
        }
    }
    if disk::exists(&lent)? {
        fs::remove_file(&lent).with_context(|| format!("removing {}", lent.display()))?;
    }
    fs::write(&lent, alternates(git)).with_context(|| format!("writing {}", lent.display()))?;
    let mut wanted = format!("^{base}\n");
    for commit in made {
        wanted.push_str(&format!("{commit}\n"));
    }
    let pack = git
        .command()
        .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &objects)
        .args(["pack-objects", "--revs", "--thin", "--stdout", "-q"])
        .stdin(wanted)
        .ok()?;
    git.command()
        .config("core.fsync", "all")
        .args(["index-pack", "--strict", "--fix-thin", "--stdin"])
        .stdin(pack)
        .ok()?;
    Ok(())
}
