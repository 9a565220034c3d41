//! The `codex` agent: `codex exec --json`.
//!
//! One turn ends with `turn.completed` or `turn.failed`; a stream without either was interrupted. Errors of
//! type `item` and "Reconnecting…" lines also occur in runs that succeed. Tokens count the whole conversation,
//! there is no cost. A wanted schema travels only if the service would take it (see [`dialect::is_strict`]).

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::contract::{Agent, Call, ClientHome, Launch, Reader};
use super::dialect;
use super::schema;
use super::stream::{
    judge, list, number, object, plain_command, program, prompt, rate_limit, status_in, text,
};
use super::verdict::{AgentEvent, Span, Verdict};
use crate::config::Network;
use crate::model::unit::{UnitOutcome, Usage};

/// The adapter's name, and the program's.
pub(super) const NAME: &str = "codex";

/// Its configuration folder.
pub(super) const CLIENT_HOME: ClientHome = ClientHome {
    variable: "CODEX_HOME",
    folder: ".codex",
    beside: &[],
    leave: &[
        "archived_sessions",
        "history.jsonl",
        "log",
        "sessions",
        "shell_snapshots",
        "tmp",
    ],
    refreshed: &["auth.json"],
};

/// Runs Codex.
pub(super) struct Codex;

impl Agent for Codex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn argv(&self, call: &Call<'_>) -> Result<Launch> {
        let mut argv = vec![program(call, NAME), "exec".to_owned()];
        let mut add = |parts: &[&str]| argv.extend(parts.iter().map(|&part| part.to_owned()));
        if call.session.is_some() {
            add(&["resume"]);
        }
        add(&["--json", "--skip-git-repo-check"]);
        if call.sandboxed {
            add(&["--dangerously-bypass-approvals-and-sandbox"]);
        } else {
            // `resume` knows no -s, so both ways use the setting.
            add(&["-c", "sandbox_mode=\"workspace-write\""]);
            if call.config.network != Some(Network::None) {
                add(&["-c", "sandbox_workspace_write.network_access=true"]);
            }
        }
        if let Some(model) = &call.config.model {
            add(&["-m", model]);
        }
        if let Some(effort) = &call.config.effort {
            add(&["-c", &format!("model_reasoning_effort=\"{effort}\"")]);
        }
        if let Some(file) = call.schema_file
            && dialect::is_strict(&schema::read(file)?)
        {
            add(&["--output-schema", &file.to_string_lossy()]);
        }
        add(&call
            .config
            .args
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>());
        add(&["--"]);
        if let Some(session) = call.session {
            add(&[session]);
        }
        add(&[&prompt(call)]);
        let mut env = BTreeMap::new();
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
    said: Option<Result<(), String>>,
    started: Option<String>,
}

impl Reader for Stream {
    fn line(&mut self, line: &str) -> Vec<AgentEvent> {
        let Some(event) = object(line) else {
            return Vec::new();
        };
        match text(&event, "/type") {
            Some("thread.started") => self.thread(&event),
            Some("turn.started") => {
                self.said = None;
                Vec::new()
            }
            Some("item.started") => {
                self.started = text(&event, "/item/id").map(str::to_owned);
                began(&event["item"])
            }
            Some("item.completed") => self.item(&event),
            Some("error") => error(&event),
            Some("turn.completed") => self.completed(&event),
            Some("turn.failed") => {
                let why = text(&event, "/error/message").unwrap_or("no reason given");
                self.said = Some(Err(why.to_owned()));
                vec![AgentEvent::Terminal {
                    ok: false,
                    why: Some(why.to_owned()),
                }]
            }
            _ => Vec::new(),
        }
    }

    fn finish(self: Box<Self>, outcome: &UnitOutcome) -> Verdict {
        let rate_limited = match &self.said {
            Some(Err(why)) => rate_limit(status_in(why), why),
            _ => None,
        };
        let concluded = self.said.is_some();
        let said = self
            .said
            .map(|said| said.map_err(|why| format!("failed: {why}")));
        let (ok, why) = judge(said, outcome);
        Verdict {
            ok,
            why,
            concluded,
            structured: schema::whole(&self.text),
            text: self.text,
            usage: self.usage,
            tokens_span: Span::Session,
            dollars_span: Span::Run,
            session: self.session,
            rate_limited,
        }
    }
}

impl Stream {
    fn thread(&mut self, event: &Value) -> Vec<AgentEvent> {
        self.session = text(event, "/thread_id").map(str::to_owned);
        self.session
            .clone()
            .map(AgentEvent::Session)
            .into_iter()
            .collect()
    }

    fn item(&mut self, event: &Value) -> Vec<AgentEvent> {
        let item = &event["item"];
        match text(item, "/type") {
            Some("agent_message") => {
                text(item, "/text")
                    .unwrap_or_default()
                    .clone_into(&mut self.text);
                vec![AgentEvent::Text(self.text.clone())]
            }
            Some("error") => {
                let message = text(item, "/message").unwrap_or_default();
                vec![AgentEvent::Error(message.to_owned())]
            }
            // What was announced when it started is no news any more.
            _ if text(item, "/id").is_some_and(|id| self.started.as_deref() == Some(id)) => {
                Vec::new()
            }
            _ => began(item),
        }
    }

    fn completed(&mut self, event: &Value) -> Vec<AgentEvent> {
        self.said = Some(Ok(()));
        self.usage = Usage {
            input_tokens: number(event, "/usage/input_tokens"),
            output_tokens: number(event, "/usage/output_tokens"),
            dollars: None,
        };
        vec![
            AgentEvent::Usage(self.usage.clone()),
            AgentEvent::Terminal {
                ok: true,
                why: None,
            },
        ]
    }
}

/// What an item does.
fn began(item: &Value) -> Vec<AgentEvent> {
    let tool = |action, detail: String| vec![AgentEvent::Tool { action, detail }];
    match text(item, "/type") {
        Some("command_execution") => {
            let command = text(item, "/command").unwrap_or_default();
            tool("running", plain_command(command).to_owned())
        }
        Some("file_change") => {
            let paths: Vec<&str> = list(item, "/changes")
                .iter()
                .filter_map(|change| text(change, "/path"))
                .collect();
            tool("editing", paths.join(", "))
        }
        Some("mcp_tool_call") => {
            let part = |key| text(item, key).unwrap_or("?");
            tool("using", format!("{}.{}", part("/server"), part("/tool")))
        }
        Some("web_search") => tool(
            "looking up",
            text(item, "/query").unwrap_or_default().to_owned(),
        ),
        _ => Vec::new(),
    }
}

fn error(event: &Value) -> Vec<AgentEvent> {
    let message = text(event, "/message").unwrap_or_default().to_owned();
    vec![if message.starts_with("Reconnecting") {
        AgentEvent::Retry {
            status: status_in(&message),
            after_ms: None,
            message,
        }
    } else {
        AgentEvent::Error(message)
    }]
}
