//! Events wait here until no earlier one can come. They leave in order of time; equal times in order of position,
//! which within a partition or file is the order of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::{Event, Position};

/// The waiting events.
#[derive(Debug, Default)]
pub(super) struct ReorderBuffer {
    waiting: BinaryHeap<Reverse<Waiting>>,
}

#[derive(Debug)]
struct Waiting(Event);

impl Waiting {
    fn order(&self) -> (i64, Position) {
        (self.0.time_ms, self.0.position)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl ReorderBuffer {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none wait.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets an event wait.
    pub(super) fn push(&mut self, event: Event) {
        self.waiting.push(Reverse(Waiting(event)));
    }

    /// All events that wait, in order.
    pub(super) fn in_order(&self) -> Vec<&Event> {
        let mut waiting: Vec<&Waiting> = self.waiting.iter().map(|Reverse(waiting)| waiting).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|Waiting(event)| event).collect()
    }

    /// The next event whose time is at or before the watermark.
    pub(super) fn pop_until(&mut self, watermark_ms: i64) -> Option<Event> {
        let Reverse(next) = self.waiting.peek()?;
        if next.0.time_ms > watermark_ms {
            return None;
        }
        self.waiting.pop().map(|Reverse(Waiting(event))| event)
    }
}
