//! Hand-derived cases, one or more for each sentence of the definition.
//!
//! A stream is written `A@0 B@3:7/k2`: an A at minute 0, then a B at minute 3 with `x` 7 and the key k2. The key is
//! `k1` where none is written and missing where it is `-`. Alerts are written `3:0,1`: at minute 3, of the events 0
//! and 1.

mod absence;
mod alerts_as_events;
mod expressions;
mod keys_and_alerts;
mod lookups;
mod measures;
mod risks;
mod sequences;
mod sessions;
mod unordered;
mod windows;

use serde_json::{Map, Value as Json, json};

use super::{Cap, End, Match, Source, Tables, TestEvent, evaluate, evaluate_capped};
use crate::lang::ast;

const DECLARATIONS: &str = "
    event A k text, k2 text, x number, n integer, s text, b boolean, i ip, p point, t time, l list of text, o.n integer
    event B k text, k2 text, x number, p point
    event C k text, k2 text, x number
    event D owner.k text, x number
    event E k text, time time, x number
";
const MINUTE_MS: i64 = 60_000;

fn file(rules: &str) -> ast::File {
    let text = format!("{DECLARATIONS}\n{rules}");
    let (file, diagnostics) = crate::lang::parse(crate::diagnostic::FileId::default(), &text);
    assert!(diagnostics.is_empty(), "{rules}: {diagnostics:?}");
    file
}

fn stream(text: &str) -> Vec<TestEvent> {
    text.split_whitespace().map(event).collect()
}

fn event(text: &str) -> TestEvent {
    let (event, key) = text.split_once('/').unwrap_or((text, "k1"));
    let (event, x) = event.split_once(':').map_or((event, None), |(event, x)| (event, Some(x)));
    let (event_type, minute) = event.split_once('@').expect("an event is TYPE@MINUTE");
    let mut body = Map::new();
    if key != "-" {
        body.insert("k".into(), json!(key));
        body.insert("owner".into(), json!({ "k": key }));
    }
    if let Some(x) = x {
        body.insert("x".into(), json!(x.parse::<f64>().expect("x is a number")));
    }
    let time_ms = minute.parse::<i64>().expect("a minute is a number") * MINUTE_MS;
    TestEvent { event_type: event_type.into(), time_ms, id: None, body: Json::Object(body) }
}

fn written(matches: &[Match]) -> String {
    let one = |m: &Match| {
        let events: Vec<String> = m.events.iter().map(|(_, source)| source_written(source)).collect();
        let suppressed = if m.suppressed_before > 0 { format!("+{}", m.suppressed_before) } else { String::new() };
        format!("{}:{}{suppressed}", m.time_ms / MINUTE_MS, events.join(","))
    };
    matches.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// An alert is written as its rule and its completing event: `r1`.
fn source_written(source: &Source) -> String {
    match source {
        Source::Event(event) => event.to_string(),
        Source::Alert { rule, last, .. } => format!("{rule}{last}"),
    }
}

/// The alerts of a rule `for each k on …` over a stream.
fn alerts(on: &str, events: &str) -> String {
    written(&evaluate(
        &[file(&format!("rule r for each k on {on} alert high"))],
        &stream(events),
        &Tables::new(),
        End::LastEvent,
    ))
}

/// Whether a condition holds of an A with this body, an hour and a half into Thursday, 1 January 1970.
fn holds(condition: &str, body: Json) -> bool {
    let event = TestEvent { event_type: "A".into(), time_ms: 90 * MINUTE_MS, id: None, body };
    let file = file(&format!("rule r on A a where {condition} alert high"));
    !evaluate(&[file], &[event], &Tables::new(), End::LastEvent).is_empty()
}

/// The alerts of a file of rules.
fn all(rules: &str, events: &str) -> String {
    written(&evaluate(&[file(rules)], &stream(events), &Tables::new(), End::LastEvent))
}

/// The matched events of all alerts, each with its step's label.
fn labels(rules: &str, events: &str) -> String {
    let matches = evaluate(&[file(rules)], &stream(events), &Tables::new(), End::LastEvent);
    let events = matches.iter().flat_map(|m| &m.events);
    events.map(|(label, source)| format!("{label}{}", source_written(source))).collect::<Vec<_>>().join(" ")
}
