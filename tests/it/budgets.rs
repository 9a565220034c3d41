//! Budgets as a person meets them: what is said before a run, what ends one, what goes on once a limit is raised.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Dynwf, TestRepo, assert_packet, integrated, plan_of};

/// Says that it used 1000 tokens and half a dollar. It stays until it may go on, where its packet wants that, and says
/// that its service has no quota.
const CLIENT: &str = r#"#!/bin/sh
case "$1" in --version) echo 0.87.0; exit;; esac
said() {
    printf '{"type":"message_end","message":{"role":"assistant","stopReason":"%s","errorMessage":"%s",' "$1" "$2"
    printf '"usage":{"input":1000,"output":0,"cost":{"total":0.5}},"content":[{"type":"text","text":"done"}]}}\n'
}
echo '{"type":"session","id":"s"}'
echo "$DYNWF_PACKET" >>"$HOME/starts"
echo "// $DYNWF_PACKET" >>"crates/$DYNWF_PACKET/src/lib.rs"
if [ -e "$HOME/busy" ]; then
    said error '429 too many requests'
    echo '{"type":"agent_settled"}'
    exit 1
fi
if [ -e "$HOME/stay" ]; then
    said toolUse ''
    exec fake-agent hang
fi
said stop ''
echo '{"type":"agent_settled"}'
"#;

/// A repository with agents `one` and `two`, which are that client, and a plan with a budget and these packets.
fn planned(budget: &str, packets: &[(&str, &str, &str)]) -> TestRepo {
    let repo = TestRepo::small().in_use();
    let client = repo.place().join("client");
    fs::write(&client, CLIENT).unwrap();
    fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).unwrap();
    let program = client.display();
    let table =
        |name: &str| format!("[agents.{name}]\nadapter = \"pi\"\nprogram = \"{program}\"\n");
    let sandbox = "[sandbox]\nmode = \"none\"\n";
    repo.place()
        .user_config(&format!("{sandbox}{}{}", table("one"), table("two")));
    repo.planned(&plan(budget, packets))
}

fn plan(budget: &str, packets: &[(&str, &str, &str)]) -> String {
    let mut text = format!("{}[budget]\n{budget}\n", plan_of(&[]));
    for (id, agent, more) in packets {
        text += &format!(
            "[[packet]]\nid = \"{id}\"\nobjective = \"A line\"\nscope = [\"crates/{id}/**\"]\nagent = \"{agent}\"\n{more}\n"
        );
    }
    text
}

/// Puts an edited plan in the place of the frozen one.
fn amend(repo: &TestRepo, budget: &str, packets: &[(&str, &str, &str)]) {
    let file = repo.path().join(".workflow/lines/plan.toml");
    fs::write(file, plan(budget, packets)).unwrap();
    Dynwf::new(repo).line("plan lines --amend").success();
}

#[test]
fn a_run_says_first_what_it_sets_going_and_stops_at_its_budget_until_that_is_raised() {
    let packets = [("net", "one", ""), ("db", "one", "after = [\"net\"]")];
    let repo = planned("dollars = 0.4\ntokens = 9000", &packets);
    let dynwf = Dynwf::new(&repo);
    let split = dynwf.line("split lines").success();
    let split = split
        .complains("plan: 2 packets to do (2 one), 4 at a time, 2 waves by `after` (1, 1)")
        .complains("work: at most 2 turns of agents and 0 checks")
        .complains("estimate: unknown, no earlier turn of one here")
        .complains("budget: 9k tokens, $0.40; not known whether it suffices");
    drop(split);
    dynwf
        .line("run lines")
        .expect_code(7)
        .says("$0.50 of $0.40")
        .says("a budget is used up")
        .says("the budget of 0.4 dollars is used up; raise it in .workflow/lines/plan.toml")
        .says("dynwf plan lines --amend");
    let status = dynwf.status("lines");
    let budget = &status["budget"];
    assert_eq!(budget["spent"]["dollars"], 0.5, "{budget:#}");
    assert_eq!(budget["spent"]["tokens"], 1000, "{budget:#}");
    assert_eq!(budget["remaining"]["tokens"], 8000, "{budget:#}");
    assert_eq!(budget["remaining"]["dollars"], 0.0, "{budget:#}");
    assert_eq!(budget["used_up"], "the budget of 0.4 dollars is used up");
    assert_eq!(status["estimate"]["dollars"], 0.5);
    assert_eq!(status["estimate"]["based_on"], 1);
    assert_eq!(status["estimate"]["short"][0], "dollars");
    amend(&repo, "dollars = 3.0", &packets);
    dynwf
        .line("run lines")
        .expect_code(3)
        .complains("estimate, a turn each: 1k tokens, $0.50")
        .complains("budget: $0.50 of $3.00; should suffice");
    assert!(integrated(&repo, "crates/db/src/lib.rs").ends_with("// db"));
}

#[test]
fn an_agent_at_work_is_ended_at_its_packets_limit_and_begins_again_once_that_is_raised() {
    let repo = planned("", &[("net", "one", "tokens = 500")]);
    let dynwf = Dynwf::new(&repo);
    let stay = repo.place().home().join("stay");
    fs::write(&stay, "").unwrap();
    dynwf.line("run lines").expect_code(7);
    let status = dynwf.status("lines");
    assert_packet(
        &status,
        "net",
        "failed",
        "stopped: its budget of 500 tokens is used up",
    );
    assert_eq!(status["budget"]["spent"]["tokens"], 1000);
    fs::remove_file(&stay).unwrap();
    // As long as the limit stands, it is not begun again.
    dynwf.line("packet retry lines net").success();
    dynwf.line("run lines");
    assert_packet(
        &dynwf.status("lines"),
        "net",
        "failed",
        "its budget of 500 tokens is used up",
    );
    amend(&repo, "", &[("net", "one", "tokens = 5000")]);
    dynwf.line("packet retry lines net").success();
    dynwf.line("run lines").expect_code(3);
    let starts = fs::read_to_string(repo.place().home().join("starts")).unwrap();
    assert_eq!(starts, "net\nnet\n");
}

#[test]
fn a_pause_is_shown_holds_one_agent_back_and_outlives_a_kill() {
    let packets = [("net", "one", ""), ("db", "two", "after = []")];
    let repo = planned("concurrency = 1", &packets);
    let dynwf = Dynwf::new(&repo);
    let busy = repo.place().home().join("busy");
    fs::write(&busy, "").unwrap();
    let mut running = dynwf.spawn(["run", "lines"]);
    let paused = || dynwf.status("lines")["paused"].clone();
    running.wait_until("an agent is paused", || paused()[0]["agent"] == "one");
    running.wait_until("the other one is paused", || paused()[1]["agent"] == "two");
    let before = paused();
    assert!(
        before[0]["why"].as_str().unwrap().contains("429"),
        "{before:#}"
    );
    running.kill();
    dynwf
        .line("status lines")
        .success()
        .says("one paused until ");
    assert_packet(&dynwf.status("lines"), "net", "ready", "paused until ");
    let journal = repo.path().join(".git/dynwf/w/lines/journal.jsonl");
    let runs = || {
        let text = fs::read_to_string(&journal).unwrap();
        text.matches("RunStarted").count()
    };
    let mut again = dynwf.spawn(["run", "lines"]);
    again.wait_until("it goes on", || runs() >= 2);
    assert_eq!(paused()[0]["until"], before[0]["until"]);
    again.kill();
    // Each once: which workspace is there first, and so which agent starts first, is nobody's promise.
    let starts = fs::read_to_string(repo.place().home().join("starts")).unwrap();
    let mut starts: Vec<&str> = starts.lines().collect();
    starts.sort_unstable();
    assert_eq!(starts, ["db", "net"]);
}
