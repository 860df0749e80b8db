//! `where c for D`: one row a key while the condition holds.

use crate::engine::completed::Completed;
use crate::engine::keyed::Keyed;
use crate::engine::limits::{Dropped, Room};
use crate::engine::nfa::Offer;
use crate::engine::past::KeyAt;
use crate::engine::record::{Records, Taken};
use crate::engine::runs::Trail;
use crate::program::{Held, StepId};

/// The streaks of all keys.
pub(super) type Streaks = Keyed<Streak>;

/// Events of a key, one after the other, on all of which the condition held.
#[derive(Debug)]
pub(super) struct Streak {
    first: Records,
    latest_ms: i64,
    alerted: bool,
}

const STEP: StepId = StepId(0);

/// Judges an event: it begins, continues, or breaks its key's streak. Gives what was dropped for it, or
/// instead of which.
pub(super) fn offer(
    offer: &mut Offer<'_>,
    held: Held,
    streaks: &mut Streaks,
    key: KeyAt<'_>,
    room: &Room,
    completed: impl FnOnce(Completed<'_>),
) -> Dropped {
    let now_ms = offer.event.time_ms;
    let mut dropped = Dropped::default();
    if let Some(gap_ms) = held.gap_ms {
        // A silence that is too long breaks a streak, so a row that has been silent for so long says nothing.
        streaks.forget_before(now_ms.saturating_sub(gap_ms), 2);
    }
    if !offer.fits(&offer.rule.steps[0].guards, None) {
        streaks.remove(key.hash, key.bytes);
        return dropped;
    }
    let broken = |streak: &Streak| held.gap_ms.is_some_and(|gap_ms| now_ms.saturating_sub(streak.latest_ms) > gap_ms);
    if streaks.get(key.hash, key.bytes).is_some_and(broken) {
        streaks.remove(key.hash, key.bytes);
    }
    if room.is_tight(streaks.len()) && streaks.get(key.hash, key.bytes).is_none() {
        if let Some(gap_ms) = held.gap_ms {
            streaks.forget_before(now_ms.saturating_sub(gap_ms), usize::MAX);
        }
        if !room.admit(true, streaks.len(), &mut dropped, || usize::from(streaks.take_oldest().is_some())) {
            return dropped;
        }
    }
    let last = offer.made(STEP);
    let begin = || {
        let mut first = Records::default();
        first.insert(&last);
        Streak { first, latest_ms: now_ms, alerted: false }
    };
    let streak = streaks.touch(key.hash, key.bytes, now_ms, begin);
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
