//! Which part of a tree a workspace holds.
//!
//! A packet's scope is turned into git's cone form: whole directories, and the files that lie beside them and above.
//! So a workspace holds at least what the packet may change. A scope that begins with a wildcard may name any file
//! of the repository: no cone is smaller than that. Called by `runner::effect` for packets' workspaces where
//! `[workspace] sparse = "scope"` wants it, and by `cli` to say beforehand which packets it helps.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{self, Extent, Record};
use crate::model::packet::Workspace;
use crate::model::scope::is_literal;

/// The part of a tree that a sparse workspace holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseSpec {
    /// Whether the patterns have git's cone form (fast).
    pub cone: bool,
    /// The content of `info/sparse-checkout`.
    pub patterns: String,
}

impl SparseSpec {
    /// The cone of these directories: everything below them, and the files beside them and above.
    pub fn directories<'a>(directories: impl IntoIterator<Item = &'a str>) -> Self {
        let mut cone = Cone::default();
        for directory in directories {
            cone.whole(directory);
        }
        cone.spec()
    }

    /// The cone of what a packet with this scope may change and of what it is to read: `sources` that are paths.
    ///
    /// # Errors
    /// The first pattern of the scope for which no cone is smaller than the whole tree.
    pub fn of_scope<'a>(scope: &'a [String], sources: &'a [String]) -> Result<Self, &'a str> {
        let mut cone = Cone::default();
        for pattern in scope {
            cone.open(pattern).ok_or(pattern.as_str())?;
        }
        let paths = sources.iter().filter(|source| !source.contains("://"));
        for source in paths {
            // What it is to read does not make it hold everything.
            let _ = cone.open(source);
        }
        Ok(cone.spec())
    }
}

/// The variables that let git commands in a workspace know that it is sparse, where no configuration of its own says
/// so: the user's is not written. Empty for one that holds everything.
pub fn sparse_settings(workspace: &Workspace) -> BTreeMap<String, String> {
    let record = Record::read(workspace.admin.as_ref());
    let Some(Extent::Sparse { cone }) = record.map(|record| record.extent) else {
        return BTreeMap::new();
    };
    let settings = place::sparse_words(Extent::Sparse { cone });
    let mut variables =
        BTreeMap::from([("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string())]);
    for (at, (key, value)) in settings.into_iter().enumerate() {
        variables.insert(format!("GIT_CONFIG_KEY_{at}"), key.to_owned());
        variables.insert(format!("GIT_CONFIG_VALUE_{at}"), value.to_owned());
    }
    variables
}

/// Directories that are there as a whole, and those whose files alone are.
#[derive(Default)]
struct Cone {
    whole: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Cone {
    /// Opens what a pattern of a scope may name; `None` if that may be anything.
    fn open(&mut self, pattern: &str) -> Option<()> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let pattern = pattern.trim_matches('/');
        if is_literal(pattern) {
            // A directory, or a file: then the files beside it are opened with what lies above.
            self.whole(pattern);
            return Some(());
        }
        let segments: Vec<&str> = pattern.split('/').collect();
        let fixed = segments.iter().take_while(|segment| is_literal(segment));
        let fixed = fixed.count();
        let directory = segments[..fixed].join("/");
        let is_last = fixed + 1 == segments.len() && !segments[fixed].contains("**");
        if is_last && !segments[fixed].contains('{') {
            self.above(&directory);
            self.files.insert(directory);
        } else if directory.is_empty() {
            return None;
        } else {
            self.whole(&directory);
        }
        Some(())
    }

    fn whole(&mut self, directory: &str) {
        let directory = directory.trim_matches('/');
        self.above(directory);
        self.whole.insert(directory.to_owned());
    }

    fn above(&mut self, directory: &str) {
        let ends = directory.match_indices('/').map(|(at, _)| at);
        self.files.extend(ends.map(|at| directory[..at].to_owned()));
    }

    fn spec(&self) -> SparseSpec {
        let mut patterns = "/*\n!/*/\n".to_owned();
        // The files at the top are always there.
        let files = self.files.difference(&self.whole);
        for directory in files.filter(|directory| !directory.is_empty()) {
            let directory = escape(directory);
            patterns.push_str(&format!("/{directory}/\n!/{directory}/*/\n"));
        }
        for directory in &self.whole {
            patterns.push_str(&format!("/{}/\n", escape(directory)));
        }
        SparseSpec {
            cone: true,
            patterns,
        }
    }
}

/// A name with the characters escaped that a pattern gives a meaning.
fn escape(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::SparseSpec;

    #[test]
    fn a_cone_opens_what_lies_above() {
        let spec = SparseSpec::directories(["packages/x", "packages/x/deep", "a[b"]);
        let lines: Vec<_> = spec.patterns.lines().collect();
        let wanted = [
            "/*",
            "!/*/",
            "/packages/",
            "!/packages/*/",
            "/a\\[b/",
            "/packages/x/",
            "/packages/x/deep/",
        ];
        assert_eq!(lines, wanted);
    }

    fn opened(scope: &[&str], sources: &[&str]) -> Result<Vec<String>, String> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let (scope, sources): (Vec<String>, Vec<String>) = (owned(scope), owned(sources));
        SparseSpec::of_scope(&scope, &sources)
            .map(|spec| spec.patterns.lines().skip(2).map(str::to_owned).collect())
            .map_err(str::to_owned)
    }

    #[test]
    fn a_scope_opens_the_directories_that_it_begins_in() {
        for (scope, wanted) in [
            (
                &["crates/net/**"][..],
                &["/crates/", "!/crates/*/", "/crates/net/"][..],
            ),
            (
                &["crates/net/src/*.rs"],
                &[
                    "/crates/",
                    "!/crates/*/",
                    "/crates/net/",
                    "!/crates/net/*/",
                    "/crates/net/src/",
                    "!/crates/net/src/*/",
                ],
            ),
            (&["crates/{net,db}/lib.rs"], &["/crates/"]),
            (
                &["./docs/", "*.md", "README.md"],
                &["/README.md/", "/docs/"],
            ),
            (&["crates/*/Cargo.toml"], &["/crates/"]),
        ] {
            assert_eq!(opened(scope, &[]).expect("a cone"), wanted, "{scope:?}");
        }
        let told = opened(&["a/b/**"], &["docs/x.md", "https://example.org/y", "**/z"]);
        assert_eq!(
            told.expect("a cone"),
            [
                "/a/",
                "!/a/*/",
                "/docs/",
                "!/docs/*/",
                "/a/b/",
                "/docs/x.md/"
            ]
        );
    }

    #[test]
    fn a_scope_that_may_be_anywhere_is_no_cone() {
        for pattern in ["**/*.rs", "**", "*/Cargo.toml", "{a,b}/**", "{a,b/c}"] {
            assert_eq!(opened(&["src/**", pattern], &[]), Err(pattern.to_owned()));
        }
    }
}
