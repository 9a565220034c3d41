//! The `pi` agent: `pi -p --mode json`.
//!
//! The exit code is 0 on API errors too: the stop reason of the last assistant message decides, and the stream
//! must come to rest (`agent_settled`, in older versions an `agent_end` that nothing follows). Usage is per
//! model call and summed here. It has no sandbox, no permissions and no structured output of its own.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::contract::{Agent, Call, ClientHome, Launch, Reader};
use super::schema;
use super::stream::{
    judge, list, number, object, program, prompt, rate_limit, status_in, text, tool,
};
use super::verdict::{AgentEvent, Span, Verdict};
use crate::model::unit::{UnitOutcome, Usage};

/// The adapter's name, and the program's.
pub(super) const NAME: &str = "pi";

/// Its configuration folder.
pub(super) const CLIENT_HOME: ClientHome = ClientHome {
    variable: "PI_CODING_AGENT_DIR",
    folder: ".pi/agent",
    beside: &[],
    leave: &["sessions"],
    refreshed: &["auth.json"],
};

/// Runs Pi.
pub(super) struct Pi;

impl Agent for Pi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn argv(&self, call: &Call<'_>) -> Result<Launch> {
        let mut argv = vec![program(call, NAME)];
        let mut add = |parts: &[&str]| argv.extend(parts.iter().map(|&part| part.to_owned()));
        add(&["-p", "--mode", "json"]);
        if let Some(session) = call.session {
            add(&["--session", session]);
        }
        if let Some(model) = &call.config.model {
            add(&["--model", model]);
        }
        if let Some(effort) = &call.config.effort {
            add(&["--thinking", effort]);
        }
        add(&call
            .config
            .args
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>());
        let mut prompt = prompt(call);
        if prompt.starts_with('@') {
            // Even after `--` it would be a file to attach.
            prompt.insert(0, '\n');
        }
        add(&["--", &prompt]);
        let mut env = BTreeMap::from([("PI_SKIP_VERSION_CHECK".to_owned(), "1".to_owned())]);
        if let Some(dir) = &call.config.config_dir {
            env.insert(CLIENT_HOME.variable.to_owned(), dir.clone());
        }
        Ok(Launch { argv, env })
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Stream::default())
    }
}

#[derive(Default)]
struct Stream {
    session: Option<String>,
    text: String,
    usage: Usage,
    /// Why the last assistant message ended, and the error that goes with it.
    stop: Option<(String, String)>,
    at_rest: bool,
}

impl Reader for Stream {
    fn line(&mut self, line: &str) -> Vec<AgentEvent> {
        let Some(event) = object(line) else {
            return Vec::new();
        };
        match text(&event, "/type") {
            Some("session") => {
                self.session = text(&event, "/id").map(str::to_owned);
                self.session
                    .clone()
                    .map(AgentEvent::Session)
                    .into_iter()
                    .collect()
            }
            Some("agent_start") => {
                self.at_rest = false;
                Vec::new()
            }
            Some("message_end") if text(&event, "/message/role") == Some("assistant") => {
                self.message(&event["message"])
            }
            Some("tool_execution_start") => {
                let name = text(&event, "/toolName").unwrap_or("a tool");
                vec![tool(name, &event["args"])]
            }
            Some("auto_retry_start") => {
                self.at_rest = false;
                let message = text(&event, "/errorMessage").unwrap_or_default();
                vec![AgentEvent::Retry {
                    status: status_in(message),
                    after_ms: number(&event, "/delayMs"),
                    message: message.to_owned(),
                }]
            }
            Some("agent_end") => {
                self.at_rest = event["willRetry"].as_bool() != Some(true);
                Vec::new()
            }
            Some("agent_settled") => {
                self.at_rest = true;
                let why = self.failure();
                vec![AgentEvent::Terminal {
                    ok: why.is_none(),
                    why,
                }]
            }
            _ => Vec::new(),
        }
    }

    fn finish(self: Box<Self>, outcome: &UnitOutcome) -> Verdict {
        let failure = self.failure();
        let rate_limited = match &self.stop {
            Some((reason, words)) if reason == "error" => rate_limit(status_in(words), words),
            _ => None,
        };
        let said = self.at_rest.then(|| failure.map_or(Ok(()), Err));
        let (ok, why) = judge(said, outcome);
        Verdict {
            ok,
            why,
            concluded: self.at_rest,
            structured: schema::whole(&self.text),
            text: self.text,
            usage: self.usage,
            tokens_span: Span::Run,
            dollars_span: Span::Run,
            session: self.session,
            rate_limited,
        }
    }
}

impl Stream {
    fn message(&mut self, message: &Value) -> Vec<AgentEvent> {
        let of = |key| text(message, key).unwrap_or_default().to_owned();
        self.stop = Some((of("/stopReason"), of("/errorMessage")));
        self.count(message);
        let words: Vec<&str> = list(message, "/content")
            .iter()
            .filter(|part| text(part, "/type") == Some("text"))
            .filter_map(|part| text(part, "/text"))
            .collect();
        self.text = words.join("\n");
        let mut events = vec![AgentEvent::Usage(self.usage.clone())];
        if !self.text.is_empty() {
            events.push(AgentEvent::Text(self.text.clone()));
        }
        events
    }

    /// Adds one model call.
    fn count(&mut self, message: &Value) {
        let of = |key| message["usage"][key].as_u64().unwrap_or(0);
        let input = of("input") + of("cacheRead") + of("cacheWrite");
        self.usage.input_tokens = Some(self.usage.input_tokens.unwrap_or(0) + input);
        self.usage.output_tokens = Some(self.usage.output_tokens.unwrap_or(0) + of("output"));
        if let Some(dollars) = message.pointer("/usage/cost/total").and_then(Value::as_f64) {
            self.usage.dollars = Some(self.usage.dollars.unwrap_or(0.0) + dollars);
        }
    }

    /// Why the last message is no good end.
    fn failure(&self) -> Option<String> {
        let Some((reason, error)) = &self.stop else {
            return Some("ended without an answer".to_owned());
        };
        match reason.as_str() {
            "stop" => None,
            "length" => Some("stopped in the middle of its answer: it was too long".to_owned()),
            "aborted" => Some("was interrupted".to_owned()),
            "error" => Some(format!("failed: {error}")),
            other => Some(format!("stopped before it was through ({other})")),
        }
    }
}
