//! The whole job, from a written plan to a pushed branch, the way a maintainer does it.
//!
//! The repository has the shape of a real one (a workspace of crates); with `DYNWF_TEST_BUNDLE` it is a real one.
//! The user sits on a branch of their own in the middle of work, and nothing of theirs may change.

use serde_json::Value;

use crate::support::{CommandOutput, Dynwf, TestRepo};

/// The crates that the packets work on; a bundle has to have them as `crates/NAME/src/lib.rs`.
const CRATES: [&str; 8] = [
    "matcher", "printer", "cli", "globset", "searcher", "regex", "ignore", "grep",
];

const PLAN: &str = r#"
goal = "Say on top of every crate that it has one error type"
success = ["every crate that was worked on says so"]
constraints = ["nothing but the first lines of files changes"]
base = "main"

[integration]
target = "main"
overlap = "allow"

[[risk]]
what = "two packets write the same file"
mitigation = "a person looks at the conflict"

[[check]]
name = "headers"
run = "grep -q 'one error type' crates/matcher/src/lib.rs"

[[packet]]
id = "01-matcher"
objective = "Say it in matcher"
scope = ["crates/matcher/**"]
run = "sed -i '1i // one error type' crates/matcher/src/*.rs"

[[packet]]
id = "02-printer"
objective = "Say it in printer, by hand"
scope = ["crates/printer/**"]
agent = "parent"

[[packet]]
id = "03-cli"
objective = "Say it in cli, and build it with a script"
scope = ["crates/cli/**"]
run = "sed -i '1i // one error type' crates/cli/src/lib.rs && echo 'fn main() {}' > crates/cli/build.rs"

[[packet]]
id = "04-globset"
objective = "Say it in globset once matcher and printer have it"
scope = ["crates/globset/**"]
after = ["01-matcher", "02-printer"]
run = """
grep -q 'one error type' crates/matcher/src/lib.rs && grep -q 'by hand' crates/printer/src/lib.rs &&
sed -i '1i // one error type' crates/globset/src/lib.rs
"""

[[packet]]
id = "05-searcher"
objective = "Say it in searcher"
scope = ["crates/searcher/**"]
run = "sed -i '1s/.*/\\/\\/ one error type, says searcher/' crates/searcher/src/lib.rs"

[[packet]]
id = "06-regex"
objective = "Say it in regex, and in searcher in other words"
scope = ["crates/regex/**", "crates/searcher/src/lib.rs"]
run = """
sed -i '1i // one error type' crates/regex/src/lib.rs
sed -i '1s/.*/\\/\\/ one error type, says regex/' crates/searcher/src/lib.rs
"""

[[packet]]
id = "07-ignore"
objective = "Say it in ignore if it is not said yet"
scope = ["crates/ignore/**"]
run = "true"

[[packet]]
id = "08-grep"
objective = "Say it in grep, and prove what cannot be proved"
scope = ["crates/grep/**"]
run = "sed -i '1i // one error type' crates/grep/src/lib.rs"
checks = ["test -e crates/grep/proof"]
"#;

/// What becomes of the packets in the end.
const OUTCOME: [(&str, &str); 8] = [
    ("01-matcher", "integrated"),
    ("02-printer", "integrated"),
    ("03-cli", "integrated"),
    ("04-globset", "integrated"),
    ("05-searcher", "integrated"),
    ("06-regex", "integrated"),
    ("07-ignore", "no_change"),
    ("08-grep", "failed"),
];

fn repository() -> TestRepo {
    let repo = TestRepo::from_bundle("DYNWF_TEST_BUNDLE")
        .unwrap_or_else(|| TestRepo::unborn().with_crates(&CRATES));
    repo.with_remote().in_use()
}

fn packet<'a>(status: &'a Value, id: &str) -> &'a Value {
    let packets = status["packets"].as_array().expect("a list of packets");
    let found = packets.iter().find(|packet| packet["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {status:#}"))
}

#[track_caller]
fn assert_packets(status: &Value, expected: &[(&str, &str)]) {
    for (id, word) in expected {
        assert_eq!(packet(status, id)["status"], *word, "{id} in {status:#}");
    }
}

#[track_caller]
fn assert_gate(status: &Value, id: &str, word: &str) {
    let gates = status["gates"].as_array().expect("a list of gates");
    let found = gates
        .iter()
        .any(|gate| gate["id"] == id && gate["status"] == word);
    assert!(found, "no gate {id} is {word} in {status:#}");
}

/// Ends well, where one packet has failed all the same.
#[track_caller]
fn done(output: CommandOutput) -> CommandOutput {
    assert!(matches!(output.code(), 0 | 1), "{output}");
    output
}

#[test]
fn a_refactor_goes_from_a_plan_to_the_remote() {
    let repo = repository();
    let base = repo.resolve("refs/heads/main").expect("main has a commit");
    let plan = repo.place().join("plan.toml");
    std::fs::write(&plan, PLAN).expect("the plan can be written");
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);

    // Stages 1 to 3: plan and split.
    dynwf
        .run(["plan", "refactor", "--from", &plan.display().to_string()])
        .success();
    let face = repo.join(".workflow/refactor");
    assert!(face.join("plan.toml").is_file() && face.join("plan.md").is_file());
    dynwf.line("split refactor").success();
    assert!(face.join("orchestration.md").is_file());
    for (id, _) in OUTCOME {
        assert!(face.join(format!("packets/{id}.md")).is_file(), "{id}");
    }
    let status = dynwf.status("refactor");
    assert_eq!(status["slug"], "refactor");
    assert_eq!(status["base"], base);
    assert_eq!(status["target"]["ref"], "refs/heads/main");
    before.assert_same(&repo.fingerprint());

    // Stage 4, until the first gate.
    dynwf.line("run refactor").expect_code(3);
    let status = dynwf.status("refactor");
    let expected = [
        ("01-matcher", "integrated"),
        ("02-printer", "ready"),
        ("03-cli", "waiting"),
        ("04-globset", "planned"),
        ("07-ignore", "no_change"),
        ("08-grep", "failed"),
    ];
    assert_packets(&status, &expected);
    assert_gate(&status, "merge:03-cli", "waiting");
    let reason = packet(&status, "04-globset")["reason"]
        .as_str()
        .unwrap_or_default();
    assert!(reason.contains("02-printer"), "{status:#}");

    parent_work(&repo, &dynwf);
    dynwf
        .line("review refactor 03-cli")
        .success()
        .says("crates/cli/build.rs");
    dynwf.line("approve refactor merge:03-cli").expect_code(2);
    dynwf.line("approve refactor merge:03-cli --yes").success();

    // Stage 5: the conflict is a person's.
    dynwf.line("run refactor").expect_code(4);
    let conflicted = conflicted(&dynwf.status("refactor"));
    resolve(&repo, &dynwf);
    let status = dynwf.status("refactor");
    assert_packets(&status, &[(conflicted.as_str(), "integrated")]);

    // Stage 6, until the gate for landing.
    dynwf.line("run refactor").expect_code(3);
    let status = dynwf.status("refactor");
    assert_packets(&status, &OUTCOME);
    assert_gate(&status, "land", "waiting");
    let integrated = status["integration"]["commit"]
        .as_str()
        .expect("a commit")
        .to_owned();
    let checks = status["checks"].as_array().expect("a list of checks");
    let tree = &status["integration"]["tree"];
    let proved = checks.iter().any(|check| {
        check["name"] == "headers" && &check["tree"] == tree && check["exit_code"] == 0
    });
    assert!(proved, "{status:#}");
    before.assert_same(&repo.fingerprint());

    land_and_push(&repo, &dynwf, &base, &integrated);
    dynwf
        .line("archive refactor --recipe split-by-crate")
        .success();
    assert_history(&repo, &base);
    assert_archive(&repo);
    let mains = ["ref refs/heads/main"];
    let after = repo.fingerprint();
    before.without(&mains).assert_same(&after.without(&mains));
}

/// Landing and pushing, each behind its gate.
fn land_and_push(repo: &TestRepo, dynwf: &Dynwf, base: &str, integrated: &str) {
    dynwf.line("land refactor").expect_code(3);
    dynwf.line("approve refactor land --yes").success();
    done(dynwf.line("land refactor"));
    assert_eq!(repo.git(["rev-parse", "main"]), integrated);
    dynwf.line("push refactor").expect_code(3);
    assert_eq!(repo.remote_git(["rev-parse", "main"]), base);
    dynwf.line("approve refactor push:origin --yes").success();
    done(dynwf.line("push refactor"));
    assert_eq!(repo.remote_git(["rev-parse", "main"]), integrated);
}

/// A person takes the packet that no agent of dynwf works on, and gives it back.
fn parent_work(repo: &TestRepo, dynwf: &Dynwf) {
    dynwf.line("packet next refactor").success().says("by hand");
    let status = dynwf.status("refactor");
    let worktree = packet(&status, "02-printer")["worktree"]
        .as_str()
        .expect("its worktree")
        .to_owned();
    let file = std::path::Path::new(&worktree).join("crates/printer/src/lib.rs");
    let old = std::fs::read_to_string(&file).expect("the workspace is filled");
    std::fs::write(&file, format!("// one error type, by hand\n{old}")).expect("it can be edited");
    assert!(!repo.read("crates/printer/src/lib.rs").contains("by hand"));
    dynwf.line("packet done refactor 02-printer").success();
}

/// The packet of the pair that could not be merged; the other one is.
fn conflicted(status: &Value) -> String {
    let pair = ["05-searcher", "06-regex"];
    let words = pair.map(|id| packet(status, id)["status"].as_str().unwrap_or_default());
    match words {
        ["integrated", "conflicted"] => pair[1].to_owned(),
        ["conflicted", "integrated"] => pair[0].to_owned(),
        _ => panic!("one of the pair was to conflict: {status:#}"),
    }
}

/// A person resolves the conflict in the workspace where it lies open.
fn resolve(repo: &TestRepo, dynwf: &Dynwf) {
    dynwf.line("integrate refactor").expect_code(4);
    let open = repo.place().join("repo.dynwf/refactor/integration");
    let file = open.join("crates/searcher/src/lib.rs");
    let text = std::fs::read_to_string(&file).expect("the conflict lies open");
    assert!(
        text.contains("<<<<<<<") && text.contains("says regex"),
        "{text}"
    );
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| {
            !["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
                .iter()
                .any(|mark| line.starts_with(mark))
        })
        .collect();
    // An unresolved file is no resolution.
    let refused = dynwf.line("integrate refactor --continue");
    assert!(matches!(refused.code(), 2 | 4), "{refused}");
    std::fs::write(&file, format!("{}\n", kept.join("\n"))).expect("it can be resolved");
    let continued = dynwf.line("integrate refactor --continue");
    assert!(matches!(continued.code(), 0 | 1 | 3), "{continued}");
}

/// `main` at the remote has one merge commit for each packet that was accepted, and no other.
fn assert_history(repo: &TestRepo, base: &str) {
    let range = format!("{base}..main");
    let format = "--format=%P|%(trailers:key=Dynwf-Packet,valueonly,separator=%x2C)|%(trailers:key=Dynwf-Workflow,valueonly,separator=%x2C)";
    let log = repo.remote_git(["log", "--first-parent", format, &range]);
    let mut packets = Vec::new();
    for line in log.lines() {
        let parts: Vec<&str> = line.split('|').collect();
        assert_eq!(parts[0].split(' ').count(), 2, "not a merge: {log}");
        assert_eq!(parts[2], "refactor", "{log}");
        packets.push(parts[1]);
    }
    packets.sort_unstable();
    let accepted = OUTCOME.iter().filter(|(_, word)| *word == "integrated");
    let accepted: Vec<&str> = accepted.map(|(id, _)| *id).collect();
    assert_eq!(packets, accepted, "{log}");
    repo.remote_git(["fsck", "--strict"]);
    let text = repo.remote_git(["show", "main:crates/searcher/src/lib.rs"]);
    assert!(
        text.contains("says searcher") && text.contains("says regex"),
        "{text}"
    );
    let unmerged = repo.remote_git(["show", "main:crates/grep/src/lib.rs"]);
    assert!(!unmerged.contains("one error type"), "{unmerged}");
}

/// The report tells what became of each packet; the workspaces are gone; the recipe is there.
fn assert_archive(repo: &TestRepo) {
    let report = repo.read(".workflow/refactor/final-report.md");
    for (id, _) in OUTCOME {
        assert!(report.contains(id), "{id} is not in the report:\n{report}");
    }
    assert!(report.contains("failed"), "{report}");
    let worktrees = repo.git(["worktree", "list", "--porcelain"]);
    assert_eq!(worktrees.matches("worktree ").count(), 1, "{worktrees}");
    let recipes = repo.join(".workflow/recipes");
    let found = std::fs::read_dir(&recipes)
        .expect("recipes are kept")
        .count();
    assert_eq!(found, 1, "one recipe in {}", recipes.display());
}

/// Two packets that cannot meet.
const SMALL_PLAN: &str = r#"
goal = "Two lines"
base = "main"
[integration]
target = "main"
[[risk]]
what = "the line may be too long"
[[packet]]
id = "01-net"
objective = "A line in net"
scope = ["crates/net/**"]
run = "echo '// net' >> crates/net/src/lib.rs"
[[packet]]
id = "02-db"
objective = "A line in db"
scope = ["crates/db/**"]
run = "echo '// db' >> crates/db/src/lib.rs"
"#;

fn run_to_land_gate(repo: &TestRepo) -> Dynwf<'_> {
    let plan = repo.place().join("plan.toml");
    std::fs::write(&plan, SMALL_PLAN).expect("the plan can be written");
    let dynwf = Dynwf::new(repo);
    dynwf
        .run(["plan", "two", "--from", &plan.display().to_string()])
        .success();
    dynwf.line("run two").expect_code(3);
    assert_gate(&dynwf.status("two"), "land", "waiting");
    dynwf
}

#[test]
fn branches_are_pushed_for_a_request_after_the_gate() {
    let repo = TestRepo::small().with_remote().in_use();
    let before = repo.fingerprint();
    let dynwf = run_to_land_gate(&repo);
    let branches = || repo.remote_git(["for-each-ref", "--format=%(refname)", "refs/heads/dynwf"]);
    dynwf.line("push two --branches").expect_code(3);
    assert_eq!(branches(), "");
    dynwf
        .line("approve two push:origin --yes")
        .success()
        .complains("next: dynwf push two --branches\n");
    dynwf
        .line("status two")
        .success()
        .says("dynwf push two --branches\n");
    dynwf
        .line("push two --branches")
        .success()
        .says("A line in net")
        .says("the line may be too long");
    assert!(branches().lines().count() >= 1, "{}", branches());
    for name in branches().lines() {
        assert_eq!(
            Some(repo.remote_git(["rev-parse", name])),
            repo.resolve(name),
            "{name}"
        );
    }
    before.assert_same(&repo.fingerprint());
    // It is merged elsewhere: nothing here waits for the landing.
    dynwf.line("archive two").success();
}

#[test]
fn landing_carries_a_checkout_of_the_target_along_with_its_edits() {
    let repo = TestRepo::small();
    repo.write("README.md", "# A small workspace\n\nmy own edit\n");
    repo.write("untracked.txt", "mine\n");
    let before = repo.fingerprint();
    let dynwf = run_to_land_gate(&repo);
    before.assert_same(&repo.fingerprint());
    dynwf.line("approve two land --yes").success();
    dynwf.line("land two").success();
    let landed = dynwf.status("two")["integration"]["commit"].clone();
    assert_eq!(landed, repo.git(["rev-parse", "HEAD"]));
    assert_eq!(repo.git(["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert!(repo.read("crates/net/src/lib.rs").ends_with("// net\n"));
    assert!(repo.read("crates/db/src/lib.rs").ends_with("// db\n"));
    let moved = [
        "ref refs/heads/main",
        "index",
        "git index",
        "git logs/HEAD",
        "git ORIG_HEAD",
        "file crates/net/src/lib.rs",
        "file crates/db/src/lib.rs",
    ];
    before
        .without(&moved)
        .assert_same(&repo.fingerprint().without(&moved));
}
