//! Whether two scope patterns can cover the same path, even one that does not exist yet.
//!
//! The answer is a path that both cover. Patterns are read as [`crate::model::scope`] reads them: `*`, `?` and
//! classes stay within a component, `**` crosses components, `{a,b}` is either, a backslash takes the next
//! character as it is, and a pattern without wildcards also covers everything below it. A pattern with more
//! alternatives than [`ALTERNATIVES`] counts as covering everything: too careful rather than too bold.

use std::collections::HashSet;

use crate::model::scope::is_literal;

/// How many alternatives `{a,b}` groups of one pattern may expand to.
const ALTERNATIVES: usize = 256;

/// Returns a path that both patterns cover, if there is one.
pub(super) fn meet(a: &str, b: &str) -> Option<String> {
    let (left, right) = (forms(a), forms(b));
    left.iter()
        .find_map(|a| right.iter().find_map(|b| path_in_both(a, b)))
}

/// Returns what a pattern begins with, up to its first wildcard. Two patterns can only meet if one's beginning
/// is a beginning of the other's.
pub(super) fn fixed(pattern: &str) -> &str {
    let pattern = plain(pattern);
    let end = pattern.find(['*', '?', '[', '{', '\\']);
    &pattern[..end.unwrap_or(pattern.len())]
}

fn plain(pattern: &str) -> &str {
    pattern.trim_end_matches('/').trim_start_matches("./")
}

/// A component of a pattern.
#[derive(Clone, Debug)]
enum Part {
    /// `**`: any number of components.
    Deep,
    /// One component.
    Name(Vec<Piece>),
}

/// A piece of a component.
#[derive(Clone, Debug)]
enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Star,
    /// `[a-z]`, `[!a-z]`
    Class(bool, Vec<(char, char)>),
}

/// Returns what a pattern covers, one form for each of its alternatives.
fn forms(pattern: &str) -> Vec<Vec<Part>> {
    let pattern = plain(pattern);
    let Some(texts) = alternatives(pattern) else {
        return vec![form("**")];
    };
    let below = is_literal(pattern).then(|| form(&format!("{pattern}/**")));
    texts.iter().map(|text| form(text)).chain(below).collect()
}

/// Expands `{a,b}`; `None` if there are too many.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(text) = open.pop() {
        match first_group(&text) {
            None => done.push(text),
            Some((start, options, end)) => {
                let around = |option: &str| format!("{}{option}{}", &text[..start], &text[end..]);
                open.extend(options.iter().map(|option| around(option)));
            }
        }
        if done.len() + open.len() > ALTERNATIVES {
            return None;
        }
    }
    done.sort();
    Some(done)
}

/// Finds the first group at the outermost level: where it begins, its options, where it ends.
fn first_group(text: &str) -> Option<(usize, Vec<&str>, usize)> {
    let (mut depth, mut start, mut from) = (0, 0, 0);
    let mut options = Vec::new();
    let mut class = false;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' if !class => class = true,
            ']' => class = false,
            '{' if !class => {
                if depth == 0 {
                    (start, from) = (at, at + 1);
                }
                depth += 1;
            }
            ',' if depth == 1 && !class => {
                options.push(&text[from..at]);
                from = at + 1;
            }
            '}' if depth > 0 && !class => {
                depth -= 1;
                if depth == 0 {
                    options.push(&text[from..at]);
                    return Some((start, options, at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

fn form(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = components(text).iter().map(|name| part(name)).collect();
    // At the end `**` stands for at least one component: `a/**` does not cover `a` itself.
    if matches!(parts.last(), Some(Part::Deep)) {
        parts.push(Part::Name(vec![Piece::One, Piece::Star]));
    }
    parts
}

/// Splits at the slashes that are not part of a class (no class can hold one).
fn components(text: &str) -> Vec<&str> {
    text.split('/').filter(|name| !name.is_empty()).collect()
}

fn part(name: &str) -> Part {
    if name == "**" {
        return Part::Deep;
    }
    let mut pieces = Vec::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Star,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            '[' => class(&mut chars),
            c => Piece::Char(c),
        });
    }
    // No component is empty.
    if pieces.iter().all(|piece| matches!(piece, Piece::Star)) {
        pieces = vec![Piece::One, Piece::Star];
    }
    Part::Name(pieces)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Piece {
    let negated = chars.next_if(|&c| c == '!' || c == '^').is_some();
    let mut ranges: Vec<(char, char)> = Vec::new();
    while let Some(c) = chars.next() {
        if c == ']' && !ranges.is_empty() {
            break;
        }
        let mut rest = chars.clone();
        let to = match (rest.next(), rest.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                *chars = rest;
                to
            }
            _ => c,
        };
        ranges.push((c, to));
    }
    Piece::Class(negated, ranges)
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::One | Self::Star => c != '/',
            Self::Class(negated, ranges) => {
                let within = ranges.iter().any(|&(from, to)| (from..=to).contains(&c));
                c != '/' && within != *negated
            }
        }
    }

    /// Returns characters among which there is one that both this and another piece take, if any is.
    fn samples(&self, into: &mut Vec<char>) {
        match self {
            Self::Char(c) => into.push(*c),
            Self::One | Self::Star => into.push('x'),
            Self::Class(_, ranges) => {
                for &(from, to) in ranges {
                    let beside = [u32::from(from).checked_sub(1), u32::from(to).checked_add(1)];
                    into.extend([from, to]);
                    into.extend(beside.into_iter().flatten().filter_map(char::from_u32));
                }
            }
        }
    }
}

fn path_in_both(a: &[Part], b: &[Part]) -> Option<String> {
    let mut names = Vec::new();
    walk_parts(a, b, &mut names, &mut HashSet::new()).then(|| names.join("/"))
}

fn walk_parts(
    a: &[Part],
    b: &[Part],
    names: &mut Vec<String>,
    dead: &mut HashSet<(usize, usize)>,
) -> bool {
    if dead.contains(&(a.len(), b.len())) {
        return false;
    }
    let found = match (a.split_first(), b.split_first()) {
        (None, None) => true,
        (Some((Part::Deep, rest)), _) if walk_parts(rest, b, names, dead) => true,
        (_, Some((Part::Deep, rest))) if walk_parts(a, rest, names, dead) => true,
        (Some((left, a_rest)), Some((right, b_rest))) => {
            let any = [Piece::One, Piece::Star];
            let (name, a_next, b_next) = match (left, right) {
                (Part::Name(left), Part::Name(right)) => {
                    (name_in_both(left, right), a_rest, b_rest)
                }
                (Part::Deep, Part::Name(right)) => (name_in_both(&any, right), a, b_rest),
                (Part::Name(left), Part::Deep) => (name_in_both(left, &any), a_rest, b),
                (Part::Deep, Part::Deep) => (None, a, b),
            };
            name.is_some_and(|name| {
                names.push(name);
                let on = walk_parts(a_next, b_next, names, dead);
                if !on {
                    names.pop();
                }
                on
            })
        }
        _ => false,
    };
    if !found {
        dead.insert((a.len(), b.len()));
    }
    found
}

fn name_in_both(a: &[Piece], b: &[Piece]) -> Option<String> {
    let mut name = Vec::new();
    walk_pieces(a, b, &mut name, &mut HashSet::new()).then(|| name.into_iter().collect())
}

fn walk_pieces(
    a: &[Piece],
    b: &[Piece],
    name: &mut Vec<char>,
    dead: &mut HashSet<(usize, usize)>,
) -> bool {
    if dead.contains(&(a.len(), b.len())) {
        return false;
    }
    let found = match (a.split_first(), b.split_first()) {
        (None, None) => true,
        (Some((Piece::Star, rest)), _) if walk_pieces(rest, b, name, dead) => true,
        (_, Some((Piece::Star, rest))) if walk_pieces(a, rest, name, dead) => true,
        (Some((left, a_rest)), Some((right, b_rest))) => {
            let stars = (matches!(left, Piece::Star), matches!(right, Piece::Star));
            match shared(left, right) {
                Some(c) if stars != (true, true) => {
                    name.push(c);
                    let a_next = if stars.0 { a } else { a_rest };
                    let b_next = if stars.1 { b } else { b_rest };
                    let on = walk_pieces(a_next, b_next, name, dead);
                    if !on {
                        name.pop();
                    }
                    on
                }
                _ => false,
            }
        }
        _ => false,
    };
    if !found {
        dead.insert((a.len(), b.len()));
    }
    found
}

fn shared(a: &Piece, b: &Piece) -> Option<char> {
    let mut samples = Vec::new();
    a.samples(&mut samples);
    b.samples(&mut samples);
    samples.push('x');
    let both = |c: &char| !c.is_control() && a.takes(*c) && b.takes(*c);
    samples.into_iter().find(both)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::scope::Scope;

    #[test]
    fn patterns_that_can_meet_have_a_path_in_common() {
        for (a, b, path) in [
            ("src", "src/a.rs", "src/a.rs"),
            ("src/**", "**/*.rs", "src/.rs"),
            ("a/*/c", "a/b/*", "a/b/c"),
            ("**/x", "x", "x"),
            ("[a-c]x", "[c-e]?", "cx"),
            ("{a,b}/c", "b/**", "b/c"),
            ("a{b,c{d,e}}", "ac?", "acd"),
            ("a/", "./a/b", "a/b"),
            ("*.toml", "Cargo.*", "Cargo.toml"),
            ("\\*", "?", "*"),
        ] {
            assert_eq!(meet(a, b).as_deref(), Some(path), "{a} and {b}");
            assert!(meet(b, a).is_some(), "{b} and {a}");
        }
    }

    #[test]
    fn patterns_that_cannot_meet_have_none() {
        for (a, b) in [
            ("src", "src2"),
            ("src/*", "src/a/b"),
            ("src/**", "sr?"),
            ("*.rs", "*.md"),
            ("a/*/c", "a/b/d"),
            ("[a-c]", "[d-f]"),
            ("[!a]", "a"),
            ("{a,b}", "{c,d}"),
            ("**/a/**", "b/a?"),
            ("\\*", "a"),
        ] {
            assert_eq!(meet(a, b), None, "{a} and {b}");
            assert_eq!(meet(b, a), None, "{b} and {a}");
        }
    }

    #[test]
    fn too_many_alternatives_count_as_everything() {
        let many = "{a,b}".repeat(12);
        assert!(meet(&many, "zzz/y").is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_common_path_is_really_covered_by_both(
            a in "([ab?*]|\\*\\*|/|\\[a-b\\]|\\[!a\\]|\\{a,b\\}){1,6}",
            b in "([ab?*]|\\*\\*|/|\\[a-b\\]|\\[!a\\]|\\{a,b\\}){1,6}",
            path in "[abc]{1,2}(/[abc]{1,2}){0,2}",
        ) {
            let compile = |pattern: &str| Scope::new(&[pattern.to_owned()]).ok();
            if let (Some(left), Some(right)) = (compile(&a), compile(&b)) {
                let met = meet(&a, &b);
                if left.covers(path.as_bytes()) && right.covers(path.as_bytes()) {
                    prop_assert!(met.is_some(), "{a} and {b} both cover {path}");
                }
                if let Some(path) = met {
                    let odd = [&a, &b].iter().any(|p| p.contains("//") || p.contains("***"));
                    prop_assert!(odd || left.covers(path.as_bytes()) && right.covers(path.as_bytes()), "{a} and {b}: {path}");
                }
            }
        }
    }
}
