//! How far the inbox may be acknowledged: up to what was read, but never past an alert that waits to be
//! delivered.
//!
//! Only the lowest waiting offset of each partition is kept, so it costs nothing that a million alerts wait.

use std::collections::BTreeMap;

use crate::sink::InboxPosition;

/// The lowest offset of each partition that something undelivered came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(BTreeMap<u32, u64>);

impl Held {
    /// Holds one position.
    pub(super) fn add(&mut self, position: InboxPosition) {
        let lowest = self.0.entry(position.partition).or_insert(position.offset);
        *lowest = (*lowest).min(position.offset);
    }

    /// Holds all that another one holds.
    pub(super) fn join(&mut self, other: &Held) {
        for (&partition, &offset) in &other.0 {
            self.add(InboxPosition { partition, offset });
        }
    }
}

/// What was read and what was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<u32, Progress>);

#[derive(Debug)]
struct Progress {
    read: u64,
    acknowledged: Option<u64>,
}

impl Ledger {
    /// A record was read. One that does not lie behind the last one means that the partition was assigned anew, and
    /// then everything from there on is to be acknowledged again.
    pub(super) fn read(&mut self, position: InboxPosition) {
        let progress =
            self.0.entry(position.partition).or_insert(Progress { read: position.offset, acknowledged: None });
        if position.offset <= progress.read {
            progress.acknowledged = None;
        }
        progress.read = position.offset;
    }

    /// The acknowledgements that are now due, where these hold back.
    pub(super) fn due<'a>(&mut self, waiting: impl Iterator<Item = &'a Held>) -> Vec<InboxPosition> {
        let mut held = Held::default();
        waiting.for_each(|waiting| held.join(waiting));
        let mut due = Vec::new();
        for (&partition, progress) in &mut self.0 {
            let safe = match held.0.get(&partition) {
                None => Some(progress.read),
                Some(lowest) => lowest.checked_sub(1).map(|below| below.min(progress.read)),
            };
            if let Some(offset) = safe.filter(|safe| progress.acknowledged.is_none_or(|done| *safe > done)) {
                progress.acknowledged = Some(offset);
                due.push(InboxPosition { partition, offset });
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: u32, offset: u64) -> InboxPosition {
        InboxPosition { partition, offset }
    }

    fn held(positions: &[InboxPosition]) -> Held {
        let mut held = Held::default();
        for position in positions {
            held.add(*position);
        }
        held
    }

    #[test]
    fn nothing_that_waits_is_acknowledged() {
        let mut ledger = Ledger::default();
        ledger.read(at(0, 5));
        ledger.read(at(0, 6));
        ledger.read(at(1, 9));
        assert_eq!(ledger.due([held(&[at(0, 6)])].iter()), [at(0, 5), at(1, 9)]);
        assert_eq!(ledger.due([held(&[at(0, 6)])].iter()), []);
        ledger.read(at(0, 7));
        assert_eq!(ledger.due([held(&[at(0, 7), at(0, 6)])].iter()), []);
        assert_eq!(ledger.due([].iter()), [at(0, 7)]);
    }

    #[test]
    fn the_first_offset_of_all_can_wait() {
        let mut ledger = Ledger::default();
        ledger.read(at(0, 0));
        assert_eq!(ledger.due([held(&[at(0, 0)])].iter()), []);
        assert_eq!(ledger.due([].iter()), [at(0, 0)]);
    }

    #[test]
    fn a_partition_that_is_read_again_is_acknowledged_again() {
        let mut ledger = Ledger::default();
        ledger.read(at(0, 7));
        assert_eq!(ledger.due([].iter()), [at(0, 7)]);
        ledger.read(at(0, 3));
        assert_eq!(ledger.due([].iter()), [at(0, 3)]);
        ledger.read(at(0, 4));
        assert_eq!(ledger.due([held(&[at(0, 6)])].iter()), [at(0, 4)]);
    }
}
