//! The rules of the house, checked over the sources: who may import whom, no circles between files, small files with
//! telling names and headers, nothing unfinished, nothing that goes past the doors.
//!
//! Each rule is a function from the tree of sources to lines that say what is wrong and where. Each is also tried on
//! a small tree that breaks it.

mod cycles;
mod layers;
mod source;
mod text;
mod token;
mod tree;

use std::path::Path;

use tree::Tree;

type Rule = fn(&Tree) -> Vec<String>;

const RULES: [(&str, Rule); 12] = [
    ("the layers", layers::broken),
    ("no climbing", layers::climbs),
    ("no circles", cycles::broken),
    ("short files", text::too_long),
    ("telling names", text::empty_names),
    ("headers", text::headers),
    ("nothing unfinished", text::unfinished),
    ("no ignored tests", text::ignored_tests),
    ("every file is compiled", text::undeclared),
    ("one door for processes", text::processes),
    ("one door for libgit2", text::libgit2),
    ("one voice", text::prints),
];

#[test]
fn the_sources_keep_the_rules() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.files.len() > 10, "the sources were not found");
    let mut said = String::new();
    for (name, rule) in RULES {
        for line in rule(&tree) {
            said += &format!("{name}: {line}\n");
        }
    }
    assert!(said.is_empty(), "\n{said}");
}

/// Every rule on one tree; the lines that they say.
fn judge(files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree::new(files.iter().copied());
    RULES.iter().flat_map(|(_, rule)| rule(&tree)).collect()
}

/// A tree that is right but for one file; fails unless exactly these lines are said.
#[track_caller]
fn assert_said(path: &str, text: &str, expected: &[&str]) {
    let root = "//! Map.\npub mod error; pub mod model; pub mod process; pub mod git; pub mod journal; pub mod report;";
    let mut files = vec![
        ("src/lib.rs", root),
        ("src/error.rs", "//! E.\npub struct Failure;"),
        ("src/model/mod.rs", "//! M.\npub mod id;\npub use id::Id;"),
        ("src/model/id.rs", "//! I.\npub struct Id;"),
        ("src/process/mod.rs", "//! P.\nuse std::process::Command;"),
        (
            "src/git/mod.rs",
            "//! G.\nmod cmd; mod refs;\npub use refs::read;",
        ),
        (
            "src/git/cmd.rs",
            "//! C.\nuse tokio::process::Command; use git2::Oid;",
        ),
        (
            "src/git/refs.rs",
            "//! R.\nuse super::cmd::Cmd; use crate::model::Id;",
        ),
        (
            "src/journal/mod.rs",
            "//! J.\nuse crate::{error::Failure, model::Id};",
        ),
        ("src/report/mod.rs", "//! R.\nfn f() { println!(); }"),
        ("tests/it/main.rs", "//! T.\nmod run;"),
        ("tests/it/run.rs", "//! R.\nuse dynwf::journal::Store;"),
    ];
    assert_eq!(
        judge(&files),
        Vec::<String>::new(),
        "the tree was to be right"
    );
    files.retain(|(name, _)| *name != path);
    files.push((path, text));
    let said = judge(&files);
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (line, part) in said.iter().zip(expected) {
        assert!(line.contains(part), "`{part}` is not in `{line}`");
    }
}

#[test]
fn an_import_against_the_table_is_found_however_it_is_written() {
    let forbidden = "`git` may not import `journal`";
    for text in [
        "use crate::journal::Store;",
        "use crate::{model::Id, journal::{self, Store as S}};",
        "fn f(_: &crate::journal::Store) {}",
        "use dynwf::journal;",
        "fn f() { ::dynwf::journal::open() }",
        "macro_rules! m { () => { $crate::journal::open() } }",
    ] {
        let text = format!("//! R.\n{text}");
        let found = if text.contains("self, Store") {
            vec![forbidden; 2]
        } else {
            vec![forbidden]
        };
        assert_said("src/git/refs.rs", &text, &found);
    }
    assert_said(
        "src/git/refs.rs",
        "//! R.\nuse super::super::journal::Store;",
        &[
            "refs.rs:2: `git` may not import `journal`",
            "refs.rs:2: `super::super::journal::Store`: write it",
        ],
    );
    assert_said(
        "src/git/refs.rs",
        "//! R.\n#[cfg(test)]\nmod tests {\n    use crate::journal::Store;\n}\n// crate::journal",
        &[],
    );
}

#[test]
fn what_stands_at_the_root_or_in_no_row_is_found() {
    assert_said(
        "src/git/refs.rs",
        "//! R.\nuse crate::Helper;",
        &["root of the crate"],
    );
    let root = "//! Map.\npub mod error; pub mod model; pub mod process; pub mod git; pub mod journal; pub mod report;\nmod \
                stray;";
    let tree = [("src/lib.rs", root), ("src/stray.rs", "//! S.")];
    assert!(judge(&tree)[0].contains("the module `stray` is not in the table"));
}

#[test]
fn a_circle_is_found_and_a_list_of_contents_is_none() {
    let circle = "src/git/refs.rs:2 (`super::cmd::Cmd`) → src/git/cmd.rs:2 (`super::read`) → src/git/refs.rs";
    assert_said("src/git/cmd.rs", "//! C.\nuse super::read;", &[circle]);
    assert_said(
        "src/git/mod.rs",
        "//! G.\nmod cmd; mod refs;\npub use refs::read;\npub struct Git;\nfn f() { refs::all() }",
        &[],
    );
    let entry = "//! G.\nmod cmd; mod refs;\nfn f() { refs::all(); }\npub struct Git;";
    let tree = [
        ("src/lib.rs", "//! Map.\nmod git;"),
        ("src/git/mod.rs", entry),
        ("src/git/cmd.rs", "//! C."),
        (
            "src/git/refs.rs",
            "//! R.\nuse crate::git;\nuse super::cmd;\nfn all(_: git::Git) {}",
        ),
    ];
    let said = judge(&tree);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].contains("src/git/mod.rs:3 (`refs::all`) → src/git/refs.rs:2"),
        "{said:#?}"
    );
}

#[test]
fn long_files_empty_names_and_missing_headers_are_found() {
    let long = format!("//! L.\n{}", "fn f() {}\n".repeat(text::MOST_LINES));
    assert_said("src/git/refs.rs", &long, &["501 lines"]);
    let tree = [
        ("src/lib.rs", "//! Map.\nmod git;"),
        ("src/git/mod.rs", "//! G.\nmod util;"),
        ("src/git/util.rs", "fn f() {}"),
    ];
    let said = judge(&tree);
    assert!(said[0].contains("`util` does not say"), "{said:#?}");
    assert!(
        said[1].contains("src/git/util.rs:1: it does not begin"),
        "{said:#?}"
    );
}

#[test]
fn unfinished_ignored_and_lost_things_are_found() {
    let mark = concat!("//! R.\n// TO", "DO: later\nfn f() { todo!() }");
    assert_said(
        "src/git/refs.rs",
        mark,
        &["src/git/refs.rs:2: ", "src/git/refs.rs:3: todo!"],
    );
    let ignored = "//! R.\n#[test]\n#[ignore = \"slow\"]\nfn f() {}";
    assert_said("tests/it/run.rs", ignored, &["tests/it/run.rs:3: "]);
    assert_said(
        "tests/it/lost.rs",
        "//! L.",
        &["tests/it/lost.rs: no `mod` leads to it"],
    );
    assert_said(
        "src/git/lost/mod.rs",
        "//! L.",
        &["src/git/lost/mod.rs: no `mod` leads to it"],
    );
}

#[test]
fn a_test_file_under_another_name_is_declared_and_not_held_to_the_layers() {
    let tree = [
        ("src/lib.rs", "//! Map.\npub mod git;"),
        (
            "src/git/mod.rs",
            "//! G.\n#[cfg(test)]\n#[path = \"other.rs\"]\nmod tests;",
        ),
        ("src/git/other.rs", "use crate::journal::Store;"),
    ];
    assert_eq!(judge(&tree), Vec::<String>::new());
}

#[test]
fn what_goes_past_a_door_is_found() {
    for text in [
        "use std::process::Command;",
        "use std::process::{ExitCode, Command as C};",
        "fn f() { tokio::process::Command::new(\"git\"); }",
        "use std::process;\nfn f() { process::Command::new(\"git\"); }",
    ] {
        assert_said(
            "src/git/refs.rs",
            &format!("//! R.\n{text}"),
            &["starts processes"],
        );
    }
    assert_said(
        "src/journal/mod.rs",
        "//! J.\nfn f(_: git2::Oid) {}",
        &["`git2::Oid` uses git2"],
    );
    assert_said(
        "src/git/refs.rs",
        "//! R.\nfn f() { println!(\"x\"); }",
        &["`println!`"],
    );
}
