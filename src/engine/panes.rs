//! Windows that begin at whole multiples of a distance since the epoch, cut into panes of that length: an event goes
//! into one pane, and a window is the panes in it, merged when it ends (Li and others 2005, "No pane, no gain"). A
//! window that ends where the next begins is one pane, and nothing is merged.

use std::collections::VecDeque;

use hashbrown::HashTable;

use crate::engine::codec::{Reader, put_all, put_bytes, put_count, put_option, put_signed};
use crate::engine::fold::{Fold, save_folds};
use crate::engine::keys::KeyAt;
use crate::event::Key;

/// The length of windows, and the distance of their starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    /// In ms: a multiple of the distance.
    pub(super) over_ms: i64,
    /// In ms.
    pub(super) every_ms: i64,
}

/// The panes that a window not yet ended can hold, in order of time.
#[derive(Debug, Default)]
pub(super) struct Panes {
    panes: VecDeque<Pane>,
    /// The end of the next window that holds an event.
    next_end_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Pane {
    start_ms: i64,
    rows: Rows,
}

/// What has been computed of the events of each key.
#[derive(Debug, Default)]
struct Rows(HashTable<Row>);

#[derive(Debug)]
struct Row {
    hash: u64,
    key: Key,
    folds: Box<[Fold]>,
}

/// A window that has ended: its bounds, and the keys that have events in it, in their order.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) keys: Vec<(Key, Box<[Fold]>)>,
}

impl Panes {
    /// A key in a pane, in bytes, without its aggregates.
    pub(super) const ROW_BYTES: usize = size_of::<Row>() + 1;

    /// How many keys have something in a pane, each pane counted.
    pub(super) fn len(&self) -> usize {
        self.panes.iter().map(|pane| pane.rows.0.len()).sum()
    }

    /// What is computed of a key's events at this time. Windows that ended before it are closed already.
    pub(super) fn touch(
        &mut self,
        hop: Hop,
        key: KeyAt<'_>,
        time_ms: i64,
        make: impl FnOnce() -> Box<[Fold]>,
    ) -> &mut [Fold] {
        let start_ms = time_ms.div_euclid(hop.every_ms).saturating_mul(hop.every_ms);
        if self.panes.back().is_none_or(|last| last.start_ms < start_ms) {
            self.panes.push_back(Pane { start_ms, rows: Rows::default() });
            self.next_end_ms.get_or_insert(start_ms.saturating_add(hop.every_ms));
        }
        let pane = self.panes.back_mut().expect("just made");
        debug_assert!(pane.start_ms == start_ms, "events come in order of time");
        pane.rows.touch(key, make)
    }

    /// Writes all panes.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_option(out, self.next_end_ms);
        put_count(out, self.panes.len());
        for Pane { start_ms, rows } in &self.panes {
            put_signed(out, *start_ms);
            // In whatever order: a pane has none.
            put_all(out, &rows.0, |out, row| {
                put_bytes(out, row.key.as_bytes());
                save_folds(&row.folds, out);
            });
        }
    }

    /// Reads panes back, of keys of so many parts: `hash` gives the hash of each, and `folds` reads what was computed.
    pub(super) fn load(
        from: &mut Reader<'_>,
        hop: Hop,
        parts: usize,
        hash: impl Fn(&[u8]) -> u64,
        folds: impl Fn(&mut Reader<'_>) -> Option<Box<[Fold]>>,
    ) -> Option<Panes> {
        let mut panes = Panes { next_end_ms: from.option()?, panes: VecDeque::new() };
        for _ in 0..from.count()? {
            let mut pane = Pane { start_ms: from.signed()?, rows: Rows::default() };
            let is_next = panes.panes.back().is_none_or(|last| last.start_ms < pane.start_ms);
            (is_next && pane.start_ms.rem_euclid(hop.every_ms) == 0).then_some(())?;
            for _ in 0..from.count()? {
                let key = Key::checked(from.bytes()?, parts)?;
                let folds = folds(from)?;
                pane.rows.touch(KeyAt { hash: hash(key), bytes: key }, || folds);
            }
            panes.panes.push_back(pane);
        }
        // The next window that ends holds the first pane.
        let next = panes
            .panes
            .front()
            .map(|first| first.start_ms.saturating_add(1)..=first.start_ms.saturating_add(hop.over_ms));
        let fits = match (panes.next_end_ms, next) {
            (None, None) => true,
            (Some(end_ms), Some(next)) => next.contains(&end_ms) && end_ms.rem_euclid(hop.every_ms) == 0,
            _ => false,
        };
        fits.then_some(panes)
    }

    /// When the next window that holds an event ends.
    pub(super) fn next_end(&self) -> Option<i64> {
        self.next_end_ms
    }

    /// Closes that window.
    pub(super) fn close(&mut self, hop: Hop) -> Option<Window> {
        let end_ms = self.next_end_ms?;
        let start_ms = end_ms.saturating_sub(hop.over_ms);
        // The first pane of a window is in no later one.
        let leaves = self.panes.pop_front_if(|pane| pane.start_ms == start_ms);
        let mut rows = leaves.map_or_else(Rows::default, |pane| pane.rows);
        for pane in self.panes.iter().take_while(|pane| pane.start_ms < end_ms) {
            rows.merge(&pane.rows);
        }
        self.next_end_ms = (!self.panes.is_empty()).then(|| end_ms.saturating_add(hop.every_ms));
        let mut keys: Vec<(Key, Box<[Fold]>)> = rows.0.into_iter().map(|row| (row.key, row.folds)).collect();
        keys.sort_unstable_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        Some(Window { start_ms, end_ms, keys })
    }
}

impl Rows {
    fn touch(&mut self, key: KeyAt<'_>, make: impl FnOnce() -> Box<[Fold]>) -> &mut [Fold] {
        let entry = self.0.entry(key.hash, |row| row.key.as_bytes() == key.bytes, |row| row.hash);
        let make = || Row { hash: key.hash, key: Key::from_bytes(key.bytes), folds: make() };
        &mut entry.or_insert_with(make).into_mut().folds
    }

    /// Adds what a later pane holds.
    fn merge(&mut self, later: &Rows) {
        for Row { hash, key, folds } in &later.0 {
            let key = KeyAt { hash: *hash, bytes: key.as_bytes() };
            let mut is_new = false;
            let own = self.touch(key, || {
                is_new = true;
                folds.clone()
            });
            if !is_new {
                own.iter_mut().zip(folds).for_each(|(own, later)| own.merge(later));
            }
        }
    }
}
