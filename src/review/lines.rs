//! Comparing two texts line by line, in bounded time.
//!
//! A line ends with `\n` and keeps it, as in git: a missing newline at the end of a file is a difference.
//! Called by `facts` (counts) and `diff` (hunks).

use std::collections::HashMap;
use std::time::Instant;

use similar::{Algorithm, DiffOp};

/// Splits into lines; the `\n` stays with its line.
pub(super) fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// Returns what turns one list of lines into the other. It is the shortest such list unless the deadline
/// passes first; then it is right but longer.
pub(super) fn compare(old: &[&[u8]], new: &[&[u8]], deadline: Instant) -> Vec<DiffOp> {
    // Numbers instead of lines: each line is hashed once, and comparing costs nothing afterwards.
    let mut numbers: HashMap<&[u8], u32> = HashMap::with_capacity(old.len());
    let mut number = |line| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(line).or_insert(next)
    };
    let old: Vec<u32> = old.iter().map(|&line| number(line)).collect();
    let new: Vec<u32> = new.iter().map(|&line| number(line)).collect();
    similar::capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline))
}

/// Returns how many lines a comparison adds and removes.
pub(super) fn count(ops: &[DiffOp]) -> (u32, u32) {
    let (mut added, mut removed) = (0_usize, 0_usize);
    for op in ops {
        if !matches!(op, DiffOp::Equal { .. }) {
            added += op.new_range().len();
            removed += op.old_range().len();
        }
    }
    (
        u32::try_from(added).unwrap_or(u32::MAX),
        u32::try_from(removed).unwrap_or(u32::MAX),
    )
}

/// Whether the content is shown and counted as text: it holds no NUL byte.
pub(super) fn is_text(content: &[u8]) -> bool {
    !content.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn counts(old: &[u8], new: &[u8]) -> (u32, u32) {
        let deadline = Instant::now() + Duration::from_secs(60);
        count(&compare(&split(old), &split(new), deadline))
    }

    #[test]
    fn lines_are_counted_as_git_counts_them() {
        assert_eq!(counts(b"", b"a\nb\n"), (2, 0));
        assert_eq!(counts(b"a\nb\nc\n", b"a\nx\nc\n"), (1, 1));
        assert_eq!(counts(b"a\n", b"a"), (1, 1), "the newline counts");
        assert_eq!(
            counts(b"a\r\n", b"a\n"),
            (1, 1),
            "so does a carriage return"
        );
        assert_eq!(counts(b"a\rb\n", b"a\rc\n"), (1, 1), "which ends no line");
        assert_eq!(counts(b"same\n", b"same\n"), (0, 0));
    }
}
