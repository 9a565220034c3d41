//! CODEOWNERS, as GitHub reads it.
//!
//! The first file found of `.github/CODEOWNERS`, `CODEOWNERS` and `docs/CODEOWNERS` counts, and in it the last pattern
//! that matches a path. Patterns are those of `.gitignore`, with these differences: `dir/*` does not reach into
//! directories below, there is no `!` and no `[…]`, and names are compared exactly. A pattern without owners takes a
//! path's owners away. A line that GitHub would skip is skipped, and said to be.

use anyhow::Result;

use crate::git::Git;
use crate::model::id::CommitId;

/// Where the file may lie, in the order in which it is looked for.
pub const PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// What GitHub takes at most.
const MOST_BYTES: usize = 3 << 20;

/// The rules of a CODEOWNERS file.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    rules: Vec<Rule>,
    /// Lines that were skipped, for people.
    pub skipped: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rule {
    parts: Vec<Part>,
    owners: Vec<String>,
}

/// A component of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// `**`: any number of components.
    Deep,
    /// One component, with `*` and `?`.
    Name(Vec<u8>),
}

impl Owners {
    /// Reads the file of a commit; `None` if it has none.
    ///
    /// # Errors
    /// If the commit cannot be read.
    pub fn of(git: &Git, commit: &CommitId) -> Result<Option<(&'static str, Self)>> {
        for place in PLACES {
            if let Some(text) = git.file_at(commit, place)? {
                let owners = if text.len() > MOST_BYTES {
                    let skipped = vec!["it is above 3 MB, and GitHub does not read it".to_owned()];
                    Self {
                        rules: Vec::new(),
                        skipped,
                    }
                } else {
                    Self::parse(&String::from_utf8_lossy(&text))
                };
                return Ok(Some((place, owners)));
            }
        }
        Ok(None)
    }

    /// Reads the rules.
    pub fn parse(text: &str) -> Self {
        let mut owners = Self::default();
        for (at, line) in text.lines().enumerate() {
            match rule(line) {
                Ok(rule) => owners.rules.extend(rule),
                Err(why) => owners.skipped.push(format!("line {}: {why}", at + 1)),
            }
        }
        owners
    }

    /// Returns the owners of a path, as they are written; none if nobody owns it.
    pub fn of_path(&self, path: &[u8]) -> &[String] {
        let names: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
        let mut rules = self.rules.iter().rev();
        rules
            .find(|rule| matches(&rule.parts, &names))
            .map_or(&[], |rule| &rule.owners)
    }
}

/// Reads one line; nothing for an empty one or a comment.
fn rule(line: &str) -> Result<Option<Rule>, String> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (pattern, rest) = first_word(line);
    let mut owners = Vec::new();
    for word in rest.split_whitespace() {
        if word.starts_with('#') {
            break;
        }
        if !is_owner(word) {
            return Err(format!(
                "`{word}` is no @user, @organisation/team or mail address"
            ));
        }
        owners.push(word.to_owned());
    }
    Ok(Some(Rule {
        parts: parts(&pattern)?,
        owners,
    }))
}

/// Splits the pattern off; a blank after a backslash belongs to it.
fn first_word(line: &str) -> (String, &str) {
    let mut word = String::new();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            return (word, &line[at..]);
        }
        if c == '\\'
            && let Some((_, next)) = chars.clone().next()
            && (next == ' ' || next == '\\')
        {
            word.push(next);
            chars.next();
        } else {
            word.push(c);
        }
    }
    (word, "")
}

fn is_owner(word: &str) -> bool {
    match word.split_once('@') {
        Some(("", name)) => !name.is_empty() && !name.contains('@'),
        Some((_, place)) => place.contains('.') && !place.contains('@'),
        None => false,
    }
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    if pattern.starts_with('!') {
        return Err("`!` is not there in CODEOWNERS".to_owned());
    }
    if pattern.contains(['[', ']']) {
        return Err("`[…]` is not there in CODEOWNERS".to_owned());
    }
    if pattern.contains("***") {
        return Err("`***` means nothing".to_owned());
    }
    if pattern.trim_matches('/').is_empty() {
        return Err("the pattern names nothing".to_owned());
    }
    let rooted = pattern.starts_with('/');
    let folder = pattern.ends_with('/');
    let inside = pattern.trim_matches('/');
    let mut parts: Vec<Part> = inside
        .split('/')
        .map(|name| match name {
            "**" => Part::Deep,
            name => Part::Name(name.as_bytes().to_vec()),
        })
        .collect();
    // A name without a slash before its end is looked for at any depth.
    if !rooted && parts.len() == 1 && parts[0] != Part::Deep {
        parts.insert(0, Part::Deep);
    }
    let one_star = Part::Name(b"*".to_vec());
    if folder {
        parts.push(Part::Deep);
    } else if parts.last() != Some(&Part::Deep) && parts.last() != Some(&one_star) {
        // A file, or a directory with everything in it.
        return Ok(parts);
    }
    if parts.last() == Some(&Part::Deep) {
        // Below it, not itself.
        parts.push(one_star);
        parts.push(Part::Deep);
    }
    parts.push(Part::Name(Vec::new()));
    Ok(parts)
}

/// Whether a pattern matches a path. An empty name at the end of a pattern says that the path ends there too;
/// without it the path may go on.
fn matches(parts: &[Part], names: &[&[u8]]) -> bool {
    match parts.split_first() {
        None => true,
        Some((Part::Deep, rest)) => {
            (0..=names.len()).any(|skipped| matches(rest, &names[skipped..]))
        }
        Some((Part::Name(end), [])) if end.is_empty() => names.is_empty(),
        Some((Part::Name(name), rest)) => names
            .split_first()
            .is_some_and(|(first, others)| name_matches(name, first) && matches(rest, others)),
    }
}

/// Whether a name with `*` and `?` matches one component.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skipped| name_matches(rest, &name[skipped..])),
        Some((b'?', rest)) => name
            .split_first()
            .is_some_and(|(_, others)| name_matches(rest, others)),
        Some((c, rest)) => name
            .split_first()
            .is_some_and(|(first, others)| first == c && name_matches(rest, others)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(file: &str, path: &str) -> String {
        Owners::parse(file).of_path(path.as_bytes()).join(" ")
    }

    #[test]
    fn patterns_match_as_githubs_own_examples_say() {
        for (pattern, yes, no) in [
            ("*", &["a", "a/b/c.js"][..], &[][..]),
            ("*.js", &["a.js", "x/y/b.js"], &["a.jsx", "js"]),
            (
                "/build/logs/",
                &["build/logs/a", "build/logs/x/y"],
                &["x/build/logs/a", "build/log"],
            ),
            (
                "docs/*",
                &["docs/getting-started.md"],
                &["docs/build-app/troubleshooting.md", "x/docs/a.md"],
            ),
            ("apps/", &["apps/a", "x/apps/y/z"], &["apps", "myapps/a"]),
            ("/docs/", &["docs/a", "docs/b/c"], &["x/docs/a"]),
            (
                "/apps/github",
                &["apps/github/a", "apps/github"],
                &["apps/githubx"],
            ),
            (
                "**/logs",
                &["build/logs/a", "logs/x", "deeply/nested/logs/b"],
                &["logsx/a"],
            ),
            (
                "/a/**/z",
                &["a/z", "a/b/z", "a/b/c/z/deep"],
                &["z", "x/a/z"],
            ),
            ("/a/**", &["a/b", "a/b/c"], &["a", "b/a/c"]),
            (
                "src/*/main.rs",
                &["src/x/main.rs"],
                &["src/main.rs", "src/x/y/main.rs"],
            ),
            ("/*", &["README"], &["src/a"]),
            ("doc?.md", &["x/docs.md"], &["doc.md"]),
            ("name\\ with\\ blanks", &["name with blanks"], &["name"]),
            ("**", &["a", "a/b"], &[]),
        ] {
            let file = format!("{pattern} @me");
            for path in yes {
                assert_eq!(owner(&file, path), "@me", "{pattern} {path}");
            }
            for path in no {
                assert_eq!(owner(&file, path), "", "{pattern} {path}");
            }
        }
    }

    #[test]
    fn the_last_match_counts_and_one_without_owners_takes_them_away() {
        let file = "# who\n* @all\n/src/ @a @org/team # two\n*.md docs@example.com\n/src/gen/\n";
        assert_eq!(owner(file, "src/x.rs"), "@a @org/team");
        assert_eq!(owner(file, "src/x.md"), "docs@example.com");
        assert_eq!(owner(file, "src/gen/x.md"), "");
        assert_eq!(owner(file, "other"), "@all");
    }

    #[test]
    fn lines_that_github_skips_are_skipped_by_name() {
        let owners = Owners::parse("* @all\n!src @b\nsrc[0-9] @c\nlib someone\n");
        assert_eq!(owners.of_path(b"src"), ["@all"]);
        assert_eq!(owners.of_path(b"lib"), ["@all"]);
        assert_eq!(owners.skipped.len(), 3, "{:?}", owners.skipped);
        assert!(owners.skipped[2].starts_with("line 4: `someone`"));
    }
}
