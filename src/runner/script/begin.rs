//! Sets a script going: anew, or from where the journal ends.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::admit::Desk;
use super::host::Host;
use super::recorded::{Diverged, Recording};
use crate::agent::role;
use crate::error::Failure;
use crate::model::event::EventKind;
use crate::model::script::ScriptRun;
use crate::model::state::RunState;
use crate::runner::goal::Options;
use crate::runner::message::Tools;
use crate::script::Limits;
use crate::script::replay::{Policy, Reuse};

/// Sets the workflow's script going, if it has one that is not over. `new` is the script as it is to be run now.
/// Nothing is recorded and nothing is started before it has done again what the journal says that it did.
///
/// # Errors
/// A usage failure where the script does not do what it did before.
pub(in crate::runner) async fn begin(
    tools: &Tools,
    state: &RunState,
    options: &Options,
    new: Option<ScriptRun>,
) -> Result<Option<Host>> {
    let Some(script) = state.script.as_ref().filter(|_| options.goal.works()) else {
        return Ok(None);
    };
    let changed = new.filter(|new| differs(new, &script.run));
    if script.end.is_some() && changed.is_none() {
        return Ok(None);
    }
    let events = tools.store.events(&state.slug)?;
    let blobs = tools.store.blobs(&state.slug);
    let recording = Recording::read(&events, blobs.clone());
    let run = changed.as_ref().unwrap_or(&script.run);
    let desk = desk(tools, state, run)?;
    let mut host = Host::start(desk, state, options, run, Limits::default())?;
    if let Some(policy) = script.run.reuse.as_deref() {
        let before = Recording::before(&events, blobs).record()?;
        host.take_over(Reuse::new(
            before,
            policy_of(policy),
            script.run.retry_failed,
        ));
    }
    let before = recording.clone();
    if let Err(Diverged(why)) = host.replay(state, recording).await? {
        host.abort();
        return Err(diverged(state, &script.run, run, &why));
    }
    host.go_live();
    if let Some(run) = changed {
        host.begin_again(again(state, run, before));
    }
    Ok(Some(host))
}

/// Sets the script going anew with what it was answered before, as far as that holds. Returns what is taken over and
/// what has to be run, in words. Nothing is recorded yet.
///
/// # Errors
/// If there is no script, or it cannot be started.
pub(in crate::runner) async fn begin_over(
    tools: &Tools,
    state: &RunState,
    options: &Options,
    new: Option<ScriptRun>,
    how: crate::runner::order::Reuse,
) -> Result<(Host, String)> {
    let script = state
        .script
        .as_ref()
        .ok_or_else(|| Failure::usage(format!("workflow {} is no script", state.slug)))?;
    let mut run = new.unwrap_or_else(|| (*script.run).clone());
    let events = tools.store.events(&state.slug)?;
    let record = Recording::read(&events, tools.store.blobs(&state.slug)).record()?;
    let desk = desk(tools, state, &run)?;
    let mut host = Host::start(desk, state, options, &run, Limits::default())?;
    host.take_over(Reuse::new(record, how.policy, how.retry_failed));
    let preview = host.rehearse().await?.to_string();
    run.reuse = Some(word_of(how.policy).to_owned());
    run.retry_failed = how.retry_failed;
    run.preview = Some(preview.clone());
    host.begin_again(vec![EventKind::ScriptBegan { run: Box::new(run) }]);
    host.go_live();
    Ok((host, preview))
}

fn word_of(policy: Policy) -> &'static str {
    match policy {
        Policy::Content => "content",
        Policy::Causal => "causal",
        Policy::None => "none",
    }
}

fn policy_of(word: &str) -> Policy {
    match word {
        "causal" => Policy::Causal,
        "none" => Policy::None,
        _ => Policy::Content,
    }
}

/// Whether a script is another one than that which ran before.
fn differs(new: &ScriptRun, old: &ScriptRun) -> bool {
    new.source != old.source
        || new.args != old.args
        || new.agent != old.agent
        || new.tokens != old.tokens
}

fn desk(tools: &Tools, state: &RunState, run: &ScriptRun) -> Result<Desk> {
    let top = tools.git.work_tree().or(tools.git.main_work_tree());
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let tops: Vec<&Path> = top.into_iter().chain(home.as_deref()).collect();
    let beside = run.folder.as_ref().map(PathBuf::from);
    Ok(Desk {
        tools: tools.clone(),
        slug: state.slug.clone(),
        roles: role::roles(&tools.config, &tops)?,
        agent: run.agent.clone(),
        tops: beside
            .into_iter()
            .chain(tops.iter().map(|top| top.to_path_buf()))
            .collect(),
    })
}

/// What is recorded where another text of a script goes on from what the one before it was answered.
fn again(state: &RunState, mut run: ScriptRun, before: Recording) -> Vec<EventKind> {
    run.said = u64::try_from(before.sayings).unwrap_or(u64::MAX);
    let mut facts = vec![EventKind::ScriptBegan { run: Box::new(run) }];
    for answer in before.answers {
        facts.push(EventKind::CallAnswered {
            ordinal: answer.ordinal,
            key: answer.key,
            reply: answer.reply,
            spent: answer.spent,
            unit: None,
            reused: Some(answer.ordinal),
        });
    }
    let open = state.script.iter().flat_map(|script| script.calls.values());
    facts.extend(open.map(|call| EventKind::CallAsked {
        call: Box::new((*call.asked).clone()),
    }));
    facts
}

fn diverged(state: &RunState, old: &ScriptRun, new: &ScriptRun, why: &str) -> anyhow::Error {
    let slug = &state.slug;
    let cause = if new.source != old.source {
        "the script was edited"
    } else if new.args != old.args {
        "its arguments are others"
    } else if old.engine != crate::script::engine_version() {
        "another engine runs it"
    } else {
        "it depends on something that changed"
    };
    Failure::usage(format!(
        "{slug} cannot go on exactly as it was: {cause}.\n{why}\nnothing was started, and nothing was changed"
    ))
    .hint(
        "--reuse content takes over every answer whose question is still asked, --reuse causal only where everything \
         before it is, too; --dry-run with it says what that comes to;\n--fresh starts anew, and keeps this run under \
         another name",
    )
    .into()
}
