//! One change of a rule: where, and to what.

use crate::diagnostic::Span;
use crate::lang::ast::{Call, Compare, Count, Duration, Expr, ExprKind, Number, Pattern, Rule, Spanned, Window};
use crate::lang::walk::{all_of, conjuncts};
use crate::why::target::{Clause, PartAt, Target};

/// A length of time in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// `within 5 minutes`
    Within,
    /// `then no X within 30 minutes`
    Absence,
    /// `for 30 seconds`
    Held,
    /// `gap at most 1 minute`
    Gap,
    /// `after 30 minutes idle`
    Idle,
    /// `at most 2 hours`
    AtMost,
    /// `over 24 hours` of a risk
    Risk,
    /// `over 10 minutes` in a condition, by its place among those of the clause
    Past(Clause, usize),
}

/// A number of events in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// `5 login_failed`
    Step(usize),
    /// `over the last 100`, by its place among the lengths of the clause
    Last(Clause, usize),
}

/// A comparison: by its place among those of a part of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ComparisonAt {
    pub(super) part: PartAt,
    pub(super) leaf: usize,
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    /// Another length of time, in ms.
    Length(Length, i64),
    /// Another number of events.
    Count(Amount, u64),
    /// Another threshold.
    Threshold(ComparisonAt, Compare, Number),
    /// A part of a condition is dropped.
    Part(PartAt),
    /// An `unless` is dropped.
    Unless(usize),
    /// `then` in place of `then next`.
    Next(usize),
    /// `every`.
    Every,
    /// `at most once per` is dropped.
    Once,
}

impl Edit {
    /// The target with this change; none where it has no such place.
    pub(super) fn apply(self, target: &Target) -> Option<Target> {
        let mut changed = target.clone();
        match self {
            Edit::Length(at, ms) => *length_mut(&mut changed, at)? = Duration { ms },
            Edit::Count(at, n) => set_count(&mut changed, at, n)?,
            Edit::Threshold(at, comparison, number) => set_threshold(&mut changed, at, comparison, number)?,
            Edit::Part(at) => drop_part(&mut changed, at)?,
            Edit::Unless(at) => {
                let rule = rule_mut(&mut changed)?;
                (at < rule.unless.len()).then(|| rule.unless.remove(at))?;
            }
            Edit::Next(at) => match &mut rule_mut(&mut changed)?.pattern {
                Pattern::Sequence(sequence) => sequence.steps.get_mut(at)?.next = false,
                _ => return None,
            },
            Edit::Every => match &mut rule_mut(&mut changed)?.pattern {
                Pattern::Sequence(sequence) => sequence.every = true,
                Pattern::AllOf(all) => all.every = true,
                _ => return None,
            },
            Edit::Once => match &mut changed {
                Target::Rule(rule) => rule.alert.at_most_once = None,
                Target::Risk(risk) => risk.alert.at_most_once = None,
            },
        }
        (changed != *target).then_some(changed)
    }
}

fn rule_mut(target: &mut Target) -> Option<&mut Rule> {
    match target {
        Target::Rule(rule) => Some(rule),
        Target::Risk(_) => None,
    }
}

/// A length of time as it is, in ms.
pub(super) fn length(target: &Target, at: Length) -> Option<i64> {
    length_mut(&mut target.clone(), at).map(|duration| duration.ms)
}

fn length_mut(target: &mut Target, at: Length) -> Option<&mut Duration> {
    if let Length::Past(clause, nth) = at {
        return match pasts_mut(target.condition_mut(clause)?).into_iter().nth(nth)? {
            Past::Length(duration) => Some(duration),
            Past::Last(_) => None,
        };
    }
    let rule = match target {
        Target::Risk(risk) => return (at == Length::Risk).then_some(&mut risk.over.node),
        Target::Rule(rule) => rule,
    };
    match (at, &mut rule.pattern) {
        (Length::Within, _) => rule.within.as_mut().map(|within| &mut within.node),
        (Length::Absence, Pattern::Sequence(sequence)) => {
            sequence.absence.as_mut()?.within.as_mut().map(|within| &mut within.node)
        }
        (Length::Held, Pattern::Sequence(sequence)) => {
            sequence.steps.first_mut()?.held.as_mut().map(|held| &mut held.duration.node)
        }
        (Length::Gap, Pattern::Sequence(sequence)) => {
            sequence.steps.first_mut()?.held.as_mut()?.gap.as_mut().map(|gap| &mut gap.node)
        }
        (Length::Idle, Pattern::Session(session)) => Some(&mut session.idle.node),
        (Length::AtMost, Pattern::Session(session)) => session.at_most.as_mut().map(|most| &mut most.node),
        _ => None,
    }
}

/// A number of events as it is.
pub(super) fn count(target: &Target, at: Amount) -> Option<u64> {
    match at {
        Amount::Step(step) => target.steps().get(step)?.count.as_ref().map(|count| count.n),
        Amount::Last(clause, nth) => match pasts_mut(target.clone().condition_mut(clause)?).into_iter().nth(nth)? {
            Past::Last(n) => Some(*n),
            Past::Length(_) => None,
        },
    }
}

fn set_count(target: &mut Target, at: Amount, n: u64) -> Option<()> {
    match at {
        Amount::Step(step) => {
            let Pattern::Sequence(sequence) = &mut rule_mut(target)?.pattern else { return None };
            let count: &mut Option<Spanned<Count>> = &mut sequence.steps.get_mut(step)?.count;
            count.as_mut()?.node.n = n;
            if count.as_ref().is_some_and(|count| count.n == 1 && !count.or_more) {
                *count = None;
            }
        }
        Amount::Last(clause, nth) => match pasts_mut(target.condition_mut(clause)?).into_iter().nth(nth)? {
            Past::Last(last) => *last = n,
            Past::Length(_) => return None,
        },
    }
    Some(())
}

/// How far back a window or an `is new` reaches.
pub(super) enum Past<'a> {
    Length(&'a mut Duration),
    Last(&'a mut u64),
}

/// How far back the windows and `is new` of a condition reach, in the order of writing.
pub(super) fn pasts_mut(expr: &mut Expr) -> Vec<Past<'_>> {
    let mut all = Vec::new();
    collect_pasts(expr, &mut all);
    all
}

fn collect_pasts<'a>(expr: &'a mut Expr, all: &mut Vec<Past<'a>>) {
    match &mut *expr.node {
        ExprKind::Number(..) | ExprKind::Text(_) | ExprKind::Boolean(_) | ExprKind::Path(_) => {}
        ExprKind::Call(Call { args, window, .. }) => {
            for arg in args {
                collect_pasts(arg, all);
            }
            match window.as_mut().map(|window| &mut window.node) {
                Some(Window::Over(duration) | Window::Previous(duration)) => all.push(Past::Length(duration)),
                Some(Window::Last(n)) => all.push(Past::Last(n)),
                None => {}
            }
        }
        ExprKind::IsNew { operand, over } => {
            collect_pasts(operand, all);
            all.push(Past::Length(&mut over.node));
        }
        ExprKind::Lookup { key: a, .. }
        | ExprKind::Not(a)
        | ExprKind::Negate(a)
        | ExprKind::In { operand: a, .. }
        | ExprKind::IsMissing { operand: a, .. } => collect_pasts(a, all),
        ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
            collect_pasts(a, all);
            collect_pasts(b, all);
        }
    }
}

/// Drops a part of a condition, and the whole of it where there is no other.
fn drop_part(target: &mut Target, at: PartAt) -> Option<()> {
    let slot = target.slot_mut(at.clause)?;
    let mut parts: Vec<Expr> = conjuncts(slot.as_ref()?).into_iter().cloned().collect();
    (at.part < parts.len()).then(|| parts.remove(at.part))?;
    *slot = all_of(parts);
    if let (None, Clause::Step(step)) = (&*slot, at.clause)
        && let Some(Pattern::Sequence(sequence)) = rule_mut(target).map(|rule| &mut rule.pattern)
    {
        // `for` belongs to a condition.
        sequence.steps[step].held = None;
    }
    Some(())
}

fn set_threshold(target: &mut Target, at: ComparisonAt, comparison: Compare, number: Number) -> Option<()> {
    let part = part_mut(target.condition_mut(at.part.clause)?, &mut { at.part.part })?;
    let leaf = leaf_mut(part, &mut { at.leaf })?;
    let ExprKind::Compare(written, left, right) = &mut *leaf.node else { return None };
    let (constant, comparison) = if is_number(right) { (right, comparison) } else { (left, comparison.mirrored()) };
    written.node = comparison;
    set_number(constant, number)
}

fn part_mut<'e>(expr: &'e mut Expr, nth: &mut usize) -> Option<&'e mut Expr> {
    if matches!(&*expr.node, ExprKind::And(..)) {
        let ExprKind::And(left, right) = &mut *expr.node else { return None };
        return part_mut(left, nth).or_else(|| part_mut(right, nth));
    }
    take_nth(expr, nth)
}

/// The leaf of this number below `and`, `or` and `not`.
fn leaf_mut<'e>(expr: &'e mut Expr, nth: &mut usize) -> Option<&'e mut Expr> {
    match &*expr.node {
        ExprKind::And(..) | ExprKind::Or(..) => match &mut *expr.node {
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                leaf_mut(left, nth).or_else(|| leaf_mut(right, nth))
            }
            _ => None,
        },
        ExprKind::Not(_) => match &mut *expr.node {
            ExprKind::Not(inner) => leaf_mut(inner, nth),
            _ => None,
        },
        _ => take_nth(expr, nth),
    }
}

fn take_nth<'e>(expr: &'e mut Expr, nth: &mut usize) -> Option<&'e mut Expr> {
    if *nth == 0 {
        return Some(expr);
    }
    *nth -= 1;
    None
}

/// Whether an expression is a number as written, perhaps with a sign or a unit.
pub(super) fn is_number(expr: &Expr) -> bool {
    match &*expr.node {
        ExprKind::Number(..) => true,
        ExprKind::Negate(inner) => matches!(&*inner.node, ExprKind::Number(..)),
        _ => false,
    }
}

/// Puts another number in place of one; its unit stays.
fn set_number(expr: &mut Expr, number: Number) -> Option<()> {
    let span: Span = expr.span;
    let unit = match &*expr.node {
        ExprKind::Number(_, unit) => unit.clone(),
        ExprKind::Negate(inner) => match &*inner.node {
            ExprKind::Number(_, unit) => unit.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let (negative, size) = match number {
        Number::Integer(n) => (n < 0, Number::Integer(n.checked_abs()?)),
        Number::Float(x) => (x < 0.0, Number::Float(x.abs())),
    };
    let plain = Spanned::new(Box::new(ExprKind::Number(size, unit)), span);
    *expr = if negative { Spanned::new(Box::new(ExprKind::Negate(plain)), span) } else { plain };
    Some(())
}
