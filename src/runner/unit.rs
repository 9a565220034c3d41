//! A unit's life: what is launched, what it says on the way, how it ended.
//!
//! Attending looks at what is there first: an end is settled, a live unit is adopted, a dead one is lost, and
//! only where there is nothing it is launched. So the first run and every resume take the same road.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, interval};

use super::call;
use super::confine;
use super::message::{Input, Message, Tools, UnitEnd};
use super::scene::Scene;
use super::told::told;
use crate::agent::env::unit_environment;
use crate::agent::prompt::{self, PromptParts};
use crate::agent::schema::{self, Schema};
use crate::agent::{self, Agent, Call, Reader, Verdict};
use crate::config::AgentConfig;
use crate::fault;
use crate::model::id::UnitId;
use crate::model::packet::Workspace;
use crate::model::plan::{COMMAND_AGENT, Packet};
use crate::model::state::RunState;
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage, WorkspaceName};
use crate::process::sandbox::Kind;
use crate::process::{self, Ended, Follow, Look, Stop, Task, UnitDir};

/// How often a unit's output is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How much of a failing check's output goes into the next turn's prompt, in bytes.
const FEEDBACK: u64 = 16 * 1024;

/// How many characters of an answer are kept.
const ANSWER: usize = 64 * 1024;

/// Sees a unit through to its end.
pub(super) async fn attend(
    tools: &Tools,
    state: &RunState,
    id: UnitId,
    stop: watch::Receiver<Stop>,
    messages: &mpsc::UnboundedSender<Message>,
) -> Option<Input> {
    let live = state.units.get(&id)?;
    let end = match see_through(tools, state, &live.unit, stop, messages).await {
        Ok(end) => end,
        Err(error) => UnitEnd::of(id, UnitOutcome::NotStarted(format!("{error:#}"))),
    };
    Some(Input::UnitEnded(end))
}

async fn see_through(
    tools: &Tools,
    state: &RunState,
    unit: &Unit,
    stop: watch::Receiver<Stop>,
    messages: &mpsc::UnboundedSender<Message>,
) -> Result<UnitEnd> {
    let folder = UnitDir::new(tools.store.units(&state.slug).join(unit.id.to_string()));
    let call = call::of_unit(state, unit)?;
    let agent = match (&unit.kind, call) {
        (UnitKind::Work { .. }, _) => Some(agent_of(tools, state, unit)?),
        (_, Some(call)) if !call::is_command(call) => Some(agent_of(tools, state, unit)?),
        _ => None,
    };
    let name = agent_name(state, unit);
    let workspace = workspace_of(state, unit)?;
    let scene = scene(tools, state, unit, &workspace, name.as_deref());
    if matches!(process::look(&folder)?, Look::Nothing) {
        if *stop.borrow() != Stop::No {
            return Ok(UnitEnd::of(unit.id, UnitOutcome::Cancelled));
        }
        if let Some(what) = confine::soiled(&scene)? {
            return Ok(UnitEnd::of(unit.id, UnitOutcome::Spoilt(what)));
        }
        folder.create()?;
        let task = task(tools, state, unit, agent.as_ref(), &folder)?;
        fault::point("unit:before");
        process::launch(&folder, &task)
            .with_context(|| format!("launching unit {} in {}", unit.id, task.cwd))?;
        fault::point("unit:launched");
    }
    let mut watched = Watched::new(unit.id, &folder, agent.as_ref(), &workspace);
    let result = folder.result();
    let waiting = process::attend(folder.clone(), stop);
    tokio::pin!(waiting);
    let mut clock = interval(LOOK);
    let ended = loop {
        tokio::select! {
            ended = &mut waiting => break ended?,
            _ = clock.tick() => watched.look(messages)?,
        }
    };
    fault::point("unit:ended");
    let soiled = confine::release(&scene, &folder)?;
    let packet = packet_of(state, unit).filter(|_| unit.is_work());
    let used = match (
        call,
        packet.and_then(|packet| state.packets.get(&packet.id)),
    ) {
        (Some(call), _) => call.session_used.clone(),
        (None, Some(packet)) => packet.session_used.clone(),
        (None, None) => Usage::default(),
    };
    let wanted = match (call, packet) {
        (Some(call), _) => Wanted::Reply(call::Judged {
            tools,
            state,
            call,
            folder: &folder,
        }),
        // What a script's packet is answered is part of what the script gets.
        (None, Some(packet))
            if !packet.expects_commit() || state.of_script(&packet.id).is_some() =>
        {
            Wanted::Answer(packet)
        }
        _ => Wanted::Nothing,
    };
    let end = watched.finish(messages, ended, &used, wanted, &result)?;
    Ok(UnitEnd { soiled, ..end })
}

/// The name of the agent that a unit starts, if it starts one.
fn agent_name(state: &RunState, unit: &Unit) -> Option<String> {
    let of_call = unit
        .call()
        .and_then(|ordinal| state.open_call(ordinal)?.asked.agent.clone());
    let of_packet = || packet_of(state, unit).map(|packet| packet.agent_name().to_owned());
    of_call.or_else(|| of_packet().filter(|_| unit.is_work()))
}

/// What is wanted of a unit beside its end.
enum Wanted<'a> {
    Nothing,
    /// The answer of the packet's agent.
    Answer(&'a Packet),
    /// The answer to a call of a script.
    Reply(call::Judged<'a>),
}

/// Reads what a unit prints while it runs.
struct Watched {
    unit: UnitId,
    follow: Follow,
    reader: Option<Box<dyn Reader>>,
    /// A command's exit code says all; a client's words say more than its exit code.
    is_command: bool,
    workspace: String,
    stderr: PathBuf,
}

impl Watched {
    fn new(unit: UnitId, folder: &UnitDir, agent: Option<&Worker>, workspace: &Workspace) -> Self {
        Self {
            unit,
            follow: Follow::new(folder.stdout()),
            stderr: folder.stderr(),
            reader: agent.map(|(agent, _)| agent.reader()),
            is_command: agent.is_some_and(|(agent, _)| agent.name() == COMMAND_AGENT),
            workspace: workspace.path.clone(),
        }
    }

    fn look(&mut self, messages: &mpsc::UnboundedSender<Message>) -> Result<()> {
        let mut said = None;
        while let Some(line) = self.follow.line()? {
            said = self.take(&line, messages).or(said);
        }
        if let Some(text) = said {
            let _ = messages.send(Message::Progress {
                unit: self.unit,
                text,
            });
        }
        Ok(())
    }

    /// Gives a line to the agent's reader and returns what is worth showing of it.
    fn take(&mut self, line: &str, messages: &mpsc::UnboundedSender<Message>) -> Option<String> {
        let Some(reader) = &mut self.reader else {
            return agent::AgentEvent::Text(line.to_owned()).progress(&self.workspace);
        };
        let mut said = None;
        let events = reader.line(line);
        let is_through =
            |event: &agent::AgentEvent| matches!(event, agent::AgentEvent::Terminal { .. });
        // What it used in the end is settled with its end.
        let goes_on = !events.iter().any(is_through);
        for event in events {
            if let (agent::AgentEvent::Usage(usage), true) = (&event, goes_on) {
                let _ = messages.send(Message::Used {
                    unit: self.unit,
                    usage: usage.clone(),
                });
            }
            if let agent::AgentEvent::Session(session) = &event {
                let _ = messages.send(Message::Note(Input::UnitNoted {
                    unit: self.unit,
                    session: session.clone(),
                }));
            }
            said = event.progress(&self.workspace).or(said);
        }
        said
    }

    /// Reads the rest, and lets the agent's reader judge it. `used` is what earlier turns of the same
    /// conversation used; the answer, where one is wanted, may lie in `file`.
    fn finish(
        mut self,
        messages: &mpsc::UnboundedSender<Message>,
        ended: Ended,
        used: &Usage,
        wanted: Wanted<'_>,
        file: &Path,
    ) -> Result<UnitEnd> {
        self.look(messages)?;
        while let Some(line) = self.follow.last_line()? {
            self.take(&line, messages);
        }
        let mut end = UnitEnd {
            millis: ended.millis,
            output: ended.output_digest,
            ..UnitEnd::of(self.unit, ended.outcome)
        };
        let Some(reader) = self.reader else {
            if let Wanted::Reply(judged) = wanted {
                judged.command(&mut end)?;
            }
            return Ok(end);
        };
        let verdict = reader
            .finish(&end.outcome)
            .explained(&process::tail(&self.stderr, FEEDBACK)?);
        end.usage = Some(verdict.used_since(used));
        match wanted {
            Wanted::Answer(packet) if verdict.ok => match answer(packet, &verdict, file)? {
                Ok(text) => end.answer = Some(text),
                Err(problems) => end.problems = problems,
            },
            Wanted::Reply(judged) => judged.agent(&mut end, &verdict, self.is_command)?,
            _ => {}
        }
        if verdict.ok {
            // It said that it is through, and only its process did not end in time.
            end.outcome = UnitOutcome::Exited(0);
        } else if !self.is_command {
            end.complaint = verdict.why;
        }
        end.rate_limited = verdict.rate_limited;
        Ok(end)
    }
}

/// Returns the answer of a packet whose answer is the result, or why it does not follow the packet's schema.
fn answer(
    packet: &Packet,
    verdict: &Verdict,
    file: &Path,
) -> Result<std::result::Result<String, Vec<String>>> {
    let Some(schema) = &packet.schema else {
        return Ok(Ok(verdict.text.chars().take(ANSWER).collect()));
    };
    let wanted =
        Schema::new(schema).with_context(|| format!("the schema of packet {}", packet.id))?;
    Ok(wanted
        .answer(verdict, file)
        .map(|value| format!("{value:#}")))
}

fn packet_of<'a>(state: &'a RunState, unit: &Unit) -> Option<&'a Packet> {
    state.planned(unit.packet()?)
}

fn workspace_of(state: &RunState, unit: &Unit) -> Result<Workspace> {
    match &unit.workspace {
        WorkspaceName::Packet(id) => state.packets.get(id).and_then(|p| p.workspace.clone()),
        WorkspaceName::Integration => state.integration.as_ref().and_then(|i| i.workspace.clone()),
        WorkspaceName::Checkout => state.script.as_ref().and_then(|script| {
            // Nobody made it, so there is nothing to know it again by: it is never removed.
            Some(Workspace {
                path: script.run.checkout.clone()?,
                admin: String::new(),
                device: 0,
                inode: 0,
            })
        }),
    }
    .ok_or_else(|| anyhow!("{} has no workspace", unit.workspace))
}

type Worker = (std::sync::Arc<dyn Agent>, AgentConfig);

fn agent_of(tools: &Tools, state: &RunState, unit: &Unit) -> Result<Worker> {
    if let Some(call) = call::of_unit(state, unit)? {
        let config = call::table(tools, &call.asked);
        let name = call.asked.agent.as_deref().unwrap_or(COMMAND_AGENT);
        return Ok((agent::for_name(name, &config)?, config));
    }
    let packet = packet_of(state, unit).ok_or_else(|| anyhow!("unit {} has no packet", unit.id))?;
    let config = call::table_of_packet(tools, state, packet);
    Ok((agent::for_name(packet.agent_name(), &config)?, config))
}

/// Builds what is launched.
fn task(
    tools: &Tools,
    state: &RunState,
    unit: &Unit,
    agent: Option<&Worker>,
    folder: &UnitDir,
) -> Result<Task> {
    let workspace = workspace_of(state, unit)?;
    let told = told(state, unit, &workspace, folder)?;
    let (argv, client, config) = match (&unit.kind, agent) {
        (UnitKind::Work { turn }, Some((agent, config))) => {
            let launch = work(tools, state, unit, *turn, agent.as_ref(), config, folder)?;
            (launch.argv, launch.env, config.clone())
        }
        (UnitKind::Setup { run, .. } | UnitKind::Check { run, .. }, _) => {
            (shell(run), BTreeMap::new(), AgentConfig::default())
        }
        (UnitKind::Call { .. }, Some((agent, config))) => {
            let sandboxed = confine::kind(confine::mode(tools, config))? != Kind::None;
            let worker = (agent.as_ref(), config);
            let launch = call::launch(tools, state, unit, worker, &workspace, folder, sandboxed)?;
            (launch.argv, launch.env, config.clone())
        }
        (UnitKind::Call { .. }, None) => {
            let call = call::of_unit(state, unit)?;
            let call = call.ok_or_else(|| anyhow!("unit {} answers no call", unit.id))?;
            let run = call::command(tools, state, call)?;
            (shell(&run), BTreeMap::new(), AgentConfig::default())
        }
        (UnitKind::Work { .. }, None) => return Err(anyhow!("unit {} has no agent", unit.id)),
    };
    let mut task = Task::new(argv, workspace.path.clone());
    let env = unit_environment(std::env::vars_os(), &config, &client, &told);
    task.env = Some(env);
    task.seconds = unit.seconds;
    task.silence = unit.silence;
    task.output_limit = u64::from(tools.config.limits.output_mb) << 20;
    let name = agent_name(state, unit);
    let scene = scene(tools, state, unit, &workspace, name.as_deref());
    confine::confine(&scene, folder, &mut task)?;
    Ok(task)
}

fn scene<'a>(
    tools: &'a Tools,
    state: &'a RunState,
    unit: &'a Unit,
    workspace: &'a Workspace,
    agent: Option<&'a str>,
) -> Scene<'a> {
    Scene {
        tools,
        state,
        name: &unit.workspace,
        workspace,
        agent,
    }
}

fn shell(run: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), run.to_owned()]
}

fn work(
    tools: &Tools,
    state: &RunState,
    unit: &Unit,
    turn: u32,
    agent: &dyn Agent,
    config: &AgentConfig,
    folder: &UnitDir,
) -> Result<agent::Launch> {
    let packet = packet_of(state, unit).ok_or_else(|| anyhow!("unit {} has no packet", unit.id))?;
    let packet_state = &state.packets[&packet.id];
    let session = packet_state.session.as_deref().filter(|_| turn > 1);
    let text = prompt_text(tools, state, packet, turn, session.is_some())?;
    let file = folder.prompt();
    let schema_file = folder.io().join("schema.json");
    let mut text = text;
    if let Some(schema) = &packet.schema {
        text.push_str(&schema::instructions(schema));
        std::fs::write(&schema_file, schema.to_string())
            .with_context(|| format!("writing {}", schema_file.display()))?;
    }
    std::fs::write(&file, &text).with_context(|| format!("writing {}", file.display()))?;
    let workspace = workspace_of(state, unit)?;
    agent.argv(&Call {
        config,
        program: None,
        prompt: &text,
        prompt_file: &file,
        result_file: &folder.result(),
        schema_file: packet.schema.is_some().then_some(&schema_file),
        workspace: Path::new(&workspace.path),
        session,
        run: packet.run.as_deref(),
        sandboxed: confine::kind(confine::mode(tools, config))? != Kind::None,
    })
}

/// What the worker is told: the whole packet, or in a conversation that holds it already only what is wrong.
fn prompt_text(
    tools: &Tools,
    state: &RunState,
    packet: &Packet,
    turn: u32,
    continues: bool,
) -> Result<String> {
    let frozen = state
        .frozen
        .as_ref()
        .ok_or_else(|| anyhow!("the plan is not frozen"))?;
    let built_on: Vec<&Packet> = packet
        .after
        .iter()
        .filter_map(|need| frozen.plan.packet(need))
        .collect();
    let told = &state.packets[&packet.id].feedback;
    let of_script = state.of_script(&packet.id);
    let head = of_script
        .and_then(|of_script| state.open_call(of_script.call?))
        .and_then(|call| call.asked.head.as_deref());
    if of_script.is_some_and(|of_script| of_script.plain) {
        // What a script says to an agent is all that the agent is told.
        let feedback = told.iter().map(String::as_str);
        let first = head.into_iter().chain([packet.objective.as_str()]);
        return Ok(match feedback.clone().next_back().filter(|_| continues) {
            Some(last) => last.to_owned(),
            None => first.chain(feedback).collect::<Vec<_>>().join("\n\n"),
        });
    }
    let failing = failing_checks(tools, state, packet)?;
    // A conversation has heard the earlier ones; of a failing check it hears the output itself.
    let mut feedback = match (continues, failing.is_empty()) {
        (true, true) => told.last().cloned().into_iter().collect(),
        (true, false) => Vec::new(),
        (false, _) => told.clone(),
    };
    feedback.extend(failing);
    let parts = PromptParts {
        plan: &frozen.plan,
        packet,
        built_on: &built_on,
        feedback: &feedback,
        turn,
    };
    Ok(if continues {
        prompt::continuation(&parts)
    } else {
        let text = prompt::packet_prompt(&parts);
        head.map_or_else(|| text.clone(), |head| format!("{head}\n\n{text}"))
    })
}

fn failing_checks(tools: &Tools, state: &RunState, packet: &Packet) -> Result<Vec<String>> {
    let own = state
        .packet_checks(&packet.id)
        .into_iter()
        .filter_map(|(check, evidence)| {
            let bad = state.verdict(&check, evidence).is_bad();
            Some((check, evidence.filter(|_| bad)?))
        });
    // What it is blamed for happened to the integrated tree, where its own checks did not look.
    let blamed = state.blamed_for(&packet.id);
    own.chain(blamed)
        .map(|(check, evidence)| {
            let folder = UnitDir::new(
                tools
                    .store
                    .units(&state.slug)
                    .join(evidence.unit.to_string()),
            );
            let mut output = process::tail(&folder.stdout(), FEEDBACK)?;
            output.push_str(&process::tail(&folder.stderr(), FEEDBACK)?);
            Ok(prompt::failed_check(&check, &evidence.outcome, &output))
        })
        .collect()
}
