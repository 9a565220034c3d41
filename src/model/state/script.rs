//! The state of a script: what is going on for it, not what is over.
//!
//! Answers stay in the journal: the state is copied for every batch and every job, and a script may ask ten thousand
//! times. What a call was answered is read back from there when the script is run again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{LiveUnit, PacketState, RunState, Spent, Stage};
use crate::model::event::EventKind;
use crate::model::id::{CommitId, PacketId, UnitId};
use crate::model::plan::Packet;
use crate::model::script::{AskedCall, Asks, Census, Kept, Reply, Saying, ScriptEnd, ScriptRun};
use crate::model::status::PacketStatus;
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage, WorkspaceName};

/// A script and what goes on for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptState {
    /// The script.
    pub run: Arc<ScriptRun>,
    /// The calls that were taken in and are not answered, by ordinal.
    pub calls: BTreeMap<u64, OpenCall>,
    /// What came of the calls that are answered.
    pub census: Census,
    /// The phase that it is in.
    pub phase: Option<Arc<str>>,
    /// How it ended, once it did.
    pub end: Option<Arc<ScriptEnd>>,
    /// The packet of the shared workspace, once something was to be done in it.
    pub shared: Option<PacketId>,
}

/// A call that is not answered yet.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCall {
    /// The call.
    pub asked: Arc<AskedCall>,
    /// When it was taken in.
    pub since: Timestamp,
    /// The turn of its agent; 0 before the first.
    pub turn: u32,
    /// The client's session, for later turns.
    pub session: Option<String>,
    /// What the turns of that session used: clients report totals of it.
    pub session_used: Usage,
    /// What the agent is told beside the call's own text.
    pub feedback: Vec<String>,
    /// How many of its units in a row were cut short.
    pub cut_short: u32,
    /// What it used.
    pub spent: Spent,
}

/// What a script wants with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketOfScript {
    /// The call that made it; none for the shared workspace.
    pub call: Option<u64>,
    /// The commit that it starts from.
    pub base: CommitId,
    /// What the script calls it.
    pub label: String,
    /// Whether it stays on its branch until the script, or a person, wants it merged.
    pub held: bool,
    /// Whether its agent is told the objective alone, as it stands.
    pub plain: bool,
}

impl RunState {
    /// One more packet is in the plan; returns its state.
    pub(super) fn joined_plan(&mut self, packet: &Packet) -> &mut PacketState {
        if let Some(frozen) = &mut self.frozen {
            let mut plan = (*frozen.plan).clone();
            plan.packets.retain(|known| known.id != packet.id);
            plan.packets.push(packet.clone());
            frozen.plan = Arc::new(plan);
        }
        self.packets.entry(packet.id.clone()).or_default()
    }

    pub(super) fn script_event(&mut self, kind: &EventKind, at: Timestamp) {
        match kind {
            EventKind::ScriptBegan { run } => self.script_began(run),
            EventKind::PacketAdded {
                packet,
                base,
                call,
                label,
                plain,
            } => {
                let state = self.joined_plan(packet);
                state.script = Some(PacketOfScript {
                    call: *call,
                    base: base.clone(),
                    label: label.clone(),
                    held: true,
                    plain: *plain,
                });
                if let (None, Some(script)) = (call, &mut self.script) {
                    script.shared = Some(packet.id.clone());
                }
            }
            EventKind::PacketReleased { packet } => {
                if let Some(of_script) = self
                    .packets
                    .get_mut(packet)
                    .and_then(|packet| packet.script.as_mut())
                {
                    of_script.held = false;
                }
            }
            EventKind::CallPostponed {
                ordinal,
                until,
                why,
            } => {
                let call = self.open_call(*ordinal);
                let agent = call.and_then(|call| call.asked.agent.clone());
                self.pause(agent, *until, why);
                if let Some(call) = self.call_mut(*ordinal) {
                    call.turn = call.turn.saturating_sub(1);
                }
            }
            of_calls => {
                if let EventKind::CallAnswered { ordinal, .. } = of_calls
                    && let Some(gate) = self
                        .open_call(*ordinal)
                        .and_then(|call| call.asked.gate.clone())
                {
                    self.spend(&gate, self.seq);
                }
                if let Some(script) = &mut self.script {
                    script.event(of_calls, at);
                }
            }
        }
    }

    fn script_began(&mut self, run: &ScriptRun) {
        let shared = self.script.take().and_then(|script| script.shared);
        let shared = shared.filter(|id| self.packets.get_mut(id).is_some_and(takes_more));
        if run.reuse.is_some() {
            // The calls have other numbers now: what still runs answers none of them.
            for live in self.units.values_mut() {
                live.stopping |= live.unit.call().is_some();
            }
        }
        self.script = Some(ScriptState {
            run: Arc::new(run.clone()),
            calls: BTreeMap::new(),
            census: Census::default(),
            phase: None,
            end: None,
            shared,
        });
    }

    fn call_mut(&mut self, ordinal: u64) -> Option<&mut OpenCall> {
        self.script.as_mut()?.calls.get_mut(&ordinal)
    }

    pub(super) fn call_started(&mut self, unit: &Unit) {
        if let UnitKind::Call { ordinal, turn } = unit.kind
            && let Some(call) = self.call_mut(ordinal)
        {
            call.turn = turn;
        }
    }

    /// Notes the conversation of a call's agent; `false` if the unit answers no call.
    pub(super) fn call_noted(&mut self, unit: UnitId, session: &str) -> bool {
        let Some(ordinal) = self.units.get(&unit).and_then(|live| live.unit.call()) else {
            return false;
        };
        if let Some(call) = self.call_mut(ordinal)
            && call.session.as_deref() != Some(session)
        {
            call.session = Some(session.to_owned());
            call.session_used = Usage::default();
        }
        true
    }

    /// Takes the end of a call's unit into account; `false` if the unit answers no call.
    pub(super) fn call_unit_ended(
        &mut self,
        live: &LiveUnit,
        outcome: &UnitOutcome,
        millis: u64,
        usage: Option<&Usage>,
        agent: Option<&str>,
    ) -> bool {
        let unit = &live.unit;
        let Some(ordinal) = unit.call() else {
            return false;
        };
        if live.stopping {
            return true;
        }
        if let Some(packet) = unit.packet().and_then(|id| self.packets.get_mut(id)) {
            packet.spent.add(millis, usage, agent);
        }
        if let Some(call) = self.call_mut(ordinal) {
            call.spent.add(millis, usage, agent);
            if let Some(usage) = usage {
                call.session_used.add(usage);
            }
            if outcome.is_interruption() {
                call.cut_short += 1;
                // The turn that was cut short is made again, and so is its number.
                call.turn = call.turn.saturating_sub(1);
            } else {
                call.cut_short = 0;
            }
        }
        true
    }

    /// Whether a script runs as this workflow and has not come to its end.
    pub fn is_scripted(&self) -> bool {
        self.script
            .as_ref()
            .is_some_and(|script| script.end.is_none())
    }

    /// Whether the packet is the shared workspace of a script that goes on.
    pub fn is_shared(&self, id: &PacketId) -> bool {
        self.script
            .as_ref()
            .is_some_and(|script| script.end.is_none() && script.shared.as_ref() == Some(id))
    }

    /// Whether a packet's agent is started by a script's calls, not by the plan.
    pub fn is_workspace_alone(&self, id: &PacketId) -> bool {
        self.of_script(id)
            .is_some_and(|of_script| of_script.call.is_none())
    }

    /// Returns what a script wants with a packet, if one made it.
    pub fn of_script(&self, id: &PacketId) -> Option<&PacketOfScript> {
        self.packets.get(id)?.script.as_ref()
    }

    /// Whether a packet is complete and stays on its branch, because the script that made it did not ask for more.
    pub fn is_kept(&self, id: &PacketId) -> bool {
        self.packets
            .get(id)
            .is_some_and(|packet| is_held(packet) && self.status_of(id) == PacketStatus::Checked)
    }

    /// Returns the workspace that calls without one of their own are answered in.
    pub fn shared_workspace(&self) -> Option<WorkspaceName> {
        let script = self.script.as_ref()?;
        if script.run.checkout.is_some() {
            return Some(WorkspaceName::Checkout);
        }
        script.shared.clone().map(WorkspaceName::Packet)
    }

    /// Returns a call that is not answered yet.
    pub fn open_call(&self, ordinal: u64) -> Option<&OpenCall> {
        self.script.as_ref()?.calls.get(&ordinal)
    }
}

/// Whether work in the shared workspace can go on, now that a script begins again. What was merged, or given up, takes
/// no more: then there will be another one.
fn takes_more(packet: &mut PacketState) -> bool {
    let undone = matches!(packet.stage, Stage::Collected | Stage::NoChange);
    if undone && packet.workspace.is_some() {
        packet.stage = Stage::Prepared;
        packet.reason = None;
        if let Some(of_script) = &mut packet.script {
            of_script.held = true;
        }
    }
    packet.stage == Stage::Prepared
}

fn is_held(packet: &PacketState) -> bool {
    packet
        .script
        .as_ref()
        .is_some_and(|of_script| of_script.held)
}

impl ScriptState {
    fn event(&mut self, kind: &EventKind, at: Timestamp) {
        match kind {
            EventKind::CallAsked { call } => {
                self.calls.insert(
                    call.ordinal,
                    OpenCall {
                        asked: Arc::new((**call).clone()),
                        since: at,
                        turn: 0,
                        session: None,
                        session_used: Usage::default(),
                        feedback: Vec::new(),
                        cut_short: 0,
                        spent: Spent::default(),
                    },
                );
            }
            EventKind::CallTurned { ordinal, feedback } => {
                if let Some(call) = self.calls.get_mut(ordinal) {
                    call.feedback.push(feedback.clone());
                }
            }
            EventKind::CallAnswered {
                ordinal,
                reply,
                reused,
                ..
            } => {
                self.calls.remove(ordinal);
                match reply {
                    Reply::Value(_) => self.census.done += 1,
                    Reply::Failed(_) => self.census.failed += 1,
                }
                self.census.reused += u64::from(reused.is_some());
            }
            EventKind::ScriptSaid {
                saying: Saying::Phase,
                text: Kept::Here(text),
            } => self.phase = Some(text.as_str().into()),
            EventKind::ScriptEnded { end, census } => {
                self.census = *census;
                self.end = Some(Arc::new(end.clone()));
                self.calls.clear();
            }
            _ => {}
        }
    }

    /// Whether it ended with an error, or some of its agents gave nothing.
    pub fn has_failed(&self) -> bool {
        matches!(self.end.as_deref(), Some(ScriptEnd::Error(_))) || self.census.failed > 0
    }

    /// The calls of these kinds that are not answered, in the order in which they were made.
    pub fn open(&self, asks: &[Asks]) -> impl Iterator<Item = &OpenCall> {
        self.calls
            .values()
            .filter(move |call| asks.contains(&call.asked.asks))
    }

    /// How many calls are open that a unit answers.
    pub fn busy(&self) -> usize {
        let by_units = [Asks::Agent, Asks::Packet, Asks::Shell];
        self.calls
            .values()
            .filter(|call| by_units.contains(&call.asked.asks))
            .count()
    }
}
