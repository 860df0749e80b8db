//! Keys that were seen, each with the time at which it was seen last: of `is new` a key and a value together.

use hashbrown::HashTable;

use crate::engine::codec::{Reader, put_bytes, put_count, put_signed};
use crate::engine::keys::INDEX_BYTES;
use crate::engine::slab::Row;
use crate::engine::touched::Touched;
use crate::event::Key;

/// Keys, in the order in which they were last seen. Finding, adding and forgetting are O(1).
#[derive(Debug, Default)]
pub(super) struct SeenKeys {
    index: HashTable<Row>,
    keys: Touched<(u64, Key)>,
}

impl SeenKeys {
    /// A key with its place in the index, in bytes.
    pub(super) const ROW_BYTES: usize = Touched::<(u64, Key)>::ROW_BYTES + INDEX_BYTES;

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// When a key was last seen.
    pub(super) fn seen_ms(&self, hash: u64, key: &[u8]) -> Option<i64> {
        self.find(hash, key).map(|row| self.keys.touched_ms(row))
    }

    /// A key is seen.
    pub(super) fn see(&mut self, hash: u64, key: &[u8], time_ms: i64) {
        if let Some(row) = self.find(hash, key) {
            self.keys.touch(row, time_ms);
            return;
        }
        let row = self.keys.insert((hash, Key::from_bytes(key)), time_ms);
        let keys = &self.keys;
        self.index.insert_unique(hash, row, |row| keys.get(*row).0);
    }

    /// Forgets up to `most` keys that were last seen before a time.
    pub(super) fn forget_before(&mut self, time_ms: i64, most: usize) {
        for _ in 0..most {
            let Some(row) = self.keys.oldest().filter(|row| self.keys.touched_ms(*row) < time_ms) else { return };
            let (hash, _) = self.keys.remove(row);
            if let Ok(entry) = self.index.find_entry(hash, |other| *other == row) {
                entry.remove();
            }
        }
    }

    /// Writes all keys.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_count(out, self.len());
        for (time_ms, (_, key)) in self.keys.in_order() {
            put_signed(out, time_ms);
            put_bytes(out, key.as_bytes());
        }
    }

    /// Takes up keys of so many parts where there is none yet; `hash` gives the hash of each.
    pub(super) fn load(
        &mut self,
        from: &mut Reader<'_>,
        parts: usize,
        now_ms: i64,
        hash: impl Fn(&[u8]) -> u64,
    ) -> Option<()> {
        for _ in 0..from.count()? {
            let (time_ms, key) = (from.signed()?, Key::checked(from.bytes()?, parts)?);
            (time_ms <= now_ms && self.keys.is_next(time_ms)).then(|| self.see(hash(key), key, time_ms))?;
        }
        Some(())
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Row> {
        self.index.find(hash, |row| self.keys.get(*row).1.as_bytes() == key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_longest_unseen_is_forgotten_first() {
        let mut seen = SeenKeys::default();
        for (time_ms, key) in [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"a")] {
            seen.see(7, key, time_ms);
        }
        let times = |seen: &SeenKeys| [b"a", b"b", b"c"].map(|key| seen.seen_ms(7, key));
        assert_eq!(times(&seen), [Some(4), Some(2), Some(3)]);
        seen.forget_before(4, 1);
        assert_eq!(times(&seen), [Some(4), None, Some(3)]);
        seen.forget_before(4, 9);
        assert_eq!((times(&seen), seen.len()), ([Some(4), None, None], 1));
        seen.see(7, b"b", 5);
        seen.forget_before(9, 9);
        assert_eq!(seen.len(), 0);
    }
}
