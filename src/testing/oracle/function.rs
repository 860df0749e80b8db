//! The functions that expressions call. A function of something missing is missing.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;

use regex::Regex;

use super::expression::Scope;
use super::value::Val;
use crate::lang::ast::{Call, ExprKind};

const EARTH_RADIUS_KM: f64 = 6371.0088;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// The value of every function but `speed`, which takes steps and not values.
pub(super) fn value(name: &str, arguments: &[Val]) -> Val {
    if arguments.iter().any(Val::is_missing) {
        return Val::Missing;
    }
    match (name, arguments) {
        ("lower", [Val::Text(text)]) => Val::Text(text.to_lowercase()),
        ("upper", [Val::Text(text)]) => Val::Text(text.to_uppercase()),
        ("length", [Val::Text(text)]) => length(text.chars().count()),
        ("length", [Val::List(list)]) => length(list.len()),
        ("contains", [Val::Text(text), Val::Text(part)]) => Val::Boolean(text.contains(part.as_str())),
        ("contains", [Val::List(list), one]) => {
            Val::Boolean(list.iter().any(|element| !element.is_missing() && element.same(one)))
        }
        ("starts_with", [Val::Text(text), Val::Text(start)]) => Val::Boolean(text.starts_with(start.as_str())),
        ("ends_with", [Val::Text(text), Val::Text(end)]) => Val::Boolean(text.ends_with(end.as_str())),
        ("matches", [Val::Text(text), Val::Text(pattern)]) => Val::Boolean(matches(text, pattern)),
        ("abs", [Val::Integer(i)]) => i.checked_abs().map_or(Val::Missing, Val::Integer),
        ("abs", [Val::Number(n)]) => Val::finite(n.abs()),
        ("round" | "floor" | "ceiling", [Val::Integer(i)]) => Val::Integer(*i),
        // `f64::round` rounds halves away from zero.
        ("round", [Val::Number(n)]) => Val::finite(n.round()),
        ("floor", [Val::Number(n)]) => Val::finite(n.floor()),
        ("ceiling", [Val::Number(n)]) => Val::finite(n.ceil()),
        ("least", all) => extreme(all, Ordering::Less),
        ("greatest", all) => extreme(all, Ordering::Greater),
        ("hour", [Val::Time(ms)]) => Val::Integer(ms.div_euclid(HOUR_MS).rem_euclid(24)),
        ("hour", [Val::Time(ms), Val::Text(zone)]) => local(*ms, zone, |time| i64::from(time.hour())),
        // The epoch was a Thursday, so day 0 is 4.
        ("weekday", [Val::Time(ms)]) => Val::Integer((ms.div_euclid(24 * HOUR_MS) + 3).rem_euclid(7) + 1),
        ("weekday", [Val::Time(ms), Val::Text(zone)]) => {
            local(*ms, zone, |time| i64::from(time.weekday().to_monday_one_offset()))
        }
        ("in_network", [Val::Ip(ip), Val::Text(network)]) => Val::Boolean(in_network(*ip, network)),
        ("distance", [a @ Val::Point { .. }, b @ Val::Point { .. }]) => Val::finite(distance_km(a, b)),
        _ => panic!("the reference evaluator knows no function {name} of {arguments:?}"),
    }
}

/// `speed(a, b)`: the distance between the single points of two events, by the time between them, in km/h. "At equal
/// times and a distance > 0 it exceeds every number."
pub(super) fn speed(scope: &Scope, call: &Call) -> Val {
    let events = call.args.iter().map(|argument| {
        let ExprKind::Path(path) = &*argument.node else { panic!("the file is valid: speed takes steps") };
        let step = scope.step(&path.dotted()).expect("the file is valid: speed takes steps");
        assert!(!step.repeated, "the file is valid: speed takes steps of one event");
        step.events.first().copied()
    });
    let [Some(a), Some(b)] = events.collect::<Vec<_>>()[..] else { return Val::Missing };
    let (from, to) = (scope.world.place(a), scope.world.place(b));
    if from.is_missing() || to.is_missing() {
        return Val::Missing;
    }
    let ms = scope.world.time(a).abs_diff(scope.world.time(b));
    let km = distance_km(&from, &to);
    match ms {
        0 if km > 0.0 => Val::Number(f64::INFINITY),
        0 => Val::Number(0.0),
        _ => Val::finite(km / (ms as f64 / HOUR_MS as f64)),
    }
}

fn length(n: usize) -> Val {
    Val::Integer(i64::try_from(n).expect("no text is that long"))
}

/// Whether the pattern is found anywhere in the text.
fn matches(text: &str, pattern: &str) -> bool {
    thread_local! {
        // Compiling a pattern costs a thousand times what matching these short texts does.
        static COMPILED: RefCell<BTreeMap<String, Regex>> = const { RefCell::new(BTreeMap::new()) };
    }
    COMPILED.with_borrow_mut(|compiled| {
        let regex = compiled.entry(pattern.to_owned());
        regex.or_insert_with(|| Regex::new(pattern).expect("the file is valid: it is a pattern")).is_match(text)
    })
}

fn extreme(all: &[Val], wanted: Ordering) -> Val {
    let mut best = all.first().expect("the file is valid: there are two or more");
    for one in all {
        if one.order(best) == Some(wanted) {
            best = one;
        }
    }
    best.clone()
}

fn local(ms: i64, zone: &str, part: impl Fn(jiff::Zoned) -> i64) -> Val {
    let zone = jiff::tz::TimeZone::get(zone).expect("the file is valid: it is a time zone");
    let instant = jiff::Timestamp::from_millisecond(ms);
    instant.map_or(Val::Missing, |instant| Val::Integer(part(instant.to_zoned(zone))))
}

/// Whether the first bits of the address are those of the network; an address of the other family is in none.
fn in_network(ip: IpAddr, network: &str) -> bool {
    let (base, bits) = network.split_once('/').expect("the file is valid: it is a network");
    let base: IpAddr = base.parse().expect("the file is valid: it is a network");
    let bits: usize = bits.parse().expect("the file is valid: it is a network");
    let (ip, base) = (binary(ip), binary(base));
    ip.len() == base.len() && ip[..bits] == base[..bits]
}

/// An address as its bits, first to last.
fn binary(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{:032b}", u32::from(ip)),
        IpAddr::V6(ip) => format!("{:0128b}", u128::from(ip)),
    }
}

/// "distance by haversine on radius 6371.0088 km".
fn distance_km(a: &Val, b: &Val) -> f64 {
    let radians = |point: &Val| match point {
        Val::Point { latitude, longitude } => (latitude.to_radians(), longitude.to_radians()),
        _ => unreachable!("only points come here"),
    };
    let ((lat1, lon1), (lat2, lon2)) = (radians(a), radians(b));
    let hav = |angle: f64| (angle / 2.0).sin().powi(2);
    let h = hav(lat2 - lat1) + lat1.cos() * lat2.cos() * hav(lon2 - lon1);
    // Between antipodes rounding can bring h above 1, where the arcsine has no value.
    2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
}
