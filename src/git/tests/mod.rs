//! Tests of the door against real repositories, each on every kind of repository that this git can make.

mod merges;
mod objects;
mod refs;
mod remotes;
mod repository;
mod runs;
mod worktrees;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Git;
use crate::model::id::{CommitId, RefName};

/// The kinds of repositories: one that libgit2 opens, and those that it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ordinary,
    Sha256,
    Reftable,
}

pub(super) struct Sample {
    pub(super) dir: TempDir,
    pub(super) top: PathBuf,
}

/// Runs a test on every kind of repository. A git without reftable can neither make nor open one.
pub(super) fn on_every_kind(test: impl Fn(&Sample)) {
    for kind in [Kind::Ordinary, Kind::Sha256, Kind::Reftable] {
        if let Some(sample) = Sample::try_new(kind) {
            eprintln_kind(kind);
            test(&sample);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "says in a failed test's output which kind it was"
)]
fn eprintln_kind(kind: Kind) {
    eprintln!("kind: {kind:?}");
}

impl Sample {
    /// An ordinary repository with a space and quotes in its path, on the unborn branch `main`.
    pub(super) fn new() -> Self {
        Self::try_new(Kind::Ordinary).expect("every git makes an ordinary repository")
    }

    pub(super) fn try_new(kind: Kind) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let top = dir
            .path()
            .canonicalize()
            .expect("exists")
            .join("it's a \"repo\"");
        std::fs::create_dir(&top).expect("makes a directory");
        let sample = Self { dir, top };
        let format: &[&str] = match kind {
            Kind::Ordinary => &[],
            Kind::Sha256 => &["--object-format=sha256"],
            Kind::Reftable => &["--ref-format=reftable"],
        };
        let made = sample
            .raw(
                &sample.top,
                &[&["init", "-q", "-b", "main"], format].concat(),
            )
            .status
            .success();
        if !made {
            assert_eq!(kind, Kind::Reftable, "git init works");
            return None;
        }
        for (key, value) in [
            ("user.name", "A U Thor"),
            ("user.email", "author@example.com"),
            ("commit.gpgsign", "false"),
        ] {
            sample.git(&["config", key, value]);
        }
        Some(sample)
    }

    /// Runs the git program as a person would, at the top, and returns what it answered.
    pub(super) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.top, args)
    }

    pub(super) fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.raw(dir, args);
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Runs the git program and returns how it ended.
    pub(super) fn raw(&self, dir: &Path, args: &[&str]) -> std::process::Output {
        Command::new("git")
            .args(args)
            .current_dir(dir)
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .env("GIT_EDITOR", "true")
            .env("LC_ALL", "C")
            .output()
            .expect("git starts")
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.top.join(path);
        std::fs::create_dir_all(path.parent().expect("has a folder")).expect("makes folders");
        std::fs::write(path, content).expect("writes a file");
    }

    /// Commits everything that lies there.
    pub(super) fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }

    pub(super) fn id(&self, rev: &str) -> CommitId {
        self.git(&["rev-parse", rev]).parse().expect("an id")
    }

    pub(super) fn door(&self) -> Git {
        Git::discover(&self.top).expect("opens")
    }
}

pub(super) fn name(text: &str) -> RefName {
    text.parse().expect("a ref name")
}
