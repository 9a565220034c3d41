//! Files are cut into packets: by directory, by owner, by size, by glob.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::Value;

use crate::support::{Dynwf, TestRepo};

/// What `--json` says, after a look at whether it can be true: every matched file is in one packet's scope, and no other.
#[track_caller]
fn cut(repo: &TestRepo, words: &[&str]) -> Value {
    let all = [&["split", "cut", "--objective", "Do it", "--json"], words].concat();
    let answer = Dynwf::new(repo).run(all).success().json();
    let files = repo.git(["ls-tree", "-r", "-z", "--name-only", "HEAD"]);
    let mut seen = BTreeSet::new();
    for packet in answer["packets"].as_array().expect("packets") {
        let mine: BTreeSet<String> = covered(repo, packet, &files);
        assert_eq!(packet["files"], mine.len(), "{packet:#} {mine:?}");
        for file in mine {
            assert!(seen.insert(file.clone()), "{file} is in two packets");
        }
    }
    answer
}

/// The files that git itself finds with a packet's scope as pathspecs.
fn covered(repo: &TestRepo, packet: &Value, files: &str) -> BTreeSet<String> {
    let scope = packet["scope"].as_array().expect("a scope");
    let mut args = vec!["ls-files".to_owned(), "-z".to_owned(), "--".to_owned()];
    args.extend(
        scope
            .iter()
            .map(|glob| format!(":(glob){}", glob.as_str().expect("a glob"))),
    );
    let found = repo.git(args);
    let known: BTreeSet<&str> = files.split('\0').collect();
    let found = found.split('\0').filter(|file| !file.is_empty());
    found
        .filter(|file| known.contains(file))
        .map(str::to_owned)
        .collect()
}

fn ids(answer: &Value) -> Vec<&str> {
    let packets = answer["packets"].as_array().expect("packets");
    packets
        .iter()
        .map(|packet| packet["id"].as_str().expect("an id"))
        .collect()
}

#[test]
fn by_directory_the_plan_is_made_cut_and_run() {
    let repo = TestRepo::small().in_use();
    let dynwf = Dynwf::new(&repo);
    let words = [
        "split",
        "lines",
        "--by",
        "dir",
        "--paths",
        "crates/*/src/*.rs",
        "--objective",
        "Add a line",
        "--run",
        "set -f; GIT_GLOB_PATHSPECS=1 git ls-files -z -- $DYNWF_SCOPE | xargs -0 sed -i '$a // line'",
    ];
    let before = repo.fingerprint();
    let dry = [&words[..], &["--dry-run"]].concat();
    let output = dynwf
        .run(dry)
        .success()
        .says("01-core")
        .says("crates/core/src/**")
        .says("3 packets, 6 files");
    output.complains("nothing was changed");
    before.assert_same(&repo.fingerprint());
    dynwf.line("status lines").expect_code(2);

    dynwf.run(words).success().says("plan: ").says("02-db");
    let status = dynwf.status("lines");
    let packets = status["packets"].as_array().expect("packets");
    assert_eq!(packets.len(), 3);
    for packet in packets {
        assert_eq!(packet["status"], "ready", "{packet:#}");
    }
    // Again is no error and changes nothing; other packets are refused, and so is another plan.
    dynwf.run(words).success();
    let other = [&words[..], &["--max-packets", "2"]].concat();
    dynwf
        .run(other)
        .expect_code(2)
        .complains("split already")
        .complains("dynwf split lines goes on");
    dynwf.line("run lines").expect_code(3);
    for packet in dynwf.status("lines")["packets"]
        .as_array()
        .expect("packets")
    {
        assert_eq!(packet["status"], "integrated", "{packet:#}");
    }
    let merged = repo.git(["show", "dynwf/lines/integration:crates/net/src/wire.rs"]);
    assert!(merged.ends_with("// line"), "{merged}");
}

#[test]
fn by_owner_the_last_match_counts_and_the_rest_is_a_packet() {
    let repo = TestRepo::small();
    let words = ["--by", "owner", "--paths", "**", "--dry-run"];
    let missing = [&["split", "cut", "--objective", "Do it"], &words[..]].concat();
    Dynwf::new(&repo)
        .run(missing)
        .expect_code(2)
        .complains("no CODEOWNERS");
    repo.write(
        ".github/CODEOWNERS",
        "*.rs @org/rust\n/crates/net/ @net @core # both\n/crates/net/Cargo.toml\n[x] @y\n",
    );
    repo.write("docs/CODEOWNERS", "* @nobody-reads-this\n");
    repo.commit("owners");
    let answer = cut(&repo, &words);
    assert_eq!(ids(&answer), ["01-net-core", "02-org-rust", "03-unowned"]);
    let owners: Vec<&Value> = (0..3).map(|at| &answer["packets"][at]["owner"]).collect();
    assert_eq!(owners[0], "@net @core");
    assert_eq!(owners[1], "@org/rust");
    assert!(owners[2].is_null());
    let note = answer["notes"][0].as_str().expect("a note");
    assert!(note.contains("line 4"), "{note}");
    let files: u64 = (0..3)
        .filter_map(|at| answer["packets"][at]["files"].as_u64())
        .sum();
    let all = repo.git(["ls-files"]).lines().count();
    assert_eq!(files, all as u64);
    let few = [
        &["split", "cut", "--objective", "Do it", "--max-packets", "2"],
        &words[..],
    ]
    .concat();
    Dynwf::new(&repo)
        .run(few)
        .expect_code(2)
        .complains("3 packets, and --max-packets allows 2");
}

#[test]
fn by_size_bytes_are_balanced_and_what_changes_together_stays_together() {
    let repo = TestRepo::unborn();
    for at in 0..48 {
        repo.write(&format!("d{}/f{at:02}", at % 6), &"x".repeat(400 + at * 10));
    }
    repo.commit("first");
    let partners = [("d0/f00", "d5/f47"), ("d1/f13", "d4/f40")];
    for round in 0..3 {
        for (one, other) in partners {
            for file in [one, other] {
                let text = repo.read(file);
                repo.write(file, &format!("{round}{}", &text[1..]));
            }
            repo.commit("together");
        }
    }
    let words = [
        "--by",
        "size",
        "--paths",
        "d*/**",
        "--max-packets",
        "4",
        "--dry-run",
    ];
    let answer = cut(&repo, &words);
    let packets = answer["packets"].as_array().expect("packets");
    let bytes: Vec<u64> = packets
        .iter()
        .filter_map(|packet| packet["bytes"].as_u64())
        .collect();
    assert_eq!(bytes.len(), 4);
    let (least, most) = (bytes.iter().min(), bytes.iter().max());
    let (least, most) = (least.expect("a packet"), most.expect("a packet"));
    assert!(most * 10 <= least * 11, "{bytes:?}");
    let files = repo.git(["ls-tree", "-r", "-z", "--name-only", "HEAD"]);
    let of: BTreeMap<String, usize> = packets
        .iter()
        .enumerate()
        .flat_map(|(at, packet)| {
            let files = covered(&repo, packet, &files);
            files.into_iter().map(move |file| (file, at))
        })
        .collect();
    for (one, other) in partners {
        assert_eq!(of[one], of[other], "{one} {other}");
    }
    assert_eq!(answer, cut(&repo, &words), "the same again");
}

#[test]
fn by_glob_each_is_a_packet_and_names_mean_themselves() {
    let repo = TestRepo::small();
    repo.write("app/[id]/page.tsx", "1\n");
    repo.write("app/i/page.tsx", "2\n");
    repo.write("app/*", "3\n");
    repo.commit("odd names");
    let answer = cut(
        &repo,
        &[
            "--by",
            "glob",
            "--paths",
            "crates/net",
            "app/i/*",
            "app/**",
            "--dry-run",
        ],
    );
    assert_eq!(ids(&answer), ["01-crates-net", "02-app-i", "03-app"]);
    assert_eq!(answer["packets"][0]["scope"][0], "crates/net");
    assert_eq!(answer["packets"][2]["files"], 2);
    let note = answer["notes"][0].as_str().expect("a note");
    assert!(note.contains("app/i/* and app/**"), "{note}");
    for (words, complaint) in [
        (
            &["--by", "dir", "--paths", "nothing/**"][..],
            "matches no file",
        ),
        (&["--by", "dir", "--paths", "../x"], "climbs out"),
        (
            &["--by", "dir", "--paths", "**", "--base", "nope"],
            "names no commit",
        ),
        (
            &["--by", "dir", "--paths", "**", "--target", "nope"],
            "does not exist",
        ),
        (
            &["--by", "dir", "--paths", "**", "--agent", "nope"],
            "no agent is called",
        ),
        (&["--by", "dir"], "--paths"),
        (&["--dry-run"], "--by"),
    ] {
        let all = [&["split", "cut", "--objective", "Do it"], words].concat();
        Dynwf::new(&repo)
            .run(all)
            .expect_code(2)
            .complains(complaint);
    }
}

#[test]
fn a_name_that_is_no_text_is_covered_or_refused_by_name() {
    let repo = TestRepo::small();
    let folder = repo.join("odd");
    fs::create_dir(&folder).expect("a folder can be made");
    for name in [&b"a\xff"[..], b"ab", b"li\nne"] {
        fs::write(folder.join(OsStr::from_bytes(name)), "x").expect("a file can be made");
    }
    repo.commit("odd names");
    let dynwf = Dynwf::new(&repo);
    let words = [
        "split",
        "cut",
        "--objective",
        "Do it",
        "--dry-run",
        "--json",
        "--by",
        "dir",
    ];
    let answer = dynwf
        .run([&words[..], &["--paths", "odd/**", "crates/**"]].concat())
        .success()
        .json();
    assert_eq!(answer["packets"][1]["scope"][0], "odd/**");
    dynwf
        .run([&words[..], &["--paths", "odd/a?", "crates/**"]].concat())
        .success();
    repo.write("odd/ac", "y");
    repo.commit("one more");
    dynwf
        .run([&words[..], &["--paths", "odd/a[!c]", "crates/**"]].concat())
        .expect_code(2)
        .complains("odd/a\\xff")
        .complains("would cover odd/ac too");
}

#[test]
fn a_persons_plan_is_not_written_over() {
    let repo = TestRepo::small();
    let dynwf = Dynwf::new(&repo);
    dynwf
        .run(["plan", "cut", "--task", "Something else"])
        .success();
    let before = repo.read(".workflow/cut/plan.toml");
    let words = [
        "split",
        "cut",
        "--objective",
        "Do it",
        "--by",
        "dir",
        "--paths",
        "**",
    ];
    dynwf
        .run(words)
        .expect_code(2)
        .complains("another plan for cut");
    assert_eq!(repo.read(".workflow/cut/plan.toml"), before);
}
