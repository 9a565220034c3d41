//! What an amended plan changes, and whether it may.
//!
//! A frozen plan can grow: new packets, wider scopes, bigger budgets. What is finished stays as it was done:
//! an amendment that would rewrite it is refused, whole.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::error::Failure;
use crate::model::id::PacketId;
use crate::model::plan::{Check, CheckWhen, Packet, Plan};

/// The name of a packet's limits among what differs.
const LIMITS: &str = "limits";

/// Returns what differs between the frozen plan and its amendment, a line each for people; empty if nothing
/// does. `settled` says whether a packet's work is done or given up.
///
/// # Errors
/// A usage failure that lists every change of something finished: a settled packet that is changed, taken out
/// or made to wait for something else, another base, another target.
pub fn changes(old: &Plan, new: &Plan, settled: &dyn Fn(&PacketId) -> bool) -> Result<Vec<String>> {
    let mut refused = Vec::new();
    if old.base != new.base {
        refused.push(format!(
            "the base is pinned: {}",
            from_to(old.base.as_deref(), new.base.as_deref())
        ));
    }
    let targets = (
        old.integration.target.as_deref(),
        new.integration.target.as_deref(),
    );
    if targets.0 != targets.1 {
        refused.push(format!(
            "the target is pinned: {}",
            from_to(targets.0, targets.1)
        ));
    }
    let any_settled = old.packets.iter().any(|packet| settled(&packet.id));
    if old.integration.strategy != new.integration.strategy && any_settled {
        refused.push("packets are finished by the old strategy".to_owned());
    }
    let mut lines = plan_changes(old, new);
    for packet in &old.packets {
        match new.packet(&packet.id) {
            None if settled(&packet.id) => {
                refused.push(format!(
                    "packet {} is finished and cannot be taken out",
                    packet.id
                ));
            }
            None => lines.push(format!("packet {} is taken out", packet.id)),
            Some(other) => {
                let differs = packet_changes(packet, other);
                // A limit rewrites nothing: raised, it lets a packet that it ended be begun again.
                let rewrites = differs.iter().any(|(name, _)| *name != LIMITS);
                if rewrites && settled(&packet.id) {
                    let what = names(&differs);
                    refused.push(format!(
                        "packet {} is finished: {what} cannot change",
                        packet.id
                    ));
                } else {
                    let id = &packet.id;
                    lines.extend(
                        differs
                            .into_iter()
                            .map(|(_, line)| format!("packet {id}: {line}")),
                    );
                }
            }
        }
    }
    let added = new
        .packets
        .iter()
        .filter(|packet| old.packet(&packet.id).is_none());
    lines.extend(added.map(|packet| format!("packet {} is new: {}", packet.id, packet.objective)));
    if refused.is_empty() {
        return Ok(lines);
    }
    let message = format!(
        "the amended plan would rewrite what is done:\n  {}",
        refused.join("\n  ")
    );
    Err(Failure::usage(message)
        .hint("put the old text back, and add a new packet for what is still to do")
        .into())
}

fn names(differs: &[(&'static str, String)]) -> String {
    let names: Vec<&str> = differs.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

fn from_to(old: Option<&str>, new: Option<&str>) -> String {
    let shown = |value: Option<&str>| value.unwrap_or("nothing").to_owned();
    format!("{} → {}", shown(old), shown(new))
}

fn plan_changes(old: &Plan, new: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    let mut texts = |name: &str, differs: bool| {
        if differs {
            lines.push(format!("{name} is another"));
        }
    };
    texts("the goal", old.goal != new.goal);
    texts("success", old.success != new.success);
    texts("the context", old.context != new.context);
    texts("constraints", old.constraints != new.constraints);
    texts("the list of risks", old.risks != new.risks);
    let integrations = (&old.integration, &new.integration);
    texts(
        "the strategy",
        integrations.0.strategy != integrations.1.strategy,
    );
    texts(
        "the order of merges",
        integrations.0.order != integrations.1.order,
    );
    texts(
        "what is done with overlaps",
        integrations.0.overlap != integrations.1.overlap,
    );
    texts(
        "whether guilty packets are taken out",
        integrations.0.bisect != integrations.1.bisect,
    );
    let (budget, other) = (&old.budget, &new.budget);
    let numbers = [
        (
            "concurrency",
            shown(budget.concurrency),
            shown(other.concurrency),
        ),
        ("minutes", shown(budget.minutes), shown(other.minutes)),
        ("tokens", shown(budget.tokens), shown(other.tokens)),
        ("dollars", shown(budget.dollars), shown(other.dollars)),
        ("packets", shown(budget.packets), shown(other.packets)),
    ];
    for (name, was, is) in numbers {
        if was != is {
            lines.push(format!("budget {name}: {was} → {is}"));
        }
    }
    let name = |text: &str, plus: bool| format!("{} {text}", if plus { "new" } else { "no more" });
    let checks = |plan: &Plan| plan.checks.iter().map(check_line).collect();
    let gates = |plan: &Plan| {
        plan.gates
            .iter()
            .map(|gate| format!("gate before {}", gate.before))
            .collect()
    };
    for (was, is) in [(checks(old), checks(new)), (gates(old), gates(new))] {
        let (was, is): (BTreeSet<String>, BTreeSet<String>) = (was, is);
        lines.extend(was.difference(&is).map(|text| name(text, false)));
        lines.extend(is.difference(&was).map(|text| name(text, true)));
    }
    lines
}

fn check_line(check: &Check) -> String {
    let when = match check.when {
        CheckWhen::Packet => "on packets",
        CheckWhen::Integrated => "on the result",
        CheckWhen::Both => "on both",
    };
    let minutes = check
        .minutes
        .map_or(String::new(), |minutes| format!(", {minutes} minutes"));
    let must = if check.must_pass { ", must pass" } else { "" };
    format!("check {} `{}` {when}{minutes}{must}", check.name, check.run)
}

fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "no limit".to_owned(), |value| value.to_string())
}

/// Returns the fields in which two versions of a packet differ, each with a line for people.
fn packet_changes(old: &Packet, new: &Packet) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let ids = |packet: &Packet| {
        packet
            .after
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    for (name, was, is) in [
        ("scope", &old.scope, &new.scope),
        ("checks", &old.checks, &new.checks),
        ("after", &ids(old), &ids(new)),
        ("sources", &old.sources, &new.sources),
        ("do", &old.steps, &new.steps),
        ("dont", &old.dont, &new.dont),
    ] {
        if was != is {
            found.push((name, list_change(name, was, is)));
        }
    }
    for (name, differs) in [
        ("objective", old.objective != new.objective),
        ("context", old.context != new.context),
        ("owner", old.owner != new.owner),
        ("expect", old.expect != new.expect),
        ("stop", old.stop != new.stop),
        ("kind", old.kind != new.kind),
        ("run", old.run != new.run),
    ] {
        if differs {
            found.push((name, format!("{name} is another")));
        }
    }
    let numbers = [
        ("turns", shown(old.turns), shown(new.turns)),
        ("minutes", shown(old.minutes), shown(new.minutes)),
        (
            "total_minutes",
            shown(old.total_minutes),
            shown(new.total_minutes),
        ),
        ("tokens", shown(old.tokens), shown(new.tokens)),
        ("dollars", shown(old.dollars), shown(new.dollars)),
    ];
    for (name, was, is) in numbers {
        if was != is {
            found.push((LIMITS, format!("{name} {was} → {is}")));
        }
    }
    if old.agent_name() != new.agent_name() {
        let line = format!("agent {} → {}", old.agent_name(), new.agent_name());
        found.push(("agent", line));
    }
    found
}

fn list_change(name: &str, old: &[String], new: &[String]) -> String {
    let signed = |sign: char, from: &[String], other: &[String]| -> Vec<String> {
        let only = from.iter().filter(|item| !other.contains(item));
        only.map(|item| format!("{sign}{item}")).collect()
    };
    let mut items = signed('+', new, old);
    items.extend(signed('-', old, new));
    if items.is_empty() {
        return format!("{name} in another order");
    }
    format!("{name} {}", items.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::parse::parse_toml;

    const PLAN: &str = "goal = \"g\"\n[budget]\ntokens = 5\n[[check]]\nname = \"t\"\nrun = \"true\"\n[[packet]]\nid = \"a\"\n\
                        objective = \"o\"\nscope = [\"a\"]\nrun = \"x\"\n[[packet]]\nid = \"b\"\nobjective = \"o\"\nscope = [\"b\"]\n\
                        run = \"x\"\n";

    fn compare(edit: &dyn Fn(&str) -> String, settled: &[&str]) -> Result<Vec<String>> {
        let read = |text: &str| parse_toml(text, "plan.toml").expect("good").0;
        changes(&read(PLAN), &read(&edit(PLAN)), &|id| {
            settled.contains(&id.as_str())
        })
    }

    #[test]
    fn a_plan_can_grow() {
        let lines = compare(
            &|text| {
                text.replace("tokens = 5", "tokens = 9\ndollars = 1.5")
                    .replace("[\"b\"]", "[\"b\", \"c/**\"]")
                    .replace("name = \"t\"", "name = \"u\"")
                    + "after = [\"a\"]\n[[packet]]\nid = \"c\"\nobjective = \"more\"\nscope = [\"d\"]\nrun = \"x\"\n[[gate]]\nbefore = \"land\"\n"
            },
            &["a"],
        );
        assert_eq!(
            lines.expect("allowed"),
            [
                "budget tokens: 5 → 9",
                "budget dollars: no limit → 1.5",
                "no more check t `true` on the result",
                "new check u `true` on the result",
                "new gate before land",
                "packet b: scope +c/**",
                "packet b: after +a",
                "packet c is new: more",
            ]
        );
        assert_eq!(
            compare(&|text| text.to_owned(), &["a", "b"]).expect("same"),
            [""; 0]
        );
    }

    #[test]
    fn what_is_finished_stays_as_it_was_done() {
        let changed = |text: &str| {
            text.replace(
                "scope = [\"a\"]\nrun = \"x\"",
                "scope = [\"aa\"]\nrun = \"y\"",
            )
        };
        assert_eq!(
            compare(&changed, &["b"]).expect("a is not finished").len(),
            2
        );
        let error = compare(&changed, &["a"]).expect_err("a is finished");
        assert_eq!(crate::error::code_of(&error), crate::error::ExitCode::Usage);
        assert!(
            error
                .to_string()
                .contains("packet a is finished: scope, run cannot change"),
            "{error}"
        );
        assert!(crate::error::hint_of(&error).is_some());

        let gone = |text: &str| text[..text.rfind("[[packet]]").expect("two packets")].to_owned();
        assert_eq!(
            compare(&gone, &["a"]).expect("b is not finished"),
            ["packet b is taken out"]
        );
        let error = compare(&gone, &["b"]).expect_err("b is finished");
        assert!(
            error
                .to_string()
                .contains("packet b is finished and cannot be taken out"),
            "{error}"
        );
    }

    #[test]
    fn base_target_and_strategy_are_pinned() {
        for (extra, settled, expected) in [
            (
                "base = \"v1\"\n",
                &[][..],
                Some("the base is pinned: nothing → v1"),
            ),
            (
                "integration = {target = \"x\"}\n",
                &[],
                Some("the target is pinned: nothing → x"),
            ),
            (
                "integration = {strategy = \"squash\"}\n",
                &["a"],
                Some("by the old strategy"),
            ),
            ("integration = {strategy = \"squash\"}\n", &[], None),
        ] {
            let result = compare(&|text| format!("{extra}{text}"), settled);
            match (result, expected) {
                (Ok(lines), None) => assert_eq!(lines, ["the strategy is another"]),
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (result, _) => panic!("{extra}: {result:?}"),
            }
        }
    }
}
