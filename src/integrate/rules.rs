//! The mechanical rung of the ladder: files whose conflicts are settled by rule.
//!
//! Lines of both sides are kept (`union`), or a command writes the file anew (lock files, generated files), from the
//! manifests as they were merged. The first rule that names a file counts; those of the configuration come before the
//! built-in ones. A conflict is settled by rule only if every file of it is. Called by `runner::queue` (whether
//! one can be) and `runner::mend` (which does it).

use anyhow::{Result, anyhow, ensure};

use crate::config::{MechanicalRule, Mechanism};
use crate::git::{Git, Side};
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::ConflictFile;
use crate::model::path::RepoPath;
use crate::model::scope::Scope;

/// Well-known lock files, and the command that brings one in line with its manifest: run in the file's own
/// folder, with the lock file of the integration branch in place. None of them runs a script of a package.
const LOCK_FILES: [(&str, &str); 9] = [
    (
        "Cargo.lock",
        "cargo update --workspace --offline || cargo update --workspace",
    ),
    (
        "package-lock.json",
        "npm install --package-lock-only --ignore-scripts --no-audit --no-fund",
    ),
    (
        "pnpm-lock.yaml",
        "pnpm install --lockfile-only --ignore-scripts",
    ),
    // The first yarn cannot but install, so it does that elsewhere.
    (
        "yarn.lock",
        "case $(yarn --version) in \
         1.*) m=$(mktemp -d); yarn install --ignore-scripts --non-interactive --modules-folder \"$m\"; s=$?; \
         rm -rf \"$m\"; exit $s ;; \
         *) yarn install --mode=update-lockfile ;; esac",
    ),
    ("go.sum", "go mod tidy"),
    ("poetry.lock", "poetry lock"),
    ("uv.lock", "uv lock"),
    ("Gemfile.lock", "bundle lock"),
    (
        "composer.lock",
        "composer update --lock --no-install --no-scripts",
    ),
];

/// What is done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// The lines of both sides are kept.
    Union,
    /// The command writes it anew, at the top.
    Run(String),
    /// The command writes it anew, in the file's folder.
    RunInFolder(&'static str),
}

#[derive(Clone, Debug)]
struct Rule {
    files: Scope,
    way: Way,
}

/// Rules, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

/// A conflict that is settled by rule but for what commands have to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The merged tree; a file that a command writes is as it is on the integration branch.
    pub tree: TreeId,
    /// The commands, each once, with the folder that it runs in and the files that it writes.
    pub runs: Vec<Run>,
    /// What was done, in words: `union`, or a command.
    pub rules: Vec<String>,
}

/// A command that writes files anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The shell command.
    pub run: String,
    /// The folder that it runs in, relative to the top; empty for the top.
    pub folder: RepoPath,
    /// The files.
    pub files: Vec<RepoPath>,
}

impl Rules {
    /// The rules of the configuration (which were checked when it was read), then those for well-known lock files if
    /// they are wanted.
    pub fn new(configured: &[MechanicalRule], lock_files: bool) -> Self {
        let own = configured.iter().filter_map(|rule| {
            let way = match (rule.how, &rule.run) {
                (Mechanism::Union, _) => Way::Union,
                (Mechanism::Run, Some(run)) => Way::Run(run.clone()),
                (Mechanism::Run, None) => return None,
            };
            let files = Scope::new(&rule.files).ok()?;
            Some(Rule { files, way })
        });
        let known = LOCK_FILES
            .iter()
            .filter(|_| lock_files)
            .filter_map(|(name, run)| {
                let files = Scope::new(&[format!("**/{name}")]).ok()?;
                let way = Way::RunInFolder(run);
                Some(Rule { files, way })
            });
        Self(own.chain(known).collect())
    }

    /// Whether every file of a conflict is named by a rule.
    pub fn name_all(&self, files: &[ConflictFile]) -> bool {
        !files.is_empty() && files.iter().all(|file| self.of(&file.path).is_some())
    }

    fn of(&self, path: &RepoPath) -> Option<&Way> {
        let rule = self
            .0
            .iter()
            .find(|rule| rule.files.covers(path.as_bytes()));
        rule.map(|rule| &rule.way)
    }

    /// Settles the conflict of merging `theirs` into `ours`, as far as that goes without a command. Nothing is checked
    /// out.
    ///
    /// # Errors
    /// If a file of it has no rule, or cannot be settled by its rule; in words that say which and why.
    pub fn settle(&self, git: &Git, ours: &CommitId, theirs: &CommitId) -> Result<Settled> {
        let unmerged = git
            .unmerged(ours, theirs)?
            .ok_or_else(|| anyhow!("nothing conflicts any more"))?;
        ensure!(!unmerged.elsewhere, "the conflict is not about files alone");
        let (mut files, mut runs, mut rules) = (Vec::new(), Vec::<Run>::new(), Vec::new());
        for (path, sides) in &unmerged.files {
            let way = self
                .of(path)
                .ok_or_else(|| anyhow!("no rule names {path}"))?;
            let (run, folder) = match way {
                Way::Union => {
                    let side = git
                        .union(sides)
                        .map_err(|error| anyhow!("{path}: {error:#}"))?;
                    files.push((path.clone(), side));
                    rules.push("union".to_owned());
                    continue;
                }
                Way::Run(run) => (run.clone(), RepoPath::new(&b""[..])),
                Way::RunInFolder(run) => ((*run).to_owned(), folder_of(path)),
            };
            let [_, ours, theirs] = sides;
            // A side that deleted it wants something that no command knows.
            let side = ours.as_ref().filter(|_| theirs.is_some());
            let side = side.filter(|side| side.mode & 0o170_000 == 0o100_000);
            let side: &Side =
                side.ok_or_else(|| anyhow!("{path} is no regular file on both sides"))?;
            files.push((path.clone(), side.clone()));
            rules.push(run.clone());
            match runs
                .iter_mut()
                .find(|known| known.run == run && known.folder == folder)
            {
                Some(known) => known.files.push(path.clone()),
                None => runs.push(Run {
                    run,
                    folder,
                    files: vec![path.clone()],
                }),
            }
        }
        rules.sort();
        rules.dedup();
        Ok(Settled {
            tree: git.tree_with_files(&unmerged.tree, &files)?,
            runs,
            rules,
        })
    }
}

/// The folder of a file; empty at the top.
fn folder_of(path: &RepoPath) -> RepoPath {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    RepoPath::new(&bytes[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_names_a_file_counts() {
        let rule = |files: &str, how, run: Option<&str>| MechanicalRule {
            files: vec![files.to_owned()],
            how,
            run: run.map(str::to_owned),
        };
        let own = [
            rule("sub/Cargo.lock", Mechanism::Run, Some("make lock")),
            rule("*.md", Mechanism::Union, None),
        ];
        let way = |rules: &Rules, path: &str| rules.of(&RepoPath::new(path.as_bytes())).cloned();
        let rules = Rules::new(&own, true);
        assert_eq!(
            way(&rules, "sub/Cargo.lock"),
            Some(Way::Run("make lock".to_owned()))
        );
        assert_eq!(way(&rules, "CHANGES.md"), Some(Way::Union));
        assert!(
            matches!(way(&rules, "Cargo.lock"), Some(Way::RunInFolder(run)) if run.starts_with("cargo"))
        );
        assert!(matches!(
            way(&rules, "a/b/go.sum"),
            Some(Way::RunInFolder(_))
        ));
        assert_eq!(way(&rules, "src/lib.rs"), None);
        assert_eq!(way(&Rules::new(&own, false), "Cargo.lock"), None);
        assert_eq!(
            folder_of(&RepoPath::new(&b"a/b/go.sum"[..])),
            RepoPath::new(&b"a/b"[..])
        );
        assert_eq!(
            folder_of(&RepoPath::new(&b"go.sum"[..])),
            RepoPath::new(&b""[..])
        );
    }
}
