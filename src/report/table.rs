//! The columns of the packet table and what gives way on a narrow screen.
//!
//! The note in the middle is cut first, as long as it still says something; then columns go from the right:
//! the cost, the time, the note, the change; the time comes back where the middle is gone, and the agent goes
//! last. A line without time and cost may use their room. Called by `human`.

use anstyle::Style;

use super::look::{DIM, Look};
use super::words::{padded, width};

/// One packet's line, as text that is ready to be shown but not yet cut.
pub(super) struct Row {
    /// The symbol.
    pub(super) mark: &'static str,
    /// The colour of the symbol and the state.
    pub(super) style: Style,
    /// The packet.
    pub(super) id: String,
    /// Who works on it.
    pub(super) agent: String,
    /// The word for its state.
    pub(super) status: String,
    /// What it changed.
    pub(super) change: Option<String>,
    /// What happens now, or why it is where it is.
    pub(super) note: String,
    /// What the reader can do about it; follows the note if it fits.
    pub(super) command: Option<String>,
    /// How long it took.
    pub(super) time: Option<String>,
    /// How many tokens it took.
    pub(super) cost: Option<String>,
}

/// Which columns are shown, and how wide. The column of changes is part of the middle.
pub(super) struct Columns {
    id: usize,
    agent: Option<usize>,
    status: usize,
    change: Option<usize>,
    /// The whole middle: the change and the note.
    middle: usize,
    notes: bool,
    time: Option<usize>,
    cost: Option<usize>,
    width: Option<usize>,
    /// The row that says what the figures of the last column are.
    unit_at: Option<String>,
}

/// Below this, a note is not worth its room while there are other columns to drop.
const GOOD_NOTE: usize = 30;
/// Below this, a note says nothing.
const SHORT_NOTE: usize = 14;
const GAP: usize = 3;
/// Without a screen, lines are never cut, but one long note must not push every other line apart.
pub(super) const FAR: usize = 100;

impl Columns {
    /// Chooses what is shown on a screen of this width.
    pub(super) fn choose(rows: &[Row], screen: Option<usize>) -> Self {
        let full = Self::natural(rows);
        let Some(screen) = screen else {
            let middle = full.middle.min(FAR);
            return Self { middle, ..full };
        };
        let mut columns = Self {
            width: Some(screen),
            ..full
        };
        let (wanted, time) = (columns.middle, columns.time);
        let changes = columns.change.unwrap_or(0);
        if columns.take_room(screen, wanted, GOOD_NOTE.max(changes)) {
            return columns;
        }
        columns.cost = None;
        if columns.take_room(screen, wanted, GOOD_NOTE.max(changes)) {
            return columns;
        }
        columns.time = None;
        if columns.take_room(screen, wanted, SHORT_NOTE.max(changes)) {
            return columns;
        }
        columns.notes = false;
        if columns.take_room(screen, changes, changes) {
            return columns;
        }
        (columns.change, columns.time) = (None, time);
        if columns.take_room(screen, 0, 0) {
            return columns;
        }
        columns.time = None;
        if columns.take_room(screen, 0, 0) {
            return columns;
        }
        columns.agent = None;
        columns.take_room(screen, 0, 0);
        columns
    }

    fn natural(rows: &[Row]) -> Self {
        let widest = |text: &dyn Fn(&Row) -> Option<usize>| rows.iter().filter_map(text).max();
        let change = widest(&|row| row.change.as_deref().map(width));
        let cost = widest(&|row| row.cost.as_deref().map(width));
        let mut columns = Self {
            id: widest(&|row| Some(width(&row.id))).unwrap_or(0),
            agent: widest(&|row| Some(width(&row.agent))),
            status: widest(&|row| Some(width(&row.status))).unwrap_or(0),
            change,
            middle: 0,
            notes: true,
            time: widest(&|row| row.time.as_deref().map(width)),
            cost: cost.map(|cost| cost + width(UNIT)),
            width: None,
            unit_at: rows
                .iter()
                .find(|row| row.cost.is_some())
                .map(|row| row.id.clone()),
        };
        columns.middle = rows
            .iter()
            .filter(|row| row.time.is_some() || row.cost.is_some())
            .map(|row| width(&columns.middle_of(row)))
            .max()
            .or(change)
            .unwrap_or(0);
        columns
    }

    /// Gives the middle what is left, up to `wanted`; whether that is at least `needed` (or all it wants).
    fn take_room(&mut self, screen: usize, wanted: usize, needed: usize) -> bool {
        let others = self.left() + self.right();
        let room = screen.saturating_sub(others);
        self.middle = wanted.min(room);
        screen >= others && room >= wanted.min(needed)
    }

    fn left(&self) -> usize {
        1 + 1 + 1 + self.id + self.agent.map_or(0, |agent| 2 + agent) + 2 + self.status + 2
    }

    fn right(&self) -> usize {
        self.time.map_or(0, |time| 2 + time) + self.cost.map_or(0, |cost| GAP + cost)
    }

    /// The middle of a row, in full.
    fn middle_of(&self, row: &Row) -> String {
        let command = match &row.command {
            Some(command) if row.note.is_empty() => command.clone(),
            Some(command) => format!("{}: {command}", row.note),
            None => row.note.clone(),
        };
        self.with_change(row, &command)
    }

    fn with_change(&self, row: &Row, note: &str) -> String {
        let note = if self.notes { note } else { "" };
        match (&row.change, self.change) {
            (Some(change), Some(_)) if note.is_empty() => change.clone(),
            (Some(change), Some(_)) => format!("{change}{}{note}", " ".repeat(GAP)),
            _ => note.to_owned(),
        }
    }

    /// The room of a row's middle: a row with nothing at its right may go on to the edge.
    fn room(&self, row: &Row) -> usize {
        let right = (row.time.is_some() && self.time.is_some())
            || (row.cost.is_some() && self.cost.is_some());
        match self.width {
            None => usize::MAX,
            _ if right => self.middle,
            Some(width) => width.saturating_sub(self.left()),
        }
    }

    /// Whether the row's command does not fit, so that it must be said elsewhere.
    pub(super) fn cuts(&self, row: &Row) -> bool {
        row.command.is_some() && (!self.notes || width(&self.middle_of(row)) > self.room(row))
    }

    /// Draws a row.
    pub(super) fn draw(&self, row: &Row, look: Look) -> String {
        let mut line = format!(
            " {} {}",
            look.paint(row.style, row.mark),
            padded(&row.id, self.id)
        );
        if let Some(agent) = self.agent {
            line.push_str(&format!("  {}", padded(&row.agent, agent)));
        }
        let status = padded(&row.status, self.status);
        line.push_str(&format!("  {}", look.paint(row.style, &status)));
        let room = self.room(row);
        let middle = if self.cuts(row) {
            self.with_change(row, &row.note)
        } else {
            self.middle_of(row)
        };
        let middle = look.fit(&middle, room);
        line.push_str(&format!("  {}", padded(&middle, self.middle)));
        let mut right = String::new();
        if let Some(time) = self.time {
            let text = row.time.as_deref().unwrap_or("");
            right.push_str(&format!("  {text:>time$}"));
        }
        if let (Some(_), Some(cost)) = (self.cost, &row.cost) {
            let unit = if self.unit_at.as_ref() == Some(&row.id) {
                UNIT
            } else {
                ""
            };
            right.push_str(&format!("{}{cost}{unit}", " ".repeat(GAP)));
        }
        if !right.trim().is_empty() {
            line.push_str(&look.paint(DIM, right.trim_end()));
        }
        let mut line = line.trim_end().to_owned();
        if let Some(width) = self.width
            && self.narrower(width)
        {
            line = look.fit(&format!(" {} {} {}", row.mark, row.id, row.status), width);
        }
        line
    }

    /// Whether even the last columns do not fit.
    fn narrower(&self, screen: usize) -> bool {
        self.left().saturating_sub(2) > screen
    }
}

const UNIT: &str = " tokens";
