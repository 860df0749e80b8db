//! The decoder as a whole: each kind, each refusal, and two properties over generated messages.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::event::{Event, Point, Value};
use crate::program::{Program, TypePlan};
use crate::schema::{EventType, Field, Kind, Schema, TypeId};

/// A program that reads every field of its types, in the order of declaration.
fn program(types: &[(&str, &[(&str, Kind)])]) -> Program {
    let event_type = |(name, fields): &(&str, &[(&str, Kind)])| EventType {
        name: (*name).to_owned(),
        fields: fields
            .iter()
            .map(|(path, kind)| Field { path: path.split('.').map(str::to_owned).collect(), kind: kind.clone() })
            .collect(),
    };
    Program {
        schema: Schema { types: types.iter().map(event_type).collect() },
        types: types
            .iter()
            .map(|(_, fields)| TypePlan { fields: (0..fields.len()).collect(), ..TypePlan::default() })
            .collect(),
        ..Program::default()
    }
}

fn decoder(types: &[(&str, &[(&str, Kind)])]) -> JsonDecoder {
    JsonDecoder::new(&program(types), &FieldNames::default(), DecodeLimits::default())
}

fn decode(decoder: &mut JsonDecoder, json: &str) -> Result<Event, DecodeError> {
    let mut event = Event::default();
    decoder.decode(json.as_bytes(), &mut event).map(|()| event)
}

fn reason(decoder: &mut JsonDecoder, json: &[u8]) -> &'static str {
    decoder.decode(json, &mut Event::default()).map_or_else(|error| error.reason(), |()| "decoded")
}

/// The value of a field `f` of this kind in an event whose body says `"f": json`.
fn value(kind: &Kind, json: &str) -> String {
    let mut decoder = decoder(&[("t", &[("f", kind.clone())])]);
    let event = decode(&mut decoder, &format!(r#"{{"type":"t","ts":0,"f":{json}}}"#)).unwrap();
    assert_eq!(event.values.len(), 1);
    format!("{:?}", event.values[0])
}

fn assert_value(kind: &Kind, json: &str, expected: &Value) {
    assert_eq!(value(kind, json), format!("{expected:?}"), "{kind} of {json}");
}

fn assert_missing(kind: &Kind, jsons: &[&str]) {
    for json in jsons {
        assert_value(kind, json, &Value::Missing);
    }
}

#[test]
fn text_is_text_only() {
    assert_value(&Kind::Text, r#""a\u00e9\n\ud83d\ude00""#, &Value::Text("aé\n😀".into()));
    assert_value(&Kind::Text, r#""""#, &Value::Text("".into()));
    assert_missing(&Kind::Text, &["1", "true", "null", "[]", "{}", r#"["a"]"#]);
}

#[test]
fn integers_are_written_as_integers_of_64_bits() {
    assert_value(&Kind::Integer, "-9223372036854775808", &Value::Integer(i64::MIN));
    assert_value(&Kind::Integer, "9223372036854775807", &Value::Integer(i64::MAX));
    let huge = "1".repeat(400);
    assert_missing(&Kind::Integer, &["9223372036854775808", "5.0", "5e0", "\"5\"", "true", "1e999", &huge]);
}

#[test]
fn numbers_are_any_that_a_float_holds() {
    for (json, n) in
        [("1", 1.0), ("-0.5", -0.5), ("1e3", 1000.0), ("18446744073709551615", 18_446_744_073_709_551_615.0)]
    {
        assert_value(&Kind::Number, json, &Value::Number(n));
    }
    let huge = "1".repeat(400);
    assert_missing(&Kind::Number, &["1e999", "-1e999", &huge, "\"1\"", "false", "null"]);
}

#[test]
fn booleans_are_no_numbers() {
    assert_value(&Kind::Boolean, "true", &Value::Boolean(true));
    assert_missing(&Kind::Boolean, &["1", "\"true\"", "null"]);
}

#[test]
fn times_are_whole_ms_or_rfc_3339() {
    assert_value(&Kind::Time, "1700000000123", &Value::Time(1_700_000_000_123));
    assert_value(&Kind::Time, r#""2023-11-14T22:13:20.123Z""#, &Value::Time(1_700_000_000_123));
    assert_value(&Kind::Time, r#""2023-11-15T00:13:20+02:00""#, &Value::Time(1_700_000_000_000));
    assert_missing(
        &Kind::Time,
        &["1.0", "9223372036854775807", r#""2023-11-14T22:13:20""#, r#""yesterday""#, r#""1700000000123""#, "true"],
    );
}

#[test]
fn addresses_are_canonical() {
    assert_value(&Kind::Ip, r#""10.0.0.1""#, &Value::Ip("10.0.0.1".parse().unwrap()));
    assert_value(&Kind::Ip, r#""::ffff:10.0.0.1""#, &Value::Ip("10.0.0.1".parse().unwrap()));
    assert_value(&Kind::Ip, r#""2001:DB8:0::1""#, &Value::Ip("2001:db8::1".parse().unwrap()));
    assert_missing(&Kind::Ip, &[r#""10.0.0""#, r#""10.0.0.256""#, r#""""#, "167772161"]);
}

#[test]
fn points_are_objects_or_pairs() {
    let berlin = Value::Point(Point { latitude: 52.5, longitude: 13.0 });
    assert_value(&Kind::Point, r#"{"latitude":52.5,"longitude":13}"#, &berlin);
    assert_value(&Kind::Point, r#"{"longitude":13,"accuracy":[1],"latitude":52.5}"#, &berlin);
    assert_value(&Kind::Point, "[13, 52.5]", &berlin);
    assert_missing(
        &Kind::Point,
        &[
            "[13]",
            "[13,52,1]",
            "[13,91]",
            "[181,0]",
            r#"[13,"52"]"#,
            r#"{"latitude":90.01,"longitude":0}"#,
            r#"{"latitude":1}"#,
            r#"{"latitude":1,"longitude":1e999}"#,
            "7",
            "null",
            r#""52,13""#,
        ],
    );
}

#[test]
fn lists_keep_their_places() {
    let text = Kind::List(Box::new(Kind::Text));
    assert_value(
        &text,
        r#"["a",1,null,["b"],"\t"]"#,
        &Value::List(Box::new([
            Value::Text("a".into()),
            Value::Missing,
            Value::Missing,
            Value::Missing,
            Value::Text("\t".into()),
        ])),
    );
    assert_value(&text, "[]", &Value::List(Box::default()));
    assert_missing(&text, &[r#""a""#, "{}", "null"]);
    let nested = Kind::List(Box::new(Kind::List(Box::new(Kind::Integer))));
    let inner = |i| Value::List(Box::new([Value::Integer(i)]));
    assert_value(&nested, "[[1],[2],3]", &Value::List(Box::new([inner(1), inner(2), Value::Missing])));
}

#[test]
fn lists_hold_points_of_both_forms() {
    let point = |latitude, longitude| Value::Point(Point { latitude, longitude });
    assert_value(
        &Kind::List(Box::new(Kind::Point)),
        r#"[[1,2],{"latitude":3,"x":{},"longitude":4},{"latitude":3},{"latitude":1,"latitude":2,"longitude":3},{}]"#,
        &Value::List(Box::new([point(2.0, 1.0), point(3.0, 4.0), Value::Missing, Value::Missing, Value::Missing])),
    );
}

#[test]
fn a_point_may_have_declared_parts() {
    let mut decoder =
        decoder(&[("t", &[("p", Kind::Point), ("p.latitude", Kind::Number), ("p.city.name", Kind::Text)])]);
    let json = r#"{"type":"t","ts":0,"p":{"city":{"name":"Rome"},"latitude":1,"longitude":2}}"#;
    let event = decode(&mut decoder, json).unwrap();
    assert!(matches!(
        &event.values[..],
        [Value::Point(Point { latitude: 1.0, longitude: 2.0 }), Value::Number(1.0), Value::Text(name)] if name == "Rome"
    ));
    let event = decode(&mut decoder, r#"{"type":"t","ts":0,"p":[2,1]}"#).unwrap();
    assert!(matches!(&event.values[..], [Value::Point(_), Value::Missing, Value::Missing]));
}

#[test]
fn a_field_under_something_that_is_no_object_is_missing() {
    let mut decoder = decoder(&[("t", &[("a.b", Kind::Text)])]);
    for body in ["1", "null", "[]", r#""b""#, r#"[{"b":"x"}]"#, r#"{"c":{"b":"x"}}"#] {
        let event = decode(&mut decoder, &format!(r#"{{"type":"t","ts":0,"a":{body}}}"#)).unwrap();
        assert!(event.values[0].is_missing(), "{body}");
    }
}

#[test]
fn the_type_decides_although_it_stands_last() {
    let mut decoder = decoder(&[("a", &[("f", Kind::Text)]), ("b", &[("g", Kind::Text), ("f", Kind::Integer)])]);
    let event = decode(&mut decoder, r#"{"f":7,"g":"x","ts":5,"type":"b"}"#).unwrap();
    assert_eq!(event.type_id, Some(TypeId(1)));
    assert!(matches!(&event.values[..], [Value::Text(g), Value::Integer(7)] if g == "x"));
    let event = decode(&mut decoder, r#"{"f":7,"g":"x","ts":5,"type":"a"}"#).unwrap();
    assert!(matches!(&event.values[..], [Value::Missing]));
}

#[test]
fn values_stand_in_the_order_in_which_the_program_reads_them() {
    let mut program = program(&[("t", &[("a", Kind::Integer), ("b", Kind::Integer), ("c", Kind::Integer)])]);
    program.types[0].fields = vec![2, 0];
    let mut decoder = JsonDecoder::new(&program, &FieldNames::default(), DecodeLimits::default());
    let event = decode(&mut decoder, r#"{"type":"t","ts":5,"a":1,"b":2,"c":3,"b":4}"#).unwrap();
    assert!(
        matches!(&event.values[..], [Value::Integer(3), Value::Integer(1)]),
        "b is not read, so it may occur twice"
    );
}

#[test]
fn a_whole_event_stands_behind_its_values() {
    let mut program = program(&[("t", &[("a", Kind::Text)]), ("u", &[("a", Kind::Text)])]);
    program.types[0].whole = true;
    let mut decoder = JsonDecoder::new(&program, &FieldNames::default(), DecodeLimits::default());
    // The last of them are the parser's.
    for json in [
        r#"{"type":"t","ts":5,"a":"x","more":[1,{"b":2}]}"#,
        " { \"type\" : \"t\",\n\"ts\":5, \"a\":\"x\\n\" } ",
        r#"{"t\u0079pe":"t","ts":5,"a":"\ud83d\ude00"}"#,
        r#"{"type":"t","ts":5,"a":1e999}"#,
    ] {
        let event = decode(&mut decoder, json).unwrap();
        assert!(matches!(&event.values[..], [_, Value::Text(whole)] if whole == json), "{event:?}");
    }
    let event = decode(&mut decoder, r#"{"type":"u","ts":5,"a":"x"}"#).unwrap();
    assert!(matches!(&event.values[..], [Value::Text(_)]), "of this type nobody asked for it");
}

#[test]
fn an_undeclared_type_still_has_its_time() {
    let mut decoder = decoder(&[("t", &[("f", Kind::Text)])]);
    let mut event = Event { values: vec![Value::Missing; 3], ..Event::default() };
    decoder.decode(br#"{"type":"other","ts":5,"id":"x","f":"y"}"#, &mut event).unwrap();
    assert_eq!((event.type_id, event.time_ms, event.id.as_deref()), (None, 5, Some("x")));
    assert!(event.values.is_empty());
}

#[test]
fn escaped_keys_match() {
    let mut decoder = decoder(&[("t", &[("user_id", Kind::Text)])]);
    let event = decode(&mut decoder, r#"{"t\u0079pe":"\u0074","ts":5,"us\u0065r_id":"u1"}"#).unwrap();
    assert_eq!(event.type_id, Some(TypeId(0)));
    assert!(matches!(&event.values[0], Value::Text(user) if user == "u1"));
}

#[test]
fn a_field_that_is_read_occurs_once() {
    let mut decoder = decoder(&[("t", &[("user_id", Kind::Text), ("device.id", Kind::Text), ("at", Kind::Point)])]);
    let mut duplicate = |json: &str| match decode(&mut decoder, json) {
        Err(DecodeError::DuplicateField { field }) => field,
        other => format!("{other:?}"),
    };
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"user_id":"a","user_id":"b"}"#), "user_id");
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"user_id":null,"us\u0065r_id":"b"}"#), "user_id");
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"device":{"id":"a"},"device":{"id":"b"}}"#), "device");
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"device":{"id":"a","id":"b"}}"#), "device.id");
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"at":{"latitude":1,"latitude":2}}"#), "at.latitude");
    assert_eq!(duplicate(r#"{"type":"t","type":"u","ts":1}"#), "type");
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"ts":1}"#), "ts");
    assert_eq!(duplicate(r#"{"type":"t","ts":1,"id":1,"id":1}"#), "id");
    assert_eq!(
        reason(&mut decoder, br#"{"type":"t","ts":1,"x":1,"x":{"x":1,"x":2},"device":{"y":1,"y":2}}"#),
        "decoded"
    );
}

#[test]
fn event_times_take_the_first_name_that_is_present() {
    let mut decoder = decoder(&[]);
    let mut time = |json: &str| decode(&mut decoder, json).map(|event| event.time_ms);
    assert_eq!(time(r#"{"type":"t","time":2,"ts":1}"#), Ok(1));
    assert_eq!(time(r#"{"type":"t","@timestamp":"1970-01-01T00:00:01Z","ts":null}"#), Ok(1000));
    assert_eq!(time(r#"{"type":"t","ts":1.7e12}"#), Ok(1_700_000_000_000));
    let mut bad = |json: &str| time(json).map_err(|error| (error.reason(), error.to_string().contains("`ts`")));
    for ts in ["1.5", "true", r#""noon""#, "{}", "9223372036854775807", "18446744073709551615", "1e300", "1e999"] {
        let expected = if ts == "1e999" { "no_time" } else { "bad_time" };
        assert_eq!(bad(&format!(r#"{{"type":"t","ts":{ts}}}"#)), Err((expected, true)), "{ts}");
    }
    assert_eq!(bad(r#"{"type":"t"}"#), Err(("no_time", true)));
}

#[test]
fn ids_are_text_or_integers() {
    let mut decoder = decoder(&[]);
    let mut id = |id: &str| decode(&mut decoder, &format!(r#"{{"type":"t","ts":1,"id":{id}}}"#)).unwrap().id;
    assert_eq!(id(r#""e1""#).as_deref(), Some("e1"));
    assert_eq!(id("-7").as_deref(), Some("-7"));
    assert_eq!(id("18446744073709551615").as_deref(), Some("18446744073709551615"));
    for none in ["null", "1.5", "true", "{}", "[]", r#""""#] {
        assert_eq!(id(none), None, "{none}");
    }
}

#[test]
fn a_source_may_name_its_fields_or_its_type() {
    let program = program(&[("purchase", &[("amount", Kind::Number)])]);
    let names = FieldNames {
        event_type: TypeSource::Fixed("purchase".to_owned()),
        time: vec!["meta.at".to_owned()],
        id: vec!["meta.id".to_owned(), "ref".to_owned()],
    };
    let mut decoder = JsonDecoder::new(&program, &names, DecodeLimits::default());
    let event = decode(&mut decoder, r#"{"type":"login","amount":2,"ref":"r","meta":{"at":9}}"#).unwrap();
    assert_eq!((event.type_id, event.time_ms, event.id.as_deref()), (Some(TypeId(0)), 9, Some("r")));
    assert_eq!(reason(&mut decoder, br#"{"ts":1}"#), "no_time");
}

#[test]
fn an_event_has_a_type() {
    let mut decoder = decoder(&[]);
    assert_eq!(reason(&mut decoder, br#"{"ts":1}"#), "no_type");
    assert_eq!(reason(&mut decoder, br#"{"ts":1,"type":null}"#), "no_type");
    assert_eq!(reason(&mut decoder, br#"{"ts":1,"type":""}"#), "bad_type");
    assert_eq!(reason(&mut decoder, br#"{"ts":1,"type":7}"#), "bad_type");
}

#[test]
fn the_whole_message_is_checked_whatever_is_read() {
    let mut decoder = decoder(&[("t", &[("f", Kind::Text)])]);
    for bad in [
        r#""f":"\x""#,
        r#""f":"\ud800""#,
        r#""x":"\x""#,
        r#""x":"\u12G4""#,
        r#""x":"\u","y":1"#,
        r#""x":01"#,
        r#""x":1."#,
        r#""x":-"#,
        r#""x":+1"#,
        r#""x":.5"#,
        r#""x":NaN"#,
        r#""x":tru"#,
        r#""x":[1,]"#,
        r#""x":{"a":1,}"#,
        r#""x":{"a"}"#,
        r#""x":{1:2}"#,
        r#""x":[1 2]"#,
        "\"x\":\"a\nb\"",
        r#""x":'a'"#,
        r#""x":1,"#,
        r#""x""#,
        r#""x":"#,
        r#""x":[}"#,
    ] {
        let json = format!(r#"{{"type":"t","ts":1,{bad}}}"#);
        assert_eq!(reason(&mut decoder, json.as_bytes()), "not_json", "{json}");
    }
    for bad in
        ["", " ", "{", r#"{"type":"t","ts":1} x"#, r#"{"type":"t","ts":1}{}"#, r#"{"type":"t","ts":1"#, "[1", "nul"]
    {
        assert_eq!(reason(&mut decoder, bad.as_bytes()), "not_json", "{bad}");
    }
    for other in ["[]", "1", "null", r#""x""#, "true"] {
        assert_eq!(reason(&mut decoder, other.as_bytes()), "not_an_object", "{other}");
    }
    assert_eq!(reason(&mut decoder, b"{\"type\":\"t\",\"ts\":1,\"x\":\"\xff\"}"), "not_utf8");
    assert_eq!(reason(&mut decoder, b" {\"type\" : \"t\" ,\r\n\t\"ts\":1 } \n"), "decoded");
}

#[test]
fn limits_are_refused_quickly_and_name_their_settings() {
    let mut decoder = decoder(&[]);
    let levels = |n: usize| format!(r#"{{"type":"t","ts":1,"x":{}{}}}"#, "[".repeat(n - 1), "]".repeat(n - 1));
    assert_eq!(reason(&mut decoder, levels(64).as_bytes()), "decoded");
    let error = decode(&mut decoder, &levels(65)).unwrap_err();
    assert_eq!(error.to_string(), "nested deeper than 64 levels: the setting max_event_depth in [limits]");
    assert_eq!(reason(&mut decoder, levels(100_000).as_bytes()), "too_deep");
    assert_eq!(reason(&mut decoder, &b"[".repeat(100_000)), "too_deep");
    assert_eq!(
        reason(&mut decoder, format!(r#"{{"type":"t","ts":1,"x":[{}1]}}"#, "[],".repeat(1000)).as_bytes()),
        "decoded"
    );
    let error = decode(&mut decoder, &" ".repeat((1 << 20) + 1)).unwrap_err();
    assert_eq!(error.to_string(), "1048577 bytes, more than 1048576: the setting max_event_bytes in [limits]");
}

#[test]
fn no_depth_that_is_allowed_exhausts_the_stack() {
    let limits = DecodeLimits { depth_max: usize::MAX, ..DecodeLimits::default() };
    let mut decoder = JsonDecoder::new(&program(&[]), &FieldNames::default(), limits);
    let levels = |n: usize| format!(r#"{{"type":"t","ts":1,"x":{}{}}}"#, r#"{"y":["#.repeat(n / 2), "]}".repeat(n / 2));
    assert_eq!(reason(&mut decoder, levels(198).as_bytes()), "decoded");
    assert_eq!(reason(&mut decoder, levels(100_000).as_bytes()), "too_deep");
}

#[test]
fn every_reason_is_listed() {
    let mut decoder = decoder(&[]);
    for json in ["", "[]", r#"{"ts":1}"#, r#"{"type":"t"}"#, r#"{"type":1,"ts":1}"#, r#"{"type":"t","ts":""}"#] {
        let reason = reason(&mut decoder, json.as_bytes());
        assert!(DecodeError::REASONS.contains(&reason), "{reason}");
    }
}

/// The fields of the generated messages, with every kind, nested and not.
const FIELDS: [&str; 8] = ["a", "b", "c", "d.a", "d.b", "d.c.a", "e", "e.latitude"];

fn kinds() -> [Kind; 8] {
    let list = |of| Kind::List(Box::new(of));
    [
        Kind::Text,
        Kind::Integer,
        list(Kind::Number),
        Kind::Number,
        Kind::Boolean,
        list(Kind::Point),
        Kind::Point,
        Kind::Time,
    ]
}

fn everything() -> JsonDecoder {
    let fields: Vec<(&str, Kind)> = FIELDS.into_iter().zip(kinds()).collect();
    decoder(&[("t", &fields), ("u", &[("a", Kind::Ip), ("d", Kind::Text), ("e", Kind::List(Box::new(Kind::Ip)))])])
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-200i32..200).prop_map(|n| json!(f64::from(n) / 4.0)),
        any::<String>().prop_map(Json::from),
        Just(json!("10.0.0.1")),
        Just(json!("2023-11-14T22:13:20.123Z")),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            4 => prop::sample::select(vec!["a", "b", "c", "d", "e", "latitude", "longitude"]).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Json> {
    let fields = prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d", "e", "x"]), json(), 0..6);
    (fields, prop::sample::select(vec!["t", "u", "other"])).prop_map(|(fields, name)| {
        let mut body: BTreeMap<&str, Json> = fields;
        body.insert("type", json!(name));
        body.insert("ts", json!(1));
        json!(body)
    })
}

/// What a reader of the manual would do with a parsed tree.
fn naive(kind: &Kind, json: Option<&Json>) -> Value {
    let number = |json: &Json| json.as_f64();
    let Some(json) = json else { return Value::Missing };
    match kind {
        Kind::Text => json.as_str().map(|text| Value::Text(text.into())),
        Kind::Integer => json.as_i64().map(Value::Integer),
        Kind::Number => number(json).map(Value::Number),
        Kind::Boolean => json.as_bool().map(Value::Boolean),
        Kind::Ip => json.as_str().and_then(|text| text.parse().ok()).map(Value::Ip),
        Kind::Time => json
            .as_i64()
            .or_else(|| Some(json.as_str()?.parse::<jiff::Timestamp>().ok()?.as_millisecond()))
            .filter(|ms| jiff::Timestamp::from_millisecond(*ms).is_ok())
            .map(Value::Time),
        Kind::Point => {
            let pair = match json {
                Json::Array(pair) if pair.len() == 2 => Some((&pair[1], &pair[0])),
                Json::Object(map) => map.get("latitude").zip(map.get("longitude")),
                _ => None,
            };
            pair.and_then(|(latitude, longitude)| number(latitude).zip(number(longitude)))
                .filter(|(latitude, longitude)| latitude.abs() <= 90.0 && longitude.abs() <= 180.0)
                .map(|(latitude, longitude)| Value::Point(Point { latitude, longitude }))
        }
        Kind::List(of) => json
            .as_array()
            .map(|elements| Value::List(elements.iter().map(|element| naive(of, Some(element))).collect())),
    }
    .unwrap_or_default()
}

fn at<'a>(body: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(body, |json, name| json.as_object()?.get(name))
}

proptest! {
    #[test]
    fn a_decoded_event_holds_what_a_walk_over_the_tree_finds(body in body(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let event = decode(&mut everything(), &text).unwrap();
        let expected: Vec<Value> = match body["type"].as_str().unwrap() {
            "t" => FIELDS.iter().zip(kinds()).map(|(path, kind)| naive(&kind, at(&body, path))).collect(),
            "u" => [("a", Kind::Ip), ("d", Kind::Text), ("e", Kind::List(Box::new(Kind::Ip)))]
                .iter()
                .map(|(path, kind)| naive(kind, at(&body, path)))
                .collect(),
            _ => Vec::new(),
        };
        prop_assert_eq!(format!("{:?}", event.values), format!("{expected:?}"));
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_pass_that_are_no_object(
        bytes in prop::collection::vec(
            prop_oneof![1 => any::<u8>(), 4 => prop::sample::select(b"{}[]\":,\\u0e1.- tn".to_vec())],
            0..300,
        ),
        wrapped: bool,
    ) {
        let head: &[u8] = if wrapped { br#"{"type":"t","ts":1,"d":{"a":"# } else { b"" };
        let bytes = [head, &bytes].concat();
        if everything().decode(&bytes, &mut Event::default()).is_ok() {
            prop_assert!(serde_json::from_slice::<Json>(&bytes).is_ok_and(|json| json.is_object()));
        }
    }

    #[test]
    fn a_damaged_message_is_refused_where_another_parser_refuses_it(
        body in body(),
        at: prop::sample::Index,
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:u0e.- ".to_vec())],
        cut: bool,
    ) {
        let mut bytes = serde_json::to_vec(&body).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let ours = everything().decode(&bytes, &mut Event::default());
        let theirs = std::str::from_utf8(&bytes).is_ok() && serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let refused = matches!(ours, Err(DecodeError::NotJson { .. } | DecodeError::NotUtf8 { .. }));
        // Half a surrogate pair is no text, which only a parser that reads the text can say.
        if theirs && refused {
            prop_assert!(bytes.windows(3).any(|three| three.eq_ignore_ascii_case(b"\\ud")), "{ours:?}");
        } else if !matches!(ours, Err(DecodeError::DuplicateField { .. })) {
            prop_assert_eq!(!theirs, refused, "{:?}", ours);
        }
    }
}

/// Values that are no objects and no lists with anything in them, odd and wrong ones among them.
const LEAVES: &[&str] = &[
    "0",
    "-0",
    "7",
    "-7",
    "01",
    "1.",
    ".5",
    "+1",
    "-",
    "0.0",
    "-0.0",
    "-1.25",
    "4.35",
    "0.1",
    "1e3",
    "1E-2",
    "1e",
    "1e999",
    "-1e999",
    "1700000000123",
    "12345678",
    "1234567890123456",
    "123456789012345.6",
    "999999999999999",
    "0.000000000001",
    "9007199254740993",
    "9007199254740.993",
    "123456789012345678901234567890",
    "18446744073709551615",
    "9223372036854775807",
    "-9223372036854775808",
    "null",
    "true",
    "false",
    "tru",
    "nullx",
    "\"\"",
    "\"t\"",
    "\"a long text of more than sixteen bytes\"",
    "\"10.0.0.1\"",
    "\"2023-11-14T22:13:20.123Z\"",
    "\"\\\"\\\\\\/\\n\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"é€😀\"",
    "\"a\u{7f}\u{1f}\"",
    "\"tab\tin\"",
    "\"open",
    "[",
    "}",
    "{}",
    "[]",
    "{ }",
    "[ ]",
];

/// JSON text by hand, odd and wrong pieces among it.
fn text() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", "", " ", "\n\t", "\r\n  "]);
    let leaf = prop::sample::select(LEAVES).prop_map(str::to_owned);
    let key = || {
        let known = vec![
            "a",
            "b",
            "c",
            "d",
            "e",
            "x",
            "latitude",
            "longitude",
            "\\u0061",
            "x\\\"",
            "\\ud800",
            "a key of more than sixteen bytes",
        ];
        prop::sample::select(known)
    };
    leaf.prop_recursive(3, 24, 5, move |inner| {
        let list = prop::collection::vec((inner.clone(), space()), 0..4).prop_map(|elements| {
            let elements: Vec<String> =
                elements.into_iter().map(|(value, space)| format!("{space}{value}{space}")).collect();
            format!("[{}]", elements.join(","))
        });
        let object = prop::collection::vec((key(), inner, space(), space()), 0..5).prop_map(|members| {
            let member = |(key, value, before, after)| format!("{before}\"{key}\"{after}:{before}{value}{after}");
            let members: Vec<String> = members.into_iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![list, object]
    })
}

/// A message of such text, which is right more often than not.
fn message() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c", "d", "e", "x", "y", "id", "\\u0061"]);
    let name = prop::sample::select(vec!["\"t\"", "\"u\"", "\"other\"", "\"\\u0074\"", "7"]);
    let members = prop::collection::btree_map(key, text(), 0..5);
    (members, name, 0..6usize, prop::bool::weighted(0.1)).prop_map(|(members, name, place, is_cut)| {
        let mut members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        members.insert(place.min(members.len()), format!("\"type\":{name},\"ts\":1"));
        let mut message = format!("{{{}}}", members.join(","));
        if is_cut {
            message.pop();
        }
        message
    })
}

/// What a message decodes to, and by the parser alone.
fn both_ways(decoder: &mut JsonDecoder, message: &[u8]) -> [String; 2] {
    let mut event = Event::default();
    let shown = |decoded: Result<(), DecodeError>, event: &Event| format!("{:?}", decoded.map(|()| event));
    let decoded = decoder.decode(message, &mut event);
    let scanned = shown(decoded, &event);
    let decoded = decoder.decode_by_parser(message, &mut event);
    [scanned, shown(decoded, &event)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_scan_finds_what_the_parser_finds(
        messages in prop::collection::vec(message(), 1..5),
        order in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let mut decoder = everything();
        for index in order {
            let message = index.get(&messages);
            let [scanned, parsed] = both_ways(&mut decoder, message.as_bytes());
            prop_assert_eq!(scanned, parsed, "{}", message);
        }
    }

    #[test]
    fn a_damaged_message_is_scanned_as_it_is_parsed(
        body in body(),
        is_pretty: bool,
        damages in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:u0e.- \n".to_vec())], 0..3u8),
            20,
        ),
    ) {
        let mut decoder = everything();
        let whole = if is_pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        for (at, byte, damage) in damages {
            let mut message = whole.clone();
            let at = at.index(message.len());
            match damage {
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                _ => message.truncate(at),
            }
            // The whole one between them, so that its shape is known, and what it left is gone.
            for message in [&whole, &message] {
                let [scanned, parsed] = both_ways(&mut decoder, message);
                prop_assert_eq!(scanned, parsed, "{}", String::from_utf8_lossy(message));
            }
        }
    }
}
