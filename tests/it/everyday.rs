//! What people do from day to day with a workflow that did not go straight on: each verb does what its help
//! says, ends with the stated exit code, and leaves the user's own things alone.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Dynwf, TestRepo, assert_packet, gate_word, in_use_with, integrated, line_in, packet, packet_of,
    plan_of, plan_with, simple, wait_until_gone,
};

/// An agent that says that it is there, waits, and then works.
fn patient(id: &str) -> String {
    format!(
        "exec fake-agent \"touch $HOME/{id}-is-there\" \"wait-for $HOME/go\" 'append crates/{id}/src/lib.rs // {id}\\n'"
    )
}

fn worktree(status: &Value, id: &str) -> PathBuf {
    PathBuf::from(
        packet(status, id)["worktree"]
            .as_str()
            .expect("a workspace"),
    )
}

#[test]
fn a_packet_is_tried_again_with_a_comment_and_its_old_files_are_kept() {
    let run = "cp \"$DYNWF_PROMPT_FILE\" \"$HOME/prompt\"; echo x > crates/net/new.rs; test -e \"$HOME/ok\"";
    let repo = in_use_with(&plan_of(&[("net", run), ("db", &line_in("db"))]));
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    assert_packet(&dynwf.status("lines"), "net", "failed", "exit 1");
    let tip = packet(&dynwf.status("lines"), "net")["tip"]
        .as_str()
        .expect("a tip")
        .to_owned();
    dynwf
        .run([
            "packet",
            "retry",
            "lines",
            "net",
            "--comment",
            "mind the \"gap\"",
        ])
        .success();
    fs::write(repo.place().home().join("ok"), "").expect("it can be written");
    dynwf.line("run lines").expect_code(3);
    let prompt = fs::read_to_string(repo.place().home().join("prompt")).expect("it was noted");
    assert!(prompt.contains("mind the \"gap\""), "{prompt}");
    let status = dynwf.status("lines");
    assert_packet(&status, "net", "integrated", "");
    assert_eq!(packet(&status, "net")["attempts"], 2);
    assert_eq!(
        repo.resolve("refs/dynwf/w/lines/tip/net/1").as_deref(),
        Some(tip.as_str())
    );
    // What is integrated and not landed may be taken out and begun again.
    dynwf.line("packet retry lines net").success();
    dynwf
        .line("packet retry lines nett")
        .expect_code(2)
        .complains("no packet is called nett");
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_packet(&status, "net", "integrated", "");
    assert_eq!(packet(&status, "net")["attempts"], 3);
    before.assert_same(&repo.fingerprint());

    // What has landed is taken back on the target, not by beginning anew.
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    dynwf
        .line("packet retry lines net")
        .expect_code(2)
        .complains("has landed already");
}

#[test]
fn a_packet_that_runs_is_cancelled_from_another_process() {
    let repo = in_use_with(&plan_of(&[
        ("net", "exec fake-agent \"touch $HOME/net-is-there\" hang"),
        ("db", &line_in("db")),
    ]));
    let dynwf = Dynwf::new(&repo);
    let mut run = dynwf.spawn(["run", "lines"]);
    run.wait_for(&repo.place().home().join("net-is-there"));
    dynwf
        .line("packet retry lines net")
        .expect_code(2)
        .complains("packet cancel lines net");
    dynwf
        .run(["packet", "cancel", "lines", "net", "--why", "not needed"])
        .success();
    run.wait().expect_code(3);
    assert_packet(&dynwf.status("lines"), "net", "cancelled", "not needed");
    dynwf
        .line("packet cancel lines net")
        .expect_code(2)
        .complains("cancelled already");
    // It can be taken up again.
    dynwf.line("packet retry lines net").success();
    assert_packet(&dynwf.status("lines"), "net", "planned", "");
    dynwf
        .run(["packet", "drop", "lines", "net", "--why", "by hand instead"])
        .success();
    assert_packet(
        &dynwf.status("lines"),
        "net",
        "cancelled",
        "by hand instead",
    );
}

#[test]
fn what_a_failed_packet_blocks_goes_on_when_it_is_dropped_or_mended() {
    let plan = plan_with(
        "",
        &[
            packet_of("net", "exit 1", ""),
            packet_of("db", &line_in("db"), "after = [\"net\"]"),
            simple("core"),
        ],
    );
    let repo = in_use_with(&plan);
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("run lines");
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "planned", "net");
    assert_packet(&status, "core", "integrated", "");
    assert!(matches!(said.code(), 1 | 3), "{said}");
    let file = worktree(&status, "net").join("crates/net/src/lib.rs");
    let text = fs::read_to_string(&file).expect("the workspace is there");
    fs::write(&file, text + "// net\n").expect("it can be edited");
    dynwf.line("packet done lines net").success();
    dynwf.line("run lines").expect_code(3);
    for id in ["net", "db", "core"] {
        assert_packet(&dynwf.status("lines"), id, "integrated", "");
    }
}

#[test]
fn a_workflow_where_all_is_waived_is_complete() {
    let repo = in_use_with(&plan_of(&[("net", "exit 1")]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(1);
    assert_eq!(dynwf.status("lines")["status"], "failed");
    dynwf
        .run(["packet", "drop", "lines", "net", "--why", "no"])
        .success();
    dynwf.line("run lines").success();
    assert_eq!(dynwf.status("lines")["status"], "complete");
    dynwf
        .line("land lines")
        .expect_code(2)
        .complains("nothing is integrated");
}

#[test]
fn parent_work_is_handed_out_one_after_another() {
    let parent = |id: &str| {
        simple(id).replace(
            &format!("run = '''\n{}\n'''\n", line_in(id)),
            "agent = \"parent\"\n",
        )
    };
    let repo = in_use_with(&plan_with(
        "",
        &[parent("net"), parent("db"), simple("core")],
    ));
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("packet next lines").expect_code(2);
    dynwf.line("run lines").expect_code(3);
    let first = dynwf.line("packet next lines --json").success().json();
    assert_eq!(first["packet"], "net");
    dynwf.line("packet next lines").success().says("db");
    dynwf
        .line("packet next lines")
        .success()
        .complains("all of it is taken: net, db");
    // One that does nothing, one that works.
    dynwf
        .line("packet done lines db")
        .success()
        .complains("no_change");
    let folder = PathBuf::from(first["worktree"].as_str().expect("a folder"));
    fs::write(folder.join("crates/net/mine.rs"), "// mine\n").expect("it can be written");
    dynwf
        .run(["packet", "done", "lines", "net", "--note", "I did it"])
        .success();
    dynwf
        .line("packet done lines net")
        .expect_code(2)
        .complains("nothing to collect by hand");
    dynwf.line("packet done lines core").expect_code(2);
    dynwf.line("run lines").expect_code(3);
    assert_eq!(integrated(&repo, "crates/net/mine.rs"), "// mine");
    assert_packet(&dynwf.status("lines"), "db", "no_change", "");
    dynwf
        .line("packet next lines --json")
        .success()
        .says("null");
    before.assert_same(&repo.fingerprint());
}

#[test]
fn logs_show_what_units_printed_and_follow_them() {
    let agent =
        "exec fake-agent 'say one' \"touch $HOME/net-is-there\" \"wait-for $HOME/go\" 'warn two'";
    let repo = in_use_with(&plan_of(&[("net", agent)]));
    let home = repo.place().home();
    let dynwf = Dynwf::new(&repo);
    let mut run = dynwf.spawn(["run", "lines"]);
    run.wait_for(&home.join("net-is-there"));
    let log = dynwf.spawn(["packet", "log", "lines", "net", "--follow"]);
    dynwf.line("packet log lines net").success().says("one");
    fs::write(home.join("go"), "").expect("the agent can be released");
    run.wait().success();
    log.wait().success().says("one").says("two");
    dynwf.line("packet log lines nix").expect_code(2);
    dynwf.line("log lines").success().says("net");
}

#[test]
fn a_run_is_stopped_from_another_process_and_goes_on() {
    let repo = in_use_with(&plan_of(&[
        ("net", &patient("net")),
        ("db", &patient("db")),
    ]));
    let before = repo.fingerprint();
    let home = repo.place().home();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("stop lines").expect_code(2);
    let mut run = dynwf.spawn(["run", "lines"]);
    run.wait_for(&home.join("net-is-there"));
    run.wait_for(&home.join("db-is-there"));
    dynwf.line("stop lines").success();
    run.wait().expect_code(143).complains("goes on from here");
    dynwf.line("stop lines").success().complains("nothing runs");
    fs::write(home.join("go"), "").expect("the agents can be released");
    dynwf.line("run lines").expect_code(3);
    for id in ["net", "db"] {
        assert_packet(&dynwf.status("lines"), id, "integrated", "");
    }
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_terminated_run_goes_on_to_the_same_tree() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let repo = in_use_with(&plan_of(&[
            ("net", &patient("net")),
            ("db", &line_in("db")),
        ]));
        let before = repo.fingerprint();
        let home = repo.place().home();
        let dynwf = Dynwf::new(&repo);
        let mut run = dynwf.spawn(["run", "lines"]);
        run.wait_for(&home.join("net-is-there"));
        run.signal(signal);
        let code = 128 + signal.as_raw();
        run.wait().expect_code(code);
        fs::write(home.join("go"), "").expect("the agent can be released");
        dynwf.line("run lines").expect_code(3);
        for id in ["net", "db"] {
            assert!(
                integrated(&repo, &format!("crates/{id}/src/lib.rs"))
                    .ends_with(&format!("// {id}"))
            );
        }
        before.assert_same(&repo.fingerprint());
    }
}

#[test]
fn a_unit_that_dies_with_the_run_is_done_again_from_the_base() {
    let agent = "echo half >> crates/net/src/lib.rs; echo $PPID > \"$HOME/attendant.part\"; \
                 mv \"$HOME/attendant.part\" \"$HOME/attendant\"; \
                 if mkdir \"$HOME/first\" 2>/dev/null; then exec fake-agent hang; fi; \
                 grep -q half crates/net/src/lib.rs && sed -i s/half/whole/ crates/net/src/lib.rs";
    let repo = in_use_with(&plan_of(&[("net", agent)]));
    let home = repo.place().home();
    let dynwf = Dynwf::new(&repo);
    let mut run = dynwf.spawn(["run", "lines"]);
    run.wait_for(&home.join("first"));
    run.wait_for(&home.join("attendant"));
    let pid = fs::read_to_string(home.join("attendant")).expect("it says who");
    run.kill();
    let raw = pid.trim().parse().expect("a number");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(raw).expect("a pid"),
        Signal::KILL,
    )
    .expect("it is ours");
    wait_until_gone(raw.unsigned_abs());
    dynwf.line("run lines").expect_code(3);
    let text = integrated(&repo, "crates/net/src/lib.rs");
    assert!(text.ends_with("}\nwhole"), "{text}");
    let refs = repo.git([
        "for-each-ref",
        "--format=%(refname)",
        "refs/dynwf/rescue/lines",
    ]);
    let kept = repo.git(["show", &format!("{refs}:crates/net/src/lib.rs")]);
    assert!(kept.ends_with("half"), "{kept}");
}

#[test]
fn an_amended_plan_adds_a_packet_and_cannot_rewrite_what_is_done() {
    let repo = in_use_with(&plan_of(&[("net", &line_in("net"))]));
    let dynwf = Dynwf::new(&repo);
    dynwf
        .line("plan lines --amend")
        .expect_code(2)
        .complains("not split yet");
    dynwf.line("run lines").expect_code(3);
    dynwf
        .line("plan lines")
        .expect_code(2)
        .complains("frozen")
        .complains("--amend");
    dynwf
        .line("plan lines --amend")
        .expect_code(2)
        .complains("the plan is the same");
    dynwf.line("approve lines land --yes").success();
    let file = ".workflow/lines/plan.toml";
    let old = repo.read(file);
    repo.write(file, &old.replace("'// net'", "'// other'"));
    dynwf
        .line("plan lines --amend")
        .expect_code(2)
        .complains("packet net is finished");
    repo.write(file, &format!("{old}{}", simple("db")));
    dynwf
        .line("plan lines --amend")
        .success()
        .says("packet db is new");
    // What was approved was another landing.
    dynwf
        .line("land lines")
        .expect_code(2)
        .complains("db not finished");
    dynwf.line("run lines").expect_code(3);
    assert_packet(&dynwf.status("lines"), "db", "integrated", "");
    assert_eq!(gate_word(&dynwf.status("lines"), "land"), "waiting");
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
}

#[test]
fn cleaning_the_checkout_loses_nothing() {
    let repo = in_use_with(&plan_of(&[("net", &line_in("net")), ("db", "exit 1")]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    let names = || {
        let entries = fs::read_dir(repo.join(".workflow/lines"))
            .expect("it is there")
            .flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let shown = names();
    repo.git(["clean", "-q", "-fdx"]);
    assert!(!repo.join(".workflow").exists());
    assert_eq!(dynwf.status("lines")["packets"], status["packets"]);
    dynwf.line("report lines --rebuild").success();
    assert_eq!(names(), shown);
    fs::remove_dir_all(repo.join(".workflow")).expect("it can be removed");
    dynwf.line("packet drop lines db --why no").success();
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    assert!(
        repo.git(["show", "main:crates/net/src/lib.rs"])
            .ends_with("// net")
    );
}

#[test]
fn a_workspace_that_somebody_removed_is_made_again() {
    let repo = in_use_with(&plan_of(&[
        ("net", &line_in("net")),
        ("db", &line_in("db")),
    ]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("split lines").success();
    let sites = repo.place().join("repo.dynwf");
    fs::remove_dir_all(&sites).expect("it can be removed");
    repo.git(["worktree", "prune"]);
    let said = dynwf.line("run lines");
    assert!(said.code() != 70, "{said}");
    for id in ["net", "db"] {
        if packet(&dynwf.status("lines"), id)["status"] == "failed" {
            dynwf.line(&format!("packet retry lines {id}")).success();
        }
    }
    dynwf.line("run lines").expect_code(3);
    for id in ["net", "db"] {
        assert_packet(&dynwf.status("lines"), id, "integrated", "");
    }
}

#[test]
fn a_second_turn_mends_what_the_check_found() {
    let run = "echo turn >> crates/net/src/lib.rs; cp \"$DYNWF_PROMPT_FILE\" \"$HOME/prompt\"";
    let more = "turns = 3\nchecks = [\"test $(grep -c turn crates/net/src/lib.rs) -ge 2 || { echo too few; false; }\"]";
    let repo = in_use_with(&plan_with("", &[packet_of("net", run, more)]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_packet(&status, "net", "integrated", "");
    assert_eq!(packet(&status, "net")["attempts"], 1);
    let prompt = fs::read_to_string(repo.place().home().join("prompt")).expect("it was noted");
    assert!(prompt.contains("too few"), "{prompt}");
    assert!(integrated(&repo, "crates/net/src/lib.rs").ends_with("turn\nturn"));
}

#[test]
fn checks_that_misbehave_are_failed_checks_and_leave_the_work_alone() {
    for (check, reason) in [
        ("exit 9", "exit"),
        ("kill -KILL $$", "signal 9"),
        ("kill -TERM $PPID; sleep 5", "cancelled"),
        ("kill -KILL $PPID; sleep 5", "lost"),
        (
            "echo spoiled > crates/net/src/lib.rs; rm -rf .git; exit 0",
            "",
        ),
        ("rm -rf ../net; exit 0", ""),
    ] {
        let repo = TestRepo::small().in_use();
        repo.place().user_config("[sandbox]\nmode = \"none\"\n");
        let plan = format!(
            "{}{}",
            plan_of(&[("db", &line_in("db"))]),
            packet_of(
                "net",
                &line_in("net"),
                &format!("checks = [{}]", toml_string(check))
            )
        );
        let repo = repo.planned(&plan);
        let before = repo.fingerprint();
        let dynwf = Dynwf::new(&repo);
        dynwf.line("run lines").expect_code(3);
        let status = dynwf.status("lines");
        let word = packet(&status, "net")["status"].as_str().expect("a word");
        if reason.is_empty() {
            // What a check does to the files is not part of the work.
            let merged = repo.git(["show", "dynwf/lines/integration:crates/net/src/lib.rs"]);
            assert!(
                word == "failed" || merged.ends_with("// net"),
                "{check}: {merged}"
            );
        } else {
            assert_packet(&status, "net", "failed", reason);
        }
        before.assert_same(&repo.fingerprint());
    }
}

fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
