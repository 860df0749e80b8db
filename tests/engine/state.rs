//! What the engine holds, and for how long.

use serde_json::json;
use tripline::engine::{Admission, Engine, InputSettings, LatePolicy};
use tripline::event::{Event, Position, Value};
use tripline::schema::TypeId;

use super::support::{Feed, program};

const RULES: &str = "
event login user_id text, country text
event purchase user_id text, country text
event ping user_id text
rule hop
  for each user_id
  on every login a then purchase where country is not a.country
  within 5 minutes
  alert high
rule silence
  for each user_id
  on every ping then no ping within 1 minute
  alert low
";

fn event(type_id: u32, time_ms: i64, offset: u64, values: &[&str]) -> Event {
    Event {
        type_id: Some(TypeId(type_id)),
        time_ms,
        position: Position { offset, ..Position::default() },
        id: None,
        values: values.iter().map(|value| Value::Text((*value).into())).collect(),
    }
}

#[test]
fn a_key_with_nothing_open_is_forgotten() {
    let program = program(RULES);
    let mut engine = Engine::new(program);
    let mut alerts = Vec::new();
    for user in 0..1_000_u32 {
        let name = format!("u{user}");
        engine.on_event(&event(0, 0, u64::from(user), &[&name, "DE"]), &mut alerts);
        engine.on_event(&event(2, 0, u64::from(1_000 + user), &[&name]), &mut alerts);
    }
    // What several rules have open of a key stands in one row.
    assert_eq!((engine.open_keys(), engine.open_runs()), (1_000, 2_000));
    engine.advance(60_001, &mut alerts);
    assert_eq!((engine.open_keys(), engine.open_runs(), alerts.len()), (1_000, 1_000, 1_000));
    engine.advance(300_001, &mut alerts);
    assert_eq!((engine.open_keys(), engine.open_runs(), alerts.len()), (0, 0, 1_000));
}

#[test]
fn a_run_that_completes_leaves_nothing() {
    let mut engine = Engine::new(program(RULES));
    let mut alerts = Vec::new();
    engine.on_event(&event(0, 0, 0, &["u", "DE"]), &mut alerts);
    engine.on_event(&event(1, 1, 1, &["u", "FR"]), &mut alerts);
    assert_eq!((alerts.len(), engine.open_keys()), (1, 0));
}

#[test]
fn events_out_of_order_within_the_lateness_are_put_in_order() {
    let program = program(RULES);
    let input = InputSettings { lateness_ms: 2_000, late: LatePolicy::Drop, duplicates: None };
    let mut feed = Feed::new(&program, input);
    let line = |kind: &str, ts: i64, country: &str| {
        json!({"type": kind, "ts": ts, "user_id": "u", "country": country}).to_string()
    };
    // The purchase arrives before the login that came before it.
    assert_eq!(feed.push(&line("purchase", 10_000, "FR")).0, Admission::Accepted);
    assert_eq!(feed.push(&line("login", 9_000, "DE")).0, Admission::Accepted);
    assert_eq!(feed.stream.waiting(), 2);
    let (_, alerts) = feed.push(&line("login", 13_000, "DE"));
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].started_ms, alerts[0].time_ms), (9_000, 10_000));
    // The watermark is 11 s: an event at 11 s is in time, one before it is late.
    assert_eq!(feed.push(&line("purchase", 11_000, "FR")).0, Admission::Accepted);
    assert_eq!(feed.push(&line("purchase", 10_999, "FR")).0, Admission::Late(LatePolicy::Drop));
}

#[test]
fn a_late_event_is_raised_to_the_watermark_where_asked() {
    let program = program(RULES);
    let mut feed = Feed::new(&program, InputSettings { lateness_ms: 0, late: LatePolicy::Process, duplicates: None });
    let line = |kind: &str, ts: i64, country: &str| {
        json!({"type": kind, "ts": ts, "user_id": "u", "country": country}).to_string()
    };
    feed.push(&line("login", 10_000, "DE"));
    let (admission, alerts) = feed.push(&line("purchase", 4_000, "FR"));
    assert_eq!(admission, Admission::Raised);
    assert_eq!(alerts[0].time_ms, 10_000);
}
