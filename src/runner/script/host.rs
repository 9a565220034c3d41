//! Runs the engine of a script beside the loop.
//!
//! It holds what is not journaled yet: calls that wait until a unit may be started, answers that wait until the script
//! has come to rest. On resume it gives the script what the journal has, in its order, before anything else happens.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::mpsc::UnboundedReceiver;

use super::admit::Desk;
use super::nested;
use crate::model::event::{Event, EventKind};
use crate::model::id::PacketId;
use crate::model::script::{Census, Kept, Reply, Saying, ScriptEnd, ScriptRun};
use crate::model::state::{RunState, ScriptState};
use crate::model::unit::WorkspaceName;
use crate::runner::goal::Options;
use crate::script::replay::{Fate, Reuse};
use crate::script::{
    Answer, Call, Engine, ErrorKind, Failed, Limits, Outcome, Said, ScriptError, Setup,
};

/// The longest line of a script that the journal takes whole, in bytes.
const LONGEST_LINE: usize = 16 * 1024;

/// A running script.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the engine"
)]
pub(in crate::runner) struct Host {
    pub(super) engine: Engine,
    pub(super) said: UnboundedReceiver<Said>,
    pub(super) desk: Desk,
    /// The calls that the script waits for: key, and how many answers it had got before.
    pub(super) waits: HashMap<u64, (String, u64)>,
    /// How many answers it has got.
    pub(super) given: u64,
    /// Calls that a unit is to answer, until one may be started.
    pub(super) queue: VecDeque<Call>,
    /// Calls that need no unit.
    pub(super) others: VecDeque<Call>,
    /// What is to be recorded with the next batch.
    pub(super) facts: Vec<EventKind>,
    /// Journaled answers that the script has not got yet.
    pub(super) answers: VecDeque<Answer>,
    /// Whether the script runs, and has not come to rest.
    pub(super) busy: bool,
    /// How many sayings there were, and how many of them the journal has.
    pub(super) said_so_far: usize,
    pub(super) said_before: usize,
    pub(super) over: bool,
    /// Answers of the script as it ran before, where they are taken over.
    pub(super) reuse: Option<Reuse>,
    /// Whether what it did before is done again.
    pub(super) live: bool,
    /// Whether it was told to end: what it says then is not its value.
    pub(super) aborted: bool,
}

impl Host {
    /// Starts the engine.
    ///
    /// # Errors
    /// If the script cannot be read back, or cannot be started at all.
    pub(super) fn start(
        desk: Desk,
        state: &RunState,
        options: &Options,
        run: &ScriptRun,
        most_text: Limits,
    ) -> Result<Self> {
        let blobs = desk.tools.store.blobs(&state.slug);
        let args = run.args.as_ref().map(|args| blobs.text(args)).transpose()?;
        let setup = Setup {
            file: run.file.clone(),
            source: blobs.text(&run.source)?,
            args,
            cwd: workspace(state, options, run),
            budget: run.tokens,
            limits: most_text,
            refuse: desk.refuse(),
            resolve: nested::resolver(&desk.tools.store, &state.slug, desk.tops.clone()),
        };
        let (engine, said) = Engine::start(setup).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow!("{}", lines.join("\n"))
        })?;
        Ok(Self {
            engine,
            said,
            desk,
            waits: HashMap::new(),
            given: 0,
            queue: VecDeque::new(),
            others: VecDeque::new(),
            facts: Vec::new(),
            answers: VecDeque::new(),
            busy: true,
            said_so_far: 0,
            said_before: 0,
            over: false,
            reuse: None,
            live: false,
            aborted: false,
        })
    }

    /// Answers calls that the script made just now with what it was answered before, as far as that holds.
    fn answer_again(&mut self, calls: Vec<Call>) -> Result<Vec<Call>> {
        let Some(reuse) = self.reuse.as_mut().filter(|_| self.live) else {
            return Ok(calls);
        };
        let mut left = Vec::new();
        let mut found = HashMap::new();
        for call in calls {
            if reuse.called(&call) == Fate::Recorded {
                found.insert(call.ordinal, call);
            } else {
                left.push(call);
            }
        }
        while let Some(answer) = reuse.deliver() {
            if let Some(call) = found.get(&answer.ordinal) {
                self.waits
                    .insert(call.ordinal, (call.key.clone(), self.given));
                self.facts
                    .extend(self.desk.taken_over(call, &answer, self.given)?);
            }
        }
        Ok(left)
    }

    /// From now on calls are begun.
    pub(super) fn go_live(&mut self) {
        self.live = true;
    }

    pub(super) fn forget_call(&mut self, ordinal: u64) {
        self.waits.remove(&ordinal);
        self.forget_queued(ordinal);
    }

    pub(super) fn forget_queued(&mut self, ordinal: u64) {
        // Answers come about in the order of the calls, so it is found near the front.
        for queue in [&mut self.queue, &mut self.others] {
            if let Some(at) = queue.iter().position(|call| call.ordinal == ordinal) {
                queue.remove(at);
                return;
            }
        }
    }

    /// Waits for the next thing that the script says; for ever once it is over.
    pub(in crate::runner) async fn next(&mut self) -> Said {
        if self.over {
            return std::future::pending().await;
        }
        match self.said.recv().await {
            Some(said) => said,
            None => Said::Ended(Err(ScriptError::new(
                ErrorKind::Limit,
                "the engine of the script is gone",
            ))),
        }
    }

    /// Whether the script runs, and will rest or end by itself.
    pub(in crate::runner) fn is_at_work(&self) -> bool {
        self.busy && !self.over
    }

    /// Takes what the script said; once it rests, it gets the next answer.
    ///
    /// # Errors
    /// If something that it said cannot be kept.
    pub(in crate::runner) fn take(&mut self, said: Said) -> Result<()> {
        match said {
            Said::Called(calls) => {
                for call in self.answer_again(calls)? {
                    self.called(call);
                }
            }
            Said::Phase(title) => self.say(Saying::Phase, title)?,
            Said::Log(line) => self.say(Saying::Log, line)?,
            Said::Report(value) => self.say(Saying::Report, value)?,
            Said::Warned(what) => self.say(Saying::Warning, what)?,
            Said::Nulled(nulled) => {
                let text = format!("{} is null: {}", nulled.place, nulled.message);
                self.say(Saying::Warning, text)?;
            }
            Said::Idle(taken) => {
                self.busy = taken != self.given;
                self.deliver();
            }
            Said::Ended(result) => self.ended(result)?,
        }
        Ok(())
    }

    fn called(&mut self, call: Call) {
        self.waits
            .insert(call.ordinal, (call.key.clone(), self.given));
        if call.kind.is_agent() || matches!(call.kind, crate::script::CallKind::Shell) {
            self.queue.push_back(call);
        } else {
            self.others.push_back(call);
        }
    }

    fn say(&mut self, saying: Saying, mut text: String) -> Result<()> {
        self.said_so_far += 1;
        if self.said_so_far <= self.said_before {
            return Ok(());
        }
        let text = if saying == Saying::Report {
            self.desk.tools.store.blobs(&self.desk.slug).keep(text)?
        } else {
            let end = (0..=LONGEST_LINE.min(text.len()))
                .rev()
                .find(|&at| text.is_char_boundary(at));
            text.truncate(end.unwrap_or(0));
            Kept::Here(text)
        };
        self.facts.push(EventKind::ScriptSaid { saying, text });
        Ok(())
    }

    fn ended(&mut self, result: Result<Outcome, ScriptError>) -> Result<()> {
        self.busy = false;
        self.over = true;
        if self.aborted {
            return Ok(());
        }
        let end = match result {
            Ok(outcome) => {
                let blobs = self.desk.tools.store.blobs(&self.desk.slug);
                ScriptEnd::Value(blobs.keep(outcome.value)?)
            }
            Err(error) if error.kind == ErrorKind::Aborted => return Ok(()),
            Err(error) => {
                let mut text = error.to_string();
                if !error.stack.is_empty() {
                    text.push('\n');
                    text.push_str(error.stack.trim_end());
                }
                ScriptEnd::Error(text)
            }
        };
        let skipped = self.queue.len() + self.others.len();
        self.facts.push(EventKind::ScriptEnded {
            end,
            census: Census {
                skipped: u64::try_from(skipped).unwrap_or(u64::MAX),
                ..Census::default()
            },
        });
        self.queue.clear();
        self.others.clear();
        Ok(())
    }

    /// Hears what was recorded: answers are given to the script from here.
    ///
    /// # Errors
    /// If an answer that was kept beside the journal cannot be read.
    pub(in crate::runner) fn heard(&mut self, event: &Event) -> Result<()> {
        if let EventKind::CallAnswered {
            ordinal,
            reply,
            spent,
            ..
        } = &event.kind
            && self.waits.remove(ordinal).is_some()
        {
            let answer = self.answer_of(*ordinal, reply, *spent)?;
            self.answers.push_back(answer);
        }
        Ok(())
    }

    /// Gives the script the next answer, if it rests.
    pub(in crate::runner) fn deliver(&mut self) {
        if !self.busy
            && !self.over
            && let Some(answer) = self.answers.pop_front()
        {
            self.give(answer);
        }
    }

    pub(super) fn give(&mut self, answer: Answer) {
        self.busy = true;
        self.given += 1;
        self.engine.answer(answer);
    }

    pub(super) fn answer_of(&self, ordinal: u64, reply: &Reply, spent: u64) -> Result<Answer> {
        let blobs = self.desk.tools.store.blobs(&self.desk.slug);
        let value = match reply {
            Reply::Value(kept) => Ok(blobs
                .text(kept)
                .with_context(|| format!("reading the answer to call {ordinal}"))?),
            Reply::Failed(message) => Err(Failed {
                message: message.clone(),
            }),
        };
        Ok(Answer {
            ordinal,
            value,
            spent,
        })
    }

    /// What is recorded before anything else: the script goes on with another text.
    pub(super) fn begin_again(&mut self, facts: Vec<EventKind>) {
        self.facts.splice(0..0, facts);
    }

    /// Returns what is to be recorded, as it stands.
    pub(in crate::runner) fn facts(&mut self) -> Vec<EventKind> {
        std::mem::take(&mut self.facts)
    }

    /// Takes the next call in that may be begun in this state; none if none may.
    ///
    /// # Errors
    /// If the call cannot be kept.
    pub(in crate::runner) fn admit(
        &mut self,
        state: &RunState,
        options: &Options,
    ) -> Result<Option<Vec<EventKind>>> {
        if options.winding_down || self.over {
            return Ok(None);
        }
        let busy = state.script.as_ref().map_or(0, ScriptState::busy);
        let call = match self.others.pop_front() {
            Some(call) => Some(call),
            None if busy < options.concurrency => self.queue.pop_front(),
            None => None,
        };
        let Some(call) = call else { return Ok(None) };
        let after = self.waits.get(&call.ordinal).map_or(0, |(_, after)| *after);
        self.desk.admit(state, &call, after).map(Some)
    }

    /// Whether the script runs, or has something to say, or something to hear.
    pub(in crate::runner) fn is_busy(&self) -> bool {
        self.is_at_work() || !self.facts.is_empty() || !self.over && !self.answers.is_empty()
    }

    /// Ends the script; what it did not get is given to it when it is run again.
    pub(in crate::runner) fn abort(&mut self) {
        if !self.over {
            self.answers.clear();
            self.aborted = true;
            self.engine.abort();
        }
    }
}

/// Where calls without a workspace of their own are answered: what the script sees as `cwd`.
fn workspace(state: &RunState, options: &Options, run: &ScriptRun) -> String {
    if let Some(checkout) = &run.checkout {
        return checkout.clone();
    }
    let name = WorkspaceName::Packet(shared_id(state));
    options.sites.path(&name, 1)
}

/// The packet of the shared workspace: the present one, or the one that will be made.
pub(in crate::runner) fn shared_id(state: &RunState) -> PacketId {
    let present = state
        .script
        .as_ref()
        .and_then(|script| script.shared.clone());
    let number = state
        .packets
        .keys()
        .filter(|id| state.is_workspace_alone(id))
        .count()
        + 1;
    let name = match number {
        1 => "shared".to_owned(),
        _ => format!("shared-{number}"),
    };
    present.unwrap_or_else(|| {
        name.parse()
            .expect("`shared` with a number is a packet's id")
    })
}
