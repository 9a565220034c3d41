//! Rules about merges that lack something of a side's change: a person is asked before they count.

use jiff::Timestamp;

use super::question::{ask, why_not};
use crate::gate::binding_for_risk;
use crate::model::event::{EventKind, GivenUp};
use crate::model::gate::{GateKind, GateStatus};
use crate::model::id::{GateId, PacketId};
use crate::model::proof::{Exception, Proof};
use crate::model::state::{PacketState, RunState, Stage};
use crate::runner::goal::Options;

/// How many exceptions a question names; `review` and `integration.md` list them all.
const NAMED: usize = 5;

/// Asks about each, or takes the answer: a yes lets it be merged, a no opens the conflict again (where there was
/// none, it turns the packet down).
pub(super) fn settle(state: &RunState, options: &Options, now: Timestamp) -> Vec<EventKind> {
    if !options.goal.integrates() {
        return Vec::new();
    }
    state
        .in_plan_order()
        .filter(|(_, packet)| packet.stage == Stage::Accepted)
        .find_map(|(id, packet)| settle_one(state, options, id, packet, now))
        .into_iter()
        .collect()
}

fn settle_one(
    state: &RunState,
    options: &Options,
    id: &PacketId,
    packet: &PacketState,
    now: Timestamp,
) -> Option<EventKind> {
    let proof = packet.proof.as_ref().filter(|proof| proof.asks)?;
    let collected = packet.collected.as_ref()?;
    let repository = &state.frozen.as_ref()?.repository;
    let gate = GateId::risk(id);
    let (slug, policy) = (&state.slug, &options.policy);
    let binding = binding_for_risk(repository, policy, slug, id, collected, proof);
    if let Some(question) = ask(
        state,
        gate.clone(),
        GateKind::Risk,
        binding,
        why(proof),
        now,
    ) {
        return Some(question);
    }
    let gate = state
        .gates
        .get(&gate)
        .filter(|gate| gate.status == GateStatus::Denied)?;
    let (packet_id, why) = (id.clone(), why_not(gate));
    Some(if packet.conflict.is_some() {
        EventKind::ResolutionRefused {
            packet: packet_id,
            why,
        }
    } else {
        EventKind::PacketGivenUp {
            packet: packet_id,
            how: GivenUp::Rejected,
            why,
        }
    })
}

fn why(proof: &Proof) -> Vec<String> {
    let lines = if proof.lacks() == 1 { "line" } else { "lines" };
    let mut why = vec![format!("its merge lacks {} {lines}", proof.lacks())];
    why.extend(proof.exceptions.iter().take(NAMED).map(words));
    let more = proof.lacks().saturating_sub(NAMED);
    if more > 0 {
        why.push(format!("and {more} more"));
    }
    why
}

fn words(one: &Exception) -> String {
    let explained = if one.why.is_empty() {
        "nobody said why".to_owned()
    } else {
        one.why.clone()
    };
    format!(
        "{}: {} of {}: `{}` ({explained})",
        one.path,
        one.lack.word(),
        one.side.word(),
        one.line.trim()
    )
}
