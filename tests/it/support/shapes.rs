//! The shapes of repository that users have and that tools forget.

use std::path::PathBuf;

use super::output::CommandOutput;
use super::test_repo::TestRepo;

impl TestRepo {
    /// A small project in a folder whose name needs quoting everywhere.
    pub(crate) fn with_odd_name() -> Self {
        Self::init("it's a \"repo\" $HOME", &[])
            .expect("a folder may have any name")
            .with_crates(&["net", "db", "core"])
    }

    /// A small project with object ids of 64 digits, or why git cannot make one.
    pub(crate) fn sha256() -> Result<Self, CommandOutput> {
        Self::init("repo", &["--object-format=sha256"]).map(|repo| repo.with_crates(&["net", "db"]))
    }

    /// A small project with refs in the reftable format, or why git cannot make one.
    pub(crate) fn reftable() -> Result<Self, CommandOutput> {
        Self::init("repo", &["--ref-format=reftable"]).map(|repo| repo.with_crates(&["net", "db"]))
    }

    /// HEAD names no branch.
    pub(crate) fn detached(self) -> Self {
        self.git(["checkout", "-q", "--detach"]);
        self
    }

    /// A checkout in the middle of work: changed, staged, untracked and ignored files, a stash, and a branch of its
    /// own so that `main` is in use nowhere.
    pub(crate) fn in_use(self) -> Self {
        self.git(["checkout", "-q", "-b", "my-work"]);
        self.write("README.md", "# A small workspace\n\nstashed\n");
        self.git(["stash", "push", "-q", "-m", "for later"]);
        self.write("README.md", "# A small workspace\n\nnot staged\n");
        self.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- staged\n");
        self.git(["add", "CHANGELOG.md"]);
        self.write("notes with spaces.txt", "untracked\n");
        self.write("debug.log", "ignored\n");
        self.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
        self.write(".git/hooks/post-checkout", "#!/bin/sh\ntouch \"$0.ran\"\n");
        for hook in ["pre-commit", "post-checkout"] {
            let path = self.join(".git/hooks").join(hook);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path, mode).expect("a hook can be made executable");
        }
        self
    }

    /// A second repository as the submodule `vendor/lib`, checked out.
    pub(crate) fn with_submodule(self) -> Self {
        let library = self.place().join("library");
        std::fs::create_dir(&library).expect("the folder can be made");
        std::fs::write(library.join("lib.c"), "int lib;\n").expect("a file can be written");
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "-A"],
            &["commit", "-q", "-m", "library"],
        ] {
            self.git_in(&library, args).success();
        }
        let library = library.display().to_string();
        self.git(["submodule", "--quiet", "add", &library, "vendor/lib"]);
        self.commit("a submodule");
        self
    }

    /// `*.big` files go through a filter, the way LFS does it: stored is `pointer <text>`, checked out is `<text>`.
    pub(crate) fn with_filter(self) -> Self {
        self.git(["config", "filter.big.clean", "sed 's/^/pointer /'"]);
        self.git(["config", "filter.big.smudge", "sed 's/^pointer //'"]);
        self.git(["config", "filter.big.required", "true"]);
        self.write(".gitattributes", "*.big filter=big\n*.crlf text eol=crlf\n");
        self.write("assets/model.big", "heavy\n");
        self.write("assets/dos.crlf", "line\r\n");
        self.commit("filtered files");
        self
    }

    /// Only one folder is checked out.
    pub(crate) fn sparse(self, folder: &str) -> Self {
        self.git(["sparse-checkout", "set", folder]);
        self
    }

    /// A hooks folder that is given relative to the work tree, as husky does.
    pub(crate) fn with_relative_hooks(self) -> Self {
        self.write(".husky/pre-push", "#!/bin/sh\nexit 0\n");
        self.commit("hooks");
        self.git(["config", "core.hooksPath", ".husky"]);
        self
    }

    /// Another worktree of the repository, on a new branch; returns its directory.
    pub(crate) fn linked_worktree(&self, branch: &str) -> PathBuf {
        let dir = self.place().join(format!("linked {branch}"));
        self.git([
            "worktree",
            "add",
            "-q",
            "-b",
            branch,
            &dir.display().to_string(),
        ]);
        dir
    }
}
