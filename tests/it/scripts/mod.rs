//! `dynwf script run`: scripts as workflows, with agents that are shell commands.

mod checking;
mod crash;
mod packets;
mod running;

use serde_json::Value;

use crate::support::{CommandOutput, Dynwf, TestRepo};

/// Agents that scripts name: one that says what it was told, one that fails, one that writes it to a file.
const AGENTS: &str = r#"
[agents.echo]
adapter = "command"
run = "printf '%s\\n' \"$(cat \"$DYNWF_PROMPT_FILE\")\" >> \"$HOME/told\"; printf 'heard '; cat \"$DYNWF_PROMPT_FILE\""
[agents.dies]
adapter = "command"
run = "echo oops >&2; exit 3"
[agents.writes]
adapter = "command"
run = "cat \"$DYNWF_PROMPT_FILE\" > written.txt; echo written"
"#;

/// A repository in use, with these agents.
fn repo() -> TestRepo {
    let repo = TestRepo::small().in_use();
    repo.place()
        .user_config(&format!("{AGENTS}[sandbox]\nmode = \"none\"\n"));
    repo
}

/// Writes a script whose header has this name, beside the repository.
fn script(repo: &TestRepo, name: &str, body: &str) -> String {
    let file = repo.place().join(format!("{name}.js"));
    let header = format!("export const meta = {{ name: '{name}', description: 'A test' }}\n");
    std::fs::write(&file, header + body).expect("the script can be written");
    file.display().to_string()
}

/// Runs a script with the agent `echo`.
fn run(repo: &TestRepo, file: &str, more: &[&str]) -> CommandOutput {
    let mut words = vec!["script", "run", file, "--agent", "echo"];
    words.extend(more);
    Dynwf::new(repo).run(words)
}

/// Runs a script to its end and returns its document.
fn document(repo: &TestRepo, name: &str, body: &str, code: i32) -> Value {
    let file = script(repo, name, body);
    run(repo, &file, &["--json"]).expect_code(code).json()
}

/// What the agent `echo` was told, a prompt a line, sorted.
fn told(repo: &TestRepo) -> Vec<String> {
    let text = std::fs::read_to_string(repo.place().home().join("told")).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Asserts that two documents of the same run tell the same.
fn assert_same_value(before: &Value, after: &Value) {
    assert_eq!(before["value"], after["value"]);
    assert_eq!(before["census"], after["census"]);
}
