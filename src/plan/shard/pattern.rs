//! Scopes that cover given paths and no others.
//!
//! A directory of which every file is in one packet becomes one pattern (`dir/**`), so that the packet may add files
//! there too; elsewhere each file is named, with whatever a glob would read as a wildcard escaped. A name that no
//! pattern can hold (bytes that are not UTF-8, control characters) is covered with `?` in place of each such byte, and
//! [`tie_odd_names`] keeps everything that such a pattern covers in one packet. So the scopes of two packets never meet.

use std::collections::BTreeMap;

use super::piece::{Piece, Ties};
use crate::model::path::RepoPath;
use crate::model::scope::{Scope, is_literal};
use crate::plan::meet::meet;

/// The paths that exist, sorted, each with the packet that it is in, if it is in one.
pub(in crate::plan) struct Universe<'a> {
    paths: Vec<(&'a [u8], Option<usize>)>,
    /// Patterns that cover more than one name, with their packets.
    odd: Vec<(String, usize)>,
}

impl<'a> Universe<'a> {
    /// `part_of` says which packet a path is in.
    pub(in crate::plan) fn new(
        paths: impl IntoIterator<Item = &'a RepoPath>,
        part_of: impl Fn(&[u8]) -> Option<usize>,
    ) -> Self {
        let mut paths: Vec<(&[u8], Option<usize>)> = paths
            .into_iter()
            .map(|path| (path.as_bytes(), part_of(path.as_bytes())))
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let odd = paths
            .iter()
            .filter_map(|&(path, part)| part.zip(odd_pattern(path)))
            .map(|(part, pattern)| (pattern, part))
            .collect();
        Self { paths, odd }
    }

    /// Returns the scope of each of `parts` packets.
    pub(in crate::plan) fn scopes(&self, parts: usize) -> Vec<Vec<String>> {
        let mut scopes = vec![Vec::new(); parts];
        self.directory(&self.paths, 0, &mut scopes);
        scopes
    }

    /// Names what lies in a directory: `inside` is everything below it, and the directory's own name with its slash is
    /// the first `length` bytes of each.
    fn directory(
        &self,
        inside: &[(&[u8], Option<usize>)],
        length: usize,
        scopes: &mut [Vec<String>],
    ) {
        let Some(&(first, _)) = inside.first() else {
            return;
        };
        let folder = &first[..length];
        if odd_pattern(folder).is_none()
            && let Some(part) = all_of(inside.iter().map(|entry| entry.1))
            && self.take(format!("{}**", exact(folder)), part, scopes)
        {
            return;
        }
        if self.endings(inside, length, scopes) {
            return;
        }
        let is_direct = |path: &[u8]| !path[length..].contains(&b'/');
        let direct: Vec<_> = inside.iter().filter(|entry| is_direct(entry.0)).collect();
        let whole = odd_pattern(folder).is_none()
            && direct.len() > 1
            && all_of(direct.iter().map(|entry| entry.1))
                .is_some_and(|part| self.take(format!("{}*", exact(folder)), part, scopes));
        if !whole {
            for &&(path, part) in &direct {
                if let Some(part) = part {
                    self.file(path, part, scopes);
                }
            }
        }
        let mut rest = inside;
        while let Some(&(path, _)) = rest.first() {
            let Some(end) = path[length..].iter().position(|&b| b == b'/') else {
                rest = &rest[1..];
                continue;
            };
            let name = &path[..=length + end];
            let count = rest.partition_point(|entry| entry.0.starts_with(name));
            self.directory(&rest[..count], name.len(), scopes);
            rest = &rest[count..];
        }
    }

    /// Names what lies in a directory by the endings of file names, if each ending belongs to one packet and that is
    /// shorter.
    fn endings(
        &self,
        inside: &[(&[u8], Option<usize>)],
        length: usize,
        scopes: &mut [Vec<String>],
    ) -> bool {
        if !self.odd.is_empty() {
            return false;
        }
        let mut endings: BTreeMap<&[u8], (Option<usize>, usize)> = BTreeMap::new();
        let mut plain = Vec::new();
        for &(path, part) in inside {
            let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
            let Some(dot) = name.iter().rposition(|&b| b == b'.') else {
                let pattern = itself(&exact(path));
                if is_literal(&pattern) {
                    return false;
                }
                plain.extend(part.map(|part| (pattern, part)));
                continue;
            };
            let seen = endings.entry(&name[dot..]).or_insert((part, 0));
            if seen.0 != part {
                return false;
            }
            seen.1 += 1;
        }
        let taken: usize = endings.values().map(|(_, count)| count - 1).sum();
        if taken < inside.len() / 2 || taken < 2 {
            return false;
        }
        let folder = exact(&inside[0].0[..length]);
        for (ending, (part, _)) in endings {
            if let Some(part) = part {
                scopes[part].push(format!("{folder}**/*{}", exact(ending)));
            }
        }
        for (pattern, part) in plain {
            scopes[part].push(pattern);
        }
        true
    }

    fn file(&self, path: &[u8], part: usize, scopes: &mut [Vec<String>]) {
        let pattern = odd_pattern(path).unwrap_or_else(|| exact(path));
        if self.take(pattern.clone(), part, scopes) {
            return;
        }
        scopes[part].push(itself(&pattern));
    }

    /// Gives a packet a pattern, unless it meets one of another packet's that covers several names.
    fn take(&self, pattern: String, part: usize, scopes: &mut [Vec<String>]) -> bool {
        let mut others = self.odd.iter().filter(|(_, of)| *of != part);
        if others.any(|(odd, _)| meet(odd, &pattern).is_some()) {
            return false;
        }
        if scopes[part].last() != Some(&pattern) {
            scopes[part].push(pattern);
        }
        true
    }
}

/// Ties pieces whose names no pattern can hold to everything that their patterns cover.
pub(in crate::plan) fn tie_odd_names(pieces: &[Piece], ties: &mut Ties) {
    for (at, piece) in pieces.iter().enumerate() {
        let Some(scope) = odd_scope(piece.path.as_bytes()) else {
            continue;
        };
        for (other, covered) in pieces.iter().enumerate() {
            if scope.covers(covered.path.as_bytes()) {
                ties.tie(at, other);
            }
        }
    }
}

/// Returns the first path that is in no packet although the pattern of an odd name in one covers it, and that name.
pub(in crate::plan) fn covered_by_chance<'a>(
    pieces: &'a [Piece],
    others: &[&'a RepoPath],
) -> Option<(&'a RepoPath, &'a RepoPath)> {
    pieces.iter().find_map(|piece| {
        let scope = odd_scope(piece.path.as_bytes())?;
        let other = others.iter().find(|path| scope.covers(path.as_bytes()))?;
        Some((&piece.path, *other))
    })
}

fn odd_scope(path: &[u8]) -> Option<Scope> {
    Scope::new(&[odd_pattern(path)?]).ok()
}

/// The packet that all are in, if they are all in the same.
fn all_of(mut parts: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    let first = parts.next()??;
    parts.all(|part| part == Some(first)).then_some(first)
}

/// The pattern of a name that no pattern can hold as it is; `None` for any other.
fn odd_pattern(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok();
    if text.is_some_and(|text| !text.chars().any(char::is_control)) {
        return None;
    }
    let mut pattern = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                pattern.push_str(&"?".repeat(c.len_utf8()));
            } else {
                escape(c, &mut pattern);
            }
        }
        pattern.push_str(&"?".repeat(chunk.invalid().len()));
    }
    Some(pattern)
}

/// The same pattern with a wildcard that changes nothing: without one, it also covers what would lie below it.
fn itself(pattern: &str) -> String {
    let at = pattern.rfind('/').map_or(0, |slash| slash + 1);
    let first = pattern[at..].chars().next().unwrap_or_default();
    if matches!(first, '[' | '\\' | '?' | '!' | '^' | '-' | ']') {
        return pattern.to_owned();
    }
    let rest = &pattern[at + first.len_utf8()..];
    format!("{}[{first}]{rest}", &pattern[..at])
}

/// The pattern that covers just this path.
fn exact(path: &[u8]) -> String {
    let mut pattern = String::with_capacity(path.len());
    for c in String::from_utf8_lossy(path).chars() {
        escape(c, &mut pattern);
    }
    if pattern.trim().is_empty() && !pattern.is_empty() {
        return pattern.replacen(' ', "[ ]", 1);
    }
    pattern
}

fn escape(c: char, pattern: &mut String) {
    match c {
        '*' | '?' | '[' | '{' | '}' => pattern.extend(['[', c, ']']),
        // A pattern that begins with one would count as absolute.
        '\\' if pattern.is_empty() => pattern.push_str("[\\]"),
        '\\' => pattern.push_str("\\\\"),
        c => pattern.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(paths: &[(&[u8], Option<usize>)], parts: usize) -> Vec<Vec<String>> {
        let names: Vec<RepoPath> = paths.iter().map(|entry| RepoPath::new(entry.0)).collect();
        let part_of = |path: &[u8]| {
            paths
                .iter()
                .find(|entry| entry.0 == path)
                .and_then(|entry| entry.1)
        };
        let scopes = Universe::new(&names, part_of).scopes(parts);
        for (part, patterns) in scopes.iter().enumerate() {
            let scope = Scope::new(patterns).expect("good patterns");
            for (path, of) in paths {
                let shown = String::from_utf8_lossy(path);
                assert_eq!(
                    scope.covers(path),
                    *of == Some(part),
                    "{shown} {patterns:?}"
                );
            }
            for other in scopes.iter().skip(part + 1).flatten() {
                for pattern in patterns {
                    assert_eq!(meet(pattern, other), None, "{pattern} {other}");
                }
            }
        }
        scopes
    }

    #[test]
    fn whole_directories_become_one_pattern_and_other_files_are_named() {
        let found = scopes(
            &[
                (b"a/one", Some(0)),
                (b"a/deep/two", Some(0)),
                (b"b/x", Some(0)),
                (b"b/y", Some(1)),
                (b"b/z", None),
                (b"c/1", Some(1)),
                (b"c/2", Some(1)),
                (b"c/d/3", Some(0)),
            ],
            2,
        );
        assert_eq!(found[0], ["a/**", "b/x", "c/d/**"]);
        assert_eq!(found[1], ["b/y", "c/*"]);
        let found = scopes(&[(b"a", Some(0)), (b"b/c", Some(0))], 1);
        assert_eq!(found[0], ["**"]);
    }

    #[test]
    fn endings_that_belong_to_one_packet_are_named_once() {
        let found = scopes(
            &[
                (b"d/a.js", Some(0)),
                (b"d/a.json", Some(1)),
                (b"d/b.js", Some(0)),
                (b"d/x/a.js", Some(0)),
                (b"d/x/y/a.json", Some(1)),
                (b"d/x/y/b.json", Some(1)),
                (b"d/x/Makefile", Some(1)),
                (b"d/x/z.md", None),
                (b"e/a.json", Some(0)),
            ],
            2,
        );
        assert_eq!(found[0], ["d/**/*.js", "e/**"]);
        assert_eq!(found[1], ["d/**/*.json", "d/x/[M]akefile"]);
    }

    #[test]
    fn names_with_wildcards_mean_themselves() {
        scopes(
            &[
                (b"app/[id]/page.tsx", Some(0)),
                (b"app/i/page.tsx", Some(1)),
                (b"app/d/page.tsx", None),
                (b"*", Some(0)),
                (b"x?", Some(1)),
                (b"xy", None),
                (b"{a,b}", Some(1)),
                (b"a", Some(0)),
                (b"\\n", Some(0)),
                (b"n", Some(1)),
                (b"k\\*", Some(1)),
                (b"k*", Some(0)),
                (b" ", Some(1)),
                (b"!x", Some(0)),
                (b"[]]", Some(0)),
                (b"]", Some(1)),
            ],
            2,
        );
    }

    #[test]
    fn names_that_no_pattern_can_hold_are_covered_beside_others() {
        scopes(
            &[
                (b"src/\xff.rs", Some(0)),
                (b"src/long.rs", Some(1)),
                (b"src/sub/x", Some(1)),
                (b"\xfe/file", Some(0)),
                (b"ab/file", Some(1)),
                (b"ab/more", Some(1)),
                (b"li\nne", Some(1)),
            ],
            2,
        );
        let piece = |path: &[u8]| Piece {
            path: RepoPath::new(path),
            bytes: 1,
        };
        let pieces = [piece(b"a.rs"), piece(b"ab.rs"), piece(b"\xff.rs")];
        let mut ties = Ties::none(3);
        tie_odd_names(&pieces, &mut ties);
        assert_eq!(ties.sets(), [vec![0, 2], vec![1]]);
        let other = RepoPath::from("b.rs");
        assert!(covered_by_chance(&pieces, &[&other]).is_some());
    }

    #[test]
    fn an_odd_directory_does_not_meet_one_that_looks_like_it() {
        scopes(
            &[
                (b"\xff/x", Some(0)),
                (b"a/y", Some(1)),
                (b"a/z", Some(1)),
                (b"b", Some(1)),
            ],
            2,
        );
    }
}
