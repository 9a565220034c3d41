//! What a script threw, put into words: message, place, frames, and what sort of end it is.

use rquickjs::{CaughtError, Ctx, Object, Persistent, Value};

use super::source::Sources;
use super::talk::{ErrorKind, ScriptError};

/// What was thrown, kept until it is put into words.
pub(super) enum Thrown {
    Value(Persistent<Value<'static>>),
    Text(String),
}

impl Thrown {
    pub(super) fn keep<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Self {
        match error {
            CaughtError::Exception(exception) => {
                Self::Value(Persistent::save(ctx, exception.into_value()))
            }
            CaughtError::Value(value) => Self::Value(Persistent::save(ctx, value)),
            CaughtError::Error(error) => Self::Text(error.to_string()),
        }
    }
}

pub(super) fn describe(error: &CaughtError<'_>, sources: &Sources) -> ScriptError {
    match error {
        CaughtError::Exception(exception) => {
            describe_value(&exception.clone().into_value(), sources)
        }
        CaughtError::Value(value) => describe_value(value, sources),
        CaughtError::Error(error) => ScriptError::new(ErrorKind::Thrown, error.to_string()),
    }
}

/// What was thrown, in words.
pub(super) fn describe_value(value: &Value<'_>, sources: &Sources) -> ScriptError {
    let text = |object: &Object<'_>, name: &str| -> Option<String> {
        let value: Value<'_> = object.get(name).ok()?;
        value.as_string()?.to_string().ok()
    };
    if value.is_null() {
        // What the engine throws where there is no memory left for an error.
        let message =
            "the script threw null: it used more memory than it may, unless it threw that itself";
        return ScriptError::new(ErrorKind::Limit, message);
    }
    let Some(object) = value.as_object().filter(|_| value.is_error()) else {
        return ScriptError::new(
            ErrorKind::Thrown,
            shortened(format!("thrown: {}", plain(value))),
        );
    };
    let name = text(object, "name").unwrap_or_else(|| "Error".to_owned());
    let message = text(object, "message").unwrap_or_default();
    let (stack, at) = sources.frames(&text(object, "stack").unwrap_or_default());
    let kind = match (name.as_str(), message.as_str()) {
        ("InternalError", "out of memory")
        | ("RangeError" | "InternalError", "Maximum call stack size exceeded") => ErrorKind::Limit,
        ("AbortError", _) => ErrorKind::Aborted,
        _ => ErrorKind::Thrown,
    };
    let message = match (kind, message.as_str()) {
        (ErrorKind::Limit, "out of memory") => "the script used more memory than it may".to_owned(),
        (ErrorKind::Limit, _) => "the script calls itself too deeply: its stack is full".to_owned(),
        (_, "") => shortened(name),
        _ => shortened(format!("{name}: {message}")),
    };
    ScriptError {
        kind,
        message,
        at,
        stack,
    }
}

fn plain(value: &Value<'_>) -> String {
    if let Some(text) = value.as_string() {
        return text.to_string().unwrap_or_default();
    }
    match value.ctx().json_stringify(value.clone()) {
        Ok(Some(json)) => json.to_string().unwrap_or_default(),
        _ => value.type_name().to_owned(),
    }
}

/// The most characters of a message.
const LONGEST: usize = 2_000;

/// A message of a length that people read.
fn shortened(message: String) -> String {
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &message[..end], message.len()),
        None => message,
    }
}
