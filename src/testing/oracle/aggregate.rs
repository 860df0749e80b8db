//! Aggregates, and those over the events of a step: `count(a)`, `sum(a.amount)`, `first(a.country)`.

use std::cmp::Ordering;

use super::expression::Scope;
use super::names;
use super::value::Val;
use crate::lang::ast::{Call, ExprKind};

const NAMES: [&str; 9] = ["count", "sum", "average", "minimum", "maximum", "distinct", "deviation", "first", "last"];

pub(super) fn is_aggregate(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The aggregate over the events that the run has of the step so far.
pub(super) fn value(scope: &Scope, call: &Call) -> Val {
    let [argument] = &call.args[..] else { panic!("the file is valid: an aggregate has one argument") };
    let ExprKind::Path(path) = &*argument.node else { panic!("the file is valid: an aggregate is over a field") };
    assert!(call.condition.is_none(), "the reference evaluator does not know `where` inside an aggregate");
    let path = names(path);
    let step = scope.step(path[0]).expect("the file is valid: without a window, an aggregate is over a step");
    // "`count(X)` counts events."
    if path.len() == 1 {
        return Val::Integer(i64::try_from(step.events.len()).expect("no stream is that long"));
    }
    // "Missing values are skipped."
    let values = step.events.iter().map(|&event| scope.world.field(event, &path[1..]));
    of(&call.function.node, &values.filter(|value| !value.is_missing()).collect::<Vec<_>>())
}

/// "Distinct of nothing is 0"; "an aggregate of nothing is missing (count is 0)".
pub(super) fn of(name: &str, values: &[Val]) -> Val {
    let count = i64::try_from(values.len()).expect("no stream is that long");
    match name {
        "count" => Val::Integer(count),
        "distinct" => distinct(values),
        _ if values.is_empty() => Val::Missing,
        "first" => values[0].clone(),
        "last" => values[values.len() - 1].clone(),
        "sum" => sum(values),
        "average" => average(values),
        "deviation" => deviation(values),
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
fn sum(values: &[Val]) -> Val {
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

/// The sum of integers; `None` where they are not all integers.
fn exact_sum(values: &[Val]) -> Option<i128> {
    values.iter().map(|value| if let Val::Integer(i) = value { Some(i128::from(*i)) } else { None }).sum()
}

fn extreme(values: &[Val], wanted: Ordering) -> Val {
    let better = |best: &Val, one: &Val| one.order(best) == Some(wanted);
    let best = values.iter().reduce(|best, one| if better(best, one) { one } else { best });
    best.cloned().unwrap_or(Val::Missing)
}
