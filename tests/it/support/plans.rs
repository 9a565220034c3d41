//! Plans for the tests, and what `status --json` says about them.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::dynwf::Dynwf;
use super::output::CommandOutput;
use super::test_repo::TestRepo;

/// A plan that lands on `main`, with a packet for each crate: its name is the id, `crates/NAME/**` its scope.
pub(crate) fn plan_of(packets: &[(&str, &str)]) -> String {
    let mut plan =
        "goal = \"Lines\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n".to_owned();
    for (id, run) in packets {
        plan += &packet_of(id, run, "");
    }
    plan
}

/// A packet of a crate that a command works on, with more lines of TOML.
pub(crate) fn packet_of(id: &str, run: &str, more: &str) -> String {
    let mut text = String::new();
    write!(
        text,
        "[[packet]]\nid = \"{id}\"\nobjective = \"A line\"\nscope = [\"crates/{id}/**\"]\nrun = '''\n{run}\n'''\n{more}\n"
    )
    .expect("writing to a string cannot fail");
    text
}

/// A command that adds a line to the crate's file.
pub(crate) fn line_in(id: &str) -> String {
    format!("echo '// {id}' >> crates/{id}/src/lib.rs")
}

impl TestRepo {
    /// Writes a plan beside the repository and hands it to `dynwf plan lines`.
    pub(crate) fn try_plan(&self, plan: &str) -> CommandOutput {
        let file = self.place().join("plan.toml");
        fs::write(&file, plan).expect("the plan can be written");
        let file = file.display().to_string();
        Dynwf::new(self).run(["plan", "lines", "--from", &file])
    }

    /// The same for a plan that is good.
    #[track_caller]
    pub(crate) fn planned(self, plan: &str) -> Self {
        self.try_plan(plan).success();
        self
    }
}

/// A packet in what `status --json` says.
#[track_caller]
pub(crate) fn packet<'a>(status: &'a Value, id: &str) -> &'a Value {
    let packets = status["packets"].as_array().expect("a list of packets");
    let found = packets.iter().find(|packet| packet["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {status:#}"))
}

/// Fails if a packet has another status, or a reason that lacks the text.
#[track_caller]
pub(crate) fn assert_packet(status: &Value, id: &str, word: &str, reason: &str) {
    let packet = packet(status, id);
    let why = packet["reason"].as_str().unwrap_or_default();
    assert!(
        packet["status"] == word && why.contains(reason),
        "{id} was to be {word} ({reason}): {packet:#}"
    );
}

/// A repository whose user is in the middle of work, with a plan and agents that see the test's own folder.
pub(crate) fn in_use_with(plan: &str) -> TestRepo {
    let repo = TestRepo::small().with_remote().in_use();
    repo.place().user_config("[sandbox]\nmode = \"none\"\n");
    repo.planned(plan)
}

/// A head of a plan with more lines in front of its packets.
pub(crate) fn plan_with(more: &str, packets: &[String]) -> String {
    format!("{}{more}\n{}", plan_of(&[]), packets.concat())
}

/// A packet that adds a line to its crate.
pub(crate) fn simple(id: &str) -> String {
    packet_of(id, &line_in(id), "")
}

/// The status of a gate; empty if there is none.
pub(crate) fn gate_word(status: &Value, id: &str) -> String {
    let gates = status["gates"].as_array().expect("a list of gates");
    let found = gates.iter().find(|gate| gate["id"] == id);
    found.map_or_else(String::new, |gate| {
        gate["status"].as_str().unwrap_or_default().to_owned()
    })
}

/// A file of the integration branch.
pub(crate) fn integrated(repo: &TestRepo, file: &str) -> String {
    repo.git(["show", &format!("dynwf/lines/integration:{file}")])
}
