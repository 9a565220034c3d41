//! What a scripted model does, in words that fit every client.

use serde_json::{Value, json};

use super::conversation::Conversation;

/// One answer of the model, and what goes wrong before it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(super) action: Action,
    pub(super) faults: Vec<Fault>,
    pub(super) tokens: Tokens,
    pub(super) held: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Say(String),
    Run(String),
    Write { path: String, text: String },
    Answer(Value),
}

/// What an answer is said to have cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) output: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            input: 1000,
            output: 50,
        }
    }
}

impl Step {
    fn new(action: Action) -> Self {
        Self {
            action,
            faults: Vec::new(),
            tokens: Tokens::default(),
            held: false,
        }
    }

    /// Says something, which ends the client's turn.
    pub(crate) fn say(text: impl Into<String>) -> Self {
        Self::new(Action::Say(text.into()))
    }

    /// Runs a command with the client's own shell tool.
    pub(crate) fn run(command: impl Into<String>) -> Self {
        Self::new(Action::Run(command.into()))
    }

    /// Writes a new file with the client's own tool for that.
    pub(crate) fn write(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Action::Write {
            path: path.into(),
            text: text.into(),
        })
    }

    /// Gives a structured answer, with the client's own tool where it has one.
    pub(crate) fn answer(value: Value) -> Self {
        Self::new(Action::Answer(value))
    }

    /// The same, once this has gone wrong.
    #[must_use]
    pub(crate) fn after(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The same, said to have cost so many tokens.
    #[must_use]
    pub(crate) fn costs(mut self, input: u64, output: u64) -> Self {
        self.tokens = Tokens { input, output };
        self
    }

    /// The same, but not before the server is opened.
    #[must_use]
    pub(crate) fn held(mut self) -> Self {
        self.held = true;
        self
    }
}

/// Something that goes wrong instead of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// The HTTP status; without one the stream begins and is cut.
    pub(super) status: Option<u16>,
    pub(super) message: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) lasts: Lasts,
}

/// How long something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lasts {
    Once,
    UntilOpen,
    Always,
}

impl Fault {
    /// An error of the service, every time.
    pub(crate) fn status(status: u16, message: &str) -> Self {
        Self {
            status: Some(status),
            message: message.to_owned(),
            headers: Vec::new(),
            lasts: Lasts::Always,
        }
    }

    /// A stream that ends in the middle, every time.
    pub(crate) fn cut() -> Self {
        Self {
            status: None,
            ..Self::status(0, "")
        }
    }

    /// The same, once only.
    #[must_use]
    pub(crate) fn once(mut self) -> Self {
        self.lasts = Lasts::Once;
        self
    }

    /// The same, until the server is opened.
    #[must_use]
    pub(crate) fn until_open(mut self) -> Self {
        self.lasts = Lasts::UntilOpen;
        self
    }

    /// The same, with the wish to be asked again in so many seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.headers.push(("retry-after", seconds.to_string()));
        self
    }
}

/// An action in the terms of the client that asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Move {
    Say(String),
    Call {
        tool: String,
        input: Value,
    },
    /// A call of a tool that takes plain text.
    Freeform {
        tool: String,
        input: String,
    },
}

impl Action {
    /// Puts it in the terms of the client: the tools that it declared, the folder that the marker names.
    pub(super) fn on(&self, talk: &Conversation) -> Move {
        match self {
            Self::Say(text) => Move::Say(text.clone()),
            Self::Run(command) => run(command, talk),
            Self::Write { path, text } => write(path, text, talk),
            Self::Answer(value) if talk.has("StructuredOutput") => {
                call("StructuredOutput", value.clone())
            }
            Self::Answer(value) => Move::Say(value.to_string()),
        }
    }
}

fn call(tool: &str, input: Value) -> Move {
    Move::Call {
        tool: tool.to_owned(),
        input,
    }
}

fn run(command: &str, talk: &Conversation) -> Move {
    const SHELLS: [(&str, &str); 4] = [
        ("exec_command", "cmd"),
        ("shell_command", "command"),
        ("Bash", "command"),
        ("bash", "command"),
    ];
    let found = SHELLS.iter().find(|(tool, _)| talk.has(tool));
    found.map_or_else(
        || Move::Say("I have no shell.".to_owned()),
        |(tool, key)| call(tool, json!({ *key: command })),
    )
}

fn write(path: &str, text: &str, talk: &Conversation) -> Move {
    if talk
        .tools
        .get("apply_patch")
        .is_some_and(|kind| kind == "custom")
    {
        let lines = text.lines().map(|line| format!("+{line}\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        return Move::Freeform {
            tool: "apply_patch".to_owned(),
            input: format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch"),
        };
    }
    match &talk.cwd {
        Some(cwd) if talk.has("Write") => call(
            "Write",
            json!({"file_path": format!("{cwd}/{path}"), "content": text}),
        ),
        _ if talk.has("write") => call("write", json!({"path": path, "content": text})),
        _ => run(
            &format!("printf %s {} > {}", quoted(text), quoted(path)),
            talk,
        ),
    }
}

/// A word that a shell takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
