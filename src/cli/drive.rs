//! Runs the loop with somebody watching: the live view, `.workflow/`, and what is said at the end.

use std::io::{self, IsTerminal as _, Stderr};

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::Context;
use super::output;
use crate::error::ExitCode;
use crate::model::state::RunState;
use crate::report::face::Face;
use crate::report::human;
use crate::report::progress::{Mode, Progress};
use crate::report::view::StatusView;
use crate::runner::{End, Order, Session, Update};

/// Everybody who watches a run.
pub(super) struct Watchers {
    progress: Option<Progress<Stderr>>,
    face: Face,
    live: bool,
}

impl Watchers {
    /// Those of a workflow. Nobody narrates if `quiet`.
    pub(super) fn new(context: &Context, state: &RunState, quiet: bool) -> Result<Self> {
        let look = output::look(&io::stderr());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let live = io::stderr().is_terminal() && !dumb && !quiet;
        let mode = if live {
            Mode::Live {
                look,
                size: Box::new(|| output::size(&io::stderr())),
            }
        } else {
            Mode::Lines {
                zone: TimeZone::system(),
            }
        };
        let concurrency = Some(context.config.limits.concurrency);
        let progress = (!quiet).then(|| Progress::new(io::stderr(), mode, concurrency));
        let face = Face::new(context.face(&state.slug)?, context.git.common_dir());
        Ok(Self {
            progress,
            face,
            live,
        })
    }

    /// Tells everybody.
    pub(super) fn observe(&mut self, update: &Update<'_>) {
        match update {
            Update::Fact(event, state) => {
                if let Some(progress) = &mut self.progress {
                    progress.fact(event, state);
                }
                self.face.fact(event, state);
            }
            Update::Progress { unit, text } => {
                if let Some(progress) = &mut self.progress {
                    progress.progress(*unit, text);
                }
            }
            Update::Tick(state) => {
                if let Some(progress) = &mut self.progress {
                    progress.tick(Timestamp::now());
                }
                self.face.settle(state);
            }
        }
    }

    fn end(self, state: &RunState) -> bool {
        let mut face = self.face;
        if let Some(problem) = face.finish(state) {
            output::say(&format!("warning: .workflow/{} could not be written: {problem:#}", state.slug));
        }
        if let Some(progress) = self.progress {
            progress.end();
        }
        self.live
    }
}

/// Works towards a goal, with everybody watching, and prints how the workflow stands at the end.
pub(super) fn drive(
    context: &Context,
    session: &mut Session,
    order: Order,
    quiet: bool,
) -> Result<End> {
    let mut watchers = Watchers::new(context, session.state(), quiet)?;
    let end = session.drive(order, &mut |update| watchers.observe(&update));
    let live = watchers.end(session.state());
    let end = end?;
    if !quiet && !(live && io::stdout().is_terminal()) {
        show(session.state())?;
    }
    for line in &end.why {
        output::say(&format!("note: {line}"));
    }
    Ok(end)
}

/// Prints how a workflow stands.
pub(super) fn show(state: &RunState) -> Result<()> {
    let view = StatusView::new(state, Timestamp::now());
    output::answer(&human::status(&view, output::look(&io::stdout())))
}

/// Returns the exit code of a run.
pub(super) fn code(end: &End) -> ExitCode {
    end.code
}
