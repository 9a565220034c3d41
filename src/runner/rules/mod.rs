//! What follows from the state: rules, applied until none has anything to add.
//!
//! Rules are level-triggered: each looks at the state alone, never at what just happened, so a crash between
//! two facts loses nothing. They are pure: no files, no git, no clock but the time that is passed in. The
//! dispatcher calls [`next`] again and again on the state that the last answer led to.

mod calls;
mod doubt;
mod finish;
mod merge;
mod question;
mod rebuild;
mod settle;
mod start;
mod verify;

use jiff::Timestamp;

pub(super) use settle::worker_failure;

use crate::model::event::EventKind;
use crate::model::state::RunState;
use crate::runner::goal::Options;

type Rule = fn(&RunState, &Options, Timestamp) -> Vec<EventKind>;

/// The rules, in the order in which they are asked. What ends something comes before what starts something,
/// so that limits are free when new work is chosen.
const RULES: &[Rule] = &[
    finish::expire,
    calls::give_up,
    settle::advance,
    settle::judge,
    settle::decide,
    rebuild::blame,
    rebuild::move_rebuilt,
    rebuild::move_restacked,
    calls::answer,
    calls::hand_over,
    doubt::settle,
    merge::move_branch,
    merge::follow_target,
    calls::share,
    calls::question,
    start::begin,
    start::reject,
    start::ask_before_packets,
    start::prepare,
    start::open_collected,
    start::set_up,
    start::check,
    start::work,
    calls::start,
    merge::ask_before_merging,
    merge::lay_out_conflict,
    verify::verify,
    finish::offer_landing,
    finish::land,
    finish::push,
    finish::archive,
];

/// Returns what follows from the state; empty if nothing does.
pub(super) fn next(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    if state.frozen.is_none() {
        return Vec::new();
    }
    if state.archived {
        // What was landed can still be pushed; nothing else of a closed workflow goes on.
        let over = finish::expire(state, options, now);
        return if over.is_empty() {
            finish::push(state, options, now)
        } else {
            over
        };
    }
    RULES
        .iter()
        .map(|rule| rule(state, options, now))
        .find(|facts| !facts.is_empty())
        .unwrap_or_default()
}
