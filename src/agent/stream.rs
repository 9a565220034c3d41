//! What the adapters of clients share: reading one line of JSON, the prompt as an argument, the verdict's
//! outline, rate limits in a client's words.

use serde_json::Value;

use super::contract::Call;
use super::verdict::{AgentEvent, RateLimit, spoiled};
use crate::model::unit::UnitOutcome;

/// The longest prompt that travels as an argument, in bytes; Linux takes 128 KiB in one argument.
const LONGEST_ARGUMENT: usize = 100 * 1024;

/// Reads a line that is one JSON object; anything else is somebody's chatter.
pub(super) fn object(line: &str) -> Option<Value> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str(line).ok()
}

/// Returns the text at a JSON pointer.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// Returns the whole number at a JSON pointer.
pub(super) fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

/// Returns the list at a JSON pointer; empty if there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Returns the program of a call: what the caller found, else what is configured, else the adapter's own.
pub(super) fn program(call: &Call<'_>, own: &str) -> String {
    match (call.program, &call.config.program) {
        (Some(found), _) => found.to_string_lossy().into_owned(),
        (None, Some(configured)) => configured.clone(),
        (None, None) => own.to_owned(),
    }
}

/// Returns the prompt as one argument: the text itself, or where to read it if it is too long for one.
pub(super) fn prompt(call: &Call<'_>) -> String {
    if call.prompt.len() <= LONGEST_ARGUMENT {
        return call.prompt.to_owned();
    }
    // Named by its variable: the path would show where the repository is.
    "Your whole task is in the file that the environment variable DYNWF_PROMPT_FILE names. Read it to its end, \
     then do what it says."
        .to_owned()
}

/// Returns whether the client did its job, and why not: what it `said` at its end (nothing: its stream just
/// stopped) against how its process ended.
pub(super) fn judge(
    said: Option<Result<(), String>>,
    outcome: &UnitOutcome,
) -> (bool, Option<String>) {
    let ended = spoiled(outcome);
    let own_words = matches!(outcome, UnitOutcome::Exited(_) | UnitOutcome::Signalled(_));
    let why = match said {
        // It was through; only its process would not go away.
        Some(Ok(())) if matches!(outcome, UnitOutcome::Silent | UnitOutcome::TimedOut) => None,
        Some(Ok(())) => ended,
        Some(Err(why)) if own_words => Some(why),
        Some(Err(why)) => ended.or(Some(why)),
        None => Some(match (own_words, ended) {
            (false, Some(ended)) => ended,
            (true, Some(ended)) => format!("{ended} before it was through"),
            (_, None) => "stopped before it was through".to_owned(),
        }),
    };
    (why.is_none(), why)
}

/// Returns the rate limit that an error speaks of, if it does.
pub(super) fn rate_limit(status: Option<u16>, message: &str) -> Option<RateLimit> {
    const WORDS: [&str; 12] = [
        "too many requests",
        "rate limit",
        "rate_limit",
        "ratelimit",
        "usage limit",
        "hit your limit",
        "limit reached",
        "quota",
        "overloaded",
        "resource_exhausted",
        "resource exhausted",
        "credit balance",
    ];
    let lower = message.to_lowercase();
    let by_status = matches!(status.or_else(|| status_in(message)), Some(429 | 529));
    if !by_status && !WORDS.iter().any(|word| lower.contains(word)) {
        return None;
    }
    Some(RateLimit {
        message: message.to_owned(),
        after_ms: delay_in(&lower),
        until: moment_in(message),
    })
}

/// Returns the HTTP error status that a message names: `status 401 …`, `status: 429 …`, `500: …`.
pub(super) fn status_in(message: &str) -> Option<u16> {
    let status = |text: &str| -> Option<u16> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        let status = (digits.len() == 3).then(|| digits.parse().ok())??;
        (400..600).contains(&status).then_some(status)
    };
    status(message).or_else(|| {
        let after = message.match_indices("status").find_map(|(at, word)| {
            let rest = message[at + word.len()..].trim_start_matches([' ', ':', '=', '"']);
            status(rest)
        });
        after.or_else(|| {
            let at = message.find("Error: ")? + "Error: ".len();
            status(&message[at..])
        })
    })
}

/// The pause that a message asks for: `try again in 1h 5m`, `retry after 30 seconds`.
fn delay_in(lower: &str) -> Option<u64> {
    let rest = ["again in ", "retry in ", "retry after ", "resets in "]
        .iter()
        .find_map(|lead| lower.find(lead).map(|at| &lower[at + lead.len()..]))?;
    let mut millis = 0.0_f64;
    let mut rest = rest.trim_start();
    while let Some((value, after)) = leading_number(rest) {
        let after = after.trim_start();
        let unit: String = after
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        millis += value * unit_millis(&unit)?;
        rest = after[unit.len()..].trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    // A year is more than any service asks for, and far below where the number would not fit.
    (millis > 0.0 && millis < 3.2e10).then(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range"
        )]
        let whole = millis.ceil() as u64;
        whole
    })
}

fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let value = text[..end].trim_end_matches('.').parse().ok()?;
    Some((value, &text[end..]))
}

fn unit_millis(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 1.0,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "mins" | "minute" | "minutes" => 6e4,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3.6e6,
        "d" | "day" | "days" => 8.64e7,
        _ => return None,
    })
}

/// The moment at the end of a message such as `usage limit reached|1795378172`.
fn moment_in(message: &str) -> Option<u64> {
    let digits = message.rsplit_once('|')?.1.trim();
    (digits.len() == 10).then(|| digits.parse().ok())?
}

/// Returns a shell command as a person would have typed it: without the shell that a client wraps around it.
pub(super) fn plain_command(command: &str) -> &str {
    let Some((_, inner)) = command.split_once(" -lc ") else {
        return command;
    };
    let inner = inner.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = inner
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    inner
}

/// Returns the event for a tool that a client uses: a verb by the tool's name, and the argument that says most.
pub(super) fn tool(name: &str, arguments: &Value) -> AgentEvent {
    let argument = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| arguments.get(key).and_then(Value::as_str))
            .unwrap_or(name)
            .to_owned()
    };
    let (action, detail) = match name.to_lowercase().as_str() {
        "bash" | "shell" => ("running", argument(&["command"])),
        "write" | "edit" | "multiedit" | "notebookedit" => {
            ("editing", argument(&["file_path", "path", "notebook_path"]))
        }
        "read" => ("reading", argument(&["file_path", "path"])),
        "grep" | "glob" | "find" | "ls" => ("searching", argument(&["pattern", "query", "path"])),
        "websearch" | "webfetch" => ("looking up", argument(&["query", "url"])),
        "task" | "agent" => ("delegating", argument(&["description"])),
        _ => ("using", name.to_owned()),
    };
    AgentEvent::Tool { action, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_from_other_errors() {
        let limit = |message: &str| rate_limit(None, message);
        for message in [
            "exceeded retry limit, last status: 429 Too Many Requests",
            "429: {\"type\":\"rate_limit_error\"}",
            "API Error: 529 {\"type\":\"overloaded_error\"}",
            "You've hit your usage limit.",
            "Your credit balance is too low",
        ] {
            assert!(limit(message).is_some(), "{message}");
        }
        for message in [
            "unexpected status 401 Unauthorized: bad key, url: http://127.0.0.1:4290/v1",
            "400: bad request 14291",
            "stream disconnected before completion",
        ] {
            assert_eq!(limit(message), None, "{message}");
        }
        assert!(rate_limit(Some(429), "no").is_some());
    }

    #[test]
    fn the_pause_is_read_from_the_words() {
        let after = |message: &str| rate_limit(Some(429), message).unwrap().after_ms;
        assert_eq!(after("try again in 1.5s."), Some(1500));
        assert_eq!(after("Please try again in 6m0s"), Some(360_000));
        assert_eq!(
            after("or try again in 1 day, 2 hours and 5 minutes."),
            Some(93_900_000)
        );
        assert_eq!(after("Retry after 30 seconds"), Some(30_000));
        assert_eq!(after("try again in a while"), None);
        assert_eq!(after("try again in 9e99"), None);
        let until = |message: &str| rate_limit(None, message).unwrap().until;
        assert_eq!(until("usage limit reached|1795378172"), Some(1_795_378_172));
        assert_eq!(until("usage limit reached|17"), None);
    }

    #[test]
    fn statuses_are_read_from_the_words() {
        assert_eq!(status_in("unexpected status 401 Unauthorized"), Some(401));
        assert_eq!(status_in("last status: 429 Too Many"), Some(429));
        assert_eq!(status_in("500: {}"), Some(500));
        assert_eq!(status_in("API Error: 400 bad"), Some(400));
        assert_eq!(status_in("status quo, 5000 lines"), None);
        assert_eq!(status_in("200: fine"), None);
    }

    #[test]
    fn how_the_process_ended_counts_beside_what_was_said() {
        use UnitOutcome as U;
        let ok = || Some(Ok(()));
        let bad = || Some(Err("failed: no".to_owned()));
        assert_eq!(judge(ok(), &U::Exited(0)), (true, None));
        assert_eq!(judge(ok(), &U::Silent), (true, None));
        assert!(!judge(ok(), &U::Exited(1)).0);
        assert!(!judge(ok(), &U::Cancelled).0);
        assert_eq!(judge(bad(), &U::Exited(0)).1.unwrap(), "failed: no");
        assert_eq!(judge(bad(), &U::Cancelled).1.unwrap(), "was cancelled");
        assert_eq!(
            judge(None, &U::Exited(0)).1.unwrap(),
            "stopped before it was through"
        );
        assert_eq!(
            judge(None, &U::Signalled(15)).1.unwrap(),
            "was killed by signal 15 before it was through"
        );
    }

    #[test]
    fn a_command_loses_the_shell_around_it() {
        assert_eq!(plain_command("/bin/bash -lc \"cargo test\""), "cargo test");
        assert_eq!(plain_command("/bin/bash -lc 'ls -l'"), "ls -l");
        assert_eq!(plain_command("make -j2"), "make -j2");
    }
}
