//! Keys with something open: each has a row, found by its hash, and costs nothing once it is forgotten.

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::engine::slab::{Row, Slab};
use crate::event::Key;

/// A row's place in the index by key, in bytes: its number and a byte of its hash.
pub(super) const INDEX_BYTES: usize = size_of::<Row>() + 1;

/// Rows by key. A row keeps its number as long as its key is there.
#[derive(Debug)]
pub(super) struct Keys<T> {
    hasher: DefaultHashBuilder,
    index: HashTable<Row>,
    rows: Slab<KeyRow<T>>,
}

#[derive(Debug)]
struct KeyRow<T> {
    key: Key,
    value: T,
}

impl<T: Default> Keys<T> {
    /// A row with its place in the index, in bytes.
    pub(super) const ROW_BYTES: usize = Slab::<KeyRow<T>>::ROW_BYTES + INDEX_BYTES;

    /// No rows yet; keys are hashed in this way.
    pub(super) fn new(hasher: DefaultHashBuilder) -> Keys<T> {
        Keys { hasher, index: HashTable::new(), rows: Slab::default() }
    }

    /// The row of a key.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Row> {
        self.index.find(hash, |row| self.key(*row).as_bytes() == key).copied()
    }

    /// A row for a key that has none.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8]) -> Row {
        debug_assert!(self.find(hash, key).is_none(), "a key has one row");
        let row = self.rows.insert(KeyRow { key: Key::from_bytes(key), value: T::default() });
        let Keys { hasher, index, rows, .. } = self;
        index.insert_unique(hash, row, |row| Key::hash_of(rows.get(*row).key.as_bytes(), hasher));
        row
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, row: Row) {
        let hash = Key::hash_of(self.key(row).as_bytes(), &self.hasher);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == row) {
            entry.remove();
        }
        self.rows.remove(row);
    }

    /// The key of a row.
    #[inline]
    pub(super) fn key(&self, row: Row) -> &Key {
        &self.rows.get(row).key
    }

    /// What a row holds.
    #[inline]
    pub(super) fn get(&self, row: Row) -> &T {
        &self.rows.get(row).value
    }

    /// What a row holds, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, row: Row) -> &mut T {
        &mut self.rows.get_mut(row).value
    }

    /// How many keys have a row.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }
}
