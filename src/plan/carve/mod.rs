//! A branch that is there, carved into packets: `dynwf split --from-branch`.
//!
//! What differs between a base and a tip is put into packets, each with its share of the difference as one commit on the
//! base. What must stay together does (`ties`), and that the packets add up to the tip, in any order, is shown before
//! anything is made (`proof`).
//!
//! Invariants: nothing reaches the repository before [`Carving::commit`], and nothing refers to what it makes; every
//! changed path is in exactly one packet; the same two commits and request give the same packets. Called by `cli`.

mod proof;
mod ties;

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::shard::{
    By, Cut, Piece, Request, Rules, Sliced, Ties, Universe, compiled, cut, group, owners_for,
    owners_note, together,
};
use crate::error::usage;
use crate::git::{Change, CommitSpec, Git};
use crate::model::carve::CarveProof;
use crate::model::id::{CommitId, PacketId, TreeId};
use crate::model::path::RepoPath;
use crate::model::plan::Packet;
use crate::plan::shard::Part;
use proof::{Claim, prove};
use ties::{Around, ties};

/// A branch in packets.
#[derive(Clone, Debug)]
pub struct Carving {
    /// The plan, and what is in its packets.
    pub cut: Cut,
    /// The commit that the packets start from.
    pub base: CommitId,
    /// The commit that was carved.
    pub tip: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// How it was shown that the packets add up to it.
    pub proof: CarveProof,
    from: TreeId,
    changes: Vec<Change>,
    /// Each packet's changes.
    shares: Vec<Vec<usize>>,
}

/// One packet's share, as a commit.
#[derive(Clone, Debug)]
pub struct Share {
    /// The packet.
    pub packet: PacketId,
    /// The commit; its parent is the base.
    pub tip: CommitId,
    /// The tree of that commit.
    pub tree: TreeId,
}

/// Carves what differs between two commits.
///
/// # Errors
/// A usage failure if nothing differs, or as `shard` says; a failure with exit code 6 if the packets do not add up.
pub fn carve(git: &Git, base: &CommitId, tip: &CommitId, request: &Request<'_>) -> Result<Carving> {
    let (from, tree) = (git.tree_of(base)?, git.tree_of(tip)?);
    let mut changes = git.changes(&from, &tree)?;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    if changes.is_empty() {
        return Err(usage(
            format!("{} does not differ from {}", tip.short(), base.short()),
            "--base REV names the commit that the branch began at",
        ));
    }
    let pieces = pieces(git, &changes)?;
    let (before, after) = (git.files(&from)?, git.files(&tree)?);
    let renames = git.renames(&from, &tree)?;
    let around = Around {
        changes: &changes,
        base: &before,
        tip: &after,
        renames: &renames,
    };
    let mut ties = ties(&pieces, &around);
    let owners = owners_for(git, base, request.by)?;
    let together = match request.by {
        By::Size => together(git, base, &pieces)?,
        _ => Vec::new(),
    };
    let rules = Rules {
        by: request.by,
        globs: request.paths,
        owners: owners.as_ref().map(|(_, owners)| owners),
        together: &together,
        most: request.most,
    };
    let parts = parts(&pieces, &mut ties, &rules)?;
    let index: HashMap<&[u8], usize> = parts
        .iter()
        .enumerate()
        .flat_map(|(at, part)| part.pieces.iter().map(move |&piece| (piece, at)))
        .map(|(piece, at)| (pieces[piece].path.as_bytes(), at))
        .collect();
    let paths: Vec<&RepoPath> = before.iter().chain(&after).map(|file| &file.path).collect();
    let universe = Universe::new(paths, |path| index.get(path).copied());
    let sliced = Sliced {
        pieces: &pieces,
        parts: &parts,
        universe: &universe,
    };
    let mut cut = cut(&sliced, request)?;
    cut.notes.splice(0..0, owners_note(owners.as_ref()));
    let claim = Claim {
        base,
        from: &from,
        tree: &tree,
        packets: cut
            .rows
            .iter()
            .zip(&parts)
            .map(|(row, part)| {
                let share = part.pieces.iter().map(|&at| &changes[at]);
                (&row.id, share.collect())
            })
            .collect(),
    };
    let proof = prove(git, &claim)?;
    drop(claim);
    Ok(Carving {
        shares: parts.into_iter().map(|part| part.pieces).collect(),
        cut,
        base: base.clone(),
        tip: tip.clone(),
        tree,
        proof,
        from,
        changes,
    })
}

impl Carving {
    /// Makes a commit of each packet's share; nothing refers to them yet. `message` gives their messages.
    ///
    /// # Errors
    /// If git cannot make or sign them.
    pub fn commit(
        &self,
        git: &Git,
        at: Timestamp,
        message: impl Fn(&Packet) -> String,
    ) -> Result<Vec<Share>> {
        let mut batch = git.batch()?;
        let mut shares = Vec::with_capacity(self.shares.len());
        for (packet, share) in self.cut.plan.packets.iter().zip(&self.shares) {
            let changes: Vec<&Change> = share.iter().map(|&at| &self.changes[at]).collect();
            let spec = CommitSpec {
                tree: self.from.clone(),
                parents: vec![self.base.clone()],
                message: message(packet),
                at,
            };
            let (tip, tree) = batch
                .commit_changes(&spec, &changes)
                .with_context(|| format!("making the commit of packet {}", packet.id))?;
            shares.push(Share {
                packet: packet.id.clone(),
                tip,
                tree,
            });
        }
        batch.write()?;
        Ok(shares)
    }

    /// The paths that are there at the tip and not at the base.
    pub fn added(&self) -> Vec<RepoPath> {
        let added = self.changes.iter().filter(|change| change.old.is_none());
        added.map(|change| change.path.clone()).collect()
    }
}

/// A piece for each changed path: as large as what is there now, or was.
fn pieces(git: &Git, changes: &[Change]) -> Result<Vec<Piece>> {
    let ids: Vec<&str> = changes
        .iter()
        .filter_map(|change| change.new.as_ref().or(change.old.as_ref()))
        .map(|side| side.oid.as_str())
        .collect();
    let sizes = git.blob_sizes(&ids)?;
    let piece = |(change, size): (&Change, Option<u64>)| Piece {
        path: change.path.clone(),
        bytes: size.unwrap_or(0),
    };
    Ok(changes.iter().zip(sizes).map(piece).collect())
}

/// Groups the pieces; where only some paths were asked for, the others are a packet of their own, at the end.
fn parts(pieces: &[Piece], ties: &mut Ties, rules: &Rules<'_>) -> Result<Vec<Part>> {
    if rules.by == By::Glob || rules.globs.is_empty() {
        return group(pieces, ties, rules);
    }
    let scopes = compiled(rules.globs)?;
    let wanted = |piece: &Piece| {
        let path = piece.path.as_bytes();
        scopes.iter().any(|scope| scope.covers(path))
    };
    let (chosen, rest): (Vec<_>, Vec<_>) = ties
        .sets()
        .into_iter()
        .partition(|set| set.iter().any(|&piece| wanted(&pieces[piece])));
    let mut inside: Vec<usize> = chosen.concat();
    inside.sort_unstable();
    let places: HashMap<usize, usize> = inside.iter().copied().zip(0..).collect();
    let few: Vec<Piece> = inside.iter().map(|&at| pieces[at].clone()).collect();
    let mut few_ties = Ties::none(few.len());
    for set in &chosen {
        for &piece in set {
            few_ties.tie(places[&set[0]], places[&piece]);
        }
    }
    let mut parts = if few.is_empty() {
        Vec::new()
    } else {
        group(&few, &mut few_ties, rules)?
    };
    for part in &mut parts {
        for piece in &mut part.pieces {
            *piece = inside[*piece];
        }
    }
    let mut rest = rest.concat();
    rest.sort_unstable();
    if !rest.is_empty() {
        parts.push(Part {
            name: "rest".to_owned(),
            owner: None,
            glob: None,
            pieces: rest,
        });
    }
    Ok(parts)
}
