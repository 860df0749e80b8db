//! Conditions that several places ask of the same event are judged once an event.
//!
//! What is shared are the parts of an `and` that depend on the event alone and are written alike: of a thousand rules
//! that begin with `amount > 100 and …` the first that is judged finds out, and the others are told. A part that stands
//! at one place only, where it is asked once an event, stays as it is: to remember it costs as much as to judge it.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::event::Value;
use crate::program::{Condition, PredicateId, Program, Rule, StepGuard, Strategy};
use crate::schema::TypeId;

/// A part of a condition where it stands.
struct Place<'a> {
    type_id: TypeId,
    /// Whether several open matches of a key ask it of one event.
    repeated: bool,
    part: &'a mut Condition,
}

impl Program {
    /// Finds the conditions that are asked at several places.
    pub(crate) fn share_conditions(&mut self) {
        let mut places = Vec::new();
        self.rules.iter_mut().for_each(|rule| places_of(rule, &mut places));
        for measure in &mut self.measures {
            let guards = measure.guards.iter_mut().map(|guard| (guard.type_id, &mut guard.condition));
            let inputs = measure.folds.iter_mut().flat_map(|fold| &mut fold.inputs);
            let inputs = inputs.map(|input| (input.type_id, &mut input.condition));
            for (type_id, condition) in guards.chain(inputs) {
                add(&mut places, type_id, false, condition);
            }
        }
        self.predicates = number(places);
    }
}

fn places_of<'a>(rule: &'a mut Rule, places: &mut Vec<Place<'a>>) {
    let sequence = matches!(rule.strategy, Strategy::SequenceNfa);
    let runs = sequence || matches!(rule.strategy, Strategy::AllOf);
    for (at, step) in rule.steps.iter_mut().enumerate() {
        // Only what begins a run and never goes on with it is asked once an event.
        let repeated = runs && !(sequence && at == 0 && step.count == 1 && !step.or_more);
        add_guards(places, repeated, &mut step.guards);
    }
    let ends = rule.unless.iter_mut().map(|unless| &mut unless.guards);
    for guards in ends.chain(rule.absence.iter_mut().map(|absence| &mut absence.guards)) {
        add_guards(places, true, guards);
    }
}

fn add_guards<'a>(places: &mut Vec<Place<'a>>, repeated: bool, guards: &'a mut [StepGuard]) {
    for guard in guards {
        add(places, guard.type_id, repeated, &mut guard.condition);
    }
}

fn add<'a>(places: &mut Vec<Place<'a>>, type_id: TypeId, repeated: bool, condition: &'a mut Option<Condition>) {
    let parts = match condition {
        Some(Condition::All(parts)) => parts.as_mut_slice(),
        Some(part) => std::slice::from_mut(part),
        None => &mut [],
    };
    let parts = parts.iter_mut().filter(|part| part.is_of_event());
    places.extend(parts.map(|part| Place { type_id, repeated, part }));
}

/// What is written alike gets one number and is kept once. Gives how many numbers there are.
fn number(places: Vec<Place<'_>>) -> usize {
    let mut same: HashMap<(TypeId, String), Vec<Place<'_>>> = HashMap::new();
    let mut order = Vec::new();
    for place in places {
        let identity = (place.type_id, identity(place.part));
        let alike = same.entry(identity.clone()).or_insert_with(|| {
            order.push(identity);
            Vec::new()
        });
        alike.push(place);
    }
    let mut next = 0;
    for identity in order {
        let alike = same.remove(&identity).expect("each stands in the order once");
        if alike.len() == 1 && !alike[0].repeated {
            continue;
        }
        let id = PredicateId(next);
        next += 1;
        share(id, alike);
    }
    next as usize
}

fn share(id: PredicateId, alike: Vec<Place<'_>>) {
    let mut shared: Option<Arc<Condition>> = None;
    for Place { part, .. } in alike {
        let own = std::mem::replace(part, Condition::IsTrue(crate::program::Expr::Constant(Value::Missing)));
        let condition = shared.get_or_insert_with(|| Arc::new(own));
        *part = Condition::Shared(id, Arc::clone(condition));
    }
}

/// What tells conditions on the events of one type apart: all that they are made of. A function is what its name says,
/// and the constants that it was prepared with are among its arguments.
pub(super) fn identity(of: &impl std::fmt::Debug) -> String {
    format!("{of:?}")
}
