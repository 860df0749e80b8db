//! By which part of its condition something is found: the one that leaves out most.

use hashbrown::HashMap;

use crate::event::{Key, Value};
use crate::program::shared::identity;
use crate::program::table::key_of;
use crate::program::{Comparison, Condition, Expr};

/// A way to find something: all events that fulfil its condition fulfil one of these.
#[derive(Debug)]
pub(super) struct Way<'a>(pub(super) Vec<Atom<'a>>);

/// A part of a condition that the event alone decides. A subject goes by its number.
#[derive(Debug)]
pub(super) enum Atom<'a> {
    Equal(usize, Vec<&'a Value>),
    Bound(usize, Comparison, &'a Value),
    Holds(&'a Condition),
}

/// What conditions ask for, each once.
#[derive(Default)]
pub(super) struct Subjects<'a> {
    by_text: HashMap<String, usize>,
    pub(super) all: Vec<&'a Expr>,
}

impl<'a> Subjects<'a> {
    fn number(&mut self, subject: &'a Expr) -> usize {
        let next = self.all.len();
        let number = *self.by_text.entry(identity(subject)).or_insert(next);
        if number == next {
            self.all.push(subject);
        }
        number
    }
}

/// The ways to find what has a condition; none where the event alone decides no part of it.
pub(super) fn ways_of<'a>(condition: &'a Condition, subjects: &mut Subjects<'a>) -> Vec<Way<'a>> {
    if let Condition::All(parts) = condition {
        return parts.iter().flat_map(|part| ways_of(part, subjects)).collect();
    }
    let found = by_value(condition, subjects);
    let judged = || condition.is_of_event().then(|| Way(vec![Atom::Holds(condition)]));
    found.or_else(judged).into_iter().collect()
}

/// The way to find what has a condition by its values, if there is one.
fn by_value<'a>(condition: &'a Condition, subjects: &mut Subjects<'a>) -> Option<Way<'a>> {
    match condition {
        Condition::Shared(_, inner) => by_value(inner, subjects),
        // One part must hold, so each of them must be found.
        Condition::Any(parts) => {
            let ways: Option<Vec<Way<'_>>> = parts.iter().map(|part| by_value(part, subjects)).collect();
            Some(Way(ways?.into_iter().flat_map(|way| way.0).collect()))
        }
        Condition::All(parts) => parts.iter().find_map(|part| by_value(part, subjects)),
        Condition::Compare(comparison, subject, Expr::Constant(constant)) => {
            compared(*comparison, subject, constant, subjects)
        }
        Condition::Compare(comparison, Expr::Constant(constant), subject) => {
            compared(comparison.mirrored(), subject, constant, subjects)
        }
        Condition::In { operand, negated: false, values } => {
            let can_be_found = operand.is_of_event() && values.iter().all(|value| key_of(value).is_some());
            let atom = can_be_found.then(|| Atom::Equal(subjects.number(operand), values.iter().collect()))?;
            Some(Way(vec![atom]))
        }
        _ => None,
    }
}

fn compared<'a>(
    comparison: Comparison,
    subject: &'a Expr,
    constant: &'a Value,
    subjects: &mut Subjects<'a>,
) -> Option<Way<'a>> {
    if !subject.is_of_event() || key_of(constant).is_none() {
        return None;
    }
    let atom = match comparison {
        // Two values are few: such an index leaves out no more than a condition does, which is cheaper.
        Comparison::Is if matches!(constant, Value::Boolean(_)) => return None,
        Comparison::Is => Atom::Equal(subjects.number(subject), vec![constant]),
        Comparison::IsNot => return None,
        _ => Atom::Bound(subjects.number(subject), comparison, constant),
    };
    Some(Way(vec![atom]))
}

/// How many stand at the same place, which says how much a way leaves out.
#[derive(Default)]
pub(super) struct Crowds {
    equal: HashMap<(usize, Key), usize>,
    bounds: HashMap<usize, usize>,
}

impl Crowds {
    pub(super) fn of<'w>(ways: impl Iterator<Item = &'w Way<'w>>) -> Crowds {
        let mut crowds = Crowds::default();
        for atom in ways.flat_map(|way| &way.0) {
            match atom {
                Atom::Equal(subject, values) => {
                    for key in values.iter().filter_map(|value| key_of(value)) {
                        *crowds.equal.entry((*subject, key)).or_default() += 1;
                    }
                }
                Atom::Bound(subject, ..) => *crowds.bounds.entry(*subject).or_default() += 1,
                Atom::Holds(_) => {}
            }
        }
        crowds
    }

    /// How many are found together, about. A condition comes last: each different one is judged at every event.
    pub(super) fn cost(&self, way: &Way<'_>) -> (bool, usize, bool) {
        let judged = way.0.iter().any(|atom| matches!(atom, Atom::Holds(_)));
        let bound = way.0.iter().any(|atom| matches!(atom, Atom::Bound(..)));
        let crowd = |atom: &Atom<'_>| match atom {
            Atom::Equal(subject, values) => {
                let keys = values.iter().filter_map(|value| key_of(value));
                keys.filter_map(|key| self.equal.get(&(*subject, key))).copied().max().unwrap_or(0)
            }
            // Of all bounds on one thing a value fulfils half, if nothing is known of it.
            Atom::Bound(subject, ..) => self.bounds.get(subject).map_or(0, |bounds| bounds.div_ceil(2)),
            Atom::Holds(_) => 0,
        };
        (judged, way.0.iter().map(crowd).sum(), bound)
    }
}
