//! Which paths of a change must stay in one packet.
//!
//! What is tied, and why:
//!
//! - both names of what was renamed, and everything that went along when a directory was: a reader wants to see it whole;
//! - a path that was a file and is a directory now, or the other way round, with everything below it: neither can be
//!   changed alone;
//! - a directory of which every file was deleted, if something was added in it: on a side where it is gone, git would
//!   carry what another side adds to it elsewhere;
//! - submodules that come or go, and `.gitmodules`;
//! - names that no pattern can hold, and what is covered with them.
//!
//! With the middle two, any selection of the packets merges with any other as the plain union of their changes: no path
//! is deleted on one side and touched on the other, and no directory is gone on one side and added to on the other. That
//! is what the merge in this process asks of a merge that it is sure of.

use std::collections::HashMap;

use crate::git::{Change, TreeEntry};
use crate::model::path::RepoPath;
use crate::plan::shard::{Piece, Ties, tie_odd_names};

const GITLINK: u32 = 0o160_000;

/// What a change is between.
pub(super) struct Around<'a> {
    pub(super) changes: &'a [Change],
    pub(super) base: &'a [TreeEntry],
    pub(super) tip: &'a [TreeEntry],
    pub(super) renames: &'a [(RepoPath, RepoPath)],
}

/// Ties what must stay together; `pieces` are the paths of the changes, in the same order.
pub(super) fn ties(pieces: &[Piece], around: &Around<'_>) -> Ties {
    let mut ties = Ties::none(pieces.len());
    let index: HashMap<&[u8], usize> = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| (piece.path.as_bytes(), at))
        .collect();
    renamed(&index, around, &mut ties);
    files_and_directories(pieces, &index, &mut ties);
    emptied(&index, around, &mut ties);
    submodules(&index, around, &mut ties);
    tie_odd_names(pieces, &mut ties);
    ties
}

/// The directories that a path lies in, the deepest first, without their slashes.
fn folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().rev();
    let slashes = slashes.filter(|&(_, &b)| b == b'/');
    slashes.map(move |(at, _)| &path[..at])
}

fn folder(path: &[u8]) -> &[u8] {
    folders(path).next().unwrap_or_default()
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

fn renamed(index: &HashMap<&[u8], usize>, around: &Around<'_>, ties: &mut Ties) {
    let pieces = |(from, to): &(RepoPath, RepoPath)| {
        let of = |path: &RepoPath| index.get(path.as_bytes()).copied();
        of(from).zip(of(to))
    };
    // Which files say that one directory became another, as git counts them: a renamed file speaks for its directory,
    // and for the ones above as long as the names below are the same.
    let mut votes: HashMap<&[u8], HashMap<&[u8], Vec<usize>>> = HashMap::new();
    for rename in around.renames {
        let Some((from, to)) = pieces(rename) else {
            continue;
        };
        ties.tie(from, to);
        let (mut old, mut new) = (folder(rename.0.as_bytes()), folder(rename.1.as_bytes()));
        while old != new {
            let of_old = votes.entry(old).or_default();
            of_old.entry(new).or_default().push(from);
            if name(old) != name(new) || old.is_empty() || new.is_empty() {
                break;
            }
            (old, new) = (folder(old), folder(new));
        }
    }
    for entry in around.tip {
        for folder in folders(entry.path.as_bytes()) {
            votes.remove(folder);
        }
    }
    // What is left is gone, and moved to where most of it went.
    for (_, targets) in votes {
        let most = targets.values().map(Vec::len).max().unwrap_or(0);
        for members in targets.values().filter(|members| members.len() == most) {
            for pair in members.windows(2) {
                ties.tie(pair[0], pair[1]);
            }
        }
    }
}

fn files_and_directories(pieces: &[Piece], index: &HashMap<&[u8], usize>, ties: &mut Ties) {
    for (at, piece) in pieces.iter().enumerate() {
        for above in folders(piece.path.as_bytes()) {
            if let Some(&file) = index.get(above) {
                ties.tie(at, file);
            }
        }
    }
}

/// What is known of a directory.
#[derive(Default)]
struct Folder {
    there: usize,
    deleted: Vec<usize>,
    added: Vec<usize>,
}

fn emptied(index: &HashMap<&[u8], usize>, around: &Around<'_>, ties: &mut Ties) {
    let mut known: HashMap<&[u8], Folder> = HashMap::new();
    let piece = |change: &Change| index.get(change.path.as_bytes()).copied();
    for change in around.changes.iter().filter(|change| change.new.is_none()) {
        for folder in folders(change.path.as_bytes()) {
            let deleted = &mut known.entry(folder).or_default().deleted;
            deleted.extend(piece(change));
        }
    }
    for change in around.changes.iter().filter(|change| change.old.is_none()) {
        for folder in folders(change.path.as_bytes()) {
            if let Some(known) = known.get_mut(folder) {
                known.added.extend(piece(change));
            }
        }
    }
    for entry in around.base {
        for folder in folders(entry.path.as_bytes()) {
            if let Some(known) = known.get_mut(folder) {
                known.there += 1;
            }
        }
    }
    for folder in known.values() {
        if folder.deleted.len() < folder.there || folder.added.is_empty() {
            continue;
        }
        for &other in folder.deleted.iter().chain(&folder.added) {
            ties.tie(folder.deleted[0], other);
        }
    }
}

fn submodules(index: &HashMap<&[u8], usize>, around: &Around<'_>, ties: &mut Ties) {
    let Some(&file) = index.get(&b".gitmodules"[..]) else {
        return;
    };
    for change in around.changes {
        let is_link = |side: &Option<crate::git::Side>| {
            side.as_ref().is_some_and(|side| side.mode == GITLINK)
        };
        if is_link(&change.old) != is_link(&change.new)
            && let Some(&link) = index.get(change.path.as_bytes())
        {
            ties.tie(file, link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Side;

    /// Sets of paths that are tied, of a change given as two lists of paths with contents.
    fn tied(base: &[&str], tip: &[&str], renames: &[(&str, &str)]) -> Vec<Vec<String>> {
        let side = |text: &str| {
            let (path, content) = text.split_once('=').unwrap_or((text, "1"));
            let mode = if content == "link" {
                GITLINK
            } else {
                0o100_644
            };
            (path.to_owned(), mode, content.to_owned())
        };
        let read = |texts: &[&str]| -> std::collections::BTreeMap<String, Side> {
            let sides = texts.iter().map(|text| side(text));
            sides
                .map(|(path, mode, oid)| (path, Side { mode, oid }))
                .collect()
        };
        let (old, new) = (read(base), read(tip));
        let entries = |sides: &std::collections::BTreeMap<String, Side>| -> Vec<TreeEntry> {
            let entry = |(path, side): (&String, &Side)| TreeEntry {
                mode: side.mode,
                oid: side.oid.clone(),
                path: path.as_str().into(),
            };
            sides.iter().map(entry).collect()
        };
        let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
        paths.sort();
        paths.dedup();
        let changes: Vec<Change> = paths
            .into_iter()
            .filter(|&path| old.get(path) != new.get(path))
            .map(|path| Change {
                path: path.as_str().into(),
                old: old.get(path).cloned(),
                new: new.get(path).cloned(),
            })
            .collect();
        let pieces: Vec<Piece> = changes
            .iter()
            .map(|change| Piece {
                path: change.path.clone(),
                bytes: 1,
            })
            .collect();
        let renames: Vec<(RepoPath, RepoPath)> = renames
            .iter()
            .map(|&(from, to)| (from.into(), to.into()))
            .collect();
        let around = Around {
            changes: &changes,
            base: &entries(&old),
            tip: &entries(&new),
            renames: &renames,
        };
        let mut sets = ties(&pieces, &around).sets();
        sets.retain(|set| set.len() > 1);
        let shown = |&at: &usize| pieces[at].path.to_string();
        sets.iter()
            .map(|set| set.iter().map(shown).collect())
            .collect()
    }

    #[test]
    fn both_names_of_a_rename_and_all_of_a_directory_that_moved() {
        let none: Vec<Vec<String>> = Vec::new();
        assert_eq!(tied(&["a", "b"], &["a=2", "b=2"], &[]), none);
        assert_eq!(
            tied(&["a", "b"], &["c", "b=2"], &[("a", "c")]),
            [["a", "c"]]
        );
        // Both files of `d` went to `e`; `f` lost one and is still there.
        assert_eq!(
            tied(
                &["d/1", "d/2", "f/1", "f/2"],
                &["e/1", "e/2", "g/1", "f/2"],
                &[("d/1", "e/1"), ("d/2", "e/2"), ("f/1", "g/1")]
            ),
            [vec!["d/1", "d/2", "e/1", "e/2"], vec!["f/1", "g/1"]]
        );
        // A directory above moved with those below.
        assert_eq!(
            tied(
                &["a/x/1", "a/y/2"],
                &["b/x/1", "b/y/2"],
                &[("a/x/1", "b/x/1"), ("a/y/2", "b/y/2")]
            ),
            [["a/x/1", "a/y/2", "b/x/1", "b/y/2"]]
        );
    }

    #[test]
    fn what_was_a_file_and_is_a_directory() {
        assert_eq!(
            tied(&["a", "b"], &["a/x", "a/y", "b=2"], &[]),
            [["a", "a/x", "a/y"]]
        );
        assert_eq!(tied(&["a/x/y", "b"], &["a", "b=2"], &[]), [["a", "a/x/y"]]);
    }

    #[test]
    fn a_directory_that_was_emptied_and_filled() {
        let none: Vec<Vec<String>> = Vec::new();
        assert_eq!(
            tied(&["d/1", "d/e/2", "x"], &["d/3", "x=2"], &[]),
            [["d/1", "d/3", "d/e/2"]]
        );
        // One file of it is kept, so that it is never gone.
        assert_eq!(tied(&["d/1", "d/2"], &["d/3", "d/2"], &[]), none);
        assert_eq!(tied(&["d/1", "d/2"], &["x"], &[]), none);
    }

    #[test]
    fn a_submodule_that_comes_or_goes_with_its_settings() {
        assert_eq!(
            tied(&["a"], &["a=2", ".gitmodules", "lib=link"], &[]),
            [[".gitmodules", "lib"]]
        );
    }
}
