//! Exact replay: the same script, the same arguments, the same answers in the same order.

use std::collections::{HashMap, HashSet, VecDeque};

use super::compare::divergence;
use super::{Divergence, Fate, Record, Recorded};
use crate::script::call::Call;
use crate::script::talk::Answer;

/// An exact replay on its way.
///
/// For each call that the script makes, ask [`Exact::called`]; whenever it is idle, deliver what [`Exact::deliver`] gives.
/// When that is nothing, the record is used up: from then on, the calls whose fate was [`Fate::Run`] are run.
#[derive(Debug)]
pub struct Exact {
    calls: HashMap<u64, Recorded>,
    answered: HashSet<u64>,
    answers: VecDeque<Answer>,
    waiting: HashSet<u64>,
    delivered: u64,
    run: u64,
}

impl Exact {
    /// A replay of this record.
    pub fn new(record: Record) -> Self {
        let calls = record.calls.into_iter().map(|call| (call.ordinal, call));
        Self {
            calls: calls.collect(),
            answered: record.answers.iter().map(|answer| answer.ordinal).collect(),
            answers: record.answers.into(),
            waiting: HashSet::new(),
            delivered: 0,
            run: 0,
        }
    }

    /// Compares a call with the record, and says whether its answer is in there.
    ///
    /// # Errors
    /// The difference from what was recorded under its number.
    pub fn called(&mut self, call: &Call) -> Result<Fate, Divergence> {
        if let Some(recorded) = self.calls.get(&call.ordinal)
            && let Some(differs) = divergence(recorded, call)
        {
            return Err(differs);
        }
        if self.answered.contains(&call.ordinal) {
            self.waiting.insert(call.ordinal);
            return Ok(Fate::Recorded);
        }
        self.run += 1;
        Ok(Fate::Run)
    }

    /// The next answer of the record; `None` once it is used up. To be asked when the script is idle.
    ///
    /// # Errors
    /// The recorded call whose answer comes next, if the script has not made it.
    pub fn deliver(&mut self) -> Result<Option<Answer>, Divergence> {
        let Some(answer) = self.answers.pop_front() else {
            return Ok(None);
        };
        if !self.waiting.remove(&answer.ordinal) {
            return Err(self.missing(answer.ordinal));
        }
        self.delivered += 1;
        Ok(Some(answer))
    }

    /// How many answers of the record are still to be delivered.
    pub fn left(&self) -> usize {
        self.answers.len()
    }

    /// Says that the script ended, which is wrong while answers are left.
    ///
    /// # Errors
    /// The recorded call whose answer would come next.
    pub fn ended(&self) -> Result<(), Divergence> {
        match self.answers.front() {
            Some(answer) => Err(self.missing(answer.ordinal)),
            None => Ok(()),
        }
    }

    /// How many answers came from the record so far, and how many calls have to be run.
    pub fn counts(&self) -> (u64, u64) {
        (self.delivered, self.run)
    }

    fn missing(&self, ordinal: u64) -> Divergence {
        let recorded = self.calls.get(&ordinal);
        Divergence {
            ordinal,
            title: recorded.map_or_else(|| format!("call {ordinal}"), Recorded::title),
            field: "call".to_owned(),
            recorded: "answered next".to_owned(),
            now: "not waited for".to_owned(),
        }
    }
}
