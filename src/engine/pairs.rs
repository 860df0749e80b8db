//! `each pair of`: a stream-stream interval join, by key.
//!
//! The events of the last `within` are kept for both sides. A new event is joined with all that are kept of the other
//! side, the oldest first, and then kept for its own. Kept events leave by time, oldest first, so both are queues.

use std::collections::VecDeque;

use crate::engine::completed::Completed;
use crate::engine::keyed::Keyed;
use crate::engine::nfa::Offer;
use crate::engine::past::KeyAt;
use crate::engine::record::{Record, Records, Taken};
use crate::engine::runs::Trail;
use crate::engine::unordered;
use crate::program::StepId;

/// The kept events of all keys.
pub(super) type Pairs = Keyed<Sides>;

/// The kept events of a key.
#[derive(Debug, Default)]
pub(super) struct Sides([VecDeque<Record>; 2]);

const LEFT: StepId = StepId(0);
const RIGHT: StepId = StepId(1);

/// Joins an event with what is kept of its key, and keeps it.
pub(super) fn offer(
    offer: &mut Offer<'_>,
    pairs: &mut Pairs,
    key: KeyAt<'_>,
    mut completed: impl FnMut(Completed<'_>),
) {
    let (rule, now_ms) = (offer.rule, offer.event.time_ms);
    let within_ms = rule.within.map_or(i64::MAX, |within| within.ms);
    let oldest_ms = now_ms.saturating_sub(within_ms);
    pairs.forget_before(oldest_ms, 2);
    let takes = [LEFT, RIGHT].map(|side| offer.fits(&rule.steps[side.index()].guards, None));
    if takes == [false, false] {
        return;
    }
    let sides = pairs.touch(key.hash, key.bytes, now_ms, Sides::default);
    sides.0.iter_mut().for_each(|kept| forget(kept, oldest_ms));
    for (side, other) in [(LEFT, RIGHT), (RIGHT, LEFT)] {
        if takes[side.index()] {
            join(offer, side, &sides.0[other.index()], &mut completed);
        }
    }
    for side in [LEFT, RIGHT] {
        if takes[side.index()] {
            sides.0[side.index()].push_back(Record::from(&*offer.made(side)));
        }
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

fn forget(kept: &mut VecDeque<Record>, oldest_ms: i64) {
    while kept.front().is_some_and(|made| Taken::of(made).time_ms() < oldest_ms) {
        kept.pop_front();
    }
}
