//! `where c for D`: a condition that holds for a while (section 4 of the language's definition).

use super::step::{Found, Tried, label};
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{Held, Step};

/// The alerts of a rule of one step over a key's events. "c holds on every event of the type for at least D; alerts
/// once, at the first event at or after D, and re-arms when c fails. Silence does not break the streak; `gap at most
/// G` does."
pub(super) fn matches(world: &World, step: &Step, held: &Held, events: &[usize]) -> Vec<Found> {
    let time = |event: usize| world.time(event);
    let mut found = Vec::new();
    let mut streak: Option<Streak> = None;
    for (at, &event) in events.iter().enumerate() {
        if !world.is_of(&step.types, event) {
            continue;
        }
        let tried = Tried { world, seen: &events[..=at] };
        if !tried.fits(&step.types, step.name.as_ref(), step.condition.as_ref(), Vec::new()) {
            streak = None;
            continue;
        }
        let goes_on = |streak: &Streak| {
            held.gap.as_ref().is_none_or(|gap| time(event).saturating_sub(time(streak.latest)) <= gap.node.ms)
        };
        let unbroken = streak.filter(goes_on).unwrap_or(Streak { first: event, latest: event, alerted: false });
        let fires = !unbroken.alerted && time(event).saturating_sub(time(unbroken.first)) >= held.duration.node.ms;
        if fires {
            found.push(Found::new(Trigger::Occurrence(event), first_and_last(step, unbroken.first, event)));
        }
        streak = Some(Streak { latest: event, alerted: unbroken.alerted || fires, ..unbroken });
    }
    found
}

/// The events of the type on which the condition has held so far.
struct Streak {
    first: usize,
    latest: usize,
    alerted: bool,
}

/// Section 6: "for `c for D` the first of the streak and the one that fired".
fn first_and_last(step: &Step, first: usize, last: usize) -> Vec<(String, usize)> {
    let mut events = vec![(label(step.name.as_ref(), 0), first)];
    if last != first {
        events.push((label(step.name.as_ref(), 0), last));
    }
    events
}
