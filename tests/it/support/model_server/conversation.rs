//! What a request tells: which script, which step, which tools the client has.

use std::collections::BTreeMap;

use serde_json::Value;

use super::wire::Wire;

/// What a request tells about the conversation so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The script that the last marker names.
    pub(super) script: Option<String>,
    /// The folder that the last marker names.
    pub(super) cwd: Option<String>,
    /// How many answers came after that marker.
    pub(super) step: usize,
    /// The tools that the client declares, with their types.
    pub(super) tools: BTreeMap<String, String>,
}

impl Conversation {
    pub(super) fn read(wire: Wire, body: &Value) -> Self {
        let mut talk = Self {
            tools: tools(body),
            ..Self::default()
        };
        match wire {
            Wire::Responses => items(&body["input"]).for_each(|item| talk.response_item(item)),
            Wire::Messages => items(&body["messages"]).for_each(|message| {
                let parts = &message["content"];
                if message["role"] == "assistant" {
                    talk.step += items(parts)
                        .filter(|part| part["type"] == "tool_use")
                        .count();
                    talk.step += texts(parts).count();
                } else {
                    talk.told(parts);
                }
            }),
            Wire::Chat => items(&body["messages"]).for_each(|message| {
                let parts = &message["content"];
                if message["role"] == "assistant" {
                    talk.step += items(&message["tool_calls"]).count() + texts(parts).count();
                } else if message["role"] == "user" {
                    talk.told(parts);
                }
            }),
        }
        talk
    }

    /// Whether the client has a tool of this name.
    pub(super) fn has(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }

    fn response_item(&mut self, item: &Value) {
        let is_call = matches!(
            item["type"].as_str(),
            Some("function_call" | "custom_tool_call")
        );
        if is_call {
            self.step += 1;
        } else if item["role"] == "assistant" {
            self.step += texts(&item["content"]).count();
        } else if item["role"] == "user" {
            self.told(&item["content"]);
        }
    }

    /// Takes what the client's side said; a marker in it begins a script.
    fn told(&mut self, content: &Value) {
        for text in texts(content) {
            let Some((_, rest)) = text.rsplit_once("[[script=") else {
                continue;
            };
            let Some((marker, _)) = rest.split_once("]]") else {
                continue;
            };
            let (name, cwd) = marker.split_once(" cwd=").unzip();
            self.script = Some(name.unwrap_or(marker).to_owned());
            self.cwd = cwd.map(str::to_owned);
            self.step = 0;
        }
    }
}

/// The entries of a list; a text stands for itself.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
}

/// The texts of a message that are not empty: it is one text, or a list of parts.
fn texts(content: &Value) -> impl Iterator<Item = &str> {
    let parts = items(content).filter_map(|part| part["text"].as_str());
    content
        .as_str()
        .into_iter()
        .chain(parts)
        .filter(|text| !text.trim().is_empty())
}

fn tools(body: &Value) -> BTreeMap<String, String> {
    items(&body["tools"])
        .filter_map(|tool| {
            let name = tool["name"]
                .as_str()
                .or(tool["function"]["name"].as_str())?;
            let kind = tool["type"].as_str().unwrap_or("function");
            Some((name.to_owned(), kind.to_owned()))
        })
        .collect()
}
