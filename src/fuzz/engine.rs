//! Rules and a stream, both read off the input, against the reference evaluator: the same rules fire, for the same keys,
//! at the same times, from the same first to the same last event.
//!
//! The property tests compare every field and every way of running; here the input is led by coverage.

use std::sync::Arc;

use serde_json::json;

use crate::alert::{Alert, AlertRecord, Kind};
use crate::decode::{DecodeLimits, FieldNames, JsonDecoder, TypeSource};
use crate::engine::{End, Engine, InputSettings, Limits, Stream};
use crate::event::Event;
use crate::program::Program;
use crate::testing::generate::{Case, case_from};
use crate::testing::oracle::{self, Match, TestEvent};

/// What an alert says, in a form that both sides can be brought to.
type Said = (String, String, i64, i64, Option<u64>, Option<u64>, Option<(i64, i64)>, u64);

pub(super) fn target(data: &[u8]) {
    let case = case_from(data);
    let files = std::slice::from_ref(&case.file);
    let checked = crate::lang::check(files);
    assert!(checked.is_ok(), "{case:?}\nrefused: {:#?}", checked.diagnostics);
    let program = Arc::new(checked.program);
    let matches = oracle::evaluate(files, &case.events, &case.tables, oracle::End::Flush);
    let expected = sorted(matches.iter().map(expected).collect());
    for (way, alerts) in [("a stream", streamed(&program, &case)), ("3 shards", sharded(&program, &case))] {
        let said = sorted(alerts.iter().map(said).collect());
        assert_eq!(said, expected, "{case:?}\n{way} on the left, the reference on the right");
    }
}

fn sorted(mut said: Vec<Said>) -> Vec<Said> {
    said.sort();
    said
}

fn said(alert: &Alert) -> Said {
    let record = AlertRecord::new(alert, &[]);
    let window = match alert.kind {
        Kind::Alert => None,
        Kind::Measure(emission) => Some((emission.start_ms, emission.end_ms)),
    };
    let at = |event: Option<&crate::alert::AlertEvent>| event.map(|event| event.position.offset);
    let key = serde_json::Value::Object(record.key).to_string();
    let (first, last) = (at(alert.events.first()), at(alert.events.last()));
    (record.rule, key, alert.time_ms, alert.started_ms, first, last, window, alert.suppressed)
}

fn expected(found: &Match) -> Said {
    let at = |event: Option<&(String, oracle::Source)>| event.map(|(_, source)| source.event() as u64);
    let key = serde_json::Value::Object(found.key.iter().cloned().collect()).to_string();
    let (first, last) = (at(found.events.first()), at(found.events.last()));
    (found.rule.clone(), key, found.time_ms, found.started_ms, first, last, found.window, found.suppressed_before)
}

fn streamed(program: &Arc<Program>, case: &Case) -> Vec<Alert> {
    let mut stream = Stream::new(Arc::clone(program), &[InputSettings::default()]);
    stream.set_limits(Limits::NONE);
    let mut alerts = Vec::new();
    for mut event in decoded(program, &case.events) {
        stream.push(0, &mut event, &mut alerts);
    }
    stream.finish(End::Flush, &mut alerts);
    alerts
}

fn sharded(program: &Arc<Program>, case: &Case) -> Vec<Alert> {
    let events = decoded(program, &case.events);
    let last_ms = events.iter().map(|event| event.time_ms).max();
    let mut alerts = Vec::new();
    for mut engine in Engine::sharded(program, 3) {
        engine.set_limits(Limits::NONE);
        for event in &events {
            engine.on_event(event, &mut alerts);
        }
        engine.finish(End::Flush, last_ms, &mut alerts);
    }
    alerts
}

/// The events as a source would give them: decoded from JSON, numbered by their place.
fn decoded(program: &Program, events: &[TestEvent]) -> Vec<Event> {
    let names = FieldNames {
        event_type: TypeSource::Fields(vec!["@type".to_owned()]),
        time: vec!["@time".to_owned()],
        id: vec!["@id".to_owned()],
    };
    let mut decoder = JsonDecoder::new(program, &names, DecodeLimits::default());
    let decode = |(offset, event): (u64, &TestEvent)| {
        let mut body = event.body.as_object().cloned().unwrap_or_default();
        body.insert("@type".to_owned(), json!(event.event_type));
        body.insert("@time".to_owned(), json!(event.time_ms));
        let mut decoded = Event::default();
        let line = serde_json::Value::Object(body).to_string();
        decoder.decode(line.as_bytes(), &mut decoded).expect("a generated event decodes");
        decoded.position.offset = offset;
        decoded
    };
    (0..).zip(events).map(decode).collect()
}
