//! Which part of a tree a workspace holds.

use std::collections::BTreeSet;

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
        let mut above = BTreeSet::new();
        let mut whole = BTreeSet::new();
        for directory in directories {
            let directory = directory.trim_matches('/');
            let ends = directory.match_indices('/').map(|(at, _)| at);
            above.extend(ends.map(|at| escape(&directory[..at])));
            whole.insert(escape(directory));
        }
        let mut patterns = "/*\n!/*/\n".to_owned();
        for directory in above.difference(&whole) {
            patterns.push_str(&format!("/{directory}/\n!/{directory}/*/\n"));
        }
        for directory in &whole {
            patterns.push_str(&format!("/{directory}/\n"));
        }
        Self {
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
}
