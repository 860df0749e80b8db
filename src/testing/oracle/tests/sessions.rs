//! Sessions.

use super::*;

#[test]
fn a_session_closes_after_the_silence() {
    assert_eq!(alerts("session s of A, B after 5 m idle", "A@0 B@5 C@8 A@11 C@16"), "10:0,1 16:3");
    // One that ends with the input is not closed yet.
    assert_eq!(alerts("session s of A after 5 m idle", "A@0 C@4"), "");
}

#[test]
fn a_session_lasts_no_longer_than_its_most() {
    let rule = "session s of A after 5 m idle at most 8 m";
    assert_eq!(alerts(rule, "A@0 A@4 A@8 A@9 C@14"), "8:0,1,2 14:3");
    assert_eq!(alerts(rule, "A@0 A@1 C@6"), "6:0,1");
    assert_eq!(alerts(rule, "A@0 A@4 C@8"), "8:0,1");
}

#[test]
fn a_session_is_judged_when_it_closes() {
    for (condition, holds) in [
        ("count(s) is 3", true),
        ("count(s.A) is 2 and count(s.B) is 1", true),
        ("sum(s.x) is 9", true),
        ("sum(s.A.x) is 6", true),
        ("maximum(s.B.x) is 3", true),
        ("first(s.x) is 2 and last(s.A.x) is 4", true),
        ("percentile(50, s.x) is 3", true),
        ("last(s.time) - first(s.time) is 2 minutes", true),
        ("count(s.B) is 0", false),
    ] {
        let rule = format!("session s of A, B after 5 m idle where {condition}");
        assert_eq!(alerts(&rule, "A@0:2 B@1:3 A@2:4 C@9"), if holds { "7:0,1,2" } else { "" }, "{condition}");
    }
}

#[test]
fn a_sessions_alert_tells_the_count() {
    let file = file("rule r for each k on session s of A after 5 m idle alert high");
    let matches = evaluate(&[file], &stream("A@0 A@1"), &Tables::new(), End::Flush);
    assert_eq!(matches[0].values, [("count(s)".into(), json!(2))]);
    assert_eq!((matches[0].started_ms, matches[0].time_ms), (0, 6 * MINUTE_MS));
}
