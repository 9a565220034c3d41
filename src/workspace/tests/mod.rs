//! Tests on real repositories. Both gits are tried by running them once with each first on PATH.

mod collecting;
mod conflicts;
mod making;
mod removal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{CollectSpec, Collection, Head, MakeSpec, Outcome, collect, make};
use crate::git::Git;
use crate::model::id::{CommitId, RefName};
use crate::model::packet::Workspace;

/// A repository with a few files, and room beside it.
pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) root: PathBuf,
    pub(super) git: Git,
}

pub(super) const BRANCH: &str = "refs/heads/dynwf/demo/01-a";

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with("repo", "git init -q -b main .")
    }

    /// A repository in a directory of this name, made by this command.
    pub(super) fn with(name: &str, init: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("dynwf")
            .tempdir()
            .expect("temporary directory");
        let root = dir.path().canonicalize().expect("real").join(name);
        fs::create_dir(&root).expect("made");
        sh(&root, init);
        sh(
            &root,
            "git config user.name Tester; git config user.email tester@example.org",
        );
        sh(
            &root,
            "mkdir -p src/deep docs; echo one >src/one.txt; echo two >src/deep/two.txt; echo doc >docs/doc.txt
             printf 'ignored/\\n*.log\\n.env\\n' >.gitignore; ln -s src/one.txt link; echo x >run.sh
             chmod +x run.sh; git add -A; git commit -qm base",
        );
        let git = Git::discover(&root).expect("a repository");
        Self { dir, root, git }
    }

    pub(super) fn base(&self) -> CommitId {
        sh(&self.root, "git rev-parse main").parse().expect("an id")
    }

    pub(super) fn spec(&self) -> MakeSpec {
        sh(&self.root, &format!("git update-ref {BRANCH} main"));
        MakeSpec {
            admin_name: "demo.01-a".to_owned(),
            path: self.dir.path().join("repo.dynwf/demo/01-a"),
            head: Head::Branch(branch()),
            commit: self.base(),
            sparse: None,
        }
    }

    pub(super) fn workspace(&self) -> Workspace {
        make(&self.git, &self.spec()).expect("made")
    }

    pub(super) fn detached(&self, admin_name: &str) -> Workspace {
        let spec = MakeSpec {
            admin_name: admin_name.to_owned(),
            path: self.dir.path().join("repo.dynwf/demo").join(admin_name),
            head: Head::Detached,
            ..self.spec()
        };
        make(&self.git, &spec).expect("made")
    }

    pub(super) fn collect(&self, workspace: &Workspace) -> Collection {
        let spec = CollectSpec {
            base: self.base(),
            earlier: None,
            at: noon(),
            message: "work\n".to_owned(),
        };
        collect(&self.git, workspace, &spec).expect("collected")
    }

    /// What `git diff-tree` says of a collected tip.
    pub(super) fn changes(&self, collection: &Collection) -> String {
        let Outcome::Work { tip, .. } = &collection.outcome else {
            panic!("no work: {:?}", collection.outcome);
        };
        let diff = format!("git diff-tree -r --name-status --no-renames main {tip}");
        sh(&self.root, &diff).replace('\t', " ")
    }

    pub(super) fn assert_healthy(&self) {
        for command in [
            "git worktree list",
            "git fsck --strict",
            "git branch -v",
            "git log --all --oneline",
            "git worktree prune -n -v",
        ] {
            sh(&self.root, command);
        }
    }
}

pub(super) fn branch() -> RefName {
    BRANCH.parse().expect("a ref name")
}

pub(super) fn noon() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().expect("a time")
}

pub(super) fn work(workspace: &Workspace) -> &Path {
    Path::new(&workspace.path)
}

/// The lines that say why a collection was refused.
pub(super) fn refusals(collection: &Collection) -> Vec<String> {
    match &collection.outcome {
        Outcome::Refused { why } => why.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Runs a shell script that must succeed; returns what it printed, trimmed.
pub(super) fn sh(dir: &Path, script: &str) -> String {
    let (ok, out) = try_sh(dir, script);
    assert!(ok, "{script}\n{out}");
    out.trim().to_owned()
}

/// Runs a shell script; returns whether it succeeded, and all that it printed.
pub(super) fn try_sh(dir: &Path, script: &str) -> (bool, String) {
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["-ec", script])
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .output()
        .expect("sh starts");
    let mut text = output.stdout;
    if !output.status.success() {
        text.extend(output.stderr);
    }
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}
