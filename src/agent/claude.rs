//! The `claude` agent: `claude -p --output-format stream-json`.
//!
//! The last line is a `result`; without one the run was interrupted. Its subtype says `success` on API errors
//! too, so `is_error` counts, and tools that were denied make a failure of a run that calls itself well.
//! Assistant events repeat their message's usage and are not summed. Tokens count this process; so do dollars
//! where the client breaks them down by result, else they count the whole conversation.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::contract::{Agent, Call, ClientHome, Launch, Reader};
use super::dialect;
use super::schema;
use super::stream::{
    judge, list, number, object, program, prompt, rate_limit, status_in, text, tool,
};
use super::verdict::{AgentEvent, RateLimit, Span, Verdict};
use crate::model::unit::{UnitOutcome, Usage};

/// The adapter's name, and the program's.
pub(super) const NAME: &str = "claude";

/// Its configuration folder.
pub(super) const CLIENT_HOME: ClientHome = ClientHome {
    variable: "CLAUDE_CONFIG_DIR",
    folder: ".claude",
    beside: &[".claude.json"],
    leave: &[
        "backups",
        "cache",
        "debug",
        "file-history",
        "history.jsonl",
        "projects",
        "session-env",
        "shell-snapshots",
        "statsig",
        "todos",
    ],
    refreshed: &[".credentials.json"],
};

/// The longest schema that travels as an argument, in bytes.
const LONGEST_SCHEMA: usize = 100 * 1024;

/// Runs Claude Code.
pub(super) struct Claude;

impl Agent for Claude {
    fn name(&self) -> &'static str {
        NAME
    }

    fn argv(&self, call: &Call<'_>) -> Result<Launch> {
        let mut argv = vec![program(call, NAME)];
        let mut add = |parts: &[&str]| argv.extend(parts.iter().map(|&part| part.to_owned()));
        add(&["-p", "--output-format", "stream-json", "--verbose"]);
        if call.sandboxed {
            add(&["--dangerously-skip-permissions"]);
        } else {
            add(&["--permission-mode", "acceptEdits"]);
        }
        if let Some(session) = call.session {
            add(&["--resume", session]);
        }
        if let Some(model) = &call.config.model {
            add(&["--model", model]);
        }
        if let Some(effort) = &call.config.effort {
            add(&["--effort", effort]);
        }
        if let Some(file) = call.schema_file
            && let Some(schema) = dialect::of_draft_7(&schema::read(file)?)
            && let schema = schema.to_string()
            && schema.len() <= LONGEST_SCHEMA
        {
            add(&["--json-schema", &schema]);
        }
        add(&call
            .config
            .args
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>());
        // Some of its options take as many values as there are: `--` keeps the prompt out of them.
        add(&["--", &prompt(call)]);
        let mut env = BTreeMap::from([
            ("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned()),
            (
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC".to_owned(),
                "1".to_owned(),
            ),
        ]);
        if call.sandboxed {
            // Without it root may not skip the permission questions.
            env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
        }
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
    structured: Option<Value>,
    usage: Usage,
    dollars_span: Span,
    said: Option<Result<(), String>>,
    limited: Option<RateLimit>,
    resets: Option<u64>,
}

impl Reader for Stream {
    fn line(&mut self, line: &str) -> Vec<AgentEvent> {
        let Some(event) = object(line) else {
            return Vec::new();
        };
        match text(&event, "/type") {
            Some("system") => self.system(&event),
            Some("assistant") => self.assistant(&event),
            Some("rate_limit_event") => {
                if text(&event, "/rate_limit_info/status") == Some("rejected") {
                    self.resets = number(&event, "/rate_limit_info/resetsAt");
                }
                Vec::new()
            }
            Some("result") => self.result(&event),
            _ => Vec::new(),
        }
    }

    fn finish(self: Box<Self>, outcome: &UnitOutcome) -> Verdict {
        let concluded = self.said.is_some();
        let (ok, why) = judge(self.said, outcome);
        Verdict {
            ok,
            why,
            concluded,
            text: self.text,
            structured: self.structured,
            usage: self.usage,
            tokens_span: Span::Run,
            dollars_span: self.dollars_span,
            session: self.session,
            rate_limited: self.limited,
        }
    }
}

impl Stream {
    fn system(&mut self, event: &Value) -> Vec<AgentEvent> {
        match text(event, "/subtype") {
            // A conversation that is not there gets a result with its id, but no beginning.
            Some("init") => {
                self.session = text(event, "/session_id").map(str::to_owned);
                self.session
                    .clone()
                    .map(AgentEvent::Session)
                    .into_iter()
                    .collect()
            }
            Some("api_retry") => vec![AgentEvent::Retry {
                status: number(event, "/error_status").and_then(|status| status.try_into().ok()),
                after_ms: number(event, "/retry_delay_ms"),
                message: text(event, "/error").unwrap_or_default().to_owned(),
            }],
            Some("permission_denied") => {
                let name = text(event, "/tool_name").unwrap_or("a tool");
                vec![AgentEvent::Denied(name.to_owned())]
            }
            _ => Vec::new(),
        }
    }

    fn assistant(&mut self, event: &Value) -> Vec<AgentEvent> {
        // A helper that the client started itself speaks under its parent's tool use; its words are not ours.
        let own = event["parent_tool_use_id"].is_null();
        let mut events = Vec::new();
        for part in list(event, "/message/content") {
            match text(part, "/type") {
                Some("text") if own => {
                    text(part, "/text")
                        .unwrap_or_default()
                        .clone_into(&mut self.text);
                    events.push(AgentEvent::Text(self.text.clone()));
                }
                Some("tool_use") => {
                    let name = text(part, "/name").unwrap_or("a tool");
                    events.push(tool(name, &part["input"]));
                }
                _ => {}
            }
        }
        events
    }

    fn result(&mut self, event: &Value) -> Vec<AgentEvent> {
        if let Some(words) = text(event, "/result") {
            words.clone_into(&mut self.text);
        }
        self.count(event);
        let why = failure_of(event);
        self.limited = api_error(event).and_then(|(status, words)| {
            let mut limit = rate_limit(status, words)?;
            limit.until = limit.until.or(self.resets);
            Some(limit)
        });
        let mut events = vec![AgentEvent::Usage(self.usage.clone())];
        self.structured = event
            .get("structured_output")
            .filter(|value| !value.is_null())
            .cloned();
        events.extend(self.structured.clone().map(AgentEvent::Structured));
        events.push(AgentEvent::Terminal {
            ok: why.is_none(),
            why: why.clone(),
        });
        self.said = Some(why.map_or(Ok(()), Err));
        events
    }

    /// Adds up what each result says it used: one process may give several.
    fn count(&mut self, event: &Value) {
        let models = event["model_usage_since_last_result"].as_object();
        let (input, output, dollars) = if let Some(models) = models {
            let sum = |keys: &[&str]| -> u64 {
                let of = |model: &Value| {
                    keys.iter()
                        .filter_map(|key| model[key].as_u64())
                        .sum::<u64>()
                };
                models.values().map(of).sum()
            };
            let spent: f64 = models
                .values()
                .filter_map(|model| model["costUSD"].as_f64())
                .sum();
            let before = self.usage.dollars.unwrap_or(0.0);
            (
                sum(&[
                    "inputTokens",
                    "cacheReadInputTokens",
                    "cacheCreationInputTokens",
                ]),
                sum(&["outputTokens"]),
                Some(before + spent),
            )
        } else {
            self.dollars_span = Span::Session;
            let of = |key| event["usage"][key].as_u64().unwrap_or(0);
            (
                of("input_tokens")
                    + of("cache_creation_input_tokens")
                    + of("cache_read_input_tokens"),
                of("output_tokens"),
                event["total_cost_usd"].as_f64(),
            )
        };
        self.usage = Usage {
            input_tokens: Some(self.usage.input_tokens.unwrap_or(0) + input),
            output_tokens: Some(self.usage.output_tokens.unwrap_or(0) + output),
            dollars,
        };
    }
}

/// Why a result is no success.
fn failure_of(event: &Value) -> Option<String> {
    if event["is_error"].as_bool() != Some(false) {
        let reason = text(event, "/terminal_reason").unwrap_or_default();
        let errors: Vec<&str> = list(event, "/errors")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        return Some(match text(event, "/subtype") {
            Some("error_max_turns") => "reached the limit of its turns".to_owned(),
            Some("error_max_budget_usd") => "reached the limit of its budget".to_owned(),
            Some("error_during_execution") if reason.starts_with("aborted") => {
                "was interrupted".to_owned()
            }
            Some("success") => format!(
                "failed: {}",
                text(event, "/result").unwrap_or("no reason given")
            ),
            other => format!(
                "failed: {} ({})",
                other.unwrap_or("no reason given"),
                errors.join("; ")
            ),
        });
    }
    let mut denied: Vec<&str> = list(event, "/permission_denials")
        .iter()
        .map(|denial| text(denial, "/tool_name").unwrap_or("a tool"))
        .collect();
    denied.dedup();
    (!denied.is_empty()).then(|| format!("was not allowed to use {}", denied.join(", ")))
}

/// The service's status and words, where it was the service that failed.
fn api_error(event: &Value) -> Option<(Option<u16>, &str)> {
    let words = text(event, "/result").unwrap_or_default();
    let of_the_service = text(event, "/terminal_reason") == Some("api_error")
        || text(event, "/subtype") == Some("success");
    (event["is_error"].as_bool() == Some(true) && of_the_service).then(|| {
        let status = number(event, "/api_error_status").and_then(|status| status.try_into().ok());
        (status.or_else(|| status_in(words)), words)
    })
}
