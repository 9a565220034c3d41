//! What is said when a run of a script ends: its value on stdout, what came of its calls on stderr.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::context::Context;
use super::output;
use crate::error::ExitCode;
use crate::model::event::EventKind;
use crate::model::script::{Asks, Census, Kept, Reply, Saying, ScriptEnd};
use crate::model::state::RunState;
use crate::runner::End;

/// How many failures are named on stderr.
const NAMED: usize = 20;

/// A call that was answered with nothing.
#[derive(Serialize)]
struct Null {
    call: u64,
    function: &'static str,
    label: String,
    phase: Option<String>,
    why: String,
}

/// What came of the calls of a script.
struct Tally {
    census: Census,
    nulls: Vec<Null>,
    reports: Vec<Box<RawValue>>,
}

impl Tally {
    /// Reads it out of the journal, from where the script began with its present text.
    fn read(context: &Context, state: &RunState) -> Result<Self> {
        let mut tally = Self {
            census: state
                .script
                .as_ref()
                .map(|script| script.census)
                .unwrap_or_default(),
            nulls: Vec::new(),
            reports: Vec::new(),
        };
        let mut asked = BTreeMap::new();
        for event in context.store.events(&state.slug)? {
            match event.kind {
                EventKind::ScriptBegan { .. } => tally.nulls.clear(),
                EventKind::CallAsked { call } => {
                    asked.insert(call.ordinal, (call.asks, call.label, call.phase));
                }
                EventKind::CallAnswered {
                    ordinal,
                    reply: Reply::Failed(why),
                    ..
                } => {
                    let (asks, label, phase) = asked.get(&ordinal).cloned().unwrap_or((
                        Asks::Agent,
                        format!("call {ordinal}"),
                        None,
                    ));
                    tally.nulls.push(Null {
                        call: ordinal,
                        function: asks.function(),
                        label,
                        phase,
                        why,
                    });
                }
                EventKind::ScriptSaid {
                    saying: Saying::Report,
                    text,
                } => {
                    let text = text_of(context, state, &text)?;
                    tally.reports.push(RawValue::from_string(text)?);
                }
                _ => {}
            }
        }
        Ok(tally)
    }
}

/// Says how a run ended.
pub(super) fn tell(context: &Context, state: &RunState, end: &End, as_json: bool) -> Result<()> {
    let Some(script) = &state.script else {
        return Ok(());
    };
    let tally = Tally::read(context, state)?;
    if !state.packets.is_empty() || state.waiting_gates().next().is_some() {
        show(state);
    }
    for line in &end.why {
        output::say(&format!("note: {line}"));
    }
    if script.end.is_none() && matches!(end.code, ExitCode::Signal(_)) && !script.calls.is_empty() {
        let names: Vec<&str> = script
            .calls
            .values()
            .take(NAMED)
            .map(|call| call.asked.label.as_str())
            .collect();
        output::say(&format!(
            "cancelled, and begun again by the next run: {}",
            names.join(", ")
        ));
    }
    let calls = &tally.census;
    if calls.done + calls.failed + calls.skipped + calls.cancelled > 0 {
        output::say(&format!("calls: {}", tally.census));
    }
    for null in tally.nulls.iter().take(NAMED) {
        let phase = null
            .phase
            .as_ref()
            .map_or_else(String::new, |phase| format!("{phase}: "));
        output::say(&format!(
            "  null: {phase}{} (call {}): {}",
            null.label, null.call, null.why
        ));
    }
    if tally.nulls.len() > NAMED {
        output::say(&format!(
            "  and {} more: dynwf log {} tells them all",
            tally.nulls.len() - NAMED,
            state.slug
        ));
    }
    let value = match script.end.as_deref() {
        Some(ScriptEnd::Value(kept)) => Some(text_of(context, state, kept)?),
        _ => None,
    };
    if as_json {
        return output::answer(&document(context, state, end, &tally, value)?);
    }
    if let Some(ScriptEnd::Error(why)) = script.end.as_deref() {
        output::say(&format!("the script failed: {why}"));
    }
    match value {
        Some(value) => output::answer(&shown(&value)),
        None => Ok(()),
    }
}

/// A text as it is, everything else as indented JSON.
fn shown(value: &str) -> String {
    match serde_json::from_str::<Value>(value) {
        Ok(Value::String(text)) => text,
        Ok(_) => serde_json::from_str::<Box<RawValue>>(value)
            .map_or_else(|_| value.to_owned(), |raw| indented(raw.get())),
        Err(_) => value.to_owned(),
    }
}

/// Indents JSON without changing the order of its keys.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let chars: Vec<char> = json.chars().collect();
    for (at, &c) in chars.iter().enumerate() {
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        };
        match c {
            '"' => {
                quoted = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                depth += 1;
                if !matches!(chars.get(at + 1), Some('}' | ']')) {
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !matches!(
                    at.checked_sub(1).and_then(|at| chars.get(at)),
                    Some('{' | '[')
                ) {
                    line(&mut out, depth);
                }
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// The whole answer as one JSON document.
#[derive(Serialize)]
struct Document<'a> {
    value: Box<RawValue>,
    census: Value,
    run: Value,
    reports: &'a [Box<RawValue>],
}

fn document(
    context: &Context,
    state: &RunState,
    end: &End,
    tally: &Tally,
    value: Option<String>,
) -> Result<String> {
    let script = state.script.as_ref();
    let error = match script.and_then(|script| script.end.as_deref()) {
        Some(ScriptEnd::Error(why)) => Some(why.as_str()),
        _ => None,
    };
    let packets: Vec<Value> = state
        .in_plan_order()
        .map(|(id, packet)| {
            json!({
                "id": id,
                "status": state.status_of(id).word(),
                "branch": packet.branch.as_ref().map(|_| state.slug.branch(id).short().to_owned()),
                "commit": packet.collected.as_ref().map(|work| &work.tip),
            })
        })
        .collect();
    let gates: Vec<Value> = state
        .waiting_gates()
        .map(|gate| json!({"id": gate.id, "why": gate.why}))
        .collect();
    let folder = context.store.folder(&state.slug);
    let document = Document {
        value: RawValue::from_string(value.unwrap_or_else(|| "null".to_owned()))?,
        census: json!({
            "done": tally.census.done,
            "null": tally.census.failed,
            "reused": tally.census.reused,
            "skipped": tally.census.skipped,
            "cancelled": tally.census.cancelled,
            "nulls": tally.nulls,
        }),
        run: json!({
            "name": state.slug,
            "script": script.map(|script| &script.run.file),
            "ended": script.is_some_and(|script| script.end.is_some()),
            "status": state.workflow_status().word(),
            "exit": end.code.number(),
            "error": error,
            "why": end.why,
            "packets": packets,
            "gates": gates,
            "integration": state.integration.as_ref().map(|branch| json!({
                "branch": state.slug.integration_branch().short(),
                "commit": branch.commit,
                "tree": branch.tree,
            })),
            "tokens": state.spent.tokens,
            "dollars": state.spent.dollars,
            "seconds": state.spent.millis / 1000,
            "journal": folder.join("journal.jsonl"),
        }),
        reports: &tally.reports,
    };
    Ok(serde_json::to_string_pretty(&document)?)
}

/// What is written where a value or a text is kept.
fn text_of(context: &Context, state: &RunState, kept: &Kept) -> Result<String> {
    context.store.blobs(&state.slug).text(kept)
}

/// Says on stderr how the workflow stands.
fn show(state: &RunState) {
    let view = crate::report::view::StatusView::new(state, Timestamp::now());
    output::say(crate::report::human::status(&view, output::look(&io::stderr())).trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_order_that_the_script_gave_them() {
        assert_eq!(shown("\"a\\nb\""), "a\nb");
        assert_eq!(
            shown("{\"b\":1,\"a\":[],\"c\":[{\"x\":\"},\\\"\"}]}"),
            "{\n  \"b\": 1,\n  \"a\": [],\n  \"c\": [\n    {\n      \"x\": \"},\\\"\"\n    }\n  ]\n}"
        );
        assert_eq!(shown("12"), "12");
        assert_eq!(shown("null"), "null");
    }
}
