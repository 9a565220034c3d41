//! Turns what lies in a workspace into a commit, without moving any ref.

use std::path::Path;

use anyhow::{Result, bail};
use jiff::Timestamp;

use super::disk;
use super::place::{Head, PRIVATE, Place, id_bytes};
use super::survey::{Survey, nul_joined, survey};
use crate::git::{CommitSpec, Git};
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::Workspace;

/// What to collect against.
#[derive(Clone, Debug)]
pub struct CollectSpec {
    /// The commit that the packet started from: only the difference to it counts, however the agent made it,
    /// and it is the parent of what is collected.
    pub base: CommitId,
    /// What was collected in this workspace before, if anything was: not news when HEAD stands there.
    pub earlier: Option<CommitId>,
    /// The time of the commit: the time of the event that asked for it, so that a redo gives the same id.
    pub at: Timestamp,
    /// The message, trailers included.
    pub message: String,
}

/// What was collected.
#[derive(Clone, Debug)]
pub struct Collection {
    /// The work, or why there is none.
    pub outcome: Outcome,
    /// What people should know.
    pub notes: Vec<String>,
    /// Where the workspace's branch is. Somebody who commits in a workspace without a sandbox moves it; then
    /// this, not the base, is the value that it has before it is moved to the tip.
    pub found_branch: Option<CommitId>,
    /// Where HEAD of the workspace is: on another branch, perhaps, if somebody changed branches.
    pub found_head: Option<CommitId>,
}

/// The work, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The files are those of the base.
    Nothing,
    /// A commit that holds the work. No ref names it yet; [`settle`] follows once the branch does.
    Work {
        /// The commit.
        tip: CommitId,
        /// Its tree.
        tree: TreeId,
    },
    /// Something lies there that cannot be collected: one line each.
    Refused {
        /// What, and why.
        why: Vec<String>,
    },
}

/// Collects the work in a workspace. Moves no ref and leaves the ordinary index alone. No unit may be alive in
/// the workspace. Collecting again gives the same commit.
///
/// # Errors
/// If git or the file system fails. What the agent did, be it that it removed the whole worktree, is never an
/// error but [`Outcome::Refused`].
pub fn collect(git: &Git, workspace: &Workspace, spec: &CollectSpec) -> Result<Collection> {
    let mut collection = Collection {
        outcome: Outcome::Nothing,
        notes: Vec::new(),
        found_branch: None,
        found_head: None,
    };
    let place = match Place::open(git, workspace) {
        Ok(place) => place,
        Err(why) => {
            let why = vec![format!("the workspace was taken apart: {why:#}")];
            collection.outcome = Outcome::Refused { why };
            return Ok(collection);
        }
    };
    collection.found_head = place.head_commit()?;
    if let Head::Branch(name) = &place.head {
        collection.found_branch = git.read_ref(name)?;
    }
    collection.notes = what_the_agent_did(&place, spec, &collection)?;
    if !place.is_there()? {
        let why = "the workspace directory is gone, or another one lies in its place";
        collection.outcome = Outcome::Refused {
            why: vec![why.to_owned()],
        };
        return Ok(collection);
    }
    if place.was_made_sparse() {
        let why = "a sparse checkout was set up in it: what it hides would look deleted";
        collection.outcome = Outcome::Refused {
            why: vec![why.to_owned()],
        };
        return Ok(collection);
    }
    let recorded = match record(&place, PRIVATE, id_bytes(&spec.base))? {
        Ok(recorded) => recorded,
        Err(why) => {
            collection.outcome = Outcome::Refused { why };
            return Ok(collection);
        }
    };
    collection.notes.extend(recorded.notes);
    if recorded.tree != git.tree_of(&spec.base)? {
        let tip = git.commit(&CommitSpec {
            tree: recorded.tree.clone(),
            parents: vec![spec.base.clone()],
            message: spec.message.clone(),
            at: spec.at,
        })?;
        collection.outcome = Outcome::Work {
            tip,
            tree: recorded.tree,
        };
    }
    Ok(collection)
}

/// Lets the workspace follow after its branch moved to what was collected: the private index becomes the
/// index, HEAD stands on the workspace's branch again, `.git` is ours again, and a merge that somebody left
/// unfinished is forgotten (its content was collected). Doing it again changes nothing.
///
/// # Errors
/// If the administrative folder is gone or a file cannot be written.
pub fn settle(git: &Git, workspace: &Workspace) -> Result<()> {
    let place = Place::open(git, workspace)?;
    let private = place.admin.join(PRIVATE);
    if disk::exists(&private)? {
        place.adopt_index(&private)?;
    }
    if place.is_there()? {
        place.restore_dot_git()?;
    }
    if let Head::Branch(name) = &place.head
        && place.head_now()? != place.head
    {
        place
            .command()
            .args(["symbolic-ref", "HEAD", name.as_str()])
            .ok()?;
    }
    forget_merge(&place.admin)
}

/// Removes the files that say that a merge, a cherry-pick or a revert is under way.
pub(super) fn forget_merge(admin: &Path) -> Result<()> {
    for name in [
        "MERGE_HEAD",
        "MERGE_MSG",
        "MERGE_MODE",
        "AUTO_MERGE",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "SQUASH_MSG",
    ] {
        disk::remove_if_there(&admin.join(name))?;
    }
    Ok(())
}

/// A tree with everything that lies in a workspace.
pub(super) struct Recorded {
    pub(super) tree: TreeId,
    pub(super) notes: Vec<String>,
}

/// Writes everything into a private index called `name` and makes its tree; `Err` inside: what refuses.
pub(super) fn record(
    place: &Place<'_>,
    name: &str,
    id_bytes: usize,
) -> Result<Result<Recorded, Vec<String>>> {
    let private = place.private_index(name)?;
    let index = place.read_index(&private, id_bytes)?;
    let mut survey = survey(place, &index, &private)?;
    if !survey.refused.is_empty() {
        disk::remove_if_there(&private)?;
        return Ok(Err(survey
            .refused
            .iter()
            .map(ToString::to_string)
            .collect()));
    }
    if let Err(complaint) = update(place, &private, &survey)? {
        disk::remove_if_there(&private)?;
        return Ok(Err(vec![complaint]));
    }
    let tree = write_tree(place, &private)?;
    Ok(Ok(Recorded {
        tree,
        notes: std::mem::take(&mut survey.notes),
    }))
}

/// Hands the differences to git; `Err` inside: what git complained of.
pub(super) fn update(
    place: &Place<'_>,
    private: &Path,
    survey: &Survey,
) -> Result<Result<(), String>> {
    // Removals first and without a look at the disk: what was a directory may be a link by now.
    let removals = ["update-index", "-z", "--force-remove", "--stdin"];
    let changes = ["update-index", "-z", "--add", "--replace", "--stdin"];
    for (args, paths) in [
        (&removals[..], &survey.removed),
        (&changes[..], &survey.changed),
    ] {
        if paths.is_empty() {
            continue;
        }
        let output = place
            .with_index(private)
            .args(args)
            .stdin(nul_joined(paths.iter().map(Vec::as_slice)))
            .run()?;
        if !output.success() {
            return Ok(Err(format!(
                "git could not record the changes: {}",
                output.complaint()
            )));
        }
    }
    Ok(Ok(()))
}

pub(super) fn write_tree(place: &Place<'_>, private: &Path) -> Result<TreeId> {
    let text = place.with_index(private).arg("write-tree").text()?;
    match text.parse() {
        Ok(tree) => Ok(tree),
        Err(_) => bail!("git write-tree answered `{text}`"),
    }
}

/// What people should know about how the agent left git's state; nothing of it changes the result.
fn what_the_agent_did(
    place: &Place<'_>,
    spec: &CollectSpec,
    collection: &Collection,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let now = place.head_now()?;
    if now != place.head {
        let on = match &now {
            Head::Branch(name) => format!("on {}", name.short()),
            Head::Detached => "detached".to_owned(),
        };
        notes.push(format!("HEAD of the workspace was left {on}"));
    }
    if let Some(head) = &collection.found_head
        && *head != spec.base
        && Some(head) != spec.earlier.as_ref()
    {
        notes.push(format!(
            "commits were made in the workspace (up to {}); its files are collected as one commit",
            head.short()
        ));
    }
    if place.is_there()? && !super::place::names(&place.work, &place.admin) {
        notes.push("the workspace's .git was replaced; it was not looked at".to_owned());
    }
    notes.extend(
        super::place::unfinished(&place.admin)
            .into_iter()
            .map(|what| format!("{what} was left unfinished")),
    );
    Ok(notes)
}
