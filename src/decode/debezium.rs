//! Change events as Debezium writes them: the envelope with `before`, `after`, `op` and times, bare or inside
//! `{"schema", "payload"}`, becomes an event with the row's fields.
//!
//! The body is `after`; of a deleted row it is `before`, cut to the table's key. `before.…` is what was there, `op` is
//! `create`, `update` or `delete`, and the time is `source.ts_ms`, when the database made the change, or else `ts_ms`.
//! Where alerts carry whole events it is this body and not the envelope, whose schema may be many times as large: so
//! every path that a rule reads leads somewhere in it.
//! The envelope is taken apart as a tree and the event then decoded as any other JSON: twice the work, and the change
//! data of a table is a small part of what flows.

use serde_json::{Map, Value as Json};

use crate::decode::guard::without_huge_numbers;
use crate::decode::plan::{FieldNames, TypeSource};
use crate::decode::{DecodeError, DecodeLimits, JsonDecoder};
use crate::event::Event;
use crate::program::{Change, Program};

/// Where the time of a change is put for the decoder of the body: a name that no declaration can have.
const TIME: &str = "@time";

/// Makes events of Debezium's change events.
///
/// ```
/// use tripline::decode::{DebeziumDecoder, DecodeLimits, FieldNames};
/// use tripline::event::Event;
/// use tripline::program::Program;
///
/// let names = FieldNames::of_changes("merchants");
/// let mut decoder = DebeziumDecoder::new(&Program::default(), &names, DecodeLimits::default());
/// let mut event = Event::default();
/// decoder.decode(br#"{"op":"c","before":null,"after":{"id":7},"ts_ms":1000}"#, &mut event)?;
/// assert_eq!(event.time_ms, 1000);
///
/// let error = decoder.decode(br#"{"id":7}"#, &mut event).unwrap_err();
/// assert_eq!(error.reason(), "not_a_change");
/// # Ok::<(), tripline::decode::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DebeziumDecoder {
    json: JsonDecoder,
    limits: DecodeLimits,
    /// Whether the time is that of the envelope.
    takes_time: bool,
    /// Of a topic's table the path of its key.
    key: Option<Vec<String>>,
}

impl FieldNames {
    /// Of a source of changes that are all of one type: the time is the envelope's, and there is no id. A row's own
    /// `id` is the same in all its changes.
    pub fn of_changes(event_type: &str) -> FieldNames {
        FieldNames { event_type: TypeSource::Fixed(event_type.to_owned()), time: vec![TIME.to_owned()], id: Vec::new() }
    }
}

impl DebeziumDecoder {
    /// A decoder for what `program` reads. `names` are those of the row; see [`FieldNames::of_changes`].
    pub fn new(program: &Program, names: &FieldNames, limits: DecodeLimits) -> DebeziumDecoder {
        let table = program.tables.iter().find(|table| match &names.event_type {
            TypeSource::Fixed(name) => *table.name == **name,
            TypeSource::Fields(_) => false,
        });
        DebeziumDecoder {
            json: JsonDecoder::new(program, names, limits),
            limits,
            takes_time: names.time.iter().any(|name| name == TIME),
            key: table.map(|table| table.key.path.split('.').map(ToOwned::to_owned).collect()),
        }
    }

    /// As [`JsonDecoder::decode`].
    pub fn decode(&mut self, bytes: &[u8], event: &mut Event) -> Result<(), DecodeError> {
        let body = self.body(bytes)?;
        self.json.decode(body.to_string().as_bytes(), event)
    }

    fn body(&self, bytes: &[u8]) -> Result<Json, DecodeError> {
        let limit = self.limits.bytes_max;
        if bytes.len() > limit {
            return Err(DecodeError::TooLarge { bytes: bytes.len(), limit });
        }
        std::str::from_utf8(bytes).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })?;
        let envelope = envelope(parse(bytes)?)?;
        let time = self.takes_time.then(|| time(&envelope));
        let mut body = change(envelope, self.key.as_deref())?;
        if let Some(time) = time {
            body.insert(TIME.to_owned(), time?);
        }
        Ok(Json::Object(body))
    }
}

/// The row that a message is about, which is the body itself where it is no envelope. Used by whoever keeps a topic's
/// table; nothing is asked of its time.
pub fn row_of_change(bytes: &[u8], key: &[String]) -> Result<Map<String, Json>, DecodeError> {
    let json = parse(bytes)?;
    let inner = json.get("payload").filter(|payload| payload.is_object()).unwrap_or(&json);
    let is_envelope = inner.get("op").and_then(Json::as_str).is_some_and(|op| op.len() == 1)
        && (inner.get("after").is_some() || inner.get("before").is_some());
    match json {
        json if is_envelope => change(envelope(json)?, Some(key)),
        Json::Object(row) => Ok(row),
        _ => Err(DecodeError::NotAnObject),
    }
}

fn parse(bytes: &[u8]) -> Result<Json, DecodeError> {
    serde_json::from_slice(bytes).or_else(|error| match without_huge_numbers(bytes) {
        Some(smaller) => serde_json::from_slice(&smaller).map_err(|error| not_json(bytes, &error)),
        None => Err(not_json(bytes, &error)),
    })
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> DecodeError {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or_default().to_owned();
    DecodeError::NotJson { at: before + error.column().saturating_sub(1), problem }
}

/// The envelope itself, taken out of `{"schema", "payload"}`.
fn envelope(json: Json) -> Result<Map<String, Json>, DecodeError> {
    let Json::Object(mut outer) = json else { return Err(DecodeError::NotAnObject) };
    match outer.remove("payload") {
        Some(Json::Object(payload)) if !outer.contains_key("op") => Ok(payload),
        Some(_) if !outer.contains_key("op") => Err(DecodeError::NotAChange { problem: "`payload` is no object" }),
        _ => Ok(outer),
    }
}

fn time(envelope: &Map<String, Json>) -> Result<Json, DecodeError> {
    let source = envelope.get("source").and_then(|source| source.get("ts_ms"));
    let found = [source, envelope.get("ts_ms")].into_iter().flatten().find(|time| !time.is_null());
    found.cloned().ok_or_else(|| DecodeError::NoTime { fields: "`source.ts_ms`, `ts_ms`".to_owned() })
}

fn change(mut envelope: Map<String, Json>, key: Option<&[String]>) -> Result<Map<String, Json>, DecodeError> {
    let wrong = |problem| DecodeError::NotAChange { problem };
    let op = match envelope.get("op").and_then(Json::as_str) {
        Some("c" | "r") => "create",
        Some("u") => "update",
        Some("d") => Change::DELETE,
        Some("t") => return Err(wrong("the whole table was truncated, which is no change of a row")),
        Some(_) => return Err(wrong("`op` is none of `c`, `r`, `u` and `d`")),
        None => return Err(wrong("it has no `op`; messages that are the row alone are format = \"json\"")),
    };
    let before = envelope.remove("before").filter(Json::is_object);
    let row = if op == Change::DELETE { before.clone() } else { envelope.remove("after") };
    let Some(Json::Object(mut body)) = row else {
        return Err(wrong(if op == Change::DELETE {
            "a deleted row without `before`: the database must log the key (REPLICA IDENTITY)"
        } else {
            "`after` is no object"
        }));
    };
    if let Some(key) = key.filter(|_| op == Change::DELETE) {
        body = only(&body, key);
    }
    body.insert("op".to_owned(), Json::from(op));
    body.insert("before".to_owned(), before.unwrap_or(Json::Null));
    Ok(body)
}

/// An object with nothing but the value at a path.
fn only(object: &Map<String, Json>, path: &[String]) -> Map<String, Json> {
    let mut kept = Map::new();
    if let Some((first, rest)) = path.split_first()
        && let Some(value) = object.get(first)
    {
        let value = match value {
            Json::Object(inner) if !rest.is_empty() => Json::Object(only(inner, rest)),
            value => value.clone(),
        };
        kept.insert(first.clone(), value);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Value;
    use crate::ruleset::RuleSet;

    const RULES: &str = "table m from topic \"m\" key id with id integer, risk text, place point\nrule r\n  on m where \
                         op is \"create\" and before.risk is \"x\" and before.place is missing\n  alert low\n";

    /// Decodes a message: its time, and its values as `name value` in the order of the declaration.
    fn decoded(message: &str) -> Result<(i64, String), DecodeError> {
        let set = RuleSet::from_texts([("t.rules".to_owned(), RULES.to_owned())]);
        let program = set.program().expect("it is right");
        let mut decoder = DebeziumDecoder::new(&program, &FieldNames::of_changes("m"), DecodeLimits::default());
        let mut event = Event::default();
        decoder.decode(message.as_bytes(), &mut event)?;
        let type_id = event.type_id.expect("declared");
        let fields = &program.types[type_id.index()].fields;
        let mut named: Vec<(usize, &Value)> = fields.iter().copied().zip(&event.values).collect();
        named.sort_by_key(|(field, _)| *field);
        let shown = named
            .into_iter()
            .filter(|(_, value)| !value.is_missing())
            .map(|(field, value)| format!("{} {value:?}", program.schema.get(type_id).fields[field].dotted()));
        Ok((event.time_ms, shown.collect::<Vec<_>>().join(", ")))
    }

    #[test]
    fn an_envelope_is_an_event_bare_or_with_its_schema() {
        let bare = r#"{"before":null,"after":{"id":7,"risk":"low","place":[13.4,52.5],"other":1e999},"op":"r","ts_ms":2000,"source":{"ts_ms":1000,"table":"m"}}"#;
        let expected = (
            1000,
            "id Integer(7), risk Text(\"low\"), place Point(Point { latitude: 52.5, longitude: 13.4 }), op Text(\"create\")"
                .to_owned(),
        );
        assert_eq!(decoded(bare).as_ref(), Ok(&expected));
        assert_eq!(
            decoded(&format!("{{\"schema\":{{\"type\":\"struct\"}},\"payload\":{bare}}}")).as_ref(),
            Ok(&expected)
        );
        let update = r#"{"before":{"id":7,"risk":"low"},"after":{"id":7,"risk":"high"},"op":"u","ts_ms":2000}"#;
        let (time_ms, values) = decoded(update).expect("it is a change");
        assert_eq!(time_ms, 2000);
        assert_eq!(values, "id Integer(7), risk Text(\"high\"), op Text(\"update\"), before.risk Text(\"low\")");
        let delete = r#"{"before":{"id":7,"risk":"low"},"after":null,"op":"d","ts_ms":3000}"#;
        let (_, values) = decoded(delete).expect("it is a change");
        assert_eq!(values, "id Integer(7), op Text(\"delete\"), before.risk Text(\"low\")");
    }

    #[test]
    fn what_is_no_change_says_why() {
        let reason = |message: &str| decoded(message).expect_err("it is none").to_string();
        for (message, why) in [
            ("[1]", "the body is JSON but not an object"),
            ("{\"id\":7}", "it has no `op`"),
            ("{\"schema\":null,\"payload\":null}", "`payload` is no object"),
            ("{\"op\":\"t\",\"ts_ms\":1}", "truncated"),
            ("{\"op\":\"z\",\"ts_ms\":1}", "none of `c`"),
            ("{\"op\":\"u\",\"after\":null,\"ts_ms\":1}", "`after` is no object"),
            ("{\"op\":\"d\",\"before\":null,\"ts_ms\":1}", "REPLICA IDENTITY"),
            ("{\"op\":\"c\",\"after\":{\"id\":1}}", "`source.ts_ms`, `ts_ms`"),
        ] {
            assert!(reason(message).contains(why), "{message}: {}", reason(message));
        }
        assert!(matches!(decoded("{\"op\":\n\"c\","), Err(DecodeError::NotJson { .. })));
        assert!(matches!(decoded("{\"op\":\"c\",\"after\":{},\"ts_ms\":\"soon\"}"), Err(DecodeError::BadTime { .. })));
    }
}
