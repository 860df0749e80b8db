//! Random rules without an order of steps: `all of`, `each pair of`, sessions.

use super::conditions::{Sight, Visible, about, aggregated, any_order, condition, equality, order};
use super::rules::{Manner, Shape, Shapes, alert, key_parts, some_types, units, unless};
use super::tape::Tape;
use super::tree::{calculate, call, compare, expr, field, integer, measured, name, not, number, text};
use crate::lang::ast::{
    AllOf, Arithmetic, Compare, Duration, EachPair, Expr, ExprKind, Pattern, Rule, Session, Spanned, Step, Unit, Unless,
};

/// A rule over one of each, or over every pair.
pub(super) fn unordered(tape: &mut Tape, called: &str, manner: &Manner) -> Rule {
    let at_most_once = at_most_once(tape);
    let within = units(tape, 12);
    let keys = tape.below(20);
    let palette = [(); 3].map(|()| tape.pick(&manner.pool));
    let (pattern, unless, types) = if tape.percent(50) {
        let (pair, types) = each_pair(tape, manner, palette);
        (Pattern::EachPair(pair), Vec::new(), types)
    } else {
        let shapes = slots(tape, manner, palette);
        let slots = (0..shapes.steps).map(|at| slot(tape, &shapes, at)).collect();
        let unless = (0..shapes.unless).map(|at| unless(tape, &shapes, shapes.steps + at)).collect();
        (Pattern::AllOf(AllOf { every: tape.percent(40), slots }), unless, shapes.types())
    };
    rule(called, keys, &types, pattern, unless, Some(within), at_most_once)
}

/// A rule over sessions.
pub(super) fn session(tape: &mut Tape, called: &str, manner: &Manner) -> Rule {
    let at_most_once = at_most_once(tape);
    let keys = tape.below(20);
    let palette = [(); 2].map(|()| tape.pick(&manner.pool));
    let mut types = vec![palette[0]];
    types.extend(Some(palette[1]).filter(|second| *second != palette[0]));
    let idle = units(tape, 4);
    let at_most = tape.percent(40).then(|| units(tape, 8));
    let condition = tape.percent(70).then(|| of_session(tape, &types));
    let named = types.iter().map(|event_type| name(event_type)).collect();
    let session = Session { name: name("s"), types: named, idle, at_most, condition };
    rule(called, keys, &types, Pattern::Session(session), Vec::new(), None, at_most_once)
}

fn rule(
    called: &str,
    keys: usize,
    types: &[&str],
    pattern: Pattern,
    unless: Vec<Unless>,
    within: Option<Spanned<Duration>>,
    at_most_once: Option<Spanned<Duration>>,
) -> Rule {
    Rule {
        name: name(called),
        description: None,
        keys: key_parts(keys, types),
        pattern,
        unless,
        within,
        alert: alert(at_most_once),
    }
}

fn at_most_once(tape: &mut Tape) -> Option<Spanned<Duration>> {
    tape.percent(25).then(|| units(tape, 12))
}

fn slots(tape: &mut Tape, manner: &Manner, palette: [&'static str; 3]) -> Shapes {
    let steps = tape.pick(&[2, 2, 2, 3]);
    let unless = tape.pick(&[0, 0, 0, 1]);
    let names = ["a", "b", "c", "x"];
    let shapes = names[..steps + unless].iter().map(|name| Shape {
        next: false,
        count: None,
        types: some_types(tape, &palette),
        name: Some(*name).filter(|_| tape.percent(60)),
    });
    let all = shapes.collect();
    Shapes { all, steps, unless, absence: false, windows: manner.windows, lookups: manner.lookups, form: manner.form }
}

/// Parts about the slot's own event, which may look at windows, and parts about other slots, which wait for them.
fn slot(tape: &mut Tape, shapes: &Shapes, at: usize) -> Step {
    let own = tape.percent(40).then(|| condition(tape, &shapes.sight_with(at, [])));
    let others = (0..shapes.steps).filter(|&other| other != at);
    let across = tape.percent(40).then(|| about(tape, &shapes.sight_with(at, others))).flatten();
    let shape = &shapes.all[at];
    Step {
        next: false,
        count: None,
        types: shape.types(),
        name: shape.name(),
        condition: both(own, across),
        held: None,
    }
}

fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(expr(ExprKind::And(a, b))),
        (a, b) => a.or(b),
    }
}

/// Where both sides are of one type they have names, unless nothing names them.
fn each_pair(tape: &mut Tape, manner: &Manner, palette: [&'static str; 3]) -> (EachPair, Vec<&'static str>) {
    let types = [some_types(tape, &palette), some_types(tape, &palette)];
    let conditioned = tape.percent(70);
    let alike = types[0].iter().any(|event_type| types[1].contains(event_type));
    let unclear = alike || types.iter().any(|types| types.len() > 1);
    let names = ["x", "y"].map(|side| Some(side).filter(|_| (unclear && conditioned) || tape.percent(50)));
    let called = [0, 1].map(|side| names[side].unwrap_or(types[side][0]));
    let of_side = |side: usize| Sight {
        types: types[side].clone(),
        own: Some(called[side]),
        by_name: true,
        earlier: vec![Visible { name: called[1 - side], types: types[1 - side].clone(), repeated: false }],
        windows: false,
        lookups: manner.lookups,
    };
    let mut about_pair = || {
        let sight = of_side(tape.below(2));
        match tape.below(10) {
            0..6 => about(tape, &sight).unwrap_or_else(|| condition(tape, &sight)),
            6..8 if manner.windows => {
                let windowed = aggregated(tape, &sight);
                expr(ExprKind::And(windowed, condition(tape, &sight)))
            }
            _ => condition(tape, &sight),
        }
    };
    let condition = conditioned.then(&mut about_pair);
    let side = |side: usize| (types[side].iter().map(|of| name(of)).collect(), names[side].map(name));
    (EachPair { left: side(0), right: side(1), condition }, types.concat())
}

/// A condition of a session that is about to close.
fn of_session(tape: &mut Tape, types: &[&'static str]) -> Expr {
    match tape.below(10) {
        0..7 => aggregate_of_session(tape, types),
        7 => expr(ExprKind::And(aggregate_of_session(tape, types), aggregate_of_session(tape, types))),
        8 => expr(ExprKind::Or(aggregate_of_session(tape, types), aggregate_of_session(tape, types))),
        _ => not(aggregate_of_session(tape, types)),
    }
}

fn aggregate_of_session(tape: &mut Tape, types: &[&'static str]) -> Expr {
    let of_type = tape.percent(40);
    let one = tape.pick(types);
    let of = |path: &str| if of_type { field(&format!("s.{one}.{path}")) } else { field(&format!("s.{path}")) };
    let over = |function: &str, path: &str| call(function, vec![of(path)]);
    match tape.below(13) {
        0 => compare(call("count", vec![field("s")]), any_order(tape), integer(2)),
        1 => compare(call("count", vec![field(&format!("s.{one}"))]), any_order(tape), integer(1)),
        2 => compare(over("sum", "amount"), order(tape), integer(2)),
        3 => compare(over("average", "amount"), order(tape), integer(1)),
        4 => compare(over("minimum", "n"), any_order(tape), integer(0)),
        5 => compare(over("maximum", "amount"), any_order(tape), over("first", "amount")),
        6 => compare(over("distinct", "country"), any_order(tape), integer(1)),
        7 => compare(over("last", "country"), equality(tape), over("first", "country")),
        8 => compare(over("deviation", "amount"), order(tape), number(0.3)),
        9 => {
            let p = integer(tape.pick(&[50, 25, 90]));
            compare(call("percentile", vec![p, of("amount")]), order(tape), integer(1))
        }
        10 => compare(over("last", "country"), Compare::Is, text("DE")),
        11 => compare(over("sum", "n"), order(tape), call("count", vec![field("s")])),
        // A declared `time` would be another.
        _ if types.contains(&"logout") => compare(over("distinct", "card"), any_order(tape), integer(1)),
        _ => {
            let time = |function: &str| call(function, vec![field("s.time")]);
            let lasted = calculate(time("last"), Arithmetic::Subtract, time("first"));
            compare(lasted, order(tape), measured(2, Unit::Minutes))
        }
    }
}
