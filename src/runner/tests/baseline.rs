//! Checks that fail on the base already: only new failures count.

use std::collections::BTreeMap;

use super::in_order;
use super::world::{Fate, World, id};
use crate::error::ExitCode;
use crate::model::gate::GateStatus;
use crate::model::id::GateId;
use crate::model::plan::Plan;
use crate::model::state::Verdict;
use crate::model::status::PacketStatus;
use crate::runner::goal::Goal;

fn plan(check: &str) -> String {
    format!(
        "goal = \"g\"\n[[check]]\nname = \"all\"\nrun = \"all\"\n{check}\n[[packet]]\nid = \"a\"\nobjective = \"o\"\n\
         scope = [\"src/a.rs\"]\nrun = \"x\"\n"
    )
}

/// How often a check ran on the base.
fn asked_the_base(world: &World) -> usize {
    let base = world.state.base_tree().expect("there");
    let said = world.state.evidence.iter();
    said.filter(|evidence| &evidence.tree == base).count()
}

#[test]
fn what_fails_as_on_the_base_lands_and_the_gate_says_so() {
    let mut world = World::new(&plan(""), BTreeMap::new());
    world.integrated = 1;
    world.base = 1;
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(
        world.state.integrated_verdicts()[0].1,
        Verdict::FailedBefore
    );
    let gate = &world.state.gates[&GateId::land()];
    assert_eq!(gate.status, GateStatus::Waiting);
    let why = gate.why.join("; ");
    assert!(
        why.contains("check all fails (exit 1) as it did on the base"),
        "{why}"
    );
    world.run(Goal::Run, in_order);
    assert_eq!(asked_the_base(&world), 1, "once for a tree");
}

#[test]
fn what_fails_in_another_way_does_not_land() {
    let mut world = World::new(&plan(""), BTreeMap::new());
    world.integrated = 2;
    world.base = 1;
    let end = world.run(Goal::Run, in_order);
    assert!(
        matches!(end, ExitCode::VerificationFailed | ExitCode::PacketsFailed),
        "{end:?}"
    );
    assert!(!world.state.gates.contains_key(&GateId::land()));
}

#[test]
fn what_must_pass_has_no_excuse() {
    let mut world = World::new(&plan("must_pass = true"), BTreeMap::new());
    world.integrated = 1;
    world.base = 1;
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::VerificationFailed);
    assert!(!world.state.gates.contains_key(&GateId::land()));
}

#[test]
fn the_base_is_not_asked_about_checks_that_pass() {
    let mut world = World::new(&plan(""), BTreeMap::new());
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(asked_the_base(&world), 0);
}

#[test]
fn a_shared_check_of_a_packet_is_excused_and_its_own_is_not() {
    let both = plan("when = \"both\"");
    let fate = Fate {
        check: 1,
        ..Fate::default()
    };
    let mut world = World::new(&both, BTreeMap::from([(id("a"), fate)]));
    world.integrated = 1;
    world.base = 1;
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("a"), PacketStatus::Integrated);
    assert_eq!(asked_the_base(&world), 1);

    let mut world = World::new(&both, BTreeMap::from([(id("a"), fate)]));
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::PacketsFailed);
    assert_eq!(world.status("a"), PacketStatus::Failed);

    let own = both.replace("run = \"x\"\n", "run = \"x\"\nchecks = [\"all\"]\n");
    let parsed: Plan = toml::from_str(&own).expect("a plan");
    assert!(parsed.checks_of(&parsed.packets[0])[0].must_pass);
    let mut world = World::new(&own, BTreeMap::from([(id("a"), fate)]));
    world.base = 1;
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::PacketsFailed);
}
