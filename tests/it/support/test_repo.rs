//! A real git repository in a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::fingerprint::Fingerprint;
use super::output::CommandOutput;
use super::place::Place;

/// The time of every commit that a test makes itself.
const THEN: &str = "2024-05-06T07:08:09+00:00";

/// A repository with its work tree, and perhaps a bare remote beside it.
pub(crate) struct TestRepo {
    place: Place,
    dir: PathBuf,
}

impl TestRepo {
    /// A repository without a commit.
    pub(crate) fn unborn() -> Self {
        Self::init("repo", &[]).expect("every git can make an ordinary repository")
    }

    /// A folder of this name, made with these options of `git init`; else what git said against them.
    pub(crate) fn init(name: &str, options: &[&str]) -> Result<Self, CommandOutput> {
        let place = Place::new();
        let dir = place.join(name);
        fs::create_dir(&dir).expect("the folder can be made");
        let repo = Self { place, dir };
        let said = repo.try_git([&["init", "-q", "-b", "main"], options].concat());
        if said.status.success() {
            Ok(repo)
        } else {
            Err(said)
        }
    }

    /// A Rust workspace of three crates, committed on `main`.
    pub(crate) fn small() -> Self {
        Self::unborn().with_crates(&["net", "db", "core"])
    }

    /// The branch `main` of the bundle that this variable of the environment names, if it does.
    pub(crate) fn from_bundle(variable: &str) -> Option<Self> {
        let bundle = PathBuf::from(std::env::var_os(variable)?);
        let repo = Self::unborn();
        let heads = repo.git([
            OsStr::new("bundle"),
            OsStr::new("list-heads"),
            bundle.as_os_str(),
        ]);
        let name = heads
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(_, name)| name)
            .min_by_key(|name| (*name != "refs/heads/main", *name != "HEAD"))
            .expect("a bundle holds a ref");
        repo.git([
            OsStr::new("fetch"),
            OsStr::new("-q"),
            bundle.as_os_str(),
            OsStr::new(&format!("{name}:refs/bundle")),
        ]);
        repo.git(["reset", "-q", "--hard", "refs/bundle"]);
        repo.git(["update-ref", "-d", "refs/bundle"]);
        Some(repo)
    }

    /// Adds a Rust workspace with these crates and commits it.
    pub(crate) fn with_crates(self, names: &[&str]) -> Self {
        self.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n",
        );
        self.write("README.md", "# A small workspace\n\nIt has a few crates.\n");
        self.write(".gitignore", "/target\n*.log\n");
        self.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n");
        for name in names {
            self.write(
                &format!("crates/{name}/Cargo.toml"),
                &format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
            );
            self.write(
                &format!("crates/{name}/src/lib.rs"),
                &format!(
                    "//! The crate {name}.\n\nmod wire;\n\n/// Says its name.\npub fn name() -> &'static str {{\n    \
                     log::debug!(\"asked for the name\");\n    \"{name}\"\n}}\n"
                ),
            );
            self.write(
                &format!("crates/{name}/src/wire.rs"),
                &format!(
                    "//! How {name} talks.\n\npub(crate) fn send(bytes: &[u8]) {{\n    log::info!(\"{{}} bytes\", \
                     bytes.len());\n}}\n"
                ),
            );
        }
        self.commit("begin");
        self
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The top of the work tree.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder that all worktrees of the repository share.
    pub(crate) fn common_dir(&self) -> PathBuf {
        let said = self.git(["rev-parse", "--git-common-dir"]);
        self.dir.join(said).canonicalize().expect("it is there")
    }

    /// The bare repository beside it.
    pub(crate) fn remote_path(&self) -> PathBuf {
        self.place.join("remote.git")
    }

    /// Adds the bare remote `origin` that holds `main`.
    pub(crate) fn with_remote(self) -> Self {
        let remote = self.remote_path();
        self.git([
            OsStr::new("init"),
            OsStr::new("-q"),
            OsStr::new("--bare"),
            OsStr::new("-b"),
            OsStr::new("main"),
            remote.as_os_str(),
        ]);
        self.git([
            OsStr::new("remote"),
            OsStr::new("add"),
            OsStr::new("origin"),
            remote.as_os_str(),
        ]);
        self.git(["push", "-q", "-u", "origin", "main"]);
        self
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(&path, text)
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join(path))
            .unwrap_or_else(|error| panic!("reading {path}: {error}"))
    }

    /// Commits all that the work tree holds; returns the commit.
    #[track_caller]
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--allow-empty", "-m", message]);
        self.git(["rev-parse", "HEAD"])
    }

    /// Runs git in the work tree; fails with what it said, or returns its stdout without the last newline.
    #[track_caller]
    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let output = self.try_git(args).success();
        output.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs git in the work tree.
    pub(crate) fn try_git<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> CommandOutput {
        self.git_in(&self.dir, args)
    }

    /// Runs git in the bare remote; fails with what it said.
    #[track_caller]
    pub(crate) fn remote_git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let output = self.git_in(&self.remote_path(), args).success();
        output.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs git in a directory.
    pub(crate) fn git_in<S: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> CommandOutput {
        let mut command = self.place.command("git");
        command
            .args(args)
            .current_dir(dir)
            .env("GIT_AUTHOR_DATE", THEN)
            .env("GIT_COMMITTER_DATE", THEN);
        run(&mut command)
    }

    /// What a ref points to, if it exists.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        let said = self.try_git(["rev-parse", "-q", "--verify", name]);
        said.status.success().then(|| said.stdout.trim().to_owned())
    }

    /// What the user has, byte for byte.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }
}

/// Runs a command to its end, without input.
pub(super) fn run(command: &mut Command) -> CommandOutput {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let line = format!("{} {}", command.get_program().display(), words.join(" "));
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("starting `{line}`: {error}"));
    CommandOutput::new(line, &output)
}
