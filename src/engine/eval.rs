//! Conditions and values. Slots were resolved when the rule was compiled; a lookup here is an index.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::engine::compare;
use crate::engine::fold::{Fold, number};
use crate::engine::lookups::Tables;
use crate::engine::memo::Memo;
use crate::engine::past::Past;
use crate::engine::record::Taken;
use crate::engine::runs::Trail;
use crate::event::{Event, Value};
use crate::program::{Aggregate, Arithmetic, CaptureId, Condition, Expr, StepId};

/// What an expression can see.
#[derive(Clone, Copy, Default)]
pub(super) struct Context<'a> {
    /// The event at hand; none in a message.
    pub(super) event: Option<&'a Event>,
    /// What the run has taken so far; none where there is no run yet.
    pub(super) trail: Option<Trail<'a>>,
    /// The parts of the key; only messages read them.
    pub(super) key: &'a [Value],
    /// The rows of the lists and tables, as they are now.
    pub(super) tables: Tables<'a>,
    /// The past of the key; none where nothing of it is read.
    pub(super) past: Option<Past<'a>>,
    /// What has been computed of the events of a session, or of a measure's window.
    pub(super) aggregates: &'a [Value],
    /// What the conditions that several places share have come to for the event at hand.
    pub(super) memo: Option<&'a Memo>,
}

impl<'a> Context<'a> {
    /// A context of nothing but an event, and of the lists and tables.
    pub(super) fn of_event(event: &'a Event, tables: Tables<'a>) -> Context<'a> {
        Context { event: Some(event), tables, ..Context::default() }
    }

    /// The same of the event that is being judged, which this memo is of.
    pub(super) fn of_judged(event: &'a Event, tables: Tables<'a>, memo: &'a Memo) -> Context<'a> {
        Context { memo: Some(memo), ..Context::of_event(event, tables) }
    }

    fn taken(&self, step: StepId) -> Option<Taken<'a>> {
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
        Condition::InList { operand, negated, list } => {
            let operand = value(operand, context);
            !operand.is_missing() && context.tables[list.index()].get(&operand).is_some() != *negated
        }
        Condition::IsMissing(operand) => value(operand, context).is_missing(),
        Condition::IsTrue(operand) => matches!(*value(operand, context), Value::Boolean(true)),
        Condition::IsNew(novelty, operand) => match (context.past, context.event) {
            (Some(past), Some(event)) => past.is_new(*novelty, &value(operand, context), event.time_ms),
            _ => false,
        },
        Condition::Shared(id, part) => match context.memo {
            Some(memo) => memo.recall(*id, || holds(part, context)),
            None => holds(part, context),
        },
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
            context.taken(*step).map_or(Value::Missing, |taken| taken.value(capture.index()))
        }
        Expr::Key(part) => return Cow::Borrowed(context.key.get(usize::from(*part)).unwrap_or(&MISSING)),
        Expr::Time => context.event.map_or(Value::Missing, |event| Value::Time(event.time_ms)),
        Expr::CapturedTime(step) => context.taken(*step).map_or(Value::Missing, |taken| Value::Time(taken.time_ms())),
        Expr::Window(window) => context.past.map_or(Value::Missing, |past| past.window(*window)),
        Expr::Aggregate(at) => return Cow::Borrowed(context.aggregates.get(usize::from(*at)).unwrap_or(&MISSING)),
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
        Expr::Lookup(table, column, key) => {
            let row = context.tables[table.index()].get(&value(key, context));
            return Cow::Borrowed(row.map_or(&MISSING, |row| &row[usize::from(*column)]));
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

fn negate(value: &Value) -> Value {
    match value {
        Value::Integer(i) => i.checked_neg().map_or(Value::Missing, Value::Integer),
        Value::Number(n) => Value::Number(-n),
        _ => Value::Missing,
    }
}

/// An aggregate over the events that a repeated step has taken.
fn step_aggregate(aggregate: Aggregate, step: StepId, capture: Option<CaptureId>, context: Context<'_>) -> Value {
    let mut fold = Fold::new(aggregate);
    let events = context.trail.into_iter().flat_map(|trail| trail.of(step));
    match capture {
        Some(capture) => events.for_each(|taken| fold.add(&taken.value(capture.index()))),
        // A count needs no walk over what may be a long list.
        None => return integer(context.trail.map_or(0, |trail| trail.count_of(step))),
    }
    fold.value()
}

fn integer(count: usize) -> Value {
    i64::try_from(count).map_or(Value::Missing, Value::Integer)
}
