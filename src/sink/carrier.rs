//! The outside of a sink that hands alerts on as they are: something that takes them or says why not. A web server, a
//! file, a topic and a database stand behind it, and the tests put failing ones there.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::alert::AlertRecord;

/// Takes alerts.
pub(super) trait Carrier: Send {
    /// The most alerts that it takes at once; at least one, and always the same.
    fn batch_max(&self) -> usize;

    /// One attempt to hand over these alerts, in this order: all of them, or none where it is an error. A call that is
    /// dropped may or may not have delivered.
    fn deliver(&mut self, alerts: &[&AlertRecord]) -> impl Future<Output = Result<Taken, Trouble>> + Send;
}

/// The alerts are dealt with: those that are not refused are delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Those that no retry can deliver.
    pub(super) refused: Vec<Refused>,
    /// How many the receiver had already.
    pub(super) repeats: u64,
}

/// An alert that the receiver will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Which of those that were handed over, from 0.
    pub(super) index: usize,
    /// Why, in one line.
    pub(super) reason: String,
}

/// The alerts are not delivered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The receiver does not take these now. It may take others.
    Later(Setback),
    /// The receiver takes nothing now.
    Away(Setback),
    /// The receiver takes nothing before a person changes something.
    Unusable(String),
}

/// Why not now, and the least time until it may be tried again where the receiver names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setback {
    pub(super) reason: String,
    pub(super) after: Option<Duration>,
}

impl Setback {
    pub(super) fn new(reason: impl Into<String>) -> Setback {
        Setback { reason: reason.into(), after: None }
    }
}

impl Trouble {
    pub(super) fn reason(&self) -> &str {
        match self {
            Trouble::Later(setback) | Trouble::Away(setback) => &setback.reason,
            Trouble::Unusable(reason) => reason,
        }
    }

    /// The least time until the next attempt that the receiver asks for.
    pub(super) fn after(&self) -> Duration {
        match self {
            Trouble::Later(setback) | Trouble::Away(setback) => setback.after.unwrap_or_default(),
            Trouble::Unusable(_) => Duration::ZERO,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
