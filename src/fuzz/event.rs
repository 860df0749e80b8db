//! A message: it is refused where it is no JSON and only then, it is read as another parser reads it, and what messages
//! before it looked like makes no difference.

use std::sync::{Arc, OnceLock};

use serde::de::IgnoredAny;
use serde_json::Value as Json;

use crate::decode::{DecodeError, DecodeLimits, FieldNames, JsonDecoder};
use crate::event::{Event, Value};
use crate::program::Program;
use crate::ruleset::RuleSet;

/// A message whose shape the decoder learns first.
pub(super) const LEARNED: &str =
    r#"{"type":"login","ts":1000,"id":"e1","a":"x","b":7,"n":{"c":1.5,"d":true},"other":[1,{"k":"v"}]}"#;

const RULES: &str = "
event login  a text, b integer, n.c number, n.d boolean

rule reads
  for each a
  on login where b > 1 and n.c > 0 and n.d
  alert low \"{a} {b} {n.c} {n.d}\"
";

fn program() -> Arc<Program> {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let compile = || RuleSet::from_texts([("fuzz.rules".to_owned(), RULES.to_owned())]).program();
    Arc::clone(PROGRAM.get_or_init(|| compile().expect("the rules are right")))
}

pub(super) fn target(data: &[u8]) {
    let program = program();
    let new = || JsonDecoder::new(&program, &FieldNames::default(), DecodeLimits::default());
    let (mut fresh, mut learned) = (new(), new());
    let (mut event, mut other) = (Event::default(), Event::default());
    let decoded = fresh.decode(data, &mut event);
    learned.decode(LEARNED.as_bytes(), &mut other).expect("it is an event");
    for _ in 0..2 {
        let again = learned.decode(data, &mut other);
        assert_eq!(again, decoded, "what came before makes no difference");
        if again.is_ok() {
            assert_eq!(format!("{other:?}"), format!("{event:?}"), "what came before makes no difference");
        }
    }
    match decoded {
        // A number that is too large is a missing value here and an error there, and is not asked for by it.
        Ok(()) => {
            serde_json::from_slice::<IgnoredAny>(data).expect("what is decoded is JSON");
            if let Ok(json) = serde_json::from_slice::<Json>(data) {
                reads_alike(&program, &event, &json);
            }
        }
        Err(DecodeError::NotJson { .. }) => {
            assert!(serde_json::from_slice::<Json>(data).is_err(), "what is refused as no JSON is none");
        }
        Err(DecodeError::NotAnObject) => {
            serde_json::from_slice::<IgnoredAny>(data).expect("it is JSON");
            assert_ne!(data.trim_ascii_start().first(), Some(&b'{'), "it is no object");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal has a reason"),
    }
}

/// The values of an event are those that the other parser finds.
fn reads_alike(program: &Program, event: &Event, json: &Json) {
    let Some(type_id) = event.type_id else { return };
    let declared = &program.schema.get(type_id).fields;
    for (value, field) in event.values.iter().zip(&program.types[type_id.index()].fields) {
        let field = declared[*field].dotted();
        let found = field.split('.').fold(json, |json, part| &json[part]);
        let alike = match (field.as_str(), value) {
            ("a", Value::Text(text)) => found.as_str() == Some(&**text),
            ("a", Value::Missing) => !found.is_string(),
            ("b", Value::Integer(integer)) => found.as_i64() == Some(*integer),
            ("b", Value::Missing) => found.as_i64().is_none(),
            // The last digit is the parser's own.
            ("n.c", Value::Number(n)) => found.as_f64().is_some_and(|f| (f - n).abs() <= f.abs() * 1e-14),
            ("n.c", Value::Missing) => found.as_f64().is_none(),
            ("n.d", Value::Boolean(flag)) => found.as_bool() == Some(*flag),
            ("n.d", Value::Missing) => found.as_bool().is_none(),
            _ => false,
        };
        assert!(alike, "`{field}` is {value:?} here and {found} there");
    }
}
