//! Random two-step sequences: one event, then another that is compared with it; mostly several that differ only in
//! what the second must fulfil by itself.

use super::conditions::{Sight, Visible, any_order, condition, equality};
use super::rules::{self, NAMES};
use super::tape::Tape;
use super::tree::{compare, expr, field, name};
use super::types;
use crate::lang::ast::{Compare, Expr, ExprKind, File, Item, Pattern, Rule, Sequence, Step};

/// The declarations and one to four rules.
pub(super) fn file(tape: &mut Tape) -> File {
    let count = tape.pick(&[1, 2, 3, 4]);
    let mut rule = two_step(tape, NAMES[0]);
    let mut rules = Vec::new();
    for called in &NAMES[..count] {
        // Now and then one of another shape among them.
        if tape.percent(15) {
            rule = two_step(tape, called);
        }
        let at_most_once = tape.percent(25).then(|| rules::units(tape, 12));
        let mut kin = Rule { name: name(called), alert: rules::alert(at_most_once), ..rule.clone() };
        own_condition(tape, &mut kin);
        rules.push(Item::Rule(kin));
    }
    rules::with_declarations(rules)
}

fn two_step(tape: &mut Tape, called: &str) -> Rule {
    let palette = [(); 2].map(|()| tape.pick(&types::RULED));
    let (first, second) = (rules::some_types(tape, &palette), rules::some_types(tape, &palette));
    let all: Vec<&str> = first.iter().chain(&second).copied().collect();
    let starts = tape.percent(25).then(|| condition(tape, &sight(&first, "a", None)));
    let linked = linked(tape, ("b", &second), ("a", &first));
    let step = |types: &[&str], called: &str, condition: Option<Expr>| Step {
        next: false,
        count: None,
        types: types.iter().map(|event_type| name(event_type)).collect(),
        name: Some(name(called)),
        condition,
        held: None,
    };
    let steps = vec![step(&first, "a", starts), step(&second, "b", linked)];
    Rule {
        name: name(called),
        description: None,
        keys: rules::key_parts(tape.below(20), &all),
        pattern: Pattern::Sequence(Sequence { every: true, steps, absence: None }),
        unless: Vec::new(),
        within: Some(rules::units(tape, 12)),
        alert: rules::alert(None),
    }
}

/// A step with its types.
pub(super) type Named<'a> = (&'static str, &'a [&'static str]);

/// How an event compares with an earlier one: mostly by one comparison, sometimes by more, or by none.
pub(super) fn linked(tape: &mut Tape, (own, types): Named<'_>, earlier: Named<'_>) -> Option<Expr> {
    let with = |tape: &mut Tape| {
        let path = tape.pick(&["country", "amount", "n", "flag", "device.id"]);
        let how = if tape.percent(50) || path == "flag" { equality(tape) } else { any_order(tape) };
        comparison(tape, path, how, own, earlier.0)
    };
    match tape.below(10) {
        0 => None,
        1..8 => Some(with(tape)),
        8 => Some(expr(ExprKind::And(with(tape), with(tape)))),
        _ => {
            let any = condition(tape, &sight(types, own, Some(earlier)));
            Some(expr(ExprKind::And(with(tape), any)))
        }
    }
}

/// Either way round.
fn comparison(tape: &mut Tape, path: &str, how: Compare, own: &str, earlier: &str) -> Expr {
    let (own, earlier) = (field(&format!("{own}.{path}")), field(&format!("{earlier}.{path}")));
    if tape.percent(80) { compare(own, how, earlier) } else { compare(earlier, how, own) }
}

/// Adds to the condition of a rule's second step what only this rule asks.
fn own_condition(tape: &mut Tape, rule: &mut Rule) {
    let Pattern::Sequence(sequence) = &mut rule.pattern else { return };
    if tape.percent(30) {
        return;
    }
    let second = &mut sequence.steps[1];
    let types: Vec<&'static str> =
        second.types.iter().filter_map(|of| types::RULED.into_iter().find(|known| *known == of.node)).collect();
    let own = condition(tape, &sight(&types, "b", None));
    second.condition = Some(match second.condition.take() {
        Some(linked) => expr(ExprKind::And(linked, own)),
        None => own,
    });
}

/// What the condition of a step can see: its own event, and perhaps an earlier one.
pub(super) fn sight(of: &[&'static str], own: &'static str, earlier: Option<Named<'_>>) -> Sight {
    let visible = |(name, types): Named<'_>| Visible { name, types: types.to_vec(), repeated: false };
    Sight {
        types: of.to_vec(),
        own: Some(own),
        by_name: false,
        earlier: earlier.into_iter().map(visible).collect(),
        windows: false,
        lookups: false,
    }
}
