use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::toml_text;
use crate::model::id::PacketId;
use crate::model::plan::{
    Budget, Check, CheckWhen, Integration, Kind, Order, Overlap, Packet, Plan, PlanGate, Risk,
    Severity,
};
use crate::plan::parse::{parse_json, parse_toml};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,12}",
        "[\"\\\\'\n\r\t#=\\[\\]{}\u{0}\u{7f}\u{85}\u{feff}äx]{0,10}",
        ".{0,60}"
    ]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn id() -> impl Strategy<Value = PacketId> {
    "[a-z0-9][a-z0-9-]{0,9}".prop_map(|text| text.parse().expect("an id"))
}

fn positive() -> impl Strategy<Value = Option<u32>> {
    option::of(1u32..)
}

fn tokens() -> impl Strategy<Value = Option<u64>> {
    option::of(0..i64::MAX.unsigned_abs())
}

fn integration() -> impl Strategy<Value = Integration> {
    use crate::model::plan::Strategy as Merging;
    let strategies = prop_oneof![
        Just(Merging::Merge),
        Just(Merging::Squash),
        Just(Merging::Rebase)
    ];
    let orders = prop_oneof![Just(Order::Plan), Just(Order::SmallestFirst)];
    let overlaps = prop_oneof![
        Just(Overlap::Error),
        Just(Overlap::Serialize),
        Just(Overlap::Allow)
    ];
    let bisect = option::of(any::<bool>());
    (option::of(text()), strategies, orders, overlaps, bisect).prop_map(
        |(target, strategy, order, overlap, bisect)| Integration {
            target,
            strategy,
            order,
            overlap,
            bisect,
        },
    )
}

fn budget() -> impl Strategy<Value = Budget> {
    let dollars = option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO);
    let limits = (positive(), tokens(), dollars, positive());
    (option::of(1u32..=256), limits).prop_map(
        |(concurrency, (minutes, tokens, dollars, packets))| Budget {
            concurrency,
            minutes,
            tokens,
            dollars,
            packets,
        },
    )
}

fn risk() -> impl Strategy<Value = Risk> {
    let severities = prop_oneof![
        Just(Severity::Low),
        Just(Severity::Medium),
        Just(Severity::High)
    ];
    (text(), severities, text()).prop_map(|(what, severity, mitigation)| Risk {
        what,
        severity,
        mitigation,
    })
}

fn check() -> impl Strategy<Value = Check> {
    let whens = prop_oneof![
        Just(CheckWhen::Packet),
        Just(CheckWhen::Integrated),
        Just(CheckWhen::Both)
    ];
    (text(), text(), whens, positive(), any::<bool>()).prop_map(
        |(name, run, when, minutes, must_pass)| Check {
            name,
            run,
            when,
            minutes,
            must_pass,
        },
    )
}

fn packet() -> impl Strategy<Value = Packet> {
    let kinds = prop_oneof![
        Just(Kind::Edit),
        Just(Kind::Research),
        Just(Kind::Resolve),
        Just(Kind::Review)
    ];
    let words = (id(), text(), text(), option::of(text()), text(), text());
    let lists = (texts(), texts(), texts(), texts(), texts(), vec(id(), 0..3));
    let rest = (
        option::of(text()),
        option::of(text()),
        kinds,
        option::of(1u32..=100),
        (positive(), positive()),
        (tokens(), option::of(prop::num::f64::NORMAL)),
    );
    (words, lists, rest).prop_map(
        |(
            (id, objective, context, owner, expect, stop),
            (scope, sources, steps, dont, checks, after),
            (agent, run, kind, turns, (minutes, total_minutes), (tokens, dollars)),
        )| Packet {
            id,
            objective,
            context,
            owner,
            scope,
            sources,
            steps,
            dont,
            expect,
            stop,
            checks,
            after,
            agent,
            run,
            kind,
            turns,
            minutes,
            total_minutes,
            tokens,
            dollars,
            schema: None,
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let words = (text(), texts(), text(), texts(), option::of(text()));
    let gates = (text(), text()).prop_map(|(before, why)| PlanGate { before, why });
    let tables = (
        vec(risk(), 0..3),
        vec(gates, 0..3),
        vec(check(), 0..3),
        vec(packet(), 0..4),
    );
    (words, integration(), budget(), tables).prop_map(
        |(
            (goal, success, context, constraints, base),
            integration,
            budget,
            (risks, gates, checks, packets),
        )| Plan {
            goal,
            success,
            context,
            constraints,
            base,
            integration,
            budget,
            risks,
            gates,
            checks,
            packets,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_plan_reads_back_as_it_was(plan in plan()) {
        let text = toml_text(&plan);
        let read = parse_toml(&text, "plan.toml").map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read.0, &plan, "{}", text);
        let json = serde_json::to_string(&plan).expect("serialises");
        let read = parse_json(&json, "plan.json").map_err(|error| TestCaseError::fail(format!("{error}\n{json}")))?;
        prop_assert_eq!(&read.0, &plan, "{}", json);
    }
}

#[test]
fn the_text_is_what_a_person_would_write() {
    let written = "goal = \"g\"\nsuccess = [\"a\", \"b\"]\ncontext = \"\"\"\nfirst \"line\"\nsecond\"\"\"\n\n[integration]\n\
                   overlap = \"allow\"\n\n[[check]]\nname = \"t\"\nrun = \"cargo test\"\n\n[[packet]]\nid = \"a\"\n\
                   objective = \"o\"\nscope = [\n    \"crates/a-crate-with-quite-a-long-name/src/**\",\n    \
                   \"crates/another-crate-with-a-long-name/src/**\",\n]\nrun = \"sed -i 's/\\\\\\\\/x/' a\"\n";
    let plan = parse_toml(written, "plan.toml").expect("good").0;
    assert_eq!(toml_text(&plan), written);
}

#[test]
fn quotes_at_the_end_of_many_lines_are_escaped_once() {
    for text in ["\n\"", "\n\"\"", "\n\"\"\"", "\n\"\"\"\"", "\n\\\""] {
        let plan = Plan {
            goal: text.to_owned(),
            ..Plan::default()
        };
        let (read, _) = crate::plan::parse_toml(&toml_text(&plan), "plan.toml").expect("parses");
        assert_eq!(read.goal, text);
    }
}
