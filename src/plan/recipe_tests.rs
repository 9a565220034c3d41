use super::*;
use crate::error::{ExitCode, code_of, hint_of};
use crate::plan::parse::parse_toml;

const PLAN: &str = r#"
goal = "Replace log by tracing"
success = ["no crate depends on log"]
base = "main"
[integration]
target = "main"
overlap = "allow"
[[risk]]
what = "feature flags"
[[gate]]
before = "packet:02-b"
[[gate]]
before = "land"
[[check]]
name = "tests"
run = "cargo test"
[[packet]]
id = "01-a"
objective = "Port a"
scope = ["a/**"]
run = "true"
[[packet]]
id = "02-b"
objective = "Port b"
scope = ["b/**"]
run = "true"
[[packet]]
id = "03-c"
objective = "Port c"
scope = ["c/**"]
agent = "codex"
after = ["01-a", "02-b"]
"#;

const RECIPE: &str = r#"name = "port"
description = "Port crates"
verification = ["tests: cargo test"]

[[parameter]]
name = "to"
what = "the new crate"

[[parameter]]
name = "from"
default = "log"

[plan]
goal = "Replace {{from}} by {{to}}"

[[plan.packet]]
id = "01-a"
objective = "Port a from {{from}}, keep {{ this }}"
scope = ["a/**"]
run = "sed -i 's/{{from}}/{{to}}/' a/*"
"#;

fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

#[test]
fn a_finished_workflow_becomes_a_recipe_that_gives_the_plan_back() {
    let plan = parse_toml(PLAN, "plan.toml").expect("good").0;
    let outcome = Outcome {
        left_out: vec!["02-b".parse().expect("an id")],
        lessons: vec!["01-a and 03-c conflict in lib.rs".to_owned()],
    };
    let recipe = from_finished(&slug("port"), &plan, &outcome).expect("no secrets");
    assert_eq!(
        recipe.known_risks,
        ["feature flags", "01-a and 03-c conflict in lib.rs"]
    );
    assert_eq!(
        recipe.verification,
        ["no crate depends on log", "tests: cargo test"]
    );
    let text = to_text(&recipe);
    assert_eq!(
        parse(&text, "port.toml").expect("reads back"),
        recipe,
        "{text}"
    );

    let again = instantiate(&recipe, &given(&[])).expect("all have defaults");
    assert_eq!(again.goal, "Replace log by tracing");
    assert_eq!((again.base, again.integration.target), (None, None));
    let ids: Vec<&str> = again
        .packets
        .iter()
        .map(|packet| packet.id.as_str())
        .collect();
    assert_eq!(ids, ["01-a", "03-c"]);
    assert_eq!(
        again.packets[1]
            .after
            .iter()
            .map(PacketId::as_str)
            .collect::<Vec<_>>(),
        ["01-a"]
    );
    assert_eq!(
        again.gates.len(),
        1,
        "the gate of the packet that was left out is gone"
    );
    let other = instantiate(&recipe, &given(&[("goal", "Another")])).expect("good");
    assert_eq!(other.goal, "Another");
}

#[test]
fn a_plan_with_braces_of_its_own_comes_back_as_it_was() {
    let mut plan = parse_toml(PLAN, "plan.toml").expect("good").0;
    plan.packets[0].run = Some("render '{{name}}' '{{goal}}' '{{ x }}' '{{'".to_owned());
    let recipe = from_finished(&slug("x"), &plan, &Outcome::default()).expect("no secrets");
    let recipe = parse(&to_text(&recipe), "x.toml").expect("reads back");
    let again = instantiate(&recipe, &given(&[])).expect("all have defaults");
    assert_eq!((again.goal, again.packets), (plan.goal, plan.packets));
}

#[test]
fn placeholders_are_filled_once_and_everywhere() {
    let recipe = parse(RECIPE, "port.toml").expect("good");
    assert_eq!(to_text(&recipe), RECIPE);
    let plan = instantiate(&recipe, &given(&[("to", "{{from}}")])).expect("good");
    assert_eq!(plan.goal, "Replace log by {{from}}");
    assert_eq!(
        plan.packets[0].objective,
        "Port a from log, keep {{ this }}"
    );
    assert_eq!(
        plan.packets[0].run.as_deref(),
        Some("sed -i 's/log/{{from}}/' a/*")
    );
}

#[test]
fn unknown_and_missing_parameters_are_named() {
    let recipe = parse(RECIPE, "port.toml").expect("good");
    let error = instantiate(&recipe, &given(&[("form", "x")])).expect_err("bad");
    assert_eq!(code_of(&error), ExitCode::Usage);
    assert_eq!(
        error.to_string(),
        "the recipe port cannot be used: no parameter is called `form`; did you mean `from`?; the parameter `to` (the \
         new crate) is missing"
    );
    assert_eq!(hint_of(&error), Some("dynwf recipe show port"));
}

#[test]
fn what_is_wrong_with_a_recipe_is_named_with_its_place() {
    for (from, to, expected) in [
        (
            "name = \"port\"",
            "name = \"Port\"",
            "port.toml:1:8: `Port` is not a name",
        ),
        (
            "description",
            "descripton",
            "port.toml:2:1: unknown key `descripton`; did you mean `description`?",
        ),
        (
            "name = \"to\"",
            "name = \"T o\"",
            "port.toml:6:8: `T o` is no parameter name",
        ),
        (
            "name = \"from\"",
            "name = \"to\"",
            "port.toml:10:8: two parameters are called `to`",
        ),
        (
            "by {{to}}",
            "by {{too}}",
            "port.toml:14:29: no parameter is called `too`; did you mean `to`?",
        ),
        (
            "id = \"01-a\"",
            "id = \"01 a\"",
            "port.toml:17:6: `01 a` is not a packet id",
        ),
        (
            "scope = ",
            "scop = ",
            "port.toml:19:1: unknown key `scop` in [plan.packet]; did you mean `scope`?",
        ),
        ("[plan]", "[plan", "port.toml:13:"),
    ] {
        assert!(RECIPE.contains(from), "{from}");
        let error = parse(&RECIPE.replacen(from, to, 1), "port.toml").expect_err(expected);
        assert_eq!(code_of(&error), ExitCode::Usage);
        assert!(error.to_string().contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn a_secret_never_gets_into_a_recipe() {
    // Made up here, so that no scanner takes this file for a leak.
    for secret in [
        format!("AKIA{}", "Q7".repeat(8)),
        format!("curl -H 'x: ghp_{}'", "a1".repeat(15)),
        format!("-----BEGIN {} PRIVATE KEY-----", "OPENSSH"),
        format!("sk-{}", "b2".repeat(12)),
    ] {
        let mut plan = parse_toml(PLAN, "plan.toml").expect("good").0;
        plan.packets[0].run = Some(secret.clone());
        let error = from_finished(&slug("x"), &plan, &Outcome::default()).expect_err(&secret);
        assert_eq!(code_of(&error), ExitCode::Usage);
        assert!(!error.to_string().contains(&secret), "{error}");
    }
    let mut plan = parse_toml(PLAN, "plan.toml").expect("good").0;
    plan.context = "task-by-task, disk-usage-of-everything-here, sk-short".to_owned();
    assert!(from_finished(&slug("x"), &plan, &Outcome::default()).is_ok());
}
