//! What the conditions of one rule saw for one key, for those who ask why there was an alert, or none. Kept only on
//! request: it grows with the input.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::eval::{self, Context};
use crate::event::{Event, EventId, Key, Position, Value};
use crate::program::{Condition, Rule, RuleId, StepGuard, StepId};
use crate::schema::TypeId;

/// A condition with what it came to, part by part. All parts are judged, also where the first decides.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Whether it holds.
    pub holds: bool,
    /// The parts of `and`, `or` and `not`, in order.
    pub parts: Vec<Traced>,
    /// The values of a comparison's sides, or of what is tested; of `and`, `or` and `not` there are none.
    pub values: Vec<Value>,
}

/// Which condition of a rule was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// That of a step, slot or side.
    Step(StepId),
    /// That of the final `then no`.
    Absence,
    /// That of an `unless`, by its place.
    Unless(usize),
    /// That of a session, at its close.
    Close,
}

/// An event that was judged.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its type.
    pub type_id: TypeId,
    /// Its time in ms.
    pub time_ms: i64,
    /// Where it was read.
    pub position: Position,
    /// Its own id.
    pub id: Option<EventId>,
    /// Its number among all events judged.
    pub arrival: u64,
}

/// One judgement of an event by a condition.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The condition.
    pub place: Place,
    /// The event; of a session that closes its last one.
    pub event: Seen,
    /// The number of the first event of the run, of the session, or of the partner in a pair; none where the event is to
    /// start a run.
    pub run: Option<u64>,
    /// Whether the run's time had passed already: the event was judged for the trace only.
    pub late: bool,
    /// Whether all of it holds.
    pub fits: bool,
    /// The condition; none where the place has none.
    pub condition: Option<Traced>,
    /// The conditions on several slots that could be judged, by their place among the slot's links.
    pub links: Vec<(usize, Traced)>,
}

/// The judgements of one rule for one key.
#[derive(Debug)]
pub(super) struct Trace {
    rule: RuleId,
    key: Key,
    judged: Mutex<Vec<Judged>>,
}

impl Traced {
    /// Judges all parts of a condition.
    pub(super) fn of(condition: &Condition, context: Context<'_>) -> Traced {
        let all = |parts: &[Condition]| parts.iter().map(|part| Traced::of(part, context)).collect();
        let (parts, operands): (Vec<Traced>, Vec<_>) = match condition {
            Condition::All(parts) | Condition::Any(parts) => (all(parts), Vec::new()),
            Condition::Not(part) => (vec![Traced::of(part, context)], Vec::new()),
            Condition::Shared(_, inner) => return Traced::of(inner, context),
            Condition::Compare(_, left, right) => (Vec::new(), vec![left, right]),
            Condition::In { operand, .. }
            | Condition::InList { operand, .. }
            | Condition::IsMissing(operand)
            | Condition::IsTrue(operand)
            | Condition::IsNew(_, operand) => (Vec::new(), vec![operand]),
        };
        let values = operands.into_iter().map(|operand| eval::value(operand, context).into_owned()).collect();
        Traced { holds: eval::holds(condition, context), parts, values }
    }
}

impl Trace {
    pub(super) fn new(rule: RuleId, key: Key) -> Trace {
        Trace { rule, key, judged: Mutex::default() }
    }

    /// The rule that it is about, if it is about this key.
    pub(super) fn rule_of(&self, key: &[u8]) -> Option<RuleId> {
        (self.key.as_bytes() == key).then_some(self.rule)
    }

    /// Whether it is about this rule and key.
    pub(super) fn is_of(&self, rule: RuleId, key: &[u8]) -> bool {
        self.rule == rule && self.key.as_bytes() == key
    }

    pub(super) fn add(&self, judged: Judged) {
        self.lock().push(judged);
    }

    pub(super) fn judged(&self) -> Vec<Judged> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Judged>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    pub(super) fn of(event: &Event, arrival: u64) -> Seen {
        Seen {
            type_id: event.type_id.expect("only typed events are judged"),
            time_ms: event.time_ms,
            position: event.position,
            id: event.id.clone(),
            arrival,
        }
    }
}

/// Which condition of a rule these guards are.
pub(super) fn place_of(rule: &Rule, guards: &[StepGuard]) -> Option<Place> {
    let is = |other: &[StepGuard]| std::ptr::eq(other, guards);
    let step = (0..).map(StepId).zip(&rule.steps).find(|(_, step)| is(&step.guards)).map(|(id, _)| Place::Step(id));
    let unless = || rule.unless.iter().position(|unless| is(&unless.guards)).map(Place::Unless);
    let absence = || rule.absence.as_ref().filter(|absence| is(&absence.guards)).map(|_| Place::Absence);
    step.or_else(unless).or_else(absence)
}

/// What is asked of an engine, shared with what it is judging at the moment.
pub(super) type Asked = Option<Arc<Trace>>;
