//! A run that is killed or interrupted in the middle of its agents' work.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::support::{Dynwf, TestRepo, wait_until_gone};

/// A repository with a plan of these packets, whose agents see the test's own folder.
fn planned(packets: &[(&str, &str)]) -> TestRepo {
    let repo = TestRepo::small().in_use();
    repo.place().user_config("[sandbox]\nmode = \"none\"\n");
    let mut plan =
        "goal = \"Lines\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n".to_owned();
    for (id, run) in packets {
        plan += &format!(
            "[[packet]]\nid = \"{id}\"\nobjective = \"A line\"\nscope = [\"crates/{id}/**\"]\nrun = '''\n{run}\n'''\n"
        );
    }
    let file = repo.place().join("plan.toml");
    fs::write(&file, plan).expect("the plan can be written");
    let file = file.display().to_string();
    Dynwf::new(&repo)
        .run(["plan", "lines", "--from", &file])
        .success();
    repo
}

/// An agent that counts its starts, says that it is there, waits, and then works.
fn patient(id: &str) -> String {
    format!(
        "echo {id} >> \"$HOME/starts\"\n\
         exec fake-agent \"touch $HOME/{id}-is-there\" \"wait-for $HOME/go\" \
         'append crates/{id}/src/lib.rs // {id}\\n'"
    )
}

#[test]
fn agents_outlive_a_killed_run_and_work_once() {
    let repo = planned(&[("net", &patient("net")), ("db", &patient("db"))]);
    let before = repo.fingerprint();
    let home = repo.place().home();
    let dynwf = Dynwf::new(&repo);
    for round in 0..3 {
        let mut running = dynwf.spawn(["run", "lines"]);
        for id in ["net", "db"] {
            running.wait_for(&home.join(format!("{id}-is-there")));
        }
        if round == 0 {
            // Later ones may not have begun yet: the agents are there from before.
            let status = dynwf.status("lines");
            assert_eq!(status["killed"], false, "{status:#}");
        }
        running.kill();
        let status = dynwf.status("lines");
        assert_eq!(status["killed"], true, "{status:#}");
        assert_eq!(status["next"][0]["commands"][0], "dynwf run lines");
        dynwf
            .line("status lines")
            .success()
            .says("the last run was killed; 2 units may still be at work");
        dynwf.line("status").success().says("killed");
    }
    let last = dynwf.spawn(["run", "lines"]);
    fs::write(home.join("go"), "").expect("the agents can be released");
    last.wait().expect_code(3);
    let starts = fs::read_to_string(home.join("starts")).expect("the agents count");
    let mut starts: Vec<&str> = starts.lines().collect();
    starts.sort_unstable();
    assert_eq!(starts, ["db", "net"]);
    for id in ["net", "db"] {
        let file = format!("dynwf/lines/integration:crates/{id}/src/lib.rs");
        assert!(repo.git(["show", &file]).ends_with(&format!("// {id}")));
    }
    before.assert_same(&repo.fingerprint());
}

#[test]
fn an_interrupt_ends_the_run_and_every_process_below_it() {
    let agent = "exec fake-agent \"fork-daemon $HOME/daemon\" 'hang'";
    let repo = planned(&[("net", agent)]);
    let note = repo.place().home().join("daemon");
    let dynwf = Dynwf::new(&repo);
    let mut running = dynwf.spawn(["run", "lines"]);
    running.wait_for(&note);
    running.signal(Signal::INT);
    running.wait().expect_code(130);
    wait_until_gone(pid_in(&note));
    // What was interrupted can be told from what failed, and can go on.
    dynwf.line("status lines").success().says("net");
}

#[test]
fn a_second_run_is_told_who_holds_the_workflow() {
    let repo = planned(&[("net", &patient("net"))]);
    let home = repo.place().home();
    let dynwf = Dynwf::new(&repo);
    let mut first = dynwf.spawn(["run", "lines"]);
    first.wait_for(&home.join("net-is-there"));
    dynwf.line("run lines").expect_code(5).complains("hint: ");
    fs::write(home.join("go"), "").expect("the agent can be released");
    first.wait().expect_code(3);
}

fn pid_in(file: &Path) -> u32 {
    let text = fs::read_to_string(file).expect("the pid is there");
    text.trim().parse().expect("a number")
}
