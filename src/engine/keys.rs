//! The keys of a `for each` of which anything is open or remembered.
//!
//! Each has one row, found by its hash, and in it a cell for each that keeps something of keys: a rule with runs, the
//! two-step sequences that run together, a window. An event's key is looked up once and everything of it is at hand. A
//! key with nothing in its cells is forgotten, and costs nothing then.

mod cells;

use hashbrown::{DefaultHashBuilder, HashTable};

pub(super) use crate::engine::keys::cells::Cell;
use crate::engine::keys::cells::Rows;
use crate::engine::slab::{NONE, Row};
use crate::event::Key;
use crate::program::CellId;

/// A row's place in the index by key, in bytes: its number and a byte of its hash.
pub(super) const INDEX_BYTES: usize = size_of::<Row>() + 1;

/// A key, in bytes, without its cells.
pub(super) const KEY_BYTES: usize = cells::KEY_BYTES + INDEX_BYTES;

/// A key, encoded, with its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyAt<'a> {
    pub(super) hash: u64,
    pub(super) bytes: &'a [u8],
}

/// Keys by row. A key keeps its row as long as it is there.
#[derive(Debug)]
pub(super) struct KeyTable {
    hasher: DefaultHashBuilder,
    index: HashTable<Row>,
    rows: Rows,
    /// How many keys have open runs.
    open: usize,
    /// The row of the key of the event at hand, which is not forgotten before the event is judged.
    here: Row,
}

impl KeyTable {
    /// No keys yet; their rows have so many cells.
    pub(super) fn new(hasher: DefaultHashBuilder, cells: usize) -> KeyTable {
        KeyTable { hasher, index: HashTable::new(), rows: Rows::new(cells), open: 0, here: NONE }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many keys have open runs.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// What all keys and cells hold, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (self.rows.row_bytes() + INDEX_BYTES)
    }

    /// An event of this key is to be judged: its row stays until [`KeyTable::leave`].
    #[inline]
    pub(super) fn enter(&mut self, key: KeyAt<'_>) {
        let found = self.index.find(key.hash, |row| self.rows.key(*row).as_bytes() == key.bytes);
        self.here = found.copied().unwrap_or(NONE);
    }

    /// The row of the event's key, if it has one.
    #[inline]
    pub(super) fn here(&self) -> Option<Row> {
        (self.here != NONE).then_some(self.here)
    }

    /// The row of the event's key, made where there is none.
    #[inline]
    pub(super) fn here_or_new(&mut self, key: KeyAt<'_>) -> Row {
        if self.here == NONE {
            self.here = self.insert(key);
        }
        self.here
    }

    /// The event is judged.
    #[inline]
    pub(super) fn leave(&mut self) {
        if let Some(row) = self.here() {
            self.here = NONE;
            self.tidy(row);
        }
    }

    /// All keys with their rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Row, &Key)> {
        self.rows.iter()
    }

    /// The row of a key, made where there is none.
    pub(super) fn find_or_insert(&mut self, key: &[u8]) -> Row {
        let key = KeyAt { hash: Key::hash_of(key, &self.hasher), bytes: key };
        let found = self.index.find(key.hash, |row| self.rows.key(*row).as_bytes() == key.bytes).copied();
        found.unwrap_or_else(|| self.insert(key))
    }

    /// The key of a row.
    #[inline]
    pub(super) fn key(&self, row: Row) -> &Key {
        self.rows.key(row)
    }

    /// A cell of a row; an empty one where there is nothing.
    #[inline]
    pub(super) fn cell(&self, row: Row, id: CellId) -> Cell {
        self.rows.cell(row, id)
    }

    /// A cell of a row, to be changed.
    #[inline]
    pub(super) fn cell_mut(&mut self, row: Row, id: CellId) -> &mut Cell {
        self.rows.cell_mut(row, id)
    }

    /// The cells of a row in which runs are open.
    #[inline]
    pub(super) fn each_open(&self, row: Row, found: impl FnMut(CellId)) {
        self.rows.each_open(row, found);
    }

    /// Whether runs of the key at hand are open.
    #[inline]
    pub(super) fn is_open_here(&self) -> bool {
        self.here().is_some_and(|row| self.rows.is_open(row))
    }

    /// A run of a cell begins.
    #[inline]
    pub(super) fn begin(&mut self, row: Row, id: CellId) {
        self.open += usize::from(self.rows.begin(row, id));
    }

    /// A run of a cell is over.
    #[inline]
    pub(super) fn end(&mut self, row: Row, id: CellId) {
        self.open -= usize::from(self.rows.end(row, id));
    }

    /// Forgets a key whose cells are empty, unless an event of it is being judged.
    #[inline]
    pub(super) fn tidy(&mut self, row: Row) {
        if row != self.here && self.rows.is_empty(row) {
            self.remove(row);
        }
    }

    /// Forgets all keys whose cells are empty.
    pub(super) fn tidy_all(&mut self) {
        let rows: Vec<Row> = self.rows.iter().map(|(row, _)| row).collect();
        for row in rows {
            self.tidy(row);
        }
    }

    fn insert(&mut self, key: KeyAt<'_>) -> Row {
        let row = self.rows.insert(Key::from_bytes(key.bytes));
        let KeyTable { hasher, index, rows, .. } = self;
        index.insert_unique(key.hash, row, |row| Key::hash_of(rows.key(*row).as_bytes(), hasher));
        row
    }

    fn remove(&mut self, row: Row) {
        let hash = Key::hash_of(self.key(row).as_bytes(), &self.hasher);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == row) {
            entry.remove();
        }
        self.rows.remove(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables with few cells and with many.
    fn tables() -> impl Iterator<Item = KeyTable> {
        (2..=9).map(|cells| KeyTable::new(DefaultHashBuilder::default(), cells))
    }

    /// An event of a key.
    fn key_in(table: &KeyTable) -> KeyAt<'static> {
        KeyAt { hash: Key::hash_of(b"a", &table.hasher), bytes: b"a" }
    }

    fn open(table: &KeyTable, row: Row) -> Vec<CellId> {
        let mut open = Vec::new();
        table.each_open(row, |cell| open.push(cell));
        open
    }

    #[test]
    fn a_key_stays_as_long_as_something_is_in_its_cells_or_its_event_is_judged() {
        for mut table in tables() {
            let key = key_in(&table);
            table.enter(key);
            assert_eq!(table.here(), None);
            let row = table.here_or_new(key);
            table.tidy(row);
            table.begin(row, CellId(1));
            table.cell_mut(row, CellId(1)).at = 7;
            table.leave();
            assert_eq!((table.len(), table.open(), table.cell(row, CellId(1)).at), (1, 1, 7));
            assert_eq!(open(&table, row), [CellId(1)]);
            assert!(table.cell(row, CellId(0)).is_empty());
            table.enter(key);
            table.end(row, CellId(1));
            table.cell_mut(row, CellId(1)).at = NONE;
            table.tidy(row);
            assert_eq!((table.len(), table.open(), table.here()), (1, 0, Some(row)));
            table.leave();
            assert_eq!(table.len(), 0);
        }
    }

    #[test]
    fn a_key_with_runs_of_several_is_counted_once() {
        for mut table in tables() {
            let key = key_in(&table);
            table.enter(key);
            let row = table.here_or_new(key);
            table.begin(row, CellId(0));
            table.begin(row, CellId(1));
            table.begin(row, CellId(1));
            assert_eq!(table.open(), 1);
            table.end(row, CellId(0));
            table.end(row, CellId(1));
            assert_eq!((table.open(), table.cell(row, CellId(1)).open()), (1, 1));
            table.end(row, CellId(1));
            assert_eq!(table.open(), 0);
        }
    }
}
