use super::*;
use crate::plan::parse::parse_toml;

const PLAN: &str = r#"
goal = "Replace log by tracing"
success = ["no crate depends on log"]
context = "Crates live in crates/"
constraints = ["keep the public API"]
base = "main"
[integration]
target = "main"
overlap = "serialize"
[budget]
concurrency = 2
[[risk]]
what = "feature flags"
severity = "high"
mitigation = "check --all-features"
[[gate]]
before = "packet:02-db"
why = "runs a migration"
[[check]]
name = "tests"
run = "cargo test"
[[check]]
name = "fmt"
run = "cargo fmt --check"
when = "packet"
[[packet]]
id = "01-net"
objective = "Port the net crate | first"
context = "See `net`"
owner = "@net-team"
scope = ["crates/net/**"]
sources = ["docs/logging.md"]
do = ["replace macros", "first\nthen"]
dont = ["touch crates/core"]
expect = "builds"
stop = "no use of log"
checks = ["cargo check -p net"]
agent = "codex"
turns = 3
[[packet]]
id = "02-db"
objective = "Port db"
scope = ["crates/**/x.rs"]
run = "sed -i 's/`a`/b/' x"
[[packet]]
id = "03-look"
objective = "Look around"
kind = "research"
agent = "parent"
after = ["01-net"]
"#;

fn parts() -> (Plan, Slug) {
    let plan = parse_toml(PLAN, "plan.toml").expect("good").0;
    (plan, "refactor".parse().expect("a slug"))
}

fn setting(slug: &Slug) -> Setting<'_> {
    Setting {
        slug,
        base: None,
        target: None,
    }
}

fn headings(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect()
}

/// Returns what stands below a heading.
fn below<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = format!("\n## {heading}\n");
    let (_, rest) = text.split_once(&start).expect("the heading is there");
    rest.split("\n## ").next().unwrap_or(rest).trim()
}

#[test]
fn plan_md_has_every_heading_and_what_was_planned() {
    let (plan, slug) = parts();
    let text = plan_md(&setting(&slug), &plan);
    assert_eq!(
        headings(&text),
        [
            "Goal",
            "Success criteria",
            "Current context",
            "Constraints",
            "Risks",
            "Approval required",
            "Work packets",
            "Integration policy",
            "Verification",
            "Reusable artifacts"
        ]
    );
    assert!(text.starts_with("# Plan: refactor\n"));
    assert_eq!(below(&text, "Goal"), "Replace log by tracing");
    assert_eq!(
        below(&text, "Risks"),
        "- high: feature flags — check --all-features"
    );
    assert!(
        below(&text, "Current context")
            .ends_with("Work starts from `main`, pinned when the plan is split.")
    );
    let approval = below(&text, "Approval required");
    assert!(
        approval.starts_with("- before `packet:02-db` — runs a migration\n"),
        "{approval}"
    );
    assert!(approval.contains("- before `main` moves\n"), "{approval}");
    let packets = below(&text, "Work packets");
    assert!(
        packets.contains("| [01-net](packets/01-net.md) | Port the net crate \\| first | `crates/net/**` | `codex` |  |"),
        "{packets}"
    );
    assert_eq!(
        below(&text, "Verification"),
        "- integrated tree: tests: `cargo test`\n- each packet: fmt: `cargo fmt --check`\n- `01-net`: `cargo check -p net`"
    );
}

#[test]
fn orchestration_md_has_the_effective_order() {
    let (plan, slug) = parts();
    let base: CommitId = "0123456789abcdef0123456789abcdef01234567"
        .parse()
        .expect("an id");
    let target = RefName::of_branch("main").expect("a branch");
    let pinned = Setting {
        slug: &slug,
        base: Some(&base),
        target: Some(&target),
    };
    let text = orchestration_md(&pinned, &plan);
    assert_eq!(
        headings(&text),
        ["Order", "Branching rules", "Prompts", "Completion audit"]
    );
    let order = below(&text, "Order");
    assert!(
        order.starts_with("1. `01-net`\n2. `02-db`, `03-look`\n"),
        "{order}"
    );
    assert!(
        order.contains("- `02-db` needs `01-net`"),
        "overlapping scopes are an order\n{order}"
    );
    let rules = below(&text, "Branching rules");
    assert!(rules.contains("- base: `0123456789ab` (`main`)"), "{rules}");
    assert!(rules.contains("- at most 2 units at once"), "{rules}");
    let prompts = below(&text, "Prompts");
    assert!(
        prompts.contains(
            "### 02-db\n\nPort db\n\nEdits files as `command` — ``sed -i 's/`a`/b/' x``;"
        ),
        "{prompts}"
    );
    assert!(below(&text, "Completion audit").contains("- success: no crate depends on log"));
}

#[test]
fn a_packets_page_has_every_heading_and_stands_alone() {
    let (plan, slug) = parts();
    let text = packet_md(&setting(&slug), &plan, &plan.packets[0]);
    assert_eq!(
        headings(&text),
        [
            "Packet ID",
            "Objective",
            "Context",
            "Files / sources",
            "Ownership",
            "Do",
            "Do not",
            "Expected output",
            "Stop condition",
            "Verification"
        ]
    );
    assert_eq!(
        below(&text, "Context"),
        "The whole change: Replace log by tracing\n\nCrates live in crates/\n\nSee `net`"
    );
    assert_eq!(
        below(&text, "Ownership"),
        "Owner: @net-team. Worker: `codex`.\n\nOnly these paths may change:\n\n- `crates/net/**`"
    );
    assert_eq!(below(&text, "Do"), "- replace macros\n- first\n  then");
    assert!(
        below(&text, "Do not")
            .starts_with("- touch crates/core\n- break this: keep the public API\n")
    );
    assert_eq!(
        below(&text, "Stop condition"),
        "no use of log\nAfter 3 turns at the latest."
    );
    assert_eq!(
        below(&text, "Verification"),
        "- `cargo check -p net`\n- fmt: `cargo fmt --check`"
    );
    let research = packet_md(&setting(&slug), &plan, &plan.packets[2]);
    assert!(below(&research, "Ownership").ends_with("This packet changes no files."));
    assert!(
        below(&research, "Context").ends_with("It starts from the integrated result of `01-net`.")
    );
    assert_eq!(below(&research, "Expected output"), "Nothing is stated.");
}

#[test]
fn text_of_the_plan_cannot_deceive_the_reader() {
    let (mut plan, slug) = parts();
    plan.goal = "a\u{202e}b\u{1b}[2J".to_owned();
    for text in [
        plan_md(&setting(&slug), &plan),
        packet_md(&setting(&slug), &plan, &plan.packets[0]),
    ] {
        assert!(text.contains("a\\u{202e}b\\u{1b}[2J"), "{text}");
    }
}
