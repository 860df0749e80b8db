//! The changes to conditions and values.

use crate::lang::ast::{Call, Compare, Duration, Expr, ExprKind, InSet, Number, Spanned, Window};
use crate::lang::fmt::format_expr;
use crate::lang::walk::{all_of, conjuncts};
use crate::ruletest::coverage::picker::{Change, Picker};

/// A `where`: each part of its `and` never true and left out, and then what stands in the parts.
pub(super) fn condition(picker: &mut Picker, condition: &mut Option<Expr>) {
    left_out(picker, condition, true);
    if let Some(whole) = condition {
        expr(picker, whole);
    }
}

/// A `where` that must be there.
pub(super) fn required(picker: &mut Picker, whole: &mut Expr) {
    let mut optional = Some(whole.clone());
    left_out(picker, &mut optional, true);
    match optional {
        Some(changed) => *whole = changed,
        None => *whole.node = ExprKind::Boolean(true),
    }
    expr(picker, whole);
}

/// The `where` of an aggregate: what is counted is seen in the aggregate, so its parts are only left out.
fn inner(picker: &mut Picker, condition: &mut Option<Expr>) {
    left_out(picker, condition, false);
    if let Some(whole) = condition {
        expr(picker, whole);
    }
}

fn left_out(picker: &mut Picker, condition: &mut Option<Expr>, never_true: bool) {
    let parts: Vec<Expr> = condition.iter().flat_map(conjuncts).cloned().collect();
    for (at, part) in parts.iter().enumerate() {
        if never_true {
            picker.offer(Change::NeverTrue, || {
                let mut parts = parts.clone();
                *parts[at].node = ExprKind::Boolean(false);
                *condition = all_of(parts);
                format!("{} never true", format_expr(part))
            });
        }
        picker.offer(Change::Dropped, || {
            let mut parts = parts.clone();
            parts.remove(at);
            *condition = all_of(parts);
            format!("{} dropped", format_expr(part))
        });
    }
}

/// The changes to an expression and to all within it.
pub(super) fn expr(picker: &mut Picker, whole: &mut Expr) {
    for (change, other) in others(whole) {
        let other = Spanned::new(Box::new(other), whole.span);
        picker.replace(change, whole, other, format_expr);
    }
    match &mut *whole.node {
        ExprKind::Number(..) | ExprKind::Text(_) | ExprKind::Boolean(_) | ExprKind::Path(_) => {}
        ExprKind::Call(call) => {
            for argument in &mut call.args {
                expr(picker, argument);
            }
            inner(picker, &mut call.condition);
        }
        ExprKind::Lookup { key: operand, .. }
        | ExprKind::Not(operand)
        | ExprKind::Negate(operand)
        | ExprKind::IsMissing { operand, .. }
        | ExprKind::IsNew { operand, .. } => expr(picker, operand),
        ExprKind::In { operand, set, .. } => {
            expr(picker, operand);
            if let InSet::Values(values) = set {
                for value in values {
                    expr(picker, value);
                }
            }
        }
        ExprKind::Arithmetic(_, left, right)
        | ExprKind::Compare(_, left, right)
        | ExprKind::And(left, right)
        | ExprKind::Or(left, right) => {
            expr(picker, left);
            expr(picker, right);
        }
    }
}

/// What could stand in an expression's place.
fn others(whole: &Expr) -> Vec<(Change, ExprKind)> {
    let all = match &*whole.node {
        ExprKind::Number(number, unit) => {
            steps(*number).into_iter().map(|number| ExprKind::Number(number, unit.clone())).collect()
        }
        ExprKind::Compare(comparison, left, right) => {
            let comparison = Spanned::new(turned(comparison.node), comparison.span);
            vec![ExprKind::Compare(comparison, left.clone(), right.clone())]
        }
        ExprKind::And(left, right) => vec![ExprKind::Or(left.clone(), right.clone())],
        ExprKind::Or(left, right) => {
            return vec![(Change::Bound, (*left.node).clone()), (Change::Bound, (*right.node).clone())];
        }
        ExprKind::In { operand, negated, set } => {
            vec![ExprKind::In { operand: operand.clone(), negated: !negated, set: set.clone() }]
        }
        ExprKind::IsMissing { operand, negated } => {
            vec![ExprKind::IsMissing { operand: operand.clone(), negated: !negated }]
        }
        ExprKind::IsNew { operand, over } if over.node.ms >= 2 => {
            let over = Spanned::new(halved(over.node), over.span);
            vec![ExprKind::IsNew { operand: operand.clone(), over }]
        }
        ExprKind::Call(call) => windows(call).into_iter().map(ExprKind::Call).collect(),
        _ => Vec::new(),
    };
    all.into_iter().map(|other| (Change::Bound, other)).collect()
}

/// The same call over half the window.
fn windows(call: &Call) -> Option<Call> {
    let window = call.window.as_ref()?;
    let shorter = match window.node {
        Window::Over(length) if length.ms >= 2 => Window::Over(halved(length)),
        Window::Previous(length) if length.ms >= 2 => Window::Previous(halved(length)),
        Window::Last(n) if n >= 2 => Window::Last(n / 2),
        _ => return None,
    };
    Some(Call { window: Some(Spanned::new(shorter, window.span)), ..call.clone() })
}

fn halved(length: Duration) -> Duration {
    Duration { ms: length.ms / 2 }
}

fn turned(comparison: Compare) -> Compare {
    match comparison {
        Compare::Is => Compare::IsNot,
        Compare::IsNot => Compare::Is,
        Compare::Less => Compare::LessOrEqual,
        Compare::LessOrEqual => Compare::Less,
        Compare::Greater => Compare::GreaterOrEqual,
        Compare::GreaterOrEqual => Compare::Greater,
    }
}

/// One less and one more in the last place that is written.
fn steps(number: Number) -> Vec<Number> {
    match number {
        Number::Integer(n) => {
            let less = n.checked_sub(1).filter(|less| *less >= 0);
            less.into_iter().chain(n.checked_add(1)).map(Number::Integer).collect()
        }
        Number::Float(x) => {
            let written = x.to_string();
            let places = written.split_once('.').map_or(0, |(_, places)| places.len());
            let last_place = format!("1e-{places}").parse::<f64>().unwrap_or_default();
            let moved = [x - last_place, x + last_place].into_iter().filter(|moved| *moved >= 0.0);
            moved.filter_map(|moved| format!("{moved:.places$}").parse().ok()).map(Number::Float).collect()
        }
    }
}
