//! Hand-derived cases, one or more for each sentence of the definition.
//!
//! A stream is written `A@0 B@3:7/k2`: an A at minute 0, then a B at minute 3 with `x` 7 and the key k2. The key is
//! `k1` where none is written and missing where it is `-`. Alerts are written `3:0,1`: at minute 3, of the events 0
//! and 1.

use serde_json::{Map, Value as Json, json};

use super::{End, Match, TestEvent, evaluate};
use crate::lang::ast;

const DECLARATIONS: &str = "
    event A k text, k2 text, x number, n integer, s text, b boolean, i ip, p point, t time, l list of text, o.n integer
    event B k text, k2 text, x number, p point
    event C k text, k2 text, x number
    event D owner.k text, x number
    event E k text, time time, x number
";
const MINUTE_MS: i64 = 60_000;

fn file(rules: &str) -> ast::File {
    let text = format!("{DECLARATIONS}\n{rules}");
    let (file, diagnostics) = crate::lang::parse(crate::diagnostic::FileId::default(), &text);
    assert!(diagnostics.is_empty(), "{rules}: {diagnostics:?}");
    file
}

fn stream(text: &str) -> Vec<TestEvent> {
    text.split_whitespace().map(event).collect()
}

fn event(text: &str) -> TestEvent {
    let (event, key) = text.split_once('/').unwrap_or((text, "k1"));
    let (event, x) = event.split_once(':').map_or((event, None), |(event, x)| (event, Some(x)));
    let (event_type, minute) = event.split_once('@').expect("an event is TYPE@MINUTE");
    let mut body = Map::new();
    if key != "-" {
        body.insert("k".into(), json!(key));
        body.insert("owner".into(), json!({ "k": key }));
    }
    if let Some(x) = x {
        body.insert("x".into(), json!(x.parse::<f64>().expect("x is a number")));
    }
    let time_ms = minute.parse::<i64>().expect("a minute is a number") * MINUTE_MS;
    TestEvent { event_type: event_type.into(), time_ms, id: None, body: Json::Object(body) }
}

fn written(matches: &[Match]) -> String {
    let one = |m: &Match| {
        let events: Vec<String> = m.events.iter().map(|(_, event)| event.to_string()).collect();
        let suppressed = if m.suppressed_before > 0 { format!("+{}", m.suppressed_before) } else { String::new() };
        format!("{}:{}{suppressed}", m.time_ms / MINUTE_MS, events.join(","))
    };
    matches.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The alerts of a rule `for each k on …` over a stream.
fn alerts(on: &str, events: &str) -> String {
    written(&evaluate(&[file(&format!("rule r for each k on {on} alert high"))], &stream(events), End::LastEvent))
}

/// Whether a condition holds of an A with this body, an hour and a half into Thursday, 1 January 1970.
fn holds(condition: &str, body: Json) -> bool {
    let event = TestEvent { event_type: "A".into(), time_ms: 90 * MINUTE_MS, id: None, body };
    let file = file(&format!("rule r on A a where {condition} alert high"));
    !evaluate(&[file], &[event], End::LastEvent).is_empty()
}

mod sequences {
    use super::*;

    #[test]
    fn a_run_takes_the_first_event_that_fits_and_skips_the_others() {
        assert_eq!(alerts("A then B where x > 1 within 9 m", "A@0 B@1:1 C@2 B@3:2 B@4:2"), "3:0,3");
    }

    #[test]
    fn equal_times_keep_the_order_of_arrival() {
        assert_eq!(alerts("A then B within 9 m", "A@1 B@1"), "1:0,1");
        assert_eq!(alerts("A then B within 9 m", "B@1 A@1"), "");
    }

    #[test]
    fn one_event_serves_several_runs_of_every() {
        assert_eq!(alerts("every A then B within 9 m", "A@0 A@1 B@2 B@3"), "2:0,2 2:1,2");
    }

    #[test]
    fn one_event_is_never_two_steps_of_a_run() {
        assert_eq!(alerts("every A then A within 9 m", "A@0"), "");
        assert_eq!(alerts("every A then A within 9 m", "A@0 A@1 A@2"), "1:0,1 2:1,2");
    }

    #[test]
    fn without_every_the_oldest_run_alerts_and_the_others_are_dropped() {
        assert_eq!(alerts("A then B within 9 m", "A@0 A@1 B@2 B@3"), "2:0,2");
    }

    #[test]
    fn without_every_the_completing_event_starts_no_run() {
        assert_eq!(alerts("A then A within 9 m", "A@0 A@1 A@2 A@3"), "1:0,1 3:2,3");
    }

    #[test]
    fn an_older_run_that_is_no_nearer_does_not_hold_up_a_younger_one() {
        let rule = "A a then B where x is a.x within 9 m";
        assert_eq!(alerts(rule, "A@0:1 A@1:2 B@2:2 B@3:1"), "2:1,2");
    }

    #[test]
    fn a_rule_of_one_step_alerts_at_each_event_that_fits() {
        assert_eq!(alerts("A where x > 1", "A@0:1 A@1:2 A@1:3"), "1:1 1:2");
    }

    #[test]
    fn a_count_is_one_step() {
        assert_eq!(alerts("3 A within 9 m", "A@0 A@1 B@1 A@2 A@3 A@4 A@5"), "2:0,1,3 5:4,5,6");
        assert_eq!(alerts("every 2 A within 9 m", "A@0 A@1 A@2"), "1:0,1 2:1,2");
        assert_eq!(alerts("A then 2 B within 9 m", "A@0 B@1 B@2 B@3"), "2:0,1,2");
    }

    #[test]
    fn each_event_of_a_count_is_judged_alone() {
        assert_eq!(alerts("2 A where x > 1 within 9 m", "A@0:2 A@1:1 A@2:3"), "2:0,2");
        assert_eq!(alerts("2 A a where a.x > 1 within 9 m", "A@0:2 A@1:1 A@2:3"), "2:0,2");
    }

    #[test]
    fn or_more_takes_every_fitting_event_until_the_next_step_fits() {
        let rule = "2 or more A where x < 5 then B within 9 m";
        assert_eq!(alerts(rule, "A@0:1 B@1 A@2:1 A@3:9 A@4:1 B@5 B@6"), "5:0,2,4,5");
    }

    #[test]
    fn an_event_that_fits_both_goes_to_the_next_step_once_enough_are_there() {
        assert_eq!(alerts("2 or more A then A where x > 1 within 9 m", "A@0:5 A@1:5 A@2:1 A@3:5"), "3:0,1,2,3");
    }

    #[test]
    fn runs_of_every_with_or_more_have_their_own_beginnings() {
        assert_eq!(alerts("every 1 or more A then B within 9 m", "A@0 A@1 B@2"), "2:0,1,2 2:1,2");
    }

    #[test]
    fn then_next_ends_at_the_first_event_of_the_type_that_does_not_fit() {
        let rule = "A then next B where x > 1 within 9 m";
        assert_eq!(alerts(rule, "A@0 B@1:1 B@2:2"), "");
        assert_eq!(alerts(rule, "A@0 C@1:1 A@1 B@2:2"), "2:0,3");
    }

    #[test]
    fn an_event_that_ended_a_run_may_start_one() {
        assert_eq!(alerts("A then next A where x > 1 within 9 m", "A@0:1 A@1:1 A@2:2"), "2:1,2");
    }

    #[test]
    fn then_next_holds_for_each_of_a_count() {
        let rule = "A then next 2 B where x > 1 within 9 m";
        assert_eq!(alerts(rule, "A@0 B@1:2 B@2:2"), "2:0,1,2");
        assert_eq!(alerts(rule, "A@0 B@1:2 B@2:1 B@3:2"), "");
    }

    #[test]
    fn then_next_after_or_more_waits_only_when_enough_are_there() {
        let rule = "2 or more A where x < 2 then next A where x > 5 within 9 m";
        assert_eq!(alerts(rule, "A@0:1 A@1:3 A@2:1 A@3:1 A@4:9"), "4:0,2,3,4");
        assert_eq!(alerts(rule, "A@0:1 A@1:1 A@2:3 A@3:9"), "");
    }

    #[test]
    fn either_type_fits_a_step_and_its_condition_holds_for_each() {
        let rule = "A or B s where s.x > 1 then C within 9 m";
        assert_eq!(alerts(rule, "A@0:1 B@1:1 C@2"), "");
        assert_eq!(alerts(rule, "B@1:2 C@2 A@3:2 C@4"), "2:0,1 4:2,3");
    }

    #[test]
    fn unless_ends_a_run_after_its_start() {
        let rule = "A then B unless C where x > 1 within 9 m";
        assert_eq!(alerts(rule, "A@0 C@1:2 B@2"), "");
        assert_eq!(alerts(rule, "A@0 C@1:1 B@2"), "2:0,2");
        assert_eq!(alerts(rule, "C@0:2 A@0 B@2"), "2:1,2");
        assert_eq!(alerts("A then B unless C unless E within 9 m", "A@0 E@1 B@2"), "");
    }

    #[test]
    fn a_runs_steps_are_tried_before_unless() {
        assert_eq!(alerts("A then B unless B where x > 1 within 9 m", "A@0 B@1:5"), "1:0,1");
        assert_eq!(alerts("A then B where x < 1 unless B where x > 1 within 9 m", "A@0 B@1:5 B@2:0"), "");
    }

    #[test]
    fn an_event_that_ended_a_run_by_unless_may_start_one() {
        assert_eq!(alerts("A then B unless A within 9 m", "A@0 A@1 B@2"), "2:1,2");
    }

    #[test]
    fn in_unless_the_fields_of_a_step_not_bound_yet_are_missing() {
        let rule = "A then B b then C unless E e where e.x is b.x within 9 m";
        assert_eq!(alerts(rule, "A@0 E@1:1 B@2:1 C@3"), "3:0,2,3");
        assert_eq!(alerts(rule, "A@0 B@1:1 E@2:1 C@3"), "");
    }

    #[test]
    fn within_is_inclusive() {
        assert_eq!(alerts("A then B within 5 m", "A@0 B@5"), "5:0,1");
        assert_eq!(alerts("A then B within 5 m", "A@0 B@6"), "");
        assert_eq!(alerts("A then B within 5 m", "A@0 A@3 B@7"), "7:1,2");
    }

    #[test]
    fn first_to_last_is_what_within_bounds() {
        assert_eq!(alerts("A then B then C within 5 m", "A@0 B@4 C@6"), "");
        assert_eq!(alerts("A then B then C within 5 m", "A@0 B@4 C@5"), "5:0,1,2");
    }
}

mod absence {
    use super::*;

    const RULE: &str = "A then no B within 5 m";

    #[test]
    fn an_event_up_to_the_deadline_cancels() {
        assert_eq!(alerts(RULE, "A@0 B@5 C@9"), "");
        assert_eq!(alerts(RULE, "A@0 B@6"), "5:0");
        assert_eq!(alerts(RULE, "B@0 A@0 C@9"), "5:1");
        assert_eq!(alerts(RULE, "A@0 B@0 C@9"), "");
    }

    #[test]
    fn the_input_is_complete_up_to_its_last_event() {
        assert_eq!(alerts(RULE, "A@0 C@4"), "");
        assert_eq!(alerts(RULE, "A@0 C@5"), "5:0");
        // Undeclared, of another key, without a key: every event moves the end.
        for last in ["ghost@5", "B@5/k2", "B@5/-"] {
            assert_eq!(alerts(RULE, &format!("A@0 {last}")), "5:0");
        }
    }

    #[test]
    fn flush_fires_all() {
        let file = file(&format!("rule r for each k on {RULE} alert high"));
        assert_eq!(written(&evaluate(&[file], &stream("A@0"), End::Flush)), "5:0");
    }

    #[test]
    fn without_every_the_first_deadline_drops_the_other_runs() {
        assert_eq!(alerts(RULE, "A@0 A@1 C@20"), "5:0");
        assert_eq!(alerts("every A then no B within 5 m", "A@0 A@1 C@20"), "5:0 6:1");
    }

    #[test]
    fn a_run_that_starts_at_the_deadline_is_dropped_and_a_later_one_is_not() {
        assert_eq!(alerts(RULE, "A@0 A@5 C@20"), "5:0");
        assert_eq!(alerts(RULE, "A@0 A@6 C@20"), "5:0 11:1");
    }

    #[test]
    fn the_earliest_deadline_fires_first() {
        let rule = "A a then B where x is a.x then no C within 5 m within 30 m";
        assert_eq!(alerts(rule, "A@0:1 A@1:2 B@2:2 B@3:1 C@30"), "7:1,2");
    }

    #[test]
    fn of_equal_deadlines_the_run_that_started_first_alerts() {
        let rule = "A a then B where x is a.x then no C within 5 m within 30 m";
        assert_eq!(alerts(rule, "A@0:1 A@1:2 B@2:2 B@2:1 C@30"), "7:0,3");
    }

    #[test]
    fn the_last_positive_event_may_start_a_run() {
        let rule = "A then A then no B within 5 m within 9 m";
        assert_eq!(alerts(&format!("every {rule}"), "A@0 A@1 A@2 C@20"), "6:0,1 7:1,2");
        assert_eq!(alerts(rule, "A@0 A@1 A@2 C@20"), "6:0,1");
    }

    #[test]
    fn a_cancelled_run_drops_no_other() {
        let rule = "A a then no B where x is a.x within 5 m";
        assert_eq!(alerts(rule, "A@0:1 A@1:2 B@2:1 C@20"), "6:1");
    }

    #[test]
    fn within_bounds_the_positive_steps_alone() {
        let rule = "A then B then no C within 20 m within 5 m";
        assert_eq!(alerts(rule, "A@0 B@5 D@99"), "25:0,1");
        assert_eq!(alerts(rule, "A@0 B@6 D@99"), "");
    }

    #[test]
    fn unless_ends_a_waiting_run_too() {
        let rule = "A then no B within 5 m unless C";
        assert_eq!(alerts(rule, "A@0 C@3 D@9"), "");
        assert_eq!(alerts(rule, "A@0 C@5 D@9"), "");
        assert_eq!(alerts(rule, "A@0 C@6 D@9"), "5:0");
    }

    #[test]
    fn a_count_can_stand_before_it() {
        assert_eq!(alerts("2 A then no B within 5 m within 9 m", "A@0 A@1 A@2 D@20"), "6:0,1");
    }
}

mod keys_and_alerts {
    use super::*;

    fn all(rules: &str, events: &str) -> String {
        written(&evaluate(&[file(rules)], &stream(events), End::LastEvent))
    }

    #[test]
    fn each_key_has_its_own_runs() {
        assert_eq!(alerts("A then B within 9 m", "A@0 B@1/k2 A@2/k2 B@3 B@4/k2"), "3:0,3 4:2,4");
    }

    #[test]
    fn an_event_without_key_is_not_seen() {
        assert_eq!(alerts("A then B within 9 m", "A@0/- B@1/-"), "");
        assert_eq!(alerts("A then next B where x > 1 within 9 m", "A@0 B@1:1/- B@2:2"), "2:0,2");
    }

    #[test]
    fn a_rule_without_key_sees_all_events() {
        assert_eq!(all("rule r on A then B within 9 m alert high", "A@0/k1 B@1/k2 A@2/- B@3"), "1:0,1 3:2,3");
    }

    #[test]
    fn a_key_may_be_called_otherwise_in_one_type() {
        let rule = "rule r for each k (D.owner.k) on A then D within 9 m alert high";
        assert_eq!(all(rule, "A@0/k1 D@1/k2 D@2/k1"), "2:0,2");
    }

    #[test]
    fn several_keys_are_one_key_of_each_combination() {
        let file = file("rule r for each k, k2 on A then B within 9 m alert high");
        let with = |event_type: &str, k2: Json| TestEvent {
            event_type: event_type.into(),
            time_ms: 0,
            id: None,
            body: json!({ "k": "k1", "k2": k2 }),
        };
        let events = [with("A", json!("x")), with("B", json!("y")), with("B", json!(null)), with("B", json!("x"))];
        let matches = evaluate(&[file], &events, End::LastEvent);
        assert_eq!(written(&matches), "0:0,3");
        assert_eq!(matches[0].key, [("k".into(), json!("k1")), ("k2".into(), json!("x"))]);
    }

    #[test]
    fn a_match_tells_the_steps_and_times() {
        let file = file("rule r for each k on 2 A a then B within 9 m alert high");
        let matches = evaluate(&[file], &stream("A@1 A@2 B@4"), End::LastEvent);
        assert_eq!((matches[0].started_ms, matches[0].time_ms), (MINUTE_MS, 4 * MINUTE_MS));
        assert_eq!(matches[0].events, [("a".into(), 0), ("a".into(), 1), ("2".into(), 2)]);
    }

    #[test]
    fn at_most_once_counts_from_the_last_sent_alert_of_the_key() {
        let rule = "rule r for each k on A alert high at most once per 5 minutes";
        assert_eq!(all(rule, "A@0 A@1/k2 A@4 A@4 A@5 A@9 A@10"), "0:0 1:1 5:4+2 10:6+1");
    }

    #[test]
    fn what_a_suppressed_alert_matched_stays_used_up() {
        let rule = "rule r for each k on A then A within 9 m alert high at most once per 5 minutes";
        assert_eq!(all(rule, "A@0 A@1 A@2 A@3 A@6"), "1:0,1");
    }

    #[test]
    fn alerts_are_ordered_by_time_completing_event_rule_and_first_event() {
        let rules = "
            rule b for each k on every A then B within 9 m alert high
            rule a for each k on B alert high
            rule c for each k on A then no C within 2 m alert high";
        let matches = evaluate(&[file(rules)], &stream("A@0 A@1 B@2"), End::LastEvent);
        let order: Vec<(&str, usize, usize)> = matches.iter().map(|m| (&*m.rule, m.first(), m.last())).collect();
        // The absence completed with its last positive event, which comes before the B.
        assert_eq!(order, [("c", 0, 0), ("a", 2, 2), ("b", 0, 2), ("b", 1, 2)]);
    }
}

mod windows {
    use super::*;

    #[test]
    fn a_window_holds_what_is_younger_than_its_length() {
        assert_eq!(alerts("A where sum(A.x) over 5 m > 3", "A@0:2 A@4:2 A@5:1"), "4:1");
        assert_eq!(alerts("A where count(B) over 9 m >= 2", "B@0 A@1 B@1 A@2"), "2:3");
    }

    #[test]
    fn previous_leaves_the_event_at_hand_out() {
        assert_eq!(alerts("A where sum(A.x) over the previous 5 m > 3", "A@0:2 A@1:2 A@1:0"), "1:2");
    }

    #[test]
    fn the_last_are_the_newest_of_the_type() {
        assert_eq!(alerts("A where sum(A.x) over the last 2 > 3", "A@0:2 A@1:1 B@2:9 A@3:3"), "3:3");
    }

    #[test]
    fn inside_an_aggregate_bare_fields_belong_to_the_aggregated_event() {
        assert_eq!(alerts("A where count(A where x > 1) over 9 m is 2", "A@0:2 A@1:1 A@2:2 A@3:0"), "2:2 3:3");
    }

    #[test]
    fn an_aggregate_of_nothing_is_missing() {
        let nothing = "count(B) over 9 m is 0 and distinct(B.x) over 9 m is 0 and sum(B.x) over 9 m is missing";
        assert_eq!(alerts(&format!("A where {nothing}"), "A@0"), "0:0");
    }

    #[test]
    fn deviation_is_of_the_population() {
        assert_eq!(alerts("A where deviation(A.x) over 9 m is 2", "A@0:1 A@1:5"), "1:1");
    }

    #[test]
    fn a_value_is_new_that_was_not_seen_for_so_long() {
        assert_eq!(alerts("A where x is new over 5 m", "A@0:1 A@4:1 A@5:2 A@9:1 A@10"), "0:0 5:2 9:3");
    }

    #[test]
    fn a_streak_alerts_once_and_rearms_when_its_condition_fails() {
        let rule = "A where x > 1 for 5 m";
        assert_eq!(alerts(rule, "A@0:2 A@3:2 A@5:2 A@11:2 A@12:1 A@13:2 A@18:2"), "5:0,2 18:5,6");
    }

    #[test]
    fn a_streak_is_broken_by_a_longer_gap_only_where_one_is_named() {
        assert_eq!(alerts("A where x > 1 for 5 m", "A@0:2 A@99:2"), "99:0,1");
        assert_eq!(alerts("A where x > 1 for 5 m gap at most 3 m", "A@0:2 A@4:2 A@7:2 A@9:2"), "9:1,3");
    }
}

mod expressions {
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
        let hold =
            ["x is missing", "not (x is 1)", "not (x is not 1)", "x + 1 is missing", "not b", "not (x in (1, 2))"];
        let fail =
            ["x is 1", "x is not 1", "x < 1", "x >= 1", "x in (1, 2)", "x not in (1, 2)", "x is not missing", "b"];
        for body in [json!({}), json!({ "x": null, "b": null }), json!({ "x": "1", "b": "true" }), json!({ "x": [1] })]
        {
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
        assert_all(
            &body,
            &hold,
            &["i is not \"10.1.2.3\"", "in_network(i, \"10.2.0.0/16\")", "in_network(i, \"::/0\")"],
        );
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
        assert_all(
            &json!({ "s": "Haus" }),
            &hold,
            &["contains(s, \"ha\")", "matches(s, \"^a\")", "contains(l, \"x\")"],
        );
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
        !evaluate(&[file], &events, End::LastEvent).is_empty()
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
}
