//! Values of events in every place where an alert shows them: message, key, fields and tags. An alert is one line of
//! JSON, and no value breaks out of its place.

use std::sync::{Arc, OnceLock};

use serde_json::json;

use crate::alert::AlertRecord;
use crate::decode::{DecodeLimits, FieldNames, JsonDecoder};
use crate::engine::{End, Engine};
use crate::event::Event;
use crate::program::Program;
use crate::ruleset::RuleSet;

const RULES: &str = "
event login  user_id text, country text, note text

rule shown \"Every text in every place\"
  for each user_id
  on login a
  then login b where country is not a.country
  within 1 hour
  alert high score 5 \"{user_id}: {a.country}, {b.country} ({b.note})\"
";

/// A value is cut in a message.
const MESSAGE_BYTES_MAX: usize = 4 * 512 + 64;

fn program() -> Arc<Program> {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let compile = || RuleSet::from_texts([("fuzz.rules".to_owned(), RULES.to_owned())]).program();
    Arc::clone(PROGRAM.get_or_init(|| compile().expect("the rules are right")))
}

pub(super) fn target(data: &[u8]) {
    let Some(record) = record(data) else { return };
    let line = record.to_json();
    assert!(!line.bytes().any(|byte| byte < 0x20), "an alert is one line: {line}");
    let read: AlertRecord = serde_json::from_str(&line).expect("an alert is JSON");
    assert_eq!(read, record, "it reads back");
    assert!(!record.message.chars().any(char::is_control), "a message is one line: {:?}", record.message);
    assert!(record.message.len() <= MESSAGE_BYTES_MAX, "a message has a limit: {}", record.message.len());
}

/// The alert of two events with these texts: key, two countries, a note. None where the countries are one.
pub(super) fn record(data: &[u8]) -> Option<AlertRecord> {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(4, '\0');
    let [user, before, after, note] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let program = program();
    let mut decoder = JsonDecoder::new(&program, &FieldNames::default(), DecodeLimits::default());
    let mut engine = Engine::new(Arc::clone(&program));
    let mut alerts = Vec::new();
    for (at, country) in [before, after].into_iter().enumerate() {
        let body = json!({ "type": "login", "ts": at, "id": note, "user_id": user, "country": country, "note": note });
        let mut event = Event::default();
        decoder.decode(body.to_string().as_bytes(), &mut event).expect("it is an event");
        engine.on_event(&event, &mut alerts);
    }
    engine.finish(End::LastEvent, Some(1), &mut alerts);
    assert_eq!(alerts.len(), usize::from(before != after), "two countries are an alert");
    alerts.first().map(|alert| AlertRecord::new(alert, &["login events".to_owned()]))
}
