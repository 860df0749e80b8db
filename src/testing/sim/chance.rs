//! The only source of chance in a simulation: numbers that follow from its seed.

use std::cell::Cell;

/// A sequence of numbers (splitmix64).
#[derive(Debug)]
pub(super) struct Chance(Cell<u64>);

impl Chance {
    /// The sequence of a seed.
    pub(super) fn new(seed: u64) -> Chance {
        Chance(Cell::new(seed))
    }

    /// Another sequence that follows from this one.
    pub(super) fn split(&self) -> Chance {
        Chance::new(self.next())
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One below `end`, which is above 0.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    /// The place of one of so many.
    pub(super) fn at(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// From `low` to `high`, both among them.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in so many times; never where that is 0.
    pub(super) fn one_in(&self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }
}
