//! All source files of the repository, and what the paths in them mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::source::{File, How, Named};

/// How many re-exports a name is followed through.
const MOST_REEXPORTS: usize = 8;

/// The Rust files below `src`, `tests` and `benches`.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// The module of each file below `src`.
    modules: BTreeMap<Vec<String>, usize>,
    /// What each file of `src` calls by a name of its own.
    names: Vec<BTreeMap<String, Vec<String>>>,
    /// The files that exist in tests alone.
    tests: BTreeSet<usize>,
}

/// A path that was understood.
pub(super) struct Meant<'a> {
    pub(super) named: &'a Named,
    /// From the root of the crate, `crate` left out; or a foreign path with the crate's name in front.
    pub(super) path: Vec<String>,
    pub(super) own: bool,
}

impl Tree {
    /// Reads the repository.
    pub(super) fn read(top: &Path) -> Self {
        let mut found = Vec::new();
        for folder in ["src", "tests", "benches"] {
            collect(top, &top.join(folder), &mut found);
        }
        found.sort();
        Self::new(
            found
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str())),
        )
    }

    /// Takes files as paths and texts.
    pub(super) fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files: Vec<File> = files
            .into_iter()
            .map(|(path, text)| File::new(path, text))
            .collect();
        let modules = files
            .iter()
            .enumerate()
            .filter_map(|(number, file)| Some((file.module()?, number)))
            .collect();
        let mut tree = Self {
            names: vec![BTreeMap::new(); files.len()],
            tests: BTreeSet::new(),
            files,
            modules,
        };
        tree.tests = tree.find_tests();
        tree.names = (0..tree.files.len())
            .map(|file| tree.own_names(file))
            .collect();
        tree
    }

    /// The files below `src` that are shipped.
    pub(super) fn shipped(&self) -> impl Iterator<Item = usize> {
        (0..self.files.len()).filter(|&number| {
            self.files[number].module().is_some() && !self.tests.contains(&number)
        })
    }

    /// The paths that a file names, from the root; those that cannot matter are left out.
    pub(super) fn meant(&self, file: usize) -> Vec<Meant<'_>> {
        let module = self.files[file].module().unwrap_or_default();
        self.files[file]
            .names
            .iter()
            .filter_map(|named| {
                let (path, own) = self.absolute(file, &module, named)?;
                Some(Meant { named, path, own })
            })
            .collect()
    }

    /// The file in which a path from the root ends, through re-exports.
    pub(super) fn file_of(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        for _ in 0..MOST_REEXPORTS {
            let (length, file) = (0..=path.len())
                .rev()
                .find_map(|length| Some((length, *self.modules.get(&path[..length])?)))?;
            let Some(name) = path.get(length) else {
                return Some(file);
            };
            let passed_on = self.meant(file).into_iter().find(|meant| {
                meant.own
                    && meant.named.inside.is_empty()
                    && meant.named.how == How::Reexport { name: name.clone() }
            });
            match passed_on {
                Some(meant) => path = meant.path,
                None => return Some(file),
            }
        }
        None
    }

    fn absolute(
        &self,
        file: usize,
        module: &[String],
        named: &Named,
    ) -> Option<(Vec<String>, bool)> {
        let mut here = module.to_vec();
        here.extend(named.inside.iter().cloned());
        let (first, rest) = named.path.split_first()?;
        let start = match first.as_str() {
            "crate" | "dynwf" => Vec::new(),
            "self" => here,
            "super" => return Some((up(here, &named.path), true)),
            name => {
                let mut child = here.clone();
                child.push(name.to_owned());
                if self.modules.contains_key(&child) {
                    child
                } else if let (How::Plain | How::Macro, Some(known)) =
                    (&named.how, self.names[file].get(name))
                {
                    let own = self.is_own(known);
                    return Some(([known.as_slice(), rest].concat(), own));
                } else {
                    return Some((named.path.clone(), false));
                }
            }
        };
        Some(([start.as_slice(), rest].concat(), true))
    }

    /// Whether an understood path is one of this crate's (the first name of a foreign one is a crate).
    fn is_own(&self, path: &[String]) -> bool {
        path.first()
            .is_some_and(|first| self.modules.contains_key(std::slice::from_ref(first)))
    }

    fn own_names(&self, file: usize) -> BTreeMap<String, Vec<String>> {
        let imports = self
            .meant(file)
            .into_iter()
            .filter_map(|meant| match &meant.named.how {
                How::Import { name } | How::Reexport { name } => Some((name.clone(), meant.path)),
                How::Macro | How::Plain => None,
            });
        imports.collect()
    }

    fn find_tests(&self) -> BTreeSet<usize> {
        let mut roots = Vec::new();
        let mut files = BTreeSet::new();
        for file in &self.files {
            let Some(module) = file.module() else {
                continue;
            };
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for decl in file.mods.iter().filter(|decl| decl.test) {
                roots.push([module.clone(), decl.path.clone()].concat());
                files.extend(decl.file.iter().map(|name| format!("{folder}/{name}")));
            }
        }
        let is_test = |module: &[String], file: usize| {
            roots.iter().any(|root| module.starts_with(root))
                || files.contains(&self.files[file].path)
        };
        self.modules
            .iter()
            .filter(|&(module, &file)| is_test(module, file))
            .map(|(_, &file)| file)
            .collect()
    }
}

/// Follows the leading `super`s of a path.
fn up(mut here: Vec<String>, path: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    here.truncate(here.len().saturating_sub(supers));
    here.extend(path[supers..].iter().cloned());
    here
}

fn collect(top: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(top, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(top).expect("it lies below");
            let text = fs::read_to_string(&path).expect("the source can be read");
            found.push((name.display().to_string(), text));
        }
    }
}
