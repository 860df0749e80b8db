//! An event as the engine sees it: made by a decoder for one [`Program`](crate::program::Program), read by its rules.

use crate::event::{Text, Value};
use crate::schema::TypeId;

/// An event's own id, where the source's configuration names a field for it.
pub type EventId = Text;

/// A source of events: a topic, a file. Numbered in the order in which they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u16);

/// Where an event was read. The order of positions is the order of arrival within a partition and
/// breaks ties of time across them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Which topic or file.
    pub source: SourceId,
    /// The partition of the topic; 0 for a file.
    pub partition: u32,
    /// The offset in the partition; the line number, from 1, in a file.
    pub offset: u64,
}

/// An event, reduced to what a program reads.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The declared type; `None` for a type that is not declared: it moves the watermark and nothing else.
    pub type_id: Option<TypeId>,
    /// Event time in ms since the epoch.
    pub time_ms: i64,
    /// Where it was read.
    pub position: Position,
    /// Its own id, if it has one.
    pub id: Option<EventId>,
    /// The fields that the program reads of this type, in the order of
    /// [`TypePlan::fields`](crate::program::TypePlan::fields). Where alerts carry whole events, the text of this one
    /// stands behind them.
    pub values: Vec<Value>,
}
