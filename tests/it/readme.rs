//! The README is true: what it tells a reader to type is typed here, in the order of the page.
//!
//! Blocks marked `sh` are run line by line in a repository of the shape that the page speaks of; blocks marked `toml` or `js`
//! are written to the file that their first line names; what a `text` block shows must be what the command before it
//! printed, but for ids and times. A line that ends in `# exit N` must end with that code, every other one well.
//!
//! What stands in for what a reader has: `codex` and `cargo` are scripts (nobody builds dynwf twice for a test), the
//! line `# edit FILE there` edits that file in the workspace that was printed last, and `approve` gets the `--yes` that
//! it wants where there is no terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{CommandOutput, TestRepo};

/// Edits as it is told, and speaks as Codex does.
const CODEX: &str = r#"#!/bin/sh
sed -i 's/log::/tracing::/' crates/db/src/*.rs
echo '{"type":"thread.started","thread_id":"t-1"}'
echo '{"type":"turn.started"}'
echo '{"type":"item.completed","item":{"id":"i0","type":"agent_message","text":"db uses tracing now."}}'
echo '{"type":"turn.completed","usage":{"input_tokens":40500,"cached_input_tokens":0,"output_tokens":900}}'
"#;

/// Runs what is built already, and knows no other command than those of the page.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
'run --release -- '*) shift 3; exec dynwf "$@" ;;
test | 'install --path .' | 'uninstall dynwf') ;;
*) echo "the page has another cargo command than the test: $*" >&2; exit 99 ;;
esac
"#;

/// A fenced block of a page.
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    /// The number of its first line.
    pub(crate) line: usize,
    /// What is in it.
    pub(crate) text: String,
}

/// Returns the fenced blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(_), true) => open = false,
            (Some(language), false) => {
                open = true;
                found.push(Block {
                    language: language.trim().to_owned(),
                    line: number + 2,
                    text: String::new(),
                });
            }
            (None, true) => {
                let block = found.last_mut().expect("a block was opened");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    found
}

/// Returns a file of this repository.
pub(crate) fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

/// A reader who types what the page says.
struct Reader {
    repo: TestRepo,
    said: Option<CommandOutput>,
}

impl Reader {
    fn new() -> Self {
        let repo = TestRepo::small();
        repo.write(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  check:\n    steps:\n",
        );
        repo.commit("add a workflow");
        let repo = repo.with_remote();
        let bin = repo.place().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, script) in [("codex", CODEX), ("cargo", CARGO)] {
            let file = bin.join(name);
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir(repo.place().join("tmp")).unwrap();
        Self { repo, said: None }
    }

    fn block(&mut self, block: &Block) {
        match block.language.as_str() {
            "sh" => {
                for (number, line) in block.text.lines().enumerate() {
                    self.line(line, block.line + number);
                }
            }
            "toml" | "js" => self.file(block),
            "text" => self.compare(block),
            other => panic!("line {}: a block is marked `{other}`", block.line),
        }
    }

    fn line(&mut self, line: &str, number: usize) {
        if let Some(edit) = line.strip_prefix("# edit ") {
            let file = edit.strip_suffix(" there").expect("a line of a known form");
            return self.edit(file);
        }
        let (typed, code) = match line.split_once("# exit ") {
            Some((typed, rest)) => {
                let digits = rest.split(':').next().unwrap_or_default();
                (typed.trim_end(), digits.parse().expect("an exit code"))
            }
            None => (line, 0),
        };
        let yes = if typed.starts_with("dynwf approve ") {
            " --yes"
        } else {
            ""
        };
        let output = self.shell(&format!("{typed}{yes}"));
        assert!(
            output.code() == code,
            "line {number} of the page must end with {code}\n{output}"
        );
        self.said = Some(output);
    }

    fn shell(&self, line: &str) -> CommandOutput {
        let place = self.repo.place();
        let built = Path::new(env!("CARGO_BIN_EXE_dynwf"))
            .parent()
            .expect("a folder");
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let chosen = std::env::var_os("DYNWF_TEST_GIT_PATH");
        let folders = chosen.iter().flat_map(std::env::split_paths);
        let folders: Vec<PathBuf> = [place.join("bin"), built.to_owned()]
            .into_iter()
            .chain(folders)
            .chain(std::env::split_paths(&machine))
            .collect();
        let mut command = place.command("/bin/sh");
        command
            .args(["-c", line])
            .current_dir(self.repo.path())
            .env(
                "PATH",
                std::env::join_paths(folders).expect("folders without colons"),
            )
            .env("TMPDIR", place.join("tmp"))
            .stdin(std::process::Stdio::null());
        let output = command.output().expect("the shell can be started");
        CommandOutput::new(line.to_owned(), &output)
    }

    /// Does a packet's work in the workspace that was printed.
    fn edit(&self, file: &str) {
        let said = self.said.as_ref().expect("something was printed");
        let folder = said
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("Work in: "));
        let file = Path::new(folder.expect("the workspace is named")).join(file);
        let text = fs::read_to_string(&file).expect("the file is there");
        let step = "      - run: \"! grep -rn log:: crates/net crates/db\"\n";
        fs::write(&file, text + step).expect("the file can be edited");
    }

    fn file(&self, block: &Block) {
        let name = block
            .text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# ").or_else(|| line.strip_prefix("// ")));
        let name = name.unwrap_or_else(|| panic!("line {}: which file is it?", block.line));
        self.repo.write(name, &block.text);
    }

    fn compare(&self, block: &Block) {
        let said = self.said.as_ref().expect("a command comes before");
        let (shown, printed) = (plain(&block.text), plain(&said.stdout));
        assert!(
            shown == printed,
            "line {}: the page shows something else\n{shown}\n{said}",
            block.line
        );
    }
}

/// The text with ids and the sandbox's name made equal, without times and without what only aligns.
fn plain(text: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_time = |word: &str| word.strip_suffix(['s', 'm', 'h']).is_some_and(digits);
    let is_id = |word: &str| word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let line = |line: &str| {
        let mut words: Vec<&str> = Vec::new();
        for word in line.split_whitespace().filter(|word| !is_time(word)) {
            let sandbox = words.last() == Some(&"sandbox");
            words.push(match word {
                _ if sandbox => "NAME",
                word if is_id(word) => "ID",
                word => word,
            });
        }
        words.join(" ")
    };
    let lines: Vec<String> = text.trim_end().lines().map(line).collect();
    lines.join("\n")
}

#[test]
fn what_the_readme_says_can_be_typed() {
    let mut reader = Reader::new();
    let repo = &reader.repo;
    let mains = ["ref refs/heads/main", "index", "git ", "file "];
    let before = repo.fingerprint().without(&mains);
    for block in blocks(&page("README.md")) {
        reader.block(&block);
    }
    // It ends with taking everything away again.
    let repo = &reader.repo;
    let after = repo.fingerprint().without(&mains);
    before.assert_same(&after);
    let refs = repo.git(["for-each-ref", "--format=%(refname)"]);
    assert!(
        !refs.contains("refs/dynwf") && !refs.contains("refs/heads/dynwf"),
        "{refs}"
    );
    assert!(!repo.common_dir().join("dynwf").exists());
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
    for name in ["net", "db"] {
        let text = repo.read(&format!("crates/{name}/src/lib.rs"));
        assert!(
            text.contains("tracing::") && !text.contains("log::"),
            "{name}: {text}"
        );
    }
    assert_eq!(
        repo.remote_git(["rev-parse", "main"]),
        repo.git(["rev-parse", "main"])
    );
}

/// The stand-in for cargo takes `cargo run` for dynwf; the real one must, too, though there is a second program for tests.
#[test]
fn cargo_run_runs_dynwf() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(metadata["packages"][0]["default_run"], "dynwf");
}

#[test]
fn ids_and_times_do_not_matter_and_words_do() {
    assert_eq!(plain(" a  3fce3b5 2m 12s\n\n"), plain("a 8d2e058"));
    assert_eq!(plain("· sandbox none"), plain("· sandbox bubblewrap"));
    assert_ne!(plain("integrated"), plain("conflicted"));
    assert_ne!(plain("a\nb"), plain("a b"));
}
