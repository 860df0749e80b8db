//! What is open by key until nothing has come for a while: the sessions of rules and of measures.
//!
//! They close in the order of their last events, or with a longest time in that of their first: two queues, so the next
//! to close is found at once.

use std::collections::VecDeque;

use crate::engine::by_key::ByKey;
use crate::engine::codec::{Reader, put, put_signed};
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::saved::Placing;
use crate::engine::slab::Row;
use crate::event::Key;
use crate::program::CellId;

/// When something closes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// The silence that closes it, in ms.
    pub(super) idle_ms: i64,
    /// The longest time from its first event to its last, in ms.
    pub(super) at_most_ms: Option<i64>,
}

/// What is open, one a key.
#[derive(Debug)]
pub(super) struct UntilIdle<T> {
    open: ByKey<Open<T>>,
    /// With a longest time: rows by the time at which they began, with their numbers. One that has closed since is
    /// passed over.
    starts: VecDeque<(i64, u64, Row)>,
    begun: u64,
}

#[derive(Debug)]
struct Open<T> {
    /// Tells it from others of its key.
    number: u64,
    start_ms: i64,
    last_ms: i64,
    value: T,
}

/// What has closed.
#[derive(Debug)]
pub(super) struct Closed<T> {
    pub(super) key: Key,
    /// The time of its first event.
    pub(super) start_ms: i64,
    /// The time of its last event.
    pub(super) last_ms: i64,
    pub(super) value: T,
}

impl<T> UntilIdle<T> {
    /// What is open of a key, in bytes.
    pub(super) const ROW_BYTES: usize = ByKey::<Open<T>>::ROW_BYTES;

    /// Nothing open yet, which counts as an open run of its key; this is its cell in the rows of keys.
    pub(super) fn of_runs(cell: CellId) -> UntilIdle<T> {
        UntilIdle { open: ByKey::of_runs(cell), starts: VecDeque::new(), begun: 0 }
    }

    /// As [`UntilIdle::of_runs`], but it counts as something that is remembered.
    pub(super) fn of_memories(cell: CellId) -> UntilIdle<T> {
        UntilIdle { open: ByKey::of_memories(cell), starts: VecDeque::new(), begun: 0 }
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// What is open for the key at hand, begun where there is nothing, at an event of this time. What ends before it is
    /// closed already.
    pub(super) fn touch(
        &mut self,
        idle: Idle,
        (keys, key): (&mut KeyTable, KeyAt<'_>),
        now_ms: i64,
        make: impl FnOnce() -> T,
    ) -> &mut T {
        let is_new = !self.has(keys);
        self.begun += u64::from(is_new);
        let number = self.begun;
        let make = || Open { number, start_ms: now_ms, last_ms: now_ms, value: make() };
        let row = self.open.touch(keys, key, now_ms, make);
        if is_new && idle.at_most_ms.is_some() {
            self.starts.push_back((now_ms, number, row));
        }
        let open = self.open.get_mut(row);
        open.last_ms = now_ms;
        &mut open.value
    }

    /// Whether something is open for the key at hand.
    pub(super) fn has(&self, keys: &KeyTable) -> bool {
        self.open.here(keys).is_some()
    }

    /// The time of the last event of that which was longest without one.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.open.oldest_ms()
    }

    /// Takes out what was longest without an event.
    pub(super) fn take_oldest(&mut self, keys: &mut KeyTable) -> Option<T> {
        self.open.take_oldest(keys).map(|open| open.value)
    }

    /// Writes all that is open, `put` what each holds.
    pub(super) fn save(&self, out: &mut Vec<u8>, put_value: impl Fn(&mut Vec<u8>, &T)) {
        // The time of its last event is that at which it was last touched.
        self.open.save(out, |out, Open { number, start_ms, value, .. }| {
            put(out, *number);
            put_signed(out, *start_ms);
            put_value(out, value);
        });
    }

    /// Takes up what was open where there is nothing yet, each with what `take` reads of it.
    pub(super) fn load<'a>(
        &mut self,
        idle: Idle,
        from: &mut Reader<'a>,
        placing: &mut Placing<'_, 'a>,
        mut take: impl FnMut(&mut Reader<'a>, &Placing<'_, 'a>) -> Option<T>,
    ) -> Option<()> {
        self.open.load(from, placing, |from, placing, last_ms| {
            let number = from.counter()?;
            let start_ms = from.signed().filter(|start_ms| *start_ms <= last_ms)?;
            Some(Open { number, start_ms, last_ms, value: take(from, placing)? })
        })?;
        let mut starts: Vec<(i64, u64, Row)> = Vec::new();
        for row in self.open.rows() {
            let Open { number, start_ms, .. } = self.open.get(row);
            self.begun = self.begun.max(*number);
            starts.push((*start_ms, *number, row));
        }
        if idle.at_most_ms.is_some() {
            starts.sort_unstable_by_key(|(_, number, _)| *number);
            self.starts = starts.into();
        }
        Some(())
    }

    /// When the next closes.
    pub(super) fn next_close(&mut self, idle: Idle) -> Option<i64> {
        let idle_ms = self.open.oldest_ms().map(|last_ms| last_ms.saturating_add(idle.idle_ms));
        let Some(at_most_ms) = idle.at_most_ms else { return idle_ms };
        while let Some((start_ms, number, row)) = self.starts.front() {
            if self.open.find(*row).is_some_and(|open| open.number == *number) {
                return idle_ms.min(Some(start_ms.saturating_add(at_most_ms)));
            }
            self.starts.pop_front();
        }
        idle_ms
    }

    /// Closes the one whose time, as [`UntilIdle::next_close`] gave it, has come.
    pub(super) fn close(&mut self, idle: Idle, keys: &mut KeyTable, close_ms: i64) -> Option<Closed<T>> {
        let is_due = |row: &Row| self.open.get(*row).last_ms.saturating_add(idle.idle_ms) == close_ms;
        let silent = self.open.oldest().filter(is_due);
        let row = silent.or_else(|| self.starts.pop_front().map(|(_, _, row)| row))?;
        let key = self.open.key(keys, row).clone();
        let Open { start_ms, last_ms, value, .. } = self.open.take(keys, row);
        Some(Closed { key, start_ms, last_ms, value })
    }
}
