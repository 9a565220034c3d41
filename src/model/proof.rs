//! What a merge did to the changes of its two sides: the proof that nothing was dropped, or what was.
//!
//! `integrate::proof` makes it; it is journaled with the merge and shown wherever people look at merges.

use serde::{Deserialize, Serialize};

use super::path::RepoPath;

/// Which side of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// What was on the integration branch.
    Integration,
    /// What is merged into it: a packet's work, or the target branch that moved.
    Packet,
    /// Both: neither had changed it.
    Both,
}

impl Party {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Integration => "integration",
            Self::Packet => "packet",
            Self::Both => "both sides",
        }
    }
}

/// What a result lacks of a side's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// It has or kept the line; the result has not.
    Dropped,
    /// It removed the line; the result has it.
    Returned,
}

impl Lack {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Returned => "returned",
        }
    }
}

/// A line of one side's change that the result does not have as that side left it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Exception {
    /// The file, by the name that it has in the result, or had last.
    pub path: RepoPath,
    /// Whose change.
    pub side: Party,
    /// What became of it.
    pub lack: Lack,
    /// The line, without its end; what the exception is about where that is the whole file or its mode, in
    /// brackets.
    pub line: String,
    /// Why that is right, in the words of a rule, a resolver or a person; empty if nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Exception {
    /// Whether it is the same one, whatever was said about it.
    pub fn is(&self, other: &Self) -> bool {
        (&self.path, self.side, self.lack, &self.line)
            == (&other.path, other.side, other.lack, &other.line)
    }
}

/// What was found when a merge was compared with its two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How many files were compared line by line.
    pub files: u32,
    /// What the result lacks, by path; at most [`Proof::MOST`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
    /// Files that were not compared because a rule writes them anew, each with the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<(RepoPath, String)>,
    /// Whether a person is asked before the merge counts: a rule or a person that explained everything is
    /// enough, a resolver's own word is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
}

impl Proof {
    /// How many exceptions are listed.
    pub const MOST: usize = 200;

    /// Whether everything that a side changed is in the result.
    pub fn is_whole(&self) -> bool {
        self.exceptions.is_empty()
    }

    /// All exceptions, listed or not.
    pub fn lacks(&self) -> usize {
        self.exceptions.len() + self.more as usize
    }

    /// Whether everything that this one lacks is lacking in the other, which somebody has looked at.
    pub fn is_within(&self, other: &Self) -> bool {
        self.more <= other.more
            && self
                .exceptions
                .iter()
                .all(|one| other.exceptions.iter().any(|known| known.is(one)))
    }

    /// Takes over what was said about exceptions that the other proof has too.
    pub fn explain_like(&mut self, other: &Self) {
        for one in &mut self.exceptions {
            if let Some(known) = other.exceptions.iter().find(|known| known.is(one)) {
                one.why.clone_from(&known.why);
            }
        }
    }

    /// Says why, about all that nobody has explained.
    pub fn explain(&mut self, why: &str) {
        for one in &mut self.exceptions {
            if one.why.is_empty() {
                why.clone_into(&mut one.why);
            }
        }
    }

    /// Whether somebody said why, about every one.
    pub fn is_explained(&self) -> bool {
        self.more == 0 && self.exceptions.iter().all(|one| !one.why.is_empty())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
