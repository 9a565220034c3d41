//! Which work of a packet somebody has judged already, so that the next review can show what is new.
//!
//! A person has judged a packet's work by answering its gate, or by sending it back with a comment. Where nobody has,
//! work that was replayed onto another base is still the work that its checks passed on before.

use jiff::Timestamp;

use super::{PacketState, RunState};
use crate::model::id::{CommitId, GateId};

/// The work that a person has judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// What it started from.
    pub base: CommitId,
    /// What it came to.
    pub tip: CommitId,
    /// What was said of it.
    pub said: Said,
    /// Who said it; empty where that is not recorded.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What a person said of a packet's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It may be merged.
    Approved,
    /// It may not.
    Denied,
    /// Its worker is to go on with it.
    SentBack,
}

/// An earlier form of a packet's work, to compare the present one with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// What it started from.
    pub base: &'a CommitId,
    /// What it came to.
    pub tip: &'a CommitId,
    /// Who judged it; none where it was only replayed onto another base.
    pub review: Option<&'a Reviewed>,
}

impl Said {
    /// The word for people and for `--json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::SentBack => "sent back",
        }
    }
}

impl RunState {
    /// A gate was answered: if it asks about a packet's merge, that packet's work has been judged.
    pub(super) fn judged(&mut self, gate: &GateId, said: Said, by: &str, at: Timestamp) {
        let judged = self
            .packets
            .iter_mut()
            .find(|(id, _)| *gate == GateId::merge(id) || *gate == GateId::risk(id));
        if let Some((_, packet)) = judged {
            packet.judged(said, by, at);
        }
    }
}

impl PacketState {
    /// A person has said something of the work as it is.
    pub(super) fn judged(&mut self, said: Said, by: &str, at: Timestamp) {
        if let Some(work) = &self.collected {
            self.reviewed = Some(Reviewed {
                base: work.base.clone(),
                tip: work.tip.clone(),
                said,
                by: by.to_owned(),
                at,
            });
        }
    }

    /// The form of its work that was judged last, or else the one before it was replayed; `None` where the work is
    /// still that one, or nobody has seen any.
    pub fn earlier(&self) -> Option<Earlier<'_>> {
        let now = self.collected.as_ref()?;
        let earlier = match (&self.reviewed, &self.restacked) {
            (Some(review), _) => Earlier {
                base: &review.base,
                tip: &review.tip,
                review: Some(review),
            },
            (None, Some((base, tip))) => Earlier {
                base,
                tip,
                review: None,
            },
            (None, None) => return None,
        };
        (*earlier.base != now.base || *earlier.tip != now.tip).then_some(earlier)
    }
}
