//! What is open by key until nothing has come for a while: the sessions of rules and of measures.
//!
//! They close in the order of their last events, or with a longest time in that of their first: two queues, so the next
//! to close is found at once.

use std::collections::VecDeque;

use crate::engine::keyed::Keyed;
use crate::engine::past::KeyAt;
use crate::event::Key;

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
    open: Keyed<Open<T>>,
    /// With a longest time: keys by the time at which theirs began. One that has closed since is passed over.
    starts: VecDeque<(i64, u64, u64, Key)>,
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

impl<T> Default for UntilIdle<T> {
    fn default() -> Self {
        UntilIdle { open: Keyed::default(), starts: VecDeque::new(), begun: 0 }
    }
}

impl<T> UntilIdle<T> {
    /// What is open of a key, in bytes.
    pub(super) const ROW_BYTES: usize = Keyed::<Open<T>>::ROW_BYTES;

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// What is open for a key, begun where there is nothing, at an event of this time. What ends before it is closed
    /// already.
    pub(super) fn touch(&mut self, idle: Idle, key: KeyAt<'_>, now_ms: i64, make: impl FnOnce() -> T) -> &mut T {
        if self.open.get(key.hash, key.bytes).is_none() {
            self.begun += 1;
            if idle.at_most_ms.is_some() {
                self.starts.push_back((now_ms, self.begun, key.hash, Key::from_bytes(key.bytes)));
            }
        }
        let number = self.begun;
        let make = || Open { number, start_ms: now_ms, last_ms: now_ms, value: make() };
        let open = self.open.touch(key.hash, key.bytes, now_ms, make);
        open.last_ms = now_ms;
        &mut open.value
    }

    /// Whether something is open for a key.
    pub(super) fn has(&self, key: KeyAt<'_>) -> bool {
        self.open.get(key.hash, key.bytes).is_some()
    }

    /// The time of the last event of that which was longest without one.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.open.oldest_ms()
    }

    /// Takes out what was longest without an event.
    pub(super) fn take_oldest(&mut self) -> Option<T> {
        self.open.take_oldest().map(|open| open.value)
    }

    /// When the next closes.
    pub(super) fn next_close(&mut self, idle: Idle) -> Option<i64> {
        let idle_ms = self.open.oldest_ms().map(|last_ms| last_ms.saturating_add(idle.idle_ms));
        let Some(at_most_ms) = idle.at_most_ms else { return idle_ms };
        while let Some((start_ms, number, hash, key)) = self.starts.front() {
            if self.open.get(*hash, key.as_bytes()).is_some_and(|open| open.number == *number) {
                return idle_ms.min(Some(start_ms.saturating_add(at_most_ms)));
            }
            self.starts.pop_front();
        }
        idle_ms
    }

    /// Closes the one whose time, as [`UntilIdle::next_close`] gave it, has come.
    pub(super) fn close(&mut self, idle: Idle, close_ms: i64) -> Option<Closed<T>> {
        let silent = self.open.oldest().filter(|(_, _, open)| open.last_ms.saturating_add(idle.idle_ms) == close_ms);
        let due = silent.map(|(hash, key, _)| (hash, key.clone()));
        let (hash, key) = due.or_else(|| self.starts.pop_front().map(|(_, _, hash, key)| (hash, key)))?;
        let Open { start_ms, last_ms, value, .. } = self.open.remove(hash, key.as_bytes())?;
        Some(Closed { key, start_ms, last_ms, value })
    }
}
