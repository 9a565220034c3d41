//! Facts and differences of real repositories.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::diff::{Body, Diff, Limits, What, compare};
use super::facts::risk_facts;
use super::interdiff::interdiff;
use super::render::{Paper, write};
use crate::git::Git;
use crate::model::id::{CommitId, TreeId};
use crate::model::packet::RiskFacts;
use crate::model::scope::Scope;

struct Repository {
    folder: TempDir,
}

impl Repository {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let repository = Self { folder };
        repository.git(&["init", "-q", "-b", "main", "."]);
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a PATH"))
            .env("HOME", self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@example.org")
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    /// The tree of everything that is there now.
    fn tree(&self) -> TreeId {
        self.git(&["add", "-A", "-f"]);
        self.git(&["write-tree"]).parse().expect("an id")
    }

    fn facts(&self, base: &TreeId, tip: &TreeId, scope: &[&str]) -> RiskFacts {
        let scope: Vec<String> = scope.iter().map(|&glob| glob.to_owned()).collect();
        let git = Git::discover(self.path()).expect("a repository");
        risk_facts(&git, base, tip, &Scope::new(&scope).expect("globs")).expect("facts")
    }

    fn diff(&self, base: &TreeId, tip: &TreeId) -> Diff {
        let git = Git::discover(self.path()).expect("a repository");
        compare(&git, base, tip, Limits::default()).expect("a difference")
    }
}

fn names(paths: &[crate::model::path::RepoPath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn a_hostile_change_is_seen_for_what_it_is() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let repository = Repository::new();
    repository.write("src/a.rs", "fn a() {}\n");
    repository.write("src/gone.rs", "fn gone() {}\n");
    repository.write("run.sh", "#!/bin/sh\n");
    let base = repository.tree();

    // Attributes say that there is nothing to see; they are not obeyed.
    repository.write(".gitattributes", "* -diff binary\n");
    repository.write("src/a.rs", "fn a() {}\nfn b() {}\n");
    repository.write("src/data.bin", b"a\0b");
    repository.write("src/huge.txt", "0123456789\n".repeat(100_001));
    let key = format!("key = \"{}{}\"\n", "AKIA", "IOSFODNN7EXAMPLE");
    repository.write("src/config.rs", key);
    repository.write("src/CONFIG.rs", "x\n");
    repository.write("src/bell\u{7}.rs", "x\n");
    symlink("/etc/passwd", repository.path().join("src/link")).expect("linked");
    std::fs::remove_file(repository.path().join("src/gone.rs")).expect("removed");
    let script = repository.path().join("run.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).expect("set");
    let oid = "1234567890123456789012345678901234567890";
    repository.git(&["add", "-A", "-f"]);
    repository.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{oid},sub"),
    ]);
    let tip: TreeId = repository.git(&["write-tree"]).parse().expect("an id");

    let facts = repository.facts(&base, &tip, &["src"]);
    assert_eq!(facts.files, 11);
    assert_eq!(facts.paths.len(), 11);
    assert_eq!(names(&facts.outside), [".gitattributes", "run.sh", "sub"]);
    assert_eq!(names(&facts.deleted), ["src/gone.rs"]);
    assert_eq!(names(&facts.binaries), ["src/data.bin"]);
    assert_eq!(facts.large, [("src/huge.txt".into(), 1_100_011)]);
    assert_eq!(
        facts.symlinks,
        [("src/link".into(), "/etc/passwd".to_owned())]
    );
    assert_eq!(names(&facts.gitlinks), ["sub"]);
    assert_eq!(names(&facts.executables), ["run.sh"]);
    assert_eq!(
        facts.secrets,
        [("src/config.rs".into(), "an AWS access key".to_owned())]
    );
    assert_eq!(
        names(&facts.odd_names),
        ["src/CONFIG.rs", "src/bell\\u{7}.rs", "src/config.rs"]
    );
    let git = Git::discover(repository.path()).expect("a repository");
    assert_eq!(
        facts.digest,
        git.changes_digest(&base, &tip).expect("a digest")
    );
    let plain = serde_json::to_string(&facts).expect("JSON");
    assert!(!plain.contains("IOSFODNN"), "no secret is kept");
}

#[test]
fn lines_are_counted_as_numstat_counts_them() {
    let repository = Repository::new();
    // Some pseudo-random edits of a real enough text; the seed is fixed.
    let mut seed = 7_u32;
    let mut draw = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    let mut files: Vec<Vec<String>> = (0..20)
        .map(|_| {
            (0..300)
                .map(|n| format!("line {} of {}\n", n, draw(40)))
                .collect()
        })
        .collect();
    let store = |files: &[Vec<String>]| {
        for (at, lines) in files.iter().enumerate() {
            repository.write(&format!("f{at}.txt"), lines.concat());
        }
        repository.tree()
    };
    let base = store(&files);
    for lines in &mut files {
        for _ in 0..draw(30) {
            let at = draw(u32::try_from(lines.len()).expect("few")) as usize;
            match draw(3) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, format!("new {}\n", draw(9))),
                _ => lines[at] = format!("changed {}\n", draw(9)),
            }
        }
    }
    let tip = store(&files);
    let numstat = repository.git(&[
        "diff-tree",
        "-r",
        "--numstat",
        "--minimal",
        "--text",
        base.as_str(),
        tip.as_str(),
    ]);
    let sum = |column: usize| -> u32 {
        numstat
            .lines()
            .map(|line| line.split('\t').nth(column).expect("a column"))
            .map(|count| count.parse::<u32>().expect("a number"))
            .sum()
    };
    let facts = repository.facts(&base, &tip, &["*.txt"]);
    assert_eq!((facts.additions, facts.deletions), (sum(0), sum(1)));
    assert!(facts.outside.is_empty());
}

fn show(diff: &Diff, paper: Paper) -> String {
    let mut out = Vec::new();
    write(diff, paper, &mut out).expect("written");
    String::from_utf8(out).expect("text")
}

const PLAIN: Paper = Paper {
    width: None,
    side_by_side: false,
    unicode: true,
    colour: false,
};

/// A repository with one of everything, and its two trees.
fn edited() -> (Repository, TreeId, TreeId) {
    use std::os::unix::fs::PermissionsExt as _;
    let repository = Repository::new();
    let lines: Vec<String> = (1..=20).map(|n| format!("let x{n} = {n};\n")).collect();
    let body = lines.concat();
    repository.write("a.rs", &body);
    repository.write("old_name.rs", &body);
    repository.write("moved.rs", format!("{body}// exactly as it was\n"));
    repository.write("run.sh", "#!/bin/sh\n");
    repository.write("data.bin", b"\0one");
    let base = repository.tree();
    repository.write(
        "a.rs",
        body.replace("let x3 = 3;", "let x3 = 4;")
            .replace("let x17 = 17;\n", "")
            .trim_end(),
    );
    repository.write("new_name.rs", body.replace("x9", "y9"));
    repository.write("sub/moved.rs", format!("{body}// exactly as it was\n"));
    for gone in ["old_name.rs", "moved.rs"] {
        std::fs::remove_file(repository.path().join(gone)).expect("removed");
    }
    repository.write("data.bin", b"\0two and more");
    repository.write("odd.txt", "tab\there\nhidden \u{202e}txt\x1b[2J\n");
    let script = repository.path().join("run.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).expect("set");
    let tip = repository.tree();
    (repository, base, tip)
}

#[test]
fn the_unified_form_names_everything() {
    let (repository, base, tip) = edited();
    let text = show(&repository.diff(&base, &tip), PLAIN);
    let expected = "\
renamed old_name.rs → new_name.rs  95% the same  +1 −1
#1 @@ -6,7 +6,7 @@
  6   6   let x6 = 6;
  7   7   let x7 = 7;
  8   8   let x8 = 8;
  9     - let x9 = 9;
      9 + let y9 = 9;
 10  10   let x10 = 10;
 11  11   let x11 = 11;
 12  12   let x12 = 12;

mode run.sh  100644 → 100755

renamed moved.rs → sub/moved.rs  100% the same

modified a.rs  +2 −3
#2 @@ -1,6 +1,6 @@
  1   1   let x1 = 1;
  2   2   let x2 = 2;
  3     - let x3 = 3;
      3 + let x3 = 4;
  4   4   let x4 = 4;
  5   5   let x5 = 5;
  6   6   let x6 = 6;
#3 @@ -14,7 +14,6 @@
 14  14   let x14 = 14;
 15  15   let x15 = 15;
 16  16   let x16 = 16;
 17     - let x17 = 17;
 18  17   let x18 = 18;
 19  18   let x19 = 19;
 20     - let x20 = 20;
     19 + let x20 = 20;
          (no newline at the end)

modified data.bin
  binary: 4 bytes before, 13 now

added odd.txt  +2 −0
#4 @@ -0,0 +1,2 @@
      1 + tab here
      2 + hidden \\u{202e}txt\\u{1b}[2J
";
    assert_eq!(text, expected);
}

#[test]
fn side_by_side_wraps_inside_its_column() {
    let repository = Repository::new();
    repository.write("a.txt", "same\nthe old line\nrest\n");
    let base = repository.tree();
    let long = "a new line that is much longer than half a screen can show at once";
    repository.write("a.txt", format!("same\n{long}\nand one more\nrest\n"));
    let tip = repository.tree();
    let paper = Paper {
        width: Some(70),
        side_by_side: true,
        ..PLAIN
    };
    let text = show(&repository.diff(&base, &tip), paper);
    let expected = "\
modified a.txt  +2 −1
#1 @@ -1,3 +1,4 @@
  1   same                        │   1   same
  2 - the old line                │   2 + a new line that is much lon
                                  │     ↪ ger than half a screen can
                                  │     ↪ show at once
                                  │   3 + and one more
  3   rest                        │   4   rest
";
    assert_eq!(text, expected);
}

#[test]
fn colour_marks_the_words_that_differ_and_plain_text_says_the_same() {
    let (repository, base, tip) = edited();
    let diff = repository.diff(&base, &tip);
    let coloured = show(
        &diff,
        Paper {
            colour: true,
            ..PLAIN
        },
    );
    assert!(
        coloured.contains("let x3 = \x1b[0m\x1b[1m\x1b[7m\x1b[31m3\x1b[0m"),
        "{coloured:?}"
    );
    let mut uncoloured = String::new();
    let mut parts = coloured.split('\x1b');
    uncoloured.push_str(parts.next().unwrap_or(""));
    for part in parts {
        uncoloured.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    let trimmed: Vec<&str> = uncoloured.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", show(&diff, PLAIN));
}

#[test]
fn kinds_and_links_come_first() {
    use std::os::unix::fs::symlink;
    let repository = Repository::new();
    repository.write("a.txt", "one\n");
    repository.write("z", "plain\n");
    let base = repository.tree();
    repository.write("a.txt", "two\n");
    std::fs::remove_file(repository.path().join("z")).expect("removed");
    symlink("/etc/passwd", repository.path().join("z")).expect("linked");
    let tip = repository.tree();
    let diff = repository.diff(&base, &tip);
    assert_eq!(diff.files[0].what, What::Kind);
    assert_eq!(diff.files[0].path, "z".into());
    let text = show(&diff, PLAIN);
    assert!(text.starts_with("kind z  100644 → 120000"), "{text}");
    assert!(text.contains("+ /etc/passwd\n"), "{text}");
}

#[test]
fn a_hundred_thousand_shuffled_lines_are_compared_in_bounded_time() {
    let repository = Repository::new();
    let lines: Vec<String> = (0..100_000_u64)
        .map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44))
        .collect();
    repository.write("a.txt", lines.concat());
    let base = repository.tree();
    let mut shuffled = lines.clone();
    shuffled.sort();
    repository.write("a.txt", shuffled.concat());
    let tip = repository.tree();
    let diff = repository.diff(&base, &tip);
    let file = &diff.files[0];
    assert!(matches!(file.body, Body::Big { .. }), "it is summarised");
    // Every line is accounted for, however coarse the comparison was.
    assert_eq!(file.additions, file.deletions);
    assert!(file.additions > 20_000);
    let text = show(&diff, PLAIN);
    assert!(text.contains("too big to be shown"), "{text}");
}

/// A commit of everything that is there now.
fn commit(repository: &Repository) -> CommitId {
    repository.git(&["add", "-A", "-f"]);
    repository.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    let id = repository.git(&["rev-parse", "HEAD"]);
    id.parse().expect("an id")
}

#[test]
fn an_interdiff_shows_only_what_was_done_since() {
    let repository = Repository::new();
    let git = Git::discover(repository.path()).expect("a repository");
    let lines = |third: &str| format!("one\ntwo\n{third}\nfour\nfive\nsix\n");
    repository.write("a", lines("three"));
    let base = commit(&repository);
    repository.write("a", lines("THREE"));
    let tip = commit(&repository);
    repository.git(&["checkout", "-q", base.as_str()]);
    repository.write("other", "somebody else's\n");
    let apart = commit(&repository);
    let since = |onto: &CommitId, tree: &TreeId| {
        interdiff(&git, (&base, &tip), onto, tree, Limits::default())
            .expect("it can be compared")
            .expect("the commits are there")
    };
    // Replayed: what others did is not new in it.
    repository.write("a", lines("THREE"));
    assert!(since(&apart, &repository.tree()).is_empty());
    // Gone on with.
    repository.write("a", lines("THREE") + "seven\n");
    let news = since(&apart, &repository.tree());
    assert_eq!((news.diff.additions, news.diff.deletions), (1, 0));
    assert!(news.conflicts.is_empty());
    // Where the base has another third line, what was made of the two is seen beside git's marks.
    repository.git(&["checkout", "-q", "-f", base.as_str()]);
    repository.write("a", lines("3"));
    let meets = commit(&repository);
    repository.write("a", lines("3 THREE"));
    let tree = repository.tree();
    let objects = repository.git(&["count-objects"]);
    let news = since(&meets, &tree);
    assert_eq!(news.conflicts.len(), 1);
    let shown = show(&news.diff, PLAIN);
    assert!(
        shown.contains("<<<<<<<") && shown.contains("+ 3 THREE"),
        "{shown}"
    );
    assert!(!shown.contains("somebody"), "{shown}");
    let after = repository.git(&["count-objects"]);
    assert_eq!(after, objects, "what was tried out is nowhere");
    // A commit that git has collected.
    let gone: CommitId = "1234567890123456789012345678901234567890"
        .parse()
        .expect("an id");
    let none = interdiff(
        &git,
        (&base, &gone),
        &meets,
        &repository.tree(),
        Limits::default(),
    );
    assert!(none.expect("it can be asked").is_none());
}
