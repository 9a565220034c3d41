//! Finds scripts by name: for the command line, and for `workflow()` within a script.
//!
//! What a script found once is kept in its run, so that it finds the same when it goes on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::journal::Store;
use crate::model::id::Slug;
use crate::script::Resolve;
use sha2::{Digest as _, Sha256};

/// Where scripts lie that have a name, below the top of a work tree.
const FOLDERS: [&str; 2] = [".workflow/recipes", ".claude/workflows"];

/// Returns the file of a script: a path as it is, or from one of these folders; a name in the folders where named
/// scripts lie below them.
pub fn find_script(tops: &[&Path], name: &str) -> Option<PathBuf> {
    let is_path = name.contains('/') || Path::new(name).extension().is_some();
    let candidates = tops.iter().flat_map(|top| {
        let named = FOLDERS
            .iter()
            .map(|folder| top.join(folder).join(format!("{name}.js")))
            .filter(|_| !is_path);
        is_path.then(|| top.join(name)).into_iter().chain(named)
    });
    candidates.into_iter().find(|file| file.is_file())
}

/// Returns the names of the scripts that have one, sorted.
pub fn script_names(tops: &[&Path]) -> Vec<String> {
    let mut names: Vec<String> = tops
        .iter()
        .flat_map(|top| FOLDERS.iter().map(|folder| top.join(folder)))
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| path.extension().is_some_and(|ending| ending == "js"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Finds the scripts that a script names; `beside` is the folder of that script.
pub(super) fn resolver(store: &Store, slug: &Slug, tops: Vec<PathBuf>) -> Resolve {
    let kept = store.folder(slug).join("workflows");
    Box::new(move |name| {
        let copy = kept.join(format!("{:x}.js", Sha256::digest(name.as_bytes())));
        if let Ok(text) = fs::read_to_string(&copy) {
            return Ok((name.to_owned(), text));
        }
        let tops: Vec<&Path> = tops.iter().map(PathBuf::as_path).collect();
        let file = find_script(&tops, name).ok_or_else(|| {
            let known = script_names(&tops);
            let known = if known.is_empty() {
                "there are none by name, and no such file".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            format!("no workflow is called `{name}`: {known}")
        })?;
        let failed = |error: std::io::Error| format!("reading {}: {error}", file.display());
        let text = fs::read_to_string(&file).map_err(failed)?;
        fs::create_dir_all(&kept)
            .map_err(anyhow::Error::from)
            .and_then(|()| crate::process::write_durably(&copy, text.as_bytes()))
            .map_err(|error| format!("keeping {}: {error:#}", file.display()))?;
        Ok((name.to_owned(), text))
    })
}
