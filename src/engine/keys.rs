//! Keys with something open: each has a row, found by its hash, and costs nothing once it is forgotten.

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::event::Key;

/// A row number; `NONE` is no row.
pub(super) type Row = u32;
pub(super) const NONE: Row = u32::MAX;

/// A row's place in the index by key, in bytes: its number and a byte of its hash.
pub(super) const INDEX_BYTES: usize = size_of::<Row>() + 1;

/// Rows by key. A row keeps its number as long as its key is there.
#[derive(Debug)]
pub(super) struct Keys<T> {
    hasher: DefaultHashBuilder,
    index: HashTable<Row>,
    rows: Vec<KeyRow<T>>,
    free: Vec<Row>,
}

/// The row of a key; that of a key that was forgotten is free and holds nothing.
#[derive(Debug, Default)]
struct KeyRow<T> {
    key: Key,
    value: T,
}

impl<T: Default> Keys<T> {
    /// A row with its place in the index, in bytes.
    pub(super) const ROW_BYTES: usize = size_of::<KeyRow<T>>() + INDEX_BYTES;

    /// No rows yet; keys are hashed in this way.
    pub(super) fn new(hasher: DefaultHashBuilder) -> Keys<T> {
        Keys { hasher, index: HashTable::new(), rows: Vec::new(), free: Vec::new() }
    }

    /// The row of a key.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Row> {
        self.index.find(hash, |row| self.key(*row).as_bytes() == key).copied()
    }

    /// A row for a key that has none.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8]) -> Row {
        debug_assert!(self.find(hash, key).is_none(), "a key has one row");
        let made = KeyRow { key: Key::from_bytes(key), value: T::default() };
        let row = if let Some(row) = self.free.pop() {
            self.rows[row as usize] = made;
            row
        } else {
            self.rows.push(made);
            Row::try_from(self.rows.len() - 1).expect("memory ends before 2^32 keys")
        };
        let Keys { hasher, index, rows, .. } = self;
        index.insert_unique(hash, row, |row| Key::hash_of(rows[*row as usize].key.as_bytes(), hasher));
        row
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, row: Row) {
        let hash = Key::hash_of(self.key(row).as_bytes(), &self.hasher);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == row) {
            entry.remove();
        }
        self.rows[row as usize] = KeyRow::default();
        self.free.push(row);
    }

    /// The key of a row.
    #[inline]
    pub(super) fn key(&self, row: Row) -> &Key {
        &self.rows[row as usize].key
    }

    /// What a row holds.
    #[inline]
    pub(super) fn get(&self, row: Row) -> &T {
        &self.rows[row as usize].value
    }

    /// What a row holds, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, row: Row) -> &mut T {
        &mut self.rows[row as usize].value
    }

    /// How many keys have a row.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }
}
