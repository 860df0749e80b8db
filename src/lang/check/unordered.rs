//! `all of` and `each pair of`: conditions on several events that come in any order.
//!
//! A condition is split at its top-level `and`s. A part that names no other slot is the slot's own; a part that does is
//! judged when the last of the slots that it names is bound, whichever that is, so it is compiled once for each.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::lang::ast::{EachPair, Expr, ExprKind, Name};
use crate::lang::check::rule::{Builder, DraftStep};
use crate::lang::check::scope::{AtHand, Bare};
use crate::lang::check::steps::Found;
use crate::lang::walk;
use crate::program::{Condition, Link, StepId};

/// A part of a condition with an event of a slot at hand: what it says for each of the slot's types, and the other
/// slots that it names.
struct Part {
    conditions: Vec<Condition>,
    named: BTreeSet<usize>,
}

impl Builder<'_> {
    /// The slots of `all of`.
    pub(super) fn compile_slots(&mut self) -> Vec<DraftStep> {
        let sequence = Arc::clone(&self.sequence);
        let mut drafts: Vec<DraftStep> = self.drafts();
        for (slot, written) in sequence.steps.iter().enumerate() {
            for part in written.condition.iter().flat_map(walk::conjuncts) {
                let own = self.compile_part(part, slot, None);
                if own.named.is_empty() {
                    own.add_to(&mut drafts[slot]);
                    continue;
                }
                let involved: BTreeSet<usize> = own.named.iter().copied().chain([slot]).collect();
                for last in &own.named {
                    let compiled = self.compile_part(part, *last, Some(Bare::Step(slot)));
                    drafts[*last].links.push(compiled.link(*last, &involved));
                }
                drafts[slot].links.push(own.link(slot, &involved));
            }
        }
        drafts
    }

    /// The sides of `each pair of`.
    pub(super) fn compile_pair(&mut self, pair: &EachPair) -> Vec<DraftStep> {
        let mut drafts = self.drafts();
        for part in pair.condition.iter().flat_map(walk::conjuncts) {
            let involved = BTreeSet::from([0, 1]);
            match self.only_side(part) {
                Some(side) => self.compile_part(part, side, Some(Bare::Refused)).add_to(&mut drafts[side]),
                None => {
                    for side in [0, 1] {
                        let compiled = self.compile_part(part, side, Some(Bare::Refused));
                        drafts[side].links.push(compiled.link(side, &involved));
                    }
                }
            }
        }
        drafts
    }

    /// The side that a part of a pair's condition is about, if it is one: then it is judged when that side's event
    /// comes. A window is as of the later event, whichever that is.
    fn only_side(&self, part: &Expr) -> Option<usize> {
        if walk::any(part, &|kind| matches!(kind, ExprKind::Call(call) if call.window.is_some())) {
            return None;
        }
        let side = |name: &&Name| match self.steps.find(&name.node, &self.checker.schema) {
            Found::Step(side) => Some(side),
            Found::Ambiguous | Found::Nothing => None,
        };
        let sides: Option<BTreeSet<usize>> = walk::first_names(part).iter().map(side).collect();
        sides.filter(|sides| sides.len() == 1)?.pop_first()
    }

    fn drafts(&self) -> Vec<DraftStep> {
        let draft = |types: usize| DraftStep { conditions: vec![None; types], ..DraftStep::default() };
        self.steps.0.iter().map(|step| draft(step.types.len())).collect()
    }

    /// A part of a condition, for the events of a slot.
    fn compile_part(&mut self, part: &Expr, slot: usize, bare: Option<Bare>) -> Part {
        let bound = self.steps.0.len();
        let mut compiled = Part { conditions: Vec::new(), named: BTreeSet::new() };
        for type_id in self.steps.0[slot].types.clone() {
            let mut scope = self.scope(Some(AtHand { type_id, step: Some(slot), name: None }), bound);
            scope.bare = bare;
            compiled.conditions.push(scope.condition(part));
            compiled.named.append(&mut scope.named);
        }
        compiled.named.remove(&slot);
        compiled
    }
}

impl Part {
    /// Adds it to a slot's own condition.
    fn add_to(self, draft: &mut DraftStep) {
        for (own, part) in draft.conditions.iter_mut().zip(self.conditions) {
            match own {
                Some(Condition::All(parts)) => parts.push(part),
                own => *own = Some(Condition::All(own.take().into_iter().chain([part]).collect())),
            }
        }
    }

    /// It is judged when this slot is bound last.
    fn link(self, last: usize, involved: &BTreeSet<usize>) -> Link {
        let others = involved.iter().filter(|slot| **slot != last);
        let id = |slot: &usize| StepId(u8::try_from(*slot).expect("steps are limited"));
        Link { others: others.map(id).collect(), conditions: self.conditions }
    }
}
