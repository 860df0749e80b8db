//! Measures: aggregates that are emitted by window.

use std::sync::Arc;

use crate::program::{Aggregate, CellId, Condition, Expr, KeyId};
use crate::schema::TypeId;

/// The number of a measure in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeasureId(pub u32);

impl MeasureId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A compiled measure.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Its number.
    pub id: MeasureId,
    /// Its name.
    pub name: Arc<str>,
    /// The hash of the normalised measure: 16 hexadecimal digits.
    pub version: Arc<str>,
    /// The hash of what decides which windows there are and which events they hold; part of every id.
    pub match_hash: [u8; 32],
    /// Its key.
    pub key: KeyId,
    /// Its cell in the rows of its key, where its windows are not of time alone.
    pub cell: CellId,
    /// The types whose events it measures, each with its condition.
    pub guards: Vec<MeasureGuard>,
    /// Its windows.
    pub window: MeasureWindow,
    /// What is computed of the events of a window.
    pub folds: Vec<MeasureFold>,
    /// What is emitted, by name; `Expr::Aggregate` is a fold.
    pub emitted: Vec<(Arc<str>, Expr)>,
    /// Which keys are emitted; all where there is none.
    pub top: Option<Top>,
    /// The sinks that are to get it; none of them where there is none.
    pub targets: Arc<[String]>,
    /// What it is, for people.
    pub message: Arc<str>,
}

/// An event type of a measure.
#[derive(Clone, Debug)]
pub struct MeasureGuard {
    /// The type.
    pub type_id: TypeId,
    /// What must hold of the event; nothing where there is no `where`.
    pub condition: Option<Condition>,
}

/// An aggregate over the events of a window.
#[derive(Clone, Debug)]
pub struct MeasureFold {
    /// What is computed.
    pub aggregate: Aggregate,
    /// Of each type that counts, what goes in.
    pub inputs: Vec<FoldInput>,
}

/// What an event of a type adds to an aggregate.
#[derive(Clone, Debug)]
pub struct FoldInput {
    /// The type.
    pub type_id: TypeId,
    /// The value; nothing for a count.
    pub value: Option<Expr>,
    /// Whether it goes in; always where there is none.
    pub condition: Option<Condition>,
}

/// The windows of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureWindow {
    /// Windows [start, end) that begin at whole multiples of a distance since the epoch.
    Every {
        /// The window's length in ms: a multiple of the distance.
        over_ms: i64,
        /// The distance of their starts in ms.
        every_ms: i64,
    },
    /// At each event, the newest events of the key, so many.
    Last(u32),
    /// From the first event after a silence to the last one before the next.
    Session {
        /// The silence that closes it, in ms.
        idle_ms: i64,
        /// The longest time from its first event to its last, in ms.
        at_most_ms: Option<i64>,
    },
}

/// `top N by name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// How many keys.
    pub n: u32,
    /// The emitted value that orders them: its number.
    pub by: usize,
}
