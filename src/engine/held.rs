//! `where c for D`: one row a key while the condition holds.

use crate::engine::by_key::ByKey;
use crate::engine::codec::{Reader, put_bytes, put_signed};
use crate::engine::completed::Completed;
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::limits::{Dropped, Room};
use crate::engine::nfa::Offer;
use crate::engine::record::{Records, Taken};
use crate::engine::runs::Trail;
use crate::engine::saved::Placing;
use crate::program::{Held, StepId};

/// The streaks of all keys.
pub(super) type Streaks = ByKey<Streak>;

/// Events of a key, one after the other, on all of which the condition held.
#[derive(Debug)]
pub(super) struct Streak {
    first: Records,
    latest_ms: i64,
    alerted: bool,
}

const STEP: StepId = StepId(0);

/// Writes all streaks.
pub(super) fn save(streaks: &Streaks, out: &mut Vec<u8>) {
    streaks.save(out, |out, Streak { first, latest_ms, alerted }| {
        put_bytes(out, first.as_bytes());
        put_signed(out, *latest_ms);
        out.push(u8::from(*alerted));
    });
}

/// Takes streaks up.
pub(super) fn load<'a>(streaks: &mut Streaks, from: &mut Reader<'a>, placing: &mut Placing<'_, 'a>) -> Option<()> {
    streaks.load(from, placing, |from, placing, _| {
        Some(Streak { first: placing.record(from, STEP)?, latest_ms: from.signed()?, alerted: from.flag()? })
    })
}

/// Judges an event: it begins, continues, or breaks its key's streak. Gives what was dropped for it, or
/// instead of which.
pub(super) fn offer(
    offer: &mut Offer<'_>,
    held: Held,
    streaks: &mut Streaks,
    (keys, key): (&mut KeyTable, KeyAt<'_>),
    room: &Room,
    completed: impl FnOnce(Completed<'_>),
) -> Dropped {
    let now_ms = offer.event.time_ms;
    let mut dropped = Dropped::default();
    if let Some(gap_ms) = held.gap_ms {
        // A silence that is too long breaks a streak, so a row that has been silent for so long says nothing.
        streaks.forget_before(keys, now_ms.saturating_sub(gap_ms), 2);
    }
    if !offer.fits(&offer.rule.steps[0].guards, None) {
        streaks.take_here(keys);
        return dropped;
    }
    let broken = |streak: &Streak| held.gap_ms.is_some_and(|gap_ms| now_ms.saturating_sub(streak.latest_ms) > gap_ms);
    if streaks.here(keys).is_some_and(|row| broken(streaks.get(row))) {
        streaks.take_here(keys);
    }
    if room.is_tight(streaks.len()) && streaks.here(keys).is_none() {
        if let Some(gap_ms) = held.gap_ms {
            streaks.forget_before(keys, now_ms.saturating_sub(gap_ms), usize::MAX);
        }
        let (is_new_key, open) = (!keys.is_open_here(), streaks.len());
        let drop_oldest = || usize::from(streaks.take_oldest(keys).is_some());
        if !room.admit(is_new_key, open, &mut dropped, drop_oldest) {
            return dropped;
        }
    }
    let last = offer.made(STEP);
    let begin = || {
        let mut first = Records::default();
        first.insert(&last);
        Streak { first, latest_ms: now_ms, alerted: false }
    };
    let row = streaks.touch(keys, key, now_ms, begin);
    let streak = streaks.get_mut(row);
    streak.latest_ms = now_ms;
    let mut events = streak.first.as_bytes().to_vec();
    if streak.alerted || now_ms.saturating_sub(Taken::of(&events).time_ms()) < held.for_ms {
        return dropped;
    }
    streak.alerted = true;
    if events != *last {
        events.extend_from_slice(&last);
    }
    completed(offer.completion(Trail::of_records(&events)));
    dropped
}
