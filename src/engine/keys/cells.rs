//! The rows of keys with their cells.
//!
//! Where few share a `for each`, a key and all its cells stand in one row, the empty ones too: what an event needs of
//! its key lies together. Where many do, a row lists those that are not empty.

use smallvec::SmallVec;

use crate::engine::slab::{NONE, Row, Slab};
use crate::event::Key;
use crate::program::CellId;

/// What somebody keeps of a key: rows of his own, of which only he knows what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Cell {
    /// A row: the one by which the others are found, where there are several.
    pub(in crate::engine) at: Row,
    /// What goes with it, where anything does.
    pub(in crate::engine) more: Row,
    /// How many runs are open.
    open: u32,
}

impl Cell {
    /// A cell, in bytes, where it has its place.
    pub(in crate::engine) const BYTES: usize = size_of::<Cell>();

    const EMPTY: Cell = Cell { at: NONE, more: NONE, open: 0 };

    /// How many runs are open.
    #[inline]
    pub(in crate::engine) fn open(self) -> usize {
        self.open as usize
    }

    /// Whether it holds nothing.
    #[inline]
    pub(in crate::engine) fn is_empty(self) -> bool {
        self.at == NONE && self.more == NONE
    }
}

/// A key with its cells.
#[derive(Debug)]
pub(super) struct Fixed<const CELLS: usize> {
    key: Key,
    /// A bit for each cell with open runs.
    open: u32,
    cells: [Cell; CELLS],
}

/// A key with those of its cells that are not empty.
#[derive(Debug)]
pub(super) struct Listed {
    key: Key,
    cells: SmallVec<[(CellId, Cell); 1]>,
}

/// A key, in bytes, without its cells.
pub(super) const KEY_BYTES: usize = size_of::<Fixed<1>>() - Cell::BYTES;

/// Rows, by how many cells they have. Odd numbers fill the row to its last byte.
#[derive(Debug)]
pub(super) enum Rows {
    One(Slab<Fixed<1>>),
    Three(Slab<Fixed<3>>),
    Five(Slab<Fixed<5>>),
    Seven(Slab<Fixed<7>>),
    Listed(Slab<Listed>),
}

/// The same for rows of each size, and something else for those that list their cells.
macro_rules! by_size {
    ($rows:expr, $fixed:ident => $of_fixed:expr, $listed:ident => $of_listed:expr) => {
        match $rows {
            Rows::One($fixed) => $of_fixed,
            Rows::Three($fixed) => $of_fixed,
            Rows::Five($fixed) => $of_fixed,
            Rows::Seven($fixed) => $of_fixed,
            Rows::Listed($listed) => $of_listed,
        }
    };
}

impl Rows {
    /// No rows yet, of so many cells.
    pub(super) fn new(cells: usize) -> Rows {
        match cells {
            0..=1 => Rows::One(Slab::default()),
            2..=3 => Rows::Three(Slab::default()),
            4..=5 => Rows::Five(Slab::default()),
            6..=7 => Rows::Seven(Slab::default()),
            _ => Rows::Listed(Slab::default()),
        }
    }

    /// A row, in bytes, without what it has on the heap.
    pub(super) fn row_bytes(&self) -> usize {
        by_size!(self, rows => row_bytes(rows), rows => row_bytes(rows))
    }

    /// Adds a key with empty cells. Gives its row.
    pub(super) fn insert(&mut self, key: Key) -> Row {
        by_size!(
            self,
            rows => rows.insert(Fixed { key, open: 0, cells: [Cell::EMPTY; _] }),
            rows => rows.insert(Listed { key, cells: SmallVec::new() })
        )
    }

    /// Takes a row away.
    pub(super) fn remove(&mut self, row: Row) {
        by_size!(self, rows => drop(rows.remove(row)), rows => drop(rows.remove(row)));
    }

    /// All keys with their rows.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = (Row, &Key)> + '_> {
        by_size!(
            self,
            rows => Box::new(rows.numbered().map(|(row, of_key)| (row, &of_key.key))),
            rows => Box::new(rows.numbered().map(|(row, of_key)| (row, &of_key.key)))
        )
    }

    /// The key of a row.
    #[inline]
    pub(super) fn key(&self, row: Row) -> &Key {
        by_size!(self, rows => &rows.get(row).key, rows => &rows.get(row).key)
    }

    /// A cell of a row.
    #[inline]
    pub(super) fn cell(&self, row: Row, id: CellId) -> Cell {
        by_size!(self, rows => rows.get(row).cells[id.index()], rows => rows.get(row).cell(id))
    }

    /// A cell of a row, to be changed.
    #[inline]
    pub(super) fn cell_mut(&mut self, row: Row, id: CellId) -> &mut Cell {
        by_size!(self, rows => &mut rows.get_mut(row).cells[id.index()], rows => rows.get_mut(row).cell_mut(id))
    }

    /// The cells of a row with open runs.
    #[inline]
    pub(super) fn each_open(&self, row: Row, mut found: impl FnMut(CellId)) {
        by_size!(
            self,
            rows => {
                let mut open = rows.get(row).open;
                while open != 0 {
                    found(CellId(open.trailing_zeros()));
                    open &= open - 1;
                }
            },
            rows => {
                let cells = &rows.get(row).cells;
                cells.iter().filter(|(_, cell)| cell.open > 0).for_each(|(id, _)| found(*id));
            }
        );
    }

    /// Whether any cell of a row has open runs.
    #[inline]
    pub(super) fn is_open(&self, row: Row) -> bool {
        by_size!(self, rows => rows.get(row).open != 0, rows => rows.get(row).is_open())
    }

    /// One more run of a cell is open. Says whether it is the only one of the row.
    #[inline]
    pub(super) fn begin(&mut self, row: Row, id: CellId) -> bool {
        by_size!(
            self,
            rows => {
                let row = rows.get_mut(row);
                row.cells[id.index()].open += 1;
                let before = row.open;
                row.open |= 1 << id.0;
                before == 0
            },
            rows => {
                let row = rows.get_mut(row);
                let is_first = !row.is_open();
                row.cell_mut(id).open += 1;
                is_first
            }
        )
    }

    /// A run of a cell is over. Says whether it was the last one of the row.
    #[inline]
    pub(super) fn end(&mut self, row: Row, id: CellId) -> bool {
        by_size!(
            self,
            rows => {
                let row = rows.get_mut(row);
                let cell = &mut row.cells[id.index()];
                cell.open -= 1;
                let ended = u32::from(cell.open == 0) << id.0;
                row.open &= !ended;
                row.open == 0
            },
            rows => {
                let row = rows.get_mut(row);
                row.cell_mut(id).open -= 1;
                !row.is_open()
            }
        )
    }

    /// Whether all cells of a row are empty.
    #[inline]
    pub(super) fn is_empty(&mut self, row: Row) -> bool {
        by_size!(
            self,
            rows => {
                let row = rows.get(row);
                row.open == 0 && row.cells.iter().all(|cell| cell.is_empty())
            },
            rows => {
                let cells = &mut rows.get_mut(row).cells;
                cells.retain(|(_, cell)| !cell.is_empty());
                cells.is_empty()
            }
        )
    }
}

impl Listed {
    fn cell(&self, id: CellId) -> Cell {
        self.cells.iter().find(|(of, _)| *of == id).map_or(Cell::EMPTY, |(_, cell)| *cell)
    }

    fn cell_mut(&mut self, id: CellId) -> &mut Cell {
        let at = self.cells.iter().position(|(of, _)| *of == id).unwrap_or_else(|| {
            self.cells.push((id, Cell::EMPTY));
            self.cells.len() - 1
        });
        &mut self.cells[at].1
    }

    fn is_open(&self) -> bool {
        self.cells.iter().any(|(_, cell)| cell.open > 0)
    }
}

fn row_bytes<T>(_: &Slab<T>) -> usize {
    Slab::<T>::ROW_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_small() {
        let bytes = [1, 3, 5, 7, 9].map(|cells| Rows::new(cells).row_bytes());
        assert_eq!(bytes, [40, 64, 88, 112, 48]);
        assert_eq!((KEY_BYTES, Cell::BYTES), (28, 12));
    }
}
