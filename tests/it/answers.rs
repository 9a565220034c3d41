//! Merging, landing and answering: conflicts, questions to a person, a target that moves, and the exit codes that
//! say what waits.

use std::fs;

use crate::support::{
    CommandOutput, Dynwf, assert_packet, gate_word, in_use_with, integrated, line_in, packet,
    packet_of, plan_of, plan_with, simple,
};

#[test]
fn gates_of_the_plan_are_asked_before_each_step() {
    let gates = "[[gate]]\nbefore = \"packet:net\"\nwhy = \"it migrates\"\n[[gate]]\nbefore = \"integrate\"\n\
                 [[gate]]\nbefore = \"land\"\nwhy = \"ask the team\"\n[[gate]]\nbefore = \"push\"\nwhy = \"tell the world\"\n";
    let repo = in_use_with(&plan_with(gates, &[simple("net"), simple("db")]));
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_eq!(gate_word(&status, "packet:net"), "waiting", "{status:#}");
    dynwf.line("gates lines").success().says("it migrates");
    let word = packet(&status, "db")["status"].clone();
    assert_ne!(word, "integrated", "{status:#}");
    dynwf.line("approve lines packet:net --yes").success();
    dynwf.line("run lines").expect_code(3);
    assert_eq!(gate_word(&dynwf.status("lines"), "integrate"), "waiting");
    assert_eq!(
        repo.resolve("dynwf/lines/integration"),
        repo.resolve("main")
    );
    dynwf.line("approve lines integrate --yes").success();
    dynwf.line("run lines").expect_code(3);
    dynwf.line("gates lines").success().says("ask the team");
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    dynwf.line("push lines").expect_code(3);
    dynwf.line("gates lines").success().says("tell the world");
    dynwf.line("reject lines push:origin --why later").success();
    dynwf.line("push lines").expect_code(3).complains("denied");
    let main = ["ref refs/heads/main"];
    before
        .without(&main)
        .assert_same(&repo.fingerprint().without(&main));
}

#[test]
fn a_no_at_a_packets_gate_is_an_end() {
    let gates = "[[gate]]\nbefore = \"packet:net\"\n";
    let repo = in_use_with(&plan_with(gates, &[simple("net"), simple("db")]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("reject lines packet:net --why never").success();
    let said = dynwf.line("run lines");
    let status = dynwf.status("lines");
    assert_packet(&status, "net", "rejected", "never");
    assert_packet(&status, "db", "integrated", "");
    said.expect_code(3);
    assert_eq!(gate_word(&status, "land"), "waiting");
    dynwf
        .line("approve lines packet:nothing --yes")
        .expect_code(2)
        .complains("no gate");
    dynwf.line("reject lines land").success();
    dynwf.line("land lines").expect_code(3).complains("denied");
    // Tried again, the question is asked again; given up, it waits no more.
    dynwf.line("packet retry lines net").success();
    dynwf.line("run lines").expect_code(3);
    assert_eq!(gate_word(&dynwf.status("lines"), "packet:net"), "waiting");
    dynwf.line("packet drop lines net --why no").success();
    assert_eq!(gate_word(&dynwf.status("lines"), "packet:net"), "expired");
}

#[test]
fn the_smallest_packet_is_merged_first() {
    let big = "for i in 1 2 3 4 5 6; do echo '// net' >> crates/net/src/lib.rs; done";
    let repo = in_use_with(&plan_of(&[("net", big), ("db", &line_in("db"))]).replace(
        "target = \"main\"\n",
        "target = \"main\"\norder = \"smallest-first\"\n[[gate]]\nbefore = \"integrate\"\n",
    ));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines integrate --yes").success();
    dynwf.line("run lines").expect_code(3);
    let format = "--format=%(trailers:key=Dynwf-Packet,valueonly,separator=%x2C)";
    let log = repo.git([
        "log",
        "--first-parent",
        format,
        "main..dynwf/lines/integration",
    ]);
    assert_eq!(log, "net\ndb");
}

#[test]
fn overlapping_packets_are_done_one_after_another_where_the_plan_says_so() {
    let both = |id: &str| {
        packet_of(id, &format!("echo '// {id}' >> crates/core/src/lib.rs"), "")
            .replace(&format!("crates/{id}/**"), "crates/core/**")
    };
    let plan = plan_with("overlap = \"serialize\"", &[both("net"), both("db")]);
    let repo = in_use_with(&plan);
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    assert!(integrated(&repo, "crates/core/src/lib.rs").ends_with("// net\n// db"));
}

/// Two packets that change the same line of the same file.
fn conflicting() -> String {
    let both = |id: &str| {
        packet_of(id, &format!("echo '// {id}' >> crates/core/src/lib.rs"), "")
            .replace(&format!("crates/{id}/**"), "crates/core/**")
    };
    plan_with("overlap = \"allow\"", &[both("net"), both("db")])
}

#[test]
fn a_conflict_is_resolved_by_a_person() {
    let repo = in_use_with(&conflicting());
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("integrate lines --continue").expect_code(2);
    dynwf.line("run lines").expect_code(4);
    let status = dynwf.status("lines");
    assert_packet(&status, "net", "integrated", "");
    assert_packet(&status, "db", "conflicted", "crates/core/src/lib.rs");
    let open = repo
        .place()
        .join("repo.dynwf/lines/integration/crates/core/src/lib.rs");
    let text = fs::read_to_string(&open).expect("the conflict lies open");
    assert!(text.contains("<<<<<<<"), "{text}");
    dynwf.line("integrate lines --continue").expect_code(4);
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(['<', '=', '>', '|']))
        .collect();
    fs::write(&open, kept.join("\n") + "\n").expect("it can be resolved");
    dynwf.line("integrate lines --continue");
    dynwf.line("run lines").expect_code(3);
    assert!(integrated(&repo, "crates/core/src/lib.rs").ends_with("// net\n// db"));
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_conflict_is_skipped_or_its_packet_done_anew() {
    let repo = in_use_with(&conflicting());
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(4);
    dynwf.line("packet retry lines db").success();
    dynwf.line("run lines").expect_code(4);
    dynwf.line("integrate lines --skip");
    assert_packet(&dynwf.status("lines"), "db", "cancelled", "left out");
    dynwf.line("run lines").expect_code(3);
    assert!(integrated(&repo, "crates/core/src/lib.rs").ends_with("// net"));
    dynwf.line("integrate lines --skip").expect_code(2);
}

#[test]
fn squashed_packets_are_plain_commits() {
    let repo = in_use_with(
        &plan_of(&[("net", &line_in("net")), ("db", &line_in("db"))]).replace(
            "target = \"main\"\n",
            "target = \"main\"\nstrategy = \"squash\"\n",
        ),
    );
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    assert_eq!(
        repo.git(["rev-list", "--count", "main..dynwf/lines/integration"]),
        "2"
    );
    assert_eq!(
        repo.git([
            "rev-list",
            "--merges",
            "--count",
            "main..dynwf/lines/integration"
        ]),
        "0"
    );
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
}

#[test]
fn a_check_of_the_integrated_tree_that_fails_can_be_run_again() {
    let check = "[[check]]\nname = \"all\"\nrun = '''\necho ran >> \"$HOME/ran\"; echo it is broken; test -e \"$HOME/ok\"\n'''\nmust_pass = true\n";
    let repo = in_use_with(&plan_with(check, &[simple("net"), simple("db")]));
    let before = repo.fingerprint();
    let ran = || {
        fs::read_to_string(repo.place().home().join("ran"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(6);
    assert_eq!(ran(), 2, "on the result, and on the base");
    // The same tree: nothing is run again, and nothing lands.
    dynwf.line("run lines").expect_code(6);
    dynwf.line("verify lines").expect_code(6);
    dynwf.line("land lines").expect_code(6);
    assert_eq!(ran(), 2, "on the result, and on the base");
    assert_eq!(gate_word(&dynwf.status("lines"), "land"), "");
    let status = dynwf.status("lines");
    let commands = status["next"][0]["commands"].as_array().expect("commands");
    let shows = commands[0].as_str().expect("a command");
    let shows = shows.strip_prefix("dynwf ").expect("one of dynwf's");
    dynwf.line(shows).success().says("it is broken");
    dynwf
        .line("log lines --unit 999")
        .expect_code(2)
        .complains("no unit 999");
    assert_eq!(commands[1], "dynwf verify lines --again");
    dynwf.line("verify lines --again").expect_code(6);
    assert_eq!(ran(), 4);
    fs::write(repo.place().home().join("ok"), "").expect("it can be written");
    dynwf.line("verify lines --again").expect_code(3);
    assert_eq!(ran(), 5);
    assert_eq!(gate_word(&dynwf.status("lines"), "land"), "waiting");
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_target_that_moved_is_taken_in_and_asked_for_again() {
    let repo = in_use_with(&plan_of(&[("net", &line_in("net"))]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
    let other = repo.place().join("other");
    repo.git([
        "worktree",
        "add",
        "-q",
        &other.display().to_string(),
        "main",
    ]);
    fs::write(other.join("README.md"), "moved\n").expect("it can be edited");
    repo.git_in(&other, ["commit", "-q", "-a", "--no-verify", "-m", "moved"])
        .success();
    let moved = repo.resolve("main").expect("it is there");
    repo.git(["worktree", "remove", &other.display().to_string()]);
    let said = dynwf.line("land lines");
    assert!(matches!(said.code(), 1 | 3), "{said}");
    assert_eq!(repo.resolve("main").as_deref(), Some(moved.as_str()));
    dynwf.line("run lines").expect_code(3);
    assert_eq!(gate_word(&dynwf.status("lines"), "land"), "waiting");
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    assert_eq!(repo.git(["show", "main:README.md"]), "moved");
    assert!(
        repo.git(["show", "main:crates/net/src/lib.rs"])
            .ends_with("// net")
    );
}

#[test]
fn a_target_that_moved_into_a_conflict_is_a_persons() {
    let repo = in_use_with(&plan_of(&[("net", &line_in("net"))]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    let other = repo.place().join("other");
    repo.git([
        "worktree",
        "add",
        "-q",
        &other.display().to_string(),
        "main",
    ]);
    let file = other.join("crates/net/src/lib.rs");
    let text = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, text + "// mine\n").expect("it can be edited");
    repo.git_in(&other, ["commit", "-q", "-a", "--no-verify", "-m", "moved"])
        .success();
    repo.git(["worktree", "remove", &other.display().to_string()]);
    dynwf.line("run lines").expect_code(4);
    dynwf
        .line("integrate lines --skip")
        .expect_code(2)
        .complains("cannot be skipped");
    let open = repo
        .place()
        .join("repo.dynwf/lines/integration/crates/net/src/lib.rs");
    let text = fs::read_to_string(&open).expect("the conflict lies open");
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(['<', '=', '>', '|']))
        .collect();
    fs::write(&open, kept.join("\n") + "\n").expect("it can be resolved");
    dynwf.line("integrate lines --continue");
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    let text = repo.git(["show", "main:crates/net/src/lib.rs"]);
    assert!(
        text.contains("// mine") && text.contains("// net"),
        "{text}"
    );
}

#[test]
fn approvals_end_with_what_they_were_given_for() {
    let run = "echo 'fn main() {}' > crates/net/build.rs; cat \"$HOME/more\" >> crates/net/build.rs 2>/dev/null; true";
    let repo = in_use_with(&plan_of(&[("net", run)]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf
        .line("approve lines merge:net")
        .expect_code(2)
        .complains("--yes");
    dynwf.line("approve lines merge:net --yes").success();
    dynwf.line("revoke lines merge:net").success();
    dynwf.line("run lines").expect_code(3);
    assert_packet(&dynwf.status("lines"), "net", "waiting", "");
    dynwf.line("approve lines merge:net --yes").success();
    // Done again with another result: the approval is not for that.
    fs::write(repo.place().home().join("more"), "// more\n").expect("it can be written");
    dynwf.line("packet retry lines net").success();
    dynwf.line("run lines").expect_code(3);
    assert_packet(&dynwf.status("lines"), "net", "waiting", "");
    assert_eq!(gate_word(&dynwf.status("lines"), "merge:net"), "waiting");
    dynwf.line("reject lines merge:net --why no").success();
    dynwf.line("run lines").expect_code(1);
    assert_packet(&dynwf.status("lines"), "net", "rejected", "no");
}

#[test]
fn the_first_of_several_exit_codes_counts() {
    // A gate before a conflict before a failed packet.
    let risky = packet_of("core", "echo 'fn main() {}' > crates/core/build.rs", "");
    let repo = in_use_with(&format!("{}{}", plan_of(&[("net", "exit 1")]), risky));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("reject lines merge:core").success();
    let said: CommandOutput = dynwf.line("run lines");
    said.expect_code(1);
    // Usage errors say nothing about the workflow.
    dynwf.line("run lines --no-such-flag").expect_code(2);
    dynwf.line("run").expect_code(2);
}

#[test]
fn a_question_about_a_packet_that_was_given_up_waits_no_more() {
    let risky = packet_of("core", "echo 'fn main() {}' > crates/core/build.rs", "");
    let repo = in_use_with(&format!("{}{}", plan_of(&[("net", "exit 1")]), risky));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("packet drop lines core --why no").success();
    assert_eq!(gate_word(&dynwf.status("lines"), "merge:core"), "expired");
    dynwf.line("run lines").expect_code(1);
    assert!(dynwf.line("gates lines").success().stdout.is_empty());
}

#[test]
fn a_no_to_landing_is_told_with_the_command_that_takes_it_back() {
    let repo = in_use_with(&plan_of(&[("net", &line_in("net"))]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("reject lines land --why later").success();
    dynwf
        .line("status lines")
        .success()
        .says("was denied (later)")
        .says("dynwf approve lines land\n");
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
}

#[test]
fn a_no_to_merging_anything_is_an_end() {
    let gates = "[[gate]]\nbefore = \"integrate\"\n";
    let repo = in_use_with(&plan_with(gates, &[simple("net"), simple("db")]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("reject lines integrate --why no").success();
    let said = dynwf.line("run lines");
    assert!(said.code() == 3, "{said}");
    said.complains("dynwf approve lines integrate");
    assert_eq!(
        repo.resolve("dynwf/lines/integration"),
        repo.resolve("main")
    );
    dynwf.line("approve lines integrate --yes").success();
    dynwf.line("run lines").expect_code(3);
    assert_eq!(gate_word(&dynwf.status("lines"), "land"), "waiting");
}

#[test]
fn a_setup_command_that_ends_its_own_attendant_fails_the_packet() {
    let repo = in_use_with(&plan_of(&[("net", &line_in("net"))]));
    for (command, why) in [
        ("kill -TERM $PPID; sleep 5", "cancelled"),
        ("exit 4", "exit 4"),
    ] {
        repo.place().user_config(&format!(
            "[sandbox]\nmode = \"none\"\n[workspace]\nsetup = [\"{command}\"]\n"
        ));
        let dynwf = Dynwf::new(&repo);
        dynwf.line("run lines").expect_code(1);
        assert_packet(&dynwf.status("lines"), "net", "failed", why);
        dynwf.line("packet retry lines net").success();
    }
}
