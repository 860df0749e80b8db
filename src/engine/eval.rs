//! Conditions and values. Slots were resolved when the rule was compiled; a lookup here is an index.

use std::borrow::Cow;

use hashbrown::HashSet;
use smallvec::SmallVec;

use crate::engine::compare;
use crate::engine::runs::{Taken, Trail};
use crate::event::{Event, KeyBuilder, Value};
use crate::program::{Aggregate, Arithmetic, CaptureId, Condition, Expr, StepId};

/// What an expression can see.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The event at hand; none in a message.
    pub(super) event: Option<&'a Event>,
    /// What the run has taken so far; none where there is no run yet.
    pub(super) trail: Option<Trail<'a>>,
    /// The parts of the key; only messages read them.
    pub(super) key: &'a [Value],
}

impl<'a> Context<'a> {
    fn taken(&self, step: StepId) -> Option<&'a Taken> {
        self.trail.and_then(|trail| trail.last_of(step))
    }
}

static MISSING: Value = Value::Missing;

/// Whether a condition holds.
pub(super) fn holds(condition: &Condition, context: Context<'_>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, context)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, context)),
        Condition::Not(part) => !holds(part, context),
        Condition::Compare(comparison, left, right) => {
            compare::holds(*comparison, &value(left, context), &value(right, context))
        }
        Condition::In { operand, negated, values } => is_in(&value(operand, context), values, *negated),
        Condition::IsMissing(operand) => value(operand, context).is_missing(),
        Condition::IsTrue(operand) => matches!(*value(operand, context), Value::Boolean(true)),
    }
}

fn is_in(operand: &Value, values: &[Value], negated: bool) -> bool {
    !operand.is_missing() && values.iter().any(|value| compare::equal(operand, value) == Some(true)) != negated
}

/// The value of an expression.
pub(super) fn value<'a>(expr: &'a Expr, context: Context<'a>) -> Cow<'a, Value> {
    let owned = match expr {
        Expr::Constant(constant) => return Cow::Borrowed(constant),
        Expr::Field(slot) => {
            let field = context.event.and_then(|event| event.values.get(usize::from(*slot)));
            return Cow::Borrowed(field.unwrap_or(&MISSING));
        }
        Expr::Captured(step, capture) => {
            let taken = context.taken(*step);
            return Cow::Borrowed(taken.map_or(&MISSING, |taken| &taken.values[capture.index()]));
        }
        Expr::Key(part) => return Cow::Borrowed(context.key.get(usize::from(*part)).unwrap_or(&MISSING)),
        Expr::Time => context.event.map_or(Value::Missing, |event| Value::Time(event.time_ms)),
        Expr::CapturedTime(step) => context.taken(*step).map_or(Value::Missing, |taken| Value::Time(taken.time_ms)),
        Expr::StepAggregate(aggregate, step, capture) => step_aggregate(*aggregate, *step, *capture, context),
        Expr::Arithmetic(operation, operands) => {
            arithmetic(*operation, &value(&operands.0, context), &value(&operands.1, context))
        }
        Expr::Negate(operand) => negate(&value(operand, context)),
        Expr::Call(function, args) => {
            let args: SmallVec<[Cow<'_, Value>; 4]> = args.iter().map(|arg| value(arg, context)).collect();
            let args: SmallVec<[&Value; 4]> = args.iter().map(AsRef::as_ref).collect();
            (function.call)(&args)
        }
        Expr::Condition(condition) => Value::Boolean(holds(condition, context)),
    };
    Cow::Owned(owned)
}

/// Arithmetic of two values: integers stay integers, except that a quotient is always a number; times and lengths of
/// time are whole ms.
fn arithmetic(operation: Arithmetic, left: &Value, right: &Value) -> Value {
    match (left, right) {
        _ if operation == Arithmetic::Divide => both_numbers(operation, left, right),
        (Value::Integer(a), Value::Integer(b)) | (Value::Time(a), Value::Time(b)) => {
            integers(operation, *a, *b).map_or(Value::Missing, Value::Integer)
        }
        (Value::Time(a), Value::Integer(b)) => integers(operation, *a, *b).map_or(Value::Missing, Value::Time),
        _ => both_numbers(operation, left, right),
    }
}

fn both_numbers(operation: Arithmetic, left: &Value, right: &Value) -> Value {
    match (number(left), number(right)) {
        (Some(a), Some(b)) => numbers(operation, a, b),
        _ => Value::Missing,
    }
}

fn integers(operation: Arithmetic, a: i64, b: i64) -> Option<i64> {
    match operation {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => None,
    }
}

fn numbers(operation: Arithmetic, a: f64, b: f64) -> Value {
    Value::number(match operation {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
    })
}

/// A number from a number or integer.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(i) => Some(*i as f64),
        Value::Number(n) => Some(*n),
        _ => None,
    }
}

fn negate(value: &Value) -> Value {
    match value {
        Value::Integer(i) => i.checked_neg().map_or(Value::Missing, Value::Integer),
        Value::Number(n) => Value::Number(-n),
        _ => Value::Missing,
    }
}

/// An aggregate over the events that a repeated step has taken.
fn step_aggregate(aggregate: Aggregate, step: StepId, capture: Option<CaptureId>, context: Context<'_>) -> Value {
    let Some(trail) = context.trail else { return empty(aggregate) };
    let field = |taken: &Taken| capture.map_or(Value::Missing, |capture| taken.values[capture.index()].clone());
    // Missing values are skipped, by `first` and `last` too.
    let mut values = trail.of(step).map(field).filter(|value| !value.is_missing());
    match aggregate {
        Aggregate::Count => integer(trail.count_of(step)),
        Aggregate::First => values.next().unwrap_or_default(),
        Aggregate::Last => values.next_back().unwrap_or_default(),
        Aggregate::Minimum => values.min_by(ordered).unwrap_or_default(),
        Aggregate::Maximum => values.max_by(ordered).unwrap_or_default(),
        Aggregate::Sum => Total::of(values).sum(),
        Aggregate::Average => Total::of(values).average(),
        Aggregate::Distinct => integer(distinct(values)),
    }
}

fn empty(aggregate: Aggregate) -> Value {
    match aggregate {
        Aggregate::Count | Aggregate::Distinct => Value::Integer(0),
        _ => Value::Missing,
    }
}

/// A sum of integers is exact, and missing only if the result is out of range. A sum of numbers is compensated
/// (Neumaier 1974), so that it does not drift.
#[derive(Default)]
struct Total {
    count: u32,
    integers: i128,
    numbers: f64,
    lost: f64,
    is_whole: bool,
}

impl Total {
    fn of(values: impl Iterator<Item = Value>) -> Total {
        values.fold(Total { is_whole: true, ..Total::default() }, |mut total, value| {
            total.count += 1;
            match value {
                Value::Integer(i) => total.integers += i128::from(i),
                value => total.add(number(&value).unwrap_or_default()),
            }
            total
        })
    }

    fn add(&mut self, n: f64) {
        self.is_whole = false;
        let sum = self.numbers + n;
        self.lost += if self.numbers.abs() >= n.abs() { (self.numbers - sum) + n } else { (n - sum) + self.numbers };
        self.numbers = sum;
    }

    fn sum(&self) -> Value {
        match self.count {
            0 => Value::Missing,
            _ if self.is_whole => i64::try_from(self.integers).map_or(Value::Missing, Value::Integer),
            _ => Value::number(self.total()),
        }
    }

    fn average(&self) -> Value {
        numbers(Arithmetic::Divide, self.total(), f64::from(self.count))
    }

    fn total(&self) -> f64 {
        self.integers as f64 + self.numbers + self.lost
    }
}

/// Points and lists, which make no key, were refused when the rule was checked.
fn distinct(values: impl Iterator<Item = Value>) -> usize {
    let mut builder = KeyBuilder::default();
    let mut seen = HashSet::new();
    for value in values {
        builder.clear();
        if builder.push(&value) {
            seen.insert(builder.key());
        }
    }
    seen.len()
}

fn ordered(a: &Value, b: &Value) -> std::cmp::Ordering {
    compare::order(a, b).unwrap_or(std::cmp::Ordering::Equal)
}

fn integer(count: usize) -> Value {
    i64::try_from(count).map_or(Value::Missing, Value::Integer)
}
