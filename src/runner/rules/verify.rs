//! Rules around the checks of trees that no packet's workspace holds: the integrated tree, the base.
//!
//! They run in the integration workspace, one after another, in the order of `suspect`.

use jiff::Timestamp;

use super::merge::{begin_unless_refused, make_workspace};
use super::start::{check_unit, next_setup, start};
use crate::model::event::EventKind;
use crate::model::op::Op;
use crate::model::state::RunState;
use crate::model::unit::WorkspaceName;
use crate::runner::goal::Options;
use crate::runner::{limit, queue, suspect};

/// Brings the tree that is to be checked next into the integration workspace and runs the check.
pub(super) fn verify(state: &RunState, options: &Options, _: Timestamp) -> Vec<EventKind> {
    let Some(integration) = &state.integration else {
        return Vec::new();
    };
    if options.winding_down
        || integration.resolving.is_some()
        || integration.broken.is_some()
        || state.works_in(&WorkspaceName::Integration)
        || queue::must_follow_target(state, options)
    {
        return Vec::new();
    }
    let Some(trial) = suspect::next_trial(state, options) else {
        return Vec::new();
    };
    let Some(workspace) = &integration.workspace else {
        if !state.ops.is_empty() {
            return Vec::new();
        }
        return begin_unless_refused(state, make_workspace(integration, options));
    };
    if integration.holds.as_ref() != Some(&trial.commit) {
        if !state.ops.is_empty() {
            return Vec::new();
        }
        let op = Op::ResetWorkspace {
            workspace: workspace.clone(),
            to: trial.commit,
        };
        return begin_unless_refused(state, op);
    }
    if !state.ops.is_empty() || limit::free(state, options) == 0 {
        return Vec::new();
    }
    let (kind, minutes) = match next_setup(options, integration.set_up) {
        Some(setup) => (setup, None),
        None => check_unit(&trial.check, trial.tree),
    };
    vec![start(
        state,
        options,
        kind,
        WorkspaceName::Integration,
        0,
        minutes,
    )]
}
