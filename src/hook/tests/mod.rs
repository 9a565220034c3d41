//! Tests of the hook, with real repositories and real pushes.

mod decision;
mod installing;
mod probing;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::git::Git;

/// A repository with one commit and a bare remote `origin`, in a folder whose name is no plain word.
struct Repo {
    dir: TempDir,
    git: Git,
}

impl Repo {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let top = dir.path().join("it's a \"repo\"");
        fs::create_dir(&top).expect("a folder");
        run(&top, &["init", "-q", "-b", "main", "."]);
        let repo = Self {
            git: Git::discover(&top).expect("is found"),
            dir,
        };
        run(repo.dir.path(), &["init", "-q", "--bare", "remote.git"]);
        let remote = repo.remote();
        run(&top, &["remote", "add", "origin", &remote]);
        repo.commit("first");
        repo
    }

    fn top(&self) -> PathBuf {
        self.git.work_tree().expect("has one").to_path_buf()
    }

    fn remote(&self) -> String {
        let path = self.dir.path().join("remote.git");
        path.to_str().expect("is text").to_owned()
    }

    fn hook(&self) -> PathBuf {
        self.git.common_dir().join("hooks/pre-push")
    }

    /// Commits on what is checked out, without a change, and returns the id.
    fn commit(&self, message: &str) -> String {
        run(
            &self.top(),
            &["commit", "-q", "--allow-empty", "-m", message],
        );
        self.id("HEAD")
    }

    fn id(&self, rev: &str) -> String {
        run(&self.top(), &["rev-parse", rev]).trim().to_owned()
    }

    /// A program in place of dynwf: a shell script.
    fn program(&self, script: &str) -> PathBuf {
        let file = self.dir.path().join("dyn'wf of mine");
        write_script(&file, &format!("#!/bin/sh\n{script}\n"));
        file
    }
}

/// A program that notes its arguments and input in this file, then ends with this code.
fn noting(file: &Path, code: u8) -> String {
    format!("{{ echo \"$@\"; cat; }} >'{}'\nexit {code}", file.display())
}

fn write_script(file: &Path, text: &str) {
    fs::write(file, text).expect("writes");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("sets the mode");
}

/// Runs git as a person would, away from the configuration of whoever runs the tests.
fn git(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(dir).args(args);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("HOME", dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A")
        .env("GIT_AUTHOR_EMAIL", "a@example.org")
        .env("GIT_COMMITTER_NAME", "A")
        .env("GIT_COMMITTER_EMAIL", "a@example.org")
        .output()
        .expect("git starts")
}

fn run(dir: &Path, args: &[&str]) -> String {
    let output = git(dir, args);
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("is text")
}
