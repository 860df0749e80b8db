//! Rows that keep their number as long as they are there: those of runs, and of keys.

use crate::engine::chunks::Chunks;

/// A row number; `NONE` is no row.
pub(super) type Row = u32;
pub(super) const NONE: Row = u32::MAX;

/// Rows by number. The number of one that is gone is given to another one.
#[derive(Debug)]
pub(super) struct Slab<T> {
    rows: Chunks<Option<T>>,
    free: Vec<Row>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { rows: Chunks::default(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// A row, in bytes.
    pub(super) const ROW_BYTES: usize = size_of::<Option<T>>();

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Adds a row. Gives its number.
    pub(super) fn insert(&mut self, row: T) -> Row {
        if let Some(number) = self.free.pop() {
            self.rows[number as usize] = Some(row);
            return number;
        }
        self.rows.push(Some(row));
        let number = Row::try_from(self.rows.len() - 1).ok().filter(|number| *number != NONE);
        number.expect("memory ends before 2^32 rows")
    }

    /// Takes a row away.
    pub(super) fn remove(&mut self, number: Row) -> T {
        self.free.push(number);
        self.rows[number as usize].take().expect("only rows that are there are named")
    }

    /// A row.
    #[inline]
    pub(super) fn get(&self, number: Row) -> &T {
        self.rows[number as usize].as_ref().expect("only rows that are there are named")
    }

    /// A row, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, number: Row) -> &mut T {
        self.rows[number as usize].as_mut().expect("only rows that are there are named")
    }

    /// A row, if it is there.
    pub(super) fn find(&self, number: Row) -> Option<&T> {
        self.rows[number as usize].as_ref()
    }

    /// All rows, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().flatten()
    }

    /// All rows with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (Row, &T)> {
        (0..).zip(self.rows.iter()).filter_map(|(number, row)| Some((number, row.as_ref()?)))
    }
}
