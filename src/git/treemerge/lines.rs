//! Files as sequences of lines.
//!
//! Invariant: two lines have the same number exactly if their bytes are equal, line feed included.

use std::collections::HashMap;

/// Lines of several files, numbered together.
#[derive(Debug, Default)]
pub(super) struct Numbering<'a> {
    numbers: HashMap<&'a [u8], u32>,
}

impl<'a> Numbering<'a> {
    /// Splits a file after each line feed. Lines and numbers go side by side; `None` if there are too many.
    pub(super) fn split(&mut self, file: &'a [u8]) -> Option<(Vec<&'a [u8]>, Vec<u32>)> {
        let lines: Vec<&[u8]> = file.split_inclusive(|&b| b == b'\n').collect();
        let mut numbers = Vec::with_capacity(lines.len());
        for line in &lines {
            let new = u32::try_from(self.numbers.len()).ok()?;
            numbers.push(*self.numbers.entry(line).or_insert(new));
        }
        Some((lines, numbers))
    }

    /// How many different lines there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}
