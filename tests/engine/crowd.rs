//! Many rules over the same events: those that an event leads to, and no others.

use serde_json::json;
use tripline::engine::{Engine, InputSettings, LatePolicy};
use tripline::event::{Event, Position, Value};
use tripline::schema::TypeId;

use super::support::{Feed, program};

const INPUT: InputSettings = InputSettings { lateness_ms: 0, late: LatePolicy::Drop, duplicates: None };

/// Two rules have the same key under different fields of one event, and so their open runs stand in the same row.
#[test]
fn an_event_goes_only_to_the_rules_that_take_their_key_from_that_field() {
    let program = program(
        "
event login user text
event transfer sender text, receiver text
rule gave
  for each user (transfer.sender)
  on every login then transfer within 1 minute
  alert low
rule got
  for each user (transfer.receiver)
  on every login then transfer within 1 minute
  alert low
",
    );
    let mut feed = Feed::new(&program, INPUT);
    assert!(feed.push(&json!({"type": "login", "ts": 1, "user": "ann"}).to_string()).1.is_empty());
    let transfer = json!({"type": "transfer", "ts": 2, "sender": "ann", "receiver": "bob"}).to_string();
    let (_, alerts) = feed.push(&transfer);
    let names: Vec<&str> = alerts.iter().map(|alert| &*alert.rule_name).collect();
    assert_eq!(names, ["gave"]);
}

#[test]
fn rules_speak_in_the_order_of_names_whatever_leads_to_them() {
    let program = program(
        "
event purchase user text, country text, amount number
rule a for each user on purchase where amount > 1 alert low
rule b for each user on purchase where country is \"DE\" alert low
rule c for each user on purchase alert low
rule d for each user on purchase where country is not \"FR\" alert low
rule e for each user on purchase where country in (\"DE\", \"FR\") or amount < 9 alert low
rule f for each user on purchase where amount > 5 alert low
rule g for each user on purchase where country is \"FR\" alert low
",
    );
    let mut engine = Engine::new(program);
    let mut alerts = Vec::new();
    let values = vec![Value::Text("u".into()), Value::Number(2.0), Value::Text("DE".into())];
    let event = Event { type_id: Some(TypeId(0)), time_ms: 1, position: Position::default(), id: None, values };
    engine.on_event(&event, &mut alerts);
    let names: Vec<&str> = alerts.iter().map(|alert| &*alert.rule_name).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[test]
fn an_event_without_a_key_is_counted_for_each_rule_that_names_its_type() {
    let program = program(
        "
event login user text
event purchase user text, amount number
rule filter for each user on purchase where amount > 100 alert low
rule hop for each user on login then purchase within 1 minute alert low
rule logins for each user on 2 login within 1 minute alert low
measure revenue for each user on purchase over 1 minute every 1 minute emit sum(amount) as total
",
    );
    let mut engine = Engine::new(program);
    let event = Event { type_id: Some(TypeId(1)), values: vec![Value::Missing; 2], ..Event::default() };
    engine.on_event(&event, &mut Vec::new());
    let stats = engine.stats();
    let missing: Vec<u64> = stats.rules.iter().map(|rule| rule.missing_key).collect();
    assert_eq!((missing, stats.measures[0].missing_key), (vec![1, 1, 0], 1));
}
