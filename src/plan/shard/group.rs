//! Which pieces go into which packet.
//!
//! Pieces that are tied go together: to the packet where most of their bytes would go.

use std::collections::BTreeMap;

use anyhow::Result;

use super::balance::balance;
use super::names::{common_folder, place_of};
use super::owners::Owners;
use super::piece::{By, Part, Piece, Ties};
use super::together::Pair;
use crate::error::usage;
use crate::model::scope::Scope;
use crate::plan::meet::meet;

/// How many packets `size` makes unless it is told.
pub const PACKETS: usize = 8;

/// What decides beside the pieces.
pub(in crate::plan) struct Rules<'a> {
    pub(in crate::plan) by: By,
    /// The globs, as they were given.
    pub(in crate::plan) globs: &'a [String],
    pub(in crate::plan) owners: Option<&'a Owners>,
    pub(in crate::plan) together: &'a [Pair],
    /// At most so many packets.
    pub(in crate::plan) most: Option<usize>,
}

/// Puts every piece into a packet.
///
/// # Errors
/// A usage failure if there would be more packets than there may be, or a glob is none.
pub(in crate::plan) fn group(
    pieces: &[Piece],
    ties: &mut Ties,
    rules: &Rules<'_>,
) -> Result<Vec<Part>> {
    match rules.by {
        By::Dir => Ok(by_dir(pieces, ties, rules.most)),
        By::Size => {
            let most = rules.most.unwrap_or(PACKETS);
            let packets = balance(pieces, ties, rules.together, most);
            Ok(packets
                .into_iter()
                .map(|members| Part {
                    name: place_of(pieces, &members),
                    owner: None,
                    glob: None,
                    pieces: members,
                })
                .collect())
        }
        By::Owner => limited(by_owner(pieces, ties, rules), rules, "owners"),
        By::Glob => limited(by_glob(pieces, ties, rules.globs)?, rules, "globs"),
    }
}

fn limited(parts: Vec<Part>, rules: &Rules<'_>, what: &str) -> Result<Vec<Part>> {
    match rules.most {
        Some(most) if parts.len() > most => Err(usage(
            format!(
                "the {what} make {} packets, and --max-packets allows {most}",
                parts.len()
            ),
            format!(
                "allow {} packets, or cut --by size, which makes as many as it may",
                parts.len()
            ),
        )),
        _ => Ok(parts),
    }
}

/// Collects sets of tied pieces under the key that most of their bytes have.
fn by_key<K: Ord + Clone>(
    pieces: &[Piece],
    ties: &mut Ties,
    key: impl Fn(usize) -> K,
) -> Vec<(K, Vec<usize>)> {
    let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for set in ties.sets() {
        let mut weights: BTreeMap<K, u64> = BTreeMap::new();
        for &piece in &set {
            *weights.entry(key(piece)).or_default() += pieces[piece].bytes.max(1);
        }
        let most = weights.values().copied().max().unwrap_or(0);
        if let Some((key, _)) = weights.into_iter().find(|&(_, weight)| weight == most) {
            groups.entry(key).or_default().extend(set);
        }
    }
    groups
        .into_iter()
        .map(|(key, mut members)| {
            members.sort_unstable();
            (key, members)
        })
        .collect()
}

/// A packet for each directory in the deepest one that holds everything, and one for the files that lie in that one.
fn by_dir(pieces: &[Piece], ties: &mut Ties, most: Option<usize>) -> Vec<Part> {
    let top = common_folder(pieces.iter().map(|piece| piece.path.as_bytes())).len();
    let key = |piece: usize| {
        let inside = &pieces[piece].path.as_bytes()[top..];
        let end = inside.iter().position(|&b| b == b'/').unwrap_or(0);
        inside[..end].to_vec()
    };
    let mut parts: Vec<Part> = by_key(pieces, ties, key)
        .into_iter()
        .map(|(name, members)| Part {
            name: if name.is_empty() {
                place_of(pieces, &members)
            } else {
                String::from_utf8_lossy(&name).into_owned()
            },
            owner: None,
            glob: None,
            pieces: members,
        })
        .collect();
    while most.is_some_and(|most| parts.len() > most.max(1)) {
        join_neighbours(pieces, &mut parts);
    }
    parts
}

/// Joins the two neighbours that are the smallest together.
fn join_neighbours(pieces: &[Piece], parts: &mut Vec<Part>) {
    let size = |at: usize| parts[at].bytes(pieces) + parts[at + 1].bytes(pieces);
    let Some(at) = (0..parts.len().saturating_sub(1)).min_by_key(|&at| (size(at), at)) else {
        return;
    };
    let next = parts.remove(at + 1);
    let part = &mut parts[at];
    let first = part.name.split(" to ").next().unwrap_or_default();
    let last = next.name.rsplit(" to ").next().unwrap_or_default();
    part.name = format!("{first} to {last}");
    part.pieces.extend(next.pieces);
    part.pieces.sort_unstable();
}

fn by_owner(pieces: &[Piece], ties: &mut Ties, rules: &Rules<'_>) -> Vec<Part> {
    let key = |piece: usize| {
        let of = rules
            .owners
            .map(|owners| owners.of_path(pieces[piece].path.as_bytes()));
        let text = of.unwrap_or_default().join(" ");
        // What nobody owns comes last.
        (text.is_empty(), text)
    };
    by_key(pieces, ties, key)
        .into_iter()
        .map(|((nobody, owner), members)| Part {
            name: if nobody {
                "unowned".to_owned()
            } else {
                owner.clone()
            },
            owner: (!nobody).then_some(owner),
            glob: None,
            pieces: members,
        })
        .collect()
}

/// A packet for each glob: what it matches and no earlier one does. What none matches is a packet of its own.
fn by_glob(pieces: &[Piece], ties: &mut Ties, globs: &[String]) -> Result<Vec<Part>> {
    let scopes = compiled(globs)?;
    let key = |piece: usize| {
        let path = pieces[piece].path.as_bytes();
        let found = scopes.iter().position(|scope| scope.covers(path));
        found.unwrap_or(globs.len())
    };
    Ok(by_key(pieces, ties, key)
        .into_iter()
        .map(|(at, members)| Part {
            name: match globs.get(at) {
                Some(glob) => called(glob, pieces, &members),
                None => "rest".to_owned(),
            },
            owner: None,
            glob: globs
                .get(at)
                .filter(|_| members.iter().all(|&piece| key(piece) == at))
                .cloned(),
            pieces: members,
        })
        .collect())
}

/// What a glob begins with, or where its files lie if it begins with a wildcard.
fn called(glob: &str, pieces: &[Piece], members: &[usize]) -> String {
    let fixed = crate::plan::meet::fixed(glob);
    let end = fixed.rfind('/').unwrap_or(0);
    let folder = if fixed.len() == glob.len() {
        fixed
    } else {
        &fixed[..end]
    };
    if folder.is_empty() {
        place_of(pieces, members)
    } else {
        folder.to_owned()
    }
}

/// Compiles each glob by itself.
///
/// # Errors
/// A usage failure that names the one that is no glob.
pub(in crate::plan) fn compiled(globs: &[String]) -> Result<Vec<Scope>> {
    globs
        .iter()
        .map(|glob| {
            Scope::new(std::slice::from_ref(glob)).map_err(|bad| {
                usage(
                    format!("--paths `{glob}`: {}", bad.why),
                    "globs are relative to the top of the repository, such as 'src/**/*.rs'; quote them",
                )
            })
        })
        .collect()
}

/// Whether a glob can be the scope of its packet: it meets no other glob.
pub(in crate::plan) fn stands_alone(glob: &str, globs: &[String]) -> bool {
    let others = globs.iter().filter(|other| other.as_str() != glob);
    let twice = globs.iter().filter(|other| other.as_str() == glob).count() > 1;
    !twice && others.into_iter().all(|other| meet(glob, other).is_none())
}
