//! Who may use whom.

use std::collections::BTreeSet;

use super::source::How;
use super::tree::Tree;

/// Each module of `src` and what it may import, lowest layer first. Everything may import `error`.
///
/// | layer | modules |
/// |---|---|
/// | 0 | `error` `fault` `model` `process` |
/// | 1 | `git` `config` `journal` `script` |
/// | 2 | `plan` `agent` `workspace` `review` `gate` |
/// | 3 | `integrate` `hook` `report` |
/// | 4 | `runner` |
/// | 5 | `cli`, and `main` above it |
pub(super) const TABLE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("fault", &[]),
    ("model", &[]),
    ("process", &["fault", "model"]),
    ("git", &["fault", "model", "process"]),
    ("config", &["model"]),
    ("journal", &["model", "fault"]),
    ("script", &["model"]),
    ("plan", &["model", "config", "git"]),
    ("agent", &["model", "config", "process"]),
    ("workspace", &["fault", "model", "config", "git"]),
    ("review", &["model", "config", "git"]),
    ("gate", &["model", "config", "git", "process"]),
    (
        "integrate",
        &["model", "config", "git", "gate", "workspace"],
    ),
    (
        "hook",
        &["model", "config", "git", "process", "journal", "gate"],
    ),
    ("report", &["model", "config", "plan", "review"]),
    (
        "runner",
        &[
            "fault",
            "model",
            "process",
            "git",
            "config",
            "journal",
            "script",
            "plan",
            "agent",
            "workspace",
            "review",
            "gate",
            "integrate",
            "hook",
        ],
    ),
    (
        "cli",
        &[
            "fault",
            "model",
            "process",
            "git",
            "config",
            "journal",
            "script",
            "plan",
            "agent",
            "workspace",
            "review",
            "gate",
            "integrate",
            "hook",
            "report",
            "runner",
        ],
    ),
    ("main", &["process", "cli"]),
];

/// Returns a line for each import that the table does not allow.
pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let mut found = BTreeSet::new();
    for file in tree.shipped() {
        let path = &tree.files[file].path;
        let module = tree.files[file].module().unwrap_or_default();
        let Some(here) = module.first() else {
            continue;
        };
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| name == here) else {
            found.insert(format!(
                "{path}: the module `{here}` is not in the table of tests/it/repo_rules/layers.rs: decide its layer"
            ));
            continue;
        };
        for meant in tree.meant(file).into_iter().filter(|meant| meant.own) {
            let line = meant.named.line;
            let written = meant.named.path.join("::");
            let Some(there) = meant.path.first() else {
                continue;
            };
            if there == here || there == "error" || allowed.contains(&there.as_str()) {
                continue;
            }
            if TABLE.iter().any(|(name, _)| name == there) {
                found.insert(format!(
                    "{path}:{line}: `{here}` may not import `{there}` (`{written}`); it may import error {}",
                    allowed.join(" ")
                ));
            } else if meant.named.how != How::Macro {
                found.insert(format!(
                    "{path}:{line}: `{written}` names something at the root of the crate, which only declares modules"
                ));
            }
        }
    }
    found.into_iter().collect()
}

/// Returns a line for each path that climbs more than one module.
pub(super) fn climbs(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.shipped() {
        for named in &tree.files[file].names {
            if named
                .path
                .starts_with(&["super".to_owned(), "super".to_owned()])
            {
                let (path, line) = (&tree.files[file].path, named.line);
                let written = named.path.join("::");
                found.push(format!(
                    "{path}:{line}: `{written}`: write it as `crate::…`"
                ));
            }
        }
    }
    found
}

#[test]
fn the_table_has_no_cycle() {
    // Each row names only rows above it, so following it always ends.
    for (number, (name, allowed)) in TABLE.iter().enumerate() {
        for other in *allowed {
            let above = TABLE[..number].iter().any(|(earlier, _)| earlier == other);
            assert!(
                above,
                "{name} may import {other}, which does not stand above it"
            );
        }
    }
}
