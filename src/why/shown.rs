//! Conditions as written beside what they saw.

use crate::alert::render_value;
use crate::engine::{Judged, Place, Traced};
use crate::event::Value;
use crate::lang::ast::{Expr, ExprKind, Pattern, Unit};
use crate::lang::fmt;
use crate::lang::walk::conjuncts;
use crate::why::edit::{ComparisonAt, is_number};
use crate::why::target::{PartAt, Target};

/// A part of a condition, as written and as judged.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) at: PartAt,
    expr: &'a Expr,
    traced: &'a Traced,
}

/// A comparison or test within a part.
pub(super) struct Leaf<'a> {
    pub(super) at: ComparisonAt,
    pub(super) expr: &'a Expr,
    pub(super) holds: bool,
    pub(super) values: &'a [Value],
    /// Whether it stands below an odd number of `not`s.
    pub(super) negated: bool,
}

/// The parts of a judged condition. None where what was judged is not what is written: then nothing is shown rather
/// than something wrong.
pub(super) fn parts<'a>(target: &'a Target, judged: &'a Judged) -> Vec<Part<'a>> {
    let (own, links) = target.judged_at(judged.place);
    // The checker keeps the parts of a slot as a list, also a single one.
    let patterns = target.rule().map(|rule| &rule.pattern);
    let listed =
        matches!(judged.place, Place::Step(_)) && matches!(patterns, Some(Pattern::AllOf(_) | Pattern::EachPair(_)));
    let own_traced: Vec<&Traced> = match &judged.condition {
        None => Vec::new(),
        Some(one) if own.len() == 1 && !listed => vec![one],
        Some(all) => all.parts.iter().collect(),
    };
    let mut pairs = Vec::new();
    if own.len() == own_traced.len() {
        pairs.extend(own.into_iter().zip(own_traced));
    }
    pairs.extend(judged.links.iter().filter_map(|(at, traced)| Some((*links.get(*at)?, traced))));
    pairs.into_iter().filter_map(|(at, traced)| Some(Part { at, expr: target.part(at)?, traced })).collect()
}

impl<'a> Part<'a> {
    pub(super) fn holds(&self) -> bool {
        self.traced.holds
    }

    /// Its comparisons and tests, in the order of writing.
    pub(super) fn leaves(&self) -> Vec<Leaf<'a>> {
        let mut leaves = Vec::new();
        let whole = pair(self.at, self.expr, self.traced, false, &mut leaves);
        if whole.is_some() { leaves } else { Vec::new() }
    }

    /// As lines: what is written, what it saw, what came of it.
    pub(super) fn lines(&self) -> Vec<[String; 3]> {
        let leaves = self.leaves();
        let line = |expr: &Expr, saw: String, holds: bool| [fmt::format_expr(expr), saw, holds.to_string()];
        if let [only] = leaves.as_slice()
            && std::ptr::eq(only.expr, self.expr)
        {
            return vec![line(self.expr, only.saw(), only.holds)];
        }
        let mut lines = vec![line(self.expr, String::new(), self.holds())];
        for leaf in leaves {
            let [text, saw, holds] = line(leaf.expr, leaf.saw(), leaf.holds);
            lines.push([format!("  {text}"), saw, holds]);
        }
        lines
    }
}

/// Pairs what is written with what was judged; none where the two differ.
fn pair<'a>(at: PartAt, expr: &'a Expr, traced: &'a Traced, negated: bool, leaves: &mut Vec<Leaf<'a>>) -> Option<()> {
    let below: Vec<(&Expr, bool)> = match &*expr.node {
        ExprKind::And(..) => conjuncts(expr).into_iter().map(|part| (part, negated)).collect(),
        ExprKind::Or(left, right) => vec![(left, negated), (right, negated)],
        ExprKind::Not(inner) => vec![(inner, !negated)],
        _ => {
            // `is not missing` is judged as the opposite of `is missing`.
            let values = traced.parts.first().map_or(&traced.values, |part| &part.values);
            let at = ComparisonAt { part: at, leaf: leaves.len() };
            leaves.push(Leaf { at, expr, holds: traced.holds, values, negated });
            return Some(());
        }
    };
    if below.len() != traced.parts.len() {
        return None;
    }
    below
        .into_iter()
        .zip(&traced.parts)
        .try_for_each(|((expr, negated), traced)| pair(at, expr, traced, negated, leaves))
}

impl Leaf<'_> {
    /// What it saw: `"FR" is not "DE"`, `80 > 100`, `device.id is "d1"`.
    fn saw(&self) -> String {
        match (&*self.expr.node, self.values) {
            (ExprKind::Compare(op, left, right), [left_value, right_value]) => {
                let unit = unit_of(left).or(unit_of(right));
                let side = |expr: &Expr, value| {
                    if is_number(expr) { fmt::format_expr(expr) } else { value_text(value, unit) }
                };
                format!("{} {} {}", side(left, left_value), op.node.as_str(), side(right, right_value))
            }
            (
                ExprKind::In { operand, .. } | ExprKind::IsMissing { operand, .. } | ExprKind::IsNew { operand, .. },
                [value],
            ) => {
                format!("{} is {}", fmt::format_expr(operand), value_text(value, None))
            }
            (_, [value]) => value_text(value, None),
            _ => String::new(),
        }
    }
}

/// The unit in which a number is written.
pub(super) fn unit_of(expr: &Expr) -> Option<Unit> {
    match &*expr.node {
        ExprKind::Number(_, unit) => unit.as_ref().map(|unit| unit.node),
        ExprKind::Negate(inner) => unit_of(inner),
        _ => None,
    }
}

/// How much of what a value is measured in one of a unit is.
pub(super) fn scale_of(unit: Option<Unit>) -> f64 {
    match unit {
        None | Some(Unit::Milliseconds | Unit::Kilometres | Unit::KilometresPerHour) => 1.0,
        Some(Unit::Seconds) => 1_000.0,
        Some(Unit::Minutes) => 60_000.0,
        Some(Unit::Hours) => 3_600_000.0,
        Some(Unit::Days) => 86_400_000.0,
        Some(Unit::Percent) => 0.01,
    }
}

/// A number of a value, as its unit counts it.
pub(super) fn in_unit(value: &Value, unit: Option<Unit>) -> Option<f64> {
    let number = match value {
        Value::Integer(n) => *n as f64,
        Value::Number(n) => *n,
        _ => return None,
    };
    Some(number / scale_of(unit))
}

/// A value as a rule would write it.
pub(super) fn value_text(value: &Value, unit: Option<Unit>) -> String {
    match (value, unit) {
        (Value::Missing, _) => "missing".to_owned(),
        (Value::Text(_) | Value::Time(_) | Value::Ip(_), _) => format!("\"{}\"", render_value(value)),
        (_, Some(unit)) => match in_unit(value, Some(unit)) {
            Some(n) => format!("{} {}", short(n), unit_name(unit)),
            None => render_value(value),
        },
        (Value::Number(n), None) => short(*n),
        _ => render_value(value),
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Milliseconds => "ms",
        Unit::Seconds => "seconds",
        Unit::Minutes => "minutes",
        Unit::Hours => "hours",
        Unit::Days => "days",
        Unit::Kilometres => "km",
        Unit::KilometresPerHour => "km/h",
        Unit::Percent => "percent",
    }
}

/// A number with at most four digits after the point.
fn short(n: f64) -> String {
    let text = format!("{n:.4}");
    if n.abs() < 0.001 && n != 0.0 {
        n.to_string()
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
