//! Which paths a packet may change.
//!
//! A pattern without wildcards covers that file or everything below that directory; a pattern with wildcards
//! must match the whole path, and `*` does not cross a `/` (the rules of git's `:(glob)` pathspecs). Paths are
//! relative to the top of the repository and compared as bytes.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// How many bytes of patterns a unit can be told in its environment, which Linux limits to 128 KiB a variable.
pub const MOST_TOLD: usize = 120_000;

/// A compiled set of patterns.
#[derive(Clone, Debug)]
pub struct Scope {
    globs: GlobSet,
    patterns: Vec<String>,
    prefixes: Vec<Vec<u8>>,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Which pattern of the list, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Scope {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// The first pattern that is empty, absolute, climbs out with `..`, names `.git`, or is no glob.
    pub fn new(patterns: &[String]) -> Result<Self, BadPattern> {
        let mut globs = GlobSetBuilder::new();
        let mut prefixes = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let bad = |why: String| BadPattern { index, why };
            refuse_unsafe(pattern).map_err(|why| bad(why.to_owned()))?;
            let pattern = pattern.trim_end_matches('/').trim_start_matches("./");
            let guarded = guard_classes(pattern).map_err(|why| bad(why.to_owned()))?;
            let glob = GlobBuilder::new(&guarded)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| bad(error.kind().to_string()))?;
            globs.add(glob);
            if is_literal(pattern) {
                prefixes.push(format!("{pattern}/").into_bytes());
            }
        }
        let globs = globs.build().map_err(|error| BadPattern {
            index: 0,
            why: error.kind().to_string(),
        })?;
        Ok(Self {
            globs,
            patterns: patterns.to_vec(),
            prefixes,
        })
    }

    /// Whether a packet with this scope may change the path.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| path.starts_with(prefix))
            || self.globs.is_match(as_path(path).as_ref())
    }

    /// Returns the patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

fn refuse_unsafe(pattern: &str) -> Result<(), &'static str> {
    if pattern.trim().is_empty() {
        return Err("the pattern is empty");
    }
    if pattern.starts_with('/') || pattern.starts_with('\\') {
        return Err("the pattern is absolute; patterns are relative to the top of the repository");
    }
    if pattern.split('/').any(|part| part == "..") {
        return Err("the pattern climbs out of the repository with `..`");
    }
    let inside = pattern.strip_prefix("./").unwrap_or(pattern);
    let inside = inside.trim_end_matches('/');
    if inside.split('/').any(|part| part.is_empty() || part == ".") {
        return Err("the pattern holds `//` or `/./`, which no path does");
    }
    if pattern
        .split('/')
        .any(|part| part.eq_ignore_ascii_case(".git"))
    {
        return Err("the pattern names git's own folder");
    }
    if pattern.chars().any(char::is_control) {
        return Err("the pattern holds a control character");
    }
    Ok(())
}

/// Keeps classes from crossing a `/`, which globset lets them do: a negated class is rewritten to exclude it,
/// any other that includes it is refused.
fn guard_classes(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '\\' {
            out.extend(chars.next());
        } else if c == '[' {
            guard_class(&mut chars, &mut out)?;
        }
    }
    Ok(out)
}

fn guard_class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), &'static str> {
    let negated = chars.next_if(|&c| c == '!' || c == '^').is_some();
    let (mut bracket, mut dash, mut ranges) = (false, false, String::new());
    let mut first = true;
    while let Some(c) = chars.next() {
        if c == ']' && !first {
            // A bracket must come first and a dash last to stand for themselves.
            let parts = [
                if negated { "!" } else { "" },
                if bracket { "]" } else { "" },
                &ranges,
                if negated { "/" } else { "" },
                if dash { "-" } else { "" },
                "]",
            ];
            out.push_str(&parts.concat());
            return Ok(());
        }
        first = false;
        let mut rest = chars.clone();
        let to = match (rest.next(), rest.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                *chars = rest;
                to
            }
            _ => c,
        };
        if (c..=to).contains(&'/') {
            return Err("a class of the pattern includes `/`");
        }
        match c {
            ']' if to == c => bracket = true,
            '-' if to == c => dash = true,
            ']' | '-' => return Err("a range of the pattern begins with `]` or `-`"),
            _ if to == c => ranges.push(c),
            _ => ranges.extend([c, '-', to]),
        }
    }
    Err("a class of the pattern has no `]`")
}

/// Whether the pattern has no wildcard, so that it names one file or directory.
pub fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '\\'])
}

#[cfg(unix)]
fn as_path(bytes: &[u8]) -> std::borrow::Cow<'_, std::path::Path> {
    use std::os::unix::ffi::OsStrExt as _;
    std::path::Path::new(std::ffi::OsStr::from_bytes(bytes)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> Scope {
        let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
        Scope::new(&patterns).expect("good patterns")
    }

    #[test]
    fn a_name_covers_the_file_or_the_directory_and_a_star_stays_in_it() {
        let scope = scope(&["crates/net", "docs/*.md", "src/**/*.rs", "a/b/"]);
        for path in [
            "crates/net",
            "crates/net/src/a.rs",
            "docs/a.md",
            "src/x.rs",
            "src/a/b/x.rs",
            "a/b/c",
        ] {
            assert!(scope.covers(path.as_bytes()), "{path}");
        }
        for path in [
            "crates/network/a.rs",
            "docs/a/b.md",
            "docs/a.txt",
            "lib/x.rs",
            "a/bc",
        ] {
            assert!(!scope.covers(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn patterns_that_leave_the_repository_are_refused() {
        for bad in [
            "",
            "  ",
            "/etc/**",
            "../x",
            "a/../b",
            ".git/config",
            "sub/.GIT/x",
            "a/./b",
            "a//b",
            ".",
            "./",
            "a[",
            "a\nb",
        ] {
            assert!(Scope::new(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_class_crosses_a_slash() {
        for (pattern, covered, not) in [
            ("a[!b]c", "axc", "a/c"),
            ("a[!]b]c", "axc", "a]c"),
            ("a[^b-]c", "axc", "a-c"),
            ("a[]x-]c", "a]c", "a/c"),
            ("[!a-c]x", "dx", "bx"),
            ("x\\[!a]", "x[!a]", "xb"),
        ] {
            let scope = scope(&[pattern]);
            assert!(scope.covers(covered.as_bytes()), "{pattern} {covered}");
            assert!(!scope.covers(not.as_bytes()), "{pattern} {not}");
            assert!(!scope.covers(b"a/c"), "{pattern} a/c");
        }
        for bad in ["a[.-0]c", "a[/]c", "a[!a/]c", "a[b", "[--a]"] {
            assert!(Scope::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_is_compared_as_bytes() {
        assert!(scope(&["src/**"]).covers(b"src/\xff.rs"));
    }
}
