//! What dynwf does, in a process of its own so that its memory and its CPU time are nobody else's.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use dynwf::git::{CommitSpec, Git, RefMove, TreeMerge};
use dynwf::model::id::CommitId;
use dynwf::model::reference::RefUpdate;
use jiff::Timestamp;

use crate::place::{children_cpu, own_cpu, peak_memory};
use crate::repository::{PACKETS, branch};

/// Does a task and prints what it found; returns whether it knows the task.
pub(crate) fn run(task: &str, dir: &Path) -> Result<bool> {
    match task {
        "integrate" => integrate(dir)?,
        "probe" => probe(dir)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn commit(git: &Git, name: &str) -> Result<CommitId> {
    let found = git.resolve(&format!("refs/heads/{name}"))?;
    found.with_context(|| format!("there is no branch {name}"))
}

/// All branches into one, a merge commit each, and a branch at the last. Prints the tree, the CPU time in milliseconds and the
/// peak memory in megabytes.
fn integrate(dir: &Path) -> Result<()> {
    let git = Git::discover(dir)?;
    let mut batch = git.batch()?;
    let mut ours = commit(&git, "main")?;
    let mut last = git.tree_of(&ours)?;
    for number in 0..PACKETS {
        let theirs = commit(&git, &branch(number))?;
        let TreeMerge::Clean { tree, road: "tree" } = batch.merge_tree(&ours, &theirs)? else {
            bail!("packet {number} does not merge in this process");
        };
        ours = batch.commit(&CommitSpec {
            tree: tree.clone(),
            parents: vec![ours, theirs],
            message: "merge".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        })?;
        last = tree;
    }
    batch.write()?;
    let update = RefUpdate {
        name: "refs/heads/integration".parse()?,
        old: None,
        new: Some(ours),
    };
    if git.update_refs(&[update], "integrate")? != RefMove::Moved {
        bail!("the branch did not move");
    }
    let cpu = own_cpu()? + children_cpu()?;
    println!("{last} {cpu} {}", peak_memory()?);
    Ok(())
}

/// All pairs of branches. Prints the CPU time in milliseconds.
fn probe(dir: &Path) -> Result<()> {
    let git = Git::discover(dir)?;
    let tips: Vec<CommitId> = (0..PACKETS)
        .map(|number| commit(&git, &branch(number)))
        .collect::<Result<_>>()?;
    let mut batch = git.batch()?;
    let before = own_cpu()?;
    for (at, ours) in tips.iter().enumerate() {
        for theirs in &tips[at + 1..] {
            let TreeMerge::Clean { road: "tree", .. } = batch.probe(None, ours, theirs)? else {
                bail!("{ours} and {theirs} do not merge in this process");
            };
        }
    }
    println!("{}", own_cpu()? - before);
    Ok(())
}
