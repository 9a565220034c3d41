//! The pages under `docs/` keep up with the program: verbs with their help, keys with the schemas, defaults with what
//! holds, links with what they lead to, examples with what a plan may say.
//!
//! `docs/cli.md` is written by its test where `UPDATE_DOCS` is set: `UPDATE_DOCS=1 cargo test --test it docs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::readme::page;
use crate::support::{Dynwf, Place, TestRepo};

/// Every page that people read.
const PAGES: [&str; 10] = [
    "README.md",
    "docs/agents.md",
    "docs/cli.md",
    "docs/config.md",
    "docs/gates.md",
    "docs/plan.md",
    "docs/split.md",
    "docs/state.md",
    "docs/workspaces.md",
    "CONTRIBUTING.md",
];

/// The options that every verb has; `docs/cli.md` says so once.
const EVERYWHERE: [&str; 4] = ["-C, --directory", "--color", "-h, --help", "-V, --version"];

const HEAD: &str = "\
# Commands

What `dynwf VERB --help` prints, a section a verb. Every verb also takes `-C DIR` (as if started there), `--color WHEN`
(`auto`, `always`, `never`) and `--help`. Exit codes are in the [README](../README.md#exit-codes).

This page is written by a test: `UPDATE_DOCS=1 cargo test --test it docs`.
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn help(place: &Place, words: &[&str]) -> String {
    let args = words.iter().copied().chain(["--help"]);
    Dynwf::at(place, &place.path()).run(args).success().stdout
}

/// The names under `Commands:`, without `help`.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// A verb's help without what every verb has.
fn own_part(help: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut dropping = false;
    for line in help.lines() {
        let option = line.trim_start();
        let indent = line.len() - option.len();
        if option.starts_with('-') && matches!(indent, 2 | 6) {
            dropping = EVERYWHERE.iter().any(|known| option.starts_with(known));
        } else if indent == 0 && !line.is_empty() {
            dropping = false;
        }
        let squeezed = line.is_empty() && kept.last().is_none_or(|last| last.is_empty());
        if !dropping && !squeezed && !line.starts_with("  help  ") {
            kept.push(line.trim_end());
        }
    }
    let text = kept.join("\n").replace("\nOptions:\n\n", "\n");
    let text = text.trim_end().strip_suffix("\nOptions:").unwrap_or(&text);
    text.trim_end().to_owned()
}

fn sections(place: &Place, words: &[&str], out: &mut String) {
    let help = help(place, words);
    if !words.is_empty() {
        let hashes = "#".repeat(words.len() + 1);
        let name = words.join(" ");
        let own = own_part(&help);
        out.push_str(&format!("\n{hashes} dynwf {name}\n\n```text\n{own}\n```\n"));
    }
    for name in commands(&help) {
        let below: Vec<&str> = words.iter().copied().chain([name.as_str()]).collect();
        sections(place, &below, out);
    }
}

#[test]
fn the_page_of_commands_is_what_help_says() {
    let place = Place::new();
    let mut text = HEAD.to_owned();
    sections(&place, &[], &mut text);
    assert!(text.contains("\n## dynwf run\n") && text.contains("\n### dynwf packet retry\n"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("docs/cli.md"), &text).unwrap();
    }
    let page = page("docs/cli.md");
    let differs = page
        .lines()
        .zip(text.lines())
        .find(|(is, should)| is != should);
    assert!(
        page == text,
        "docs/cli.md is stale ({differs:?}): UPDATE_DOCS=1 cargo test --test it docs"
    );
}

/// The words between single backticks, outside fenced blocks.
fn code_spans(page: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut fenced = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    for (number, part) in prose.split('`').enumerate() {
        if number % 2 == 1 {
            spans.push(part.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    spans
}

#[test]
fn every_command_that_a_page_names_is_there() {
    let place = Place::new();
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    let top = commands(&help(&place, &[]));
    let mut seen = 0;
    for name in PAGES {
        for span in code_spans(&page(name)) {
            let Some(line) = span.strip_prefix("dynwf ") else {
                continue;
            };
            let words: Vec<&str> = line.split(' ').collect();
            if words[0].starts_with('-') || words[0] == "VERB" {
                continue;
            }
            assert!(
                top.iter().any(|verb| verb == words[0]),
                "{name}: no verb of `{span}`"
            );
            let mut verb = vec![words[0].to_owned()];
            let of = |helps: &mut BTreeMap<Vec<String>, String>, verb: &[String]| {
                let parts: Vec<&str> = verb.iter().map(String::as_str).collect();
                let text = helps.entry(verb.to_vec());
                text.or_insert_with(|| help(&place, &parts)).clone()
            };
            let below = commands(&of(&mut helps, &verb));
            if let Some(second) = words.get(1).filter(|word| below.iter().any(|b| b == *word)) {
                verb.push((*second).to_owned());
            } else {
                let needs_one = !below.is_empty() && words.len() > 1 && verb[0] != "rescue";
                assert!(!needs_one, "{name}: `{span}` is no command");
            }
            let text = of(&mut helps, &verb);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                assert!(text.contains(flag), "{name}: `{span}`: no {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} commands were found in the pages");
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "-_".contains(c) => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut seen = 0;
    for name in PAGES {
        let text = page(name);
        let folder = root().join(name).parent().expect("a folder").to_owned();
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            seen += 1;
            let (file, at) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                root().join(name)
            } else {
                folder.join(file)
            };
            assert!(path.is_file(), "{name}: {target} leads nowhere");
            if !at.is_empty() {
                let there = fs::read_to_string(&path).unwrap();
                let headings = there.lines().filter(|line| line.starts_with('#'));
                let found = headings
                    .map(|line| anchor(line.trim_start_matches('#').trim()))
                    .any(|anchor| anchor == at);
                assert!(found, "{name}: {target} has no such heading");
            }
        }
    }
    assert!(seen > 15, "only {seen} links were found");
}

/// The rows of the tables under each heading of the second level: the first and the last cell, without backticks
/// around the first.
fn tables(page: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut heading = String::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let key = cells[0]
            .strip_prefix('`')
            .and_then(|cell| cell.strip_suffix('`'));
        if let (true, Some(key)) = (line.starts_with('|'), key) {
            let last = cells[cells.len() - 1].to_owned();
            found
                .entry(heading.clone())
                .or_default()
                .push((key.to_owned(), last));
        }
    }
    found
}

fn keys_of(rows: Option<&Vec<(String, String)>>) -> BTreeSet<String> {
    rows.into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    let map = schema["properties"].as_object().expect("an object");
    map.keys().cloned().collect()
}

#[test]
fn the_page_of_plans_has_every_field() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    let schema = dynwf.line("plan --schema").success().json();
    let tables = tables(&page("docs/plan.md"));
    for (heading, name) in [
        ("[integration]", "Integration"),
        ("[budget]", "Budget"),
        ("[[risk]]", "Risk"),
        ("[[gate]]", "PlanGate"),
        ("[[check]]", "Check"),
        ("[[packet]]", "Packet"),
    ] {
        let keys = keys_of(tables.get(heading));
        assert_eq!(keys, properties(&schema["$defs"][name]), "{heading}");
    }
    let mut top = keys_of(tables.get("Top level"));
    top.extend(["integration", "budget", "risk", "gate", "check", "packet"].map(str::to_owned));
    assert_eq!(top, properties(&schema));
}

#[test]
fn the_page_of_settings_has_every_key_and_its_default() {
    use dynwf::config::file::{AgentConfig, File, RoleConfig};
    let defaults = serde_json::to_value(File::default()).unwrap();
    let text = page("docs/config.md");
    let tables = tables(&text);
    let tables_of_file = defaults.as_object().expect("tables").iter();
    for (table, keys) in
        tables_of_file.filter(|(name, _)| !["agents", "roles"].contains(&name.as_str()))
    {
        let rows = tables.get(&format!("[{table}]"));
        let keys = keys.as_object().expect("keys");
        assert_eq!(keys_of(rows), keys.keys().cloned().collect(), "[{table}]");
        for (key, shown) in rows.into_iter().flatten() {
            let shown = shown
                .strip_prefix('`')
                .and_then(|cell| cell.strip_suffix('`'));
            let value = shown.and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let Some(value) = value {
                assert_eq!(value, keys[key], "default of {table}.{key}");
            }
        }
    }
    let names = |value: Value| -> BTreeSet<String> {
        value.as_object().expect("keys").keys().cloned().collect()
    };
    let agent = names(serde_json::to_value(AgentConfig::default()).unwrap());
    assert_eq!(keys_of(tables.get("[agents.NAME]")), agent);
    for key in names(serde_json::to_value(RoleConfig::default()).unwrap()) {
        let roles = text.split("## [roles.NAME]").nth(1).expect("a section");
        assert!(roles.contains(&format!("`{key}`")), "roles: {key}");
    }
}

#[test]
fn the_settings_that_init_writes_are_those_of_the_page() {
    let repo = TestRepo::small();
    Dynwf::new(&repo).line("init").success();
    let written = repo.read("dynwf.toml");
    let mut table = String::new();
    let documented = tables(&page("docs/config.md"));
    for line in written.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            name.clone_into(&mut table);
        }
        let setting = line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "));
        if let Some((key, _)) = setting.filter(|_| !table.is_empty()) {
            let known = keys_of(documented.get(&format!("[{table}]")));
            assert!(known.contains(key), "[{table}] {key}");
        }
    }
}

#[test]
fn every_example_is_a_good_plan() {
    let repo = TestRepo::small();
    let dynwf = Dynwf::new(&repo);
    let examples = fs::read_dir(root().join("examples")).unwrap();
    let mut seen = 0;
    for entry in examples {
        let file = entry.unwrap().path();
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let from = file.display().to_string();
        let planned = dynwf.run(["plan", &name, "--from", &from]).success();
        assert!(!planned.stderr.contains("no checks"), "{planned}");
        let pages = repo.read(&format!(".workflow/{name}/plan.md"));
        assert!(pages.contains("01-"), "{pages}");
        seen += 1;
    }
    assert!(seen > 0);
}
