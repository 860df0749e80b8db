//! Lists and tables.

use super::*;

const DECLARED: &str = "list bad from \"bad.csv\" key i with i ip
                        table shops from \"shops.csv\" key id with id text, risk text, limit number, land text
                        table lands from topic \"lands\" key code with code text, rank integer
                        table bare from \"bare.csv\" key n";

fn tables() -> Tables {
    let rows = |rows: &[(Json, Json)]| rows.to_vec();
    Tables::from([
        ("bad".into(), rows(&[(json!("10.0.0.1"), json!({}))])),
        (
            "shops".into(),
            rows(&[
                (json!("s1"), json!({ "risk": "low" })),
                (json!("s1"), json!({ "risk": "high", "limit": 5, "land": "DE" })),
                (json!("s2"), json!({ "risk": null, "limit": "much" })),
            ]),
        ),
        ("bare".into(), rows(&[(json!(7), json!({ "word": "seven", "half": 3.5 }))])),
    ])
}

fn judged(rule: &str, events: &[TestEvent]) -> String {
    let file = file(&format!("{DECLARED} {rule}"));
    written(&evaluate(&[file], events, &tables(), End::LastEvent))
}

fn with(event_type: &str, minute: i64, body: Json) -> TestEvent {
    TestEvent { event_type: event_type.into(), time_ms: minute * MINUTE_MS, id: None, body }
}

#[track_caller]
fn assert_all(body: &Json, hold: &[&str], fail: &[&str]) {
    for (conditions, expected) in [(hold, "0:0"), (fail, "")] {
        for condition in conditions {
            let rule = format!("rule r on A where {condition} alert high");
            assert_eq!(judged(&rule, &[with("A", 0, body.clone())]), expected, "{condition}");
        }
    }
}

#[test]
fn a_value_is_in_a_list_or_not() {
    assert_all(&json!({ "i": "::ffff:10.0.0.1" }), &["i in bad"], &["i not in bad"]);
    assert_all(&json!({ "i": "10.0.0.2" }), &["i not in bad"], &["i in bad"]);
    assert_all(&json!({}), &["not (i in bad)"], &["i in bad", "i not in bad"]);
}

#[test]
fn a_column_of_the_keys_row() {
    assert_all(&json!({ "s": "s1" }), &["shops[s].risk is \"high\"", "shops[s].limit > 4.5"], &[]);
    let missing = ["shops[s].risk is missing", "shops[s].limit is missing"];
    assert_all(&json!({ "s": "s2" }), &missing, &["shops[s].risk is not \"high\""]);
    assert_all(&json!({ "s": "s3" }), &missing, &[]);
    assert_all(&json!({}), &missing, &[]);
}

#[test]
fn columns_without_a_kind_tell_it_by_their_values() {
    let hold = ["bare[n].word is \"seven\"", "bare[x].half < 4", "bare[n + 0.0].half is 3.5"];
    assert_all(&json!({ "n": 7, "x": 7 }), &hold, &["bare[n + 1].half > 0"]);
}

#[test]
fn changes_apply_before_rules_judge_them() {
    let rule = "rule r on A where lands[s].rank is 2 alert high
                rule c on lands where op is \"delete\" and before.rank is 2 and lands[code].rank is missing alert low";
    let land = |minute: i64, rank: i64| with("lands", minute, json!({ "code": "DE", "rank": rank, "op": "update" }));
    let gone = with("lands", 4, json!({ "code": "DE", "op": "delete", "before": { "rank": 2 } }));
    let a = |minute: i64| with("A", minute, json!({ "s": "DE" }));
    assert_eq!(judged(rule, &[a(0), land(1, 2), a(1), land(2, 3), a(3), land(3, 2), a(4), gone, a(4)]), "1:2 4:6 4:7");
}

#[test]
fn a_lookup_looks_a_lookup_up() {
    let land = with("lands", 0, json!({ "code": "DE", "rank": 2 }));
    let rule = "rule r on A where lands[shops[s].land].rank is 2 alert high";
    let a = |shop: &str| with("A", 1, json!({ "s": shop }));
    assert_eq!(judged(rule, &[land, a("s1"), a("s2")]), "1:1");
}

#[test]
fn inside_an_aggregate_a_lookup_is_of_the_aggregated_event() {
    let rule = "rule r on A where count(A where lands[s].rank is 2) over 9 m is 2 alert high";
    let land = |minute: i64, rank: i64| with("lands", minute, json!({ "code": "DE", "rank": rank }));
    let a = |minute: i64| with("A", minute, json!({ "s": "DE" }));
    assert_eq!(judged(rule, &[land(0, 2), a(1), land(2, 3), a(3), land(4, 2), a(5)]), "5:5");
}
