//! Aggregates, and those over the events of a step: `count(a)`, `sum(a.amount)`, `first(a.country)`.

use std::cmp::Ordering;

use super::expression::{Scope, StepEvents};
use super::value::Val;
use super::{names, window};
use crate::lang::ast::{Call, Expr, ExprKind, Number};

const NAMES: [&str; 10] =
    ["count", "sum", "average", "minimum", "maximum", "distinct", "percentile", "deviation", "first", "last"];

pub(super) fn is_aggregate(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What an aggregate is over: its last argument. `percentile(95, purchase.amount)` has one before it.
pub(super) fn over(call: &Call) -> &Expr {
    call.args.last().expect("the file is valid: an aggregate has an argument")
}

/// The aggregate over the events that the run has of the step so far.
pub(super) fn value(scope: &Scope, call: &Call) -> Val {
    if let Some(events) = scope.measured {
        return window::of_measure(scope, call, events);
    }
    let ExprKind::Path(path) = &*over(call).node else { panic!("the file is valid: an aggregate is over a field") };
    assert!(call.condition.is_none(), "the reference evaluator does not know `where` inside an aggregate");
    let path = names(path);
    let step = scope.step(path[0]).expect("the file is valid: without a window, an aggregate is over a step");
    let (events, field) = of_type(scope, &step, &path[1..]);
    // "`count(X)` counts events."
    if field.is_empty() {
        return Val::Integer(i64::try_from(events.len()).expect("no stream is that long"));
    }
    // "Missing values are skipped."
    let values = events.iter().map(|&event| scope.world.field(event, field));
    of(call, &values.filter(|value| !value.is_missing()).collect::<Vec<_>>())
}

/// Of a session `s`, `s.page_view` is its events of that type, and `s.f` the field of all its events.
fn of_type<'p>(scope: &Scope, step: &StepEvents, path: &'p [&'p str]) -> (Vec<usize>, &'p [&'p str]) {
    let one_type = path.first().and_then(|first| step.types.iter().find(|name| name.node == **first));
    match one_type {
        Some(name) => {
            let events = step.events.iter().copied();
            (events.filter(|&event| scope.world.is_of(std::slice::from_ref(name), event)).collect(), &path[1..])
        }
        None => (step.events.to_vec(), path),
    }
}

/// "Distinct of nothing is 0"; "an aggregate of nothing is missing (count is 0)".
pub(super) fn of(call: &Call, values: &[Val]) -> Val {
    let count = i64::try_from(values.len()).expect("no stream is that long");
    match call.function.node.as_str() {
        "count" => Val::Integer(count),
        "distinct" => distinct(values),
        _ if values.is_empty() => Val::Missing,
        "first" => values[0].clone(),
        "last" => values[values.len() - 1].clone(),
        "sum" => sum(values),
        "average" => average(values),
        "deviation" => deviation(values),
        "percentile" => percentile(rank_of(call), values),
        "minimum" => extreme(values, Ordering::Less),
        "maximum" => extreme(values, Ordering::Greater),
        _ => unreachable!("only the names of aggregates come here"),
    }
}

fn distinct(values: &[Val]) -> Val {
    let mut different: Vec<&Val> = Vec::new();
    for value in values {
        if !different.iter().any(|known| known.same(value)) {
            different.push(value);
        }
    }
    Val::Integer(i64::try_from(different.len()).expect("no stream is that long"))
}

/// Of integers it is an integer, and exact: only the sum itself can be too large.
pub(super) fn sum(values: &[Val]) -> Val {
    match exact_sum(values) {
        Some(sum) => i64::try_from(sum).map_or(Val::Missing, Val::Integer),
        None => Val::finite(values.iter().filter_map(Val::as_number).sum()),
    }
}

fn average(values: &[Val]) -> Val {
    let sum = match exact_sum(values) {
        Some(sum) => sum as f64,
        None => values.iter().filter_map(Val::as_number).sum(),
    };
    Val::finite(sum / values.len() as f64)
}

/// "Deviation is of the population."
fn deviation(values: &[Val]) -> Val {
    let Some(mean) = average(values).as_number() else { return Val::Missing };
    let squares = values.iter().filter_map(Val::as_number).map(|n| (n - mean).powi(2));
    Val::finite((squares.sum::<f64>() / values.len() as f64).sqrt())
}

/// The p of `percentile(p, x)`: "a constant 0..100".
fn rank_of(call: &Call) -> f64 {
    match call.args.first().map(|p| &*p.node) {
        Some(ExprKind::Number(Number::Integer(p), None)) => *p as f64,
        Some(ExprKind::Number(Number::Float(p), None)) => *p,
        _ => panic!("the file is valid: the first argument of `percentile` is a constant"),
    }
}

/// "Percentile is by nearest rank": of the ascending values the one at position ceil(p / 100 * n), at least 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is between 0 and the length")]
fn percentile(p: f64, values: &[Val]) -> Val {
    let mut ascending = values.to_vec();
    ascending.sort_by(|a, b| a.order(b).expect("the file is valid: the values have one kind, with an order"));
    let rank = (p * values.len() as f64 / 100.0).ceil() as usize;
    ascending.swap_remove(rank.max(1) - 1)
}

/// The sum of integers; `None` where they are not all integers.
fn exact_sum(values: &[Val]) -> Option<i128> {
    values.iter().map(|value| if let Val::Integer(i) = value { Some(i128::from(*i)) } else { None }).sum()
}

fn extreme(values: &[Val], wanted: Ordering) -> Val {
    let better = |best: &Val, one: &Val| one.order(best) == Some(wanted);
    let best = values.iter().reduce(|best, one| if better(best, one) { one } else { best });
    best.cloned().unwrap_or(Val::Missing)
}
