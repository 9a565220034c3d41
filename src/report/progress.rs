//! What a run looks like while it goes on.
//!
//! On a terminal the table of `human` is drawn in place: on events (not more often than eye or terminal can
//! follow) and whenever `tick` is called, at most as many lines as the screen has, so that nothing scrolls
//! away. Without a terminal each event that matters is one line with its time. Writing never fails a run:
//! after the first error (a closed pipe) nothing more is written. Called by `cli`, as the observer of the
//! runner's session.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::human::{self, Look};
use super::line::Teller;
use super::view::StatusView;
use super::words::{one_line, plain, width};
use crate::model::event::{Event, EventKind};
use crate::model::id::{PacketId, UnitId};
use crate::model::state::RunState;

/// The size of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Lines.
    pub lines: usize,
}

/// How progress is shown.
pub enum Mode {
    /// A table that is drawn in place.
    Live {
        /// What the screen can show; its width is asked for each time.
        look: Look,
        /// Asks for the present size of the screen.
        size: Box<dyn Fn() -> Size + Send>,
    },
    /// A line for each event.
    Lines {
        /// The time zone of the reader.
        zone: TimeZone,
        /// Whether what reads it shows more than ASCII.
        unicode: bool,
    },
}

/// Shows a run while it goes on.
pub struct Progress<W: Write> {
    out: W,
    mode: Mode,
    /// How many units run at once, for the headline, where the plan does not say.
    concurrency: Option<u32>,
    teller: Option<Teller>,
    view: Option<StatusView>,
    /// Which packet a running unit works for.
    units: BTreeMap<UnitId, PacketId>,
    says: BTreeMap<PacketId, String>,
    /// The widths of the lines that are on the screen.
    drawn: Vec<usize>,
    drawn_at: Option<Timestamp>,
    broken: bool,
}

/// Events come in bursts; two drawings are at least this many milliseconds apart.
const PAUSE: u64 = 80;

impl<W: Write> Progress<W> {
    /// Starts to show; nothing is written before the first fact.
    pub fn new(out: W, mode: Mode, concurrency: Option<u32>) -> Self {
        Self {
            out,
            mode,
            concurrency,
            teller: None,
            view: None,
            units: BTreeMap::new(),
            says: BTreeMap::new(),
            drawn: Vec::new(),
            drawn_at: None,
            broken: false,
        }
    }

    /// Takes a fact and the state after it.
    pub fn fact(&mut self, event: &Event, state: &RunState) {
        if let Mode::Lines { zone, unicode } = &self.mode {
            let told = self
                .teller
                .get_or_insert_with(|| Teller::knowing(state))
                .tell(event);
            if told.news {
                let line = told.line(zone, false);
                let line = plain(&line, *unicode);
                self.write(&format!("{line}\n"));
            }
            return;
        }
        match &event.kind {
            EventKind::UnitStarted { unit } => {
                if let Some(packet) = unit.packet() {
                    self.units.insert(unit.id, packet.clone());
                }
            }
            EventKind::UnitEnded { unit, .. } => {
                if let Some(packet) = self.units.remove(unit) {
                    self.says.remove(&packet);
                }
            }
            _ => {}
        }
        for (id, live) in &state.units {
            // Units that were running before this dynwf started to watch.
            if let Some(packet) = live.unit.packet().filter(|_| !self.units.contains_key(id)) {
                self.units.insert(*id, packet.clone());
            }
        }
        let mut view = StatusView::new(state, event.at);
        view.budget.concurrency = view.budget.concurrency.or(self.concurrency);
        self.view = Some(view);
        let due = self
            .drawn_at
            .is_none_or(|at| event.at.as_millisecond().abs_diff(at.as_millisecond()) >= PAUSE);
        if due {
            self.draw(event.at);
        }
    }

    /// Takes what a unit's agent said last.
    pub fn progress(&mut self, unit: UnitId, text: &str) {
        if let Some(packet) = self.units.get(&unit) {
            self.says.insert(packet.clone(), one_line(text));
        }
    }

    /// Draws anew, with the times as of `now`. To be called once a second, and when the screen changed its
    /// size.
    pub fn tick(&mut self, now: Timestamp) {
        self.draw(now);
    }

    /// Takes the table off the screen and gives the writer back; what comes next is written where it stood.
    pub fn end(mut self) -> W {
        let size = self.size();
        let clear = self.back_to_top(size);
        if !clear.is_empty() {
            self.write(&format!("{clear}\x1b[J"));
        }
        self.out
    }

    fn size(&self) -> Size {
        match &self.mode {
            Mode::Live { size, .. } => size(),
            Mode::Lines { .. } => Size {
                columns: 0,
                lines: 0,
            },
        }
    }

    fn draw(&mut self, now: Timestamp) {
        let Mode::Live { look, .. } = &self.mode else {
            return;
        };
        let look = *look;
        let size = self.size();
        let Some(view) = &mut self.view else { return };
        view.refresh(now);
        // One column stays free: a full last column makes some terminals wrap. One line stays free: it is
        // where the cursor rests, and going to it must not scroll.
        let look = Look {
            width: Some(size.columns.saturating_sub(1)),
            ..look
        };
        let mut lines = human::lines(view, look, &self.says, Some(size.lines.saturating_sub(1)));
        let widths: Vec<usize> = lines.iter().map(|line| shown_width(line)).collect();
        // A command is never cut, but here it must not wrap: `status` shows it in full.
        for (line, width) in lines.iter_mut().zip(&widths) {
            if *width >= size.columns {
                *line = look.fit(&bare(line), size.columns.saturating_sub(1));
            }
        }
        let mut frame = self.back_to_top(size);
        for line in &lines {
            frame.push_str(line);
            frame.push_str("\x1b[K\n");
        }
        frame.push_str("\x1b[J");
        self.drawn = lines.iter().map(|line| shown_width(line)).collect();
        self.drawn_at = Some(now);
        self.write(&frame);
    }

    /// The sequence that takes the cursor to where the table begins. A screen that became narrower has
    /// wrapped what was drawn before.
    fn back_to_top(&self, size: Size) -> String {
        let columns = size.columns.max(1);
        let rows: usize = self
            .drawn
            .iter()
            .map(|width| width.div_ceil(columns).max(1))
            .sum();
        let rows = rows.min(size.lines.saturating_sub(1));
        if rows == 0 {
            return String::new();
        }
        format!("\x1b[{rows}A\r")
    }

    fn write(&mut self, text: &str) {
        if !self.broken {
            self.broken = self
                .out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush())
                .is_err();
        }
    }
}

/// A drawn line without its colours.
fn bare(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("\x1b[") {
        out.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = after
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(after.len(), |end| end + 1);
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

fn shown_width(line: &str) -> usize {
    width(&bare(line))
}
