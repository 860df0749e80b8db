//! Random conditions over the fields and steps in sight. Most hold more often than not: a rule needs all of its
//! conditions to alert.

use super::streams::UNIT_MS;
use super::tape::Tape;
use super::tree::{
    among, boolean, calculate, call, compare, duration, expr, field, in_list, integer, is_missing, lookup, measured,
    negate, not, number, over_window, percentile, text,
};
use super::{lookups, types};
use crate::lang::ast::{Arithmetic, Compare, Duration, Expr, ExprKind, Spanned, Unit, Window};

/// A step that a condition can name.
pub(super) struct Visible {
    pub(super) name: &'static str,
    pub(super) types: Vec<&'static str>,
    pub(super) repeated: bool,
}

/// What a condition can name.
pub(super) struct Sight {
    /// The types that the event at hand can have.
    pub(super) types: Vec<&'static str>,
    /// What its own step is called.
    pub(super) own: Option<&'static str>,
    /// Whether its fields must be written with that name.
    pub(super) by_name: bool,
    pub(super) earlier: Vec<Visible>,
    /// Whether it may look at windows.
    pub(super) windows: bool,
    /// Whether it may look at lists and tables.
    pub(super) lookups: bool,
}

/// A condition; the simplest is one comparison.
pub(super) fn condition(tape: &mut Tape, sight: &Sight) -> Expr {
    match tape.below(20) {
        0..13 => atom(tape, sight),
        13..16 => expr(ExprKind::Or(atom(tape, sight), atom(tape, sight))),
        16..18 => expr(ExprKind::And(atom(tape, sight), atom(tape, sight))),
        18 => not(atom(tape, sight)),
        _ => {
            let either = expr(ExprKind::Or(atom(tape, sight), atom(tape, sight)));
            expr(ExprKind::And(not(either), atom(tape, sight)))
        }
    }
}

/// A condition with which many rules can begin, each with its own constants.
pub(super) fn beginning(tape: &mut Tape, sight: &Sight) -> Expr {
    match tape.below(10) {
        0..4 => with_constant(tape, sight),
        4 => in_set(tape, sight),
        5 => expr(ExprKind::Or(with_constant(tape, sight), in_set(tape, sight))),
        6..8 => expr(ExprKind::And(atom(tape, sight), with_constant(tape, sight))),
        _ => atom(tape, sight),
    }
}

fn atom(tape: &mut Tape, sight: &Sight) -> Expr {
    if sight.windows && tape.percent(50) {
        return windowed(tape, sight);
    }
    if sight.lookups && tape.percent(60) {
        return looked_up(tape, sight);
    }
    let family = tape.below(20);
    let of_step = (family >= 9 && !sight.earlier.is_empty()).then(|| about_step(tape, sight)).flatten();
    match family {
        _ if of_step.is_some() => of_step.expect("it was just tested"),
        2 => missing(tape, sight),
        3 | 9 => in_set(tape, sight),
        4 | 10 => arithmetic(tape, sight),
        5 | 6 | 11 => of_text(tape, sight),
        7 | 12 => of_number(tape, sight),
        8 | 13 => of_others(tape, sight),
        _ => with_constant(tape, sight),
    }
}

impl Sight {
    /// A field of the event at hand, bare or by its step's name.
    fn own(&self, tape: &mut Tape, path: &str) -> Expr {
        match self.own {
            Some(name) if self.by_name || tape.percent(15) => field(&format!("{name}.{path}")),
            _ => field(path),
        }
    }

    /// "The fields used must exist in both."
    fn has(&self, path: &str) -> bool {
        self.types.iter().all(|event_type| types::has(event_type, path))
    }

    /// Whether `time` means the same in all types.
    fn has_own_time(&self) -> bool {
        !self.types.iter().any(|event_type| types::has(event_type, "time"))
    }
}

/// `country is "DE"`, `amount > 1`, `ip is "10.0.0.1"`.
fn with_constant(tape: &mut Tape, sight: &Sight) -> Expr {
    match tape.below(9) {
        0 => compare(sight.own(tape, "country"), equality(tape), text(tape.pick(&["DE", "FR", "fr"]))),
        1 => compare(sight.own(tape, "amount"), any_order(tape), some_number(tape)),
        2 => compare(sight.own(tape, "n"), any_order(tape), some_integer(tape)),
        3 => compare(sight.own(tape, "n"), any_order(tape), number(tape.pick(&[0.5, 1.5]))),
        4 => compare(sight.own(tape, "amount"), any_order(tape), integer(tape.pick(&[1, 0, 2]))),
        5 if tape.percent(50) => sight.own(tape, "flag"),
        5 => compare(sight.own(tape, "flag"), equality(tape), boolean(tape.percent(50))),
        6 => compare(sight.own(tape, "country"), order(tape), text(tape.pick(&["EZ", "FR"]))),
        7 if sight.has("ip") => compare(
            sight.own(tape, "ip"),
            equality(tape),
            text(tape.pick(&["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"])),
        ),
        7 if sight.has("seen") => compare(
            sight.own(tape, "seen"),
            order(tape),
            text(tape.pick(&["2024-01-07T23:50:00Z", "2024-01-08T01:00:00+01:00"])),
        ),
        // A declared `time`, or the event's own.
        _ if sight.has("time") || sight.has_own_time() => {
            compare(sight.own(tape, "time"), order(tape), text("2024-01-08T00:00:00Z"))
        }
        _ => compare(sight.own(tape, "device.id"), equality(tape), text("d1")),
    }
}

/// `amount is missing`.
fn missing(tape: &mut Tape, sight: &Sight) -> Expr {
    let path = tape.pick(&["country", "amount", "n", "device.id", "flag"]);
    let negated = !tape.percent(30);
    is_missing(sight.own(tape, path), negated)
}

/// `country in ("DE", "FR")`, `n not in (0, 2)`.
fn in_set(tape: &mut Tape, sight: &Sight) -> Expr {
    let negated = tape.percent(40);
    match tape.below(4) {
        0 => among(sight.own(tape, "country"), negated, vec![text("DE"), text("FR")]),
        1 => among(sight.own(tape, "n"), negated, vec![integer(0), integer(2)]),
        2 if sight.has("ip") => among(sight.own(tape, "ip"), negated, vec![text("10.0.0.1"), text("192.168.1.7")]),
        _ => among(sight.own(tape, "amount"), negated, vec![integer(1), number(0.5), integer(100)]),
    }
}

fn arithmetic(tape: &mut Tape, sight: &Sight) -> Expr {
    let (amount, n) = (sight.own(tape, "amount"), sight.own(tape, "n"));
    match tape.below(9) {
        0 => compare(calculate(amount, Arithmetic::Add, integer(1)), any_order(tape), integer(2)),
        1 => compare(calculate(amount, Arithmetic::Subtract, n), order(tape), integer(0)),
        2 => compare(calculate(n, Arithmetic::Multiply, integer(2)), any_order(tape), integer(2)),
        // By zero it is missing.
        3 => compare(calculate(amount, Arithmetic::Divide, n), order(tape), number(0.5)),
        4 => compare(calculate(n, Arithmetic::Divide, integer(2)), any_order(tape), number(0.5)),
        // Beyond 64 bits it is missing.
        5 => {
            let negated = tape.percent(70);
            is_missing(calculate(n, Arithmetic::Add, integer(i64::MAX)), negated)
        }
        6 => compare(negate(n), order(tape), negate(integer(1))),
        7 => compare(calculate(amount, Arithmetic::Multiply, measured(50, Unit::Percent)), order(tape), number(0.5)),
        _ => {
            let sum = calculate(amount, Arithmetic::Add, n);
            compare(calculate(sum, Arithmetic::Multiply, integer(2)), order(tape), integer(3))
        }
    }
}

fn of_text(tape: &mut Tape, sight: &Sight) -> Expr {
    let country = sight.own(tape, "country");
    match tape.below(8) {
        0 => compare(call("lower", vec![country]), equality(tape), text("de")),
        1 => compare(call("upper", vec![country]), equality(tape), text("FR")),
        2 => compare(call("length", vec![country]), order(tape), integer(2)),
        3 => call("contains", vec![country, text("E")]),
        4 => call("starts_with", vec![country, text("D")]),
        5 => call("ends_with", vec![country, text("R")]),
        6 => call("matches", vec![country, text(tape.pick(&["^[DF]", "é|e", "^..$"]))]),
        _ if sight.has("tags") => call("contains", vec![sight.own(tape, "tags"), text("vip")]),
        _ => call("starts_with", vec![call("lower", vec![country]), text("d")]),
    }
}

fn of_number(tape: &mut Tape, sight: &Sight) -> Expr {
    let (amount, n) = (sight.own(tape, "amount"), sight.own(tape, "n"));
    match tape.below(7) {
        0 => compare(call("abs", vec![n]), any_order(tape), integer(1)),
        1 => compare(call("round", vec![amount]), any_order(tape), integer(1)),
        2 => compare(call("floor", vec![amount]), any_order(tape), integer(1)),
        3 => compare(call("ceiling", vec![amount]), any_order(tape), integer(1)),
        4 => compare(call("least", vec![n, integer(1)]), any_order(tape), integer(1)),
        5 => compare(call("greatest", vec![amount, number(0.5), number(1.5)]), any_order(tape), number(1.5)),
        _ => compare(call("round", vec![negate(amount)]), any_order(tape), negate(integer(1))),
    }
}

/// Time, addresses.
fn of_others(tape: &mut Tape, sight: &Sight) -> Expr {
    let zone = tape.percent(50).then(|| text(tape.pick(&["Europe/Berlin", "America/New_York"])));
    let at = |time: Expr| std::iter::once(time).chain(zone.clone()).collect();
    match tape.below(3) {
        0 if sight.has_own_time() => compare(call("hour", at(sight.own(tape, "time"))), order(tape), integer(12)),
        1 if sight.has_own_time() => compare(call("weekday", at(sight.own(tape, "time"))), equality(tape), integer(7)),
        _ if sight.has("ip") => {
            let network = tape.pick(&["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32"]);
            call("in_network", vec![sight.own(tape, "ip"), text(network)])
        }
        _ => compare(sight.own(tape, "country"), equality(tape), text("DE")),
    }
}

/// `ip in bad_ips`, `shops[device.id].risk is "high"`.
fn looked_up(tape: &mut Tape, sight: &Sight) -> Expr {
    let negated = tape.percent(30);
    match tape.below(8) {
        0 => in_list(sight.own(tape, "card"), negated, lookups::CARDS),
        1 if sight.has("ip") => in_list(sight.own(tape, "ip"), negated, lookups::IPS),
        1 | 2 => in_list(sight.own(tape, "country"), negated, lookups::CARDS),
        3 => compare(lookup(lookups::SHOPS, sight.own(tape, "device.id"), "risk"), equality(tape), text("high")),
        4 => {
            let limit = lookup(lookups::SHOPS, sight.own(tape, "device.id"), "limit");
            compare(sight.own(tape, "amount"), order(tape), limit)
        }
        5 => compare(lookup(lookups::LANDS, sight.own(tape, "country"), "rank"), any_order(tape), integer(1)),
        6 => {
            let land = lookup(lookups::SHOPS, sight.own(tape, "device.id"), "land");
            compare(lookup(lookups::LANDS, land, "rank"), order(tape), integer(1))
        }
        _ => is_missing(lookup(lookups::LANDS, sight.own(tape, "country"), "rank"), negated),
    }
}

/// A condition on an earlier step; `None` where there is none, and where the chosen one does not fit.
pub(super) fn about(tape: &mut Tape, sight: &Sight) -> Option<Expr> {
    if sight.earlier.is_empty() { None } else { about_step(tape, sight) }
}

/// A condition on an earlier step; `None` where the chosen one does not fit.
fn about_step(tape: &mut Tape, sight: &Sight) -> Option<Expr> {
    let step = &sight.earlier[tape.below(sight.earlier.len())];
    if step.repeated { Some(about_repeated(tape, sight, step)) } else { about_single(tape, sight, step) }
}

fn about_single(tape: &mut Tape, sight: &Sight, step: &Visible) -> Option<Expr> {
    let of_step = |path: &str| field(&format!("{}.{path}", step.name));
    let in_step = |path: &str| step.types.iter().all(|event_type| types::has(event_type, path));
    let choice = tape.below(10);
    if choice >= 7 && !(sight.has("place") && in_step("place")) {
        return None;
    }
    Some(match choice {
        0 => compare(sight.own(tape, "country"), equality(tape), of_step("country")),
        1 => compare(sight.own(tape, "amount"), any_order(tape), of_step("amount")),
        2 => compare(sight.own(tape, "n"), any_order(tape), of_step("amount")),
        3 => compare(sight.own(tape, "device.id"), equality(tape), of_step("device.id")),
        4 => is_missing(of_step(tape.pick(&["country", "amount"])), !tape.percent(30)),
        5 if sight.has_own_time() && !in_step("time") && step.types.len() == 1 => {
            compare(sight.own(tape, "time"), order(tape), of_step("time"))
        }
        5 | 6 => {
            let sum = calculate(sight.own(tape, "amount"), Arithmetic::Add, of_step("amount"));
            compare(sum, any_order(tape), integer(2))
        }
        7 => compare(sight.own(tape, "place"), equality(tape), of_step("place")),
        8 => {
            let distance = call("distance", vec![of_step("place"), sight.own(tape, "place")]);
            compare(distance, order(tape), measured(100, Unit::Kilometres))
        }
        _ => {
            let speed = call("speed", vec![field(step.name), field(sight.own?)]);
            compare(speed, order(tape), measured(900, Unit::KilometresPerHour))
        }
    })
}

fn about_repeated(tape: &mut Tape, sight: &Sight, step: &Visible) -> Expr {
    let of_step = |path: &str| field(&format!("{}.{path}", step.name));
    let over = |function: &str, path: &str| call(function, vec![of_step(path)]);
    match tape.below(9) {
        0 => compare(call("count", vec![field(step.name)]), any_order(tape), integer(2)),
        1 => compare(over("sum", "amount"), order(tape), integer(2)),
        2 => compare(over("average", "amount"), order(tape), integer(1)),
        3 => compare(over("minimum", "n"), any_order(tape), integer(1)),
        4 => compare(over("maximum", "amount"), any_order(tape), sight.own(tape, "amount")),
        5 => compare(over("distinct", "country"), any_order(tape), integer(1)),
        6 => compare(sight.own(tape, "country"), equality(tape), over("first", "country")),
        7 => compare(sight.own(tape, "n"), any_order(tape), over("last", "n")),
        _ => is_missing(over("sum", "n"), !tape.percent(30)),
    }
}

fn some_window(tape: &mut Tape) -> Window {
    let over = some_duration(tape).node;
    match tape.below(4) {
        0 | 1 => Window::Over(over),
        2 => Window::Previous(over),
        _ => Window::Last(tape.pick(&[2, 3, 5])),
    }
}

fn some_duration(tape: &mut Tape) -> Spanned<Duration> {
    duration(tape.pick(&[3, 1, 2, 5, 10]) * UNIT_MS)
}

/// An aggregate over a window, or `is new`.
fn windowed(tape: &mut Tape, sight: &Sight) -> Expr {
    if !tape.percent(16) {
        return aggregated(tape, sight);
    }
    let path = tape.pick(&["device.id", "country", "n"]);
    let operand = sight.own(tape, path);
    expr(ExprKind::IsNew { operand, over: some_duration(tape) })
}

/// A comparison of an aggregate over a window, of a type that the rule names.
pub(super) fn aggregated(tape: &mut Tape, sight: &Sight) -> Expr {
    let types: Vec<&str> =
        sight.types.iter().chain(sight.earlier.iter().flat_map(|step| &step.types)).copied().collect();
    let of = tape.pick(&types);
    let window = some_window(tape);
    let over = |function: &str, path: &str| over_window(function, field(&format!("{of}.{path}")), None, window);
    match tape.below(11) {
        0 => compare(over_window("count", field(of), None, window), order(tape), integer(2)),
        1 => compare(over("sum", "amount"), order(tape), integer(2)),
        2 => compare(over("distinct", "country"), any_order(tape), integer(1)),
        3 => {
            let inside = compare(field("country"), equality(tape), text("DE"));
            compare(over_window("count", field(of), Some(inside), window), order(tape), integer(2))
        }
        4 => compare(over("average", "amount"), order(tape), integer(1)),
        5 => compare(over("minimum", "n"), any_order(tape), integer(0)),
        6 => compare(sight.own(tape, "amount"), order(tape), over("maximum", "amount")),
        // No population of the streams' amounts has just this deviation, so rounding decides nothing.
        7 => compare(over("deviation", "amount"), order(tape), number(0.3)),
        8 => compare(sight.own(tape, "country"), equality(tape), over("first", "country")),
        9 => compare(over("last", "n"), any_order(tape), integer(1)),
        _ => {
            let (path, constant) = tape.pick(&[("amount", "1"), ("n", "1"), ("country", "FR")]);
            let constant = constant.parse().map_or_else(|_| text(constant), integer);
            let of_values = percentile(tape.pick(&[50, 25, 90, 0, 100]), field(&format!("{of}.{path}")), window);
            compare(of_values, order(tape), constant)
        }
    }
}

pub(super) fn equality(tape: &mut Tape) -> Compare {
    tape.pick(&[Compare::Is, Compare::IsNot])
}

pub(super) fn order(tape: &mut Tape) -> Compare {
    tape.pick(&[Compare::GreaterOrEqual, Compare::Greater, Compare::LessOrEqual, Compare::Less])
}

pub(super) fn any_order(tape: &mut Tape) -> Compare {
    if tape.percent(30) { equality(tape) } else { order(tape) }
}

fn some_number(tape: &mut Tape) -> Expr {
    number(tape.pick(&[0.5, 1.5, 2.5]))
}

fn some_integer(tape: &mut Tape) -> Expr {
    // The last two are neighbours that no float tells apart.
    integer(tape.pick(&[1, 0, 2, (1 << 53) + 1, i64::MAX]))
}
