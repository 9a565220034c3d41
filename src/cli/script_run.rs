//! `dynwf script run`: a script as a workflow, from its first call or from where it was.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::context::Context;
use super::{drive, output, script_end, script_list, start};
use crate::agent::client;
use crate::error::{ExitCode, Failure, usage};
use crate::model::id::Slug;
use crate::model::plan::{Budget, Plan};
use crate::model::script::ScriptRun;
use crate::model::state::RunState;
use crate::runner::{Goal, Order, Reuse, Session, find_script, script_names};
use crate::script::check::{self, Meta};
use crate::script::replay::Policy;
use crate::script::{args, engine_version, recipes};

/// Run a script; go on with it, to the call, if it was stopped; answer its value if it is finished
///
/// The script's value is the answer on stdout. Agents work in a workspace of the run's own, never in your checkout;
/// what they changed is merged and waits at a gate, as with any workflow.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf script run review.js --agent codex --args '{\"paths\":[\"src\"]}'
  dynwf script run review.js                 the same again: goes on, or answers what it was
  dynwf script run --name review             goes on, wherever the script lies by now
  dynwf script run review.js --fresh         from the start; the run before is kept aside
  dynwf script run review.js --json | jq .census")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct RunArgs {
    /// The script: a file, or the name of one in .workflow/recipes or .claude/workflows
    #[arg(value_name = "FILE|NAME", required_unless_present = "name")]
    script: Option<String>,

    /// What the script sees as `args`: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    args: Option<String>,

    /// The agent that does what names no other
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,

    /// What the run is called; default: the script's own name
    #[arg(long, value_name = "RUN")]
    name: Option<Slug>,

    /// Start anew; the run before is kept under another name
    #[arg(long)]
    fresh: bool,

    /// Let agents work in your checkout itself, not in a workspace of the run's own
    #[arg(long)]
    in_place: bool,

    /// Take over answers of the run as it was, although the script or its arguments changed: every one whose question
    /// is still asked (content), only where everything before it is, too (causal), or none
    #[arg(long, value_name = "POLICY", value_enum, conflicts_with = "fresh")]
    reuse: Option<ReuseBy>,

    /// Make the calls again that gave nothing; takes over the rest
    #[arg(long, conflicts_with = "fresh")]
    retry_failed: bool,

    /// Only say what would be taken over, and what would have to be run
    #[arg(long, conflicts_with = "fresh")]
    dry_run: bool,

    /// How many tokens the script may use
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    budget: Option<u64>,

    /// The value, what came of the calls, and the run, as one JSON document
    #[arg(long)]
    json: bool,
}

/// Which answers are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ReuseBy {
    /// Every one whose question is still asked
    Content,
    /// Only where everything that came before it is taken over, too
    Causal,
    /// None
    None,
}

/// A script that was read and checked.
struct Read {
    file: String,
    folder: PathBuf,
    text: String,
    meta: Meta,
}

pub(super) fn run(context: &Context, given: &RunArgs) -> Result<ExitCode> {
    let read = given
        .script
        .as_deref()
        .map(|name| read(context, name))
        .transpose()?;
    let slug = match (&given.name, &read) {
        (Some(name), _) => name.clone(),
        (None, Some(read)) => slug_of(&read.meta.name)?,
        (None, None) => return Err(usage("no script is named", "dynwf script run FILE")),
    };
    let state = known(context, &slug)?;
    let state = match state {
        Some(state) if given.fresh => {
            let aside = super::script_fresh::set_aside(context, &state)?;
            output::say(&format!("the run before is kept as {aside}"));
            None
        }
        other => other,
    };
    match (state, read) {
        (None, None) => Err(usage(
            format!("no script runs as {slug}"),
            "dynwf script run FILE starts one; dynwf status lists what there is",
        )),
        (None, Some(read)) => begin(context, given, &slug, &read),
        (Some(state), read) => go_on(context, given, &state, read.as_ref()),
    }
}

/// The run of this name, if there is one.
fn known(context: &Context, slug: &Slug) -> Result<Option<RunState>> {
    let Some(state) = context
        .store
        .read(slug)?
        .filter(|state| state.frozen.is_some())
    else {
        return Ok(None);
    };
    if state.script.is_none() {
        return Err(usage(
            format!("workflow {slug} is no script"),
            "--name gives the run another name",
        ));
    }
    Ok(Some(state))
}

fn begin(context: &Context, given: &RunArgs, slug: &Slug, read: &Read) -> Result<ExitCode> {
    let run = described(context, given, slug, read, None)?;
    let plan = Plan {
        goal: read.meta.description.clone(),
        budget: Budget {
            tokens: given.budget,
            ..Budget::default()
        },
        ..Plan::default()
    };
    let checked = start::unplanned(context, plan)?;
    start::names_are_free(context, slug)?;
    context.git.ident()?;
    let mut session = context.session(slug)?;
    // Another dynwf may have begun it while this one waited for the lock.
    if session.state().frozen.is_none() {
        let mut ignore = |_: crate::runner::Update<'_>| {};
        session.freeze(checked.plan, checked.base, checked.target, &mut ignore)?;
        session.begin_script(run.clone(), &mut ignore)?;
    }
    if given.dry_run {
        return Ok(ExitCode::Done);
    }
    perform(context, &mut session, Some(run), None, given.json)
}

fn go_on(
    context: &Context,
    given: &RunArgs,
    state: &RunState,
    read: Option<&Read>,
) -> Result<ExitCode> {
    let slug = &state.slug;
    if state.archived {
        return Err(usage(
            format!("the run {slug} is archived"),
            "--fresh starts anew; --name gives another name",
        ));
    }
    let mut session = context.session(slug)?;
    let Some(before) = session
        .state()
        .script
        .as_ref()
        .map(|script| script.run.clone())
    else {
        return Err(usage(format!("workflow {slug} is no script"), ""));
    };
    if given.in_place && before.checkout.is_none() {
        return Err(usage(
            format!("the run {slug} works in a workspace of its own"),
            "--fresh starts anew, --name beside it",
        ));
    }
    let new = match read {
        Some(read) => Some(described(context, given, slug, read, Some(&before))?),
        None if given.args.is_some() => {
            return Err(usage(
                "--args needs the script",
                format!("dynwf script run FILE --name {slug} --args …"),
            ));
        }
        None => None,
    };
    if before.engine != engine_version() && session.state().is_scripted() {
        output::say(&format!(
            "note: {slug} was begun by the engine {}, this is {}",
            before.engine,
            engine_version()
        ));
    }
    let wanted = given.reuse.is_some() || given.retry_failed || given.dry_run;
    let how = wanted.then_some(Reuse {
        policy: match given.reuse {
            Some(ReuseBy::Causal) => Policy::Causal,
            Some(ReuseBy::None) => Policy::None,
            Some(ReuseBy::Content) | None => Policy::Content,
        },
        retry_failed: given.retry_failed,
    });
    if let Some(how) = how {
        let preview = session.rehearse(new.clone(), how)?;
        output::say(&preview);
        if given.dry_run {
            return Ok(ExitCode::Done);
        }
    }
    perform(context, &mut session, new, how, given.json)
}

/// Runs, and says what came of it. Also called by `dynwf run` for a workflow that is a script.
pub(super) fn perform(
    context: &Context,
    session: &mut Session,
    new: Option<ScriptRun>,
    reuse: Option<Reuse>,
    as_json: bool,
) -> Result<ExitCode> {
    let order = Order {
        script: new,
        reuse,
        ..Order::of(Goal::Run)
    };
    let end = drive::watch(context, session, order)?;
    script_end::tell(context, session.state(), &end, as_json)?;
    Ok(drive::code(&end))
}

/// The script as it is to be run now, with its texts kept in the run.
fn described(
    context: &Context,
    given: &RunArgs,
    slug: &Slug,
    read: &Read,
    before: Option<&ScriptRun>,
) -> Result<ScriptRun> {
    let blobs = context.store.blobs(slug);
    let args = match (&given.args, before) {
        // Going on takes the name alone: what it was given stays.
        (None, Some(before)) if before.args.is_some() => before
            .args
            .as_ref()
            .map(|args| blobs.text(args))
            .transpose()?,
        (text, _) => text
            .as_deref()
            .map(|text| json_of(context, text))
            .transpose()?,
    };
    let args = args::prepare(&read.meta, args.as_deref()).map_err(|problems| {
        let list = problems.join("\n");
        Failure::usage(format!("the arguments do not fit {}:\n{list}", read.file))
            .hint("--args takes JSON, or @FILE with JSON")
    })?;
    let checkout = match (given.in_place, before) {
        (true, _) => Some(checkout_of(context)?),
        (false, Some(before)) => before.checkout.clone(),
        (false, None) => None,
    };
    let agent = match (&given.agent, before) {
        (Some(agent), _) => known_agent(context, agent)?,
        (None, Some(before)) => before.agent.clone(),
        (None, None) => usual_agent(context)?,
    };
    Ok(ScriptRun {
        name: read.meta.name.clone(),
        description: read.meta.description.clone(),
        file: read.file.clone(),
        folder: Some(read.folder.to_string_lossy().into_owned()),
        source: blobs.keep(read.text.clone())?,
        args: args.map(|args| blobs.keep(args)).transpose()?,
        engine: engine_version(),
        agent,
        checkout,
        said: 0,
        tokens: given.budget.or(before.and_then(|before| before.tokens)),
        reuse: None,
        retry_failed: false,
        preview: None,
    })
}

fn checkout_of(context: &Context) -> Result<String> {
    context
        .git
        .work_tree()
        .map(|top| top.to_string_lossy().into_owned())
        .ok_or_else(|| {
            usage(
                "there is no checkout here to work in",
                "leave --in-place out: a workspace is made",
            )
        })
}

fn known_agent(context: &Context, name: &str) -> Result<String> {
    crate::agent::row_of(name, &context.config.agent(name))?;
    Ok(name.to_owned())
}

/// The agent where none is named: the only one that is configured, else the first client that is installed.
fn usual_agent(context: &Context) -> Result<String> {
    let configured: Vec<&String> = context.config.agents.keys().collect();
    if let [only] = configured.as_slice() {
        return Ok((*only).clone());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let installed = crate::agent::registry()
        .iter()
        .find(|row| {
            row.program
                .is_some_and(|program| client::find(program, &path).is_some())
        })
        .map(|row| row.name.to_owned());
    installed.ok_or_else(|| {
        usage(
            "no agent is named, and no client is installed",
            "--agent NAME says who answers agent(); dynwf agents list shows who there is",
        )
    })
}

fn json_of(context: &Context, text: &str) -> Result<String> {
    let text = match text.strip_prefix('@') {
        Some(file) => {
            let file = context.here.join(file);
            std::fs::read_to_string(&file).map_err(|error| {
                usage(
                    format!("cannot read the arguments {}: {error}", file.display()),
                    "--args takes JSON, or @FILE with JSON",
                )
            })?
        }
        None => text.to_owned(),
    };
    if let Err(error) = serde_json::from_str::<Value>(&text) {
        return Err(usage(
            format!("the arguments are not JSON: {error}"),
            "--args '{\"name\": \"value\"}', or --args @FILE",
        ));
    }
    Ok(text)
}

fn read(context: &Context, name: &str) -> Result<Read> {
    let tops = script_list::tops(context);
    let tops: Vec<&Path> = tops.iter().map(PathBuf::as_path).collect();
    let (shown, text, folder) = match (find_script(&tops, name), recipes::find(name)) {
        (Some(file), _) => {
            let bytes = std::fs::read(&file)
                .with_context(|| format!("reading the script {}", file.display()))?;
            let text = String::from_utf8(bytes).map_err(|_| {
                Failure::usage(format!("the script {} is not UTF-8", file.display()))
            })?;
            let shown = file.strip_prefix(&context.here).unwrap_or(&file);
            let folder = file.parent().unwrap_or(Path::new("/")).to_path_buf();
            (shown.to_string_lossy().into_owned(), text, folder)
        }
        (None, Some(text)) => (name.to_owned(), text.to_owned(), context.here.clone()),
        (None, None) => {
            let mut known = script_names(&tops);
            known.extend(recipes::ALL.map(|recipe| recipe.name.to_owned()));
            let slug = name.parse::<Slug>().ok();
            let run = slug.and_then(|slug| context.store.read(&slug).ok().flatten());
            return Err(usage(
                format!("there is no script {name}"),
                if run.is_some_and(|run| run.script.is_some()) {
                    format!("the run of that name goes on with dynwf script run --name {name}")
                } else {
                    format!("name a file; by name there are {}", known.join(", "))
                },
            ));
        }
    };
    let checked = check::check(&shown, &text);
    let errors: Vec<String> = checked.errors().map(ToString::to_string).collect();
    if !errors.is_empty() {
        let list = errors.join("\n\n");
        return Err(
            Failure::usage(format!("the script {shown} cannot be run:\n{list}"))
                .hint("nothing was started")
                .into(),
        );
    }
    for warning in &checked.problems {
        output::say(&warning.to_string());
    }
    let Some(meta) = checked.meta else {
        return Err(usage(
            format!("the script {shown} has no header"),
            "it begins with export const meta = { name: '…', description: '…' }",
        ));
    };
    Ok(Read {
        file: shown,
        folder,
        text,
        meta,
    })
}

/// The name of a run: the script's own, as a name.
fn slug_of(name: &str) -> Result<Slug> {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(64);
    slug.trim_end_matches('-').parse().map_err(|_| {
        usage(
            format!("the script's name `{name}` makes no name for a run"),
            "--name gives the run one",
        )
    })
}
