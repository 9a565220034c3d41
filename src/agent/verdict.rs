//! What an agent's output amounts to: events while it works, a verdict at its end.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::unit::{UnitOutcome, Usage};

/// Something that a client said while it worked.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// The id of its conversation, which a later turn can go on with.
    Session(String),
    /// Something it said.
    Text(String),
    /// A tool that it uses.
    Tool {
        /// What it does, in one word that reads well before `detail`: `editing`, `running`, ….
        action: &'static str,
        /// A path, a command, a tool's name.
        detail: String,
    },
    /// What it used so far.
    Usage(Usage),
    /// The service did not answer well and the client tries again.
    Retry {
        /// The HTTP status, where the client tells.
        status: Option<u16>,
        /// In how many milliseconds, where the client tells.
        after_ms: Option<u64>,
        /// The client's words.
        message: String,
    },
    /// A tool that it was not allowed to use.
    Denied(String),
    /// Something went wrong; the client may go on.
    Error(String),
    /// A result that follows the wanted schema, as the client sees it.
    Structured(Value),
    /// The client says that it is through.
    Terminal {
        /// Whether it says that all went well.
        ok: bool,
        /// Why not.
        why: Option<String>,
    },
}

impl AgentEvent {
    /// Returns what to show beside a running packet, in one line of plain words, if the event is news to a
    /// person. Paths below `workspace` are shortened.
    pub fn progress(&self, workspace: &str) -> Option<String> {
        match self {
            Self::Text(text) => Some(one_line(text)),
            Self::Tool { action, detail } => {
                let below = format!("{}/", workspace.trim_end_matches('/'));
                Some(one_line(&format!(
                    "{action} {}",
                    detail.replace(&below, "")
                )))
            }
            Self::Retry {
                status, after_ms, ..
            } => Some(retry_line(*status, *after_ms)),
            Self::Denied(tool) => Some(one_line(&format!("was not allowed to use {tool}"))),
            Self::Error(message) => Some(one_line(message)),
            Self::Session(_) | Self::Usage(_) | Self::Structured(_) | Self::Terminal { .. } => None,
        }
        .filter(|line| !line.is_empty())
    }
}

fn retry_line(status: Option<u16>, after_ms: Option<u64>) -> String {
    let mut line = "the service did not answer".to_owned();
    if let Some(status) = status {
        line = format!("the service answered {status}");
    }
    line.push_str("; trying again");
    if let Some(millis) = after_ms {
        let _ = write!(line, " in {} s", millis.div_ceil(1000));
    }
    line
}

/// The first line that says something, without control characters, at most 160 characters.
fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(160)
        .collect()
}

/// Over what a figure that a client reports was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// Over this process alone (summed up here where the client reports each model call).
    #[default]
    Run,
    /// Over the whole conversation, earlier turns included.
    Session,
}

/// A rate limit or a spent quota: nothing is wrong with the work, the service wants a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The client's words.
    pub message: String,
    /// For how many milliseconds, where the client tells.
    pub after_ms: Option<u64>,
    /// Until when, in seconds since 1970, where the client tells.
    pub until: Option<u64>,
}

/// What a client's run amounts to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Whether the client did its job, as far as it can tell. Whether the work is good is for the checks.
    pub ok: bool,
    /// Why not, in words that complete "the agent …".
    pub why: Option<String>,
    /// Its last words; for a command, the end of what it printed.
    pub text: String,
    /// Its structured result, where the client has a notion of one.
    pub structured: Option<Value>,
    /// What it used. Count it with [`Verdict::used_since`].
    pub usage: Usage,
    /// Over what the tokens were counted.
    pub tokens_span: Span,
    /// Over what the dollars were counted.
    pub dollars_span: Span,
    /// Its conversation, for a later turn. Nothing after a call that went on with one means that the client
    /// knows that conversation no more: start anew, with the whole prompt.
    pub session: Option<String>,
    /// Whether the client said itself how it ended.
    pub concluded: bool,
    /// Set if it failed for want of quota: the packet is then not to blame.
    pub rate_limited: Option<RateLimit>,
}

impl Verdict {
    /// Adds the last line of the standard error output to the reason of a failure on which the client's own
    /// output says nothing.
    #[must_use]
    pub fn explained(mut self, stderr: &str) -> Self {
        let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
        if let (Some(why), Some(last), false) = (&mut self.why, last, self.concluded) {
            let _ = write!(why, ": {}", one_line(last));
        }
        self
    }

    /// Returns what this run alone used. `before` is the sum of what this returned for the earlier turns of
    /// the same conversation (nothing for its first turn); it counts only where the client reports totals of
    /// the conversation.
    pub fn used_since(&self, before: &Usage) -> Usage {
        let tokens = |now: Option<u64>, before: Option<u64>| match self.tokens_span {
            Span::Run => now,
            Span::Session => now.map(|now| now.saturating_sub(before.unwrap_or(0))),
        };
        Usage {
            input_tokens: tokens(self.usage.input_tokens, before.input_tokens),
            output_tokens: tokens(self.usage.output_tokens, before.output_tokens),
            dollars: match self.dollars_span {
                Span::Run => self.usage.dollars,
                Span::Session => self
                    .usage
                    .dollars
                    .map(|now| (now - before.dollars.unwrap_or(0.0)).max(0.0)),
            },
        }
    }
}

/// Returns why a process that ended so cannot be a success, whatever it said before.
pub(super) fn spoiled(outcome: &UnitOutcome) -> Option<String> {
    match outcome {
        UnitOutcome::Exited(0) => None,
        UnitOutcome::Exited(code) => Some(format!("ended with exit code {code}")),
        UnitOutcome::Signalled(number) => Some(format!("was killed by signal {number}")),
        UnitOutcome::TimedOut => Some("was stopped: its time was up".into()),
        UnitOutcome::Silent => Some("was stopped: it was silent for too long".into()),
        UnitOutcome::TooMuchOutput => Some("was stopped: it printed too much".into()),
        UnitOutcome::OverBudget(why) => Some(format!("was stopped: {why}")),
        UnitOutcome::Cancelled => Some("was cancelled".into()),
        UnitOutcome::Lost => Some("was lost with the process that attended it".into()),
        UnitOutcome::NotStarted(why) => Some(format!("could not be started: {why}")),
        UnitOutcome::Spoilt(_) => Some("was not started: its workspace was spoilt".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_short_plain_line() {
        let tool = AgentEvent::Tool {
            action: "editing",
            detail: "/w/s/01/src/a.rs".into(),
        };
        assert_eq!(tool.progress("/w/s/01").unwrap(), "editing src/a.rs");
        let text = AgentEvent::Text(format!("\n  \x1b[31mred\x07 {}\nmore", "x".repeat(500)));
        let line = text.progress("/w").unwrap();
        assert!(line.starts_with("[31mred x"), "{line}");
        assert_eq!(line.chars().count(), 160);
        assert_eq!(AgentEvent::Text("  \n".into()).progress("/w"), None);
        let retry = AgentEvent::Retry {
            status: Some(429),
            after_ms: Some(1500),
            message: String::new(),
        };
        assert_eq!(
            retry.progress("/w").unwrap(),
            "the service answered 429; trying again in 2 s"
        );
    }

    #[test]
    fn the_error_output_explains_what_the_client_did_not() {
        let verdict = |concluded, why: Option<&str>| Verdict {
            concluded,
            why: why.map(str::to_owned),
            ..Verdict::default()
        };
        let why = |verdict: Verdict| verdict.explained("a\n\x1b[1mno such model\n\n").why;
        assert_eq!(
            why(verdict(false, Some("died"))).unwrap(),
            "died: [1mno such model"
        );
        assert_eq!(
            why(verdict(true, Some("failed: 401"))).unwrap(),
            "failed: 401"
        );
        assert_eq!(why(verdict(false, None)), None);
        assert_eq!(
            verdict(false, Some("died")).explained(" \n").why.unwrap(),
            "died"
        );
    }

    #[test]
    fn totals_of_a_conversation_are_settled_by_what_came_before() {
        let usage = |input, output, dollars| Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            dollars: Some(dollars),
        };
        let mut verdict = Verdict {
            usage: usage(4030, 200, 0.75),
            tokens_span: Span::Session,
            dollars_span: Span::Session,
            ..Verdict::default()
        };
        let before = usage(3030, 150, 0.5);
        assert_eq!(verdict.used_since(&before), usage(1000, 50, 0.25));
        assert_eq!(verdict.used_since(&Usage::default()), verdict.usage);
        verdict.tokens_span = Span::Run;
        assert_eq!(verdict.used_since(&before), usage(4030, 200, 0.25));
    }
}
