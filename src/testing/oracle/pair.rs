//! `each pair of`: every combination of two events (section 3 of the language's definition).

use super::expression::{Scope, StepEvents};
use super::step::{Found, called, label};
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{EachPair, Name, Rule};

/// A side: its types, and its name.
type Side = (Vec<Name>, Option<Name>);

/// "Every combination at most W apart, either order", at the later event: it is x with all earlier y, the oldest first,
/// and then y with all earlier x. An event is never paired with itself.
pub(super) fn matches(world: &World, rule: &Rule, pair: &EachPair, events: &[usize]) -> Vec<Found> {
    let sides = [&pair.left, &pair.right];
    let mut found = Vec::new();
    for (at, &event) in events.iter().enumerate() {
        for own in [0, 1] {
            let (own_side, other_side) = (sides[own], sides[1 - own]);
            for &earlier in events[..at].iter().filter(|&&earlier| is_of(world, other_side, earlier)) {
                let apart = world.time(event).saturating_sub(world.time(earlier));
                let near = rule.within.as_ref().is_none_or(|within| apart <= within.node.ms);
                if !near || !is_of(world, own_side, event) {
                    continue;
                }
                let scope = Scope {
                    steps: [bound(own_side, &event), bound(other_side, &earlier)].into_iter().flatten().collect(),
                    ..Scope::of(world, event, &events[..=at])
                };
                if pair.condition.as_ref().is_none_or(|condition| scope.value(condition).holds()) {
                    let matched = vec![
                        (label(other_side.1.as_ref(), 1 - own), earlier),
                        (label(own_side.1.as_ref(), own), event),
                    ];
                    found.push(Found::new(Trigger::Occurrence(event), matched));
                }
            }
        }
    }
    found
}

fn is_of(world: &World, side: &Side, event: usize) -> bool {
    world.is_of(&side.0, event)
}

/// A side without a name goes by its type, if it has one.
fn bound<'a>(side: &'a Side, event: &'a usize) -> Option<StepEvents<'a>> {
    let name = called(&side.0, side.1.as_ref())?;
    Some(StepEvents::single(name, std::slice::from_ref(event)))
}
