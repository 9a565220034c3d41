//! The demo's repository: files, plan, remote.
//!
//! Settings that a person may have for all repositories and that would get in the way (signing, hooks, line ends)
//! are set for this one. Called by the demo.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::git::Cmd;

/// The files of the first commit.
const FILES: [(&str, &str); 8] = [
    (
        "README.md",
        "# Hello\n\nThree small parts that greet people, and a page about them.\n",
    ),
    (
        "CHANGELOG.md",
        "# Changelog\n\n## Unreleased\n\nNothing yet.\n\n## 1.0\n\n- Parts can greet.\n",
    ),
    (
        "crates/core/lib.sh",
        "# The one place that knows how to greet.\ngreet() {\n    echo \"hello, $1\"\n}\n",
    ),
    (
        "crates/net/net.sh",
        "# Greets a machine.\n. crates/core/lib.sh\ngreet \"${1:-localhost}\"\n",
    ),
    (
        "crates/cli/cli.sh",
        "# Greets a person.\n. crates/core/lib.sh\ngreet \"${1:-world}\"\n",
    ),
    (
        "crates/docs/guide.md",
        "# Guide\n\nCall `greet NAME` after reading `crates/core/lib.sh`.\n",
    ),
    (
        "check.sh",
        "# Fails if a part is left behind.\nset -e\nsh crates/net/net.sh\nsh crates/cli/cli.sh\n\
         ! grep -rnw greet crates\n",
    ),
    (
        ".github/workflows/check.yml",
        "on: push\njobs:\n  check:\n    steps:\n      - run: sh crates/cli/cli.sh\n",
    ),
];

/// The plan. Each agent takes a moment, so that there is something to see.
const PLAN: &str = r#"goal = "Rename `greet` to `welcome` in every part"
success = ["nothing says greet any more", "every part still runs"]
constraints = ["the greeting itself stays as it is"]
base = "main"

[integration]
target = "main"
overlap = "allow"

[[risk]]
what = "two packets write CHANGELOG.md"
mitigation = "a person looks at the conflict"

[[check]]
name = "every part runs"
run = "sh check.sh"

[[packet]]
id = "01-core"
objective = "Rename the function"
scope = ["crates/core/**"]
run = "sleep 0.6; sed -i 's/greet/welcome/' crates/core/*.sh"

[[packet]]
id = "02-net"
objective = "Call welcome from net, and say so in the changelog"
scope = ["crates/net/**", "CHANGELOG.md"]
run = "sleep 0.9; sed -i 's/^greet/welcome/' crates/net/*.sh; sed -i 's/^Nothing yet./- net calls welcome./' CHANGELOG.md"

[[packet]]
id = "03-cli"
objective = "Call welcome from cli"
scope = ["crates/cli/**"]
run = "sleep 0.3; sed -i 's/^greet/welcome/' crates/cli/*.sh"
checks = ["grep -q welcome crates/cli/cli.sh"]

[[packet]]
id = "04-ci"
objective = "Run every check in the pipeline, and say so in the changelog"
scope = [".github/**", "CHANGELOG.md"]
run = "sleep 0.5; sed -i 's/crates.cli.cli.sh/check.sh/' .github/workflows/check.yml; sed -i 's/^Nothing yet./- The pipeline runs check.sh./' CHANGELOG.md"

[[packet]]
id = "05-docs"
objective = "Explain welcome, once core and cli have it"
scope = ["crates/docs/**"]
after = ["01-core", "03-cli"]
run = "sleep 0.4; grep -q welcome crates/core/lib.sh && sed -i 's/greet/welcome/' crates/docs/*.md"
"#;

/// What is said about the plan.
pub(super) const PLAN_IN_SHORT: &str = "\
01-core  renames a function
02-net   follows it, and writes a line into CHANGELOG.md
03-cli   follows it, and has a check of its own
04-ci    changes .github/ (protected: a person is asked), and writes the same line of CHANGELOG.md
05-docs  explains it, and starts from the result of 01-core and 03-cli";

/// The changelog with both lines.
pub(super) const RESOLVED: &str = "# Changelog\n\n## Unreleased\n\n- net calls welcome.\n\
     - The pipeline runs check.sh.\n\n## 1.0\n\n- Parts can greet.\n";

/// Settings of the repository: an identity of its own, and nothing of what the person may have set for all.
const SETTINGS: [(&str, &str); 8] = [
    ("user.name", "dynwf demo"),
    ("user.email", "demo@dynwf.invalid"),
    ("commit.gpgSign", "false"),
    ("core.autocrlf", "false"),
    ("core.excludesFile", "/dev/null"),
    ("core.attributesFile", "/dev/null"),
    ("push.gpgSign", "false"),
    ("gc.auto", "0"),
];

/// Makes the repository, its remote and the plan below `root`; returns the repository.
pub(super) fn make(root: &Path) -> Result<PathBuf> {
    let repository = root.join("hello");
    let remote = root.join("remote.git");
    let write = |file: PathBuf, text: &str| -> Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    };
    for (name, text) in FILES {
        write(repository.join(name), text)?;
    }
    write(root.join("plan.toml"), PLAN)?;
    // The templates of a machine may bring hooks.
    for (folder, bare) in [(&repository, None), (&remote, Some("--bare"))] {
        Cmd::bare(root)
            .args(["init", "--quiet", "--template=", "--initial-branch=main"])
            .args(bare)
            .arg(folder)
            .ok()?;
    }
    let git = |args: &[&str]| {
        Cmd::on(&repository.join(".git"), Some(&repository), &repository)
            .args(args)
            .ok()
    };
    let hooks = repository.join(".git/hooks").display().to_string();
    for (key, value) in SETTINGS
        .into_iter()
        .chain([("core.hooksPath", hooks.as_str())])
    {
        git(&["config", key, value])?;
    }
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "Three parts that greet"])?;
    git(&["remote", "add", "origin", &remote.display().to_string()])?;
    git(&["push", "--quiet", "--set-upstream", "origin", "main"])?;
    Ok(repository)
}
