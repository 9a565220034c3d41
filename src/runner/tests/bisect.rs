//! Packets that turn the integrated tree red: found, taken out, sent back; the rest goes on.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::in_order;
use super::world::{World, id};
use crate::error::ExitCode;
use crate::model::id::{GateId, PacketId};
use crate::model::request::RequestBody;
use crate::model::state::Stage;
use crate::model::status::PacketStatus;
use crate::runner::goal::Goal;

/// This many packets, `p0`, `p1`, …; `more` is added to the text of the one with that number.
fn plan(count: usize, settings: &str, more: &[(usize, &str)]) -> String {
    let mut text = format!(
        "goal = \"g\"\n[integration]\n{settings}\n[[check]]\nname = \"all\"\nrun = \"all\"\n"
    );
    for number in 0..count {
        text.push_str(&format!(
            "[[packet]]\nid = \"p{number}\"\nobjective = \"o\"\nscope = [\"src/{number}.rs\"]\nrun = \"x\"\n"
        ));
        for (_, line) in more.iter().filter(|(at, _)| *at == number) {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

fn merged(world: &World) -> Vec<&str> {
    let integration = world.state.integration.as_ref().expect("there");
    integration.merged.iter().map(PacketId::as_str).collect()
}

fn clash(packets: &[&str]) -> Vec<PacketId> {
    packets.iter().map(|packet| id(packet)).collect()
}

#[test]
fn the_guilty_one_is_found_by_halving_and_the_rest_lands() {
    let mut world = World::new(&plan(16, "", &[]), BTreeMap::new());
    world.clashes = vec![clash(&["p3", "p9"])];
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("p9"), PacketStatus::Failed);
    let why = world.state.reason_of(&id("p9")).expect("a reason");
    assert!(why.contains("check `all` exit 1"), "{why}");
    assert_eq!(merged(&world).len(), 15);
    assert!(world.state.waits_at(&GateId::land()));
    // The red tree, four halvings, and the tree without it.
    assert_eq!(world.trials, 6);
}

#[test]
fn two_guilty_ones_are_both_found() {
    let mut world = World::new(&plan(8, "", &[]), BTreeMap::new());
    world.clashes = vec![clash(&["p1", "p2"]), clash(&["p0", "p6"])];
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("p2"), PacketStatus::Failed);
    assert_eq!(world.status("p6"), PacketStatus::Failed);
    assert_eq!(merged(&world), ["p0", "p1", "p3", "p4", "p5", "p7"]);
}

#[test]
fn nobody_is_taken_out_where_the_plan_does_not_want_it() {
    let mut world = World::new(&plan(4, "bisect = false", &[]), BTreeMap::new());
    world.clashes = vec![clash(&["p1"])];
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::VerificationFailed);
    assert_eq!(merged(&world).len(), 4);
    assert!(!world.state.gates.contains_key(&GateId::land()));
}

#[test]
fn a_guilty_one_with_turns_left_is_replayed_onto_the_rest_and_comes_again() {
    let goal_mode = [(2, "turns = 3")];
    let mut world = World::new(&plan(4, "", &goal_mode), BTreeMap::new());
    world.clashes = vec![clash(&["p0", "p2"])];
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("p2"), PacketStatus::Integrated);
    assert_eq!(world.state.packets[&id("p2")].turn, 2);
    assert!(world.state.packets[&id("p2")].feedback[0].contains("taken out"));
    assert_eq!(merged(&world), ["p0", "p1", "p3", "p2"]);
    assert!(world.state.waits_at(&GateId::land()));
}

#[test]
fn what_stood_on_the_guilty_one_leaves_with_it_and_waits() {
    let needs = [(2, "after = [\"p1\"]"), (3, "after = [\"p0\"]")];
    let mut world = World::new(&plan(4, "", &needs), BTreeMap::new());
    world.clashes = vec![clash(&["p1"])];
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(world.status("p1"), PacketStatus::Failed);
    assert_eq!(world.status("p2"), PacketStatus::Stale);
    let why = world.state.reason_of(&id("p2")).expect("a reason");
    assert_eq!(why, "needs p1 (which is failed)");
    // It stood on a commit with p1, so it was replayed, and is in.
    assert_eq!(world.status("p3"), PacketStatus::Integrated);
    assert_eq!(merged(&world), ["p0", "p3"]);
}

#[test]
fn a_packet_that_is_redone_takes_what_stands_on_it_along() {
    let needs = [(1, "after = [\"p0\"]")];
    let mut world = World::new(&plan(3, "", &needs), BTreeMap::new());
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    let tip = world.state.packets[&id("p1")]
        .collected
        .clone()
        .expect("there")
        .tip;
    world.request(RequestBody::Retry {
        packet: id("p0"),
        comment: "once more".to_owned(),
    });
    assert!(world.state.has_outcasts());
    assert_eq!(world.run(Goal::Land, in_order), ExitCode::Waiting);
    assert_eq!(
        world.state.landed, None,
        "not with a packet that is to leave"
    );
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::Waiting);
    assert_eq!(merged(&world), ["p2", "p0", "p1"]);
    let packet = &world.state.packets[&id("p1")];
    assert_eq!(packet.stage, Stage::Integrated);
    assert_eq!(packet.restacked.as_ref().map(|(_, tip)| tip), Some(&tip));
    assert_eq!(packet.attempt, 1, "its worker did not work again");
}

#[test]
fn what_must_pass_and_is_red_on_the_base_is_nobodys_fault() {
    let text = plan(2, "", &[]).replace("run = \"all\"", "run = \"all\"\nmust_pass = true");
    let mut world = World::new(&text, BTreeMap::new());
    (world.base, world.integrated) = (1, 1);
    assert_eq!(world.run(Goal::Run, in_order), ExitCode::VerificationFailed);
    assert_eq!(merged(&world).len(), 2);
}

proptest! {
    /// Whatever clashes, in whatever order things end and wherever dynwf is killed: the run comes to an end, no clash
    /// is left in the result, and nobody is taken out who is in no clash.
    #[test]
    fn no_clash_is_left_and_no_innocent_is_taken_out(
        pairs in prop::collection::vec((0..8_usize, 0..8_usize), 0..4),
        choices in prop::collection::vec((any::<usize>(), any::<bool>()), 1..200),
    ) {
        let mut world = World::new(&plan(8, "", &[]), BTreeMap::new());
        world.clashes = pairs
            .iter()
            .map(|(a, b)| clash(&[&format!("p{a}"), &format!("p{b}")]))
            .collect();
        let clashes = world.clashes.clone();
        let mut turn = 0;
        world.run(Goal::Run, |_| {
            turn += 1;
            choices[turn % choices.len()]
        });
        let left = merged(&world);
        for clash in &clashes {
            prop_assert!(!clash.iter().all(|id| left.contains(&id.as_str())), "{:?}", left);
        }
        for number in 0..8 {
            let name = format!("p{number}");
            if clashes.iter().flatten().all(|id| id.as_str() != name) {
                prop_assert_eq!(world.status(&name), PacketStatus::Integrated);
            }
        }
        prop_assert_eq!(world.state.has_outcasts(), false);
    }
}
