//! Codex, Claude Code and Pi themselves, against a scripted model on loopback.
//!
//! Their programs are named by `DYNWF_CODEX_BIN`, `DYNWF_CLAUDE_BIN` and `DYNWF_PI_BIN` (and the folder of a node that
//! the last one likes by `DYNWF_NODE_BIN`); `.ci/run` installs them. A test works with those that are there, a packet
//! each, all in one workflow.

/// The clients that are there; says which are not, and returns from the test if none is.
macro_rules! clients {
    () => {{
        let (there, absent) = $crate::support::clients();
        for variable in absent {
            println!("skipped for one client: {variable} names no program");
        }
        if there.is_empty() {
            $crate::support::skip!("no client is installed");
        }
        there
    }};
}

mod fan_out;
mod scene;

use std::collections::BTreeSet;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use scene::{Packet, Scene, Setting};

use crate::support::{Fault, KEY, Step, skip};

/// The exit code of a run with nothing left to do.
const DONE: i32 = 0;

/// The exit code of a run whose packets are all merged: the gate for landing waits.
const WAITS: i32 = 3;

/// The exit code of a run with a failed packet.
const FAILED: i32 = 1;

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

#[test]
fn in_the_sandbox_a_client_commits_and_reaches_nothing_of_the_persons() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        let library = packet.file("src/lib.rs");
        // Both the checkout and the home folder lie two above the workflow's folder.
        let outside = "echo x > ../../../repo/escaped; echo x > ../../../home/escaped";
        vec![
            Step::run(format!(
                "echo '// mended' >> {library}; git commit -qam 'my own words'; git log -1 --format=%s; {outside}"
            )),
            Step::say("It is committed."),
        ]
    });
    let sandboxed = Command::new("bwrap")
        .args(["--ro-bind", "/", "/", "true"])
        .status();
    if !sandboxed.is_ok_and(|status| status.success()) {
        skip!("bubblewrap does not work here");
    }
    scene.run(WAITS);
    scene.assert_all("integrated");
    assert_eq!(scene.facts("RunStarted")[0]["sandbox"], "bubblewrap");
    for packet in &scene.packets {
        let library = scene.integrated(&packet.file("src/lib.rs"));
        assert!(library.ends_with("// mended"), "{library}");
        let last = scene.server.asked(&packet.id).pop().expect("it was asked");
        // git worked for it, and what lies outside did not.
        let told = last.body.to_string();
        assert!(told.contains("my own words\\n"), "{told}");
        assert!(!scene.repo.join("escaped").exists(), "{}", packet.id);
        assert!(
            !scene.repo.place().home().join("escaped").exists(),
            "{}",
            packet.id
        );
    }
}

#[test]
fn a_wrong_answer_is_mended_in_the_same_conversation() {
    let clients = clients!();
    let setting = Setting {
        packet: "turns = 2\nchecks = [\"grep -q right {crate}/answer.txt\"]",
        ..Setting::of(&clients)
    };
    let scene = Scene::new(&setting, |packet| {
        let answer = packet.file("answer.txt");
        vec![
            Step::write(&answer, "wrong\n").costs(100, 10),
            Step::say("It is finished.").costs(200, 20),
            Step::run(format!("cat {answer}; echo right > {answer}")).costs(300, 30),
            Step::say("Now it is.").costs(400, 40),
        ]
    });
    scene.run(WAITS);
    scene.assert_all("integrated");
    for packet in &scene.packets {
        let id = &packet.id;
        assert_eq!(scene.integrated(&packet.file("answer.txt")), "right");
        let asked = scene.server.asked(id);
        let steps: Vec<usize> = asked.iter().map(|asked| asked.step).collect();
        assert_eq!(steps, [0, 1, 2, 3], "{id}");
        // The second turn knows the first, and what the check said.
        let last = asked[3].body.to_string();
        assert!(last.contains("It is finished."), "{id}: {last}");
        assert!(last.contains("It is not finished yet"), "{id}: {last}");
        // Each turn is charged what it used, whatever the client counts over.
        let used = scene.of_turns(id, "usage");
        let tokens: Vec<_> = used
            .iter()
            .map(|used| (&used["input_tokens"], &used["output_tokens"]))
            .collect();
        assert_eq!(
            tokens,
            [(&json!(300), &json!(30)), (&json!(700), &json!(70))],
            "{id}"
        );
        if let [Some(first), Some(second)] = [0, 1].map(|turn| used[turn]["dollars"].as_f64()) {
            assert!(
                (second / first - 7.0 / 3.0).abs() < 1e-6,
                "{id}: {first}, {second}"
            );
        } else {
            assert_eq!(id, "codex", "it alone knows no prices");
        }
    }
}

#[test]
fn an_answer_that_breaks_its_schema_is_asked_for_again() {
    let clients = clients!();
    let setting = Setting {
        packet: "kind = \"research\"\n[packet.schema]\ntype = \"object\"\nadditionalProperties = false\n\
                 required = [\"verdict\", \"score\"]\n[packet.schema.properties]\n\
                 verdict = { type = \"string\" }\nscore = { type = \"integer\" }",
        ..Setting::of(&clients)
    };
    let right = json!({"verdict": "fine", "score": 7});
    let scene = Scene::new(&setting, |_| {
        let wrong = json!({"verdict": "fine", "score": "high"});
        let steps = [
            Step::answer(wrong),
            Step::answer(right.clone()),
            Step::say("That is it."),
        ];
        steps.to_vec()
    });
    scene.run(DONE);
    scene.assert_all("done");
    for packet in &scene.packets {
        let id = &packet.id;
        let answers = scene.of_turns(id, "answer");
        let answer = answers.last().and_then(|answer| answer.as_str());
        let answer: Value = serde_json::from_str(answer.expect("an answer")).expect("JSON");
        assert_eq!(answer, right, "{id}");
        // Claude Code has a tool for answers, which refuses what does not fit: one turn is enough.
        assert_eq!(answers.len(), if id == "claude" { 1 } else { 2 }, "{id}");
        let asked = scene.server.asked(id);
        assert_eq!((asked[0].step, asked[1].step), (0, 1), "{id}");
        let told = asked[1].body.to_string();
        assert!(
            told.contains("score") && told.contains("high"),
            "{id}: {told}"
        );
        // One service takes the schema itself.
        let carried = &asked[0].body["text"]["format"]["schema"];
        assert_eq!(!carried.is_null(), id == "codex", "{id}: {carried}");
    }
}

#[test]
fn a_plan_that_cannot_be_is_asked_for_again() {
    let clients = clients!();
    let plan = |after: &str| {
        let packet = json!({"id": "01-readme", "objective": "Say it", "scope": ["README.md"], "agent": "parent",
            "after": [after]});
        let mut plan = json!({"goal": "Say so", "packet": [packet]});
        if after.is_empty() {
            plan["packet"][0]["after"] = json!([]);
        }
        plan
    };
    let scene = Scene::new(&Setting::of(&clients), |_| {
        let steps = [
            Step::answer(plan("nobody")),
            Step::answer(plan("")),
            Step::say("That is it."),
        ];
        steps.to_vec()
    });
    for client in &clients {
        let id = client.name;
        let slug = format!("by-{id}");
        let task = format!("Plan it. [[script={id}]]");
        let said = scene
            .dynwf()
            .run(["plan", &slug, "--task", &task, "--agent", id]);
        let said = said.success();
        assert!(said.stderr.contains("nobody"), "{said}");
        let written = scene.repo.read(&format!(".workflow/{slug}/plan.toml"));
        assert!(
            written.contains("01-readme") && !written.contains("nobody"),
            "{written}"
        );
        let asked = scene.server.asked(id);
        let again = asked
            .iter()
            .find(|asked| asked.step > 0)
            .expect("it was asked again");
        assert!(again.body.to_string().contains("nobody"), "{id}");
    }
    assert!(scene.processes().is_empty());
}

#[test]
fn what_goes_wrong_once_is_weathered_by_the_clients() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        let limited = Fault::status(429, "slow down").retry_after(1).once();
        vec![
            Step::write(packet.file("new.txt"), "new\n")
                .after(Fault::status(500, "out of order").once()),
            Step::run(format!("echo more >> {}", packet.file("new.txt"))).after(limited),
            Step::say("It took a while.").after(Fault::cut().once()),
        ]
    });
    scene.run(WAITS);
    scene.assert_all("integrated");
    for packet in &scene.packets {
        assert_eq!(scene.integrated(&packet.file("new.txt")), "new\nmore");
        let asked = scene.server.asked(&packet.id);
        let steps: Vec<usize> = asked.iter().map(|asked| asked.step).collect();
        assert_eq!(steps, [0, 0, 1, 1, 2, 2], "{}", packet.id);
        assert!(asked.iter().all(|asked| asked.key.as_deref() == Some(KEY)));
    }
}

#[test]
fn a_refused_key_fails_the_packet_and_says_so() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |_| {
        vec![Step::say("never").after(Fault::status(401, "this key is not known"))]
    });
    scene.run(FAILED);
    scene.assert_all("failed");
    for packet in &scene.packets {
        let why = scene.why(&packet.id);
        assert!(
            why.contains("401") && why.contains("this key is not known"),
            "{}: {why}",
            packet.id
        );
    }
}

#[test]
fn a_stream_that_is_always_cut_fails_the_packet() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        vec![
            Step::write(packet.file("new.txt"), "new\n"),
            Step::say("never").after(Fault::cut()),
        ]
    });
    scene.run(FAILED);
    scene.assert_all("failed");
    for packet in &scene.packets {
        let why = scene.why(&packet.id);
        assert!(why.contains("its agent"), "{}: {why}", packet.id);
        // What it did before is not lost.
        let file = format!("dynwf/real/{}:{}", packet.id, packet.file("new.txt"));
        assert_eq!(scene.repo.git(["show", &file]), "new");
    }
}

#[test]
fn a_service_without_quota_pauses_the_run_and_fails_nothing() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        let limit = Fault::status(429, "Rate limit reached. Please try again in 1s.").until_open();
        vec![
            Step::run(format!("echo new > {}", packet.file("new.txt"))).after(limit),
            Step::say("It is finished."),
        ]
    });
    let mut running = scene.start();
    running.wait_until("every agent was sent away", || {
        let postponed = scene.facts("PacketPostponed");
        let of = |id: &str| postponed.iter().any(|fact| fact["packet"] == id);
        scene.packets.iter().all(|packet| of(&packet.id))
    });
    scene.server.open();
    scene.ends(running, WAITS);
    scene.assert_all("integrated");
}

#[test]
fn a_client_that_hangs_ends_with_the_run_and_is_started_anew() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        vec![
            Step::run(format!("echo new >> {}", packet.file("new.txt"))),
            Step::say("It is finished.").held(),
        ]
    });
    let mut running = scene.start();
    scene.wait_for_step(&mut running, 1);
    running.signal(Signal::INT);
    scene.ends(running, 130);
    scene.server.open();
    scene.run(WAITS);
    scene.assert_all("integrated");
    for packet in &scene.packets {
        // The second attempt began from the base.
        assert_eq!(scene.integrated(&packet.file("new.txt")), "new");
    }
}

#[test]
fn a_tool_that_hangs_ends_with_its_client() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        let mark = packet.file("begun");
        vec![Step::run(format!("touch {mark}; tail -f /dev/null"))]
    });
    let mut running = scene.start();
    running.wait_until("every tool has begun", || {
        let begun = |packet: &Packet| {
            scene
                .workspace(&packet.id)
                .join(packet.file("begun"))
                .exists()
        };
        scene.packets.iter().all(begun)
    });
    assert!(
        scene.processes().len() >= 3 * clients.len(),
        "shim, client and tool"
    );
    running.signal(Signal::INT);
    // Clients start their tools in sessions of their own; none of those is left.
    scene.ends(running, 130);
}

#[test]
fn a_client_that_says_nothing_for_a_minute_is_stopped() {
    let clients = clients!();
    let setting = Setting {
        config: "[limits]\nsilence = 1\n",
        ..Setting::of(&clients)
    };
    let scene = Scene::new(&setting, |_| vec![Step::say("never").held()]);
    scene.run(FAILED);
    scene.assert_all("failed");
    for packet in &scene.packets {
        let why = scene.why(&packet.id);
        assert!(why.contains("silent"), "{}: {why}", packet.id);
    }
}

#[test]
fn clients_outlive_a_killed_run_and_are_adopted() {
    let clients = clients!();
    let scene = Scene::new(&Setting::of(&clients), |packet| {
        vec![
            Step::run(format!("echo new >> {}", packet.file("new.txt"))),
            Step::run(format!("echo more >> {}", packet.file("new.txt"))).held(),
            Step::say("It is finished."),
        ]
    });
    let mut first = scene.start();
    scene.wait_for_step(&mut first, 1);
    first.kill();
    let mut second = scene.start();
    second.wait_until("the second run has begun", || {
        scene.facts("RunStarted").len() == 2
    });
    scene.server.open();
    scene.ends(second, WAITS);
    scene.assert_all("integrated");
    assert_eq!(scene.facts("UnitStarted").len(), clients.len());
    for packet in &scene.packets {
        assert_eq!(scene.integrated(&packet.file("new.txt")), "new\nmore");
        assert_eq!(scene.server.asked(&packet.id).len(), 3);
    }
}

#[test]
fn twelve_packets_at_once_are_not_mixed_up() {
    let clients = clients!();
    let setting = Setting {
        each: 4,
        config: "[limits]\nconcurrency = 12\n",
        ..Setting::of(&clients)
    };
    let scene = Scene::new(&setting, |packet| {
        vec![
            Step::write(packet.file("new.txt"), format!("{}\n", packet.id)),
            Step::run(format!(
                "echo '// {}' >> {}",
                packet.id,
                packet.file("src/lib.rs")
            )),
            Step::say(format!("I am {}.", packet.id)).held(),
        ]
    });
    let mut running = scene.start();
    // None of them is let go before all of them are there.
    scene.wait_for_step(&mut running, 2);
    scene.server.open();
    scene.ends(running, WAITS);
    scene.assert_all("integrated");
    for packet in &scene.packets {
        let id = &packet.id;
        assert_eq!(&scene.integrated(&packet.file("new.txt")), id);
        assert!(
            scene
                .integrated(&packet.file("src/lib.rs"))
                .ends_with(&format!("// {id}"))
        );
        let asked = scene.server.asked(id);
        assert_eq!(asked.len(), 3, "{id}");
        let others = scene.packets.iter().filter(|other| other.id != *id);
        for other in others {
            let mark = format!("[[script={} ", other.id);
            let mixed = asked
                .iter()
                .any(|asked| asked.body.to_string().contains(&mark));
            assert!(!mixed, "{id} was told of {}", other.id);
        }
    }
    let sessions = scene.facts("UnitNoted");
    let sessions: BTreeSet<_> = sessions
        .iter()
        .map(|noted| noted["session"].to_string())
        .collect();
    assert_eq!(sessions.len(), scene.packets.len());
}
