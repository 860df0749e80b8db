//! Random rules over each other's alerts, and risks.

use super::conditions::{any_order, equality, order};
use super::patterns::{session, unordered};
use super::rules::{self, Form, Manner, NAMES, alert, units, with_declarations};
use super::tape::Tape;
use super::tree::{compare, expr, field, integer, name, number, spanned, text};
use crate::lang::ast::{ExprKind, File, Item, KeyPart, Number, Risk, Rule};

/// Types in which the key `user` is called so: an alert has it too, whatever completed it.
pub(super) const PLAIN: [&str; 4] = ["login", "purchase", "failed", "logout"];

/// The declarations, two to four rules of which the later ones see alerts, and often a risk.
pub(super) fn file(tape: &mut Tape) -> File {
    let risk = tape.percent(60);
    // A rule's name says nothing of its level.
    let mut names = NAMES;
    if tape.percent(50) {
        names.reverse();
    }
    let count = tape.pick(&[2, 2, 3, 3, 4]);
    let bases = if count > 2 { tape.pick(&[1, 2]) } else { 1 };
    let mut rules: Vec<Rule> = Vec::new();
    for at in 0..count {
        let manner = manner(tape, &names[..at], at < bases);
        let mut rule = match tape.below(10) {
            7 => unordered(tape, names[at], &manner),
            8 => session(tape, names[at], &manner),
            _ => rules::rule(tape, names[at], &manner),
        };
        let score = tape.pick(&[Number::Integer(40), Number::Integer(15), Number::Float(0.5), Number::Integer(60)]);
        rule.alert.score = tape.percent(70).then(|| spanned(score));
        rules.push(rule);
    }
    let risk = risk.then(|| Item::Risk(over(tape, &mut rules)));
    with_declarations(rules.into_iter().map(Item::Rule).chain(risk))
}

fn manner(tape: &mut Tape, below: &[&'static str], base: bool) -> Manner {
    let mut pool = PLAIN.to_vec();
    if !base {
        pool = vec![tape.pick(below), tape.pick(below), below[below.len() - 1], tape.pick(&PLAIN)];
    }
    Manner { pool, windows: !base, form: Form::Short, ..Manner::plain() }
}

/// A risk with the key of one of the rules, which has a score then.
fn over(tape: &mut Tape, rules: &mut [Rule]) -> Risk {
    let at = tape.below(rules.len());
    let rule = &mut rules[at];
    rule.alert.score.get_or_insert_with(|| spanned(Number::Integer(40)));
    let keys: Vec<KeyPart> =
        rule.keys.iter().map(|part| KeyPart { path: part.path.clone(), renamed: Vec::new() }).collect();
    let least = tape.pick(&[integer(40), integer(1), integer(80), number(40.5), integer(110)]);
    let total = compare(field("total"), if tape.percent(80) { order(tape) } else { any_order(tape) }, least);
    let of_key = keys.iter().find(|part| part.path.dotted() == "user").filter(|_| tape.percent(30));
    let condition = match of_key {
        Some(_) => expr(ExprKind::And(total, compare(field("user"), equality(tape), text("u1")))),
        None => total,
    };
    Risk {
        name: name("risk_1"),
        description: None,
        keys,
        over: units(tape, 12),
        condition,
        alert: alert(tape.percent(30).then(|| units(tape, 8))),
    }
}
