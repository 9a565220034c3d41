//! `dynwf recipe …`: plans to use again, in `.workflow/recipes/`, and beside them the scripts that have a name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::context::Context;
use super::{output, script_list};
use crate::error::{ExitCode, usage};
use crate::model::id::{PacketId, Slug};
use crate::model::state::RunState;
use crate::plan::recipe::{self, FOLDER, Outcome, Recipe};
use crate::plan::toml_text;
use crate::report::json;

/// Plans and scripts to use again: kept in .workflow/recipes/, which is meant to be committed
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  dynwf recipe save refactor split-by-crate
  dynwf recipe list
  dynwf recipe use split-by-crate tracing --set goal=\"Replace log by tracing\"
  dynwf plan tracing --edit
  dynwf script run review                    scripts among them are run by their names")]
pub(super) enum RecipeCommand {
    /// Keep the shape of a workflow's plan, with what its run taught
    Save {
        /// The workflow
        slug: Slug,
        /// The name of the recipe
        name: Slug,
        /// Write over a recipe of that name
        #[arg(long)]
        force: bool,
    },
    /// List the recipes: plans, then scripts
    List {
        /// Machine-readable, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Show a recipe
    Show {
        /// The name of the recipe
        name: Slug,
        /// Machine-readable, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Begin a plan with a recipe
    Use {
        /// The name of the recipe
        name: Slug,
        /// The name of the new workflow
        slug: Slug,
        /// The value of a parameter
        #[arg(long = "set", value_name = "NAME=VALUE")]
        values: Vec<String>,
    },
}

pub(super) fn recipe(context: &Context, command: &RecipeCommand) -> Result<ExitCode> {
    match command {
        RecipeCommand::Save { slug, name, force } => {
            let state = context.state(slug)?;
            let file = save_finished(context, &state, name, *force)?;
            output::answer(&file.display().to_string())?;
        }
        RecipeCommand::List { json } => list(context, *json)?,
        RecipeCommand::Show { name, json } => show(context, name, *json)?,
        RecipeCommand::Use { name, slug, values } => begin(context, name, slug, values)?,
    }
    Ok(ExitCode::Done)
}

fn folder(context: &Context) -> Result<PathBuf> {
    Ok(context.git.face_root()?.join(FOLDER))
}

fn file(context: &Context, name: &Slug) -> Result<PathBuf> {
    Ok(folder(context)?.join(format!("{name}.toml")))
}

/// Writes the recipe of a workflow, and returns its file. The same recipe again is no error.
pub(super) fn save_finished(
    context: &Context,
    state: &RunState,
    name: &Slug,
    force: bool,
) -> Result<PathBuf> {
    let Some(frozen) = &state.frozen else {
        return Err(usage(
            format!("workflow {} has no frozen plan", state.slug),
            format!("dynwf split {}", state.slug),
        ));
    };
    let text = recipe::to_text(&recipe::from_finished(name, &frozen.plan, &outcome(state))?);
    let file = file(context, name)?;
    match std::fs::read_to_string(&file) {
        Ok(old) if old == text => return Ok(file),
        Ok(_) if !force => {
            return Err(usage(
                format!("there is another recipe called {name}: {}", file.display()),
                format!(
                    "dynwf recipe save {} {name} --force writes over it",
                    state.slug
                ),
            ));
        }
        _ => {}
    }
    crate::report::face::ignore_runs(context.git.common_dir())?;
    let folder = folder(context)?;
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    crate::process::write_durably(&file, text.as_bytes())
        .with_context(|| format!("writing the recipe {}", file.display()))?;
    Ok(file)
}

/// What a workflow taught.
fn outcome(state: &RunState) -> Outcome {
    let mut outcome = Outcome::default();
    for (id, packet) in state.in_plan_order() {
        let status = state.status_of(id);
        let integrated = state.integrated().contains(id);
        if !integrated && !status.is_good() {
            outcome.left_out.push(id.clone());
        }
        if status == crate::model::status::PacketStatus::Cancelled {
            outcome.left_out.push(id.clone());
        }
        if let Some(conflict) = &packet.conflict {
            let paths: Vec<String> = conflict
                .files
                .iter()
                .map(|file| file.path.to_string())
                .collect();
            let with: Vec<&str> = conflict.with.iter().map(PacketId::as_str).collect();
            let with = if with.is_empty() {
                "the target".to_owned()
            } else {
                with.join(", ")
            };
            outcome.lessons.push(format!(
                "{id} conflicted with {with} in {}",
                paths.join(", ")
            ));
        }
        if state.check_failed(id) {
            outcome.lessons.push(format!("a check of {id} failed"));
        }
    }
    outcome.left_out.dedup();
    outcome
}

fn names(context: &Context) -> Result<Vec<Slug>> {
    let folder = folder(context)?;
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", folder.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".toml"));
        names.extend(name.and_then(|name| name.parse::<Slug>().ok()));
    }
    names.sort();
    Ok(names)
}

fn read(context: &Context, name: &Slug) -> Result<(Recipe, String)> {
    let file = file(context, name)?;
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let known = names(context)?;
            let known: Vec<&str> = known.iter().map(Slug::as_str).collect();
            return Err(usage(
                format!("no recipe is called {name}"),
                if known.is_empty() {
                    "dynwf recipe save SLUG NAME makes one of a workflow".to_owned()
                } else {
                    format!("there are {}", known.join(", "))
                },
            ));
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let recipe = recipe::parse(&text, &format!("{FOLDER}/{name}.toml"))?;
    Ok((recipe, text))
}

fn list(context: &Context, as_json: bool) -> Result<()> {
    let scripts = script_list::named(context);
    let mut found = Vec::new();
    for name in names(context)? {
        // One that is broken does not hide the others.
        match read(context, &name) {
            Ok((recipe, _)) => found.push(recipe),
            Err(error) => output::say(&format!("warning: {error:#}")),
        }
    }
    if as_json {
        let rows: Vec<_> = found
            .iter()
            .map(|recipe| {
                serde_json::json!({
                    "name": recipe.name, "description": recipe.description, "trigger": recipe.trigger,
                    "packets": recipe.plan.packets.len(), "parameters": recipe.parameters,
                })
            })
            .collect();
        let scripts: Vec<_> = scripts
            .iter()
            .map(|script| {
                serde_json::json!({
                    "name": script.name, "description": script.description(), "file": script.file,
                })
            })
            .collect();
        let document = serde_json::json!({"recipes": rows, "scripts": scripts});
        return output::answer(&json::document(&document));
    }
    if found.is_empty() {
        output::say("no plan kept here yet: dynwf recipe save SLUG NAME makes one of a workflow");
    }
    for recipe in found {
        let count = recipe.plan.packets.len();
        let packets = if count == 1 { "packet" } else { "packets" };
        let line = format!("{}  {count} {packets}  {}", recipe.name, recipe.description);
        output::answer(&crate::model::path::printable(&line))?;
    }
    for script in scripts {
        let line = format!("{}  script  {}", script.name, script.description());
        output::answer(&crate::model::path::printable(&line))?;
    }
    output::say("dynwf recipe use NAME SLUG begins a plan; dynwf script run NAME runs a script");
    Ok(())
}

fn show(context: &Context, name: &Slug, as_json: bool) -> Result<()> {
    if !file(context, name)?.exists()
        && let Some(script) = script(context, name)
    {
        return if as_json {
            output::answer(&json::document(&serde_json::json!({
                "name": script.name, "description": script.description(), "file": script.file,
                "script": script.text,
            })))
        } else {
            output::answer(&script.text)
        };
    }
    let (recipe, text) = read(context, name)?;
    if as_json {
        return output::answer(&json::document(&recipe));
    }
    let lines: Vec<String> = text
        .lines()
        .map(|line| crate::model::path::printable(line).into_owned())
        .collect();
    output::answer(&lines.join("\n"))
}

/// The script of this name, if there is one.
fn script(context: &Context, name: &Slug) -> Option<script_list::Named> {
    let mut all = script_list::named(context).into_iter();
    all.find(|script| script.name == name.as_str())
}

fn begin(context: &Context, name: &Slug, slug: &Slug, values: &[String]) -> Result<()> {
    if !file(context, name)?.exists() && script(context, name).is_some() {
        return Err(usage(
            format!("the recipe {name} is a script, not a plan"),
            format!("dynwf script run {name} --name {slug}"),
        ));
    }
    let (recipe, _) = read(context, name)?;
    let given = values
        .iter()
        .map(|value| {
            let pair = value.split_once('=');
            let (name, value) = pair.ok_or_else(|| {
                usage(
                    format!("`{value}` is not NAME=VALUE"),
                    "--set goal=\"what it is for\"",
                )
            })?;
            Ok((name.trim().to_owned(), value.to_owned()))
        })
        .collect::<Result<BTreeMap<_, _>>>()?;
    let plan = recipe::instantiate(&recipe, &given)?;
    let file = context.plan_file(slug)?;
    if file.exists() || context.store.read(slug)?.is_some() {
        return Err(usage(
            format!("there is a workflow {slug} already"),
            "give the new one another name",
        ));
    }
    super::plan::write(context, slug, toml_text(&plan))?;
    output::answer(&file.display().to_string())?;
    output::say(&format!(
        "next: dynwf plan {slug} --edit, or dynwf run {slug}"
    ));
    Ok(())
}
