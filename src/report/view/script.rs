//! How a script is shown: its phase, the calls that are going on, what came of the others. Called by `view` only.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::script::{Asks, Census, ScriptEnd};
use crate::model::state::{OpenCall, RunState};

/// A script as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ScriptView {
    /// The script's own name.
    pub name: String,
    /// The file that it was read from.
    pub file: String,
    /// The phase that it is in.
    pub phase: Option<String>,
    /// Whether it came to its end.
    pub ended: bool,
    /// Why it failed, where it did.
    pub error: Option<String>,
    /// What came of the calls that are answered.
    pub census: Census,
    /// The calls that are not answered yet, in their order.
    pub calls: Vec<CallView>,
}

/// A call that is not answered yet.
#[derive(Clone, Debug, Serialize)]
pub struct CallView {
    /// The how-manieth call it is.
    pub call: u64,
    /// The function that made it.
    pub function: &'static str,
    /// What it is called.
    pub label: String,
    /// The phase that it belongs to.
    pub phase: Option<String>,
    /// The agent that answers it.
    pub agent: Option<String>,
    /// `running`, `queued`, `asked again`, `stopping`, or what it waits for: `a person`, `packets`.
    pub status: &'static str,
    /// Seconds since it was begun.
    pub seconds: u64,
    /// Tokens that it used so far.
    pub tokens: u64,
    #[serde(skip)]
    since: Timestamp,
}

impl ScriptView {
    pub(super) fn of(state: &RunState) -> Option<Self> {
        let script = state.script.as_ref()?;
        let error = match script.end.as_deref() {
            Some(ScriptEnd::Error(why)) => Some(why.clone()),
            _ => None,
        };
        Some(Self {
            name: script.run.name.clone(),
            file: script.run.file.clone(),
            phase: script.phase.as_deref().map(str::to_owned),
            ended: script.end.is_some(),
            error,
            census: script.census,
            calls: script
                .calls
                .values()
                .map(|call| call_view(state, call))
                .collect(),
        })
    }

    pub(super) fn refresh(&mut self, now: Timestamp) {
        for call in &mut self.calls {
            let seconds = now.as_second() - call.since.as_second();
            call.seconds = u64::try_from(seconds).unwrap_or(0);
        }
    }
}

fn call_view(state: &RunState, call: &OpenCall) -> CallView {
    let asked = &call.asked;
    let unit = state
        .units
        .values()
        .find(|live| live.unit.call() == Some(asked.ordinal));
    let since = unit.map_or(call.since, |live| live.since);
    let status = match (asked.asks, unit) {
        (_, Some(live)) if live.stopping => "stopping",
        (_, Some(_)) if call.turn > 1 => "asked again",
        (_, Some(_)) => "running",
        (Asks::Gate, None) => "a person",
        (Asks::Integrate | Asks::Packet, None) => "packets",
        (_, None) if asked.packet.is_some() => "packets",
        (_, None) => "queued",
    };
    CallView {
        call: asked.ordinal,
        function: asked.asks.function(),
        label: asked.label.clone(),
        phase: asked.phase.clone(),
        agent: asked.agent.clone(),
        status,
        seconds: 0,
        tokens: call.spent.tokens,
        since,
    }
}
