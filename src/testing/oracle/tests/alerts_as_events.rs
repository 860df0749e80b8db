//! Rules over the alerts of rules.

use super::*;

#[test]
fn an_alert_is_an_event_right_after_its_completing_event() {
    let rules = "rule seq for each k on A then B within 9 m alert high
                 rule r for each k on seq then B within 9 m alert high";
    assert_eq!(all(rules, "A@0 B@1 B@2"), "1:0,1 2:seq1,2");
}

#[test]
fn an_alert_has_the_fields_of_its_completing_event_and_its_own_time() {
    let rules = "rule seq for each k on A then B within 9 m alert high
                 rule r for each k on seq where x is 2 and time is \"1970-01-01T00:01:00Z\" alert high";
    assert_eq!(all(rules, "A@0:1 B@1:2"), "1:seq1 1:0,1");
    let absent = "rule absent for each k on A then no B within 5 m alert high
                  rule r for each k on absent where x is 1 and time is \"1970-01-01T00:05:00Z\" alert high";
    assert_eq!(all(absent, "A@0:1 C@9"), "5:0 5:absent0");
}

#[test]
fn an_alert_has_the_fields_that_all_completing_types_have() {
    let rules = "rule either for each k on A or B alert high
                 rule r on either where n is missing and x is 1 alert high";
    let with = json!({ "k": "k1", "x": 1, "n": 1 });
    let events = [TestEvent { event_type: "A".into(), time_ms: 0, id: None, body: with }];
    assert_eq!(written(&evaluate(&[file(rules)], &events, &Tables::new(), End::LastEvent)), "0:0 0:either0");
}

#[test]
fn alerts_by_timer_follow_all_events_of_their_time() {
    let rules = "rule absent for each k on A then no B within 5 m alert high
                 rule r for each k on C then absent within 9 m alert high
                 rule t for each k on absent then C within 9 m alert high";
    assert_eq!(all(rules, "A@0 C@5 C@6"), "5:0 5:1,absent0 6:absent0,2");
    // At equal deadlines the alert comes before the timers of the rules over it.
    let quiet = "rule absent for each k on A then no B within 5 m alert high
                 rule r for each k on C then no absent within 5 m alert high";
    assert_eq!(all(quiet, "A@0 C@0 B@20"), "5:0");
}

#[test]
fn rules_stand_over_rules_in_a_chain_and_count_alerts() {
    let rules = "rule one for each k on 2 A within 9 m alert high
                 rule two for each k on one where count(one) over 9 m >= 2 alert high
                 rule three for each k on B then two within 9 m alert high";
    assert_eq!(all(rules, "A@0 A@1 B@1 A@2 A@3"), "1:0,1 3:3,4 3:2,two4 3:one4");
}

#[test]
fn suppressed_alerts_are_not_seen() {
    let rules = "rule one for each k on A alert high at most once per 5 minutes
                 rule r for each k on one then one within 20 m alert high";
    assert_eq!(all(rules, "A@0 A@1 A@6"), "0:0 6:2+1 6:one0,one2");
}

#[test]
fn alerts_of_one_event_come_by_level_and_name() {
    let rules = "rule b for each k on A alert high
                 rule a for each k on A alert high
                 rule c for each k on b alert high
                 rule r for each k on a then b then c within 9 m alert high
                 rule s for each k on b then a within 9 m alert high";
    assert_eq!(all(rules, "A@0"), "0:0 0:0 0:b0 0:a0,b0,c0");
}

#[test]
fn sessions_pairs_and_all_of_make_and_take_alerts() {
    let rules = "rule both for each k on all of A, B within 9 m alert high
                 rule duo for each k on each pair of both, C within 9 m alert high
                 rule many for each k on session s of duo, C after 5 m idle where count(s.duo) is 1 alert high";
    assert_eq!(all(rules, "B@0 A@1 C@2 E@9"), "1:0,1 2:both1,2 7:2,duo2");
}
