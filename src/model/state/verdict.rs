//! What checks amount to: evidence seen beside what the same check says about the base.
//!
//! A check that fails on a tree counts against it only if it does not fail on the base in the same way: with the
//! same exit code, the same signal, and so on. What the base is, is where the integration branch starts from: the
//! target's commit that it contains. A check with `must_pass` has no such excuse, nor has a packet's own.

use super::RunState;
use crate::model::evidence::Evidence;
use crate::model::id::{PacketId, TreeId};
use crate::model::plan::Check;

/// What a check amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did not speak about this tree yet.
    Unknown,
    /// It passed.
    Passed,
    /// It fails, and failed on the base in the same way.
    FailedBefore,
    /// It fails; whether it failed on the base before is not known yet.
    FailedPerhapsBefore,
    /// It fails, and did not on the base, or must not.
    Failed,
}

impl Verdict {
    /// Whether nothing speaks against the tree.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Passed | Self::FailedBefore)
    }

    /// Whether it speaks against the tree, as far as is known.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::FailedPerhapsBefore)
    }
}

impl RunState {
    /// Returns the tree of the target's commit that the integration branch contains.
    pub fn base_tree(&self) -> Option<&TreeId> {
        self.target_trees.get(&self.integration.as_ref()?.target)
    }

    /// Returns what this command said about the base, if it was asked.
    pub fn base_evidence(&self, check: &Check) -> Option<&Evidence> {
        self.evidence_for(check, self.base_tree()?)
    }

    /// Returns what a check amounts to, given what it said about a tree.
    pub fn verdict(&self, check: &Check, evidence: Option<&Evidence>) -> Verdict {
        let Some(evidence) = evidence else {
            return Verdict::Unknown;
        };
        if evidence.passed() {
            return Verdict::Passed;
        }
        if check.must_pass || self.base_tree().is_none() {
            return Verdict::Failed;
        }
        match self.base_evidence(check) {
            None => Verdict::FailedPerhapsBefore,
            Some(base) if base.outcome == evidence.outcome => Verdict::FailedBefore,
            Some(_) => Verdict::Failed,
        }
    }

    /// The checks of a packet, each with what it amounts to on the packet's present work.
    pub fn packet_verdicts(&self, id: &PacketId) -> Vec<(Check, Verdict)> {
        self.verdicts(self.packet_checks(id))
    }

    /// The checks of the integrated tree, each with what it amounts to on that tree.
    pub fn integrated_verdicts(&self) -> Vec<(Check, Verdict)> {
        self.verdicts(self.integrated_checks())
    }

    fn verdicts(&self, checks: Vec<(Check, Option<&Evidence>)>) -> Vec<(Check, Verdict)> {
        checks
            .into_iter()
            .map(|(check, evidence)| {
                let verdict = self.verdict(&check, evidence);
                (check, verdict)
            })
            .collect()
    }

    /// Returns the check of the integrated tree that the packet turned red, with what it said, if it did.
    pub fn blamed_for(&self, id: &PacketId) -> Option<(Check, &Evidence)> {
        let blame = self.packets.get(id)?.blamed.as_ref()?;
        let mut checks = self.frozen.as_ref()?.plan.checks.iter();
        let check = checks.find(|check| check.name == blame.check && check.run == blame.run)?;
        Some((check.clone(), self.evidence_for(check, &blame.tree)?))
    }

    /// Whether a check of a packet failed on its present work, as far as is known.
    pub fn check_failed(&self, id: &PacketId) -> bool {
        self.packet_verdicts(id)
            .iter()
            .any(|(_, verdict)| verdict.is_bad())
    }

    /// Whether no check of a packet speaks against its present work, and all have spoken.
    pub fn checks_passed(&self, id: &PacketId) -> bool {
        self.packet_verdicts(id)
            .iter()
            .all(|(_, verdict)| verdict.is_good())
    }

    /// Whether all checks have spoken about the integrated tree and none speaks against it (true where nothing
    /// was integrated).
    pub fn is_verified(&self) -> bool {
        let integrated = self
            .integration
            .as_ref()
            .is_some_and(|integration| !integration.merged.is_empty());
        !integrated
            || self
                .integrated_verdicts()
                .iter()
                .all(|(_, verdict)| verdict.is_good())
    }

    /// Whether a check speaks against the integrated tree, as far as is known, or the tree could not be checked.
    pub fn verification_failed(&self) -> bool {
        self.integration
            .as_ref()
            .is_some_and(|integration| integration.broken.is_some())
            || self
                .integrated_verdicts()
                .iter()
                .any(|(_, verdict)| verdict.is_bad())
    }

    /// The checks that fail on the integrated tree as they do on the base, each with both results: first that on
    /// the base.
    pub fn failed_before(&self) -> Vec<(Check, &Evidence, &Evidence)> {
        self.integrated_checks()
            .into_iter()
            .filter(|(check, evidence)| self.verdict(check, *evidence) == Verdict::FailedBefore)
            .filter_map(|(check, evidence)| {
                let base = self.base_evidence(&check)?;
                Some((check, base, evidence?))
            })
            .collect()
    }
}
