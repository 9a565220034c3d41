//! A plan that cuts files into packets: `dynwf split --by`.
//!
//! The files of a commit that globs match are put into packets by directory, by owner, by size or by glob, each packet
//! with the same work to do and a scope of its own.
//!
//! Invariants: the same commit and request give the same plan; every matched file is in the scope of exactly one packet,
//! and no scope covers a file that was not matched (but for globs that were given as scopes); two scopes never meet.
//! Called by `cli`; `carve` cuts the paths of a change with the same parts.

mod balance;
mod group;
mod names;
mod owners;
mod pattern;
mod piece;
mod request;
mod together;

use std::collections::HashMap;

use anyhow::Result;

pub use group::PACKETS;
pub use owners::{Owners, PLACES};
pub use piece::{By, Piece};
pub use request::{Cut, Request, Row};
pub use together::COMMITS;

pub(in crate::plan) use group::{Rules, compiled, group, stands_alone};
pub(in crate::plan) use pattern::{Universe, tie_odd_names};
pub(in crate::plan) use piece::{Part, Ties};
pub(in crate::plan) use request::{Sliced, cut, owners_for, owners_note};
pub(in crate::plan) use together::together;

use crate::error::usage;
use crate::git::{Git, TreeEntry};
use crate::model::id::CommitId;
use crate::model::path::RepoPath;

/// The mode of a submodule's entry.
const GITLINK: u32 = 0o160_000;

/// Cuts the files of `base` that the request's globs match.
///
/// # Errors
/// A usage failure if nothing matches, a glob is none or matches nothing, there is no CODEOWNERS file, a name cannot be
/// told from another by any pattern, or there would be too many packets; else if the repository cannot be read.
pub fn shard(git: &Git, base: &CommitId, request: &Request<'_>) -> Result<Cut> {
    let files = git.files(&git.tree_of(base)?)?;
    let matched = matched(&files, base, request)?;
    let ids: Vec<&str> = matched.iter().map(|file| file.oid.as_str()).collect();
    let sizes = git.blob_sizes(&ids)?;
    let pieces: Vec<Piece> = matched
        .iter()
        .zip(sizes)
        .map(|(file, size)| Piece {
            path: file.path.clone(),
            bytes: size.unwrap_or(0),
        })
        .collect();
    let mut ties = Ties::none(pieces.len());
    tie_odd_names(&pieces, &mut ties);
    let index: HashMap<&[u8], usize> = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| (piece.path.as_bytes(), at))
        .collect();
    let paths: Vec<&RepoPath> = files.iter().map(|file| &file.path).collect();
    let unmatched: Vec<&RepoPath> = paths
        .iter()
        .filter(|path| !index.contains_key(path.as_bytes()))
        .copied()
        .collect();
    if let Some((odd, other)) = pattern::covered_by_chance(&pieces, &unmatched) {
        return Err(usage(
            format!(
                "{odd} is no UTF-8 text or holds control characters, and the pattern for it would cover {other} too, \
                 which --paths does not match"
            ),
            "choose globs that match both or neither, or give the file another name",
        ));
    }
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
    let parts = group(&pieces, &mut ties, &rules)?;
    let mut part_of = vec![None; pieces.len()];
    for (at, part) in parts.iter().enumerate() {
        for &piece in &part.pieces {
            part_of[piece] = Some(at);
        }
    }
    let of_path = |path: &[u8]| index.get(path).and_then(|&piece| part_of[piece]);
    let universe = Universe::new(paths.iter().copied(), of_path);
    let mut notes = owners_note(owners.as_ref());
    notes.extend(overlapping(request));
    let sliced = Sliced {
        pieces: &pieces,
        parts: &parts,
        universe: &universe,
    };
    let mut cut = cut(&sliced, request)?;
    cut.notes.splice(0..0, notes);
    Ok(cut)
}

/// Says which globs meet, so that the first one's packet has what both match.
fn overlapping(request: &Request<'_>) -> Option<String> {
    let globs = request.paths;
    if request.by != By::Glob {
        return None;
    }
    let meets = |glob: &&String| !stands_alone(glob, globs);
    let meeting: Vec<&str> = globs.iter().filter(meets).map(String::as_str).collect();
    (!meeting.is_empty()).then(|| {
        format!(
            "{} can match the same files: the first that matches a file has it",
            meeting.join(" and ")
        )
    })
}

/// The files that the globs match.
fn matched<'a>(
    files: &'a [TreeEntry],
    base: &CommitId,
    request: &Request<'_>,
) -> Result<Vec<&'a TreeEntry>> {
    let scopes = compiled(request.paths)?;
    let mut used = vec![false; scopes.len()];
    let mut matched = Vec::new();
    for file in files.iter().filter(|file| file.mode != GITLINK) {
        let mut hit = false;
        for (used, scope) in used.iter_mut().zip(&scopes) {
            if (!hit || !*used) && scope.covers(file.path.as_bytes()) {
                (*used, hit) = (true, true);
            }
        }
        if hit {
            matched.push(file);
        }
    }
    if let Some(at) = used.iter().position(|used| !used) {
        return Err(usage(
            format!(
                "--paths `{}` matches no file of {}",
                request.paths[at],
                base.short()
            ),
            "globs are relative to the top of the repository; `**` crosses directories, `*` does not; quote them",
        ));
    }
    Ok(matched)
}
