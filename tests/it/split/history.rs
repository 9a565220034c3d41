//! Commits and ranges of histories are carved, and put together again by git: the same tree every time.
//!
//! Tried on a made-up history, on that of the fixture, and on those of the bundles that `DYNWF_HISTORY_BUNDLES` names, as
//! PATH lists directories. `DYNWF_CARVE_COMMITS` says how many commits of each history are carved (a tenth as many
//! ranges); of a bundle that was named it is 100.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dynwf::git::Git;
use dynwf::model::id::CommitId;
use dynwf::plan::carve::carve;
use dynwf::plan::shard::{By, Request};

use crate::support::TestRepo;

/// How many commits of the fixture and of the made-up history are carved.
const FEW: usize = 10;

/// What became of a history.
#[derive(Default)]
struct Count {
    commits: usize,
    ranges: usize,
    packets: usize,
    in_process: u32,
    by_git: u32,
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are what the test is run for"
)]
fn what_was_carved_is_the_same_again() {
    let wanted = std::env::var("DYNWF_CARVE_COMMITS").ok();
    let wanted = wanted.map(|number| number.parse().expect("DYNWF_CARVE_COMMITS is a number"));
    let named = std::env::var_os("DYNWF_HISTORY_BUNDLES").unwrap_or_default();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/history/merges.bundle");
    let named: Vec<PathBuf> = std::env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    let bundles = named
        .iter()
        .map(|path| (path, 100))
        .chain([(&fixture, FEW)]);
    for (bundle, commits) in bundles {
        let repo = TestRepo::unborn();
        let from = bundle.display().to_string();
        repo.git(["fetch", "-q", &from, "+refs/*:refs/history/*"]);
        let commits = wanted.unwrap_or(commits);
        let count = history(&repo, commits);
        println!("{from}: {count}");
        assert_eq!(count.commits, commits, "too few commits of several files");
        assert!(
            count.packets > 2 * 2 * (count.commits + count.ranges),
            "{count}"
        );
    }
    let repo = made_up();
    let count = history(&repo, FEW);
    println!("a made-up history: {count}");
    assert_eq!((count.commits, count.ranges), (FEW, FEW / 10));
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} commits and {} ranges by directory and by size, {} packets; proved with {} merges in our process and \
             {} by git; all trees identical",
            self.commits, self.ranges, self.packets, self.in_process, self.by_git
        )
    }
}

/// Carves this many commits that change several files, from all over the history, and a tenth as many ranges.
fn history(repo: &TestRepo, commits: usize) -> Count {
    let listed = repo.git([
        "log",
        "--all",
        "--no-merges",
        "--min-parents=1",
        "--no-renames",
        "--format=%x01%H",
        "--name-only",
    ]);
    let several: Vec<&str> = listed
        .split('\u{1}')
        .filter(|entry| entry.lines().filter(|line| !line.is_empty()).count() > 2)
        .filter_map(|entry| entry.lines().next())
        .collect();
    let mut count = Count::default();
    for commit in spread(&several, commits) {
        both_ways(repo, &format!("{commit}^"), commit, &mut count);
        count.commits += 1;
    }
    // Along the first parents the trees follow each other; a range is from 3 to 60 of them.
    let tip = repo.git(["rev-list", "--all", "--max-count=1"]);
    let line = repo.git(["rev-list", "--first-parent", &tip]);
    let line: Vec<&str> = line.lines().collect();
    let ranges = commits.div_ceil(10);
    for at in 0..ranges {
        let length = (3 + 57 * at / ranges).min(line.len() / 2);
        let new = at * (line.len() - length - 1) / ranges.max(1);
        both_ways(repo, line[new + length], line[new], &mut count);
        count.ranges += 1;
    }
    count
}

fn spread<'a>(all: &[&'a str], count: usize) -> Vec<&'a str> {
    let count = count.min(all.len());
    (0..count).map(|at| all[at * all.len() / count]).collect()
}

fn both_ways(repo: &TestRepo, base: &str, tip: &str, count: &mut Count) {
    for by in [By::Dir, By::Size] {
        one(repo, base, tip, by, count);
    }
}

/// Carves, and lets git alone put it together again: in the plan's order and back to front.
fn one(repo: &TestRepo, base: &str, tip: &str, by: By, count: &mut Count) {
    let git = Git::discover(repo.path()).expect("a repository");
    let id = |rev: &str| -> CommitId { git.resolve(rev).expect("readable").expect("a commit") };
    let (base, tip) = (id(base), id(tip));
    let request = Request {
        by,
        paths: &[],
        objective: "Part of it",
        agent: Some("parent"),
        run: None,
        most: None,
        base: None,
        target: None,
    };
    let what = format!("{} {}..{}", by.word(), base.short(), tip.short());
    let carving =
        carve(&git, &base, &tip, &request).unwrap_or_else(|error| panic!("{what}: {error:#}"));
    let at = "2024-05-06T07:08:09Z".parse().expect("a time");
    let shares = carving
        .commit(&git, at, |packet| packet.objective.clone())
        .expect("commits can be made");
    let tree = repo.git(["rev-parse", &format!("{tip}^{{tree}}")]);
    let mut tips: Vec<String> = shares.iter().map(|share| share.tip.to_string()).collect();
    for _ in 0..2 {
        let mut ours = base.to_string();
        let mut merged = String::new();
        for theirs in &tips {
            merged = repo.git(["merge-tree", "--write-tree", &ours, theirs]);
            ours = repo.git(["commit-tree", "-p", base.as_str(), "-m", "so far", &merged]);
        }
        assert_eq!(merged, tree, "{what}");
        tips.reverse();
    }
    count.packets += shares.len();
    count.in_process += carving.proof.in_process;
    count.by_git += carving.proof.by_git;
}

/// A history dense in what makes merges hard: moved directories, files that become directories, modes, links.
fn made_up() -> TestRepo {
    let repo = TestRepo::unborn();
    let mut dice = Dice(1);
    let mut files = Files::new();
    for at in 0..60 {
        files.insert(format!("d{}/e{}/f{at}", at % 4, at % 3), ("100644", at));
    }
    let mut stream = String::new();
    for number in 0..60 {
        for _ in 0..2 + dice.roll(5) {
            change(&mut dice, &mut files, number);
        }
        while files.len() < 40 {
            let path = format!("d{}/x{}", dice.roll(4), dice.roll(500));
            files.insert(path, ("100644", dice.roll(90)));
        }
        // Nothing lies below what is a file.
        for file in files.keys().cloned().collect::<Vec<_>>() {
            files.retain(|path, _| !path.starts_with(&format!("{file}/")));
        }
        stream += &format!(
            "commit refs/heads/main\ncommitter T <t@example.com> {number} +0000\ndata 1\nm\ndeleteall\n"
        );
        for (path, (mode, content)) in &files {
            let text = format!("content {content}\n").repeat(8);
            stream += &format!("M {mode} inline {path}\ndata {}\n{text}\n", text.len());
        }
    }
    let file = repo.place().join("stream");
    std::fs::write(&file, stream).expect("a file");
    let status = repo
        .place()
        .command("git")
        .args(["fast-import", "--quiet"])
        .current_dir(repo.path())
        .stdin(std::fs::File::open(&file).expect("it was just written"))
        .status()
        .expect("git can be started");
    assert!(status.success(), "git fast-import: {status}");
    repo
}

/// Modes and contents by path.
type Files = BTreeMap<String, (&'static str, usize)>;

/// Numbers that look like chance and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % sides
    }
}

/// Makes one change; `number` is its commit's.
fn change(dice: &mut Dice, files: &mut Files, number: usize) {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = names[dice.roll(names.len())].clone();
    let folder = name
        .rsplit_once('/')
        .map_or(name.clone(), |(folder, _)| folder.to_owned());
    match dice.roll(7) {
        // A directory moves, and sometimes something is added in the old one.
        0 => {
            let to = format!("m{number}/{}", dice.roll(3));
            let inside = |old: &&String| old.starts_with(&format!("{folder}/"));
            for old in names.iter().filter(inside) {
                let node = files.remove(old).expect("it is there");
                files.insert(format!("{to}{}", &old[folder.len()..]), node);
            }
            if dice.roll(2) == 0 {
                files.insert(format!("{folder}/late{number}"), ("100644", dice.roll(90)));
            }
        }
        // A file becomes a directory, or a directory a file.
        1 => {
            files.remove(&name);
            files.insert(format!("{name}/in"), ("100644", dice.roll(90)));
        }
        2 if folder.contains('/') => {
            files.retain(|path, _| !path.starts_with(&format!("{folder}/")));
            files.insert(folder, ("100644", dice.roll(90)));
        }
        3 => {
            files.insert(name, ("100755", dice.roll(90)));
        }
        4 => {
            files.insert(name, ("120000", dice.roll(90)));
        }
        _ => {
            let path = format!("d{}/e{}/n{}", dice.roll(4), dice.roll(3), dice.roll(50));
            files.insert(path, ("100644", dice.roll(90)));
        }
    }
}
