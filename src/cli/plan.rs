//! `dynwf plan`: check a plan and put it where people find it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::context::Context;
use super::{output, request, start};
use crate::error::{ExitCode, usage};
use crate::model::id::Slug;
use crate::model::plan::Plan;
use crate::model::request::RequestBody;
use crate::plan::render::{self, Setting};
use crate::plan::{is_json, parse_json, schema, toml_text};
use crate::report::face::{Face, PlanTexts};
use crate::runner::{self, PlannerOrder};

/// Check a plan and put it in place, or amend the plan of a workflow that runs
///
/// Writes .workflow/SLUG/plan.toml, which is yours to edit until it is split, and plan.md, which is rendered from it.
/// Without --from, the plan that lies there is checked again.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// The name of the workflow: a-z, 0-9 and -
    #[arg(required_unless_present = "schema")]
    slug: Option<Slug>,

    /// The plan, as TOML or JSON; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "task")]
    from: Option<PathBuf>,

    /// What is to be done: begins a plan with one packet for you to fill in, or is given to --agent
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,

    /// Let this agent write the plan; it is asked again until the plan is valid, three times in all
    #[arg(long, value_name = "NAME", requires = "task")]
    agent: Option<String>,

    /// Open the plan in your editor before it is checked
    #[arg(long)]
    edit: bool,

    /// Let the edited plan take the place of the frozen one; what is finished must stay as it is
    #[arg(long)]
    amend: bool,

    /// Print the JSON Schema of a plan
    #[arg(long, exclusive = true)]
    schema: bool,
}

pub(super) fn plan(here: impl Fn() -> Result<Context>, args: &PlanArgs) -> Result<ExitCode> {
    let Some(slug) = args.slug.as_ref().filter(|_| !args.schema) else {
        output::answer(&schema::text())?;
        return Ok(ExitCode::Done);
    };
    let context = here()?;
    let split = context
        .store
        .read(slug)?
        .is_some_and(|state| state.frozen.is_some());
    match (split, args.amend) {
        (true, false) => Err(usage(
            format!("workflow {slug} is split, and its plan is frozen"),
            format!("edit .workflow/{slug}/plan.toml, then dynwf plan {slug} --amend"),
        )),
        (false, true) => Err(usage(
            format!("workflow {slug} is not split yet, so there is nothing to amend"),
            format!("dynwf plan {slug} checks the plan"),
        )),
        (true, true) => amend(&context, slug, args),
        (false, false) => put(&context, slug, args),
    }
}

fn face(context: &Context, slug: &Slug) -> Result<Face> {
    Ok(Face::new(
        &context.git.face_root()?,
        context.git.common_dir(),
        slug,
    ))
}

/// Where the plan comes from, and how to call it in messages.
fn source(context: &Context, slug: &Slug, args: &PlanArgs) -> Result<(PathBuf, String)> {
    if let Some(file) = &args.from {
        if file.as_os_str() == "-" {
            if args.edit {
                return Err(usage(
                    "standard input cannot be opened in an editor",
                    format!("dynwf plan {slug} --from - first, then dynwf plan {slug} --edit"),
                ));
            }
            return Ok((file.clone(), "<stdin>".to_owned()));
        }
        Ok((context.here.join(file), file.display().to_string()))
    } else {
        let file = context.plan_file(slug)?;
        let shown = format!(".workflow/{slug}/plan.toml");
        if file.exists() {
            Ok((file, shown))
        } else {
            Err(usage(
                format!("there is no plan for {slug} yet"),
                format!(
                    "dynwf plan {slug} --from FILE, or dynwf plan {slug} --task \"what is to be done\""
                ),
            ))
        }
    }
}

fn put(context: &Context, slug: &Slug, args: &PlanArgs) -> Result<ExitCode> {
    match (&args.task, &args.agent) {
        (Some(task), Some(agent)) => planned_by(context, slug, task, agent)?,
        (Some(task), None) => begin(context, slug, task)?,
        _ => {}
    }
    let (file, shown) = source(context, slug, args)?;
    if args.edit {
        edit(&file)?;
    }
    let (plan, places, bytes) = start::read_plan(&file, &shown)?;
    let checked = start::check(context, plan, &places)?;
    let plan = &checked.plan;
    let setting = Setting {
        slug,
        base: None,
        target: None,
    };
    let is_toml = !is_json(&bytes, &shown);
    // The person's own words and comments are kept; only another notation is rewritten.
    let text = match String::from_utf8(bytes) {
        Ok(text) if is_toml => text,
        _ => toml_text(plan),
    };
    let written = face(context, slug)?.write_plan(&PlanTexts {
        plan_toml: Some(text),
        plan_md: Some(render::plan_md(&setting, plan)),
        ..PlanTexts::default()
    })?;
    let what = if written.is_empty() {
        "is as it was"
    } else {
        "is in place"
    };
    output::say(&format!(
        "the plan of {slug} {what}: {}, from {} onto {}",
        match plan.packets.len() {
            1 => "1 packet".to_owned(),
            many => format!("{many} packets"),
        },
        checked.base.short(),
        checked.target.short()
    ));
    output::answer(&context.face(slug)?.join("plan.md").display().to_string())?;
    output::say(&format!("next: dynwf split {slug}, or dynwf run {slug}"));
    Ok(ExitCode::Done)
}

fn no_plan_yet(context: &Context, slug: &Slug) -> Result<()> {
    let file = context.plan_file(slug)?;
    if file.exists() {
        return Err(usage(
            format!("there is a plan for {slug} already: {}", file.display()),
            format!("dynwf plan {slug} --edit, or remove the file first"),
        ));
    }
    Ok(())
}

/// Lets an agent write the plan; nothing is put in place unless it is valid.
fn planned_by(context: &Context, slug: &Slug, task: &str, agent: &str) -> Result<()> {
    no_plan_yet(context, slug)?;
    let base = context.git.resolve("HEAD")?.ok_or_else(|| {
        usage(
            "the repository has no commit yet",
            "make a first commit: packets need one to start from",
        )
    })?;
    let schema = schema::schema();
    let order = PlannerOrder {
        slug,
        task,
        agent,
        base: &base,
        schema: &schema,
    };
    let mut judge = |value: &serde_json::Value| match read(context, value) {
        Ok(_) => Vec::new(),
        Err(error) => format!("{error:#}").lines().map(str::to_owned).collect(),
    };
    let mut say = |text: &str| output::say(&format!("{agent}: {text}"));
    let config = &context.config;
    let sites = context.sites(slug)?;
    let value = runner::write_plan(&context.git, config, &sites, &order, &mut judge, &mut say)?;
    let plan = read(context, &value)?;
    face(context, slug)?.write_plan(&PlanTexts {
        plan_toml: Some(toml_text(&plan)),
        ..PlanTexts::default()
    })?;
    Ok(())
}

/// A plan that an agent gave, checked like any other.
fn read(context: &Context, value: &serde_json::Value) -> Result<Plan> {
    let text = format!("{value:#}");
    let (plan, places) = parse_json(&text, "the plan")?;
    Ok(start::check(context, plan, &places)?.plan)
}

/// A plan to fill in: valid as it stands, with one packet of work for a person.
fn begin(context: &Context, slug: &Slug, task: &str) -> Result<()> {
    no_plan_yet(context, slug)?;
    let plan: Plan = serde_json::from_value(serde_json::json!({
        "goal": task,
        "packet": [{"id": "01-first", "objective": task, "scope": ["**"], "agent": "parent"}],
    }))?;
    write(context, slug, toml_text(&plan))
}

/// Writes `.workflow/<slug>/plan.toml`, for a person to edit.
pub(super) fn write(context: &Context, slug: &Slug, text: String) -> Result<()> {
    face(context, slug)?.write_plan(&PlanTexts {
        plan_toml: Some(text),
        ..PlanTexts::default()
    })?;
    Ok(())
}

fn amend(context: &Context, slug: &Slug, args: &PlanArgs) -> Result<ExitCode> {
    let (file, shown) = source(context, slug, args)?;
    if args.edit {
        edit(&file)?;
    }
    let (plan, places, _) = start::read_plan(&file, &shown)?;
    let mut plan = start::check(context, plan, &places)?.plan;
    start::order(&mut plan);
    let body = RequestBody::Amend {
        plan: Box::new(plan),
    };
    request::send(context, slug, body, output::is_attended())?;
    let events = context.store.events(slug)?;
    let changes = events.iter().rev().find_map(|event| match &event.kind {
        crate::model::event::EventKind::PlanAmended { changes, .. } => Some(changes.join("\n")),
        _ => None,
    });
    output::answer(&changes.unwrap_or_default())?;
    output::say(&format!("next: dynwf run {slug}"));
    Ok(ExitCode::Done)
}

/// Opens a file in the person's editor and waits for its end.
fn edit(file: &Path) -> Result<()> {
    if !output::is_attended() {
        return Err(usage(
            "no editor can be opened without a terminal",
            format!(
                "edit {} yourself, then plan again without --edit",
                file.display()
            ),
        ));
    }
    crate::process::edit(file).with_context(|| format!("editing {}", file.display()))
}
