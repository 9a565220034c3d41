//! Brings home what was left in a private git directory: commits, stashes, unfinished merges.
//!
//! The directory belongs to whoever ran in the sandbox. Its refs and marks are read as plain files, without
//! following links, with a cap on everything; its objects come as a pack that git makes *in the sandbox*
//! (`script`), and `index-pack --strict` checks each of them on the way in. A configuration, a hook or an object
//! store that was prepared to run or show something is never looked at out here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use super::place::unfinished;
use super::private::Private;
use crate::git::{CommitSpec, Git, RefMove};
use crate::model::id::{CommitId, RefName};
use crate::model::op::RefUpdate;

/// How many refs and log lines are looked at.
const MANY: usize = 4096;

/// How many of the commits that they name are asked for.
const TIPS: usize = 256;

/// The largest list of refs or log that is read, in bytes.
const LARGE: u64 = 16 << 20;

/// Where what was found is kept.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The ref for the commits that were made on the branch.
    pub made: RefName,
    /// The ref for everything else: stashes, other branches, what was left behind.
    pub rescue: RefName,
    /// The time of the commit that binds the latter together: the same for a redo.
    pub at: Timestamp,
}

/// What was brought home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harvest {
    /// The last of the commits that were made on top of the start.
    pub tip: Option<CommitId>,
    /// Whether something is kept under the rescue ref.
    pub rescued: bool,
    /// What people should know.
    pub notes: Vec<String>,
}

/// What to run in the sandbox: a shell command and its standard input. It prints a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// For `/bin/sh -c`.
    pub run: String,
    /// The environment on top of the usual one.
    pub env: Vec<(String, String)>,
    /// The standard input.
    pub stdin: Vec<u8>,
}

/// Commits that refs and marks of a private git directory name, beyond what it knew at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// Where HEAD stands, if it moved.
    head: Option<CommitId>,
    /// What else is named, and as what.
    others: Vec<(CommitId, String)>,
    notes: Vec<String>,
}

/// Brings home what was left since the start. `pack` runs a script in the sandbox and returns what it printed.
/// Doing it again gives the same refs.
///
/// # Errors
/// If the objects are not sound, or git or the file system fails. The caller keeps the directory then.
pub fn harvest(
    git: &Git,
    private: &Private,
    keep: &Keep,
    pack: &mut dyn FnMut(&Script) -> Result<Vec<u8>>,
) -> Result<Harvest> {
    let Some(start) = private.start() else {
        return Ok(Harvest::default());
    };
    let found = find(private, &start);
    let mut harvest = Harvest {
        notes: found.notes,
        ..Harvest::default()
    };
    let wanted: Vec<&CommitId> = found
        .head
        .iter()
        .chain(found.others.iter().map(|(id, _)| id))
        .collect();
    if wanted.is_empty() {
        return Ok(harvest);
    }
    let bytes = pack(&script(git, private, &wanted)?)?;
    take_in(git, &bytes)?;
    let head = found.head.filter(|head| is_here(git, head));
    if let Some(head) = &head
        && git.is_ancestor(&start, head)?
    {
        name(git, &keep.made, head)?;
        harvest
            .notes
            .push(commits_note(git, &start, head, &keep.made)?);
        harvest.tip = Some(head.clone());
    }
    let mut others = found.others;
    others.extend(
        head.filter(|head| harvest.tip.as_ref() != Some(head))
            .map(|head| (head, "HEAD".to_owned())),
    );
    let lost = beyond(git, &start, harvest.tip.as_ref(), &others)?;
    if !lost.is_empty() {
        bind(git, &start, &lost, keep)?;
        harvest.rescued = true;
        let names: Vec<&str> = lost.iter().map(|(_, name)| name.as_str()).collect();
        harvest.notes.push(format!(
            "not in the collected files, kept as {}: {}",
            keep.rescue,
            names.join(", ")
        ));
    }
    Ok(harvest)
}

/// Reads what the directory names.
fn find(private: &Private, start: &CommitId) -> Found {
    let git_dir = private.git_dir();
    let known: BTreeSet<String> = read(&private.known()).lines().map(str::to_owned).collect();
    let refs = refs_of(&git_dir);
    let value = |name: &str| {
        refs.iter()
            .find(|(known, _)| known == name)
            .map(|(_, id)| id.clone())
    };
    let mut found = Found::default();
    let head_text = read(&git_dir.join("HEAD"));
    let head = match head_text.trim_end().strip_prefix("ref: ") {
        Some(name) => value(name.trim()),
        None => head_text.trim_end().parse().ok(),
    };
    if let Some(head) = head.filter(|head| head != start) {
        if known.contains(head.as_str()) {
            found
                .notes
                .push(format!("HEAD was left on {}", head.short()));
        } else {
            found.head = Some(head);
        }
    }
    let mut add = |id: CommitId, what: String| {
        let is_new = !known.contains(id.as_str()) && found.head.as_ref() != Some(&id);
        if is_new && found.others.len() < TIPS && !found.others.iter().any(|(o, _)| *o == id) {
            found.others.push((id, what));
        }
    };
    for (name, id) in &refs {
        add(id.clone(), label(name));
    }
    for id in log(&git_dir.join("logs/refs/stash")) {
        add(id, "a stash".to_owned());
    }
    for mark in [
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "rebase-merge/orig-head",
        "rebase-apply/orig-head",
        "ORIG_HEAD",
    ] {
        if let Some(id) = read(&git_dir.join(mark))
            .lines()
            .next()
            .and_then(|id| id.parse().ok())
        {
            add(id, mark.to_owned());
        }
    }
    for name in entries(&git_dir.join("worktrees")) {
        let file = git_dir.join("worktrees").join(&name).join("HEAD");
        if let Ok(id) = read(&file).trim_end().parse() {
            add(id, format!("HEAD of the worktree {name}"));
        }
    }
    for id in log(&git_dir.join("logs/HEAD")) {
        add(id, "a commit that was left behind".to_owned());
    }
    found.notes.extend(
        unfinished(&git_dir)
            .into_iter()
            .map(|what| format!("{what} was left unfinished")),
    );
    found
}

fn label(name: &str) -> String {
    match name {
        "refs/stash" => "a stash".to_owned(),
        _ => name.strip_prefix("refs/heads/").unwrap_or(name).to_owned(),
    }
}

/// All refs below `refs/`, loose ones before packed ones.
fn refs_of(git_dir: &Path) -> Vec<(String, CommitId)> {
    let mut refs = Vec::new();
    let mut waiting = vec!["refs".to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = waiting.pop() {
        for name in entries(&git_dir.join(&folder)) {
            looked_at += 1;
            if looked_at > MANY {
                return refs;
            }
            let name = format!("{folder}/{name}");
            let path = git_dir.join(&name);
            if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                waiting.push(name);
            } else if let Ok(id) = read(&path).trim_end().parse() {
                refs.push((name, id));
            }
        }
    }
    let packed = read(&git_dir.join("packed-refs"));
    for line in packed.lines().filter(|line| !line.starts_with(['#', '^'])) {
        if let Some((id, name)) = line.split_once(' ')
            && let Ok(id) = id.parse()
            && refs.len() < 64 * MANY
        {
            refs.push((name.to_owned(), id));
        }
    }
    refs
}

/// The names in a folder, sorted; nothing if it is a link or not there.
fn entries(folder: &Path) -> Vec<String> {
    if !folder.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Vec::new();
    }
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = names
        .take(MANY)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// A file's text; nothing if it is no plain file or too large.
fn read(path: &Path) -> String {
    let meta = path.symlink_metadata();
    if !meta.is_ok_and(|meta| meta.is_file() && meta.len() <= LARGE) {
        return String::new();
    }
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The values that a ref had, the latest first.
fn log(file: &Path) -> Vec<CommitId> {
    let text = read(file);
    let values = text
        .lines()
        .rev()
        .filter_map(|line| line.split(' ').nth(1)?.parse().ok());
    values.take(MANY).collect()
}

/// Packs what is wanted and not known, with a git that reads no settings of the private directory.
fn script(git: &Git, private: &Private, wanted: &[&CommitId]) -> Result<Script> {
    let path = |path: &Path| -> Result<String> {
        path.to_str()
            .map(str::to_owned)
            .with_context(|| format!("the path {} is not UTF-8", path.display()))
    };
    let mut stdin = String::new();
    for id in wanted {
        let _ = writeln!(stdin, "{id}");
    }
    // A log may name what was thrown away since, and the repository may have lost a branch.
    let run = "list='git rev-list --ignore-missing --no-walk=unsorted --stdin'; \
               { $list; $list < \"$KNOWN\" | sed 's/^/^/'; } | \
               git pack-objects --revs --thin --stdout -q";
    let env = [
        ("GIT_DIR", private.reader()),
        ("GIT_OBJECT_DIRECTORY", private.git_dir().join("objects")),
        (
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            git.common_dir().join("objects"),
        ),
        ("KNOWN", private.known()),
    ];
    let mut pairs = vec![
        ("GIT_NO_REPLACE_OBJECTS".to_owned(), "1".to_owned()),
        ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()),
    ];
    for (name, value) in env {
        pairs.push((name.to_owned(), path(&value)?));
    }
    Ok(Script {
        run: run.to_owned(),
        env: pairs,
        stdin: stdin.into_bytes(),
    })
}

/// Takes a pack into the repository: every object is checked, and that what it names is there.
fn take_in(git: &Git, pack: &[u8]) -> Result<()> {
    // A pack's head: four letters, a version, the number of objects.
    if pack.get(..4) != Some(b"PACK") {
        bail!("the private git directory gave no pack");
    }
    if pack.get(8..12) == Some(&[0; 4]) {
        return Ok(());
    }
    git.command()
        .config("transfer.fsckObjects", "true")
        .args(["index-pack", "--strict", "--fix-thin", "--stdin"])
        .stdin(pack)
        .effect(&git.effects_folder())
        .ok()
        .context("taking commits in from a private git directory")?;
    Ok(())
}

fn is_here(git: &Git, id: &CommitId) -> bool {
    git.tree_of(id).is_ok()
}

fn name(git: &Git, name: &RefName, commit: &CommitId) -> Result<()> {
    let update = RefUpdate {
        name: name.clone(),
        old: git.read_ref(name)?,
        new: Some(commit.clone()),
    };
    match git.update_refs(&[update], "dynwf: made in a sandbox")? {
        RefMove::Moved | RefMove::Already => Ok(()),
        RefMove::Refused { name, .. } => bail!("{name} was moved meanwhile"),
    }
}

fn commits_note(git: &Git, start: &CommitId, head: &CommitId, at: &RefName) -> Result<String> {
    let count = git
        .command()
        .args(["rev-list", "--count", "--end-of-options"])
        .arg(format!("{start}..{head}"))
        .text()?;
    let message = git.message_of(head)?;
    let subject = message.lines().next().unwrap_or_default();
    let subject = crate::model::path::printable(subject);
    let commits = if count == "1" { "commit" } else { "commits" };
    Ok(format!(
        "{count} {commits} were made in it, up to \"{subject}\", and kept as {at}; its files are collected as one"
    ))
}

/// What neither the start nor the tip holds, without what another of them holds.
fn beyond(
    git: &Git,
    start: &CommitId,
    tip: Option<&CommitId>,
    others: &[(CommitId, String)],
) -> Result<Vec<(CommitId, String)>> {
    let mut lost: Vec<(CommitId, String)> = Vec::new();
    for (id, what) in others.iter().filter(|(id, _)| is_here(git, id)) {
        let mut holders = vec![start];
        holders.extend(tip);
        holders.extend(lost.iter().map(|(id, _)| id));
        let mut held = false;
        for holder in holders {
            held = held || git.is_ancestor(id, holder)?;
        }
        if !held {
            lost.push((id.clone(), what.clone()));
        }
    }
    Ok(lost)
}

/// Binds commits together under the rescue ref.
fn bind(git: &Git, start: &CommitId, lost: &[(CommitId, String)], keep: &Keep) -> Result<()> {
    let mut message = "dynwf: rescued from a private git directory\n".to_owned();
    for (id, what) in lost {
        let _ = write!(message, "\n  {} {what}", id.short());
    }
    let commit = git.commit(&CommitSpec {
        tree: git.tree_of(&lost[0].0)?,
        parents: std::iter::once(start.clone())
            .chain(lost.iter().map(|(id, _)| id.clone()))
            .collect(),
        message,
        at: keep.at,
    })?;
    name(git, &keep.rescue, &commit)
}
