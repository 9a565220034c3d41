//! A private git directory for what runs in a sandbox.
//!
//! It is shown in the place of the workspace's `.git`: an own HEAD, index, configuration and refs, the
//! repository's objects borrowed. So every git command works for an agent, commits and stashes too, and nothing
//! of the repository changes. The folder that holds it:
//!
//! ```text
//! git/       the directory; the unit writes it
//! dotgit     the `.git` file that names it
//! gitconfig  who the person is, for repositories that a unit makes
//! known      the commits that it knew from the start, one a line
//! head       the commit that HEAD stood on at the start
//! emptied    there once everything was brought home
//! reader/    a git directory without anything: for reading the objects without obeying `git/config`
//! ```
//!
//! With the layout `clone` the directory is not below that folder but the workspace's own `.git`, for units without a
//! sandbox: what `git clone --shared` makes. A mark in the administrative folder says so.
//!
//! Invariants: filled under another name and renamed, so that it is whole or not there. After a unit ran in it,
//! `git/` is somebody else's: it is read as plain files (`harvest`), and no git of ours is run on it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::disk;
use super::place::{self, Extent, Head, Place, SEED};
use crate::git::Git;
use crate::model::id::CommitId;
use crate::model::packet::Workspace;

/// What of the repository's settings matters for the content of files, and who the person is. The commands of
/// filters run in the sandbox only.
const SETTINGS: &str = r"^(user\.(name|email)|filter\..*|core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode|bigfilethreshold|quotepath)|init\.defaultbranch)$";

/// The places in the folder of a private git directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Private {
    folder: PathBuf,
    /// The workspace that has it as its own `.git`.
    within: Option<Workspace>,
}

impl Private {
    /// The private git directory in this folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            within: None,
        }
    }

    /// The private git directory that is this workspace's own `.git`; the rest lies in the folder.
    pub fn within(folder: PathBuf, workspace: &Workspace) -> Self {
        Self {
            folder,
            within: Some(workspace.clone()),
        }
    }

    /// The git directory.
    pub fn git_dir(&self) -> PathBuf {
        match &self.within {
            Some(workspace) => Path::new(&workspace.path).join(".git"),
            None => self.folder.join("git"),
        }
    }

    /// The file to show as `.git`.
    pub fn pointer(&self) -> PathBuf {
        self.folder.join("dotgit")
    }

    /// The file to show as the person's own git configuration.
    pub fn person(&self) -> PathBuf {
        self.folder.join("gitconfig")
    }

    /// A git directory without settings, refs and objects.
    pub fn reader(&self) -> PathBuf {
        self.folder.join("reader")
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        is_folder(&self.folder) && is_folder(&self.git_dir())
    }

    /// Whether it was there and a unit took it away: what it held can be known no more.
    pub fn was_removed(&self) -> bool {
        self.folder.is_dir() && !self.exists()
    }

    pub(super) fn known(&self) -> PathBuf {
        self.folder.join("known")
    }

    /// The commit that HEAD stood on at the start.
    pub(super) fn start(&self) -> Option<CommitId> {
        disk::read_text(&self.folder.join("head"))?
            .trim_end()
            .parse()
            .ok()
    }

    /// Whether it belongs to what the workspace holds now: its branch was not moved since.
    ///
    /// # Errors
    /// If the workspace's record is gone or git fails.
    pub fn is_current(&self, git: &Git, workspace: &Workspace) -> Result<bool> {
        let place = Place::open(git, workspace)?;
        let head = place.head_commit()?;
        Ok(head.is_some() && self.start() == head)
    }

    /// Notes that everything in it was brought home.
    ///
    /// # Errors
    /// If the note cannot be written.
    pub fn emptied(&self) -> Result<()> {
        write(&self.folder.join("emptied"), "")
    }

    /// Whether everything in it was brought home and nobody got it since.
    pub fn is_emptied(&self) -> bool {
        self.folder.join("emptied").exists()
    }

    /// Makes it for what the workspace holds now. One that is there stays, with what earlier units left in it.
    ///
    /// # Errors
    /// If the workspace's record is gone, or git or the file system fails.
    pub fn prepare(&self, git: &Git, workspace: &Workspace) -> Result<()> {
        if self.exists() {
            return disk::remove_if_there(&self.folder.join("emptied"));
        }
        let place = Place::open(git, workspace)?;
        let fresh = disk::with_suffix(&self.folder, ".new");
        disk::delete_tree(&fresh)?;
        disk::delete_tree(&self.folder)?;
        make_folder(&fresh)?;
        // On the disk that it is to be renamed on.
        let git_dir = match &self.within {
            Some(_) => disk::free_name(&place::trash_beside(&place.work)?, "git-new")?,
            None => fresh.join("git"),
        };
        self.fill(&place, &fresh, &git_dir)
            .with_context(|| format!("preparing a private git directory for {}", workspace.path))?;
        disk::rename(&fresh, &self.folder)?;
        if self.within.is_some() {
            place.own_dot_git(&git_dir)?;
        }
        Ok(())
    }

    /// The folder that holds everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves it away, to be looked at by a person. Does nothing if it is not there.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn move_to(&self, aside: &Path) -> Result<()> {
        if !self.exists() {
            return Ok(());
        }
        if let Some(folder) = aside.parent() {
            make_folder(folder)?;
        }
        disk::rename(&self.folder, aside)?;
        self.leave()
    }

    /// Gives the workspace its ordinary `.git` back; its own goes to the trash beside it.
    fn leave(&self) -> Result<()> {
        match &self.within {
            Some(workspace) => place::leave_dot_git(workspace),
            None => Ok(()),
        }
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// If something cannot be deleted.
    pub fn forget(&self) -> Result<()> {
        self.leave()?;
        disk::delete_tree(&self.folder)
    }

    fn fill(&self, place: &Place<'_>, fresh: &Path, git: &Path) -> Result<()> {
        let common = place.git.common_dir();
        let head = place
            .head_commit()?
            .context("the workspace stands on no commit")?;
        let sha256 = head.as_str().len() == 64;
        let settings = settings(place.git)?;
        let refs = known_refs(place.git)?;

        for folder in [
            "objects/info",
            "objects/pack",
            "refs/heads",
            "refs/tags",
            "info",
        ] {
            make_folder(&git.join(folder))?;
        }
        let head_text = match &place.head {
            Head::Branch(name) => format!("ref: {name}\n"),
            Head::Detached => format!("{head}\n"),
        };
        write(&git.join("HEAD"), &head_text)?;
        write(
            &git.join("config"),
            &config(sha256, place.extent, &settings),
        )?;
        write(&git.join("packed-refs"), &refs)?;
        let borrowed = common.join("objects");
        write(
            &git.join("objects/info/alternates"),
            &format!("{}\n", borrowed.display()),
        )?;
        write(&git.join("info/exclude"), &excludes(place.git)?)?;
        copy_if_there(
            &common.join("info/attributes"),
            &git.join("info/attributes"),
        )?;
        copy_if_there(&common.join("shallow"), &git.join("shallow"))?;
        if place.extent != Extent::Full {
            let patterns = "info/sparse-checkout";
            copy_if_there(&place.admin.join(patterns), &git.join(patterns))?;
        }
        // With its time: without it git's protection against edits in the second of writing is off.
        disk::copy_file(&place.admin.join(SEED), &git.join("index"), true)
            .context("copying the index")?;

        let reader = fresh.join("reader");
        make_folder(&reader.join("refs"))?;
        make_folder(&reader.join("objects"))?;
        write(&reader.join("HEAD"), "ref: refs/heads/none\n")?;
        write(&reader.join("config"), &config(sha256, Extent::Full, &[]))?;
        let pointer = format!("gitdir: {}\n", self.git_dir().display());
        write(&fresh.join("dotgit"), &pointer)?;
        write(&fresh.join("gitconfig"), &person(&settings))?;
        let ids: String = refs.lines().filter_map(|line| line.split_once(' ')).fold(
            format!("{head}\n"),
            |mut ids, (id, _)| {
                let _ = writeln!(ids, "{id}");
                ids
            },
        );
        write(&fresh.join("known"), &ids)?;
        write(&fresh.join("head"), &format!("{head}\n"))
    }
}

/// Writes a file. All of them can be made again: nothing is synced.
fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

fn copy_if_there(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        fs::copy(from, to)
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Branches, tags and what is known of remotes, as a `packed-refs` file.
fn known_refs(git: &Git) -> Result<String> {
    let mut refs = git
        .command()
        .args(["for-each-ref", "--format=%(objectname) %(refname)"])
        .args(["refs/heads", "refs/remotes", "refs/tags"])
        .text()?;
    if !refs.is_empty() {
        refs.push('\n');
    }
    Ok(refs)
}

/// The settings that are taken over, in their order.
fn settings(git: &Git) -> Result<Vec<(String, String)>> {
    let output = git
        .command()
        .args(["config", "-z", "--get-regexp", SETTINGS])
        .run()?;
    let mut settings: Vec<(String, String)> = String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            (key.to_owned(), value.to_owned())
        })
        .collect();
    // Whatever git takes a person's name from; without one, commits fail in the sandbox as they do outside.
    if let Ok(ident) = git.ident()
        && let Some((name, mail)) = ident.rsplit_once(" <")
    {
        settings.retain(|(key, _)| !key.starts_with("user."));
        settings.push(("user.name".to_owned(), name.to_owned()));
        let mail = mail.trim_end_matches('>').to_owned();
        settings.push(("user.email".to_owned(), mail));
    }
    Ok(settings)
}

/// A configuration file. Nothing runs by itself: no hooks are there, and nothing is collected as garbage.
fn config(sha256: bool, extent: Extent, settings: &[(String, String)]) -> String {
    let mut pairs = vec![
        (
            "core.repositoryformatversion",
            if sha256 { "1" } else { "0" },
        ),
        ("core.bare", "false"),
        ("core.logallrefupdates", "true"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
    ];
    if sha256 {
        pairs.push(("extensions.objectformat", "sha256"));
    }
    if let Extent::Sparse { cone } = extent {
        pairs.push(("core.sparsecheckout", "true"));
        pairs.push((
            "core.sparsecheckoutcone",
            if cone { "true" } else { "false" },
        ));
    }
    pairs.extend(
        settings
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    written(&pairs)
}

/// The person's own configuration, without anything of the repository.
fn person(settings: &[(String, String)]) -> String {
    let pairs: Vec<(&str, &str)> = settings
        .iter()
        .filter(|(key, _)| key.starts_with("user.") || key == "init.defaultbranch")
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    written(&pairs)
}

/// Settings in the form of git's configuration files.
fn written(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (key, value) in pairs {
        let (Some((section, rest)), Some((_, name))) = (key.split_once('.'), key.rsplit_once('.'))
        else {
            continue;
        };
        let sub = rest
            .strip_suffix(name)
            .and_then(|sub| sub.strip_suffix('.'));
        let _ = match sub {
            Some(sub) => writeln!(text, "[{section} \"{}\"]", escaped(sub)),
            None => writeln!(text, "[{section}]"),
        };
        let _ = writeln!(text, "\t{name} = \"{}\"", escaped(value));
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// What is ignored: by the repository and by the person, whose own file the sandbox may not show.
fn excludes(git: &Git) -> Result<String> {
    let mut text = String::new();
    let own = git
        .command()
        .args(["config", "--path", "--get", "core.excludesFile"])
        .run()?;
    let own = PathBuf::from(String::from_utf8_lossy(&own.stdout).trim_end());
    for file in [own, git.common_dir().join("info/exclude")] {
        if let Ok(part) = fs::read_to_string(&file) {
            text.push_str(&part);
            text.push('\n');
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_git_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let pairs = [
            ("core.eol", "lf"),
            ("filter.a.b \"c\".clean", "x \\ \"y\" # ; z\n "),
        ];
        fs::write(&file, written(&pairs)).unwrap();
        for (key, value) in pairs {
            let output = std::process::Command::new("git")
                .args(["config", "-z", "-f"])
                .arg(&file)
                .arg(key)
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                format!("{value}\0")
            );
        }
    }
}
