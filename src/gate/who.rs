//! Who may not answer a gate: agents.
//!
//! This stops accidents. An agent that means to can step around it (by a process that leaves its family, for
//! one); the wall is the sandbox, from which the store cannot be reached.

use std::fs;

use crate::error::Failure;

/// Variables that the clients of agents set for the commands that they run, with the client's name.
const MARKERS: [(&str, &str); 13] = [
    ("CLAUDECODE", "Claude Code"),
    ("CODEX_SANDBOX", "Codex"),
    ("CODEX_SANDBOX_NETWORK_DISABLED", "Codex"),
    ("CODEX_THREAD_ID", "Codex"),
    ("CODEX_CI", "Codex"),
    ("PI_CODING_AGENT", "Pi"),
    ("GEMINI_CLI", "Gemini CLI"),
    ("QWEN_CODE", "Qwen Code"),
    ("OPENCODE", "opencode"),
    ("CURSOR_AGENT", "Cursor"),
    ("CLINE_ACTIVE", "Cline"),
    ("GOOSE_TERMINAL", "goose"),
    ("AI_AGENT", "an agent"),
];

/// The variable that names the workflow to every unit.
const UNIT: &str = "DYNWF_WORKFLOW";

/// The argument with which dynwf starts the process that attends a unit.
const SHIM: &str = "__unit";

/// How many ancestors are looked at.
const MAX_ANCESTORS: usize = 256;

/// A process: its arguments and the environment that it was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its arguments; empty if they cannot be read.
    pub args: Vec<String>,
    /// Its environment; empty if it cannot be read.
    pub env: Vec<(String, String)>,
}

impl Process {
    /// Returns the calling process.
    pub fn this() -> Self {
        Self {
            pid: std::process::id(),
            args: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
            env: std::env::vars_os()
                .map(|(name, value)| (lossy(&name), lossy(&value)))
                .collect(),
        }
    }

    /// Returns its parent, the parent's parent and so on, as far as they can be seen (nothing where there is no
    /// `/proc`).
    pub fn ancestors(&self) -> Vec<Self> {
        std::iter::successors(parent_of(self.pid), |&pid| parent_of(pid))
            .take(MAX_ANCESTORS)
            .map(Self::read)
            .collect()
    }

    fn read(pid: u32) -> Self {
        let words = |name: &str| -> Vec<String> {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            bytes
                .split(|&b| b == 0)
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect()
        };
        let env = words("environ")
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            pid,
            args: words("cmdline"),
            env,
        }
    }

    fn var(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .find(|(found, value)| found == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// What makes this process part of a unit, in words.
    fn unit(&self) -> Option<String> {
        if let Some(workflow) = self.var(UNIT) {
            return Some(format!("a unit of workflow {workflow}"));
        }
        (self.args.get(1).map(String::as_str) == Some(SHIM)).then(|| "a unit".to_owned())
    }
}

/// Refuses an answer from a process that an agent started.
///
/// # Errors
/// A [`Failure`] that says by what it was recognised: a unit of dynwf among the process and its ancestors, or a
/// variable that an agent's client sets.
pub fn refuse_agents(process: &Process, ancestors: &[Process]) -> Result<(), Failure> {
    let inside = std::iter::once(process)
        .chain(ancestors)
        .find_map(|process| Some(format!("process {} is {}", process.pid, process.unit()?)));
    let marked = || {
        MARKERS.iter().find_map(|(name, client)| {
            process
                .var(name)
                .map(|_| format!("{name} is set, as {client} does for its commands"))
        })
    };
    match inside.or_else(marked) {
        None => Ok(()),
        Some(why) => Err(Failure::usage(format!("agents do not answer gates: {why}"))
            .hint("a person answers, in a terminal of their own")),
    }
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// The fourth field of `/proc/<pid>/stat`; the second is the program's name in parentheses and may hold
/// anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok().filter(|&pid| pid != 0)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn process(args: &[&str], env: &[(&str, &str)]) -> Process {
        Process {
            pid: 7,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: env
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_person_is_not_refused() {
        let shell = process(
            &["bash"],
            &[
                ("TERM", "xterm"),
                ("CLAUDECODE", ""),
                ("DYNWF_LIMITS__MINUTES", "3"),
            ],
        );
        assert!(refuse_agents(&process(&["dynwf", "approve"], &[]), &[shell]).is_ok());
    }

    #[test]
    fn a_clients_variable_and_a_unit_among_the_ancestors_are_refused() {
        let me = || process(&["dynwf", "approve"], &[("HOME", "/")]);
        let marked = process(&["dynwf"], &[("CLAUDECODE", "1")]);
        assert!(
            refuse_agents(&marked, &[])
                .expect_err("is an agent")
                .message
                .contains("CLAUDECODE")
        );
        let shim = process(&["/usr/bin/dynwf", "__unit", "/x"], &[]);
        assert!(refuse_agents(&me(), &[shim]).is_err());
        let agent = process(&["sh"], &[("DYNWF_WORKFLOW", "refactor")]);
        let error = refuse_agents(&me(), &[process(&["sh"], &[]), agent]).expect_err("is a unit");
        assert!(
            error.message.contains("workflow refactor"),
            "{}",
            error.message
        );
        // A shell that merely mentions the word is none.
        assert!(refuse_agents(&me(), &[process(&["sh", "-c", "echo", "__unit"], &[])]).is_ok());
    }

    #[test]
    fn an_ancestor_is_recognised_although_the_child_dropped_the_variable() {
        let script = "env -u DYNWF_WORKFLOW sh -c 'echo $$; read line'; true";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .env("DYNWF_WORKFLOW", "refactor")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("prints its number");
        let inner = Process::read(line.trim().parse().expect("a number"));
        assert_eq!(inner.var(UNIT), None);
        let ancestors = inner.ancestors();
        assert!(
            ancestors
                .iter()
                .any(|process| process.pid == std::process::id())
        );
        let refused = refuse_agents(&inner, &ancestors).expect_err("is a unit");
        assert!(refused.message.contains("refactor"), "{}", refused.message);
        drop(child.stdin.take());
        child.wait().expect("ends");
    }
}
