//! Measures: aggregates emitted by window (section 4 of the language's definition).

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::expression::Scope;
use super::judge::{by_key, named_key};
use super::session;
use super::value::Val;
use super::world::World;
use super::{Match, window};
use crate::lang::ast::{Measure, MeasureWindow};

/// A window of one key, with the events in it.
struct Filled {
    start_ms: i64,
    end_ms: i64,
    /// When it is emitted.
    time_ms: i64,
    events: Vec<usize>,
}

/// What one window of one key says.
struct Emitted {
    key: Vec<Val>,
    window: Filled,
    values: Vec<(String, Val)>,
}

/// What a measure says, in no order but that of ranks. `complete_to` is the time up to which the input is complete.
pub(super) fn emitted(world: &World, measure: &Measure, complete_to: i64) -> Vec<Match> {
    let mut named: Vec<&str> = measure.types.iter().map(|name| name.node.as_str()).collect();
    let emit = measure.emit.iter().map(|emit| &emit.value);
    named.extend(measure.condition.iter().chain(emit).flat_map(|expr| window::types(world, expr)));
    let mut all = Vec::new();
    for (key, seen) in by_key(world, &measure.name, &measure.keys, &named) {
        let counted: Vec<usize> =
            (0..seen.len()).filter(|&at| counts(world, measure, &seen[..=at])).map(|at| seen[at]).collect();
        let windows = windows(world, measure, &counted).into_iter().filter(|window| window.time_ms <= complete_to);
        all.extend(windows.map(|window| Emitted { key: key.clone(), values: values(world, measure, &window), window }));
    }
    let ranked = ranked(measure, all).into_iter();
    ranked.map(|(rank, emitted)| said(measure, rank, emitted)).collect()
}

/// Whether the measure counts the last of these events: it is of one of the types and fulfils the condition.
fn counts(world: &World, measure: &Measure, seen: &[usize]) -> bool {
    let event = *seen.last().expect("there is an event");
    let scope = Scope::of(world, event, seen);
    world.is_of(&measure.types, event)
        && measure.condition.as_ref().is_none_or(|condition| scope.value(condition).holds())
}

/// "Empty windows emit nothing."
fn windows(world: &World, measure: &Measure, events: &[usize]) -> Vec<Filled> {
    match measure.window.node {
        MeasureWindow::Every { over, every } => aligned(world, events, over.ms, every.ms),
        // "`over the last N`" emits at each event, over the newest N.
        MeasureWindow::Last(n) => {
            let from = |at: usize| (at + 1).saturating_sub(usize::try_from(n).unwrap_or(usize::MAX));
            let filled = (0..events.len()).map(|at| Filled {
                start_ms: world.time(events[from(at)]),
                end_ms: world.time(events[at]),
                time_ms: world.time(events[at]),
                events: events[from(at)..=at].to_vec(),
            });
            filled.collect()
        }
        MeasureWindow::Session { idle, at_most } => {
            let sessions = session::sessions(world, events.iter().copied(), idle, at_most).into_iter();
            let filled = sessions.map(|session| Filled {
                start_ms: world.time(session.events[0]),
                end_ms: world.time(session.last()),
                time_ms: session.closes_ms,
                events: session.events,
            });
            filled.collect()
        }
    }
}

/// "Windows [start, end) aligned to the epoch (UTC), tumbling when D = E, hopping (D a multiple of E) otherwise";
/// "emitted when the watermark reaches the end".
fn aligned(world: &World, events: &[usize], over_ms: i64, every_ms: i64) -> Vec<Filled> {
    let mut filled: Vec<Filled> = Vec::new();
    for &event in events {
        let time = world.time(event);
        let newest = time.div_euclid(every_ms) * every_ms;
        let starts = (0..over_ms / every_ms).map(|back| newest - back * every_ms);
        for start_ms in starts.filter(|start| time < start + over_ms) {
            match filled.iter_mut().find(|window| window.start_ms == start_ms) {
                Some(window) => window.events.push(event),
                None => {
                    let end_ms = start_ms + over_ms;
                    filled.push(Filled { start_ms, end_ms, time_ms: end_ms, events: vec![event] });
                }
            }
        }
    }
    filled
}

fn values(world: &World, measure: &Measure, window: &Filled) -> Vec<(String, Val)> {
    let last = *window.events.last().expect("empty windows emit nothing");
    let scope = Scope { measured: Some(&window.events), ..Scope::of(world, last, &window.events) };
    measure.emit.iter().map(|emit| (emit.name.node.clone(), scope.value(&emit.value))).collect()
}

/// "`top N by x`: per window the N keys with the largest x (missing last; ties by key, ascending in the order of its
/// encoded bytes)." Without it, nothing has a rank.
fn ranked(measure: &Measure, mut all: Vec<Emitted>) -> Vec<(Option<u64>, Emitted)> {
    let Some(top) = &measure.top else { return all.into_iter().map(|emitted| (None, emitted)).collect() };
    let by = |emitted: &Emitted| {
        let value = emitted.values.iter().find(|(name, _)| *name == top.by.node);
        value.expect("the file is valid: a value of this name is emitted").1.clone()
    };
    let larger_first = |a: &Val, b: &Val| match (a.is_missing(), b.is_missing()) {
        (false, false) => b.order(a).expect("the file is valid: the values have an order"),
        (a, b) => a.cmp(&b),
    };
    let window = |emitted: &Emitted| (emitted.window.start_ms, emitted.window.end_ms);
    all.sort_by(|a, b| {
        let by_key = || encoded_order(&a.key, &b.key);
        window(a).cmp(&window(b)).then_with(|| larger_first(&by(a), &by(b))).then_with(by_key)
    });
    let mut ranked: Vec<(Option<u64>, Emitted)> = Vec::new();
    let mut rank = 0;
    for emitted in all {
        let same_window = ranked.last().is_some_and(|(_, before)| window(before) == window(&emitted));
        rank = if same_window { rank + 1 } else { 1 };
        ranked.push((Some(rank), emitted));
    }
    ranked.retain(|(rank, _)| rank.is_some_and(|rank| rank <= top.n));
    ranked
}

/// The order of two keys' encodings: a text has its length before it, numbers are as their bits without a sign.
fn encoded_order(a: &[Val], b: &[Val]) -> Ordering {
    let bits = |value: &Val| match value {
        Val::Integer(i) | Val::Time(i) => i.cast_unsigned(),
        Val::Number(n) => (n + 0.0).to_bits(),
        Val::Boolean(b) => u64::from(*b),
        Val::Text(text) => text.len() as u64,
        Val::Ip(ip) => u64::from(ip.is_ipv6()),
        Val::Missing | Val::Point { .. } | Val::List(_) => 0,
    };
    let parts = a.iter().zip(b);
    let orders = parts.map(|(a, b)| bits(a).cmp(&bits(b)).then_with(|| a.order(b).unwrap_or(Ordering::Equal)));
    orders.fold(Ordering::Equal, Ordering::then)
}

fn said(measure: &Measure, rank: Option<u64>, emitted: Emitted) -> Match {
    let Emitted { key, window, values } = emitted;
    // Missing values are left out.
    let present = values.into_iter().filter(|(_, value)| !value.is_missing());
    let values = present.map(|(name, value)| (name, value.to_json()));
    Match {
        rule: measure.name.node.clone(),
        key: named_key(&measure.keys, &key),
        time_ms: window.time_ms,
        started_ms: window.start_ms,
        events: Vec::new(),
        window: Some((window.start_ms, window.end_ms)),
        values: values.chain(rank.map(|rank| ("rank".to_owned(), Json::from(rank)))).collect(),
        suppressed_before: 0,
    }
}
