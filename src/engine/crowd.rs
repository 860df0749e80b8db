//! The runs of a two-step sequence of one key that has, or has lately had, as many as it may: which of them is the
//! oldest for each rule. Keys with fewer have none of this, so the usual way costs nothing.

use std::collections::VecDeque;

use crate::engine::slab::Row;

/// The runs of a key, and what is open for each rule.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Its runs in order of start. One that is over leaves in its turn.
    rows: VecDeque<Row>,
    /// How many have left, so that those that are here can be numbered.
    left: u64,
    /// By the place of the rule.
    rules: Box<[OfRule]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfRule {
    /// How many runs are open for it.
    open: usize,
    /// The number of a run before which none is open for it: what is over never opens again.
    from: u64,
}

impl Crowd {
    /// A key with these runs, oldest first; `is_open` says whether a run is open for a rule, by its place.
    pub(super) fn new(rows: VecDeque<Row>, rules: usize, is_open: impl Fn(Row, usize) -> bool) -> Crowd {
        let open = |place| rows.iter().filter(|row| is_open(**row, place)).count();
        let rules = (0..rules).map(|place| OfRule { open: open(place), from: 0 }).collect();
        Crowd { rows, left: 0, rules }
    }

    /// How many runs are open for a rule.
    pub(super) fn open(&self, place: usize) -> usize {
        self.rules[place].open
    }

    /// A run starts; `is_open` says for which rules.
    pub(super) fn start(&mut self, row: Row, is_open: impl Fn(usize) -> bool) {
        self.rows.push_back(row);
        self.rules.iter_mut().enumerate().filter(|(place, _)| is_open(*place)).for_each(|(_, rule)| rule.open += 1);
    }

    /// A run is over for a rule.
    pub(super) fn end(&mut self, place: usize) {
        self.rules[place].open -= 1;
    }

    /// Lets go of the oldest runs, as long as they are over for all rules.
    pub(super) fn forget(&mut self, is_over: impl Fn(Row) -> bool) {
        while self.rows.pop_front_if(|row| is_over(*row)).is_some() {
            self.left += 1;
        }
    }

    /// The oldest run that is open for a rule.
    pub(super) fn oldest(&mut self, place: usize, is_open: impl Fn(Row) -> bool) -> Option<Row> {
        let rule = &mut self.rules[place];
        let skipped = usize::try_from(rule.from.saturating_sub(self.left)).ok()?;
        let (at, row) = self.rows.iter().enumerate().skip(skipped).find(|(_, row)| is_open(**row))?;
        rule.from = self.left + at as u64;
        Some(*row)
    }
}
