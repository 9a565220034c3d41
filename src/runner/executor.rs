//! Starts jobs and sends back what they end with.
//!
//! A job gets a copy of what it needs of the state when it starts; it never sees the state change. Attending a
//! unit is waiting, so it is async; everything that asks git or the disk runs on a blocking thread of its own.

use anyhow::Result;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::jobs::Job;
use super::message::{Input, LookedUp, Message, Tools};
use super::session::Session;
use super::{
    confine, effect, hand, mend, merging, radar, rebuild, resolving, restack, revert, unit, work,
};
use crate::journal::Found;
use crate::model::id::RequestId;
use crate::model::op::{MergeSide, OpOutcome};
use crate::model::packet::Merge;
use crate::model::request::{Request, RequestBody};
use crate::model::state::RunState;
use crate::process::Stop;
use crate::workspace;

pub(super) struct Executor {
    tools: Tools,
    messages: mpsc::UnboundedSender<Message>,
    inbox: crate::journal::Inbox,
}

impl Executor {
    pub(super) fn new(session: &Session, messages: mpsc::UnboundedSender<Message>) -> Self {
        let tools = session.tools();
        Self {
            inbox: tools.store.inbox(&session.state.slug),
            tools,
            messages,
        }
    }

    /// Returns what every job may use.
    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Returns what keeps units in their place, in the words of `RunStarted`.
    ///
    /// # Errors
    /// Where the configuration wants a sandbox that is not to be had here.
    pub(super) fn sandbox(&self) -> Result<&'static str> {
        Ok(confine::kind(self.tools.config.sandbox.mode)?.word())
    }

    /// Starts a job. Its last message is always [`Message::Ended`].
    pub(super) fn start(&self, job: Job, state: &RunState, stop: watch::Receiver<Stop>) {
        let messages = self.messages.clone();
        let tools = self.tools.clone();
        let state = state.clone();
        if let Job::Attend(id) = job {
            tokio::spawn(async move {
                let input = unit::attend(&tools, &state, id, stop, &messages).await;
                let _ = messages.send(Message::Ended { job, input });
            });
            return;
        }
        tokio::task::spawn_blocking(move || {
            let input = perform(&tools, &state, &job);
            let _ = messages.send(Message::Ended { job, input });
        });
    }

    /// Returns what lies in the inbox. An inbox that cannot be read is looked at again later.
    pub(super) fn inbox(&self) -> Vec<Found> {
        self.inbox.list().unwrap_or_default()
    }

    /// Removes a request's file. If that fails, the request is known from the journal and does nothing.
    pub(super) fn forget(&self, request: &RequestId) {
        let _ = self.inbox.remove(request);
    }

    /// Asks git what a request cannot be answered without.
    pub(super) fn look_up(&self, state: &RunState, request: &Request) -> LookedUp {
        match &request.body {
            RequestBody::Continue { why } => {
                LookedUp::Resolution(self.resolution(state, request.at, why))
            }
            RequestBody::Revert { packet, why } => LookedUp::Revert(
                revert::work(&self.tools.git, state, packet, why, request.at)
                    .map_err(|error| format!("{error:#}")),
            ),
            _ => LookedUp::Nothing,
        }
    }

    /// Makes a commit of the resolution that lies in the integration workspace, or says why there is none. `why`
    /// explains what it lacks of the two sides' changes, if it is not empty.
    fn resolution(&self, state: &RunState, at: Timestamp, why: &str) -> Result<Merge, String> {
        let integration = state.integration.as_ref().ok_or("nothing is integrated")?;
        let (Some((side, onto)), Some(workspace)) =
            (&integration.resolving, &integration.workspace)
        else {
            return Err("no conflict is laid out: `dynwf run` does that".to_owned());
        };
        let (conflict, tip) = match side {
            MergeSide::Packet(id) => {
                let packet = state.packets.get(id);
                (
                    packet.and_then(|packet| packet.conflict.as_ref()),
                    packet
                        .and_then(|packet| packet.collected.as_ref())
                        .map(|collected| &collected.tip),
                )
            }
            MergeSide::Target => (integration.conflict.as_ref(), state.target_seen.as_ref()),
        };
        let (Some(conflict), Some(tip)) = (conflict, tip) else {
            return Err("the conflict is gone".to_owned());
        };
        let paths: Vec<_> = conflict
            .files
            .iter()
            .map(|file| file.path.clone())
            .collect();
        let git = &self.tools.git;
        match workspace::resolution(git, workspace, &paths) {
            Ok(workspace::Resolution::Unresolved(paths)) => Err(still_conflicted(&paths)),
            Ok(workspace::Resolution::Refused(why)) => Err(why.join("; ")),
            Ok(workspace::Resolution::Tree { tree, .. }) => {
                resolving::commit(git, state, onto, tip, tree, &[], at)
                    .map(|mut merge| {
                        if let Some(proof) = &mut merge.proof {
                            proof.explain(why);
                            proof.asks = !proof.is_explained();
                        }
                        merge
                    })
                    .map_err(|error| format!("{error:#}"))
            }
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

fn still_conflicted(paths: &[crate::model::path::RepoPath]) -> String {
    let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
    format!("conflict markers are left in {}", paths.join(", "))
}

fn perform(tools: &Tools, state: &RunState, job: &Job) -> Option<Input> {
    let result = match job {
        Job::Attend(_) => return None,
        Job::Perform(op) => {
            let outcome = effect::perform(tools, state, *op)
                .unwrap_or_else(|error| OpOutcome::Refused(format!("{error:#}")));
            return Some(Input::OpEnded { op: *op, outcome });
        }
        Job::Collect(packet) => work::collect(tools, state, packet),
        Job::Merge => merging::merge(tools, state),
        Job::FollowTarget => work::follow_target(tools, state),
        Job::Rebuild => rebuild::rebuild(tools, state),
        Job::Restack(packet) => restack::restack(tools, state, packet),
        Job::Weigh => work::weigh(tools, state),
        Job::Radar => Ok(radar::sweep(tools, state)),
        Job::Mend(packet) => Ok(mend::mend(tools, state, packet)),
        Job::Hand(packet) => Ok(hand::hand(tools, state, packet)),
        Job::TakeResolution(packet) => Ok(hand::take(tools, state, packet)),
    };
    Some(result.unwrap_or_else(|error| Input::Failed {
        job: job.clone(),
        why: format!("{error:#}"),
    }))
}
