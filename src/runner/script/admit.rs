//! Takes a call of the engine in: what it asks for in the words of a workflow, or why it cannot be asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::agent::role::{self, Role};
use crate::agent::{self};
use crate::model::event::EventKind;
use crate::model::id::{CommitId, GateId, PacketId, Slug};
use crate::model::plan::{COMMAND_AGENT, PARENT_AGENT, Packet};
use crate::model::scope::Scope;
use crate::model::script::{AskedCall, Asks, Kept, Reply};
use crate::model::state::{RunState, Stage};
use crate::runner::message::Tools;
use crate::script::{AgentCall, Answer, Body, Call, CallKind, PacketCall, PacketRef, Refuse};

/// The longest readable part of a packet's id.
const READABLE: usize = 40;

/// What base names the integrated result.
const INTEGRATION: &str = "integration";

/// What calls are measured by.
pub(super) struct Desk {
    pub(super) tools: Tools,
    pub(super) slug: Slug,
    pub(super) roles: BTreeMap<String, Role>,
    /// The agent that does what names no other.
    pub(super) agent: String,
    /// Where scripts are looked for that a script names.
    pub(super) tops: Vec<PathBuf>,
}

/// Facts, or why the call makes no sense.
type Admitted = Result<Vec<EventKind>, String>;

impl Desk {
    /// Takes a call in: facts that begin it, or an answer that says why it cannot be begun.
    pub(super) fn admit(
        &self,
        state: &RunState,
        call: &Call,
        after: u64,
    ) -> Result<Vec<EventKind>> {
        let mut asked = self.asked(call)?;
        asked.after = after;
        let more = match &call.body {
            Body::Agent(body) if body.isolation.is_some() => {
                let packet = PacketCall {
                    prompt: body.prompt.clone(),
                    scope: body.scope.clone(),
                    checks: body.checks.clone(),
                    base: body.base.clone(),
                    schema: body.schema.clone(),
                    minutes: body.minutes,
                    ..PacketCall::default()
                };
                self.packet(state, call, &packet, &mut asked, true)
            }
            Body::Packet(body) => self.packet(state, call, body, &mut asked, false),
            Body::Integrate(body) => integration(state, body.packets.as_deref(), &mut asked),
            Body::Gate(body) => {
                let name = body.name.as_deref().or(call.label.as_deref());
                let name = name.unwrap_or(&body.question);
                asked.gate = free_gate(state, name, call.ordinal);
                asked.question.clone_from(&body.question);
                Ok(Vec::new())
            }
            Body::Checkpoint(body) => {
                asked.question.clone_from(&body.name);
                Ok(Vec::new())
            }
            Body::Agent(_) | Body::Shell(_) => Ok(Vec::new()),
        };
        Ok(match more {
            Ok(more) => {
                let mut facts = vec![EventKind::CallAsked {
                    call: Box::new(asked),
                }];
                facts.extend(more);
                facts
            }
            Err(why) => refused(call, asked, why),
        })
    }

    /// An answer that is taken over, as facts.
    pub(super) fn taken_over(
        &self,
        call: &Call,
        answer: &Answer,
        after: u64,
    ) -> Result<Vec<EventKind>> {
        let mut asked = self.asked(call)?;
        asked.after = after;
        let reply = match &answer.value {
            Ok(value) => Reply::Value(self.tools.store.blobs(&self.slug).keep(value.clone())?),
            Err(failed) => Reply::Failed(failed.message.clone()),
        };
        Ok(vec![
            EventKind::CallAsked {
                call: Box::new(asked),
            },
            EventKind::CallAnswered {
                ordinal: call.ordinal,
                key: call.key.clone(),
                reply,
                spent: answer.spent,
                unit: None,
                reused: Some(answer.ordinal),
            },
        ])
    }

    /// Returns what says why a call makes no sense, whatever is going on.
    pub(super) fn refuse(&self) -> Refuse {
        let (roles, default) = (self.roles.clone(), self.agent.clone());
        let config = self.tools.config.clone();
        Box::new(move |body| {
            let (role, agent, run) = match body {
                Body::Agent(body) => (&body.agent_type, &body.agent, None),
                Body::Packet(body) => (&body.agent_type, &body.agent, body.run.as_ref()),
                _ => return None,
            };
            if let Some(name) = role
                && !roles.contains_key(name)
            {
                return Some(role::unknown(name, &roles));
            }
            if run.is_some() {
                return None;
            }
            let of_role = role
                .as_ref()
                .and_then(|role| roles.get(role)?.agent.clone());
            let name = agent.clone().or(of_role).unwrap_or_else(|| default.clone());
            if name == PARENT_AGENT {
                return Some(
                    "the agent `parent` is a person, who answers no calls of a script".to_owned(),
                );
            }
            let error = agent::row_of(&name, &config.agent(&name)).err()?;
            Some(format!(
                "{error}; there are {}",
                config.agent_names().join(", ")
            ))
        })
    }

    fn agent_of(&self, agent: Option<&String>, role: Option<&String>) -> String {
        let of_role = role.and_then(|role| self.roles.get(role)?.agent.clone());
        agent
            .cloned()
            .or(of_role)
            .unwrap_or_else(|| self.agent.clone())
    }

    fn asked(&self, call: &Call) -> Result<AskedCall> {
        let mut asked = AskedCall {
            ordinal: call.ordinal,
            asks: asks(call.kind),
            label: call.title(),
            after: 0,
            phase: call.phase.clone(),
            key: call.key.clone(),
            body: Kept::Here(String::new()),
            agent: None,
            model: None,
            effort: None,
            head: None,
            packet: None,
            packets: Vec::new(),
            gate: None,
            question: String::new(),
            seconds: None,
        };
        let blobs = self.tools.store.blobs(&self.slug);
        asked.body = blobs.keep(call.text.clone())?;
        match &call.body {
            Body::Agent(body) => {
                let AgentCall {
                    agent_type,
                    agent,
                    model,
                    effort,
                    minutes,
                    ..
                } = body;
                self.worker(
                    &mut asked,
                    agent.as_ref(),
                    agent_type.as_ref(),
                    (model, effort),
                    *minutes,
                );
            }
            Body::Packet(body) if body.run.is_none() => {
                let of = (&body.model, &body.effort);
                let (agent, role) = (body.agent.as_ref(), body.agent_type.as_ref());
                self.worker(&mut asked, agent, role, of, body.minutes);
            }
            Body::Packet(body) => {
                asked.agent = Some(COMMAND_AGENT.to_owned());
                asked.seconds = seconds(body.minutes);
            }
            Body::Shell(body) => {
                asked.seconds = body.timeout.map(|millis| millis.div_ceil(1000).max(1));
            }
            _ => {}
        }
        Ok(asked)
    }

    fn worker(
        &self,
        asked: &mut AskedCall,
        agent: Option<&String>,
        role: Option<&String>,
        (model, effort): (&Option<String>, &Option<String>),
        minutes: Option<f64>,
    ) {
        let known = role.and_then(|role| self.roles.get(role));
        asked.agent = Some(self.agent_of(agent, role));
        asked.model = model.clone().or_else(|| known?.model.clone());
        asked.effort = effort.clone().or_else(|| known?.effort.clone());
        asked.head = known.and_then(|known| known.head.clone());
        asked.seconds = seconds(minutes);
    }

    fn packet(
        &self,
        state: &RunState,
        call: &Call,
        body: &PacketCall,
        asked: &mut AskedCall,
        plain: bool,
    ) -> Admitted {
        let id = match &body.id {
            Some(id) => chosen_id(state, id)?,
            None => free_id(state, call.label.as_deref(), call.ordinal),
        };
        let scope = if body.scope.is_empty() {
            vec!["**".to_owned()]
        } else {
            body.scope.clone()
        };
        Scope::new(&scope).map_err(|bad| format!("scope `{}`: {}", scope[bad.index], bad.why))?;
        let base = self.base(state, body.base.as_deref())?;
        let objective = match (&body.run, body.prompt.trim()) {
            (Some(run), "") => run.clone(),
            _ => body.prompt.clone(),
        };
        let planned = Packet {
            scope,
            checks: body.checks.clone(),
            agent: asked.agent.clone().filter(|_| body.run.is_none()),
            run: body.run.clone(),
            turns: body.turns,
            minutes: asked
                .seconds
                .map(|seconds| u32::try_from(seconds.div_ceil(60)).unwrap_or(u32::MAX)),
            schema: body.schema.clone(),
            ..Packet::new(id.clone(), objective)
        };
        asked.packet = Some(id);
        Ok(vec![EventKind::PacketAdded {
            packet: Box::new(planned),
            base,
            call: Some(call.ordinal),
            label: call.label.clone().unwrap_or_default(),
            plain,
        }])
    }

    /// The commit that a packet starts from: what the script names, else what is integrated by now.
    fn base(&self, state: &RunState, named: Option<&str>) -> Result<CommitId, String> {
        let integrated = || {
            let branch = state.integration.as_ref().map(|branch| &branch.commit);
            let frozen = state.frozen.as_ref().map(|frozen| &frozen.base);
            branch.or(frozen).cloned().ok_or("the plan is not frozen")
        };
        let Some(named) = named.filter(|named| *named != INTEGRATION) else {
            return Ok(integrated()?);
        };
        let packet = find(
            state,
            &PacketRef {
                id: Some(named.to_owned()),
                ..PacketRef::default()
            },
        );
        if let Some(tip) = packet.and_then(|id| state.packets.get(&id)?.branch.clone()) {
            return Ok(tip);
        }
        match self.tools.git.resolve(named) {
            Ok(Some(commit)) => Ok(commit),
            Ok(None) => Err(format!("base `{named}` names no commit and no packet")),
            Err(error) => Err(format!("base `{named}`: {error:#}")),
        }
    }
}

fn refused(call: &Call, asked: AskedCall, why: String) -> Vec<EventKind> {
    let answered = EventKind::CallAnswered {
        ordinal: call.ordinal,
        key: call.key.clone(),
        reply: Reply::Failed(why),
        spent: 0,
        unit: None,
        reused: None,
    };
    let asked = EventKind::CallAsked {
        call: Box::new(asked),
    };
    vec![asked, answered]
}

fn asks(kind: CallKind) -> Asks {
    match kind {
        CallKind::Agent => Asks::Agent,
        CallKind::Packet => Asks::Packet,
        CallKind::Integrate => Asks::Integrate,
        CallKind::Shell => Asks::Shell,
        CallKind::Gate => Asks::Gate,
        CallKind::Checkpoint => Asks::Checkpoint,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "minutes are a number above 0, and a cast of more than fits gives the most"
)]
fn seconds(minutes: Option<f64>) -> Option<u64> {
    minutes.map(|minutes| ((minutes * 60.0).ceil() as u64).max(1))
}

/// Takes the packets that are to be merged, and lets go of them.
fn integration(state: &RunState, refs: Option<&[PacketRef]>, asked: &mut AskedCall) -> Admitted {
    let all = || {
        state
            .in_plan_order()
            .filter(|(id, packet)| state.is_kept(id) || packet.stage == Stage::Accepted)
            .filter(|(id, _)| state.of_script(id).is_some() && !state.is_workspace_alone(id))
            .map(|(id, _)| id.clone())
            .collect()
    };
    let named = |refs: &[PacketRef]| {
        refs.iter()
            .map(|wanted| find(state, wanted).ok_or_else(|| no_packet(state, wanted)))
            .collect::<Result<Vec<_>, String>>()
    };
    let mut packets = refs.map_or_else(|| Ok(all()), named)?;
    if let Some(shared) = packets.iter().find(|id| state.is_workspace_alone(id)) {
        return Err(format!(
            "packet `{shared}` is the shared workspace: it is integrated when the script ends"
        ));
    }
    let mut seen = std::collections::BTreeSet::new();
    packets.retain(|id| seen.insert(id.clone()));
    let released = packets
        .iter()
        .filter(|id| state.of_script(id).is_some_and(|of_script| of_script.held))
        .map(|id| EventKind::PacketReleased { packet: id.clone() })
        .collect();
    asked.packets = packets;
    Ok(released)
}

fn find(state: &RunState, wanted: &PacketRef) -> Option<PacketId> {
    let is = |id: &PacketId| {
        let branch = state.slug.branch(id);
        let label = state.of_script(id).map_or("", |of_script| &of_script.label);
        wanted.id.as_deref().is_some_and(|name| {
            name == id.as_str() || name == branch.short() || (!label.is_empty() && name == label)
        }) || wanted
            .branch
            .as_deref()
            .is_some_and(|name| name == branch.short() || name == branch.as_str())
    };
    let by_name = state.packets.keys().find(|id| is(id)).cloned();
    by_name.or_else(|| {
        let wanted = wanted.commit.as_deref().or(wanted.id.as_deref())?;
        state
            .packets
            .iter()
            .find(|(_, packet)| {
                packet
                    .collected
                    .as_ref()
                    .is_some_and(|collected| collected.tip.as_str() == wanted)
            })
            .map(|(id, _)| id.clone())
    })
}

fn no_packet(state: &RunState, wanted: &PacketRef) -> String {
    let name = [&wanted.id, &wanted.branch, &wanted.commit]
        .into_iter()
        .flatten()
        .next()
        .map_or("", String::as_str);
    let known: Vec<&str> = state.in_plan_order().map(|(id, _)| id.as_str()).collect();
    if known.is_empty() {
        return format!("integrate(): no packet is called `{name}`: there are none");
    }
    format!(
        "integrate(): no packet is called `{name}`; there are {}",
        known.join(", ")
    )
}

/// Whether an id is one that shared workspaces take.
fn is_reserved(id: &str) -> bool {
    id == "shared"
        || id
            .strip_prefix("shared-")
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
}

fn chosen_id(state: &RunState, id: &str) -> Result<PacketId, String> {
    let parsed: PacketId = id.parse().map_err(|bad| format!("packet id: {bad}"))?;
    if is_reserved(id) {
        return Err(format!("packet id `{id}` is that of the shared workspace"));
    }
    if state.packets.contains_key(&parsed) {
        return Err(format!("packet id `{id}` is taken by an earlier packet"));
    }
    Ok(parsed)
}

/// An id that says what the packet is for, and that no other packet has.
fn free_id(state: &RunState, label: Option<&str>, ordinal: u64) -> PacketId {
    let readable = slug(label.unwrap_or_default());
    let readable = if readable.is_empty() {
        format!("packet-{ordinal}")
    } else {
        readable
    };
    let mut number = 1_u64;
    loop {
        let name = if number == 1 {
            readable.clone()
        } else {
            format!("{readable}-{number}")
        };
        if let Ok(id) = name.parse::<PacketId>()
            && !is_reserved(&name)
            && !state.packets.contains_key(&id)
        {
            return id;
        }
        number += 1;
    }
}

fn free_gate(state: &RunState, name: &str, ordinal: u64) -> Option<GateId> {
    let readable = slug(name);
    let readable = if readable.is_empty() {
        ordinal.to_string()
    } else {
        readable
    };
    let names = std::iter::once(format!("named:{readable}"))
        .chain((2_u64..).map(|number| format!("named:{readable}-{number}")));
    names
        .filter_map(|name| name.parse::<GateId>().ok())
        .find(|id| !state.gates.contains_key(id))
}

/// A text as a name: lower case, everything else a dash.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= READABLE {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}
