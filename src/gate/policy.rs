//! Which changes a person should look at.
//!
//! Everything is judged from [`RiskFacts`], which come from raw differences: nothing that the change itself
//! brings (attributes, file names, the policy's own file) can make it look smaller.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::model::gate::Policy;
use crate::model::packet::RiskFacts;
use crate::model::path::{RepoPath, printable};
use crate::model::scope::Scope;

/// How many paths a reason names before it counts the rest.
const NAMED: usize = 3;

/// Returns why a person should look at a change, a line each for people; empty if nobody needs to.
pub fn judge(facts: &RiskFacts, policy: &Policy) -> Vec<String> {
    let mut reasons = Vec::new();
    size(facts, policy, &mut reasons);
    shape(facts, &mut reasons);
    protected(facts, policy, &mut reasons);
    if !facts.outside.is_empty() {
        reasons.push(format!(
            "outside the packet's scope: {}",
            named(&facts.outside)
        ));
    }
    for (path, what) in &facts.secrets {
        reasons.push(format!(
            "{path} looks like it holds a secret: {}",
            printable(what)
        ));
    }
    reasons
}

/// Returns the SHA-256 of a policy, in hexadecimal: two policies that could ever differ in an answer differ
/// here.
pub fn digest(policy: &Policy) -> String {
    // A struct of numbers, texts and names of variants always has a JSON form; an empty text would only make
    // approvals void.
    let text = serde_json::to_vec(policy).unwrap_or_default();
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

fn size(facts: &RiskFacts, policy: &Policy, reasons: &mut Vec<String>) {
    if facts.files > policy.max_files {
        let files = if facts.files == 1 { "file" } else { "files" };
        reasons.push(format!(
            "{} {files} changed (more than {})",
            facts.files, policy.max_files
        ));
    }
    let lines = facts.additions.saturating_add(facts.deletions);
    if lines > policy.max_lines {
        reasons.push(format!(
            "{lines} lines changed (more than {})",
            policy.max_lines
        ));
    }
    let tops: BTreeSet<&[u8]> = facts.paths.iter().filter_map(top_dir).collect();
    if tops.len() > policy.max_top_dirs as usize {
        reasons.push(format!(
            "files below {} top-level directories changed (more than {})",
            tops.len(),
            policy.max_top_dirs
        ));
    }
    if facts.deleted.len() > policy.max_deletions as usize {
        reasons.push(format!(
            "{} files deleted (more than {})",
            facts.deleted.len(),
            policy.max_deletions
        ));
    }
    let large: Vec<String> = facts
        .large
        .iter()
        .filter(|(_, bytes)| *bytes > policy.max_blob_bytes)
        .map(|(path, bytes)| format!("{path} ({} KiB)", bytes.div_ceil(1024)))
        .collect();
    if !large.is_empty() {
        reasons.push(format!("large files: {}", first(&large)));
    }
}

fn shape(facts: &RiskFacts, reasons: &mut Vec<String>) {
    for (what, paths) in [
        ("binary files", &facts.binaries),
        ("submodules", &facts.gitlinks),
        ("became executable", &facts.executables),
        ("dangerous or confusable names", &facts.odd_names),
    ] {
        if !paths.is_empty() {
            reasons.push(format!("{what}: {}", named(paths)));
        }
    }
    let links: Vec<String> = facts
        .symlinks
        .iter()
        .map(|(path, target)| {
            let leaves = if leaves_the_repository(path, target) {
                ", outside the repository"
            } else {
                ""
            };
            format!("{path} -> {}{leaves}", printable(target))
        })
        .collect();
    if !links.is_empty() {
        // Never cut short: the one that leaves the repository must not hide behind three that do not.
        reasons.push(format!("symbolic links: {}", links.join(", ")));
    }
}

fn protected(facts: &RiskFacts, policy: &Policy, reasons: &mut Vec<String>) {
    // Compared in lower case: on many file systems `makefile` is `Makefile`.
    let patterns: Vec<String> = policy
        .protected
        .iter()
        .map(|text| text.to_lowercase())
        .collect();
    let scope = match Scope::new(&patterns) {
        Ok(scope) => scope,
        Err(bad) => {
            let pattern = policy.protected.get(bad.index).map_or("", String::as_str);
            reasons.push(format!(
                "the pattern `{}` of protected paths cannot be used: {}",
                printable(pattern),
                bad.why
            ));
            return;
        }
    };
    let hit: Vec<RepoPath> = facts
        .paths
        .iter()
        .filter(|path| scope.covers(&path.as_bytes().to_ascii_lowercase()))
        .cloned()
        .collect();
    match hit.as_slice() {
        [] => {}
        [one] => reasons.push(format!("{one} is protected")),
        more => reasons.push(format!("protected paths: {}", named(more))),
    }
    if facts.files as usize > facts.paths.len() && !policy.protected.is_empty() {
        reasons.push(format!(
            "only {} of {} paths could be compared with the protected ones",
            facts.paths.len(),
            facts.files
        ));
    }
}

fn top_dir(path: &RepoPath) -> Option<&[u8]> {
    let bytes = path.as_bytes();
    bytes.iter().position(|&b| b == b'/').map(|at| &bytes[..at])
}

/// Whether a link's target is absolute, climbs above the top, or leads into git's own folder.
fn leaves_the_repository(path: &RepoPath, target: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    let mut depth = path.as_bytes().split(|&b| b == b'/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            part if part.eq_ignore_ascii_case(".git") => return true,
            _ => depth += 1,
        }
    }
    false
}

fn named(paths: &[RepoPath]) -> String {
    let texts: Vec<String> = paths
        .iter()
        .take(NAMED + 1)
        .map(RepoPath::to_string)
        .collect();
    counted(&texts, paths.len())
}

fn first(texts: &[String]) -> String {
    counted(texts, texts.len())
}

fn counted(texts: &[String], all: usize) -> String {
    let shown = texts.len().min(NAMED);
    let text = texts[..shown].join(", ");
    if all > shown {
        format!("{text} and {} more", all - shown)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<RepoPath> {
        names.iter().map(|&name| RepoPath::from(name)).collect()
    }

    fn changed(names: &[&str]) -> RiskFacts {
        let files = u32::try_from(names.len()).expect("few");
        RiskFacts {
            files,
            additions: 1,
            paths: paths(names),
            ..RiskFacts::default()
        }
    }

    fn asks(facts: &RiskFacts) -> Vec<String> {
        judge(facts, &Policy::default())
    }

    #[test]
    fn a_small_ordinary_change_needs_nobody() {
        assert_eq!(
            asks(&changed(&["src/a.rs", "README.md", "tests/b.rs"])),
            [""; 0]
        );
    }

    #[test]
    fn each_limit_asks_above_it_and_not_at_it() {
        let many: Vec<String> = (0..11).map(|n| format!("d{n}/f")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let base = changed(&["a"]);
        for (at, above, word) in [
            (
                RiskFacts {
                    files: 1,
                    ..base.clone()
                },
                RiskFacts {
                    files: 21,
                    ..changed(&["a"])
                },
                "21 files",
            ),
            (
                RiskFacts {
                    additions: 250,
                    deletions: 250,
                    ..base.clone()
                },
                RiskFacts {
                    additions: 250,
                    deletions: 251,
                    ..base.clone()
                },
                "501 lines",
            ),
            (changed(&many[..5]), changed(&many[..6]), "6 top-level"),
            (
                RiskFacts {
                    deleted: paths(&many[..10]),
                    ..base.clone()
                },
                RiskFacts {
                    deleted: paths(&many),
                    ..base.clone()
                },
                "11 files deleted",
            ),
            (
                RiskFacts {
                    large: vec![("a".into(), 1 << 20)],
                    ..base.clone()
                },
                RiskFacts {
                    large: vec![("a".into(), (1 << 20) + 1)],
                    ..base.clone()
                },
                "a (1025 KiB)",
            ),
        ] {
            assert_eq!(asks(&at), [""; 0], "{word}");
            assert!(asks(&above)[0].contains(word), "{word}: {:?}", asks(&above));
        }
        let numbers = Policy {
            max_files: 0,
            ..Policy::default()
        };
        assert_eq!(judge(&base, &numbers), ["1 file changed (more than 0)"]);
    }

    #[test]
    fn each_shape_asks() {
        let path = || paths(&["x"]);
        for (facts, word) in [
            (
                RiskFacts {
                    binaries: path(),
                    ..RiskFacts::default()
                },
                "binary files: x",
            ),
            (
                RiskFacts {
                    gitlinks: path(),
                    ..RiskFacts::default()
                },
                "submodules: x",
            ),
            (
                RiskFacts {
                    executables: path(),
                    ..RiskFacts::default()
                },
                "became executable: x",
            ),
            (
                RiskFacts {
                    odd_names: path(),
                    ..RiskFacts::default()
                },
                "names: x",
            ),
            (
                RiskFacts {
                    outside: path(),
                    ..RiskFacts::default()
                },
                "scope: x",
            ),
            (
                RiskFacts {
                    secrets: vec![("x".into(), "a private key".into())],
                    ..RiskFacts::default()
                },
                "x looks like it holds a secret: a private key",
            ),
        ] {
            let reasons = asks(&facts);
            assert!(
                reasons.len() == 1 && reasons[0].contains(word),
                "{word}: {reasons:?}"
            );
        }
    }

    #[test]
    fn protected_paths_are_named_in_any_spelling_of_case() {
        for path in [
            ".github/workflows/ci.yml",
            ".gitlab-ci.yml",
            "Jenkinsfile",
            "a/Dockerfile",
            "hooks/pre-push",
            ".husky/x",
            "a/.gitattributes",
            ".gitmodules",
            ".workflow/x/plan.toml",
            "CODEOWNERS",
            ".github/CODEOWNERS",
            "Cargo.lock",
            "web/package-lock.json",
            "build.rs",
            "crates/a/build.rs",
            "Makefile",
            "makefile",
            ".envrc",
            ".vscode/tasks.json",
            "CLAUDE.md",
            "docs/AGENTS.md",
            "dynwf.toml",
            "DYNWF.TOML",
        ] {
            let reasons = asks(&changed(&[path]));
            assert_eq!(reasons, [format!("{path} is protected")]);
        }
        let reasons = asks(&changed(&[
            "Cargo.lock",
            "Makefile",
            "build.rs",
            "hooks/a",
            "src/a",
        ]));
        assert_eq!(
            reasons,
            ["protected paths: Cargo.lock, Makefile, build.rs and 1 more"]
        );
    }

    #[test]
    fn links_that_leave_the_repository_say_so() {
        let link = |path: &str, target: &str| {
            let facts = RiskFacts {
                symlinks: vec![(path.into(), target.to_owned())],
                ..RiskFacts::default()
            };
            asks(&facts).remove(0)
        };
        for (path, target) in [
            ("a", "/etc/passwd"),
            ("a/b", "../../x"),
            ("a", ".."),
            ("a/b", "../.GIT/config"),
            ("a/b", "c/../../../x"),
        ] {
            assert!(link(path, target).contains("outside"), "{path} {target}");
        }
        for (path, target) in [("a", "b"), ("a/b", "../x"), ("a/b", "./c/../d")] {
            assert!(!link(path, target).contains("outside"), "{path} {target}");
        }
        assert!(link("a", "x\x1b[2J").contains("\\u{1b}"));
    }

    #[test]
    fn what_cannot_be_judged_is_asked_about() {
        let bad = Policy {
            protected: vec!["a[".to_owned()],
            ..Policy::default()
        };
        assert!(judge(&changed(&["src/a.rs"]), &bad)[0].contains("`a[`"));
        let cut = RiskFacts {
            files: 3000,
            ..changed(&["src/a.rs"])
        };
        let lax = Policy {
            max_files: 5000,
            ..Policy::default()
        };
        assert!(judge(&cut, &lax)[0].contains("only 1 of 3000"));
        assert_eq!(
            judge(
                &cut,
                &Policy {
                    protected: Vec::new(),
                    ..lax
                }
            ),
            [""; 0]
        );
    }

    #[test]
    fn another_policy_has_another_digest() {
        let policy = Policy::default();
        assert_eq!(digest(&policy), digest(&policy.clone()));
        assert_eq!(digest(&policy).len(), 64);
        assert_ne!(
            digest(&policy),
            digest(&Policy {
                max_files: 21,
                ..policy.clone()
            })
        );
        assert_ne!(
            digest(&policy),
            digest(&Policy {
                protected: Vec::new(),
                ..policy.clone()
            })
        );
    }
}
