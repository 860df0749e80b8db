//! Keys, what an alert tells, suppression, the order of alerts.

use super::*;

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
    let matches = evaluate(&[file], &events, &Tables::new(), End::LastEvent);
    assert_eq!(written(&matches), "0:0,3");
    assert_eq!(matches[0].key, [("k".into(), json!("k1")), ("k2".into(), json!("x"))]);
}

#[test]
fn a_match_tells_the_steps_and_times() {
    let file = file("rule r for each k on 2 A a then B within 9 m alert high");
    let matches = evaluate(&[file], &stream("A@1 A@2 B@4"), &Tables::new(), End::LastEvent);
    assert_eq!((matches[0].started_ms, matches[0].time_ms), (MINUTE_MS, 4 * MINUTE_MS));
    let at = |event: usize| Source::Event(event);
    assert_eq!(matches[0].events, [("a".into(), at(0)), ("a".into(), at(1)), ("2".into(), at(2))]);
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
    let matches = evaluate(&[file(rules)], &stream("A@0 A@1 B@2"), &Tables::new(), End::LastEvent);
    let order: Vec<(&str, Option<usize>, Option<usize>)> =
        matches.iter().map(|m| (&*m.rule, m.first(), m.last())).collect();
    // The absence completed with its last positive event, which comes before the B.
    let expected = [("c", 0, 0), ("a", 2, 2), ("b", 0, 2), ("b", 1, 2)];
    assert_eq!(order, expected.map(|(rule, first, last)| (rule, Some(first), Some(last))));
}
