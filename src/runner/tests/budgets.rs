//! Budgets: what is reserved, what is counted, what is not known, what goes on once a limit is raised.

use std::collections::BTreeMap;

use super::in_order;
use super::world::{Fate, World, id};
use crate::agent::RateLimit;
use crate::error::ExitCode;
use crate::model::id::UnitId;
use crate::model::state::Limit;
use crate::model::status::PacketStatus;
use crate::model::unit::{UnitOutcome, Usage};
use crate::runner::goal::Goal;
use crate::runner::jobs::{Job, jobs};
use crate::runner::limit;
use crate::runner::message::Input;

/// A plan with a budget, and a packet for each id with these further lines.
fn plan(budget: &str, packets: &[(&str, &str)]) -> String {
    let mut text = format!("goal = \"g\"\n[budget]\n{budget}\n");
    for (name, more) in packets {
        text.push_str(&format!(
            "[[packet]]\nid = \"{name}\"\nobjective = \"o\"\nscope = [\"src/{name}.rs\"]\n{more}\n"
        ));
    }
    text
}

fn used(tokens: u64, dollars: Option<f64>) -> Usage {
    Usage {
        input_tokens: Some(tokens),
        output_tokens: None,
        dollars,
    }
}

/// Answers every job but the agents', until those alone are left.
fn until_agents_work(world: &mut World) {
    world.options.goal = Goal::Run;
    world.take(None);
    while let Some(job) = jobs(&world.state, &world.options)
        .into_iter()
        .find(|job| !matches!(job, Job::Attend(_)))
    {
        let input = world.answer(&job);
        world.take(Some(input));
    }
}

fn end(world: &mut World, unit: UnitId) {
    let input = world.end_of_unit(unit);
    world.take(Some(input));
}

#[test]
fn dollars_are_reserved_before_an_agent_starts() {
    let own = "agent = \"claude\"\ndollars = 1.0";
    let text = plan(
        "dollars = 2.5",
        &[("a", own), ("b", own), ("c", own), ("d", own)],
    );
    let mut world = World::new(&text, BTreeMap::new());
    world.options.concurrency = 4;
    world.options.cores = 4;
    world.used = Some(used(10, Some(0.25)));
    until_agents_work(&mut world);
    assert_eq!(world.state.units.len(), 2, "three could cost 3 dollars");
    assert!((world.state.reserved().dollars - 2.0).abs() < 1e-9);
    let first = *world.state.units.keys().next().expect("a unit");
    end(&mut world, first);
    until_agents_work(&mut world);
    assert_eq!(
        world.state.units.len(),
        2,
        "0.25 are spent and 2 are reserved"
    );
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert!((world.state.spent.dollars - 1.0).abs() < 1e-9);
}

#[test]
fn the_mean_of_earlier_turns_is_reserved_where_a_packet_has_no_limit() {
    let agent = "agent = \"pi\"";
    let names = [("a", agent), ("b", agent), ("c", agent), ("d", agent)];
    let mut world = World::new(&plan("tokens = 1000", &names), BTreeMap::new());
    world.options.concurrency = 4;
    world.options.cores = 4;
    world.used = Some(used(400, None));
    until_agents_work(&mut world);
    assert_eq!(world.state.units.len(), 4, "a quarter each");
    assert_eq!(world.state.reserved().tokens, 1000);
    end(&mut world, UnitId(1));
    assert_eq!(world.state.share("pi", None).tokens, 400);
    assert_eq!(world.state.reserved().tokens, 1200);
}

#[test]
fn a_packet_gets_no_further_turn_beyond_its_own_limits() {
    for (line, why) in [
        ("dollars = 1.0", "its budget of 1 dollars is used up"),
        ("tokens = 15", "its budget of 15 tokens is used up"),
    ] {
        let more = format!("agent = \"claude\"\nchecks = [\"c\"]\nturns = 9\n{line}");
        let fate = Fate {
            check: 1,
            ..Fate::default()
        };
        let text = plan("", &[("a", &more)]);
        let mut world = World::new(&text, BTreeMap::from([(id("a"), fate)]));
        world.used = Some(used(10, Some(0.6)));
        world.run(Goal::Run, in_order);
        assert_eq!(world.state.packets[&id("a")].turn, 2);
        let reason = world.state.reason_of(&id("a")).expect("a reason");
        assert_eq!(reason, format!("check `c` exit 1; stopped: {why}"));
    }
}

#[test]
fn a_turn_takes_no_longer_than_its_packet_has_left() {
    let more = "agent = \"claude\"\nminutes = 30\ntotal_minutes = 2";
    let mut world = World::new(&plan("", &[("a", more)]), BTreeMap::new());
    until_agents_work(&mut world);
    let live = world.state.units.values().next().expect("a unit");
    assert_eq!(live.unit.seconds, 120);
    let unit = live.unit.id;
    let Input::UnitEnded(mut ended) = world.end_of_unit(unit) else {
        panic!("a unit ends so");
    };
    ended.outcome = UnitOutcome::TimedOut;
    ended.millis = 120_000;
    world.take(Some(Input::UnitEnded(ended)));
    world.run(Goal::Run, in_order);
    let reason = world.state.reason_of(&id("a")).expect("a reason");
    assert!(
        reason.starts_with("stopped: its budget of 2 minutes is used up"),
        "{reason}"
    );
}

#[test]
fn no_more_packets_are_begun_than_may_be_and_a_higher_number_goes_on() {
    let agent = "agent = \"claude\"";
    let names = [("a", agent), ("b", agent)];
    let mut world = World::new(&plan("packets = 1", &names), BTreeMap::new());
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::BudgetExhausted);
    assert_eq!(world.status("a"), PacketStatus::Integrated);
    assert_eq!(world.status("b"), PacketStatus::Ready);
    assert_eq!(world.state.held_back(), Some(Limit::Packets(1)));
    world.amend(&plan("packets = 2", &names));
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("b"), PacketStatus::Integrated);
}

#[test]
fn a_used_up_budget_ends_the_run_and_a_higher_one_goes_on() {
    let agent = "agent = \"claude\"\nafter = [\"a\"]";
    let names = [("a", "agent = \"claude\""), ("b", agent)];
    let mut world = World::new(&plan("dollars = 1.0", &names), BTreeMap::new());
    world.used = Some(used(10, Some(1.25)));
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::BudgetExhausted);
    assert_eq!(world.state.held_back(), Some(Limit::Dollars(1.0)));
    world.amend(&plan("dollars = 3.0", &names));
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("b"), PacketStatus::Integrated);
}

#[test]
fn what_a_client_does_not_report_is_not_known_and_not_nothing() {
    let names = [("a", "agent = \"codex\""), ("b", "run = \"x\"")];
    let mut world = World::new(&plan("dollars = 1.0", &names), BTreeMap::new());
    world.used = Some(used(10, None));
    world.run(Goal::Run, in_order);
    // The command talks to no service.
    assert_eq!(world.state.spent.unpriced, 1);
    assert_eq!(world.state.spent.uncounted, 0);
    assert_eq!(world.state.turns["codex"].mean_dollars(), None);
    assert_eq!(world.state.turns["codex"].mean_tokens(), Some(10));
}

#[test]
fn a_pause_holds_that_agent_back_and_no_other() {
    let names = [
        ("a", "agent = \"codex\""),
        ("b", "agent = \"codex\""),
        ("c", "agent = \"claude\""),
    ];
    let mut world = World::new(&plan("", &names), BTreeMap::new());
    world.options.concurrency = 1;
    until_agents_work(&mut world);
    let Input::UnitEnded(mut ended) = world.end_of_unit(UnitId(1)) else {
        panic!("a unit ends so");
    };
    ended.outcome = UnitOutcome::Exited(1);
    ended.rate_limited = Some(RateLimit {
        message: "429".to_owned(),
        after_ms: Some(600_000),
        until: None,
    });
    world.take(Some(Input::UnitEnded(ended)));
    let pause = world.state.pauses["codex"].clone();
    assert_eq!((pause.why.as_str(), pause.in_a_row), ("429", 1));
    world.run(Goal::Run, in_order);
    assert_eq!(world.state.turns["claude"].ended, 1);
    assert_eq!(world.status("a"), PacketStatus::Ready);
    assert_eq!(world.status("b"), PacketStatus::Ready);
    let before = pause.until - jiff::SignedDuration::from_secs(1);
    assert!(limit::waits_for_pauses(&world.state, before));
    assert!(!limit::waits_for_pauses(&world.state, pause.until));
}

#[test]
fn an_agent_at_work_is_ended_beyond_its_packets_limit_or_beyond_its_share() {
    let own = "agent = \"pi\"\ntokens = 100";
    let names = [("a", own), ("b", "agent = \"pi\"")];
    let mut world = World::new(&plan("tokens = 1000", &names), BTreeMap::new());
    until_agents_work(&mut world);
    assert_eq!(world.state.units.len(), 2);
    let now = world.state.at.expect("a time");
    let says = |a: u64, b: u64| {
        let said = [(UnitId(1), used(a, None)), (UnitId(2), used(b, None))];
        limit::over(&world.state, &said.into(), now)
    };
    assert_eq!(says(100, 900), BTreeMap::new());
    let own = says(101, 600);
    assert_eq!(own.len(), 1);
    assert_eq!(own[&UnitId(1)], "its budget of 100 tokens is used up");
    // Its share is half of the budget.
    let whole = says(90, 911);
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[&UnitId(2)], "the budget of 1000 tokens is used up");
}
