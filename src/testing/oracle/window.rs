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
    let [argument] = &call.args[..] else { panic!("the file is valid: an aggregate in a condition has one argument") };
    let event_type = aggregated_type(scope.world, argument).expect("the file is valid: it is over a type's events");
    let of_type = scope.seen.iter().copied().filter(|&event| scope.world.events[event].event_type == event_type);
    let of_type: Vec<usize> = of_type.collect();
    let events = match window {
        Window::Over(over) => since(scope, &of_type, over),
        Window::Previous(over) => {
            since(scope, &of_type, over).into_iter().filter(|&event| event != scope.event).collect()
        }
        Window::Last(n) => of_type.into_iter().rev().take(usize::try_from(n).unwrap_or(usize::MAX)).rev().collect(),
    };
    // "Every event of the type counts, whatever the rule's other conditions say."
    let condition = call.condition.as_ref();
    let counted = events.iter().map(|event| inside(scope, event_type, event));
    let counted: Vec<Scope> = counted.filter(|scope| condition.is_none_or(|c| scope.value(c).holds())).collect();
    // "`count(X)` counts events."
    if matches!(&*argument.node, ExprKind::Path(path) if path.segments.len() == 1) {
        return Val::Integer(i64::try_from(counted.len()).expect("no stream is that long"));
    }
    // "Missing values are skipped."
    let values = counted.iter().map(|scope| scope.value(argument)).filter(|value| !value.is_missing());
    aggregate::of(&call.function.node, &values.collect::<Vec<_>>())
}

/// "`f is new over D`: no earlier event of the same type and key with this value has a time > t - D. The first one
/// ever is new." It is a comparison: of a missing value it is false.
pub(super) fn is_new(scope: &Scope, operand: &Expr, over: Duration) -> bool {
    let value = scope.value(operand);
    let event_type = &scope.world.events[scope.event].event_type;
    let earlier = since(scope, scope.seen, over).into_iter().filter(|&event| event != scope.event);
    let mut of_type = earlier.filter(|&event| scope.world.events[event].event_type == *event_type);
    let known = of_type.any(|event| {
        let before = inside(scope, scope.own.unwrap_or(event_type), &event).value(operand);
        !before.is_missing() && before.same(&value)
    });
    !value.is_missing() && !known
}

/// The types over whose events a condition has windows.
pub(super) fn types<'a>(world: &'a World, condition: &'a Expr) -> Vec<&'a str> {
    let within = |all: &[&'a Expr]| all.iter().flat_map(|part| types(world, part)).collect();
    match &*condition.node {
        ExprKind::Call(call) if call.window.is_some() => {
            call.args.iter().filter_map(|argument| aggregated_type(world, argument)).collect()
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
    let time = |event: usize| scope.world.events[event].time_ms;
    let after = time(scope.event).saturating_sub(over.ms);
    events.iter().copied().filter(|&event| time(event) > after).collect()
}

/// "Inside an aggregate bare fields belong to the aggregated event, and steps or the event at hand cannot be named."
fn inside<'a>(scope: &'a Scope, name: &'a str, event: &'a usize) -> Scope<'a> {
    Scope { world: scope.world, event: *event, own: Some(name), steps: Vec::new(), seen: scope.seen }
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
