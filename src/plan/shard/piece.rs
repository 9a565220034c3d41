//! What is cut, and what it is cut into.

use crate::model::path::RepoPath;

/// How paths are put into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By directory.
    Dir,
    /// By the owners that the CODEOWNERS file names.
    Owner,
    /// By size, so that packets are about as large as each other.
    Size,
    /// By the globs that were given: a packet each.
    Glob,
}

impl By {
    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Owner => "owner",
            Self::Size => "size",
            Self::Glob => "glob",
        }
    }
}

/// A path that goes into a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The path.
    pub path: RepoPath,
    /// How much it weighs.
    pub bytes: u64,
}

/// Paths of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Part {
    /// What it is called after.
    pub(in crate::plan) name: String,
    /// Who answers for it.
    pub(in crate::plan) owner: Option<String>,
    /// The glob that it was given by, if that can be its scope.
    pub(in crate::plan) glob: Option<String>,
    /// Its pieces, in the order of their paths.
    pub(in crate::plan) pieces: Vec<usize>,
}

impl Part {
    /// How much it weighs.
    pub(in crate::plan) fn bytes(&self, pieces: &[Piece]) -> u64 {
        self.pieces.iter().map(|&at| pieces[at].bytes).sum()
    }
}

/// Sets of pieces that must not be taken apart.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Ties {
    above: Vec<usize>,
}

impl Ties {
    /// Nothing is tied.
    pub(in crate::plan) fn none(pieces: usize) -> Self {
        Self {
            above: (0..pieces).collect(),
        }
    }

    /// Returns the first piece of the set that a piece is in.
    pub(in crate::plan) fn first(&mut self, piece: usize) -> usize {
        let mut at = piece;
        while self.above[at] != at {
            self.above[at] = self.above[self.above[at]];
            at = self.above[at];
        }
        at
    }

    /// Ties two pieces, and all that is tied to them.
    pub(in crate::plan) fn tie(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.above[one.max(other)] = one.min(other);
    }

    /// Returns the sets, each in order, in the order of their first pieces.
    pub(in crate::plan) fn sets(&mut self) -> Vec<Vec<usize>> {
        let mut sets: Vec<Vec<usize>> = vec![Vec::new(); self.above.len()];
        for piece in 0..self.above.len() {
            sets[self.first(piece)].push(piece);
        }
        sets.retain(|set| !set.is_empty());
        sets
    }
}
