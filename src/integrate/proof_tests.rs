//! The proof, on made-up files.

use proptest::prelude::*;

use super::*;

fn path() -> RepoPath {
    "src/a.rs".into()
}

const PLAIN: u32 = 0o100_644;

/// Compares four texts; `-` stands for no file. Exceptions come out as `side lack line`.
fn compare(versions: [&str; 4]) -> Vec<String> {
    compare_modes(versions, [PLAIN; 4])
}

fn compare_modes(versions: [&str; 4], modes: [u32; 4]) -> Vec<String> {
    let mut modes = modes.into_iter();
    let [base, integration, packet, result] = versions.map(|text| {
        let mode = modes.next().expect("one each");
        (text != "-").then_some(Content {
            mode,
            bytes: text.as_bytes(),
        })
    });
    let name = path();
    let found = exceptions(&Versions {
        path: &name,
        base,
        integration,
        packet,
        result,
    });
    found
        .iter()
        .map(|one| format!("{} {} {}", one.side.word(), one.lack.word(), one.line))
        .collect()
}

#[test]
fn an_added_line_of_either_side_is_missed() {
    let ours = "a\nb\nours\nc\n";
    let theirs = "a\nb\ntheirs\nc\n";
    let base = "a\nb\nc\n";
    assert!(compare([base, ours, theirs, "a\nb\ntheirs\nours\nc\n"]).is_empty());
    assert_eq!(
        compare([base, ours, theirs, ours]),
        ["packet dropped theirs"]
    );
    assert_eq!(
        compare([base, ours, theirs, theirs]),
        ["integration dropped ours"]
    );
    assert_eq!(
        compare([base, ours, theirs, base]),
        ["integration dropped ours", "packet dropped theirs"]
    );
}

#[test]
fn a_removed_line_that_is_back_is_seen_unless_the_other_side_added_it() {
    let base = "a\nold\nb\nc\n";
    let removed = "a\nb\nc\n";
    let other = "a\nold\nb\nc\nnew\n";
    assert!(compare([base, removed, other, "a\nb\nc\nnew\n"]).is_empty());
    assert_eq!(
        compare([base, removed, other, other]),
        ["integration returned old"]
    );
    // The other side moved it: then it belongs at its new place.
    let moved = "a\nb\nc\nold\n";
    assert!(compare([base, removed, moved, moved]).is_empty());
}

#[test]
fn a_change_that_both_made_counts_once() {
    let base = "a\nb\n";
    let both = "a\nx\nb\n";
    let more = "a\nx\nb\nend\n";
    assert!(compare([base, both, more, more]).is_empty());
    assert!(compare([base, both, both, both]).is_empty());
    let one_each = compare([base, both, more, "a\nb\nend\n"]);
    assert_eq!(one_each, ["integration dropped x", "packet dropped x"]);
}

#[test]
fn what_both_sides_kept_is_not_the_mergers_to_drop() {
    let base = "fn one() {}\nfn two() {}\nfn three() {}\n";
    let ours = "fn one(a: u8) {}\nfn two() {}\nfn three() {}\n";
    let theirs = "fn one() {}\nfn two() {}\nfn three(b: u8) {}\n";
    assert_eq!(
        compare([base, ours, theirs, "fn one(a: u8) {}\nfn three(b: u8) {}\n"]),
        ["both sides dropped fn two() {}"]
    );
    // Lines that neither has, and blank ones, are its own business.
    let more = "fn one(a: u8) {}\n\nfn glue() {}\nfn two() {}   \r\nfn three(b: u8) {}\n";
    assert!(compare([base, ours, theirs, more]).is_empty());
}

#[test]
fn a_file_that_went_or_came_back_is_one_exception() {
    let (base, changed) = ("a\n", "a\nb\n");
    assert_eq!(
        compare([base, "-", changed, "-"]),
        ["packet dropped (the file)"]
    );
    assert_eq!(
        compare([base, "-", changed, changed]),
        ["integration returned (the file)"]
    );
    assert!(compare([base, "-", base, "-"]).is_empty());
    assert!(compare([base, "-", "-", "-"]).is_empty());
    assert_eq!(
        compare([base, changed, "a\nc\n", "-"]),
        [
            "integration dropped (the file)",
            "packet dropped (the file)"
        ]
    );
    // Both added it.
    assert_eq!(
        compare(["-", "x\n", "y\n", "y\n"]),
        ["integration dropped x"]
    );
}

#[test]
fn what_is_no_text_is_compared_as_a_whole() {
    let (base, ours, theirs) = ("\0base", "\0ours", "\0theirs");
    assert_eq!(
        compare([base, ours, theirs, ours]),
        ["packet dropped (its content)"]
    );
    assert!(compare([base, ours, base, ours]).is_empty());
    assert_eq!(
        compare([base, ours, base, base]),
        ["integration dropped (its content)"]
    );
    let link = 0o120_000;
    assert_eq!(
        compare_modes(["x", "y", "z", "z"], [link; 4]),
        ["integration dropped (its content)"]
    );
}

#[test]
fn a_mode_is_a_change_too() {
    let run = 0o100_755;
    let texts = ["a\n", "a\n", "a\nb\n", "a\nb\n"];
    assert_eq!(
        compare_modes(texts, [PLAIN, run, PLAIN, PLAIN]),
        ["integration dropped (mode 100755)"]
    );
    assert!(compare_modes(texts, [PLAIN, run, PLAIN, run]).is_empty());
}

/// What happens to one block of a file.
#[derive(Clone, Debug)]
enum Fate {
    Kept,
    Ours(Vec<String>),
    Theirs(Vec<String>),
    Alike(Vec<String>),
}

/// Few words, so that lines are often equal.
fn line() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["}", "{", "x", "y", "let a = 1;", "", "    }", "end"])
        .prop_map(str::to_owned)
}

fn block() -> impl Strategy<Value = (Vec<String>, Fate)> {
    let lines = || prop::collection::vec(line(), 0..4);
    let fate = prop_oneof![
        Just(Fate::Kept),
        lines().prop_map(Fate::Ours),
        lines().prop_map(Fate::Theirs),
        lines().prop_map(Fate::Alike),
    ];
    (prop::collection::vec(line(), 1..4), fate)
}

/// A file of blocks with a separator after each, as every version has it.
fn build(blocks: &[(Vec<String>, Fate)]) -> [String; 4] {
    let mut texts = [const { String::new() }; 4];
    for (number, (base, fate)) in blocks.iter().enumerate() {
        let versions: [&[String]; 4] = match fate {
            Fate::Kept => [base, base, base, base],
            Fate::Ours(new) => [base, new, base, new],
            Fate::Theirs(new) => [base, base, new, new],
            Fate::Alike(new) => [base, new, new, new],
        };
        for (text, lines) in texts.iter_mut().zip(versions) {
            for line in lines {
                text.push_str(&format!("{line}\n"));
            }
            text.push_str(&format!("--- {number} ---\n"));
        }
    }
    texts
}

fn refs(texts: &[String; 4]) -> [&str; 4] {
    [&texts[0], &texts[1], &texts[2], &texts[3]]
}

proptest! {
    /// A merge that takes each side's blocks as they are lacks nothing, however often lines repeat.
    #[test]
    fn an_honest_merge_lacks_nothing(blocks in prop::collection::vec(block(), 1..8)) {
        let texts = build(&blocks);
        let found = compare(refs(&texts));
        prop_assert!(found.is_empty(), "{:?}\n{:?}", found, texts);
    }

    /// A new line of one side that is taken out of the result is named, with the side.
    #[test]
    fn a_dropped_line_is_always_named(
        blocks in prop::collection::vec(block(), 1..6),
        ours in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut texts = build(&blocks);
        let side = if ours { 1 } else { 2 };
        let other = 3 - side;
        // It stands behind a separator, so that it is one side's alone; the other side changes something too.
        let mark = format!("--- {} ---\n", at.index(blocks.len()));
        texts[side] = texts[side].replacen(&mark, &format!("{mark}precious\n"), 1);
        texts[other] = format!("first\n{}", texts[other]);
        texts[3] = format!("first\n{}", texts[3]);
        let found = compare(refs(&texts));
        let party = if ours { "integration" } else { "packet" };
        prop_assert_eq!(found, vec![format!("{party} dropped precious")]);
    }

    /// A line that one side removed and that is in the result after all is named, with the side. It stands first,
    /// where no other line can have jumped over it.
    #[test]
    fn a_returned_line_is_always_named(
        blocks in prop::collection::vec(block(), 1..6),
        ours in any::<bool>(),
    ) {
        let mut texts = build(&blocks);
        let other = if ours { 2 } else { 1 };
        for version in [0, other, 3] {
            texts[version] = format!("obsolete\n{}", texts[version]);
        }
        texts[other].push_str("last\n");
        texts[3].push_str("last\n");
        let found = compare(refs(&texts));
        let party = if ours { "integration" } else { "packet" };
        prop_assert_eq!(found, vec![format!("{party} returned obsolete")]);
    }
}
