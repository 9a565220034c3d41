//! Runs the loop with somebody watching: the live view, `.workflow/`, and what is said at the end.

use std::io::{self, IsTerminal as _, Stderr};

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::Context;
use super::keys::Keys;
use super::output;
use crate::error::ExitCode;
use crate::model::state::RunState;
use crate::report::face::{Face, PlanTexts};
use crate::report::human;
use crate::report::progress::{Mode, Progress};
use crate::report::view::StatusView;
use crate::runner::{End, Order, Session, Update};

/// Everybody who watches a run.
pub(super) struct Watchers {
    progress: Option<Progress<Stderr>>,
    /// Listens for Esc while there is a live view.
    keys: Option<Keys>,
    face: Face,
    /// Something happened that `.workflow/` does not show yet.
    stale: bool,
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
                unicode: look.unicode,
            }
        };
        let concurrency = Some(context.config.limits.concurrency);
        let progress = (!quiet).then(|| Progress::new(io::stderr(), mode, concurrency));
        Ok(Self {
            progress,
            keys: if live { Keys::listen() } else { None },
            face: face(context, state)?,
            stale: true,
        })
    }

    /// Tells everybody.
    pub(super) fn observe(&mut self, update: &Update<'_>) {
        match update {
            Update::Fact(event, state) => {
                if let Some(progress) = &mut self.progress {
                    progress.fact(event, state);
                }
                self.stale = true;
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
                // A face that cannot be written now is written, or complained about, at the end.
                if std::mem::take(&mut self.stale) && write(&self.face, state).is_err() {
                    self.stale = true;
                }
            }
        }
    }

    /// Lets everybody finish; the live view leaves the screen.
    fn end(self, state: &RunState) {
        drop(self.keys);
        if let Some(progress) = self.progress {
            progress.end();
        }
        if let Err(error) = write(&self.face, state) {
            let place = self.face.path();
            output::say(&format!(
                "warning: {} could not be written: {error:#}",
                place.display()
            ));
        }
    }
}

/// The folder of a workflow that people look into.
fn face(context: &Context, state: &RunState) -> Result<Face> {
    Ok(Face::new(
        &context.git.face_root()?,
        context.git.common_dir(),
        &state.slug,
    ))
}

/// Brings `.workflow/<slug>/` up to date with the state; returns the names of what was written.
pub(super) fn write(face: &Face, state: &RunState) -> Result<Vec<String>> {
    face.write(state, &PlanTexts::of(state), Timestamp::now())
}

/// Works towards a goal, with everybody watching, and prints how the workflow stands at the end.
pub(super) fn drive(
    context: &Context,
    session: &mut Session,
    order: Order,
    quiet: bool,
) -> Result<End> {
    let end = attended(context, session, order, quiet)?;
    if !quiet {
        show(session.state())?;
    }
    for line in &end.why {
        output::say(&format!("note: {line}"));
    }
    Ok(end)
}

/// Works towards a goal, with everybody watching, and says nothing at the end.
pub(super) fn watch(context: &Context, session: &mut Session, order: Order) -> Result<End> {
    attended(context, session, order, false)
}

fn attended(context: &Context, session: &mut Session, order: Order, quiet: bool) -> Result<End> {
    let mut watchers = Watchers::new(context, session.state(), quiet)?;
    let end = session.drive(order, &mut |update| watchers.observe(&update));
    watchers.end(session.state());
    end
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
