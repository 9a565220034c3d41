//! The units that answer a script's calls: what they are told, and the value that they come to.
//!
//! An agent is told the call's own prompt and nothing else (its role's words before it, the form of the answer after
//! it), so that a script means the same here as under any other host. Called by `unit`.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};

use super::message::{Tools, UnitEnd};
use crate::agent::schema::{self, Schema};
use crate::agent::{self, Verdict};
use crate::config::AgentConfig;
use crate::model::packet::Workspace;
use crate::model::plan::Packet;
use crate::model::script::{AskedCall, Asks, Kept, Reply};
use crate::model::state::{OpenCall, RunState};
use crate::model::unit::{Unit, UnitKind, UnitOutcome};
use crate::process::{self, UnitDir};

/// How much of each stream of a command, and of a command agent's text, is kept, in bytes.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// How many lines of an unusable answer are told.
const NAMED_PROBLEMS: usize = 3;

/// Returns the call that a unit answers, if it answers one.
pub(super) fn of_unit<'a>(state: &'a RunState, unit: &Unit) -> Result<Option<&'a OpenCall>> {
    unit.call()
        .map(|ordinal| {
            state
                .open_call(ordinal)
                .ok_or_else(|| anyhow!("unit {} answers call {ordinal}, which is over", unit.id))
        })
        .transpose()
}

/// Returns what is configured for the agent of a call, with the model and effort that the call or its role names.
pub(super) fn table(tools: &Tools, asked: &AskedCall) -> AgentConfig {
    let mut table = tools
        .config
        .agent(asked.agent.as_deref().unwrap_or_default());
    table.model = asked.model.clone().or(table.model);
    table.effort = asked.effort.clone().or(table.effort);
    table
}

/// Returns the same for the agent of a packet that a call made.
pub(super) fn table_of_packet(tools: &Tools, state: &RunState, packet: &Packet) -> AgentConfig {
    let call = state
        .of_script(&packet.id)
        .and_then(|of_script| state.open_call(of_script.call?));
    match call {
        Some(call) => table(tools, &call.asked),
        None => tools.config.agent(packet.agent_name()),
    }
}

/// What a call's agent is told in this turn, and the schema that its answer must follow.
pub(super) struct Told {
    pub(super) text: String,
    pub(super) schema: Option<Value>,
}

/// Returns what the agent of a call is told.
pub(super) fn told(tools: &Tools, state: &RunState, call: &OpenCall, turn: u32) -> Result<Told> {
    let body = body(tools, state, &call.asked)?;
    let schema = body.get("schema").cloned();
    let continues = turn > 1 && call.session.is_some();
    if continues && let Some(feedback) = call.feedback.last() {
        return Ok(Told {
            text: feedback.clone(),
            schema,
        });
    }
    let mut parts: Vec<&str> = call.asked.head.as_deref().into_iter().collect();
    parts.push(body["prompt"].as_str().unwrap_or_default());
    parts.extend(call.feedback.iter().map(String::as_str));
    let mut text = parts.join("\n\n");
    if let Some(schema) = &schema {
        text.push_str("\n\n");
        text.push_str(&schema::instructions(schema));
    }
    Ok(Told { text, schema })
}

/// Returns the command of a call that asks for one.
pub(super) fn command(tools: &Tools, state: &RunState, call: &OpenCall) -> Result<String> {
    let body = body(tools, state, &call.asked)?;
    body["command"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("call {} has no command", call.asked.ordinal))
}

fn body(tools: &Tools, state: &RunState, asked: &AskedCall) -> Result<Value> {
    let text = tools.store.blobs(&state.slug).text(&asked.body)?;
    serde_json::from_str(&text).with_context(|| format!("reading call {}", asked.ordinal))
}

/// Returns the agent call's launch.
pub(super) fn launch(
    tools: &Tools,
    state: &RunState,
    unit: &Unit,
    worker: (&dyn agent::Agent, &AgentConfig),
    workspace: &Workspace,
    folder: &UnitDir,
    sandboxed: bool,
) -> Result<agent::Launch> {
    let (UnitKind::Call { turn, .. }, Some(call)) = (&unit.kind, of_unit(state, unit)?) else {
        return Err(anyhow!("unit {} answers no call", unit.id));
    };
    let Told { text, schema } = told(tools, state, call, *turn)?;
    let file = folder.prompt();
    let schema_file = folder.io().join("schema.json");
    if let Some(schema) = &schema {
        std::fs::write(&schema_file, schema.to_string())
            .with_context(|| format!("writing {}", schema_file.display()))?;
    }
    std::fs::write(&file, &text).with_context(|| format!("writing {}", file.display()))?;
    let (agent, config) = worker;
    agent.argv(&agent::Call {
        config,
        program: None,
        prompt: &text,
        prompt_file: &file,
        result_file: &folder.result(),
        schema_file: schema.is_some().then_some(&schema_file),
        workspace: Path::new(&workspace.path),
        session: call.session.as_deref().filter(|_| *turn > 1),
        run: None,
        sandboxed,
    })
}

/// What an agent's turn at a call, or a command, came to.
pub(super) struct Judged<'a> {
    pub(super) tools: &'a Tools,
    pub(super) state: &'a RunState,
    pub(super) call: &'a OpenCall,
    pub(super) folder: &'a UnitDir,
}

impl Judged<'_> {
    /// Turns a command's end into a value.
    pub(super) fn command(&self, end: &mut UnitEnd) -> Result<()> {
        let code = match &end.outcome {
            UnitOutcome::Exited(code) => *code,
            UnitOutcome::Signalled(number) => 128 + number,
            // As `timeout` answers.
            UnitOutcome::TimedOut => 124,
            other => {
                end.reply = Some(Reply::Failed(format!("the command: {other}")));
                return Ok(());
            }
        };
        let value = json!({
            "code": code,
            "stdout": process::tail(&self.folder.stdout(), MOST_TEXT)?,
            "stderr": process::tail(&self.folder.stderr(), MOST_TEXT)?,
        });
        end.reply = Some(Reply::Value(self.keep(&value)?));
        Ok(())
    }

    /// Turns an agent's verdict into a value, or into the problems that it is told.
    pub(super) fn agent(
        &self,
        end: &mut UnitEnd,
        verdict: &Verdict,
        is_command: bool,
    ) -> Result<()> {
        if !verdict.ok {
            let why = verdict.why.clone().unwrap_or_else(|| "failed".to_owned());
            end.complaint = Some(why.clone());
            end.reply = Some(Reply::Failed(why));
            return Ok(());
        }
        let body = body(self.tools, self.state, &self.call.asked)?;
        let Some(wanted) = body.get("schema") else {
            let text = if is_command {
                let text = process::tail(&self.folder.stdout(), MOST_TEXT)?;
                Value::from(text.trim_end())
            } else {
                Value::from(verdict.text.as_str())
            };
            end.reply = Some(Reply::Value(self.keep(&text)?));
            return Ok(());
        };
        let wanted = Schema::new(wanted)
            .with_context(|| format!("the schema of call {}", self.call.asked.ordinal))?;
        match wanted.answer(verdict, &self.folder.result()) {
            Ok(value) => end.reply = Some(Reply::Value(self.keep(&value)?)),
            Err(problems) => {
                let named: Vec<&str> = problems
                    .iter()
                    .take(NAMED_PROBLEMS)
                    .map(String::as_str)
                    .collect();
                end.reply = Some(Reply::Failed(format!(
                    "gave no answer that follows the schema: {}",
                    named.join("; ")
                )));
                end.problems = problems;
            }
        }
        Ok(())
    }

    fn keep(&self, value: &Value) -> Result<Kept> {
        let blobs = self.tools.store.blobs(&self.state.slug);
        blobs.keep(value.to_string())
    }
}

/// Whether a call is answered by a command, not by an agent.
pub(super) fn is_command(call: &OpenCall) -> bool {
    call.asked.asks == Asks::Shell
}
