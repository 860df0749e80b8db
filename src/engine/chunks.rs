//! Rows that grow at one end and may be taken from the other, in chunks: nothing is copied when there are more, so that
//! no event waits while millions of rows move, and no memory lies idle beside them. What the tables of runs and keys are
//! made of.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

/// How many rows a chunk holds. The first one grows up to there: most rules have few rows. With rows of up to 64 bytes a
/// chunk is small enough for allocators to pack several into one page of theirs.
const CHUNK: usize = 1 << 10;

/// Rows, by their number from the front.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    parts: VecDeque<Vec<T>>,
    /// How many rows were taken from the first chunk.
    taken: usize,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks { parts: VecDeque::new(), taken: 0, len: 0 }
    }
}

impl<T> Chunks<T> {
    /// How many rows there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a row behind the last one.
    pub(super) fn push(&mut self, row: T) {
        self.len += 1;
        match self.parts.back_mut() {
            Some(last) if last.len() < CHUNK => last.push(row),
            Some(_) => {
                let mut next = Vec::with_capacity(CHUNK);
                next.push(row);
                self.parts.push_back(next);
            }
            None => self.parts.push_back(vec![row]),
        }
    }

    /// The first row.
    pub(super) fn front(&self) -> Option<&T> {
        (self.len > 0).then(|| &self[0])
    }

    /// All rows, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten().skip(self.taken)
    }
}

impl<T: Default> Chunks<T> {
    /// Takes the first row.
    pub(super) fn pop_front(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let row = std::mem::take(&mut self.parts[0][self.taken]);
        self.taken += 1;
        self.len -= 1;
        if self.len == 0 {
            self.parts.truncate(1);
            self.parts[0].clear();
            self.taken = 0;
        } else if self.taken == CHUNK {
            // The first chunk is used again behind the last one, unless many are being given up.
            let mut first = self.parts.pop_front().expect("a row was taken from it");
            first.clear();
            self.taken = 0;
            if self.parts.back().is_some_and(|last| last.len() == CHUNK) {
                self.parts.push_back(first);
            }
        }
        Some(row)
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        let at = at + self.taken;
        &self.parts[at / CHUNK][at % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        let at = at + self.taken;
        &mut self.parts[at / CHUNK][at % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_come_and_go_as_in_a_queue(steps in proptest::collection::vec((0_usize..9_000, 0_usize..9_000), 1..12)) {
            let (mut chunks, mut plain, mut next) = (Chunks::default(), VecDeque::new(), 0_u32);
            for (come, go) in steps {
                for _ in 0..come {
                    next += 1;
                    chunks.push(next);
                    plain.push_back(next);
                }
                prop_assert!(chunks.iter().eq(&plain));
                for _ in 0..go {
                    prop_assert_eq!(chunks.pop_front(), plain.pop_front());
                }
                prop_assert_eq!((chunks.len(), chunks.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert_eq!(chunks.front(), plain.front());
                prop_assert!((0..plain.len()).all(|at| chunks[at] == plain[at]));
                if let Some(last) = plain.len().checked_sub(1) {
                    chunks[last] += 1;
                    plain[last] += 1;
                }
            }
        }
    }
}
