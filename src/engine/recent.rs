//! The distinct values of a sliding window: each once, with the newest place at which it was seen, in the order of
//! these places. So the memory goes with the values, not with the events. Below windows.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::event::Key;

/// A row number; `NONE` is no row.
type Row = u32;
const NONE: Row = u32::MAX;

/// Distinct keys, the one that was seen longest ago first.
#[derive(Debug)]
pub(super) struct Recent {
    hasher: DefaultHashBuilder,
    table: HashTable<Row>,
    rows: Vec<Seen>,
    /// The first of the rows that are free, linked by `after`.
    free: Row,
    oldest: Row,
    newest: Row,
}

#[derive(Debug)]
struct Seen {
    key: Key,
    mark: i64,
    before: Row,
    after: Row,
}

impl Default for Recent {
    fn default() -> Self {
        Recent {
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            rows: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl Recent {
    /// A value, with its place in the table, in bytes.
    pub(super) const ROW_BYTES: usize = size_of::<Seen>() + size_of::<Row>() + 1;

    /// Notes that a key was seen at this mark, which is not below the last one.
    pub(super) fn see(&mut self, key: Key, mark: i64) {
        let hash = self.hasher.hash_one(&key);
        let rows = &mut self.rows;
        if let Some(&row) = self.table.find(hash, |row| rows[*row as usize].key == key) {
            rows[row as usize].mark = mark;
            self.unlink(row);
            self.link_newest(row);
            return;
        }
        let row = self.free;
        let row = if row == NONE {
            rows.push(Seen { key, mark, before: NONE, after: NONE });
            Row::try_from(rows.len() - 1).expect("memory ends before the row numbers")
        } else {
            self.free = rows[row as usize].after;
            rows[row as usize] = Seen { key, mark, before: NONE, after: NONE };
            row
        };
        let (hasher, rows) = (&self.hasher, &self.rows);
        self.table.insert_unique(hash, row, |row| hasher.hash_one(&rows[*row as usize].key));
        self.link_newest(row);
    }

    /// Forgets the keys that were not seen after this mark.
    pub(super) fn forget(&mut self, mark: i64) {
        while self.oldest != NONE && self.rows[self.oldest as usize].mark <= mark {
            let row = self.oldest;
            self.unlink(row);
            let hash = self.hasher.hash_one(&self.rows[row as usize].key);
            let entry = self.table.find_entry(hash, |other| *other == row).expect("every linked row is in the table");
            entry.remove();
            self.rows[row as usize].key = Key::default();
            self.rows[row as usize].after = self.free;
            self.free = row;
        }
        if self.table.is_empty() && self.rows.capacity() > 0 {
            *self = Recent::default();
        }
    }

    /// All keys with their marks, the one that was seen longest ago first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Key)> {
        let there = |row: Row| (row != NONE).then(|| &self.rows[row as usize]);
        std::iter::successors(there(self.oldest), move |seen| there(seen.after)).map(|seen| (seen.mark, &seen.key))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The rows that there is room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.rows.capacity()
    }

    fn unlink(&mut self, row: Row) {
        let Seen { before, after, .. } = self.rows[row as usize];
        match before {
            NONE => self.oldest = after,
            before => self.rows[before as usize].after = after,
        }
        match after {
            NONE => self.newest = before,
            after => self.rows[after as usize].before = before,
        }
    }

    fn link_newest(&mut self, row: Row) {
        let before = self.newest;
        self.rows[row as usize].before = before;
        self.rows[row as usize].after = NONE;
        match before {
            NONE => self.oldest = row,
            before => self.rows[before as usize].after = row,
        }
        self.newest = row;
    }
}
