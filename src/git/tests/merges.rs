//! Merging without a checkout.

use super::{Sample, on_every_kind};
use crate::git::{CommitSpec, TreeMerge};
use crate::model::id::CommitId;

fn side(sample: &Sample, base: &CommitId, branch: &str, change: impl Fn()) -> CommitId {
    sample.git(&["checkout", "-q", "-f", "-B", branch, base.as_str()]);
    change();
    sample.commit(branch)
}

fn kinds(merge: TreeMerge) -> Vec<(String, String)> {
    match merge {
        TreeMerge::Clean { tree, .. } => panic!("merged to {tree}"),
        TreeMerge::Conflicted { files, .. } => files
            .into_iter()
            .map(|file| (file.path.to_string(), file.kind))
            .collect(),
    }
}

#[test]
fn a_clean_merge_gives_the_tree_of_git_merge() {
    on_every_kind(|sample| {
        sample.write("f", "1\n2\n3\n4\n5\n6\n7\n8\n");
        let base = sample.commit("base");
        let ours = side(sample, &base, "ours", || {
            sample.write("f", "one\n2\n3\n4\n5\n6\n7\n8\n");
        });
        let theirs = side(sample, &base, "theirs", || {
            sample.write("f", "1\n2\n3\n4\n5\n6\n7\neight\n");
        });
        let merged = sample.door().merge_tree(&ours, &theirs).expect("merges");
        sample.git(&["checkout", "-q", "ours"]);
        sample.git(&["merge", "-q", "-m", "m", "theirs"]);
        let tree = sample
            .git(&["rev-parse", "HEAD^{tree}"])
            .parse()
            .expect("an id");
        let road = if sample.door().program_only() {
            "git"
        } else {
            "tree"
        };
        assert_eq!(merged, TreeMerge::Clean { tree, road });
    });
}

#[test]
fn conflicts_are_values_with_paths_and_kinds() {
    on_every_kind(|sample| {
        sample.write("both", "1\n");
        sample.write("gone", "1\n");
        let base = sample.commit("base");
        let change = |text: &'static str| {
            move || {
                sample.write("both", text);
                sample.write("new", text);
                sample.write("odd\n name", text);
            }
        };
        let ours = side(sample, &base, "ours", || {
            change("ours\n")();
            std::fs::remove_file(sample.top.join("gone")).expect("removes");
        });
        let theirs = side(sample, &base, "theirs", || {
            change("theirs\n")();
            sample.write("gone", "changed\n");
        });
        let found = kinds(sample.door().merge_tree(&ours, &theirs).expect("answers"));
        let found: Vec<_> = found
            .iter()
            .map(|(p, k)| (p.as_str(), k.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("both", "contents"),
                ("gone", "modify/delete"),
                ("new", "add/add"),
                ("odd\\u{a} name", "add/add")
            ]
        );
    });
}

#[test]
fn attributes_come_from_ours_alone() {
    on_every_kind(|sample| {
        sample.write("sub/log", "1\n");
        let base = sample.commit("base");
        let plain = side(sample, &base, "plain", || {
            sample.write("sub/log", "plain\n");
        });
        let union = side(sample, &base, "union", || {
            sample.write("sub/log", "union\n");
            sample.write("sub/.gitattributes", "log merge=union\n");
            sample.write(".gitattributes", "sub/log merge=union\n");
        });
        // What lies in the checkout, committed or not, has no say.
        sample.git(&["checkout", "-q", "plain"]);
        sample.write(".gitattributes", "* merge=union\n");
        let git = sample.door();
        assert_eq!(
            kinds(git.merge_tree(&plain, &union).expect("answers")),
            [("sub/log".to_owned(), "contents".to_owned())]
        );
        let merged = git.merge_tree(&union, &plain).expect("merges");
        let TreeMerge::Clean { tree, .. } = merged else {
            panic!("ours says union: {merged:?}");
        };
        let text = sample.git(&["show", &format!("{tree}:sub/log")]);
        assert_eq!(text, "union\nplain");
    });
}

#[test]
fn a_given_base_decides_what_changed() {
    on_every_kind(|sample| {
        sample.write("f", "1\n");
        let one = sample.commit("one");
        sample.write("g", "1\n");
        let two = sample.commit("two");
        sample.write("h", "1\n");
        let three = sample.commit("three");
        // Only what came with `three`, onto `one`.
        let merged = sample
            .door()
            .merge_tree_onto(&two, &one, &three)
            .expect("merges");
        let TreeMerge::Clean { tree, .. } = merged else {
            panic!("nothing meets: {merged:?}");
        };
        assert_eq!(
            sample.git(&["ls-tree", "--name-only", tree.as_str()]),
            "f\nh"
        );
    });
}

#[test]
fn histories_with_nothing_in_common_are_an_error() {
    let sample = Sample::new();
    let one = sample.commit("one");
    sample.git(&["checkout", "-q", "--orphan", "other"]);
    let other = sample.commit("other");
    let error = sample
        .door()
        .merge_tree(&one, &other)
        .expect_err("git refuses");
    assert!(format!("{error:#}").contains("unrelated"), "{error:#}");
}

/// The objects of a repository, and how many packs hold some of them.
fn objects(sample: &Sample) -> (Vec<String>, usize) {
    let listed = sample.git(&["cat-file", "--batch-check", "--batch-all-objects"]);
    let count = sample.git(&["count-objects", "-v"]);
    let packs = count.lines().find_map(|line| line.strip_prefix("packs: "));
    let packs = packs.and_then(|n| n.parse().ok()).expect("a number");
    (listed.lines().map(str::to_owned).collect(), packs)
}

#[test]
fn a_batch_is_in_memory_until_it_is_written_and_then_in_one_pack() {
    on_every_kind(|sample| {
        const SIDES: usize = 30;
        for number in 0..SIDES {
            sample.write(&format!("part-{number}/deep/f"), "1\n");
        }
        let base = sample.commit("base");
        let sides: Vec<_> = (0..SIDES)
            .map(|number| {
                side(sample, &base, &format!("s{number}"), || {
                    sample.write(&format!("part-{number}/deep/f"), "2\n");
                    sample.write(&format!("part-{number}/deep/new"), "2\n");
                })
            })
            .collect();
        sample.git(&["checkout", "-q", "main"]);
        let git = sample.door();
        let (before, packs) = objects(sample);
        let mut batch = git.batch().expect("begins");
        let mut ours = base.clone();
        for theirs in sides {
            let merged = batch.merge_tree(&ours, &theirs).expect("merges");
            let TreeMerge::Clean { tree, .. } = merged else {
                panic!("nothing meets: {merged:?}");
            };
            ours = batch
                .commit(&CommitSpec {
                    tree,
                    parents: vec![ours, theirs],
                    message: "merge".to_owned(),
                    at: jiff::Timestamp::UNIX_EPOCH,
                })
                .expect("commits");
        }
        if !git.program_only() {
            assert_eq!(objects(sample).0, before, "nothing is written yet");
        }
        batch.write().expect("writes");
        batch.write().expect("there is nothing left to write");
        if !git.program_only() {
            // A new top and a new commit for each merge but the first, whose top its side has.
            assert_eq!(objects(sample).0.len(), before.len() + 2 * SIDES - 1);
        }
        sample.git(&["merge", "-q", "--ff-only", ours.as_str()]);
        sample.git(&["fsck", "--full", "--strict"]);
        assert_eq!(objects(sample).1, packs, "few objects are files");
        assert_eq!(
            sample
                .git(&["grep", "-c", "2", "--", "part-29"])
                .lines()
                .count(),
            2
        );
    });
}

#[test]
fn many_objects_are_written_as_one_pack() {
    let sample = Sample::new();
    let base = sample.commit("base");
    let mut batch = sample.door().batch().expect("begins");
    let tree = sample.door().tree_of(&base).expect("reads");
    let mut tip = base;
    for number in 0..150 {
        tip = batch
            .commit(&CommitSpec {
                tree: tree.clone(),
                parents: vec![tip],
                message: format!("commit {number}"),
                at: jiff::Timestamp::UNIX_EPOCH,
            })
            .expect("commits");
    }
    batch.write().expect("writes");
    assert_eq!(objects(&sample).1, 1);
    sample.git(&["merge", "-q", "--ff-only", tip.as_str()]);
    sample.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn a_probe_leaves_nothing() {
    on_every_kind(|sample| {
        sample.write("f", "1\n");
        sample.write("g", "1\n");
        let base = sample.commit("base");
        let ours = side(sample, &base, "ours", || sample.write("f", "2\n"));
        let apart = side(sample, &base, "apart", || sample.write("g", "2\n"));
        let meets = side(sample, &base, "meets", || sample.write("f", "3\n"));
        let git = sample.door();
        let before = objects(sample);
        let mut batch = git.batch().expect("begins");
        let clean = batch.probe(None, &ours, &apart).expect("answers");
        let found = kinds(batch.probe(Some(&base), &ours, &meets).expect("answers"));
        assert_eq!(found, [("f".to_owned(), "contents".to_owned())]);
        assert!(batch.reason().is_some());
        batch.write().expect("has nothing to write");
        assert_eq!(objects(sample), before);
        assert_eq!(git.merge_tree(&ours, &apart).expect("merges"), clean);
    });
}

#[test]
fn the_persons_attributes_keep_texts_from_merging() {
    let sample = Sample::new();
    sample.write("f", "1\n2\n3\n4\n5\n");
    let base = sample.commit("base");
    let ours = side(&sample, &base, "ours", || {
        sample.write("f", "one\n2\n3\n4\n5\n");
    });
    let theirs = side(&sample, &base, "theirs", || {
        sample.write("f", "1\n2\n3\n4\nfive\n");
    });
    let road = |sample: &Sample| sample.door().merge_tree(&ours, &theirs).expect("answers");
    assert!(matches!(
        road(&sample),
        TreeMerge::Clean { road: "tree", .. }
    ));
    sample.git(&["config", "merge.default", "binary"]);
    assert_eq!(kinds(road(&sample)).len(), 1);
    sample.git(&["config", "--unset", "merge.default"]);
    std::fs::create_dir_all(sample.top.join(".git/info")).expect("makes a folder");
    sample.write(".git/info/attributes", "f -merge\n");
    assert_eq!(kinds(road(&sample)).len(), 1);
}
