//! Rules about single files: their size, their names, their headers, what they must not hold.

use std::collections::BTreeSet;

use super::source::{File, How};
use super::token::{Kind, Token};
use super::tree::Tree;

/// How many lines a file may have.
pub(super) const MOST_LINES: usize = 500;

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: [&str; 9] = [
    "util", "utils", "helper", "helpers", "common", "types", "imp", "misc", "shared",
];

/// The macros that print.
const PRINTS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// Marks of unfinished work, put together so that this file does not hold them.
const UNFINISHED: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

pub(super) fn too_long(tree: &Tree) -> Vec<String> {
    let long = |file: &File| {
        let lines = file.text.lines().count();
        (lines > MOST_LINES).then(|| {
            format!(
                "{}: {lines} lines, at most {MOST_LINES} are allowed",
                file.path
            )
        })
    };
    tree.files.iter().filter_map(long).collect()
}

pub(super) fn empty_names(tree: &Tree) -> Vec<String> {
    let mut found = BTreeSet::new();
    for file in &tree.files {
        let stem = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        for part in stem.split('/').filter(|part| EMPTY_NAMES.contains(part)) {
            found.insert(format!(
                "{}: `{part}` does not say what it holds",
                file.path
            ));
        }
    }
    found.into_iter().collect()
}

pub(super) fn headers(tree: &Tree) -> Vec<String> {
    let outside = |file: &&File| file.module().is_none();
    let shipped = tree.shipped().map(|number| &tree.files[number]);
    let files = shipped.chain(tree.files.iter().filter(outside));
    files
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| {
            format!(
                "{}:1: it does not begin with `//!` and what it is for",
                file.path
            )
        })
        .collect()
}

pub(super) fn unfinished(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            for word in words.filter(|word| UNFINISHED.contains(word)) {
                found.push(format!("{}:{}: {word}", file.path, number + 1));
            }
        }
        for name in ["todo", "unimplemented"] {
            found.extend(calls(file, name).map(|line| format!("{}:{line}: {name}!", file.path)));
        }
    }
    found
}

/// Tests that nobody runs.
pub(super) fn ignored_tests(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        for three in file.tokens.windows(3) {
            if three[0].is_mark('#') && three[1].is_mark('[') && three[2].is_word("ignore") {
                let line = three[0].line;
                found.push(format!(
                    "{}:{line}: a test that is not run is no test",
                    file.path
                ));
            }
        }
    }
    found
}

/// Files that no `mod` leads to: they are never compiled, so their tests never run.
pub(super) fn undeclared(tree: &Tree) -> Vec<String> {
    let is_root = |path: &str| {
        let parts: Vec<_> = path.split('/').collect();
        match parts[..] {
            ["src", name] => matches!(name, "lib.rs" | "main.rs"),
            ["tests" | "benches", _] => true,
            ["tests" | "benches", _, name] => name == "main.rs",
            _ => false,
        }
    };
    let mut waiting: Vec<String> = Vec::new();
    let mut reached = BTreeSet::new();
    waiting.extend(
        tree.files
            .iter()
            .map(|file| file.path.clone())
            .filter(|path| is_root(path)),
    );
    while let Some(path) = waiting.pop() {
        let Some(file) = tree.files.iter().find(|file| file.path == path) else {
            continue;
        };
        if !reached.insert(path.clone()) {
            continue;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let below = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => path.trim_end_matches(".rs").to_owned(),
        };
        for decl in &file.mods {
            if let Some(named) = &decl.file {
                waiting.push(format!("{folder}/{named}"));
                continue;
            }
            let stem = format!("{below}/{}", decl.path.join("/"));
            waiting.extend([format!("{stem}.rs"), format!("{stem}/mod.rs")]);
        }
    }
    let lost = tree
        .files
        .iter()
        .filter(|file| !reached.contains(&file.path));
    lost.map(|file| {
        format!(
            "{}: no `mod` leads to it, so it is never compiled",
            file.path
        )
    })
    .collect()
}

/// Processes are started in two places only, where their environment and their end are looked after.
pub(super) fn processes(tree: &Tree) -> Vec<String> {
    foreign(
        tree,
        |path| {
            path.len() >= 3
                && matches!(path[0].as_str(), "std" | "tokio")
                && path[1] == "process"
                && matches!(path[2].as_str(), "Command" | "*")
        },
        |path| path.starts_with("src/process/") || path == "src/git/cmd.rs",
        "starts processes: only src/process and src/git/cmd.rs do",
    )
}

/// libgit2 is behind one door.
pub(super) fn libgit2(tree: &Tree) -> Vec<String> {
    foreign(
        tree,
        |path| path.first().is_some_and(|first| first == "git2"),
        |path| path.starts_with("src/git/"),
        "uses git2: only src/git does",
    )
}

fn foreign(
    tree: &Tree,
    is_it: fn(&[String]) -> bool,
    may: fn(&str) -> bool,
    why: &str,
) -> Vec<String> {
    let mut found = BTreeSet::new();
    for number in tree.shipped() {
        let file = &tree.files[number];
        for meant in tree.meant(number) {
            if !meant.own && is_it(&meant.path) && !may(&file.path) {
                let written = meant.named.path.join("::");
                found.insert(format!(
                    "{}:{}: `{written}` {why}",
                    file.path, meant.named.line
                ));
            }
        }
    }
    found.into_iter().collect()
}

/// What people read goes through two modules.
pub(super) fn prints(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for number in tree.shipped() {
        let file = &tree.files[number];
        if file.path.starts_with("src/cli/") || file.path.starts_with("src/report/") {
            continue;
        }
        for named in &file.names {
            let ([name], How::Macro) = (&named.path[..], &named.how) else {
                continue;
            };
            if PRINTS.contains(&name.as_str()) {
                found.push(format!(
                    "{}:{}: `{name}!`: only src/cli and src/report print",
                    file.path, named.line
                ));
            }
        }
    }
    found
}

/// The lines on which a macro is called.
fn calls<'a>(file: &'a File, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_call = move |two: &&[Token]| two[0].is_word(name) && two[1].kind == Kind::Mark('!');
    file.tokens
        .windows(2)
        .filter(is_call)
        .map(|two| two[0].line)
}
