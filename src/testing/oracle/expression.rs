//! The value of an expression: section 2 of the language's definition.

use std::cmp::Ordering;

use super::value::{Val, ip, time};
use super::world::World;
use super::{aggregate, function, names, table, window};
use crate::lang::ast::{Arithmetic, Call, Compare, Expr, ExprKind, InSet, Name, Number, Path, Unit};

/// A step that expressions can name, with the events that a run has of it.
#[derive(Clone, Copy)]
pub(super) struct StepEvents<'a> {
    pub(super) name: &'a str,
    /// Whether it has a count.
    pub(super) repeated: bool,
    pub(super) events: &'a [usize],
    /// Of a session its types: `s.X` is its events of one of them.
    pub(super) types: &'a [Name],
}

impl<'a> StepEvents<'a> {
    /// A step that takes one event, or has none yet.
    pub(super) fn single(name: &'a str, events: &'a [usize]) -> StepEvents<'a> {
        StepEvents { name, repeated: false, events, types: &[] }
    }
}

/// What the names in a condition mean.
pub(super) struct Scope<'a> {
    pub(super) world: &'a World<'a>,
    /// The event at hand: "a bare field is the field of the event being tested".
    pub(super) event: usize,
    /// The event as of which windows and tables are: the one at hand, but for a condition that had to wait for it.
    pub(super) now: usize,
    /// The name of the step whose condition this is: it means the event at hand.
    pub(super) own: Option<&'a str>,
    pub(super) steps: Vec<StepEvents<'a>>,
    /// This key's events up to and including the one at hand, in order: what windows are over.
    pub(super) seen: &'a [usize],
    /// Of a measure, the events in the window: what aggregates are over.
    pub(super) measured: Option<&'a [usize]>,
    /// Names that mean no field: the `total` of a risk.
    pub(super) known: &'a [(String, Val)],
}

impl<'a> Scope<'a> {
    /// That of an event alone.
    pub(super) fn of(world: &'a World<'a>, event: usize, seen: &'a [usize]) -> Scope<'a> {
        Scope { world, event, now: event, own: None, steps: Vec::new(), seen, measured: None, known: &[] }
    }

    pub(super) fn value(&self, expr: &Expr) -> Val {
        match &*expr.node {
            ExprKind::Number(number, unit) => constant(*number, unit.as_ref().map(|unit| unit.node)),
            ExprKind::Text(text) => Val::Text(text.clone()),
            ExprKind::Boolean(b) => Val::Boolean(*b),
            ExprKind::Path(path) => self.field(path),
            ExprKind::Call(call) => self.call(call),
            // "Logic has two values: `not (x is 1)` is true when x is missing."
            ExprKind::Not(c) => Val::Boolean(!self.holds(c)),
            ExprKind::And(a, b) => Val::Boolean(self.holds(a) && self.holds(b)),
            ExprKind::Or(a, b) => Val::Boolean(self.holds(a) || self.holds(b)),
            ExprKind::Negate(x) => negate(&self.value(x)),
            ExprKind::Arithmetic(operator, a, b) => calculate(operator.node, &self.value(a), &self.value(b)),
            ExprKind::Compare(operator, a, b) => Val::Boolean(self.compare(operator.node, a, b)),
            ExprKind::In { operand, negated, set: InSet::Values(values) } => {
                Val::Boolean(self.is_in(operand, *negated, values))
            }
            ExprKind::IsMissing { operand, negated } => Val::Boolean(self.value(operand).is_missing() != *negated),
            ExprKind::IsNew { operand, over } => Val::Boolean(window::is_new(self, operand, over.node)),
            // A comparison too: false where x is missing, negated or not.
            ExprKind::In { operand, negated, set: InSet::List(list) } => {
                let value = self.value(operand);
                let found = table::holds(self.world, list, &value, self.now);
                Val::Boolean(!value.is_missing() && found != *negated)
            }
            ExprKind::Lookup { table, key, field } => {
                table::column(self.world, table, &self.value(key), field, self.now)
            }
        }
    }

    fn holds(&self, condition: &Expr) -> bool {
        self.value(condition).holds()
    }

    /// "A bare field is the field of the event being tested; `a.field` is the field of the earlier step `a`." "The
    /// first part of a dotted name is a step if there is one."
    fn field(&self, path: &Path) -> Val {
        if let Some((_, value)) = self.known.iter().find(|(name, _)| *name == path.dotted()) {
            return value.clone();
        }
        let path = names(path);
        if let [first, field @ ..] = &path[..]
            && !field.is_empty()
            && let Some(step) = self.step(first)
        {
            assert!(!step.repeated, "the file is valid: `a.f` of a repeated step is an error");
            // "The fields of a step not bound yet are missing."
            return step.events.first().map_or(Val::Missing, |&event| self.world.field(event, field));
        }
        self.world.field(self.event, &path)
    }

    /// The step of a name. In a step's own condition its own name is the event at hand, also where it is repeated:
    /// each event is judged alone.
    pub(super) fn step(&self, name: &str) -> Option<StepEvents<'_>> {
        if self.own == Some(name) {
            return Some(StepEvents::single(self.own?, std::slice::from_ref(&self.event)));
        }
        self.steps.iter().find(|step| step.name == name).copied()
    }

    fn call(&self, call: &Call) -> Val {
        if let Some(window) = &call.window {
            return window::aggregate(self, call, window.node);
        }
        if aggregate::is_aggregate(&call.function.node) {
            return aggregate::value(self, call);
        }
        if call.function.node == "speed" {
            return function::speed(self, call);
        }
        let arguments: Vec<Val> = call.args.iter().map(|argument| self.value(argument)).collect();
        function::value(&call.function.node, &arguments)
    }

    /// "A comparison with a missing value is false, `is not` included."
    fn compare(&self, operator: Compare, left: &Expr, right: &Expr) -> bool {
        let (a, b) = self.operands(left, right);
        if a.is_missing() || b.is_missing() {
            return false;
        }
        let order = a.order(&b);
        match operator {
            Compare::Is => a.same(&b),
            Compare::IsNot => !a.same(&b),
            Compare::Less => order == Some(Ordering::Less),
            Compare::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Compare::Greater => order == Some(Ordering::Greater),
            Compare::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// `x in (…)`, `x not in (…)`: a comparison, so both are false where x is missing.
    fn is_in(&self, operand: &Expr, negated: bool, values: &[Expr]) -> bool {
        let found = values.iter().any(|value| self.compare(Compare::Is, operand, value));
        !self.value(operand).is_missing() && found != negated
    }

    /// Both sides of a comparison; a text constant beside an address or an instant is read as such.
    fn operands(&self, left: &Expr, right: &Expr) -> (Val, Val) {
        let (a, b) = (self.value(left), self.value(right));
        (read_constant(left, &b).unwrap_or_else(|| a.clone()), read_constant(right, &a).unwrap_or(b))
    }
}

fn read_constant(expr: &Expr, beside: &Val) -> Option<Val> {
    match (&*expr.node, beside) {
        (ExprKind::Text(text), Val::Ip(_)) => Some(ip(text).unwrap_or(Val::Missing)),
        (ExprKind::Text(text), Val::Time(_)) => Some(time(text).unwrap_or(Val::Missing)),
        _ => None,
    }
}

/// A number with its unit: durations are in ms, lengths in km, speeds in km/h, and a percent is a hundredth.
fn constant(number: Number, unit: Option<Unit>) -> Val {
    let times = |factor: i64| match number {
        Number::Integer(i) => i.checked_mul(factor).map_or(Val::Missing, Val::Integer),
        Number::Float(f) => Val::finite(f * factor as f64),
    };
    match unit {
        None | Some(Unit::Milliseconds | Unit::Kilometres | Unit::KilometresPerHour) => times(1),
        Some(Unit::Seconds) => times(1000),
        Some(Unit::Minutes) => times(60 * 1000),
        Some(Unit::Hours) => times(60 * 60 * 1000),
        Some(Unit::Days) => times(24 * 60 * 60 * 1000),
        Some(Unit::Percent) => match number {
            Number::Integer(i) => Val::finite(i as f64 / 100.0),
            Number::Float(f) => Val::finite(f / 100.0),
        },
    }
}

fn negate(x: &Val) -> Val {
    match x {
        Val::Integer(i) => i.checked_neg().map_or(Val::Missing, Val::Integer),
        Val::Number(n) => Val::finite(-n),
        _ => Val::Missing,
    }
}

/// "Division by zero and overflow give missing." An integer with an integer stays one, but "`/` always gives a number".
fn calculate(operator: Arithmetic, a: &Val, b: &Val) -> Val {
    if let (Val::Integer(a), Val::Integer(b)) = (a, b) {
        let exact = match operator {
            Arithmetic::Add => a.checked_add(*b),
            Arithmetic::Subtract => a.checked_sub(*b),
            Arithmetic::Multiply => a.checked_mul(*b),
            Arithmetic::Divide => return Val::finite(*a as f64 / *b as f64),
        };
        return exact.map_or(Val::Missing, Val::Integer);
    }
    if let Some(time) = calculate_time(operator, a, b) {
        return time;
    }
    let (Some(a), Some(b)) = (a.as_number(), b.as_number()) else { return Val::Missing };
    Val::finite(match operator {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
    })
}

/// Between instants lies a duration in ms, and a duration away from an instant lies another.
fn calculate_time(operator: Arithmetic, a: &Val, b: &Val) -> Option<Val> {
    let or_missing = |ms: Option<i64>, val: fn(i64) -> Val| Some(ms.map_or(Val::Missing, val));
    match (operator, a, b) {
        (Arithmetic::Subtract, Val::Time(a), Val::Time(b)) => or_missing(a.checked_sub(*b), Val::Integer),
        (Arithmetic::Subtract, Val::Time(a), Val::Integer(b)) => or_missing(a.checked_sub(*b), Val::Time),
        (Arithmetic::Add, Val::Time(a), Val::Integer(b)) | (Arithmetic::Add, Val::Integer(a), Val::Time(b)) => {
            or_missing(a.checked_add(*b), Val::Time)
        }
        _ => None,
    }
}
