//! `all of`: one of each slot, in any order (section 3 of the language's definition).

use super::expression::{Scope, StepEvents};
use super::names;
use super::step::{Found, Outcome, Tried, label, step_called};
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{AllOf, Expr, ExprKind, InSet, Rule};

/// The completed runs over a key's events, in the order in which they complete.
pub(super) fn matches(world: &World, rule: &Rule, all: &AllOf, events: &[usize]) -> Vec<Found> {
    let mut key = Key { world, rule, all, runs: Vec::new(), found: Vec::new() };
    for at in 0..events.len() {
        let tried = Tried { world, seen: &events[..=at] };
        key.drop_expired(world.time(tried.event()));
        key.offer(&tried);
    }
    key.found
}

/// The event of each slot that is bound.
#[derive(Clone)]
struct Run {
    bound: Vec<Option<usize>>,
}

impl Run {
    fn first(&self) -> usize {
        self.bound.iter().flatten().copied().min().expect("a run has an event")
    }

    fn with(&self, slot: usize, event: usize) -> Run {
        let mut run = self.clone();
        run.bound[slot] = Some(event);
        run
    }
}

/// The state of one rule and key.
struct Key<'a> {
    world: &'a World<'a>,
    rule: &'a Rule,
    all: &'a AllOf,
    /// The open runs, the one that started first at the front.
    runs: Vec<Run>,
    found: Vec<Found>,
}

impl Key<'_> {
    /// "Every event that fits a slot may start a run, the oldest run completes first." It is offered to the open runs,
    /// and then may start a run, except where a rule without `every` just completed.
    fn offer(&mut self, tried: &Tried) {
        let mut open = Vec::new();
        for mut run in std::mem::take(&mut self.runs) {
            match self.offer_to(&mut run, tried) {
                Outcome::Open => open.push(run),
                Outcome::Ended => {}
                Outcome::Completed => {
                    let events = self.labelled(&run);
                    self.found.push(Found::new(Trigger::Occurrence(tried.event()), events));
                    // "When a run completes, all open runs of this rule and key are dropped, and the completing event
                    // starts none."
                    if !self.all.every {
                        return;
                    }
                }
            }
        }
        self.runs = open;
        let nothing = Run { bound: vec![None; self.all.slots.len()] };
        if let Some(slot) = self.slot_for(&nothing, tried)
            && self.world.make_room(&mut self.runs)
        {
            self.runs.push(nothing.with(slot, tried.event()));
        }
    }

    /// "A run's steps are tried before `unless`."
    fn offer_to(&self, run: &mut Run, tried: &Tried) -> Outcome {
        let Some(slot) = self.slot_for(run, tried) else {
            let unless = tried.fits_unless(&self.rule.unless, &self.steps(run, None));
            return if unless { Outcome::Ended } else { Outcome::Open };
        };
        *run = run.with(slot, tried.event());
        if run.bound.iter().all(Option::is_some) { Outcome::Completed } else { Outcome::Open }
    }

    /// The first slot, in the order of writing, that is not bound and that the event fits.
    fn slot_for(&self, run: &Run, tried: &Tried) -> Option<usize> {
        let mut slots = 0..self.all.slots.len();
        slots.find(|&slot| run.bound[slot].is_none() && self.fits(run, slot, tried))
    }

    /// "A condition that names another slot is judged when that slot is bound": each part of a slot's condition when
    /// the last of the slots that it is about is bound. So parts of slots that are bound already are judged here too.
    fn fits(&self, run: &Run, slot: usize, tried: &Tried) -> bool {
        if !self.world.is_of(&self.all.slots[slot].types, tried.event()) {
            return false;
        }
        let run = run.with(slot, tried.event());
        let about_slot = |&(owner, part): &(usize, &Expr)| {
            let about = self.about(owner, part);
            about.contains(&slot) && about.iter().all(|&slot| run.bound[slot].is_some())
        };
        let slots = self.all.slots.iter().enumerate();
        let parts =
            slots.flat_map(|(owner, slot)| slot.condition.iter().flat_map(parts).map(move |part| (owner, part)));
        let mut judged = parts.filter(about_slot);
        judged.all(|(owner, part)| {
            // "A bare field" of a part is one of its own slot's event; a window is as of the event at hand.
            let event = run.bound[owner].expect("the part's own slot is bound");
            let scope = Scope {
                own: step_called(&self.all.slots[owner]),
                now: tried.event(),
                steps: self.steps(&run, Some(owner)),
                ..Scope::of(self.world, event, tried.seen)
            };
            scope.value(part).holds()
        })
    }

    /// The slots that a part is about: its own and those that it names.
    fn about(&self, owner: usize, part: &Expr) -> Vec<usize> {
        let mut named = Vec::new();
        named_steps(part, &mut named);
        let is_named = |slot: usize| step_called(&self.all.slots[slot]).is_some_and(|called| named.contains(&called));
        (0..self.all.slots.len()).filter(|&slot| slot == owner || is_named(slot)).collect()
    }

    /// The slots by their names, but for one. "The fields of a step not bound yet are missing."
    fn steps<'r>(&'r self, run: &'r Run, but: Option<usize>) -> Vec<StepEvents<'r>> {
        let slots = self.all.slots.iter().zip(&run.bound).enumerate().filter(|(slot, _)| Some(*slot) != but);
        let named =
            slots.filter_map(|(_, (slot, bound))| Some(StepEvents::single(step_called(slot)?, bound.as_slice())));
        named.collect()
    }

    /// "`within W`: time(last) - time(first) <= W, inclusive."
    fn drop_expired(&mut self, now: i64) {
        let Some(within) = &self.rule.within else { return };
        self.runs.retain(|run| now.saturating_sub(self.world.time(run.first())) <= within.node.ms);
    }

    /// "`events` in order" (section 6).
    fn labelled(&self, run: &Run) -> Vec<(String, usize)> {
        let slots = self.all.slots.iter().zip(&run.bound).enumerate();
        let labelled = slots.filter_map(|(at, (slot, bound))| Some((label(slot.name.as_ref(), at), (*bound)?)));
        let mut events: Vec<(String, usize)> = labelled.collect();
        events.sort_by_key(|(_, event)| *event);
        events
    }
}

/// The parts of a condition between its outer `and`s.
pub(super) fn parts(condition: &Expr) -> Vec<&Expr> {
    match &*condition.node {
        ExprKind::And(a, b) => parts(a).into_iter().chain(parts(b)).collect(),
        _ => vec![condition],
    }
}

/// The first names of all paths outside windows: where they are those of slots, slots are meant.
pub(super) fn named_steps<'a>(expr: &'a Expr, named: &mut Vec<&'a str>) {
    match &*expr.node {
        ExprKind::Path(path) => named.push(names(path)[0]),
        ExprKind::Call(call) if call.window.is_some() => {}
        ExprKind::Call(call) => call.args.iter().for_each(|argument| named_steps(argument, named)),
        ExprKind::Not(a)
        | ExprKind::Negate(a)
        | ExprKind::IsMissing { operand: a, .. }
        | ExprKind::IsNew { operand: a, .. }
        | ExprKind::In { operand: a, set: InSet::List(_), .. }
        | ExprKind::Lookup { key: a, .. } => named_steps(a, named),
        ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
            named_steps(a, named);
            named_steps(b, named);
        }
        ExprKind::In { operand, set: InSet::Values(values), .. } => {
            std::iter::once(operand).chain(values).for_each(|part| named_steps(part, named));
        }
        ExprKind::Number(..) | ExprKind::Text(_) | ExprKind::Boolean(_) => {}
    }
}
