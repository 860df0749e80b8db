//! `each pair of`: a stream-stream interval join, by key.
//!
//! The events of the last `within` are kept for both sides. A new event is joined with all that are kept of the other
//! side, the oldest first, and then kept for its own. Kept events leave by time, oldest first, so both are queues.

use std::collections::VecDeque;

use crate::engine::by_key::ByKey;
use crate::engine::codec::Reader;
use crate::engine::completed::Completed;
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::limits::{Dropped, Footprint, Limit, Room, WhenFull};
use crate::engine::nfa::Offer;
use crate::engine::record::{self, Record, Records, Taken};
use crate::engine::runs::Trail;
use crate::engine::saved::{Placing, put_records};
use crate::engine::unordered;
use crate::program::{CellId, Rule, StepId};

/// The kept events of all keys.
#[derive(Debug)]
pub(super) struct Pairs {
    rows: ByKey<Sides>,
    /// How many events are kept.
    kept: usize,
}

/// The kept events of a key.
#[derive(Debug, Default)]
struct Sides([VecDeque<Record>; 2]);

const LEFT: StepId = StepId(0);
const RIGHT: StepId = StepId(1);

impl Pairs {
    /// A key with kept events, in bytes, without them.
    pub(super) const ROW_BYTES: usize = ByKey::<Sides>::ROW_BYTES;

    /// Nothing kept yet; this is its cell in the rows of keys.
    pub(super) fn new(cell: CellId) -> Pairs {
        Pairs { rows: ByKey::of_runs(cell), kept: 0 }
    }

    /// How many keys have kept events.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The time of the newest event of the key that was longest without one.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.rows.oldest_ms()
    }

    /// Forgets up to `most` keys whose last event came before a time.
    pub(super) fn forget_before(&mut self, keys: &mut KeyTable, time_ms: i64, most: usize) {
        for _ in 0..most {
            let Some(sides) = self.rows.take_before(keys, time_ms) else { return };
            self.kept -= sides.len();
        }
    }

    /// Drops all that is kept of the key that was longest without an event. Gives how many events that were.
    pub(super) fn drop_oldest(&mut self, keys: &mut KeyTable) -> usize {
        let mut dropped = 0;
        // A key of which everything has passed is no more than a row.
        while dropped == 0
            && let Some(sides) = self.rows.take_oldest(keys)
        {
            dropped = sides.len();
        }
        self.kept -= dropped;
        dropped
    }

    /// Writes what is kept.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.rows.save(out, |out, sides| sides.0.iter().for_each(|kept| put_records(out, kept)));
    }

    /// Takes up what was kept.
    pub(super) fn load<'a>(&mut self, from: &mut Reader<'a>, placing: &mut Placing<'_, 'a>) -> Option<()> {
        let Pairs { rows, kept } = self;
        rows.load(from, placing, |from, placing, _| {
            let sides = Sides([placing.record_list(from, LEFT)?, placing.record_list(from, RIGHT)?]);
            *kept += sides.len();
            Some(sides)
        })
    }

    /// What is kept.
    pub(super) fn footprint(&self, rule: &Rule) -> Footprint {
        let event_bytes = rule.steps.iter().map(record::usual_bytes).max().unwrap_or_default();
        Footprint::of_rows(self.len(), Self::ROW_BYTES).plus(Footprint::of_rows(self.kept, event_bytes))
    }

    /// Joins an event with what is kept of its key, and keeps it. Gives what was dropped for it, or instead of which.
    pub(super) fn offer(
        &mut self,
        offer: &mut Offer<'_>,
        (keys, key): (&mut KeyTable, KeyAt<'_>),
        room: &Room,
        mut completed: impl FnMut(Completed<'_>),
    ) -> Dropped {
        let (rule, now_ms) = (offer.rule, offer.event.time_ms);
        let within_ms = rule.within.map_or(i64::MAX, |within| within.ms);
        let oldest_ms = now_ms.saturating_sub(within_ms);
        self.forget_before(keys, oldest_ms, 2);
        let mut dropped = Dropped::default();
        let takes = [LEFT, RIGHT].map(|side| offer.fits(&rule.steps[side.index()].guards, None));
        if takes == [false, false] {
            return dropped;
        }
        let keeps = !room.is_tight(self.kept) || self.admit(keys, oldest_ms, room, &mut dropped);
        if !keeps && self.rows.here(keys).is_none() {
            return dropped;
        }
        let row = self.rows.touch(keys, key, now_ms, Sides::default);
        let sides = self.rows.get_mut(row);
        let before = sides.len();
        sides.0.iter_mut().for_each(|kept| forget(kept, oldest_ms));
        for (side, other) in [(LEFT, RIGHT), (RIGHT, LEFT)] {
            if takes[side.index()] {
                join(offer, side, &sides.0[other.index()], &mut completed);
            }
        }
        for side in [LEFT, RIGHT] {
            let kept = &mut sides.0[side.index()];
            if keeps && takes[side.index()] && has_room(kept, room, &mut dropped) {
                kept.push_back(Record::from(&*offer.made(side)));
            }
        }
        self.kept = self.kept + sides.len() - before;
        dropped
    }

    /// Whether an event may be kept beside those of all keys.
    #[cold]
    fn admit(&mut self, keys: &mut KeyTable, oldest_ms: i64, room: &Room, dropped: &mut Dropped) -> bool {
        self.forget_before(keys, oldest_ms, usize::MAX);
        room.admit(!keys.is_open_here(), self.kept, dropped, || self.drop_oldest(keys))
    }
}

impl Sides {
    /// How many events are kept.
    fn len(&self) -> usize {
        self.0.iter().map(VecDeque::len).sum()
    }
}

/// Joins the event, on one side, with the kept events of the other.
fn join(offer: &mut Offer<'_>, side: StepId, kept: &VecDeque<Record>, completed: &mut impl FnMut(Completed<'_>)) {
    for partner in kept {
        if !unordered::fits(offer, side, Trail::of_records(partner)) {
            continue;
        }
        let mut pair = Records::default();
        pair.insert(partner);
        pair.insert(&offer.made(side));
        completed(offer.completion(Trail::of_records(pair.as_bytes())));
    }
}

/// Whether one more event may be kept of a side: where there are as many as may be, the oldest of them goes or the new
/// one is not kept.
fn has_room(kept: &mut VecDeque<Record>, room: &Room, dropped: &mut Dropped) -> bool {
    if kept.len() < room.limits.open_runs_per_key {
        return true;
    }
    dropped.count(Limit::OpenRunsPerKey, 1);
    room.limits.when_full == WhenFull::DropOldest && kept.pop_front().is_some()
}

fn forget(kept: &mut VecDeque<Record>, oldest_ms: i64) {
    while kept.front().is_some_and(|made| Taken::of(made).time_ms() < oldest_ms) {
        kept.pop_front();
    }
}
