//! `where c for D`: a condition that holds for a while (section 4 of the language's definition).

use super::expression::Scope;
use super::sequence::{Found, called, label};
use super::world::World;
use crate::lang::ast::{Held, Step};

/// The alerts of a rule of one step over a key's events. "c holds on every event of the type for at least D; alerts
/// once, at the first event at or after D, and re-arms when c fails. Silence does not break the streak; `gap at most
/// G` does."
pub(super) fn matches(world: &World, step: &Step, held: &Held, events: &[usize]) -> Vec<Found> {
    let time = |event: usize| world.events[event].time_ms;
    let mut found = Vec::new();
    let mut streak: Option<Streak> = None;
    for (at, &event) in events.iter().enumerate() {
        if !step.types.iter().any(|name| name.node == world.events[event].event_type) {
            continue;
        }
        let own = called(&step.types, step.name.as_ref());
        let scope = Scope { world, event, own, steps: Vec::new(), seen: &events[..=at] };
        if !step.condition.as_ref().is_none_or(|condition| scope.value(condition).holds()) {
            streak = None;
            continue;
        }
        let goes_on = |streak: &Streak| {
            held.gap.as_ref().is_none_or(|gap| time(event).saturating_sub(time(streak.latest)) <= gap.node.ms)
        };
        let unbroken = streak.filter(goes_on).unwrap_or(Streak { first: event, latest: event, alerted: false });
        let fires = !unbroken.alerted && time(event).saturating_sub(time(unbroken.first)) >= held.duration.node.ms;
        if fires {
            found.push(Found { time_ms: time(event), events: first_and_last(step, unbroken.first, event) });
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
    let mut events = vec![(label(step, 0), first)];
    if last != first {
        events.push((label(step, 0), last));
    }
    events
}
