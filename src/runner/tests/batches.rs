//! Packets that are merged together: the order and the result of merging one a job.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::in_order;
use super::world::{Fate, World, id};
use crate::model::id::{GateId, PacketId};
use crate::model::request::RequestBody;
use crate::model::status::PacketStatus;
use crate::runner::goal::Goal;
use crate::runner::jobs::Job;
use crate::runner::message::Input;

/// Packets without scopes in common; nothing is merged before a person says so.
fn plan(packets: &[(&str, &str)], order: &str) -> String {
    let mut text = format!(
        "goal = \"g\"\n[integration]\norder = \"{order}\"\n[[gate]]\nbefore = \"integrate\"\n"
    );
    for (name, after) in packets {
        let after = if after.is_empty() {
            String::new()
        } else {
            format!("\"{after}\"")
        };
        text.push_str(&format!(
            "[[packet]]\nid = \"{name}\"\nobjective = \"o\"\nscope = [\"src/{name}.rs\"]\nafter = [{after}]\nrun = \"x\"\n"
        ));
    }
    text
}

const SIX: [(&str, &str); 6] = [
    ("a", ""),
    ("b", ""),
    ("c", ""),
    ("d", ""),
    ("e", "b"),
    ("f", "a"),
];

fn conflicts() -> Fate {
    Fate {
        conflicts: true,
        ..Fate::default()
    }
}

/// Runs until the gate, says yes, and runs to the end.
fn approved(world: &mut World) {
    world.run(Goal::Run, in_order);
    world.approve(&GateId::integrate());
    world.run(Goal::Run, in_order);
}

fn merged(world: &World) -> Vec<&str> {
    let integration = world.state.integration.as_ref().expect("there");
    integration.merged.iter().map(PacketId::as_str).collect()
}

#[test]
fn what_is_accepted_is_merged_in_one_move_and_a_conflict_is_left_out() {
    let mut world = World::new(
        &plan(&SIX[..4], "plan"),
        BTreeMap::from([(id("b"), conflicts())]),
    );
    approved(&mut world);
    assert_eq!(merged(&world), ["a", "c", "d"]);
    assert_eq!(world.status("b"), PacketStatus::Conflicted);
    let moves = world.moves();
    assert_eq!(moves, [["a", "c", "d"]]);
}

#[test]
fn what_was_merged_onto_a_packet_given_up_meanwhile_is_merged_again_without_it() {
    let mut world = World::new(&plan(&SIX[..3], "plan"), BTreeMap::new());
    world.run(Goal::Run, in_order);
    world.approve(&GateId::integrate());
    world.options.goal = Goal::Run;
    let late = world.answer(&Job::Merge);
    let Input::Merged(results) = &late else {
        panic!("merging ends so");
    };
    assert_eq!(results.len(), 3);
    world.request(RequestBody::Drop {
        packet: id("b"),
        why: "not needed".to_owned(),
    });
    world.options.goal = Goal::Run;
    world.take(Some(late));
    world.run(Goal::Run, in_order);
    assert_eq!(merged(&world), ["a", "c"]);
    assert_eq!(world.moves(), [["a"], ["c"]]);
    assert_eq!(world.status("b"), PacketStatus::Cancelled);
}

#[test]
fn a_branch_that_somebody_moved_takes_none_of_the_batch() {
    let mut world = World::new(&plan(&SIX[..3], "plan"), BTreeMap::new());
    world.refuses_to_integrate = true;
    approved(&mut world);
    assert!(merged(&world).is_empty());
    assert_eq!(world.status("a"), PacketStatus::Accepted);
    world.refuses_to_integrate = false;
    // A new run looks at the branch again.
    world.begin();
    world.run(Goal::Run, in_order);
    assert_eq!(merged(&world), ["a", "b", "c"]);
}

proptest! {
    #[test]
    fn many_at_once_are_merged_as_one_after_another(
        broken in prop::collection::vec(prop::bool::weighted(0.3), 6),
        smallest in any::<bool>(),
        most in 2_usize..7,
    ) {
        let order = if smallest { "smallest-first" } else { "plan" };
        let fates: BTreeMap<PacketId, Fate> = SIX
            .iter()
            .zip(&broken)
            .filter(|(_, broken)| **broken)
            .map(|((name, _), _)| (id(name), conflicts()))
            .collect();
        let mut single = World::new(&plan(&SIX, order), fates.clone());
        single.most_merges = 1;
        approved(&mut single);
        let mut many = World::new(&plan(&SIX, order), fates);
        many.most_merges = most;
        approved(&mut many);
        prop_assert_eq!(merged(&many), merged(&single));
        for (name, _) in SIX {
            prop_assert_eq!(many.status(name), single.status(name), "{}", name);
        }
    }
}
