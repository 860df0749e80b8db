//! What all patterns have in common: whether an event fits a step, and what steps are called.

use serde_json::Value as Json;

use super::expression::{Scope, StepEvents};
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{Expr, Name, Step, Unless};

/// A match, before suppression.
pub(super) struct Found {
    pub(super) trigger: Trigger,
    /// In order, each with its step's label.
    pub(super) events: Vec<(String, usize)>,
    pub(super) values: Vec<(String, Json)>,
}

impl Found {
    pub(super) fn new(trigger: Trigger, events: Vec<(String, usize)>) -> Found {
        Found { trigger, events, values: Vec::new() }
    }
}

/// What an event does to a run.
pub(super) enum Outcome {
    /// The run goes on, with the event or without it.
    Open,
    /// The run is over, without an alert.
    Ended,
    /// The run has its last event, and there is no `then no`.
    Completed,
}

/// An event that is tried: the last one of this key's events so far, in order.
#[derive(Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) seen: &'a [usize],
}

impl Tried<'_> {
    pub(super) fn event(&self) -> usize {
        *self.seen.last().expect("an event is tried")
    }

    /// Whether the event is of one of the types and fulfils the condition. "`X or Y` in a step: either type. `where`
    /// follows all the types of a step and holds for each."
    pub(super) fn fits(
        &self,
        types: &[Name],
        name: Option<&Name>,
        condition: Option<&Expr>,
        steps: Vec<StepEvents>,
    ) -> bool {
        if !self.world.is_of(types, self.event()) {
            return false;
        }
        let scope = Scope { own: called(types, name), steps, ..Scope::of(self.world, self.event(), self.seen) };
        condition.is_none_or(|condition| scope.value(condition).holds())
    }

    /// "`unless X x where c`: such an event after the start ends the run, also while a final `then no` waits."
    pub(super) fn fits_unless(&self, all: &[Unless], steps: &[StepEvents]) -> bool {
        all.iter()
            .any(|unless| self.fits(&unless.types, unless.name.as_ref(), unless.condition.as_ref(), steps.to_vec()))
    }
}

/// A step's name, or its number from 1.
pub(super) fn label(name: Option<&Name>, index: usize) -> String {
    name.map_or_else(|| (index + 1).to_string(), |name| name.node.clone())
}

/// What a step is called in expressions: "a step without a name goes by its type" (section 2).
pub(super) fn called<'a>(types: &'a [Name], name: Option<&'a Name>) -> Option<&'a str> {
    match (name, types) {
        (Some(name), _) | (None, [name]) => Some(&name.node),
        (None, _) => None,
    }
}

/// What a step of a pattern is called in expressions.
pub(super) fn step_called(step: &Step) -> Option<&str> {
    called(&step.types, step.name.as_ref())
}
