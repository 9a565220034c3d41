//! The proof that packets add up to what they were carved from.
//!
//! That they do is so by construction (see `ties`); here it is tried all the same, outside of the repository: all changes
//! together give the tree, so do the packets merged one after another in several orders (in all, where there are few
//! packets), every two packets give the same both ways, and `git merge-tree` alone gives the tree as well.

use anyhow::Result;

use crate::error::{ExitCode, Failure};
use crate::git::{Chain, Change, Git, Trial};
use crate::model::carve::CarveProof;
use crate::model::id::{CommitId, PacketId, TreeId};

/// All orders are tried of at most so many packets.
const ALL_ORDERS: usize = 4;

/// How many orders are tried of more: as planned, back to front, and mixed.
const ORDERS: usize = 6;

/// Every two are tried of at most so many packets.
const ALL_PAIRS: usize = 64;

/// What is to be proved.
pub(super) struct Claim<'a> {
    pub(super) base: &'a CommitId,
    /// The tree of the base.
    pub(super) from: &'a TreeId,
    /// The tree that everything gives together.
    pub(super) tree: &'a TreeId,
    pub(super) packets: Vec<(&'a PacketId, Vec<&'a Change>)>,
}

/// Proves it; nothing reaches the repository.
///
/// # Errors
/// A failure with exit code 6 that names the packet and the path where it does not hold.
pub(super) fn prove(git: &Git, claim: &Claim<'_>) -> Result<CarveProof> {
    let mut trial = git.trial()?;
    let all: Vec<&Change> = claim
        .packets
        .iter()
        .flat_map(|(_, changes)| changes.iter().copied())
        .collect();
    let together = trial.tree_with(claim.from, &all)?;
    if &together != claim.tree {
        return Err(other_tree(
            &mut trial,
            claim,
            &together,
            "all changes together give",
        ));
    }
    let mut tips = Vec::with_capacity(claim.packets.len());
    for (_, changes) in &claim.packets {
        let tree = trial.tree_with(claim.from, changes)?;
        tips.push(trial.commit(&tree, claim.base)?);
    }
    let mut proof = CarveProof::default();
    let count = tips.len();
    let (orders, every) = orders(count);
    for order in &orders {
        let tree = merged(&mut trial, claim, &tips, order, false, &mut proof)?;
        expect(&mut trial, claim, &tree, order)?;
        proof.orders += 1;
    }
    proof.every_order = every;
    if count <= ALL_PAIRS {
        for one in 0..count {
            for other in one + 1..count {
                let there = merged(&mut trial, claim, &tips, &[one, other], false, &mut proof)?;
                let back = merged(&mut trial, claim, &tips, &[other, one], false, &mut proof)?;
                if there != back {
                    let path = first_difference(&mut trial, &there, &back);
                    let names = [claim.packets[one].0, claim.packets[other].0];
                    return Err(failure(format!(
                        "packets {} and {} give another result the other way round{path}",
                        names[0], names[1]
                    )));
                }
                proof.pairs += 1;
            }
        }
    }
    let plan: Vec<usize> = (0..count).collect();
    let tree = merged(&mut trial, claim, &tips, &plan, true, &mut proof)?;
    expect(&mut trial, claim, &tree, &plan)?;
    Ok(proof)
}

/// Merges packets in this order.
fn merged(
    trial: &mut Trial,
    claim: &Claim<'_>,
    tips: &[CommitId],
    order: &[usize],
    by_git: bool,
    proof: &mut CarveProof,
) -> Result<TreeId> {
    let chosen: Vec<&CommitId> = order.iter().map(|&at| &tips[at]).collect();
    match trial.merge_in_turn(claim.base, &chosen, by_git)? {
        Chain::Clean { tree, by_program } => {
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            proof.by_git += count(by_program);
            proof.in_process += count(order.len() - by_program);
            Ok(tree)
        }
        Chain::Conflicted { at, files } => {
            let packet = claim.packets[order[at]].0;
            let before = names(claim, &order[..at]);
            let what = files.first().map_or_else(String::new, |file| {
                format!(" in {} ({})", file.path, file.kind)
            });
            Err(failure(format!(
                "packet {packet} does not merge after {before}: a conflict{what}"
            )))
        }
    }
}

fn expect(trial: &mut Trial, claim: &Claim<'_>, tree: &TreeId, order: &[usize]) -> Result<()> {
    if tree == claim.tree {
        return Ok(());
    }
    let what = format!("merging {} gives", names(claim, order));
    Err(other_tree(trial, claim, tree, &what))
}

fn names(claim: &Claim<'_>, order: &[usize]) -> String {
    let names: Vec<&str> = order
        .iter()
        .map(|&at| claim.packets[at].0.as_str())
        .collect();
    names.join(", ")
}

fn other_tree(trial: &mut Trial, claim: &Claim<'_>, tree: &TreeId, what: &str) -> anyhow::Error {
    let path = first_difference(trial, claim.tree, tree);
    failure(format!(
        "{what} tree {}, not {}{path}",
        tree.short(),
        claim.tree.short()
    ))
}

fn first_difference(trial: &mut Trial, one: &TreeId, other: &TreeId) -> String {
    match trial.differing(one, other) {
        Ok(paths) => match paths.first() {
            Some(path) => format!("; they differ in {path}"),
            None => {
                "; they differ in entries that git does not write any more, such as mode 100664"
                    .to_owned()
            }
        },
        Err(error) => format!("; comparing them failed: {error:#}"),
    }
}

fn failure(message: String) -> anyhow::Error {
    Failure::new(ExitCode::VerificationFailed, message)
        .hint("nothing was changed; another --by, or fewer packets, keeps those paths together")
        .into()
}

/// The orders that are tried, and whether these are all.
fn orders(count: usize) -> (Vec<Vec<usize>>, bool) {
    let plan: Vec<usize> = (0..count).collect();
    if count <= ALL_ORDERS {
        let mut all = vec![Vec::new()];
        for _ in 0..count {
            let longer = |order: &Vec<usize>| {
                let left = plan.iter().filter(|at| !order.contains(at));
                left.map(|&at| [&order[..], &[at]].concat()).collect()
            };
            all = all
                .iter()
                .flat_map(|order| -> Vec<Vec<usize>> { longer(order) })
                .collect();
        }
        return (all, true);
    }
    let mut orders = vec![plan.clone(), plan.iter().rev().copied().collect()];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    while orders.len() < ORDERS {
        let mut mixed = plan.clone();
        for at in (1..count).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(seed >> 33).unwrap_or(0) % (at + 1);
            mixed.swap(at, other);
        }
        orders.push(mixed);
    }
    (orders, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_packets_are_tried_in_all_orders_and_many_in_some() {
        let (all, every) = orders(4);
        assert_eq!((all.len(), every), (24, true));
        let (some, every) = orders(9);
        assert_eq!((some.len(), every), (ORDERS, false));
        for order in all.iter().chain(&some) {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..order.len()).collect::<Vec<_>>());
        }
        assert_eq!(orders(1).0, [vec![0]]);
    }
}
