//! The `command` agent: a shell command or a program, judged by its exit code alone.

use anyhow::Result;

use super::contract::{Agent, Call, Launch, Reader};
use super::stream::program;
use super::verdict::{AgentEvent, Verdict, spoiled};
use crate::error::Failure;
use crate::model::plan::COMMAND_AGENT;
use crate::model::unit::UnitOutcome;

/// How much of the end of the output is kept as the result's text, in bytes.
const KEPT: usize = 64 * 1024;

/// Runs the packet's `run`, else the `run` of the agent's table, with `/bin/sh -c`; else the table's `program` with its
/// `args`.
pub(super) struct Command;

impl Agent for Command {
    fn name(&self) -> &'static str {
        COMMAND_AGENT
    }

    fn argv(&self, call: &Call<'_>) -> Result<Launch> {
        let run = call.run.or(call.config.run.as_deref());
        let Some(run) = run.filter(|run| !run.trim().is_empty()) else {
            if call.program.is_none() && call.config.program.is_none() {
                return Err(Failure::usage("a command agent has no command to run")
                    .hint("give the packet a `run = \"…\"`, or the agent's table a `run` or a `program`")
                    .into());
            }
            let mut argv = vec![program(call, COMMAND_AGENT)];
            argv.extend(call.config.args.iter().cloned());
            return Ok(Launch {
                argv,
                ..Launch::default()
            });
        };
        let mut argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), run.to_owned()];
        if !call.config.args.is_empty() {
            // The first argument after the script is its `$0`.
            argv.push("sh".to_owned());
            argv.extend(call.config.args.iter().cloned());
        }
        Ok(Launch {
            argv,
            ..Launch::default()
        })
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Tail::default())
    }
}

/// Keeps the end of what was printed.
#[derive(Default)]
struct Tail {
    text: String,
}

impl Reader for Tail {
    fn line(&mut self, line: &str) -> Vec<AgentEvent> {
        self.text.push_str(line);
        self.text.push('\n');
        // Cut only now and then, so that a long output costs no more than its length.
        if self.text.len() > 2 * KEPT {
            self.cut();
        }
        vec![AgentEvent::Text(line.chars().take(400).collect())]
    }

    fn finish(mut self: Box<Self>, outcome: &UnitOutcome) -> Verdict {
        self.cut();
        let why = spoiled(outcome);
        Verdict {
            ok: why.is_none(),
            why,
            text: self.text.trim_end().to_owned(),
            ..Verdict::default()
        }
    }
}

impl Tail {
    fn cut(&mut self) {
        let from = self.text.len().saturating_sub(KEPT);
        let from = (from..self.text.len()).find(|&at| self.text.is_char_boundary(at));
        self.text.drain(..from.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::AgentConfig;

    fn launch(run: Option<&str>, config: &AgentConfig) -> Result<Launch> {
        Command.argv(&Call {
            config,
            program: None,
            prompt: "",
            prompt_file: Path::new("/u/io/prompt.md"),
            result_file: Path::new("/u/io/result"),
            schema_file: None,
            workspace: Path::new("/w"),
            session: None,
            run,
            sandboxed: false,
        })
    }

    #[test]
    fn the_packets_command_comes_before_the_agents() {
        let config = AgentConfig {
            run: Some("mine < $DYNWF_PROMPT_FILE".into()),
            ..AgentConfig::default()
        };
        let argv = |run| launch(run, &config).unwrap().argv;
        assert_eq!(
            argv(Some("sed -i s/a/b/ x")),
            ["/bin/sh", "-c", "sed -i s/a/b/ x"]
        );
        assert_eq!(argv(None), ["/bin/sh", "-c", "mine < $DYNWF_PROMPT_FILE"]);
        // A table may name a program instead.
        let config = AgentConfig {
            program: Some("/opt/bot".into()),
            args: vec!["--quiet".into()],
            ..AgentConfig::default()
        };
        let argv = |run| launch(run, &config).unwrap().argv;
        assert_eq!(argv(None), ["/opt/bot", "--quiet"]);
        assert_eq!(argv(Some("x")), ["/bin/sh", "-c", "x", "sh", "--quiet"]);
        let error = launch(Some("  "), &AgentConfig::default()).unwrap_err();
        assert_eq!(crate::error::code_of(&error), crate::error::ExitCode::Usage);
    }

    #[test]
    fn the_exit_code_decides_and_the_end_of_the_output_is_the_text() {
        let mut reader = Command.reader();
        reader.line("one");
        reader.line("");
        reader.line("two");
        let verdict = reader.finish(&UnitOutcome::Exited(0));
        assert!(verdict.ok);
        assert_eq!(verdict.text, "one\n\ntwo");
        let verdict = Command.reader().finish(&UnitOutcome::Exited(3));
        assert!(!verdict.ok);
        assert_eq!(verdict.why.unwrap(), "ended with exit code 3");
    }

    #[test]
    fn a_long_output_keeps_its_end() {
        let mut reader = Command.reader();
        for n in 0..20_000 {
            reader.line(&format!("line {n} ünïcode"));
        }
        let text = reader.finish(&UnitOutcome::Exited(0)).text;
        assert!(text.len() <= KEPT, "{}", text.len());
        assert!(text.ends_with("line 19999 ünïcode"));
    }
}
