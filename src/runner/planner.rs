//! A planner: an agent writes the plan, and is asked again until the plan is valid.
//!
//! A plan comes before its workflow, so there is no journal yet: what the planner's units printed lies below the
//! workflow's folder in `plan/`. It works in a workspace of its own, a checkout of the base, so that it can read
//! everything and change nothing that anybody keeps; a killed planner leaves only that workspace, which the next
//! one takes over. Called by `cli::plan`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::sync::watch;

use crate::agent::env::unit_environment;
use crate::agent::schema::{self, Schema};
use crate::agent::{self, Agent, Call, Verdict};
use crate::config::{AgentConfig, Config};
use crate::error::{ExitCode, Failure};
use crate::git::Git;
use crate::journal::Store;
use crate::model::id::{CommitId, Slug};
use crate::model::packet::Workspace;
use crate::model::unit::{UnitOutcome, WorkspaceName};
use crate::process::{self, Asked, Follow, Stop, Task, UnitDir, signals};
use crate::workspace::{self, Head, MakeSpec, Sites};

/// How often a planner may answer.
const ROUNDS: u32 = 3;

/// What a planner is to do.
pub struct PlannerOrder<'a> {
    /// The workflow that is planned.
    pub slug: &'a Slug,
    /// What is to be done, in the person's words.
    pub task: &'a str,
    /// The agent's name.
    pub agent: &'a str,
    /// What the plan starts from.
    pub base: &'a CommitId,
    /// The JSON Schema of a plan.
    pub schema: &'a Value,
}

/// Lets an agent write a plan. `judge` says what is wrong with one, a line each; the agent is told, in the same
/// conversation, and answers again, three times in all. `say` is told what the agent is at.
///
/// # Errors
/// A [`Failure`] with the last problems where no valid plan comes, or with the agent's own words where it fails.
pub fn write_plan(
    git: &Git,
    config: &Config,
    sites: &Sites,
    order: &PlannerOrder<'_>,
    judge: &mut dyn FnMut(&Value) -> Vec<String>,
    say: &mut dyn FnMut(&str),
) -> Result<Value> {
    let place = make_place(git, sites, order)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting the planner")?;
    let plan = runtime.block_on(rounds(git, config, order, &place, judge, say));
    runtime.shutdown_background();
    workspace::remove(git, &place)?;
    workspace::empty_trash(git, Path::new(&place.path))?;
    plan
}

fn make_place(git: &Git, sites: &Sites, order: &PlannerOrder<'_>) -> Result<Workspace> {
    let name = WorkspaceName::Integration;
    workspace::make(
        git,
        &MakeSpec {
            admin_name: format!("{}.plan", order.slug),
            path: format!("{}.plan", sites.path(&name, 0)).into(),
            head: Head::Detached,
            commit: order.base.clone(),
            sparse: None,
        },
    )
    .context("making a workspace for the planner")
}

async fn rounds(
    git: &Git,
    config: &Config,
    order: &PlannerOrder<'_>,
    place: &Workspace,
    judge: &mut dyn FnMut(&Value) -> Vec<String>,
    say: &mut dyn FnMut(&str),
) -> Result<Value> {
    let table = config.agent(order.agent);
    let agent = agent::for_name(order.agent, &table)?;
    let wanted = Schema::new(order.schema)?;
    let folder = Store::new(git.common_dir()).folder(order.slug).join("plan");
    let first = first_free(&folder);
    let mut prompt = agent::prompt::planner_prompt(order.task, order.schema);
    let mut session = None;
    let mut problems = Vec::new();
    for round in 0..ROUNDS {
        let dir = UnitDir::new(folder.join((first + round).to_string()));
        say(&format!(
            "round {} of {ROUNDS}: {} is asked",
            round + 1,
            order.agent
        ));
        let ask = Ask {
            agent: agent.as_ref(),
            config: &table,
            limits: config,
            place,
            prompt: &prompt,
            session: session.as_deref(),
            schema: order.schema,
        };
        let verdict = turn(&ask, &dir, say).await?;
        if !verdict.ok {
            let why = verdict.why.unwrap_or_else(|| "failed".to_owned());
            return Err(failed(&format!("the planner {why}"), &dir));
        }
        session = verdict.session.clone().or(session);
        match wanted.answer(&verdict, &dir.result()) {
            Ok(plan) => {
                problems = judge(&plan);
                if problems.is_empty() {
                    return Ok(plan);
                }
            }
            Err(found) => problems = found,
        }
        for problem in &problems {
            say(&format!("not valid: {problem}"));
        }
        prompt = if session.is_some() {
            schema::ask_again(&problems)
        } else {
            format!("{prompt}\n\n{}", schema::ask_again(&problems))
        };
    }
    let list = problems.join("\n");
    Err(
        Failure::usage(format!("no valid plan after {ROUNDS} rounds:\n{list}"))
            .hint("dynwf plan --schema prints what a plan must look like")
            .into(),
    )
}

fn failed(why: &str, dir: &UnitDir) -> anyhow::Error {
    Failure::usage(why.to_owned())
        .hint(format!("what it printed lies in {}", dir.io().display()))
        .into()
}

/// The first number below which nothing lies yet.
fn first_free(folder: &Path) -> u32 {
    let mut number = 1;
    while folder.join(number.to_string()).exists() {
        number += 1;
    }
    number
}

struct Ask<'a> {
    agent: &'a dyn Agent,
    config: &'a AgentConfig,
    limits: &'a Config,
    place: &'a Workspace,
    prompt: &'a str,
    session: Option<&'a str>,
    schema: &'a Value,
}

async fn turn(ask: &Ask<'_>, dir: &UnitDir, say: &mut dyn FnMut(&str)) -> Result<Verdict> {
    process::launch(dir, &task(ask, dir)?).context("launching the planner")?;
    let (stop, stopped) = watch::channel(Stop::No);
    let mut signals = signals()?;
    let mut reader = ask.agent.reader();
    let mut follow = Follow::new(dir.stdout());
    let waiting = process::attend(dir.clone(), stopped);
    tokio::pin!(waiting);
    let mut clock = tokio::time::interval(std::time::Duration::from_millis(300));
    let mut signal = None;
    let ended = loop {
        tokio::select! {
            ended = &mut waiting => break ended?,
            asked = signals.next() => {
                let (how, number) = match asked {
                    Asked::Stop { signal } => (Stop::Term, signal),
                    Asked::Kill { signal } | Asked::Leave { signal } => (Stop::Kill, signal),
                };
                signal = Some(number);
                let _ = stop.send(how);
            }
            _ = clock.tick() => {
                while let Some(line) = follow.line()? {
                    for event in reader.line(&line) {
                        if let Some(text) = event.progress(&ask.place.path) {
                            say(&text);
                        }
                    }
                }
            }
        }
    };
    if let Some(number) = signal {
        bail!(Failure::signal(number));
    }
    while let Some(line) = follow.last_line()? {
        reader.line(&line);
    }
    if let UnitOutcome::NotStarted(why) = &ended.outcome {
        return Err(Failure::new(
            ExitCode::Usage,
            format!("the planner was not started: {why}"),
        )
        .into());
    }
    Ok(reader
        .finish(&ended.outcome)
        .explained(&process::tail(&dir.stderr(), 4096)?))
}

fn task(ask: &Ask<'_>, dir: &UnitDir) -> Result<Task> {
    dir.create()?;
    let schema_file = dir.io().join("schema.json");
    let prompt = format!("{}{}", ask.prompt, schema::instructions(ask.schema));
    for (file, text) in [
        (&dir.prompt(), &prompt),
        (&schema_file, &ask.schema.to_string()),
    ] {
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    let launch = ask.agent.argv(&Call {
        config: ask.config,
        program: None,
        prompt: &prompt,
        prompt_file: &dir.prompt(),
        result_file: &dir.result(),
        schema_file: Some(&schema_file),
        workspace: Path::new(&ask.place.path),
        session: ask.session,
        run: None,
        sandboxed: false,
    })?;
    let told: BTreeMap<String, String> = [
        ("DYNWF_PROMPT_FILE", dir.prompt()),
        ("DYNWF_RESULT_FILE", dir.result()),
        ("DYNWF_WORKTREE_PATH", (&ask.place.path).into()),
    ]
    .into_iter()
    .map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned()))
    .collect();
    let mut task = Task::new(launch.argv, ask.place.path.clone());
    let caller = std::env::vars_os();
    task.env = Some(unit_environment(caller, ask.config, &launch.env, &told));
    task.seconds = u64::from(ask.limits.limits.minutes) * 60;
    task.silence = u64::from(ask.limits.limits.silence) * 60;
    task.output_limit = u64::from(ask.limits.limits.output_mb) << 20;
    Ok(task)
}
