//! Random events: few keys, many ties, times on the exact edges of the rules' durations, and fields that are
//! missing, null, or of another type than declared.

use serde_json::{Map, Value as Json, json};

use super::tape::Tape;
use super::types::{self, RULED, UNDECLARED, UNRULED};
use crate::testing::oracle::TestEvent;

/// All durations of rules and nearly all times of events are multiples of it.
pub(super) const UNIT_MS: i64 = 60_000;

/// A Sunday, 20 minutes before midnight in UTC: streams run into another hour, day and week.
const START_MS: i64 = 1_704_670_800_000;

/// Events, mostly of the given types, ordered by time.
pub(super) fn stream(tape: &mut Tape, events: Vec<Tape>, mostly: &[&str]) -> Vec<TestEvent> {
    let keys = tape.pick(&[1, 1, 2, 2, 3, 4]);
    let slow = tape.pick(&[1, 1, 3]);
    let mut now_ms = START_MS;
    let events = events.into_iter().enumerate().map(|(number, mut tape)| {
        now_ms += slow * UNIT_MS * tape.pick(&[0, 0, 0, 0, 1, 1, 1, 2, 4]);
        event(&mut tape, number, now_ms, keys, mostly)
    });
    let mut events: Vec<TestEvent> = events.collect();
    events.sort_by_key(|event| event.time_ms);
    events
}

fn event(tape: &mut Tape, number: usize, now_ms: i64, keys: usize, mostly: &[&str]) -> TestEvent {
    let event_type = match tape.below(20) {
        0..16 => tape.pick(mostly),
        16..18 => tape.pick(&RULED),
        18 => UNRULED,
        _ => UNDECLARED,
    };
    // One millisecond beside the edge, now and then.
    let beside = if tape.percent(6) { tape.pick(&[1, -1]) } else { 0 };
    let id = (!tape.percent(5)).then(|| format!("e{number}"));
    TestEvent { event_type: event_type.to_owned(), time_ms: now_ms + beside, id, body: body(tape, event_type, keys) }
}

fn body(tape: &mut Tape, event_type: &str, keys: usize) -> Json {
    let mut body = Map::new();
    for (path, kind) in types::fields(event_type) {
        if let Some(json) = field(tape, path, kind, keys) {
            put(&mut body, path, json);
        }
    }
    Json::Object(body)
}

/// Puts a value at a dotted path.
fn put(body: &mut Map<String, Json>, path: &str, json: Json) {
    match path.split_once('.') {
        None => {
            body.insert(path.to_owned(), json);
        }
        Some((first, rest)) => {
            let inner = body.entry(first).or_insert_with(|| Json::Object(Map::new()));
            put(inner.as_object_mut().expect("no declared path leads through another field"), rest, json);
        }
    }
}

/// A value as declared; or none, a null, or one of another type.
fn field(tape: &mut Tape, path: &str, kind: &str, keys: usize) -> Option<Json> {
    match tape.below(100) {
        0..92 => Some(declared(tape, path, kind, keys)),
        92..95 => None,
        95..97 => Some(Json::Null),
        _ => Some(wrong(kind)),
    }
}

fn declared(tape: &mut Tape, path: &str, kind: &str, keys: usize) -> Json {
    match (path, kind) {
        ("user" | "sender.id", _) => json!(["u1", "u2", "u3", "u4"][tape.below(keys)]),
        ("card", _) => json!(tape.pick(&["c1", "c1", "c2"])),
        ("code", _) => json!(tape.pick(&["DE", "FR", "fr"])),
        ("op", _) => json!(tape.pick(&["update", "create", "delete"])),
        ("rank" | "before.rank", _) => json!(tape.pick(&[1, 2, 0])),
        ("device.id", _) => json!(tape.pick(&["d1", "d1", "d2"])),
        (_, "text") => json!(tape.pick(&["DE", "DE", "FR", "FR", "fr", "é"])),
        // A JSON integer is a number too.
        (_, "number") => tape.pick(&[json!(1), json!(0.5), json!(1.5), json!(2.0), json!(0), json!(2.5), json!(100)]),
        (_, "integer") => {
            tape.pick(&[json!(1), json!(0), json!(2), json!(-1), json!((1_i64 << 53) + 1), json!(i64::MAX)])
        }
        (_, "boolean") => json!(!tape.percent(40)),
        (_, "ip") => json!(tape.pick(&["10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "192.168.1.7", "2001:db8::1"])),
        // The same instants, in ms and as text.
        (_, "time") => tape.pick(&[
            json!(START_MS),
            json!("2024-01-07T23:40:00Z"),
            json!("2024-01-08T00:00:00Z"),
            json!("2024-01-08T01:30:00.250+01:00"),
            json!(START_MS + 20 * UNIT_MS),
        ]),
        (_, "point") => tape.pick(&[
            json!({"latitude": 52.52, "longitude": 13.405}),
            json!([13.405, 52.52]),
            json!([2.3522, 48.8566]),
            json!({"latitude": 52.39, "longitude": 13.06}),
        ]),
        _ => tape.pick(&[json!(["vip"]), json!([]), json!(["new", "vip"]), json!(["new", null, 1])]),
    }
}

/// A value that is not of the kind.
fn wrong(kind: &str) -> Json {
    match kind {
        "text" => json!(7),
        "integer" => json!(1.5),
        "number" => json!("1"),
        "boolean" => json!("true"),
        "time" => json!("yesterday"),
        "ip" => json!("10.0.0"),
        "point" => json!([13.405, 152.52]),
        _ => json!("vip"),
    }
}
