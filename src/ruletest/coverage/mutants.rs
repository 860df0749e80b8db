//! Rules, risks and measures with one change each. Whether a change makes sense is left to the checker.

use crate::diagnostic::Span;
use crate::lang::ast::{
    Absence, Alert, Duration, Expr, ExprKind, Item, KeyPart, Measure, MeasureWindow, Name, Pattern, Risk, Rule,
    Session, Spanned, Step,
};
use crate::lang::fmt;
use crate::ruletest::coverage::exprs;
use crate::ruletest::coverage::picker::{Change, Made, Picker};

/// The item with its change of this number; none where it has fewer.
pub(super) fn mutant(item: &Spanned<Item>, number: usize) -> Option<(Made, Spanned<Item>)> {
    let mut item = item.clone();
    let mut picker = Picker::new(number, item.span);
    match &mut item.node {
        Item::Rule(rule) => walk_rule(&mut picker, rule),
        Item::Risk(risk) => walk_risk(&mut picker, risk),
        Item::Measure(measure) => walk_measure(&mut picker, measure),
        _ => {}
    }
    let made = picker.made?;
    if made.change == Change::Key {
        // A message may name the part that is gone.
        match &mut item.node {
            Item::Rule(rule) => rule.alert.message = None,
            Item::Risk(risk) => risk.alert.message = None,
            _ => {}
        }
    }
    Some((made, item))
}

fn walk_rule(picker: &mut Picker, rule: &mut Rule) {
    keys(picker, &mut rule.keys);
    match &mut rule.pattern {
        Pattern::Sequence(sequence) => {
            enter_step(picker, &sequence.steps[0]);
            every(picker, &mut sequence.every);
            sequence.steps.iter_mut().for_each(|each| step(picker, each));
            sequence.absence.iter_mut().for_each(|each| absence(picker, each));
        }
        Pattern::AllOf(all) => {
            enter_step(picker, &all.slots[0]);
            every(picker, &mut all.every);
            all.slots.iter_mut().for_each(|each| step(picker, each));
        }
        Pattern::EachPair(pair) => {
            types(picker, &mut pair.left.0);
            types(picker, &mut pair.right.0);
            picker.enter(pair.left.0[0].span);
            exprs::condition(picker, &mut pair.condition);
        }
        Pattern::Session(each) => session(picker, each),
    }
    unless(picker, rule);
    if let Some(within) = &mut rule.within {
        picker.enter(within.span);
        picker.stretch(within, |length| format!("within {length}"));
    }
    at_most_once(picker, &mut rule.alert);
}

fn walk_risk(picker: &mut Picker, risk: &mut Risk) {
    keys(picker, &mut risk.keys);
    picker.enter(risk.over.span);
    picker.stretch(&mut risk.over, |length| format!("over {length}"));
    picker.enter(risk.condition.span);
    exprs::required(picker, &mut risk.condition);
    at_most_once(picker, &mut risk.alert);
}

fn walk_measure(picker: &mut Picker, measure: &mut Measure) {
    keys(picker, &mut measure.keys);
    types(picker, &mut measure.types);
    if let Some(condition) = &measure.condition {
        picker.enter(condition.span);
    }
    exprs::condition(picker, &mut measure.condition);
    picker.enter(measure.window.span);
    for other in windows(&measure.window.node) {
        picker.replace(Change::Bound, &mut measure.window.node, other, fmt::format_measure_window);
    }
    for emit in &mut measure.emit {
        picker.enter(emit.value.span);
        exprs::expr(picker, &mut emit.value);
    }
    if let Some(top) = &mut measure.top {
        picker.enter(top.by.span);
        picker.step(&mut top.n, |n| format!("top {n}"));
    }
}

/// Windows of half the length, and sessions of other silences.
fn windows(window: &MeasureWindow) -> Vec<MeasureWindow> {
    let half = |length: Duration| Duration { ms: length.ms / 2 };
    let twice = |length: Duration| Duration { ms: length.ms.saturating_mul(2) };
    match *window {
        MeasureWindow::Every { over, every } if over == every => {
            vec![MeasureWindow::Every { over: half(over), every: half(every) }]
        }
        MeasureWindow::Every { over, every } => {
            vec![MeasureWindow::Every { over: half(over), every }, MeasureWindow::Every { over, every: half(every) }]
        }
        MeasureWindow::Last(n) => vec![MeasureWindow::Last(n.saturating_sub(1)), MeasureWindow::Last(n + 1)],
        MeasureWindow::Session { idle, at_most } => {
            let session = |idle, at_most| MeasureWindow::Session { idle, at_most };
            let mut all = vec![session(half(idle), at_most), session(twice(idle), at_most)];
            if let Some(most) = at_most {
                all.extend([session(idle, None), session(idle, Some(half(most))), session(idle, Some(twice(most)))]);
            }
            all
        }
    }
}

fn keys(picker: &mut Picker, parts: &mut Vec<KeyPart>) {
    let Some(first) = parts.first() else { return };
    picker.enter(first.path.span());
    picker.leave_out(Change::Key, parts, 0, |part| fmt::format_keys(std::slice::from_ref(part)));
}

fn every(picker: &mut Picker, every: &mut bool) {
    let other = !*every;
    picker.replace(Change::Every, every, other, |every| if *every { "every".to_owned() } else { String::new() });
}

fn types(picker: &mut Picker, types: &mut Vec<Name>) {
    if let Some(first) = types.first() {
        picker.enter(first.span);
    }
    picker.leave_out(Change::Type, types, 1, |name| name.node.clone());
}

fn enter_step(picker: &mut Picker, step: &Step) {
    let start: Option<Span> = step.count.as_ref().map(|count| count.span);
    picker.enter(start.unwrap_or(step.types[0].span));
}

fn step(picker: &mut Picker, step: &mut Step) {
    types(picker, &mut step.types);
    enter_step(picker, step);
    if step.next {
        picker.replace(
            Change::Clause,
            &mut step.next,
            false,
            |next| {
                if *next { "next".to_owned() } else { String::new() }
            },
        );
    }
    if let Some(count) = &mut step.count {
        let or_more = if count.node.or_more { " or more" } else { "" };
        picker.step(&mut count.node.n, |n| format!("{n}{or_more}"));
    }
    exprs::condition(picker, &mut step.condition);
    if let Some(held) = &mut step.held {
        picker.stretch(&mut held.duration, |length| format!("for {length}"));
        if let Some(gap) = &mut held.gap {
            picker.stretch(gap, |length| format!("gap at most {length}"));
        }
        optional(picker, &mut held.gap, "gap at most");
    }
}

fn absence(picker: &mut Picker, absence: &mut Absence) {
    types(picker, &mut absence.types);
    if absence.condition.is_none() {
        never(picker, &mut absence.condition, "then no", &absence.types);
    }
    exprs::condition(picker, &mut absence.condition);
    if let Some(within) = &mut absence.within {
        picker.stretch(within, |length| format!("within {length}"));
    }
}

/// A clause without a condition that never fires.
fn never(picker: &mut Picker, condition: &mut Option<Expr>, word: &str, types: &[Name]) {
    let span = types[0].span;
    picker.offer(Change::Clause, || {
        *condition = Some(Spanned::new(Box::new(ExprKind::Boolean(false)), span));
        let types: Vec<&str> = types.iter().map(|name| name.node.as_str()).collect();
        format!("{word} {} never fires", types.join(" or "))
    });
}

/// Leaves out a length of time that need not be there.
fn optional(picker: &mut Picker, length: &mut Option<Spanned<Duration>>, words: &str) {
    let Some(written) = length.as_ref().map(|length| format!("{words} {} dropped", fmt::format_duration(length.node)))
    else {
        return;
    };
    picker.offer(Change::Clause, || {
        *length = None;
        written
    });
}

fn session(picker: &mut Picker, session: &mut Session) {
    types(picker, &mut session.types);
    picker.enter(session.name.span);
    picker.stretch(&mut session.idle, |length| format!("after {length} idle"));
    if let Some(at_most) = &mut session.at_most {
        picker.stretch(at_most, |length| format!("at most {length}"));
    }
    exprs::condition(picker, &mut session.condition);
}

fn unless(picker: &mut Picker, rule: &mut Rule) {
    for at in 0..rule.unless.len() {
        // The last change of a walk may have taken one out.
        let Some(clause) = rule.unless.get_mut(at) else { return };
        types(picker, &mut clause.types);
        exprs::condition(picker, &mut clause.condition);
        let types: Vec<String> = clause.types.iter().map(|name| name.node.clone()).collect();
        picker.offer(Change::Clause, || {
            rule.unless.remove(at);
            format!("unless {} dropped", types.join(" or "))
        });
    }
}

fn at_most_once(picker: &mut Picker, alert: &mut Alert) {
    let Some(once) = &alert.at_most_once else { return };
    picker.enter(once.span);
    optional(picker, &mut alert.at_most_once, "at most once per");
    if let Some(once) = &mut alert.at_most_once {
        picker.stretch(once, |length| format!("at most once per {length}"));
    }
}
