//! What is allowed and hardly meant: conditions that cannot hold together, and rules that alert again and again.
//!
//! Only what is certain is told: a condition is looked at where all of its parts must hold, and of a part what compares
//! one thing with a constant.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{Call, Compare, Expr, ExprKind, InSet, Number, Pattern, Window};
use crate::lang::check::Checker;
use crate::lang::check::rule::{Builder, count_of, is_or_more};
use crate::lang::{fmt, walk};

impl Builder<'_> {
    /// Tells what is hardly meant.
    pub(super) fn lint(&mut self) {
        let mut conditions: Vec<&Expr> = Vec::new();
        let steps = match &self.rule.pattern {
            Pattern::Sequence(sequence) => {
                conditions.extend(sequence.absence.iter().filter_map(|absence| absence.condition.as_ref()));
                sequence.steps.as_slice()
            }
            Pattern::AllOf(all) => all.slots.as_slice(),
            Pattern::EachPair(pair) => {
                conditions.extend(&pair.condition);
                &[]
            }
            Pattern::Session(session) => {
                conditions.extend(&session.condition);
                &[]
            }
        };
        conditions.extend(steps.iter().filter_map(|step| step.condition.as_ref()));
        conditions.extend(self.rule.unless.iter().filter_map(|unless| unless.condition.as_ref()));
        for condition in conditions {
            self.checker.lint_condition(condition);
        }
        self.lint_every();
    }

    /// Reports an `every` of which each event alerts, many at once.
    fn lint_every(&mut self) {
        let Pattern::Sequence(sequence) = &self.rule.pattern else { return };
        let several =
            sequence.steps.len() > 1 || sequence.steps.iter().any(|step| count_of(step) > 1 || is_or_more(step));
        let first = &sequence.steps[0];
        let narrowed = sequence.steps.iter().any(|step| step.condition.is_some()) || sequence.absence.is_some();
        if !sequence.every || !several || narrowed || self.rule.alert.at_most_once.is_some() {
            return;
        }
        let event = &first.types[0];
        self.checker.report(
            Diagnostic::new(Code::Flood, event.span, format!("every `{}` gives its own alert here", event.node)).help(
                "leave `every` out for one alert a match, say which events begin one with `where`, or add `at most once per …`",
            ),
        );
    }
}

/// What is known of one thing from the parts of a condition that compare it with constants.
#[derive(Default)]
struct Known {
    /// The largest lower bound, and whether it is outside.
    least: Option<(f64, bool)>,
    most: Option<(f64, bool)>,
    /// The texts and truth values that it must be, as they are written.
    is: Option<Vec<String>>,
    missing: Option<bool>,
    /// The last part that told something.
    at: Option<Span>,
}

impl Checker {
    /// Reports parts of a condition that can never hold together.
    fn lint_condition(&mut self, condition: &Expr) {
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for part in walk::conjuncts(condition) {
            let Some((subject, fact)) = fact_of(part) else { continue };
            let of_subject = known.entry(fmt::format_expr(subject)).or_insert_with(|| Known::of(subject));
            let before = of_subject.at.replace(part.span);
            if !of_subject.learn(fact) {
                self.never(subject, part.span, before);
                return;
            }
        }
    }

    fn never(&mut self, subject: &Expr, span: Span, before: Option<Span>) {
        let text = fmt::format_expr(subject);
        let diagnostic = Diagnostic::new(Code::NeverHolds, span, format!("`{text}` can never be this"));
        self.report(match before {
            Some(before) => diagnostic
                .label(before, "and this at once")
                .help("no value fulfils both: join them with `or`, or correct one"),
            None => diagnostic.help("the window or aggregate does not reach that far: correct the number"),
        });
    }
}

/// What a part of a condition says of something.
enum Fact {
    Least(f64, bool),
    Most(f64, bool),
    Is(Vec<String>),
    Missing(bool),
}

fn fact_of(part: &Expr) -> Option<(&Expr, Fact)> {
    match &*part.node {
        ExprKind::Compare(comparison, left, right) => match (constant(left), constant(right)) {
            (None, Some(value)) => Some((left, compared(comparison.node, value)?)),
            (Some(value), None) => Some((right, compared(comparison.node.mirrored(), value)?)),
            _ => None,
        },
        ExprKind::In { operand, negated: false, set: InSet::Values(values) } => {
            let texts: Option<Vec<String>> = values.iter().map(|value| constant(value)?.text()).collect();
            Some((operand, Fact::Is(texts?)))
        }
        ExprKind::IsMissing { operand, negated } => Some((operand, Fact::Missing(!negated))),
        _ => None,
    }
}

/// A constant: a number in its unit, or a text.
enum Constant {
    Number(f64),
    Text(String),
}

impl Constant {
    fn text(self) -> Option<String> {
        match self {
            Constant::Text(text) => Some(text),
            Constant::Number(_) => None,
        }
    }
}

fn constant(expr: &Expr) -> Option<Constant> {
    match &*expr.node {
        ExprKind::Number(number, None) => Some(Constant::Number(float(*number))),
        ExprKind::Text(text) => Some(Constant::Text(text.clone())),
        ExprKind::Boolean(value) => Some(Constant::Text(value.to_string())),
        ExprKind::Negate(inner) => match constant(inner)? {
            Constant::Number(n) => Some(Constant::Number(-n)),
            Constant::Text(_) => None,
        },
        _ => None,
    }
}

fn float(number: Number) -> f64 {
    match number {
        Number::Integer(n) => n as f64,
        Number::Float(n) => n,
    }
}

fn compared(comparison: Compare, value: Constant) -> Option<Fact> {
    Some(match (comparison, value) {
        (Compare::Is, Constant::Text(text)) => Fact::Is(vec![text]),
        (Compare::Is, Constant::Number(n)) => Fact::Is(vec![n.to_string()]),
        (Compare::Greater, Constant::Number(n)) => Fact::Least(n, true),
        (Compare::GreaterOrEqual, Constant::Number(n)) => Fact::Least(n, false),
        (Compare::Less, Constant::Number(n)) => Fact::Most(n, true),
        (Compare::LessOrEqual, Constant::Number(n)) => Fact::Most(n, false),
        _ => return None,
    })
}

impl Known {
    /// What is known before any comparison: a count is not below 0, and one over the last N not above N.
    fn of(subject: &Expr) -> Known {
        let ExprKind::Call(Call { function, window, .. }) = &*subject.node else { return Known::default() };
        if !["count", "distinct"].contains(&function.node.as_str()) {
            return Known::default();
        }
        let most = match window.as_ref().map(|window| window.node) {
            Some(Window::Last(n)) => Some((n as f64, false)),
            _ => None,
        };
        Known { least: Some((0.0, false)), most, ..Known::default() }
    }

    /// Takes a fact in. Says whether anything is left that fulfils all.
    fn learn(&mut self, fact: Fact) -> bool {
        match fact {
            Fact::Least(n, outside) => {
                let tighter = self.least.is_none_or(|(least, _)| n > least || (n >= least && outside));
                if tighter {
                    self.least = Some((n, outside));
                }
                self.missing.get_or_insert(false);
            }
            Fact::Most(n, outside) => {
                let tighter = self.most.is_none_or(|(most, _)| n < most || (n <= most && outside));
                if tighter {
                    self.most = Some((n, outside));
                }
                self.missing.get_or_insert(false);
            }
            Fact::Is(values) => {
                let kept =
                    self.is.take().map_or(values.clone(), |is| is.into_iter().filter(|v| values.contains(v)).collect());
                self.is = Some(kept);
                self.missing.get_or_insert(false);
            }
            Fact::Missing(missing) if self.missing.is_some_and(|known| known != missing) => return false,
            Fact::Missing(missing) => self.missing = Some(missing),
        }
        let is_left = self.is.as_ref().is_none_or(|is| is.iter().any(|value| self.allows(value)));
        let bounds = match (self.least, self.most) {
            (Some((least, above)), Some((most, below))) => least < most || (least <= most && !above && !below),
            _ => true,
        };
        let compared = self.least.is_some() || self.most.is_some() || self.is.is_some();
        is_left && bounds && !(compared && self.missing == Some(true))
    }

    /// Whether a value that it must be lies within the bounds; a text has none.
    fn allows(&self, value: &str) -> bool {
        let Ok(n) = value.parse::<f64>() else { return true };
        let above = self.least.is_none_or(|(least, outside)| n > least || (n >= least && !outside));
        let below = self.most.is_none_or(|(most, outside)| n < most || (n <= most && !outside));
        above && below
    }
}
