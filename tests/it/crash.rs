//! Ended at any step, a workflow goes on to the same result.
//!
//! A first run writes down every crash point that each call passes. Then, for each call and each point, the same
//! workflow is done again in a fresh repository, that call is aborted at that point, `dynwf run` resumes, and the
//! call is made again. In the end the target must hold the same tree, each packet must be merged once, and nothing of
//! the user's may have changed.
//!
//! Of a point that one call passes often, the first and the last pass are tried; with `DYNWF_TEST_EVERY_PASS` all are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{CommandOutput, Dynwf, TestRepo};

/// Two packets side by side, one of which a person must look at, which are merged together, and one that needs the
/// other.
const PLAN: &str = r#"
goal = "Three lines"
base = "main"
[integration]
target = "main"
[budget]
concurrency = 2
[[gate]]
before = "integrate"
[[check]]
name = "all"
run = "grep -q net crates/net/src/lib.rs"
when = "both"
[[packet]]
id = "01-net"
objective = "A line in net"
scope = ["crates/net/**"]
run = "echo '// net' >> crates/net/src/lib.rs"
[[packet]]
id = "02-db"
objective = "A build script in db"
scope = ["crates/db/**"]
run = "echo 'fn main() {}' > crates/db/build.rs"
[[packet]]
id = "03-core"
objective = "A line in core after the one in net"
scope = ["crates/core/**"]
after = ["01-net"]
run = "tail -n 1 crates/net/src/lib.rs >> crates/core/src/lib.rs"
checks = ["grep -q '// net' crates/core/src/lib.rs"]
"#;

/// The calls, in order, and the exit code of each where nothing goes wrong.
const CALLS: [(&str, i32); 9] = [
    ("plan crash --from ../plan.toml", 0),
    ("split crash", 0),
    ("run crash", 3),
    ("approve crash merge:02-db --yes", 0),
    ("run crash", 3),
    ("approve crash integrate --yes", 0),
    ("run crash", 3),
    ("approve crash land --yes", 0),
    ("land crash", 0),
];

/// How many workflows are done at once.
const WORKERS: usize = 2;

/// A place to crash: in which call, and the value of `DYNWF_CRASH_AT`.
#[derive(Clone, Debug)]
struct Point {
    call: usize,
    at: String,
}

/// What is left in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    tree: String,
    merges: Vec<String>,
    packets: Vec<(String, String)>,
}

fn repository() -> TestRepo {
    let repo = TestRepo::small().in_use();
    std::fs::write(repo.place().join("plan.toml"), PLAN).expect("the plan can be written");
    repo
}

fn end(repo: &TestRepo) -> End {
    let format = "--format=%(trailers:key=Dynwf-Packet,valueonly,separator=%x2C)";
    let log = repo.git(["log", "--first-parent", "--merges", format, "main"]);
    let mut merges: Vec<String> = log.lines().map(str::to_owned).collect();
    merges.sort();
    let status = Dynwf::new(repo).status("crash");
    let packets = status["packets"].as_array().expect("a list of packets");
    let word =
        |packet: &serde_json::Value, key: &str| packet[key].as_str().unwrap_or_default().to_owned();
    End {
        tree: repo.git(["rev-parse", "main^{tree}"]),
        merges,
        packets: packets
            .iter()
            .map(|packet| (word(packet, "id"), word(packet, "status")))
            .collect(),
    }
}

/// Does the whole workflow without a crash; returns its end and the points that each call passed.
fn uncrashed() -> (End, Vec<Point>) {
    let repo = repository();
    let before = repo.fingerprint();
    let mut points = Vec::new();
    for (call, (line, code)) in CALLS.iter().enumerate() {
        let log = repo.place().join(format!("points-{call}"));
        Dynwf::new(&repo)
            .env("DYNWF_CRASH_LOG", &log)
            .line(line)
            .expect_code(*code);
        points.extend(passes(&log).into_iter().map(|at| Point { call, at }));
    }
    assert_untouched(&repo, &before);
    (end(&repo), points)
}

/// The passes that are worth a crash: of each name the first and the last.
fn passes(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut numbers: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in text.lines() {
        let (name, number) = line.rsplit_once(':').expect("a name and a number");
        let number = number.parse().expect("a number");
        numbers.entry(name).or_default().push(number);
    }
    let every = std::env::var_os("DYNWF_TEST_EVERY_PASS").is_some();
    let mut found = Vec::new();
    for (name, mut passes) in numbers {
        passes.sort_unstable();
        passes.dedup();
        if !every && passes.len() > 2 {
            passes.drain(1..passes.len() - 1);
        }
        found.extend(passes.iter().map(|pass| format!("{name}:{pass}")));
    }
    found
}

fn assert_untouched(repo: &TestRepo, before: &crate::support::Fingerprint) {
    let main = ["ref refs/heads/main"];
    let after = repo.fingerprint().without(&main);
    before.clone().without(&main).assert_same(&after);
}

/// Does the workflow with one crash. Returns whether it crashed there; fails where the end differs.
fn crashed(point: &Point, expected: &End) -> bool {
    let repo = repository();
    let before = repo.fingerprint();
    let once = repo.place().join("crashed");
    let mut said: Vec<CommandOutput> = Vec::new();
    for (call, (line, code)) in CALLS.iter().enumerate() {
        let dynwf = Dynwf::new(&repo);
        if call != point.call {
            let output = dynwf.line(line);
            // A call that was resumed may have done some of the next one's work; the end is what counts.
            assert!(
                call < point.call || output.code() != 70,
                "{point:?}\n{}\n{output}",
                all(&said)
            );
            assert!(
                call > point.call || output.code() == *code,
                "{point:?}\n{output}"
            );
            said.push(output);
            continue;
        }
        let crashing = dynwf
            .env("DYNWF_CRASH_AT", &point.at)
            .env("DYNWF_CRASH_ONCE", &once)
            .line(line);
        said.push(crashing);
        let dynwf = Dynwf::new(&repo);
        if call > 0 {
            said.push(dynwf.line("run crash"));
        }
        said.push(dynwf.line(line));
    }
    assert_end(&repo, point, expected, &said);
    assert_untouched(&repo, &before);
    once.exists()
}

fn assert_end(repo: &TestRepo, point: &Point, expected: &End, said: &[CommandOutput]) {
    let found = end(repo);
    assert!(
        &found == expected,
        "{point:?}: expected {expected:#?}, found {found:#?}\n{}",
        all(said)
    );
    repo.git(["fsck", "--strict"]);
    let locks = locks_below(&repo.common_dir());
    assert!(
        locks.is_empty(),
        "{point:?}: left behind: {locks:?}\n{}",
        all(said)
    );
}

/// Lock files that git would stumble over. dynwf's own folder has locks that are never removed.
fn locks_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .expect("the folder can be read")
        .flatten()
    {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "dynwf" {
            found.extend(locks_below(&path));
        } else if name.to_string_lossy().ends_with(".lock") {
            found.push(path);
        }
    }
    found
}

fn all(said: &[CommandOutput]) -> String {
    let texts: Vec<String> = said.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn a_crash_at_any_point_changes_nothing_about_the_end() {
    let (expected, points) = uncrashed();
    assert_eq!(expected.merges, ["01-net", "02-db", "03-core"]);
    for needed in [1, 2, 3, 4, 5, 6, 8] {
        let passed = points.iter().any(|point| point.call == needed);
        assert!(passed, "`{}` passes no crash point", CALLS[needed].0);
    }
    let (next, reached) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tried = std::panic::catch_unwind(|| crashed(point, &expected));
                    match tried {
                        Ok(true) => drop(reached.fetch_add(1, Ordering::Relaxed)),
                        Ok(false) => {}
                        Err(_) => failures
                            .lock()
                            .expect("no panic holds it")
                            .push(point.clone()),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic holds it");
    let reached = reached.into_inner();
    assert!(
        failures.is_empty(),
        "{} of {}: {failures:#?}",
        failures.len(),
        points.len()
    );
    // The order of parallel work may hide a late pass of a point, but not many.
    assert!(
        reached * 10 >= points.len() * 9,
        "only {reached} of {} points were reached",
        points.len()
    );
}
