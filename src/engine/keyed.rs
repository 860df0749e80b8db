//! Rows by key that are forgotten when nothing has touched them for a while.
//!
//! Time only grows, so the rows stand in one list in the order in which they were last touched: the next to be
//! forgotten is always its first. Finding, touching and forgetting are O(1).

use hashbrown::HashTable;

use crate::engine::keys::INDEX_BYTES;
use crate::engine::slab::{NONE, Row, Slab};
use crate::event::Key;

/// Rows by key, in the order in which they were last touched.
#[derive(Debug)]
pub(super) struct Keyed<T> {
    index: HashTable<Row>,
    rows: Slab<Entry<T>>,
    oldest: Row,
    newest: Row,
}

#[derive(Debug)]
struct Entry<T> {
    key: Key,
    hash: u64,
    touched_ms: i64,
    before: Row,
    after: Row,
    value: T,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Keyed { index: HashTable::new(), rows: Slab::default(), oldest: NONE, newest: NONE }
    }
}

impl<T> Keyed<T> {
    /// A row with its place in the index, in bytes.
    pub(super) const ROW_BYTES: usize = Slab::<Entry<T>>::ROW_BYTES + INDEX_BYTES;

    /// How many keys have a row.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The row of a key.
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&T> {
        self.find(hash, key).map(|row| &self.entry(row).value)
    }

    /// When the row of a key was last touched.
    pub(super) fn touched_ms(&self, hash: u64, key: &[u8]) -> Option<i64> {
        self.find(hash, key).map(|row| self.entry(row).touched_ms)
    }

    /// The row of a key, to be changed; this is no touch.
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut T> {
        self.find(hash, key).map(|row| &mut self.entry_mut(row).value)
    }

    /// The row of a key, made where there is none: the one last touched from now on.
    pub(super) fn touch(&mut self, hash: u64, key: &[u8], time_ms: i64, make: impl FnOnce() -> T) -> &mut T {
        let row = match self.find(hash, key) {
            Some(row) => {
                self.unlink(row);
                row
            }
            None => self.insert(hash, key, make()),
        };
        self.link_newest(row, time_ms);
        &mut self.entry_mut(row).value
    }

    /// The time at which the row that was longest untouched was touched.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        (self.oldest != NONE).then(|| self.entry(self.oldest).touched_ms)
    }

    /// The key and the row that was longest untouched.
    pub(super) fn oldest(&self) -> Option<(u64, &Key, &T)> {
        (self.oldest != NONE).then(|| {
            let entry = self.entry(self.oldest);
            (entry.hash, &entry.key, &entry.value)
        })
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<T> {
        let row = self.find(hash, key)?;
        Some(self.take(row).value)
    }

    /// Forgets up to `most` rows that were last touched before a time.
    pub(super) fn forget_before(&mut self, time_ms: i64, most: usize) {
        for _ in 0..most {
            if self.take_before(time_ms).is_none() {
                return;
            }
        }
    }

    /// Takes the row that was longest untouched, if it was last touched before a time.
    pub(super) fn take_before(&mut self, time_ms: i64) -> Option<T> {
        self.oldest_ms().filter(|touched_ms| *touched_ms < time_ms)?;
        Some(self.take(self.oldest).value)
    }

    /// Takes the row that was longest untouched.
    pub(super) fn take_oldest(&mut self) -> Option<T> {
        (self.oldest != NONE).then(|| self.take(self.oldest).value)
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Row> {
        self.index.find(hash, |row| self.entry(*row).key.as_bytes() == key).copied()
    }

    fn insert(&mut self, hash: u64, key: &[u8], value: T) -> Row {
        let key = Key::from_bytes(key);
        let made = Entry { key, hash, touched_ms: i64::MIN, before: NONE, after: NONE, value };
        let row = self.rows.insert(made);
        let rows = &self.rows;
        self.index.insert_unique(hash, row, |row| rows.get(*row).hash);
        row
    }

    fn take(&mut self, row: Row) -> Entry<T> {
        self.unlink(row);
        let hash = self.entry(row).hash;
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == row) {
            entry.remove();
        }
        self.rows.remove(row)
    }

    fn unlink(&mut self, row: Row) {
        let Entry { before, after, .. } = *self.entry(row);
        match before {
            NONE => self.oldest = after,
            before => self.entry_mut(before).after = after,
        }
        match after {
            NONE => self.newest = before,
            after => self.entry_mut(after).before = before,
        }
    }

    fn link_newest(&mut self, row: Row, time_ms: i64) {
        let before = self.newest;
        debug_assert!(before == NONE || self.entry(before).touched_ms <= time_ms, "time only grows");
        let entry = self.entry_mut(row);
        (entry.before, entry.after, entry.touched_ms) = (before, NONE, time_ms);
        match before {
            NONE => self.oldest = row,
            before => self.entry_mut(before).after = row,
        }
        self.newest = row;
    }

    fn entry(&self, row: Row) -> &Entry<T> {
        self.rows.get(row)
    }

    fn entry_mut(&mut self, row: Row) -> &mut Entry<T> {
        self.rows.get_mut(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys, the one that was longest untouched first.
    fn keys(keyed: &Keyed<u8>) -> Vec<u8> {
        let entry = |row: Row| (row != NONE).then(|| keyed.entry(row));
        let entries = std::iter::successors(entry(keyed.oldest), |before| entry(before.after));
        entries.map(|entry| entry.key.as_bytes()[0]).collect()
    }

    #[test]
    fn what_was_longest_untouched_is_forgotten_first() {
        let mut keyed = Keyed::default();
        for (time_ms, key) in [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"a")] {
            *keyed.touch(7, key, time_ms, || 0) += 1;
        }
        assert_eq!(keys(&keyed), *b"bca");
        assert_eq!(keyed.get(7, b"a"), Some(&2));
        keyed.forget_before(4, 1);
        assert_eq!(keys(&keyed), *b"ca");
        keyed.forget_before(4, 9);
        assert_eq!((keys(&keyed), keyed.len()), (b"a".to_vec(), 1));
        assert_eq!(keyed.remove(7, b"a"), Some(2));
        assert_eq!((keyed.len(), keyed.oldest_ms()), (0, None));
        keyed.touch(7, b"d", 5, || 9);
        assert_eq!(keys(&keyed), *b"d");
    }
}
