//! The lines of a script in the table: its phase, the calls that are going on, what came of the others. Called by `human`.

use super::look::{BOLD, CYAN, DIM, Look, RED, YELLOW};
use super::view::ScriptView;
use super::words::{amount, duration, one_line, padded, width};

/// How many calls are shown by name.
const SHOWN: usize = 16;

/// The widest label that moves the other columns, in columns.
const WIDEST: usize = 40;

/// Returns the lines of a script.
pub(super) fn lines(script: &ScriptView, look: Look) -> Vec<String> {
    let mut lines = Vec::new();
    let most = look.width.unwrap_or(usize::MAX);
    let mut phase: Option<&str> = None;
    let shown = &script.calls[..script.calls.len().min(SHOWN)];
    let widest = shown
        .iter()
        .map(|call| width(&call.label))
        .max()
        .unwrap_or(0)
        .min(WIDEST);
    for call in shown {
        if call.phase.as_deref() != phase {
            phase = call.phase.as_deref();
            let title = one_line(phase.unwrap_or_default());
            lines.push(look.paint(BOLD, &look.fit(&look.shown(&format!(" {title}")), most)));
        }
        let (mark, style) = match call.status {
            "running" | "asked again" => ("●", CYAN),
            "a person" => ("◌", YELLOW),
            _ => ("◌", DIM),
        };
        let mark = if look.unicode { mark } else { "*" };
        let label = padded(
            &look.fit(&look.shown(&one_line(&call.label)), widest),
            widest,
        );
        let agent = call.agent.as_deref().unwrap_or(call.function);
        let mut text = format!("{label}  {}  {}", one_line(agent), call.status);
        if call.seconds > 0 {
            text.push_str(&format!("  {}", duration(call.seconds)));
        }
        if call.tokens > 0 {
            text.push_str(&format!("  {} tokens", amount(call.tokens)));
        }
        let text = look.fit(&look.shown(&text), most.saturating_sub(3));
        lines.push(format!(" {} {text}", look.paint(style, mark)));
    }
    if script.calls.len() > SHOWN {
        let more = format!("   … {} more calls", script.calls.len() - SHOWN);
        lines.push(look.paint(DIM, &look.fit(&look.shown(&more), most)));
    }
    let census = script.census;
    let how = match (script.ended, &script.error) {
        (true, Some(_)) => "script failed",
        (true, None) => "script is through",
        (false, _) => "script",
    };
    let line = look.shown(&format!(" {how} · calls: {census}"));
    let line = look.fit(&line, most);
    let bad = script.error.is_some() || census.failed > 0;
    lines.push(if bad { look.paint(RED, &line) } else { line });
    if let Some(error) = &script.error {
        lines.push(look.fit(&look.shown(&format!("   {}", one_line(error))), most));
    }
    lines
}
