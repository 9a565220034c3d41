//! Merging without a checkout.

use super::{Sample, on_every_kind};
use crate::git::TreeMerge;
use crate::model::id::CommitId;

fn side(sample: &Sample, base: &CommitId, branch: &str, change: impl Fn()) -> CommitId {
    sample.git(&["checkout", "-q", "-f", "-B", branch, base.as_str()]);
    change();
    sample.commit(branch)
}

fn kinds(merge: TreeMerge) -> Vec<(String, String)> {
    match merge {
        TreeMerge::Clean { tree, .. } => panic!("merged to {tree}"),
        TreeMerge::Conflicted { files } => files
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
