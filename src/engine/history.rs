//! How runs ended, for those who ask why there was no alert. Kept only on request: it grows with the input.

use crate::engine::runs::{Run, Trail};
use crate::event::Position;
use crate::program::StepId;

/// A run that has ended, or is still open at the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// The number of its first event among those judged.
    pub first: u64,
    /// The step that it was in; the number of steps when it waited for a final `then no`.
    pub step: StepId,
    /// How many events that step had taken.
    pub taken: u32,
    /// The time of its first event, in ms.
    pub start_ms: i64,
    /// The last time at which it could be open, in ms.
    pub ends_ms: i64,
    /// How it ended.
    pub ended: Ended,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It completed.
    Completed,
    /// Its `within` passed.
    Expired,
    /// An `unless` event came.
    Unless(Position),
    /// The very next event of a `then next` did not fit.
    MissedNext(Position),
    /// An event that must not come came while it waited for a final `then no`.
    Cancelled(Position),
    /// Another run of its key completed, and the rule has no `every`.
    UsedUp,
    /// It was dropped for a newer one: as many were open as may be.
    Dropped,
    /// The input ended first.
    StillOpen,
}

impl PastRun {
    /// Of a run and what it has taken.
    pub(super) fn new(run: &Run, trail: Trail<'_>, ended: Ended) -> PastRun {
        let first = trail.first_arrival().unwrap_or_default();
        let taken = match run.taken {
            // The run stopped counting there.
            u16::MAX => u32::try_from(trail.count_of(run.step)).unwrap_or(u32::MAX),
            taken => u32::from(taken),
        };
        PastRun { first, step: run.step, taken, start_ms: trail.start_ms(), ends_ms: run.ends_ms, ended }
    }
}
