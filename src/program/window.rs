//! What is remembered of a key's past events: windows that conditions aggregate over, and values that were seen.
//!
//! Both belong to a key and an event type and not to a rule, so rules that say the same share them.

use std::sync::Arc;

use crate::program::{Aggregate, CellId, Condition, Expr, KeyId};

/// The number of a window in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u32);

/// The number of a novelty in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoveltyId(pub u32);

impl WindowId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NoveltyId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How far a window reaches back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowRange {
    /// The events with a time in (t - D, t]; D in ms.
    Duration(i64),
    /// The newest events of the type, so many.
    Last(u32),
}

/// `sum(purchase.amount where …) over 10 minutes`: an aggregate over a key's newest events of one type.
#[derive(Clone, Debug)]
pub struct Window {
    /// What decides which values it holds, as text: windows with the same one are the same.
    pub identity: Arc<str>,
    /// As it is written; what an alert's `values` call it.
    pub name: Arc<str>,
    /// The key whose events it is over.
    pub key: KeyId,
    /// Its cell in the rows of that key.
    pub cell: CellId,
    /// What is computed.
    pub aggregate: Aggregate,
    /// How far back.
    pub range: WindowRange,
    /// Whether the event at hand is left out.
    pub previous: bool,
    /// What is aggregated of an event; nothing for a count.
    pub value: Option<Expr>,
    /// Which events count; all where there is none.
    pub condition: Option<Condition>,
}

/// `device.id is new over 90 days`: the values that a key's events of one type had.
#[derive(Clone, Debug)]
pub struct Novelty {
    /// What decides which values it holds, as text.
    pub identity: Arc<str>,
    /// The key whose events it is over.
    pub key: KeyId,
    /// What is remembered of an event.
    pub operand: Expr,
    /// How long it is remembered, in ms.
    pub over_ms: i64,
}
