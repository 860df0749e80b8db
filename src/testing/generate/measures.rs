//! Random measures.

use super::conditions::{Sight, condition};
use super::derived::PLAIN;
use super::rules::{self, Form, Manner, NAMES, key_parts, units, with_declarations};
use super::streams::UNIT_MS;
use super::tape::Tape;
use super::tree::{aggregate, calculate, compare, field, integer, name, spanned, text};
use crate::lang::ast::{Arithmetic, Compare, Duration, Emit, Expr, File, Item, Measure, MeasureWindow, Top};

/// The declarations, one or two measures, and sometimes a rule whose alerts they may measure.
pub(super) fn file(tape: &mut Tape) -> File {
    let rule = tape.percent(30).then(|| {
        let manner = Manner { pool: PLAIN.to_vec(), form: Form::Short, ..Manner::plain() };
        rules::rule(tape, NAMES[0], &manner)
    });
    let mut pool = PLAIN.to_vec();
    if rule.is_some() {
        pool.extend([NAMES[0]; 3]);
    }
    let measures = tape.pick(&[1, 1, 2]);
    let measures: Vec<Item> =
        ["measure_1", "measure_2"][..measures].iter().map(|name| Item::Measure(measure(tape, name, &pool))).collect();
    with_declarations(rule.into_iter().map(Item::Rule).chain(measures))
}

fn measure(tape: &mut Tape, called: &str, pool: &[&'static str]) -> Measure {
    let window = window(tape);
    let keys = key_parts(tape.below(20), &[]);
    let ranked = matches!(window, MeasureWindow::Every { .. }) && !keys.is_empty() && tape.percent(40);
    let mut types = vec![tape.pick(pool)];
    types.extend(Some(tape.pick(pool)).filter(|second| tape.percent(50) && *second != types[0]));
    let emit = (1..=tape.pick(&[2, 1, 3, 4])).map(|number| Emit {
        value: if number == 1 { ordered(tape) } else { value(tape, &types) },
        name: name(&format!("v{number}")),
    });
    let emit = emit.collect();
    let sight =
        Sight { types: types.clone(), own: None, by_name: false, earlier: Vec::new(), windows: false, lookups: false };
    Measure {
        name: name(called),
        description: None,
        keys,
        types: types.iter().map(|event_type| name(event_type)).collect(),
        condition: tape.percent(30).then(|| condition(tape, &sight)),
        window: spanned(window),
        emit,
        top: ranked.then(|| Top { n: tape.pick(&[2, 1, 3]), by: name("v1") }),
        targets: Vec::new(),
    }
}

fn window(tape: &mut Tape) -> MeasureWindow {
    match tape.below(10) {
        0..4 => {
            let every = tape.pick(&[2, 1, 3, 5]) * UNIT_MS;
            MeasureWindow::Every { over: Duration { ms: every }, every: Duration { ms: every } }
        }
        4..6 => {
            let every = tape.pick(&[1, 2]) * UNIT_MS;
            MeasureWindow::Every { over: Duration { ms: every * tape.pick(&[2, 3]) }, every: Duration { ms: every } }
        }
        6..8 => MeasureWindow::Last(tape.pick(&[2, 1, 3, 5])),
        _ => {
            let at_most = tape.percent(50).then(|| units(tape, 6).node);
            MeasureWindow::Session { idle: units(tape, 3).node, at_most }
        }
    }
}

/// A number: what `top` can order by.
fn ordered(tape: &mut Tape) -> Expr {
    match tape.below(4) {
        0 => aggregate("count", Vec::new(), None),
        1 => aggregate("sum", vec![field("amount")], None),
        2 => aggregate("maximum", vec![field("n")], None),
        _ => aggregate("average", vec![field("amount")], None),
    }
}

fn value(tape: &mut Tape, types: &[&'static str]) -> Expr {
    let one = tape.pick(types);
    let of_type = tape.percent(40);
    let of = |path: &str| if of_type { field(&format!("{one}.{path}")) } else { field(path) };
    let over = |function: &str, path: &str| aggregate(function, vec![of(path)], None);
    let german = || compare(field("country"), Compare::Is, text("DE"));
    let all = || aggregate("count", Vec::new(), None);
    match tape.below(14) {
        0 => aggregate("count", vec![field(one)], None),
        1 => over("sum", "n"),
        2 => over("distinct", "country"),
        3 => over("minimum", "amount"),
        4 => over("first", "country"),
        5 => over("last", "n"),
        6 => over("average", "n"),
        7 => aggregate("count", vec![field(one)], Some(german())),
        8 => aggregate("sum", vec![of("amount")], Some(german())),
        9 => calculate(aggregate("count", vec![field(one)], None), Arithmetic::Divide, all()),
        10 => calculate(over("sum", "amount"), Arithmetic::Divide, all()),
        11 => aggregate("percentile", vec![integer(tape.pick(&[50, 25, 90])), of("amount")], None),
        12 => over("deviation", "amount"),
        _ => over("maximum", "country"),
    }
}
