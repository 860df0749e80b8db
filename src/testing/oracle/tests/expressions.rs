//! Conditions and values.

use super::*;

#[track_caller]
fn assert_all(body: &Json, hold: &[&str], fail: &[&str]) {
    for condition in hold {
        assert!(holds(condition, body.clone()), "{condition} must hold of {body}");
    }
    for condition in fail {
        assert!(!holds(condition, body.clone()), "{condition} must not hold of {body}");
    }
}

#[test]
fn a_comparison_with_a_missing_value_is_false() {
    let hold = ["x is missing", "not (x is 1)", "not (x is not 1)", "x + 1 is missing", "not b", "not (x in (1, 2))"];
    let fail = ["x is 1", "x is not 1", "x < 1", "x >= 1", "x in (1, 2)", "x not in (1, 2)", "x is not missing", "b"];
    for body in [json!({}), json!({ "x": null, "b": null }), json!({ "x": "1", "b": "true" }), json!({ "x": [1] })] {
        assert_all(&body, &hold, &fail);
    }
}

#[test]
fn a_value_of_another_kind_is_missing() {
    let body = json!({ "n": 1.5, "s": 1, "i": "10.0.0", "p": [181, 0], "t": "noon", "l": "x", "o": 1 });
    let all = ["n", "s", "i", "p", "t", "l", "o.n"].map(|field| format!("{field} is missing"));
    assert_all(&body, &all.each_ref().map(String::as_str), &[]);
    assert_all(&json!({ "n": 9_223_372_036_854_775_808_u64, "x": 1 }), &["n is missing", "x is 1"], &[]);
    assert_all(&json!({ "n": 1.0 }), &["n is missing"], &[]);
}

#[test]
fn values_are_read_by_their_declaration() {
    let body = json!({ "o": { "n": 7 }, "i": "::ffff:10.1.2.3", "t": "1970-01-01T01:00:00+01:00", "l": ["a", 1],
        "p": { "latitude": 1, "longitude": 2 } });
    let hold = [
        "o.n is 7",
        "a.o.n is 7",
        "i is \"10.1.2.3\"",
        "t is \"1970-01-01T00:00:00Z\"",
        "contains(l, \"a\")",
        "p is a.p",
        "in_network(i, \"10.0.0.0/8\")",
    ];
    assert_all(&body, &hold, &["i is not \"10.1.2.3\"", "in_network(i, \"10.2.0.0/16\")", "in_network(i, \"::/0\")"]);
    assert_all(
        &json!({ "t": 0 }),
        &["t is \"1970-01-01T00:00:00Z\"", "t < time", "t in (\"1970-01-01T00:00:00Z\")"],
        &[],
    );
}

#[test]
fn integers_and_numbers_compare_exactly() {
    let body = json!({ "n": 9_007_199_254_740_993_i64, "x": 9_007_199_254_740_992.0 });
    assert_all(&body, &["n > x", "n is not x", "n is 9007199254740993"], &["n is x", "n <= x"]);
    assert_all(&json!({ "n": i64::MAX, "x": 9.3e18 }), &["n < x"], &["n >= x"]);
    assert_all(&json!({ "n": -1, "x": -1.5 }), &["n > x", "-1.5 < n"], &["n is x"]);
}

#[test]
fn text_is_ordered_by_its_bytes() {
    assert_all(&json!({ "s": "é" }), &["s > \"z\"", "length(s) is 1"], &["s < \"z\""]);
}

#[test]
fn arithmetic_gives_missing_where_it_is_undefined() {
    let hold = [
        "n + 1 is missing",
        "n * 2 is missing",
        "-n - 2 is missing",
        "x / 0 is missing",
        "1 / 2 is 0.5",
        "4 / 2 is 2",
        "1 - 2 * 3 is -5",
        "n + 0 is n",
        "x * 50 percent is 1",
        "2 minutes is 120000",
        "1 h is 60 minutes",
    ];
    assert_all(&json!({ "n": i64::MAX, "x": 2 }), &hold, &["n + 1 > n", "x / 0 > 1"]);
}

#[test]
fn functions_of_text() {
    let hold = [
        "lower(s) is \"haus\"",
        "upper(s) is \"HAUS\"",
        "length(s) is 4",
        "contains(s, \"au\")",
        "starts_with(s, \"Ha\")",
        "ends_with(s, \"us\")",
        "matches(s, \"^H.*s$\")",
        "matches(s, \"a\")",
    ];
    assert_all(&json!({ "s": "Haus" }), &hold, &["contains(s, \"ha\")", "matches(s, \"^a\")", "contains(l, \"x\")"]);
}

#[test]
fn functions_of_numbers() {
    let hold = [
        "round(x) is 3",
        "round(-x) is -3",
        "floor(x) is 2",
        "ceiling(x) is 3",
        "floor(-x) is -3",
        "abs(n) is 4",
        "least(n, 1, 2) is -4",
        "greatest(x, 1.5) is 2.5",
        "least(n, 0 - n) is -4",
    ];
    assert_all(&json!({ "x": 2.5, "n": -4 }), &hold, &[]);
    assert_all(&json!({ "n": i64::MIN }), &["abs(n) is missing", "greatest(x, 1.5) is missing"], &[]);
}

#[test]
fn functions_of_time() {
    let hold = [
        "hour(time) is 1",
        "weekday(time) is 4",
        "hour(time, \"America/New_York\") is 20",
        "weekday(time, \"America/New_York\") is 3",
        "time is a.time",
    ];
    assert_all(&json!({}), &hold, &["hour(t) is 1"]);
}

#[test]
fn a_declared_field_time_hides_the_events_own() {
    assert_eq!(alerts("E where time is missing", "E@0"), "0:0");
    assert_eq!(alerts("A where time is missing", "A@0"), "");
}

#[test]
fn logic_has_two_values() {
    let hold = ["b or x is 1", "not (b and x is 1)", "b and not (x is 1)"];
    assert_all(&json!({ "b": true }), &hold, &["b and x is 1", "not b"]);
}

fn journey(rule: &str, minutes: i64, to: &Json) -> bool {
    let at = |event_type: &str, minute: i64, place: &Json| TestEvent {
        event_type: event_type.into(),
        time_ms: minute * MINUTE_MS,
        id: None,
        body: json!({ "p": place }),
    };
    // From Berlin.
    let events = [at("A", 0, &json!([13.405, 52.52])), at("B", minutes, to)];
    let file = file(&format!("rule r on A a then B b where {rule} within 1 day alert high"));
    !evaluate(&[file], &events, &Tables::new(), End::LastEvent).is_empty()
}

#[test]
fn distance_and_speed() {
    let paris = json!({ "latitude": 48.8566, "longitude": 2.3522 });
    // Berlin to Paris is 877.46 km.
    assert!(journey("distance(a.p, p) > 877 km and distance(p, a.p) < 878 km", 60, &paris));
    assert!(journey("speed(a, b) > 877 km/h and speed(b, a) < 878 km/h", 60, &paris));
    assert!(journey("speed(a, b) > 438 km/h and speed(a, b) < 439 km/h", 120, &paris));
    assert!(!journey("speed(a, b) >= 0", 60, &json!(null)));
}

#[test]
fn at_equal_times_a_distance_exceeds_every_speed() {
    assert!(journey("speed(a, b) > 9223372036854775807", 0, &json!([2.3522, 48.8566])));
    assert!(journey("speed(a, b) is 0", 0, &json!([13.405, 52.52])));
}

#[test]
fn aggregates_are_over_the_events_of_a_step() {
    let over = |condition: &str| {
        let rule = format!("1 or more A a then B where {condition} within 9 m");
        alerts(&rule, "A@0:2 A@1 A@2:2 A@3:5 B@4") == "4:0,1,2,3,4"
    };
    for condition in [
        "count(a) is 4",
        "sum(a.x) is 9",
        "average(a.x) is 3",
        "minimum(a.x) is 2",
        "maximum(a.x) is 5",
        "distinct(a.x) is 2",
        "percentile(50, a.x) is 2",
        "percentile(67, a.x) is 5",
        // The squares of -1, -1 and 2 from the mean 3, by three.
        "deviation(a.x) > 1.41 and deviation(a.x) < 1.42",
        "first(a.x) is 2",
        "last(a.x) is 5",
        "sum(a.n) is missing",
        "distinct(a.n) is 0",
    ] {
        assert!(over(condition), "{condition}");
    }
}

#[test]
fn a_step_without_a_name_goes_by_its_type() {
    assert_eq!(alerts("A then B where x > A.x within 9 m", "A@0:5 B@1:5 B@2:6"), "2:0,2");
}
