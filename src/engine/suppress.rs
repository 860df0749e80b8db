//! `at most once per D`: of a rule and key, an alert is suppressed if its time is before the last sent alert's time
//! plus D. Suppressed ones are counted, and the next alert says how many.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::engine::codec::{Reader, put, put_all, put_bytes, put_count, put_signed};
use crate::event::Key;

/// What has been sent for one rule.
#[derive(Debug, Default)]
pub(super) struct Suppressor {
    sent: HashMap<Key, Sent>,
    /// Keys by the time at which they may speak again. Time only grows, so it is a queue.
    ends: VecDeque<(i64, Key)>,
}

#[derive(Debug)]
struct Sent {
    until_ms: i64,
    suppressed: u64,
}

impl Suppressor {
    /// A key that has alerted, in bytes: what was sent, and its place in the queue.
    pub(super) const ROW_BYTES: usize = size_of::<(Key, Sent)>() + 1 + size_of::<(i64, Key)>();

    /// How many keys it knows of.
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether an alert is sent: if so, how many were suppressed before it.
    pub(super) fn admit(&mut self, key: &[u8], time_ms: i64, at_most_once_ms: i64) -> Option<u64> {
        self.forget(time_ms);
        if let Some(sent) = self.sent.get_mut(key).filter(|sent| time_ms < sent.until_ms) {
            sent.suppressed += 1;
            return None;
        }
        let until_ms = time_ms.saturating_add(at_most_once_ms);
        let key = Key::from_bytes(key);
        self.ends.push_back((until_ms, key.clone()));
        let before = self.sent.insert(key, Sent { until_ms, suppressed: 0 });
        Some(before.map_or(0, |before| before.suppressed))
    }

    /// Writes what has been sent.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_count(out, self.ends.len());
        for (until_ms, key) in &self.ends {
            put_signed(out, *until_ms);
            put_bytes(out, key.as_bytes());
        }
        // In whatever order: what was sent has none but that of `ends`.
        put_all(out, &self.sent, |out, (key, Sent { until_ms, suppressed })| {
            put_bytes(out, key.as_bytes());
            put_signed(out, *until_ms);
            put(out, *suppressed);
        });
    }

    /// Takes up what was sent for keys of so many parts.
    pub(super) fn load(from: &mut Reader<'_>, parts: usize) -> Option<Suppressor> {
        let mut suppressor = Suppressor::default();
        let key = |from: &mut Reader<'_>| Some(Key::from_bytes(Key::checked(from.bytes()?, parts)?));
        for _ in 0..from.count()? {
            suppressor.ends.push_back((from.signed()?, key(from)?));
        }
        for _ in 0..from.count()? {
            suppressor.sent.insert(key(from)?, Sent { until_ms: from.signed()?, suppressed: from.counter()? });
        }
        Some(suppressor)
    }

    /// Forgets keys that may speak again and have nothing to tell.
    fn forget(&mut self, time_ms: i64) {
        while self.ends.front().is_some_and(|(until_ms, _)| *until_ms <= time_ms) {
            let (_, key) = self.ends.pop_front().expect("just seen");
            if self.sent.get(&key).is_some_and(|sent| sent.until_ms <= time_ms && sent.suppressed == 0) {
                self.sent.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppresses_before_the_end_and_tells_afterwards() {
        let mut suppressor = Suppressor::default();
        assert_eq!(suppressor.admit(b"k", 0, 10), Some(0));
        assert_eq!(suppressor.admit(b"k", 9, 10), None);
        assert_eq!(suppressor.admit(b"other", 9, 10), Some(0));
        assert_eq!(suppressor.admit(b"k", 10, 10), Some(1));
        assert_eq!(suppressor.admit(b"k", 30, 10), Some(0));
    }

    #[test]
    fn a_key_with_nothing_to_tell_is_forgotten() {
        let mut suppressor = Suppressor::default();
        suppressor.admit(b"k", 0, 10);
        suppressor.admit(b"other", 10, 10);
        assert_eq!(suppressor.sent.len(), 1);
    }
}
