//! `all of`: runs whose steps, the slots, are taken in any order.
//!
//! A run takes an event in the first slot, in the order of writing, that is still free and whose conditions hold. A
//! condition that names other slots is judged when the last of them is bound. All else is as in sequences, `nfa`.

use crate::engine::eval;
use crate::engine::nfa::{Offer, Progress};
use crate::engine::runs::{Run, Trail};
use crate::engine::trace::{Place, Traced};
use crate::program::{Link, Rule, StepId};

/// The slot in which an event starts a run.
pub(super) fn first_slot(offer: &Offer<'_>) -> Option<StepId> {
    slots(offer.rule).find(|slot| offer.fits(&offer.rule.steps[slot.index()].guards, None))
}

/// The slot in which a run takes an event.
pub(super) fn next_slot(offer: &Offer<'_>, trail: Trail<'_>) -> Option<StepId> {
    let is_free = |slot: &StepId| trail.last_of(*slot).is_none();
    slots(offer.rule).filter(is_free).find(|slot| fits(offer, *slot, trail))
}

/// Lets a slot of a run take an event.
pub(super) fn bind(rule: &Rule, run: &mut Run, made: &[u8]) -> Progress {
    run.own.insert(made);
    if run.trail(None).all().count() == rule.steps.len() { Progress::Complete } else { Progress::Moving }
}

/// Whether the conditions hold that can be judged once the slot is bound.
pub(super) fn fits(offer: &Offer<'_>, slot: StepId, trail: Trail<'_>) -> bool {
    let step = &offer.rule.steps[slot.index()];
    let Some(guard) = step.guards.iter().position(|guard| Some(guard.type_id) == offer.event.type_id) else {
        return false;
    };
    let context = offer.context(Some(trail));
    let ready = |link: &&Link| link.others.iter().all(|other| trail.last_of(*other).is_some());
    if offer.is_traced() {
        let condition = step.guards[guard].condition.as_ref().map(|condition| Traced::of(condition, context));
        let links = step.links.iter().enumerate().filter(|(_, link)| ready(link));
        let links = links.map(|(at, link)| (at, Traced::of(&link.conditions[guard], context))).collect();
        offer.write_down(Place::Step(slot), Some(trail), false, condition, links);
    }
    step.guards[guard].condition.as_ref().is_none_or(|condition| eval::holds(condition, context))
        && step.links.iter().filter(ready).all(|link| eval::holds(&link.conditions[guard], context))
}

fn slots(rule: &Rule) -> impl Iterator<Item = StepId> + use<> {
    (0..).map(StepId).take(rule.steps.len())
}
