//! The packet that breaks the build is found, taken out, and its worker sees what it broke.

use std::fs;

use crate::support::{CommandOutput, Dynwf, TestRepo};

/// A workflow whose check passes as long as not both `renamed` and `caller` are there. A person is asked before
/// anything is merged, so that the packets are merged in the order of the plan, whoever is done first.
fn planned(turns: &str, more: &str) -> TestRepo {
    let repo = TestRepo::small().in_use();
    let check = "! { test -e crates/net/renamed && test -e crates/db/caller; }";
    let plan = format!(
        "goal = \"A clash\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n{more}\n\
         [[gate]]\nbefore = \"integrate\"\n\
         [[check]]\nname = \"build\"\nrun = '{check} || {{ echo \"old name is gone\"; exit 9; }}'\n\
         [[packet]]\nid = \"01-net\"\nobjective = \"Rename\"\nscope = [\"crates/net/**\"]\n\
         run = \"touch crates/net/renamed\"\n\
         [[packet]]\nid = \"02-core\"\nobjective = \"A line\"\nscope = [\"crates/core/**\"]\n\
         run = \"echo '// core' >> crates/core/src/lib.rs\"\n\
         [[packet]]\nid = \"03-db\"\nobjective = \"Call\"\nscope = [\"crates/db/**\"]\n{turns}\n\
         run = '''\nif test -e crates/net/renamed; then rm -f crates/db/caller; cp \"$DYNWF_PROMPT_FILE\" crates/db/told\n\
         else touch crates/db/caller; fi\n'''\n"
    );
    let file = repo.place().join("plan.toml");
    fs::write(&file, plan).expect("the plan can be written");
    let file = file.display().to_string();
    Dynwf::new(&repo)
        .run(["plan", "clash", "--from", &file])
        .success();
    repo
}

/// Runs until everything is there, says yes to merging it, and goes on.
fn run(repo: &TestRepo, code: i32) -> CommandOutput {
    let dynwf = Dynwf::new(repo);
    dynwf.line("run clash").expect_code(3);
    dynwf.line("approve clash integrate --yes").success();
    dynwf.line("run clash").expect_code(code)
}

fn status_of(repo: &TestRepo, id: &str) -> String {
    let status = Dynwf::new(repo).status("clash");
    let packets = status["packets"].as_array().expect("packets").clone();
    let packet = packets.iter().find(|packet| packet["id"] == id);
    packet.expect("it is there")["status"]
        .as_str()
        .expect("a word")
        .to_owned()
}

fn files(repo: &TestRepo) -> String {
    repo.git(["ls-tree", "-r", "--name-only", "dynwf/clash/integration"])
}

#[test]
fn the_packet_that_breaks_the_build_is_taken_out_and_the_rest_lands() {
    let repo = planned("", "");
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let run = run(&repo, 3);
    assert!(run.to_string().contains("check `build` exit 9"), "{run}");
    assert_eq!(status_of(&repo, "03-db"), "failed");
    let there = files(&repo);
    assert!(there.contains("crates/net/renamed") && !there.contains("crates/db/caller"));
    let kept = repo.git([
        "for-each-ref",
        "--format=%(refname)",
        "refs/dynwf/w/clash/before/",
    ]);
    assert!(
        kept.starts_with("refs/dynwf/w/clash/before/integration/"),
        "{kept}"
    );
    before.assert_same(&repo.fingerprint());
    dynwf.line("approve clash land --yes").success();
    dynwf.line("land clash").success();
    // Done again, it starts from what the others did.
    dynwf.line("packet retry clash 03-db").success();
    dynwf.line("run clash").expect_code(3);
    assert_eq!(status_of(&repo, "03-db"), "integrated");
    assert!(files(&repo).contains("crates/db/told"));
}

#[test]
fn in_goal_mode_its_worker_sees_the_clash_and_mends_it() {
    let repo = planned("turns = 3", "strategy = \"squash\"");
    run(&repo, 3);
    assert_eq!(status_of(&repo, "03-db"), "integrated");
    let told = repo.git(["show", "dynwf/clash/integration:crates/db/told"]);
    assert!(told.contains("old name is gone"), "{told}");
    let count = ["rev-list", "--count", "main..dynwf/clash/integration"];
    assert_eq!(repo.git(count), "3", "one commit a packet");
}

#[test]
fn without_bisection_the_branch_stays_and_verification_failed() {
    let repo = planned("", "bisect = false");
    let dynwf = Dynwf::new(&repo);
    run(&repo, 6);
    assert!(files(&repo).contains("crates/db/caller"));
    // By hand: what is not landed can be taken out.
    dynwf.line("packet drop clash 03-db --why breaks").success();
    dynwf.line("run clash").expect_code(3);
    assert_eq!(status_of(&repo, "03-db"), "cancelled");
    assert!(!files(&repo).contains("crates/db/caller"));
}

#[test]
fn what_stood_on_a_packet_that_is_done_again_is_replayed() {
    let repo = TestRepo::small().in_use();
    let plan = "goal = \"Again\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n\
         [[packet]]\nid = \"01-net\"\nobjective = \"A\"\nscope = [\"crates/net/**\"]\n\
         run = \"echo $DYNWF_ATTEMPT > crates/net/attempt\"\n\
         [[packet]]\nid = \"02-core\"\nobjective = \"B\"\nscope = [\"crates/core/**\"]\nafter = [\"01-net\"]\n\
         run = \"echo '// core' >> crates/core/src/lib.rs\"\nchecks = [\"test -e crates/net/attempt\"]\n";
    let file = repo.place().join("plan.toml");
    fs::write(&file, plan).expect("the plan can be written");
    let file = file.display().to_string();
    let dynwf = Dynwf::new(&repo);
    dynwf.run(["plan", "clash", "--from", &file]).success();
    dynwf.line("run clash").expect_code(3);
    let tip = repo.git(["rev-parse", "dynwf/clash/02-core"]);
    dynwf.line("packet retry clash 01-net").success();
    dynwf.line("run clash").expect_code(3);
    assert_eq!(
        repo.git(["show", "dynwf/clash/integration:crates/net/attempt"]),
        "2"
    );
    assert_eq!(status_of(&repo, "02-core"), "integrated");
    let now = repo.git(["rev-parse", "dynwf/clash/02-core"]);
    assert_ne!(now, tip);
    let history = repo.git(["rev-list", "dynwf/clash/integration"]);
    assert!(!history.contains(&tip), "the old work is in no history");
    assert_eq!(
        repo.git([
            "rev-parse",
            &format!("refs/dynwf/w/clash/before/02-core/{}", &tip[..12])
        ]),
        tip
    );
    repo.git(["fsck", "--strict"]);
}
