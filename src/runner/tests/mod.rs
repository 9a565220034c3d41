//! The pure part of the loop, without processes, git or a disk.

mod baseline;
mod batches;
mod bisect;
mod budgets;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;

use self::world::{Fate, World, commit, id};
use crate::error::ExitCode;
use crate::model::gate::GateStatus;
use crate::model::id::{GateId, PacketId};
use crate::model::request::RequestBody;
use crate::model::status::PacketStatus;
use crate::model::unit::{UnitOutcome, WorkspaceName};
use crate::runner::goal::Goal;
use crate::runner::jobs::jobs;
use crate::runner::message::Input;

fn in_order(_: usize) -> (usize, bool) {
    (0, false)
}

const THREE: &str = r#"
goal = "g"
[[check]]
name = "all"
run = "true"
[[packet]]
id = "a"
objective = "o"
scope = ["src/a.rs", "build.rs"]
run = "x"
checks = ["c"]
[[packet]]
id = "b"
objective = "o"
scope = ["src/b.rs"]
run = "x"
[[packet]]
id = "c"
objective = "o"
scope = ["src/c.rs"]
after = ["a"]
run = "x"
"#;

#[test]
fn a_run_ends_at_the_landing_gate_and_lands_only_with_an_approval() {
    let mut world = World::new(THREE, BTreeMap::new());
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert!(world.state.waits_at(&GateId::land()));
    assert_eq!(world.run(Goal::Land, in_order), ExitCode::Waiting);
    assert_eq!(world.state.landed, None);
    world.approve(&GateId::land());
    world.run(Goal::Land, in_order);
    let integrated = world
        .state
        .integration
        .as_ref()
        .expect("there")
        .commit
        .clone();
    assert_eq!(world.state.landed, Some(integrated));
    assert!(matches!(
        world.state.gates[&GateId::land()].status,
        GateStatus::Consumed { .. }
    ));
}

#[test]
fn what_needs_a_failed_packet_says_so_and_the_rest_goes_on() {
    let fate = Fate {
        check: 1,
        ..Fate::default()
    };
    let mut world = World::new(THREE, BTreeMap::from([(id("a"), fate)]));
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("a"), PacketStatus::Failed);
    assert_eq!(world.status("b"), PacketStatus::Integrated);
    assert_eq!(world.status("c"), PacketStatus::Planned);
    let reason = world.state.reason_of(&id("c")).expect("a reason");
    assert_eq!(reason, "needs a (which is failed)");
}

#[test]
fn a_protected_path_waits_and_a_denial_rejects() {
    let fate = Fate {
        protected: true,
        ..Fate::default()
    };
    let mut world = World::new(THREE, BTreeMap::from([(id("a"), fate)]));
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("a"), PacketStatus::Waiting);
    assert_eq!(world.status("b"), PacketStatus::Integrated);
    assert!(
        !world.state.waits_at(&GateId::land()),
        "not while a packet waits"
    );
    world.request(RequestBody::Deny {
        gate: GateId::merge(&id("a")),
        why: "no".to_owned(),
    });
    world.run(Goal::Run, in_order);
    assert_eq!(world.status("a"), PacketStatus::Rejected);
    assert!(world.state.waits_at(&GateId::land()));
}

#[test]
fn an_approval_of_something_else_is_refused_with_the_difference() {
    let fate = Fate {
        protected: true,
        ..Fate::default()
    };
    let mut world = World::new(THREE, BTreeMap::from([(id("a"), fate)]));
    world.run(Goal::Run, in_order);
    let gate = GateId::merge(&id("a"));
    let mut binding = world.state.gates[&gate].binding.clone();
    binding.updates[0].new = Some(commit(7));
    world.request(RequestBody::Approve {
        gate: gate.clone(),
        binding,
    });
    assert!(world.state.waits_at(&gate));
    let refused = world
        .state
        .requests
        .values()
        .flatten()
        .next()
        .expect("a reason");
    assert!(refused.contains("new value"), "{refused}");
}

#[test]
fn a_lost_unit_begins_again_in_a_fresh_workspace() {
    let fate = Fate {
        lost: true,
        ..Fate::default()
    };
    let mut world = World::new(THREE, BTreeMap::from([(id("b"), fate)]));
    world.run(Goal::Run, in_order);
    assert_eq!(world.status("b"), PacketStatus::Integrated);
    assert_eq!(world.state.packets[&id("b")].attempt, 2);
    let path = &world.state.packets[&id("b")]
        .workspace
        .as_ref()
        .expect("there")
        .path;
    assert_eq!(path, "/w/b.a2");
}

#[test]
fn goal_mode_asks_again_until_its_turns_are_used_up() {
    let plan = THREE.replacen("checks = [\"c\"]", "checks = [\"c\"]\nturns = 3", 1);
    let fate = Fate {
        check: 1,
        ..Fate::default()
    };
    let mut world = World::new(&plan, BTreeMap::from([(id("a"), fate)]));
    world.run(Goal::Run, in_order);
    assert_eq!(world.state.packets[&id("a")].turn, 3);
    let reason = world.state.reason_of(&id("a")).expect("a reason");
    assert_eq!(reason, "check `c` exit 1; stopped after 3 turns");
}

#[test]
fn a_pause_postpones_the_turn_and_fails_nothing() {
    let mut world = World::new(THREE, BTreeMap::new());
    world.options.goal = Goal::Run;
    world.take(None);
    while world.state.units.is_empty() {
        let job = jobs(&world.state, &world.options)
            .into_iter()
            .next()
            .expect("a job");
        let input = world.answer(&job);
        world.take(Some(input));
    }
    let unit = *world.state.units.keys().next().expect("a unit");
    let packet = world.state.units[&unit]
        .unit
        .packet()
        .cloned()
        .expect("a packet");
    let Input::UnitEnded(mut end) = world.end_of_unit(unit) else {
        panic!("a unit ends so");
    };
    end.outcome = UnitOutcome::Exited(1);
    end.rate_limited = Some(crate::agent::RateLimit {
        message: "later".to_owned(),
        after_ms: Some(600_000),
        until: None,
    });
    world.take(Some(Input::UnitEnded(end)));
    assert_eq!(world.status(packet.as_str()), PacketStatus::Ready);
    assert_eq!(world.state.packets[&packet].turn, 0);
    assert!(
        world
            .state
            .units
            .values()
            .all(|live| live.unit.packet() != Some(&packet))
    );
}

#[test]
fn a_plan_gate_holds_a_packet_back() {
    let plan = THREE.replacen(
        "[[check]]",
        "[[gate]]\nbefore = \"packet:b\"\nwhy = \"look\"\n[[check]]",
        1,
    );
    let mut world = World::new(&plan, BTreeMap::new());
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("b"), PacketStatus::Waiting);
    assert_eq!(world.state.packets[&id("b")].turn, 0);
    world.approve(&GateId::packet(&id("b")));
    world.run(Goal::Run, in_order);
    assert_eq!(world.status("b"), PacketStatus::Integrated);
}

#[test]
fn split_starts_no_unit() {
    let mut world = World::new(THREE, BTreeMap::new());
    world.run(Goal::Split, in_order);
    assert_eq!(world.state.last_unit.0, 0);
    assert_eq!(world.status("a"), PacketStatus::Ready);
    assert_eq!(world.status("c"), PacketStatus::Planned);
}

#[test]
fn archiving_takes_the_workspaces_away_first() {
    let mut world = World::new(THREE, BTreeMap::new());
    world.run(Goal::Run, in_order);
    world.run(Goal::Archive { recipe: None }, in_order);
    assert!(world.state.archived && world.state.branches_archived);
    assert!(
        world
            .state
            .packets
            .values()
            .all(|packet| packet.workspace.is_none())
    );
    let integration = WorkspaceName::Integration;
    assert!(!world.state.works_in(&integration));
}

fn fates() -> impl Strategy<Value = BTreeMap<PacketId, Fate>> {
    let fate = (
        prop::sample::select(vec![0, 0, 0, 1]),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        prop::sample::select(vec![0, 0, 0, 1]),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(exit, nothing, protected, check, conflicts, lost)| Fate {
            exit,
            nothing,
            protected,
            check,
            conflicts,
            lost,
        });
    prop::collection::vec(fate, 3).prop_map(|fates| {
        ["a", "b", "c"]
            .iter()
            .map(|name| id(name))
            .zip(fates)
            .collect()
    })
}

proptest! {
    /// Whatever the order of ends and wherever dynwf is killed: limits hold, nothing is merged that failed or
    /// waits, nothing lands without a decision, and the packets end the same.
    #[test]
    fn order_and_crashes_change_nothing_about_the_end(
        fates in fates(),
        choices in prop::collection::vec((any::<usize>(), any::<bool>()), 1..200),
    ) {
        let mut expected = World::new(THREE, fates.clone());
        let code = expected.run(Goal::Run, in_order);
        let mut world = World::new(THREE, fates);
        let mut turn = 0;
        let found = world.run(Goal::Run, |_| {
            turn += 1;
            choices[turn % choices.len()]
        });
        prop_assert_eq!(found, code);
        prop_assert!(world.most_units <= 2, "{} units at once", world.most_units);
        prop_assert_eq!(world.state.landed.as_ref(), None);
        for name in ["a", "b", "c"] {
            prop_assert_eq!(world.status(name), expected.status(name), "{}", name);
        }
        for merged in &world.state.integration.as_ref().expect("there").merged {
            prop_assert_eq!(world.state.status_of(merged), PacketStatus::Integrated);
        }
    }
}
