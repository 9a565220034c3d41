//! Reuse: another script or other arguments, and the answers of an earlier run where they still hold.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::compare::first_difference;
use super::{Fate, Record, Recorded};
use crate::script::call::Call;
use crate::script::engine::Engine;
use crate::script::setup::Setup;
use crate::script::talk::{Answer, Said, ScriptError};

/// When an earlier answer still holds for a call with the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Always: for agents that only read, or work apart from each other.
    #[default]
    Content,
    /// If every answer that was delivered before the call was made has been reused as well: for agents that write where
    /// others read.
    Causal,
    /// Never.
    None,
}

/// What was found out about the calls so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// How many calls have their answer from the record.
    pub reuse: u64,
    /// How many have to be run, as far as is known before they are.
    pub run: u64,
    /// The first of them, and why.
    pub first_miss: Option<(u64, String)>,
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reuse {}, run {}", self.reuse, self.run)?;
        if let Some((ordinal, why)) = &self.first_miss {
            write!(f, ", first miss #{ordinal} ({why})")?;
        }
        Ok(())
    }
}

/// A reuse on its way; it is driven like [`super::Exact`], but it never diverges.
#[derive(Debug)]
pub struct Reuse {
    policy: Policy,
    calls: HashMap<u64, Recorded>,
    /// The answers of the earlier run by their place in it.
    answers: Vec<Option<Answer>>,
    /// For each key the places of its answers, by the number of their call.
    pool: HashMap<String, VecDeque<usize>>,
    /// By number of the call, the answers that are no longer wanted, because they say that it failed.
    failed: Vec<u64>,
    /// Which answers have been delivered again.
    reused: Vec<bool>,
    /// Answers to deliver, by their place: the number of the call in this run.
    due: BTreeMap<usize, u64>,
    preview: Preview,
}

impl Reuse {
    /// The answers of this record under this policy; with `retry_failed`, without those that say that a call failed.
    pub fn new(record: Record, policy: Policy, retry_failed: bool) -> Self {
        let calls: HashMap<u64, Recorded> = record
            .calls
            .into_iter()
            .map(|call| (call.ordinal, call))
            .collect();
        let mut failed = Vec::new();
        let mut wanted: Vec<(u64, usize)> = Vec::new();
        for (place, answer) in record.answers.iter().enumerate() {
            if retry_failed && answer.value.is_err() {
                failed.push(answer.ordinal);
            } else if policy != Policy::None {
                wanted.push((answer.ordinal, place));
            }
        }
        wanted.sort_unstable();
        let mut pool: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (ordinal, place) in wanted {
            if let Some(call) = calls.get(&ordinal) {
                pool.entry(call.key.clone()).or_default().push_back(place);
            }
        }
        Self {
            policy,
            calls,
            reused: vec![false; record.answers.len()],
            answers: record.answers.into_iter().map(Some).collect(),
            pool,
            failed,
            due: BTreeMap::new(),
            preview: Preview::default(),
        }
    }

    /// Says whether an earlier answer holds for a call.
    pub fn called(&mut self, call: &Call) -> Fate {
        if let Some(place) = self.take(call) {
            self.due.insert(place, call.ordinal);
            self.preview.reuse += 1;
            return Fate::Recorded;
        }
        self.preview.run += 1;
        if self.preview.first_miss.is_none() {
            self.preview.first_miss = Some((call.ordinal, self.why(call)));
        }
        Fate::Run
    }

    /// The next answer to deliver, in the order of the earlier run; `None` if nothing is due now. To be asked when the
    /// script is idle, as long as it runs.
    pub fn deliver(&mut self) -> Option<Answer> {
        let (place, ordinal) = self.due.pop_first()?;
        self.reused[place] = true;
        let mut answer = self.answers[place].take()?;
        answer.ordinal = ordinal;
        Some(answer)
    }

    /// What was found out so far.
    pub fn preview(&self) -> &Preview {
        &self.preview
    }

    fn take(&mut self, call: &Call) -> Option<usize> {
        let places = self.pool.get(&call.key)?;
        let holds = |place: &usize| {
            if self.policy != Policy::Causal {
                return true;
            }
            let Some(ordinal) = self.answers[*place].as_ref().map(|answer| answer.ordinal) else {
                return false;
            };
            let before = self
                .calls
                .get(&ordinal)
                .map_or(0, |recorded| recorded.after);
            let before = usize::try_from(before).unwrap_or(usize::MAX);
            self.reused.iter().take(before).all(|reused| *reused)
        };
        let found = places.iter().position(holds)?;
        self.pool.get_mut(&call.key)?.remove(found)
    }

    /// Why a call has to be run.
    fn why(&self, call: &Call) -> String {
        let Some(recorded) = self.calls.get(&call.ordinal) else {
            return "new call".to_owned();
        };
        if recorded.key != call.key {
            let (field, _, _) = first_difference(recorded, call);
            return if field == "call" {
                "another call".to_owned()
            } else {
                format!("{field} changed")
            };
        }
        let why = if self.failed.contains(&call.ordinal) {
            "failed before"
        } else if self.policy == Policy::None {
            "nothing is reused"
        } else if self
            .pool
            .get(&call.key)
            .is_some_and(|places| !places.is_empty())
        {
            "an earlier answer is not the same"
        } else {
            "was not finished"
        };
        why.to_owned()
    }
}

/// Runs a script on reused answers alone, and says what would be reused and what would have to be run.
///
/// # Errors
/// Where the script does not start, or throws on the way.
pub fn preview(setup: Setup, mut reuse: Reuse) -> Result<Preview, ScriptError> {
    let (engine, mut said) = Engine::start(setup).map_err(|problems| {
        let first = problems.first().map(ToString::to_string);
        ScriptError::new(
            crate::script::ErrorKind::Thrown,
            first.unwrap_or_else(|| "the script does not start".to_owned()),
        )
    })?;
    let mut over = false;
    while let Some(said) = said.blocking_recv() {
        match said {
            Said::Called(calls) => {
                for call in &calls {
                    reuse.called(call);
                }
            }
            Said::Idle(_) => {
                if let Some(answer) = reuse.deliver() {
                    engine.answer(answer);
                } else {
                    over = true;
                    engine.abort();
                }
            }
            Said::Ended(Err(error)) if !over => return Err(error),
            _ => {}
        }
    }
    Ok(reuse.preview)
}
