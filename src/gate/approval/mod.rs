//! Answers to gates, and the values that only an answer can make.
//!
//! An approval is for one transition and one use. It is compared field by field with what is about to happen;
//! where it does not cover that, the reason says which field differs.

use jiff::{SignedDuration, Timestamp};

use crate::model::event::{Answer, EventKind};
use crate::model::gate::{Binding, Gate, GateKind, GateStatus, Policy, Transition};
use crate::model::id::OpId;
use crate::model::request::{Request, RequestBody};

/// By how much a clock may disagree with what was recorded before approvals are no longer trusted.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);

/// A transition that a person approved, for one effect. Made by [`redeem`] alone; neither copied nor read from
/// anywhere, so that holding one is the permission.
///
/// Code that only takes one compiles:
/// ```
/// use dynwf::gate::Approved;
/// use dynwf::model::gate::LandPlan;
/// fn lands(approved: &Approved<LandPlan>) -> &LandPlan { approved.transition() }
/// fn copies<T: Clone>() {}
/// copies::<LandPlan>();
/// fn reads<T: serde::de::DeserializeOwned>() {}
/// reads::<LandPlan>();
/// ```
/// Code that makes one does not:
/// ```compile_fail,E0451
/// use dynwf::gate::Approved;
/// use dynwf::model::{gate::LandPlan, id::OpId};
/// fn forge(transition: LandPlan) -> Approved<LandPlan> { Approved { transition, by: OpId(1) } }
/// ```
/// Nor does code that copies one, or reads one:
/// ```compile_fail,E0277
/// fn copies<T: Clone>() {}
/// copies::<dynwf::gate::Approved<dynwf::model::gate::LandPlan>>();
/// ```
/// ```compile_fail,E0277
/// fn reads<T: serde::de::DeserializeOwned>() {}
/// reads::<dynwf::gate::Approved<dynwf::model::gate::LandPlan>>();
/// ```
#[derive(Debug)]
pub struct Approved<T> {
    transition: T,
    by: OpId,
}

impl<T> Approved<T> {
    /// Returns what was approved.
    pub fn transition(&self) -> &T {
        &self.transition
    }

    /// Returns the effect that may use it.
    pub fn op(&self) -> OpId {
        self.by
    }
}

/// Turns a gate's approval into the permission to perform the effect `by`.
///
/// The approval counts if it is bound to exactly this transition and is either good now or was spent by this
/// very effect (which may have been interrupted by a crash and is performed again).
///
/// # Errors
/// Why it does not, in one line for people.
pub fn redeem<T: Transition>(
    gate: &Gate,
    transition: T,
    by: OpId,
    now: Timestamp,
) -> Result<Approved<T>, String> {
    if &gate.id != transition.gate() {
        return Err(format!(
            "gate {} does not cover what {} asks for",
            gate.id,
            transition.gate()
        ));
    }
    if matches!(gate.status, GateStatus::Consumed { by: spender, .. } if spender == by.0) {
        same(gate, transition.binding())?;
        clock(gate, now)?;
    } else {
        covers(gate, transition.binding(), now)?;
    }
    Ok(Approved { transition, by })
}

/// Whether a gate's approval covers this transition, and may be spent on it now.
///
/// # Errors
/// Why not, in one line for people.
pub fn covers(gate: &Gate, binding: &Binding, now: Timestamp) -> Result<(), String> {
    match gate.status {
        GateStatus::Approved { until } if now < until => {}
        GateStatus::Approved { until } => {
            return Err(format!("the approval of {} expired at {until}", gate.id));
        }
        GateStatus::Waiting => return Err(format!("gate {} waits for an answer", gate.id)),
        GateStatus::Denied => return Err(format!("gate {} was denied", gate.id)),
        GateStatus::Consumed { .. } => {
            return Err(format!("the approval of {} was used already", gate.id));
        }
        GateStatus::Expired => return Err(format!("the approval of {} expired", gate.id)),
        GateStatus::Revoked => return Err(format!("the approval of {} was taken back", gate.id)),
    }
    same(gate, binding)?;
    clock(gate, now)
}

/// What a request that answers a gate (approve, deny, revoke) leads to: the fact to record. `until` of an
/// approval is `now` and the policy's hours.
///
/// # Errors
/// Why the request is refused, in one line for people.
pub fn answer(
    gate: Option<&Gate>,
    request: &Request,
    policy: &Policy,
    now: Timestamp,
) -> Result<EventKind, String> {
    let (id, why) = match &request.body {
        RequestBody::Approve { gate, .. } | RequestBody::Revoke { gate } => (gate, String::new()),
        RequestBody::Deny { gate, why } => (gate, why.clone()),
        _ => return Err("the request does not answer a gate".to_owned()),
    };
    let gate = gate
        .filter(|gate| &gate.id == id)
        .ok_or_else(|| format!("there is no gate {id}"))?;
    let answer = match &request.body {
        RequestBody::Approve { binding, .. } => {
            approve(gate, binding, request.attended, policy, now)?
        }
        RequestBody::Deny { .. } => deny(gate)?,
        _ => revoke(gate)?,
    };
    Ok(EventKind::GateDecided {
        gate: gate.id.clone(),
        answer,
        request: request.id.clone(),
        by: request.by.clone(),
        attended: request.attended,
        why,
    })
}

fn approve(
    gate: &Gate,
    shown: &Binding,
    attended: bool,
    policy: &Policy,
    now: Timestamp,
) -> Result<Answer, String> {
    match &gate.status {
        GateStatus::Waiting | GateStatus::Expired | GateStatus::Revoked => {}
        GateStatus::Approved { until } if now >= *until => {}
        // Nothing was settled by this no; that of a packet's merge rejected the packet.
        GateStatus::Denied
            if matches!(gate.kind, GateKind::Batch | GateKind::Land | GateKind::Push) => {}
        status => return Err(format!("gate {} is {}", gate.id, status.word())),
    }
    if !attended && !policy.unattended {
        return Err("the configuration wants approvals to be given at a terminal".to_owned());
    }
    same(gate, shown)?;
    clock(gate, now)?;
    let until = now
        .checked_add(SignedDuration::from_hours(policy.expires_hours.into()))
        .unwrap_or(Timestamp::MAX);
    Ok(Answer::Approved { until })
}

fn deny(gate: &Gate) -> Result<Answer, String> {
    match &gate.status {
        GateStatus::Denied | GateStatus::Consumed { .. } => {
            Err(format!("gate {} is {}", gate.id, gate.status.word()))
        }
        _ => Ok(Answer::Denied),
    }
}

fn revoke(gate: &Gate) -> Result<Answer, String> {
    match &gate.status {
        GateStatus::Approved { .. } => Ok(Answer::Revoked),
        status => Err(format!(
            "gate {} is {}, not approved",
            gate.id,
            status.word()
        )),
    }
}

fn same(gate: &Gate, binding: &Binding) -> Result<(), String> {
    match gate.binding.difference(binding) {
        None => Ok(()),
        Some(difference) => Err(format!(
            "gate {} covers something else: {difference}",
            gate.id
        )),
    }
}

/// A clock that was set back would make an expired approval good again.
fn clock(gate: &Gate, now: Timestamp) -> Result<(), String> {
    let latest = gate
        .decision
        .as_ref()
        .map_or(gate.opened, |decision| decision.at.max(gate.opened));
    if latest.duration_since(now) > CLOCK_SLACK {
        return Err(format!(
            "the clock says {now}, but gate {} was last touched at {latest}: set the clock right",
            gate.id
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
