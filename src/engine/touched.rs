//! Rows in the order in which they were last touched.
//!
//! Time only grows, so the next to be forgotten is always the first. Touching and forgetting are O(1). Which key a row
//! belongs to is for its owner to know.

use crate::engine::slab::{NONE, Row, Slab};

/// Rows, by the time at which they were last touched.
#[derive(Debug)]
pub(super) struct Touched<T> {
    rows: Slab<Entry<T>>,
    oldest: Row,
    newest: Row,
}

#[derive(Debug)]
struct Entry<T> {
    touched_ms: i64,
    before: Row,
    after: Row,
    value: T,
}

impl<T> Default for Touched<T> {
    fn default() -> Self {
        Touched { rows: Slab::default(), oldest: NONE, newest: NONE }
    }
}

impl<T> Touched<T> {
    /// A row, in bytes.
    pub(super) const ROW_BYTES: usize = Slab::<Entry<T>>::ROW_BYTES;

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row.
    #[inline]
    pub(super) fn get(&self, row: Row) -> &T {
        &self.rows.get(row).value
    }

    /// A row, to be changed; this is no touch.
    #[inline]
    pub(super) fn get_mut(&mut self, row: Row) -> &mut T {
        &mut self.rows.get_mut(row).value
    }

    /// A row, if it is there.
    pub(super) fn find(&self, row: Row) -> Option<&T> {
        self.rows.find(row).map(|entry| &entry.value)
    }

    /// All rows, the one that was longest untouched first, each with the time at which it was touched.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (i64, &T)> {
        let rows = std::iter::successors(self.oldest(), |row| self.after(*row));
        rows.map(|row| (self.touched_ms(row), self.get(row)))
    }

    /// The row that was touched next after one.
    pub(super) fn after(&self, row: Row) -> Option<Row> {
        Some(self.rows.get(row).after).filter(|after| *after != NONE)
    }

    /// Whether a row may be the last one touched, at this time: time only grows.
    pub(super) fn is_next(&self, time_ms: i64) -> bool {
        self.newest == NONE || self.touched_ms(self.newest) <= time_ms
    }

    /// When a row was last touched.
    pub(super) fn touched_ms(&self, row: Row) -> i64 {
        self.rows.get(row).touched_ms
    }

    /// Adds a row: the one last touched from now on.
    pub(super) fn insert(&mut self, value: T, time_ms: i64) -> Row {
        let row = self.rows.insert(Entry { touched_ms: time_ms, before: NONE, after: NONE, value });
        self.link_newest(row, time_ms);
        row
    }

    /// A row becomes the one last touched.
    pub(super) fn touch(&mut self, row: Row, time_ms: i64) {
        if row == self.newest {
            self.rows.get_mut(row).touched_ms = time_ms;
        } else {
            self.unlink(row);
            self.link_newest(row, time_ms);
        }
    }

    /// The row that was longest untouched.
    #[inline]
    pub(super) fn oldest(&self) -> Option<Row> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The time at which the row that was longest untouched was touched.
    #[inline]
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.oldest().map(|row| self.touched_ms(row))
    }

    /// Forgets a row.
    pub(super) fn remove(&mut self, row: Row) -> T {
        self.unlink(row);
        self.rows.remove(row).value
    }

    fn unlink(&mut self, row: Row) {
        let Entry { before, after, .. } = *self.rows.get(row);
        match before {
            NONE => self.oldest = after,
            before => self.rows.get_mut(before).after = after,
        }
        match after {
            NONE => self.newest = before,
            after => self.rows.get_mut(after).before = before,
        }
    }

    fn link_newest(&mut self, row: Row, time_ms: i64) {
        let before = self.newest;
        debug_assert!(before == NONE || self.touched_ms(before) <= time_ms, "time only grows");
        let entry = self.rows.get_mut(row);
        (entry.before, entry.after, entry.touched_ms) = (before, NONE, time_ms);
        match before {
            NONE => self.oldest = row,
            before => self.rows.get_mut(before).after = row,
        }
        self.newest = row;
    }
}
