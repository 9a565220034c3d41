//! Pushing: exactly the approved commits go to exactly the approved refs, or nothing does.
//!
//! Always `git push`, so that the hooks of both sides run. Whether a push that was cut short happened is
//! asked at the remote, never remembered.

use anyhow::Result;

use crate::gate::Approved;
use crate::git::{Git, PushResult};
use crate::model::gate::PushPlan;
use crate::model::id::{CommitId, RefName};
use crate::model::op::OpOutcome;

/// Pushes as approved. Doing it again after it was done says that it is done.
///
/// # Errors
/// If the remote cannot be asked. A remote that refuses is an outcome.
pub fn publish(git: &Git, approved: &Approved<PushPlan>) -> Result<OpOutcome> {
    let binding = &approved.get().binding;
    let Some(remote) = binding.remote.as_deref() else {
        return Ok(OpOutcome::Refused("the push names no remote".to_owned()));
    };
    let names: Vec<RefName> = binding.updates.iter().map(|update| update.name.clone()).collect();
    let there = git.remote_refs(remote, &names)?;
    let wanted: Vec<Option<CommitId>> =
        binding.updates.iter().map(|update| update.new.clone()).collect();
    if there == wanted {
        return Ok(OpOutcome::Done);
    }
    Ok(match git.push(remote, &binding.updates)? {
        PushResult::Pushed => OpOutcome::Done,
        PushResult::Refused(why) => {
            OpOutcome::Refused(format!("{remote} did not take the push: {why}"))
        }
    })
}
