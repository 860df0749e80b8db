//! Aggregates over windows, and `is new`: section 4 of the language's definition.
//!
//! Every window is computed anew from all events of the key.

use super::expression::Scope;
use super::value::Val;
use super::world::World;
use super::{aggregate, names};
use crate::lang::ast::{Call, Duration, Expr, ExprKind, InSet, Window};

/// "`agg(X.field where c) over D`: over this key's X events with time in (t - D, t], the event at hand included;
/// `over the previous D` leaves it out." "`over the last N`: the newest N events of the type."
pub(super) fn aggregate(scope: &Scope, call: &Call, window: Window) -> Val {
    let argument = aggregate::over(call);
    let event_type = aggregated_type(scope.world, argument).expect("the file is valid: it is over a type's events");
    let of_type = scope.seen.iter().copied().filter(|&event| scope.world.stream[event].event_type == event_type);
    let of_type: Vec<usize> = of_type.collect();
    let events = match window {
        Window::Over(over) => since(scope, &of_type, over),
        Window::Previous(over) => {
            since(scope, &of_type, over).into_iter().filter(|&event| event != scope.now).collect()
        }
        Window::Last(n) => of_type.into_iter().rev().take(usize::try_from(n).unwrap_or(usize::MAX)).rev().collect(),
    };
    // "Every event of the type counts, whatever the rule's other conditions say."
    of_events(scope, call, &events, Some(event_type))
}

/// An aggregate that a measure emits, over the events of its window: of one type, if it names one.
pub(super) fn of_measure(scope: &Scope, call: &Call, events: &[usize]) -> Val {
    let event_type = call.args.last().and_then(|argument| aggregated_type(scope.world, argument));
    let of_type = |event: &usize| event_type.is_none_or(|name| scope.world.stream[*event].event_type == name);
    let events: Vec<usize> = events.iter().copied().filter(of_type).collect();
    of_events(scope, call, &events, event_type)
}

fn of_events(scope: &Scope, call: &Call, events: &[usize], event_type: Option<&str>) -> Val {
    let condition = call.condition.as_ref();
    let counted = events.iter().map(|event| inside(scope, event_type, *event));
    let counted: Vec<Scope> = counted.filter(|scope| condition.is_none_or(|c| scope.value(c).holds())).collect();
    // "`count(X)` counts events", and `count()` of a measure all.
    let argument = call.args.last();
    let is_type = |argument: &Expr| matches!(&*argument.node, ExprKind::Path(path) if path.segments.len() == 1 && names(path).first().copied() == event_type);
    let Some(argument) = argument.filter(|argument| !is_type(argument)) else {
        return Val::Integer(i64::try_from(counted.len()).expect("no stream is that long"));
    };
    // "Missing values are skipped."
    let values = counted.iter().map(|scope| scope.value(argument)).filter(|value| !value.is_missing());
    aggregate::of(call, &values.collect::<Vec<_>>())
}

/// "`f is new over D`: no earlier event of the same type and key with this value has a time > t - D. The first one
/// ever is new." It is a comparison: of a missing value it is false.
pub(super) fn is_new(scope: &Scope, operand: &Expr, over: Duration) -> bool {
    let value = scope.value(operand);
    let event_type = scope.world.stream[scope.event].event_type;
    let after = scope.world.time(scope.event).saturating_sub(over.ms);
    let earlier = scope.seen.iter().filter(|&&event| event < scope.event && scope.world.time(event) > after);
    let mut of_type = earlier.filter(|&&event| scope.world.stream[event].event_type == event_type);
    let known = of_type.any(|&event| {
        let before = inside(scope, scope.own.or(Some(event_type)), event).value(operand);
        !before.is_missing() && before.same(&value)
    });
    !value.is_missing() && !known
}

/// The types over whose events a condition has windows.
pub(super) fn types<'a>(world: &'a World, condition: &'a Expr) -> Vec<&'a str> {
    let within = |all: &[&'a Expr]| all.iter().flat_map(|part| types(world, part)).collect();
    match &*condition.node {
        ExprKind::Call(call) if call.window.is_some() => {
            aggregated_type(world, aggregate::over(call)).into_iter().collect()
        }
        ExprKind::Call(call) => within(&call.args.iter().collect::<Vec<_>>()),
        ExprKind::Not(a) | ExprKind::Negate(a) | ExprKind::IsMissing { operand: a, .. } => within(&[a]),
        ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
            within(&[a, b])
        }
        ExprKind::In { operand, set: InSet::Values(values), .. } => {
            within(&std::iter::once(operand).chain(values).collect::<Vec<_>>())
        }
        ExprKind::IsNew { operand, .. } | ExprKind::In { operand, set: InSet::List(_), .. } => within(&[operand]),
        ExprKind::Lookup { key, .. } => within(&[key]),
        ExprKind::Number(..) | ExprKind::Text(_) | ExprKind::Boolean(_) | ExprKind::Path(_) => Vec::new(),
    }
}

/// The events with a time in (t - D, t].
fn since(scope: &Scope, events: &[usize], over: Duration) -> Vec<usize> {
    let after = scope.world.time(scope.now).saturating_sub(over.ms);
    events.iter().copied().filter(|&event| scope.world.time(event) > after).collect()
}

/// "Inside an aggregate bare fields belong to the aggregated event, and steps or the event at hand cannot be named."
fn inside<'a>(scope: &'a Scope, name: Option<&'a str>, event: usize) -> Scope<'a> {
    Scope { own: name, ..Scope::of(scope.world, event, scope.seen) }
}

/// The X of `X`, `X.field`, or of an expression over fields of X.
fn aggregated_type<'a>(world: &World, argument: &'a Expr) -> Option<&'a str> {
    match &*argument.node {
        ExprKind::Path(path) => {
            let first = names(path)[0];
            world.schema.type_id(first).map(|_| first)
        }
        ExprKind::Arithmetic(_, a, b) => aggregated_type(world, a).or_else(|| aggregated_type(world, b)),
        ExprKind::Negate(a) => aggregated_type(world, a),
        ExprKind::Call(call) => call.args.iter().find_map(|argument| aggregated_type(world, argument)),
        _ => None,
    }
}
