//! What people are told about conflicts that have not happened. Called by `human`, `line` and `result`.

use super::look::Look;
use super::page::code;
use super::view::PairView;
use super::words::counted;
use crate::model::radar::Sweep;
use crate::model::state::RunState;

/// How many pairs that will conflict are shown.
const PAIRS: usize = 5;

/// The pairs of packets that will conflict, a line each up to a few.
pub(super) fn lines(pairs: &[PairView], look: Look) -> Vec<String> {
    let fit = |line: &str| look.fit(&look.shown(line), look.width.unwrap_or(usize::MAX));
    let ahead: Vec<&PairView> = pairs
        .iter()
        .filter(|pair| pair.status == "conflict")
        .collect();
    let mut lines: Vec<String> = ahead
        .iter()
        .take(PAIRS)
        .map(|pair| {
            let [one, other] = &pair.packets;
            let paths = pair.conflicts.iter().map(|file| file.path.to_string());
            let paths: Vec<String> = paths.collect();
            fit(&format!(
                " ahead: {one} and {other} will conflict in {}",
                paths.join(", ")
            ))
        })
        .collect();
    if ahead.len() > PAIRS {
        let more = counted(ahead.len() - PAIRS, "more pair");
        lines.push(fit(&format!(" ahead: {more} will conflict")));
    }
    lines
}

/// The pairs of packets on their way that change the same paths.
pub(super) fn list(state: &RunState) -> Vec<String> {
    state
        .meeting()
        .into_iter()
        .map(|pair| {
            let [one, other] = &pair.packets;
            if pair.files.is_empty() {
                return format!("{one} and {other} meet and merge");
            }
            let files = pair.files.iter();
            let files: Vec<String> = files
                .map(|file| format!("{} ({})", code(&file.path.to_string()), file.kind))
                .collect();
            format!("{one} and {other} will conflict in {}", files.join(", "))
        })
        .collect()
}

/// The pairs that a look found to conflict, in one line; none if there are none.
pub(super) fn swept_words(sweep: &Sweep) -> Option<String> {
    let ahead = sweep.pairs.iter().filter(|pair| !pair.files.is_empty());
    let ahead: Vec<String> = ahead
        .map(|pair| {
            let paths: Vec<String> = pair
                .files
                .iter()
                .map(|file| file.path.to_string())
                .collect();
            let [one, other] = &pair.packets;
            format!("{one} and {other} will conflict in {}", paths.join(", "))
        })
        .collect();
    (!ahead.is_empty()).then(|| ahead.join("; "))
}
