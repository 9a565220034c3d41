//! Ended at any step, a workflow goes on to the same result.
//!
//! A first run writes down every crash point that each call passes. Then, for each call and each point, the same
//! workflow is done again in a fresh repository, that call is aborted at that point, `dynwf run` resumes, and the
//! call is made again. In the end the target must hold the same tree, each packet must be merged once, and nothing of
//! the user's may have changed.
//!
//! Of a point that one call passes often, the first and the last pass are tried, or the last alone; with
//! `DYNWF_TEST_EVERY_PASS` all are.

mod stories;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{CommandOutput, Dynwf, TestRepo};
use stories::{Step, Story};

/// How many workflows are done at once.
const WORKERS: usize = 2;

/// A place to crash: in which step, and the value of `DYNWF_CRASH_AT`.
#[derive(Clone, Debug)]
struct Point {
    step: usize,
    at: String,
}

/// What is left in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    tree: String,
    merges: Vec<String>,
    packets: Vec<(String, String)>,
}

fn repository(story: &Story) -> TestRepo {
    let repo = TestRepo::small().in_use();
    std::fs::write(repo.place().join("plan.toml"), story.plan).expect("the plan can be written");
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

/// Does the whole workflow without a crash; returns its end and the points that each step passed.
fn uncrashed(story: &Story) -> (End, Vec<Point>) {
    let repo = repository(story);
    let before = repo.fingerprint();
    let mut points = Vec::new();
    for (step, what) in story.steps.iter().enumerate() {
        let log = repo.place().join(format!("points-{step}"));
        match what {
            Step::Hand(line) => by_hand(&repo, line),
            Step::Call(line, code) => {
                Dynwf::new(&repo)
                    .env("DYNWF_CRASH_LOG", &log)
                    .line(line)
                    .expect_code(*code);
            }
        }
        if step >= story.from {
            points.extend(passes(&log, story).into_iter().map(|at| Point { step, at }));
        }
    }
    assert_untouched(&repo, &before);
    if story.from > 0 {
        // What every call passes, the whole story is crashed at in every call.
        let name = |point: &Point| point.at.rsplit_once(':').map(|(name, _)| name.to_owned());
        let last: BTreeMap<_, usize> = points
            .iter()
            .enumerate()
            .map(|(at, it)| (name(it), at))
            .collect();
        points = last.into_values().map(|at| points[at].clone()).collect();
    }
    (end(&repo), points)
}

fn by_hand(repo: &TestRepo, line: &str) {
    let mut shell = repo.place().command("sh");
    let output = shell.current_dir(repo.path()).args(["-c", line]).output();
    let output = output.expect("a shell runs");
    assert!(output.status.success(), "{line}: {output:?}");
}

/// The passes that are worth a crash: of each name the first and the last, or the last alone in a story that begins in
/// the middle.
fn passes(log: &Path, story: &Story) -> Vec<String> {
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
        if !every && passes.len() > 1 {
            let first = usize::from(story.from == 0);
            passes.drain(first..passes.len() - 1);
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
fn crashed(story: &Story, point: &Point, expected: &End) -> bool {
    let repo = repository(story);
    let before = repo.fingerprint();
    let once = repo.place().join("crashed");
    let mut said: Vec<CommandOutput> = Vec::new();
    for (step, what) in story.steps.iter().enumerate() {
        let dynwf = Dynwf::new(&repo);
        let (line, code) = match what {
            Step::Call(line, code) => (line, *code),
            Step::Hand(line) => {
                by_hand(&repo, line);
                continue;
            }
        };
        if step != point.step {
            let output = dynwf.line(line);
            // A call that was resumed may have done some of the next one's work; the end is what counts.
            assert!(
                step < point.step || output.code() != 70,
                "{point:?}\n{}\n{output}",
                all(&said)
            );
            assert!(
                step > point.step || output.code() == code,
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
        if step > 0 {
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

/// Crashes a story at each of its points.
fn walk(story: &Story) {
    let (expected, points) = uncrashed(story);
    assert_eq!(expected.merges, story.merges);
    if story.from == 0 {
        for (step, what) in story.steps.iter().enumerate().skip(1) {
            let passed = points.iter().any(|point| point.step == step);
            assert!(passed, "{what:?} passes no crash point");
        }
    }
    for name in story.passes {
        let passed = points.iter().any(|point| point.at.starts_with(name));
        assert!(passed, "{name} is not passed");
    }
    let (next, reached) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tried = std::panic::catch_unwind(|| crashed(story, point, &expected));
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

#[test]
fn a_crash_at_any_point_changes_nothing_about_the_end() {
    walk(&stories::WHOLE);
}

#[test]
fn nor_does_one_while_a_packet_is_taken_out_of_the_target() {
    walk(&stories::REVERTED);
}

#[test]
fn nor_does_one_while_conflicts_are_in_a_persons_hands() {
    walk(&stories::BY_HAND);
}

#[test]
fn nor_does_one_while_a_guilty_packet_is_found_taken_out_and_mended() {
    walk(&stories::BLAMED);
}

#[test]
fn nor_does_one_while_a_conflict_is_settled_by_rule() {
    walk(&stories::BY_RULE);
}

#[test]
fn nor_does_one_while_a_resolver_is_at_work() {
    walk(&stories::BY_RESOLVER);
}
