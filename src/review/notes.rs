//! The facts about a change in plain sentences, for the top of a review.
//!
//! Called by `dynwf review` and by the report. Names are escaped; a secret itself is never shown.

use crate::model::packet::RiskFacts;
use crate::model::path::{RepoPath, printable};

/// How many names a sentence lists.
const NAMED: usize = 5;

/// Says what is notable about a change, a sentence each; the size comes first.
pub fn notes(facts: &RiskFacts) -> Vec<String> {
    let files = if facts.files == 1 { "file" } else { "files" };
    let lines = if facts.additions == 1 {
        "line"
    } else {
        "lines"
    };
    let mut all = vec![format!(
        "{} {files}, {} {lines} added, {} removed",
        facts.files, facts.additions, facts.deletions
    )];
    let paths = |list: &[RepoPath]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let lists = [
        ("outside its scope", paths(&facts.outside)),
        (
            "looks like a secret",
            facts
                .secrets
                .iter()
                .map(|(path, kind)| format!("{path} ({kind})"))
                .collect(),
        ),
        (
            "symbolic link",
            facts
                .symlinks
                .iter()
                .map(|(path, target)| format!("{path} → {}", printable(target)))
                .collect(),
        ),
        ("submodule", paths(&facts.gitlinks)),
        ("became executable", paths(&facts.executables)),
        ("odd name", paths(&facts.odd_names)),
        ("binary", paths(&facts.binaries)),
        (
            "large",
            facts
                .large
                .iter()
                .map(|(path, size)| format!("{path} ({} KiB)", size / 1024))
                .collect(),
        ),
        ("deleted", paths(&facts.deleted)),
    ];
    for (what, names) in lists {
        if !names.is_empty() {
            all.push(format!("{what}: {}", listed(&names)));
        }
    }
    all
}

fn listed(names: &[String]) -> String {
    let shown = names.len().min(NAMED);
    let mut text = names[..shown].join(", ");
    if names.len() > shown {
        text.push_str(&format!(" and {} more", names.len() - shown));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_and_cut_and_escaped() {
        let facts = RiskFacts {
            files: 7,
            additions: 3,
            deletions: 1,
            symlinks: vec![("link".into(), "/etc/\x1b[2J".to_owned())],
            deleted: (0..7)
                .map(|n| RepoPath::from(format!("f{n}").as_str()))
                .collect(),
            secrets: vec![("a.env".into(), "a private key".to_owned())],
            ..RiskFacts::default()
        };
        assert_eq!(
            notes(&facts),
            [
                "7 files, 3 lines added, 1 removed",
                "looks like a secret: a.env (a private key)",
                "symbolic link: link → /etc/\\u{1b}[2J",
                "deleted: f0, f1, f2, f3, f4 and 2 more",
            ]
        );
    }
}
