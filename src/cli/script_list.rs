//! `dynwf script list` and `dynwf script show`: the scripts that have a name.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::context::Context;
use super::output;
use crate::error::{ExitCode, usage};
use crate::runner::{find_script, script_names};
use crate::script::check::{self, Meta};
use crate::script::{args, recipes};

/// A script by name.
pub(super) struct Named {
    pub name: String,
    /// The file; `None` for one that comes with dynwf.
    pub file: Option<String>,
    pub text: String,
}

impl Named {
    /// What it says of itself; empty where its header cannot be read.
    pub(super) fn description(&self) -> String {
        let meta = check::check(&self.name, &self.text).meta;
        meta.map_or_else(String::new, |meta| meta.description)
    }
}

/// Lists them: those of the repository and of the home first, then those that come with dynwf.
pub(super) fn list(context: &Context, as_json: bool) -> Result<ExitCode> {
    let found: Vec<(Named, Option<Meta>)> = named(context)
        .into_iter()
        .map(|one| {
            let meta = check::check(&one.name, &one.text).meta;
            (one, meta)
        })
        .collect();
    if as_json {
        let scripts: Vec<Value> = found
            .iter()
            .map(|(one, meta)| json!({"name": one.name, "file": one.file, "meta": meta}))
            .collect();
        output::answer(&serde_json::to_string_pretty(
            &json!({ "scripts": scripts }),
        )?)?;
        return Ok(ExitCode::Done);
    }
    let mut text = String::new();
    for (one, meta) in &found {
        let place = one.file.as_deref().unwrap_or("comes with dynwf");
        let Some(meta) = meta else {
            text += &format!(
                "{}  ({place})\n  its header cannot be read: dynwf script check {place}\n",
                one.name
            );
            continue;
        };
        text += &format!("{}  ({place})\n  {}\n", one.name, meta.description);
        for argument in args::declared(meta) {
            let must = if argument.required { ", required" } else { "" };
            text += &format!("    {}{must}: {}\n", argument.name, argument.description);
        }
    }
    output::answer(&text)?;
    Ok(ExitCode::Done)
}

/// Prints one, to be read or to begin with.
pub(super) fn show(context: &Context, name: &str) -> Result<ExitCode> {
    let all = named(context);
    let Some(one) = all.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        return Err(usage(
            format!("no script is called {name}"),
            format!("there are {}", names.join(", ")),
        ));
    };
    output::answer(&one.text)?;
    Ok(ExitCode::Done)
}

/// The folders that scripts with names lie below, nearest first: this one and those above it up to the top of the work
/// tree, then the home folder.
pub(super) fn tops(context: &Context) -> Vec<PathBuf> {
    let here = context.here.as_path();
    let top = context.git.work_tree().or(context.git.main_work_tree());
    let above = here
        .ancestors()
        .skip(1)
        .take_while(|folder| top.is_some_and(|top| folder.starts_with(top)));
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let mut tops: Vec<PathBuf> = [here]
        .into_iter()
        .chain(above)
        .map(Path::to_path_buf)
        .collect();
    // Where this folder is called by another name than git calls it, the top is not above it.
    tops.extend(
        top.filter(|top| !tops.iter().any(|known| known == top))
            .map(Path::to_path_buf),
    );
    tops.extend(home);
    tops
}

/// Finds them all.
pub(super) fn named(context: &Context) -> Vec<Named> {
    let tops = tops(context);
    let tops: Vec<&Path> = tops.iter().map(PathBuf::as_path).collect();
    let mut found = Vec::new();
    for name in script_names(&tops) {
        let Some(file) = find_script(&tops, &name) else {
            continue;
        };
        // A file that cannot be read has no header to show; `script check` says why.
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let shown = file.strip_prefix(&context.here).unwrap_or(&file);
        found.push(Named {
            name,
            file: Some(shown.display().to_string()),
            text,
        });
    }
    for recipe in recipes::ALL {
        if !found.iter().any(|one| one.name == recipe.name) {
            found.push(Named {
                name: recipe.name.to_owned(),
                file: None,
                text: recipe.text.to_owned(),
            });
        }
    }
    found
}
