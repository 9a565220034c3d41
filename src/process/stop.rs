//! How firmly a unit is asked to end.

/// What dynwf wants of a running unit. Ordered: a later one overrides an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Let it run.
    #[default]
    No,
    /// TERM, and KILL after the grace time of its task.
    Term,
    /// KILL at once.
    Kill,
}
