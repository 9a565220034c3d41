//! A merge in our process gives what `git merge-tree` gives: the same tree, or the same paths in conflict.
//!
//! Tried on made-up merges (`DYNWF_MERGE_CASES` says how many) and on every merge of real histories: those of the
//! fixture, and of the bundles that `DYNWF_HISTORY_BUNDLES` names, as PATH lists directories.

mod answers;
mod generate;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;

use crate::support::TestRepo;
use answers::{Count, Pairs, compare};
use generate::{ATTRIBUTES, Dice, Files, case, edit_some};

/// How many made-up merges are tried unless the environment says otherwise.
const CASES: u64 = 2000;

#[test]
fn made_up_merges_end_as_git_ends_them() {
    let cases = match std::env::var("DYNWF_MERGE_CASES") {
        Ok(number) => number.parse().expect("DYNWF_MERGE_CASES is a number"),
        Err(_) => CASES,
    };
    let repo = TestRepo::unborn();
    let groups = import(&repo, cases);
    let count = compare(&repo, &groups);
    report("made up", &count);
    // Were they all conflicts, or all easy, the equality would say nothing.
    assert!(count.fast * 10 > count.merges, "{} fast", count.fast);
    assert!(
        count.conflicts * 10 > count.merges,
        "{} conflicts",
        count.conflicts
    );
}

#[test]
fn merges_of_real_histories_end_as_git_ends_them() {
    let named = std::env::var_os("DYNWF_HISTORY_BUNDLES").unwrap_or_default();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/history/merges.bundle");
    let bundles = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    for bundle in bundles.chain([fixture.clone()]) {
        let repo = TestRepo::unborn();
        let from = bundle.display().to_string();
        repo.git(["fetch", "-q", &from, "+refs/*:refs/history/*"]);
        let count = redo(&repo);
        report(&from, &count);
        assert!(
            bundle != fixture || count.merges == 64,
            "{} merges",
            count.merges
        );
    }
    let repo = TestRepo::unborn();
    import_history(&repo, 60);
    let count = redo(&repo);
    report("a made-up history", &count);
    assert!(count.merges > 40, "{} merges", count.merges);
}

/// Says what came out, and fails on any difference.
#[expect(
    clippy::print_stdout,
    reason = "the figures are what the test is run for"
)]
fn report(what: &str, count: &Count) {
    println!(
        "{what}: {} merges, {} in our process, {} by git ({} conflicts), {} different",
        count.merges,
        count.fast,
        count.merges - count.fast,
        count.conflicts,
        count.different.len()
    );
    let shown: Vec<_> = count
        .different
        .iter()
        .take(10)
        .map(String::as_str)
        .collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Merges the parents of every merge of two again.
fn redo(repo: &TestRepo) -> Count {
    let listed = repo.git([
        "rev-list",
        "--all",
        "--min-parents=2",
        "--max-parents=2",
        "--parents",
    ]);
    let mut groups: BTreeMap<String, Pairs> = BTreeMap::new();
    for line in listed.lines() {
        let ids: Vec<&str> = line.split(' ').collect();
        let [_, ours, theirs] = ids[..] else {
            panic!("two parents: {line}");
        };
        if repo.try_git(["merge-base", ours, theirs]).status.success() {
            let pair = (ours.to_owned(), theirs.to_owned());
            groups
                .entry(attributes_of(repo, ours))
                .or_default()
                .push(pair);
        }
    }
    compare(repo, &groups)
}

/// A tree with nothing but the attribute files of a commit: equal ones are one group.
fn attributes_of(repo: &TestRepo, commit: &str) -> String {
    let index = repo.place().join("attributes.index");
    let git = |args: &[&str]| {
        let mut command = repo.place().command("git");
        let output = command
            .args(args)
            .current_dir(repo.path())
            .env("GIT_INDEX_FILE", &index)
            .output()
            .expect("git can be started");
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout)
            .expect("ids")
            .trim()
            .to_owned()
    };
    let listed = repo.git(["ls-tree", "-r", commit]);
    git(&["read-tree", "--empty"]);
    for line in listed
        .lines()
        .filter(|line| line.ends_with(".gitattributes"))
    {
        let (head, path) = line.split_once('\t').expect("a listed entry");
        let words: Vec<&str> = head.split(' ').collect();
        let info = format!("{},{},{path}", words[0], words[2]);
        git(&["update-index", "--add", "--cacheinfo", &info]);
    }
    git(&["write-tree"])
}

/// The stream that fills a repository, and the marks of what it names.
struct Stream {
    out: BufWriter<File>,
    next: usize,
    blobs: BTreeMap<Vec<u8>, usize>,
}

impl Stream {
    fn new(to: &Path) -> Self {
        Self {
            out: BufWriter::new(File::create(to).expect("a file can be made")),
            next: 1,
            blobs: BTreeMap::new(),
        }
    }

    fn mark(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn blob(&mut self, bytes: &[u8]) -> usize {
        if let Some(&mark) = self.blobs.get(bytes) {
            return mark;
        }
        let mark = self.mark();
        write!(self.out, "blob\nmark :{mark}\ndata {}\n", bytes.len()).expect("a file takes it");
        self.out.write_all(bytes).expect("a file takes it");
        writeln!(self.out).expect("a file takes it");
        self.blobs.insert(bytes.to_vec(), mark);
        mark
    }

    /// Writes a commit with these files; returns its mark.
    fn commit(&mut self, branch: &str, files: &Files, parents: &[usize]) -> usize {
        let mut changes = b"deleteall\n".to_vec();
        for (path, (mode, bytes)) in files {
            let what = if *mode == "160000" {
                String::from_utf8(bytes.clone()).expect("an id")
            } else {
                format!(":{}", self.blob(bytes))
            };
            changes.extend_from_slice(format!("M {mode} {what} \"").as_bytes());
            for byte in path {
                changes.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            changes.extend_from_slice(b"\"\n");
        }
        let mark = self.mark();
        let mut head = format!(
            "commit refs/heads/{branch}\nmark :{mark}\ncommitter T <t@example.com> {mark} +0000\ndata 2\nm\n"
        );
        for (at, parent) in parents.iter().enumerate() {
            let word = if at == 0 { "from" } else { "merge" };
            head += &format!("{word} :{parent}\n");
        }
        if parents.is_empty() {
            head = format!("reset refs/heads/{branch}\n{head}");
        }
        self.out
            .write_all(head.as_bytes())
            .expect("a file takes it");
        self.out.write_all(&changes).expect("a file takes it");
        mark
    }

    /// Fills the repository; returns the ids of the marks.
    fn import(mut self, repo: &TestRepo, file: &Path) -> BTreeMap<usize, String> {
        self.out.flush().expect("a file takes it");
        let marks = repo.place().join("marks");
        let status = repo
            .place()
            .command("git")
            .args(["fast-import", "--quiet", "--force"])
            .arg(format!("--export-marks={}", marks.display()))
            .current_dir(repo.path())
            .stdin(File::open(file).expect("it was just written"))
            .stdout(Stdio::null())
            .status()
            .expect("git can be started");
        assert!(status.success(), "git fast-import: {status}");
        let text = fs::read_to_string(marks).expect("marks can be read");
        text.lines()
            .map(|line| {
                let (mark, id) = line[1..].split_once(' ').expect("a mark and an id");
                (mark.parse().expect("a number"), id.to_owned())
            })
            .collect()
    }
}

/// Makes this many cases; returns their pairs by the attributes of ours.
fn import(repo: &TestRepo, cases: u64) -> BTreeMap<String, Pairs> {
    let file = repo.place().join("stream");
    let mut stream = Stream::new(&file);
    let mut pairs = Vec::new();
    let attributes: Vec<usize> = ATTRIBUTES
        .iter()
        .map(|files| {
            let node = |text: &str| ("100644", text.as_bytes().to_vec());
            let files = files
                .iter()
                .map(|(path, text)| (path.as_bytes().to_vec(), node(text)));
            stream.commit("attributes", &files.collect(), &[])
        })
        .collect();
    for number in 0..cases {
        let case = case(number);
        let base = stream.commit("cases", &case.base, &[]);
        let parents = match &case.crossed {
            None => [vec![base], vec![base]],
            Some([one, two]) => {
                let one = stream.commit("cases", one, &[base]);
                let two = stream.commit("cases", two, &[base]);
                [vec![one, two], vec![two, one]]
            }
        };
        let [ours, theirs] = &case.sides;
        let ours = stream.commit("cases", ours, &parents[0]);
        let theirs = stream.commit("cases", theirs, &parents[1]);
        pairs.push((case, ours, theirs));
    }
    let ids = stream.import(repo, &file);
    let tree_of = |mark| repo.git(["rev-parse", &format!("{}^{{tree}}", ids[mark])]);
    let trees: Vec<String> = attributes.iter().map(tree_of).collect();
    let mut groups: BTreeMap<String, Pairs> = BTreeMap::new();
    for (case, ours, theirs) in pairs {
        let tree = trees[case.attributes].clone();
        let pair = (ids[&ours].clone(), ids[&theirs].clone());
        groups.entry(tree).or_default().push(pair);
    }
    groups
}

/// Makes a trunk into which branches from some way back are merged.
fn import_history(repo: &TestRepo, merges: u64) {
    let file = repo.place().join("stream");
    let mut stream = Stream::new(&file);
    let first = case(0);
    let mut trunk = vec![(stream.commit("trunk", &first.base, &[]), first.base)];
    for number in 1..=merges {
        let mut dice = Dice::new(number);
        let back = trunk.len() - 1 - dice.roll(trunk.len().min(6));
        let (fork, mut side) = trunk[back].clone();
        let (tip, mut files) = trunk[trunk.len() - 1].clone();
        edit_some(&mut dice, &mut side);
        edit_some(&mut dice, &mut files);
        let side_tip = stream.commit("side", &side, &[fork]);
        let tip = stream.commit("trunk", &files, &[tip]);
        let merge = stream.commit("trunk", &files, &[tip, side_tip]);
        trunk.push((merge, files));
    }
    stream.import(repo, &file);
}
