//! What somebody keeps of keys: one row for each, found by the key's cell (`keys`), in the order in which they were last
//! touched.

use crate::engine::codec::{Reader, put_count, put_signed};
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::saved::{Placing, put_key};
use crate::engine::slab::{NONE, Row};
use crate::engine::touched::Touched;
use crate::event::Key;
use crate::program::CellId;

/// Rows, one a key.
#[derive(Debug)]
pub(super) struct ByKey<T> {
    /// Where the rows of keys tell of it: `at` is the row here.
    cell: CellId,
    /// Whether a row counts as an open run of its key, and not as something remembered.
    runs: bool,
    rows: Touched<OfKey<T>>,
}

#[derive(Debug)]
struct OfKey<T> {
    key: Row,
    value: T,
}

impl<T> ByKey<T> {
    /// A row, in bytes.
    pub(super) const ROW_BYTES: usize = Touched::<OfKey<T>>::ROW_BYTES;

    /// Nothing open yet, of any key.
    pub(super) fn of_runs(cell: CellId) -> ByKey<T> {
        ByKey { cell, runs: true, rows: Touched::default() }
    }

    /// Nothing remembered yet, of any key.
    pub(super) fn of_memories(cell: CellId) -> ByKey<T> {
        ByKey { cell, runs: false, rows: Touched::default() }
    }

    /// How many keys have a row.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of the key at hand.
    #[inline]
    pub(super) fn here(&self, keys: &KeyTable) -> Option<Row> {
        let at = keys.cell(keys.here()?, self.cell).at;
        (at != NONE).then_some(at)
    }

    /// The row of the key at hand, made where there is none: the one last touched from now on.
    pub(super) fn touch(&mut self, keys: &mut KeyTable, key: KeyAt<'_>, time_ms: i64, make: impl FnOnce() -> T) -> Row {
        if let Some(row) = self.here(keys) {
            self.rows.touch(row, time_ms);
            return row;
        }
        let key = keys.here_or_new(key);
        let row = self.rows.insert(OfKey { key, value: make() }, time_ms);
        keys.cell_mut(key, self.cell).at = row;
        if self.runs {
            keys.begin(key, self.cell);
        }
        row
    }

    /// What a row holds.
    #[inline]
    pub(super) fn get(&self, row: Row) -> &T {
        &self.rows.get(row).value
    }

    /// What a row holds, to be changed; this is no touch.
    #[inline]
    pub(super) fn get_mut(&mut self, row: Row) -> &mut T {
        &mut self.rows.get_mut(row).value
    }

    /// What a row holds, if it is there: it may be another key's by now.
    pub(super) fn find(&self, row: Row) -> Option<&T> {
        self.rows.find(row).map(|of_key| &of_key.value)
    }

    /// The key of a row.
    pub(super) fn key<'k>(&self, keys: &'k KeyTable, row: Row) -> &'k Key {
        keys.key(self.rows.get(row).key)
    }

    /// The row that was longest untouched.
    pub(super) fn oldest(&self) -> Option<Row> {
        self.rows.oldest()
    }

    /// The time at which the row that was longest untouched was touched.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.rows.oldest_ms()
    }

    /// Writes all rows, `put` what each holds.
    pub(super) fn save(&self, out: &mut Vec<u8>, put: impl Fn(&mut Vec<u8>, &T)) {
        put_count(out, self.len());
        for (touched_ms, OfKey { key, value }) in self.rows.in_order() {
            put_key(out, *key);
            put_signed(out, touched_ms);
            put(out, value);
        }
    }

    /// Takes up rows where there is none yet, each with what `take` reads of it, last
    /// touched at that time (ms).
    pub(super) fn load<'a>(
        &mut self,
        from: &mut Reader<'a>,
        placing: &mut Placing<'_, 'a>,
        mut take: impl FnMut(&mut Reader<'a>, &Placing<'_, 'a>, i64) -> Option<T>,
    ) -> Option<()> {
        for _ in 0..from.count()? {
            let (key, time_ms) = (placing.row(from)?, from.signed()?);
            let value = take(from, placing, time_ms)?;
            let is_next = self.rows.is_next(time_ms) && time_ms <= placing.now_ms;
            let is_free = placing.keys.cell(key, self.cell).is_empty() && is_next;
            is_free.then_some(())?;
            placing.keys.cell_mut(key, self.cell).at = self.rows.insert(OfKey { key, value }, time_ms);
            if self.runs {
                placing.keys.begin(key, self.cell);
            }
        }
        Some(())
    }

    /// All rows, the one that was longest untouched first.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        std::iter::successors(self.oldest(), |row| self.rows.after(*row))
    }

    /// Takes a row out, and forgets its key if nothing else is kept of it.
    pub(super) fn take(&mut self, keys: &mut KeyTable, row: Row) -> T {
        let OfKey { key, value } = self.rows.remove(row);
        keys.cell_mut(key, self.cell).at = NONE;
        if self.runs {
            keys.end(key, self.cell);
        }
        keys.tidy(key);
        value
    }

    /// As [`ByKey::take`], of the row of the key at hand.
    pub(super) fn take_here(&mut self, keys: &mut KeyTable) -> Option<T> {
        self.here(keys).map(|row| self.take(keys, row))
    }

    /// As [`ByKey::take`], of the row that was longest untouched.
    pub(super) fn take_oldest(&mut self, keys: &mut KeyTable) -> Option<T> {
        self.oldest().map(|row| self.take(keys, row))
    }

    /// As [`ByKey::take_oldest`], if it was last touched before a time.
    pub(super) fn take_before(&mut self, keys: &mut KeyTable, time_ms: i64) -> Option<T> {
        self.oldest_ms().filter(|touched_ms| *touched_ms < time_ms)?;
        self.take_oldest(keys)
    }

    /// Forgets up to `most` rows that were last touched before a time.
    pub(super) fn forget_before(&mut self, keys: &mut KeyTable, time_ms: i64, most: usize) {
        for _ in 0..most {
            if self.take_before(keys, time_ms).is_none() {
                return;
            }
        }
    }
}
