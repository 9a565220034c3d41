//! Lets a script do again what it did: exactly, by its journal, or as far as earlier answers hold for another text.

use std::collections::HashMap;

use anyhow::Result;

use super::host::Host;
use super::recorded::{Bodies, Diverged, Recorded, Recording};
use crate::model::script::Reply;
use crate::model::state::{OpenCall, RunState};
use crate::script::replay::{Fate, Preview, Reuse};
use crate::script::{Call, Said};

impl Host {
    /// Gives the script what was recorded, and checks that it asks for it as it did before.
    pub(super) async fn replay(
        &mut self,
        state: &RunState,
        recording: Recording,
    ) -> Result<Result<(), Diverged>> {
        self.said_before = recording.sayings;
        let mut answers = recording.answers.into_iter();
        let mut next = answers.next();
        while self.busy {
            let Some(said) = self.said.recv().await else {
                break;
            };
            self.take(said)?;
            if self.busy || self.over {
                continue;
            }
            let Some(answer) = next.take() else { break };
            if answer.reused {
                self.consume(answer.ordinal);
            }
            match self.waits.get(&answer.ordinal) {
                Some((key, _)) if *key == answer.key => {}
                found => {
                    let found = found.map(|(key, _)| key);
                    return Ok(Err(recording.bodies.differs(&answer, found, &self.asked())));
                }
            }
            self.forget_call(answer.ordinal);
            let reply = self.answer_of(answer.ordinal, &answer.reply, answer.spent)?;
            self.give(reply);
            next = answers.next();
        }
        if let Some(answer) = next {
            return Ok(Err(recording.bodies.missing(&answer)));
        }
        for open in state.script.iter().flat_map(|script| script.calls.values()) {
            if let Some(diverged) = self.attach(open, &recording.bodies) {
                return Ok(Err(diverged));
            }
        }
        Ok(Ok(()))
    }

    /// What was taken over before is not there to be taken over again.
    fn consume(&mut self, ordinal: u64) {
        let call = self
            .asked()
            .into_iter()
            .find(|call| call.ordinal == ordinal)
            .cloned();
        if let (Some(call), Some(reuse)) = (call, &mut self.reuse)
            && reuse.called(&call) == Fate::Recorded
        {
            reuse.deliver();
        }
    }

    /// Lets what the script asks be answered by what it was answered as it ran before, as far as that holds.
    pub(super) fn take_over(&mut self, reuse: Reuse) {
        self.reuse = Some(reuse);
    }

    /// Gives the script what it can be given of what it was answered before, in that order, and notes it down to be
    /// recorded. What is left then has to be run.
    pub(super) async fn rehearse(&mut self) -> Result<Preview> {
        let mut calls: HashMap<u64, Call> = HashMap::new();
        while self.busy {
            let Some(said) = self.said.recv().await else {
                break;
            };
            if let Said::Called(made) = &said {
                for call in made {
                    if let Some(reuse) = &mut self.reuse
                        && reuse.called(call) == Fate::Recorded
                    {
                        calls.insert(call.ordinal, call.clone());
                    }
                }
            }
            self.take(said)?;
            if self.busy || self.over {
                continue;
            }
            let Some(answer) = self.reuse.as_mut().and_then(Reuse::deliver) else {
                break;
            };
            if let Some(call) = calls.remove(&answer.ordinal) {
                let after = self
                    .waits
                    .get(&answer.ordinal)
                    .map_or(0, |(_, after)| *after);
                self.facts
                    .extend(self.desk.taken_over(&call, &answer, after)?);
            }
            self.forget_call(answer.ordinal);
            self.give(answer);
        }
        Ok(self
            .reuse
            .as_ref()
            .map(|reuse| reuse.preview().clone())
            .unwrap_or_default())
    }

    /// A call that was begun before goes on; it does not wait for its turn again.
    fn attach(&mut self, open: &OpenCall, bodies: &Bodies) -> Option<Diverged> {
        let asked = &open.asked;
        let before = Recorded {
            ordinal: asked.ordinal,
            key: asked.key.clone(),
            reply: Reply::Failed(String::new()),
            spent: 0,
            reused: false,
        };
        match self.waits.get(&asked.ordinal) {
            Some((key, _)) if *key == asked.key => {
                self.forget_queued(asked.ordinal);
                None
            }
            None if self.over => Some(bodies.missing(&before)),
            found => {
                let found = found.map(|(key, _)| key);
                Some(bodies.differs(&before, found, &self.asked()))
            }
        }
    }

    fn asked(&self) -> Vec<&Call> {
        self.queue.iter().chain(&self.others).collect()
    }
}
