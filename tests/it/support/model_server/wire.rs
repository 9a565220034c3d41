//! The three formats in which clients talk to models.

use std::io::Result;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::http::{answer, begin_events, event};
use super::script::{Move, Tokens};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
    /// OpenAI Chat Completions.
    Chat,
}

impl Wire {
    /// The format that an address speaks.
    pub(super) fn of(method: &str, path: &str) -> Option<Self> {
        if method != "POST" {
            return None;
        }
        [
            ("/responses", Self::Responses),
            ("/messages", Self::Messages),
            ("/chat/completions", Self::Chat),
        ]
        .into_iter()
        .find(|(end, _)| path.ends_with(end))
        .map(|(_, wire)| wire)
    }

    /// Begins an answer that never comes.
    pub(super) fn begin(self, stream: &mut TcpStream, request: &Value) -> Result<()> {
        begin_events(stream)?;
        let (name, first) = match self {
            Self::Responses => ("response.created", response_begins(request)),
            Self::Messages => ("message_start", message_begins(request, Tokens::default())),
            Self::Chat => (
                "",
                chunk(request, &json!({"role": "assistant", "content": ""}), None),
            ),
        };
        event(
            stream,
            Some(name).filter(|name| !name.is_empty()),
            &first.to_string(),
        )
    }

    /// Answers in full.
    pub(super) fn write(
        self,
        stream: &mut TcpStream,
        request: &Value,
        reply: &Move,
        tokens: Tokens,
    ) -> Result<()> {
        if request["stream"] != true {
            return answer(stream, self.whole(request, reply, tokens), &[], false);
        }
        begin_events(stream)?;
        match self {
            Self::Responses => {
                for data in responses(request, reply, tokens) {
                    event(stream, data["type"].as_str(), &data.to_string())?;
                }
            }
            Self::Messages => {
                for data in messages(request, reply, tokens) {
                    event(stream, data["type"].as_str(), &data.to_string())?;
                }
            }
            Self::Chat => {
                for data in chat(request, reply, tokens) {
                    event(stream, None, &data.to_string())?;
                }
                event(stream, None, "[DONE]")?;
            }
        }
        Ok(())
    }

    /// The answer where no stream is wanted: only one client does that, when a stream failed it.
    fn whole(self, request: &Value, reply: &Move, tokens: Tokens) -> (u16, Value) {
        if self != Self::Messages {
            return (400, error(400, "only streams are spoken here"));
        }
        let mut message = message_begins(request, tokens)["message"].take();
        message["content"] = json!([block(reply)]);
        message["stop_reason"] = json!(stop_reason(reply));
        message["usage"] = anthropic_usage(tokens);
        (200, message)
    }
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        400 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "code": kind, "message": message}})
}

/// A name that was not given before.
fn fresh(kind: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{kind}_{:012}", LAST.fetch_add(1, Ordering::Relaxed))
}

// OpenAI Responses.

fn response_begins(request: &Value) -> Value {
    json!({"type": "response.created", "response": {
        "id": fresh("resp"), "object": "response", "created_at": 1_700_000_000, "model": request["model"],
        "status": "in_progress", "output": []}})
}

fn responses(request: &Value, reply: &Move, tokens: Tokens) -> Vec<Value> {
    let first = response_begins(request);
    let mut response = first["response"].clone();
    let id = fresh("item");
    let (begun, delta, item) = response_item(&id, reply);
    response["status"] = json!("completed");
    response["output"] = json!([item]);
    response["usage"] = json!({
        "input_tokens": tokens.input, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens.output, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens.input + tokens.output});
    vec![
        first,
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        delta,
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response}),
    ]
}

/// An item as it begins, what is added to it, and as it ends.
fn response_item(id: &str, reply: &Move) -> (Value, Value, Value) {
    let (kind, empty, delta, item) = match reply {
        Move::Say(text) => (
            "response.output_text.delta",
            ("content", json!([])),
            text.clone(),
            json!({"type": "message", "id": id, "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}]}),
        ),
        Move::Call { tool, input } => (
            "response.function_call_arguments.delta",
            ("arguments", json!("")),
            input.to_string(),
            json!({"type": "function_call", "id": id, "call_id": fresh("call"), "name": tool,
                "arguments": input.to_string(), "status": "completed"}),
        ),
        Move::Freeform { tool, input } => (
            "response.custom_tool_call_input.delta",
            ("input", json!("")),
            input.clone(),
            json!({"type": "custom_tool_call", "id": id, "call_id": fresh("call"), "name": tool, "input": input,
                "status": "completed"}),
        ),
    };
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    begun[empty.0] = empty.1;
    let delta =
        json!({"type": kind, "item_id": id, "output_index": 0, "content_index": 0, "delta": delta});
    (begun, delta, item)
}

// Anthropic Messages.

fn anthropic_usage(tokens: Tokens) -> Value {
    json!({"input_tokens": tokens.input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": tokens.output})
}

fn message_begins(request: &Value, tokens: Tokens) -> Value {
    let usage = anthropic_usage(Tokens {
        output: 1,
        ..tokens
    });
    json!({"type": "message_start", "message": {
        "id": fresh("msg"), "type": "message", "role": "assistant", "model": request["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage}})
}

fn block(reply: &Move) -> Value {
    match reply {
        Move::Say(text) => json!({"type": "text", "text": text}),
        Move::Call { tool, input } => {
            json!({"type": "tool_use", "id": fresh("toolu"), "name": tool, "input": input})
        }
        Move::Freeform { tool, input } => {
            json!({"type": "tool_use", "id": fresh("toolu"), "name": tool, "input": {"input": input}})
        }
    }
}

fn stop_reason(reply: &Move) -> &'static str {
    match reply {
        Move::Say(_) => "end_turn",
        _ => "tool_use",
    }
}

fn messages(request: &Value, reply: &Move, tokens: Tokens) -> Vec<Value> {
    let mut begun = block(reply);
    let delta = if let Move::Say(text) = reply {
        begun["text"] = json!("");
        json!({"type": "text_delta", "text": text})
    } else {
        let input = begun["input"].to_string();
        begun["input"] = json!({});
        json!({"type": "input_json_delta", "partial_json": input})
    };
    vec![
        message_begins(request, tokens),
        json!({"type": "content_block_start", "index": 0, "content_block": begun}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop_reason(reply), "stop_sequence": null},
            "usage": anthropic_usage(tokens)}),
        json!({"type": "message_stop"}),
    ]
}

// OpenAI Chat Completions.

fn chunk(request: &Value, delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "chatcmpl", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": request["model"],
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn chat(request: &Value, reply: &Move, tokens: Tokens) -> Vec<Value> {
    let call = |tool: &str, arguments: String| {
        json!({"tool_calls": [{"index": 0, "id": fresh("call"), "type": "function",
            "function": {"name": tool, "arguments": arguments}}]})
    };
    let (delta, finish) = match reply {
        Move::Say(text) => (json!({"content": text}), "stop"),
        Move::Call { tool, input } => (call(tool, input.to_string()), "tool_calls"),
        Move::Freeform { tool, input } => (
            call(tool, json!({"input": input}).to_string()),
            "tool_calls",
        ),
    };
    let mut last = chunk(request, &json!({}), None);
    last["choices"] = json!([]);
    last["usage"] = json!({"prompt_tokens": tokens.input, "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output});
    vec![
        chunk(request, &json!({"role": "assistant", "content": ""}), None),
        chunk(request, &delta, None),
        chunk(request, &json!({}), Some(finish)),
        last,
    ]
}
