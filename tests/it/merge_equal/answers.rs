//! The two answers about the same merges: git's and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Dynwf, TestRepo};

/// The merged tree, or the paths in conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Tree(String),
    Conflict(BTreeSet<Vec<u8>>),
    /// Git itself stumbles.
    None,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) merges: usize,
    /// Merged in our process.
    pub(super) fast: usize,
    pub(super) conflicts: usize,
    pub(super) different: Vec<String>,
}

/// Merges that git merges with the same attributes: pairs of commits.
pub(super) type Pairs = Vec<(String, String)>;

/// Asks both about all pairs. The key of `groups` is a tree with the `.gitattributes` files of the first of each pair.
pub(super) fn compare(repo: &TestRepo, groups: &BTreeMap<String, Pairs>) -> Count {
    let mut count = Count::default();
    let all: Vec<_> = groups.values().flatten().cloned().collect();
    let mut ours = by_dynwf(repo, &all).into_iter();
    for (attributes, pairs) in groups {
        let theirs = by_git(repo, attributes, pairs);
        for ((pair, git), (our, road)) in pairs.iter().zip(theirs).zip(ours.by_ref()) {
            count.merges += 1;
            count.fast += usize::from(road == "tree");
            count.conflicts += usize::from(matches!(git, Answer::Conflict(_)));
            if git != our {
                let (a, b) = pair;
                count
                    .different
                    .push(format!("{a} {b}: git {git:?}, dynwf {our:?} by {road}"));
            }
        }
    }
    assert_eq!(count.merges, all.len(), "every merge has two answers");
    count
}

fn input(repo: &TestRepo, pairs: &[(String, String)]) -> File {
    let file = repo.place().join("pairs");
    let lines: Vec<_> = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    fs::write(&file, lines.concat()).expect("the pairs can be written");
    File::open(&file).expect("they were just written")
}

fn by_dynwf(repo: &TestRepo, pairs: &Pairs) -> Vec<(Answer, String)> {
    let mut command = Dynwf::new(repo).command(["probe", "--stdin", "--json"]);
    let output = command
        .stdin(input(repo, pairs))
        .output()
        .expect("dynwf can be started");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    assert_eq!(
        text.lines().count(),
        pairs.len(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines().map(our_answer).collect()
}

fn our_answer(line: &str) -> (Answer, String) {
    let value: Value = serde_json::from_str(line).expect("a line is JSON");
    let Some(road) = value["road"].as_str() else {
        assert!(line.contains("was ended by a signal"), "{line}");
        return (Answer::None, "git".to_owned());
    };
    let answer = match value["tree"].as_str() {
        Some(tree) => Answer::Tree(tree.to_owned()),
        None => Answer::Conflict(
            value["conflicts"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|conflict| path_bytes(&conflict["path"]))
                .collect(),
        ),
    };
    (answer, road.to_owned())
}

/// A path in JSON: text, or bytes where it is not UTF-8.
fn path_bytes(path: &Value) -> Vec<u8> {
    let path: dynwf::model::path::RepoPath = serde_json::from_value(path.clone()).expect("a path");
    path.as_bytes().to_vec()
}

fn by_git(repo: &TestRepo, attributes: &str, pairs: &[(String, String)]) -> Vec<Answer> {
    if let Some(answers) = ask_git(repo, attributes, pairs) {
        assert_eq!(answers.len(), pairs.len());
        return answers;
    }
    // One of them is too much for git, and nothing is known of the others.
    if pairs.len() == 1 {
        return vec![Answer::None];
    }
    let halves = pairs.split_at(pairs.len() / 2);
    [halves.0, halves.1]
        .into_iter()
        .flat_map(|half| by_git(repo, attributes, half))
        .collect()
}

/// `None` if git ended on a signal.
fn ask_git(repo: &TestRepo, attributes: &str, pairs: &[(String, String)]) -> Option<Vec<Answer>> {
    let mut command = repo.place().command("git");
    let out = repo.place().join("answers");
    command
        .args(["merge-tree", "--write-tree", "--stdin", "--name-only"])
        .env("GIT_NO_REPLACE_OBJECTS", "1");
    if knows_attribute_source(repo) {
        command
            .current_dir(repo.common_dir())
            .env("GIT_ATTR_SOURCE", attributes);
    } else {
        let top = repo.place().join(format!("attributes-{attributes}"));
        lay_out(repo, attributes, &top);
        command
            .current_dir(&top)
            .env("GIT_DIR", repo.common_dir())
            .env("GIT_WORK_TREE", &top);
    }
    let status = command
        .stdin(input(repo, pairs))
        .stdout(File::create(&out).expect("a file can be made"))
        .stderr(Stdio::null())
        .status()
        .expect("git can be started");
    status.code()?;
    assert!(status.success(), "git merge-tree: {status}");
    let bytes = fs::read(&out).expect("git's answers can be read");
    Some(git_answers(&bytes).expect("git answers in a known form"))
}

fn knows_attribute_source(repo: &TestRepo) -> bool {
    let said = repo.git(["version"]);
    let mut numbers = said
        .trim_start_matches("git version ")
        .split('.')
        .filter_map(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(41))
}

fn lay_out(repo: &TestRepo, tree: &str, top: &Path) {
    fs::create_dir_all(top).expect("a folder can be made");
    fs::write(top.join(".gitattributes"), "").expect("a file can be written");
    for path in repo.git(["ls-tree", "-r", "--name-only", tree]).lines() {
        let file = top.join(path);
        fs::create_dir_all(file.parent().expect("below the top")).expect("a folder can be made");
        let text = repo.git(["show", &format!("{tree}:{path}")]);
        fs::write(file, text + "\n").expect("a file can be written");
    }
}

/// For each merge: `1` or `0`, the tree, and if it is `0` the paths, an empty field and the messages (how many
/// paths, the paths, kind, text); an empty field ends it.
fn git_answers(bytes: &[u8]) -> Option<Vec<Answer>> {
    let mut fields = bytes.split(|&b| b == 0);
    let mut answers = Vec::new();
    while let Some(status) = fields.next().filter(|field| !field.is_empty()) {
        let tree = String::from_utf8(fields.next()?.to_vec()).ok()?;
        if status == b"1" {
            answers.push(Answer::Tree(tree));
            fields.next().filter(|field| field.is_empty())?;
            continue;
        }
        let paths = fields.by_ref().take_while(|field| !field.is_empty());
        answers.push(Answer::Conflict(paths.map(<[u8]>::to_vec).collect()));
        // Where submodules conflict, git 2.39 puts advice that is no message in the place of the empty field.
        let ends = |field: &[u8]| field.is_empty() || field.starts_with(b"Recursive merging with");
        while let Some(count) = fields.next().filter(|field| !ends(field)) {
            let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
            fields.by_ref().nth(count + 1)?;
        }
    }
    Some(answers)
}
