//! Codex, Claude Code and Pi themselves, against a scripted model on loopback.
//!
//! Their programs are named by `DYNWF_CODEX_BIN`, `DYNWF_CLAUDE_BIN` and `DYNWF_PI_BIN` (and the folder of a node that
//! the last one likes by `DYNWF_NODE_BIN`); `.ci/run` installs them. A test works with those that are there, a packet
//! each, all in one workflow.

mod scene;

use scene::{Client, Scene, Setting, clients};

use crate::support::{Step, skip};

/// The clients that are there; returns from the test if there are none.
macro_rules! clients {
    () => {{
        let clients: Vec<Client> = clients();
        if clients.is_empty() {
            skip!("no client is installed");
        }
        clients
    }};
}

/// The exit code of a run whose packets are all merged: the gate for landing waits.
const WAITS: i32 = 3;

#[test]
fn every_client_edits_in_its_own_workspace() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        vec![
            Step::write(packet.file("new.txt"), format!("{}\n", packet.id)),
            Step::run(format!("echo '// mended' >> {}", packet.file("src/lib.rs"))),
            Step::say(format!("I am {}.", packet.id)),
        ]
    });
    scene.run(WAITS);
    scene.assert_all("integrated");
    for packet in &scene.packets {
        assert_eq!(scene.integrated(&packet.file("new.txt")), packet.id);
        let library = scene.integrated(&packet.file("src/lib.rs"));
        assert!(library.ends_with("// mended"), "{library}");
    }
}
