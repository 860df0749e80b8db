//! Measures.

use super::*;

/// What a measure emits: `2-4 k1 n=2`, windows in minutes.
fn emitted(measure: &str, events: &str, end: End) -> String {
    let file = file(&format!("measure m {measure}"));
    let one = |m: &Match| {
        let minutes = |ms: i64| ms / MINUTE_MS;
        let (start, end) = m.window.expect("a measure has a window");
        assert_eq!((m.started_ms, m.events.len()), (start, 0));
        let key = m.key.iter().map(|(_, part)| format!(" {}", part.as_str().expect("the key is text")));
        let values = m.values.iter().map(|(name, value)| format!(" {name}={value}"));
        let at = if m.time_ms == end { String::new() } else { format!("@{}", minutes(m.time_ms)) };
        format!("{}-{}{at}{}{}", minutes(start), minutes(end), key.collect::<String>(), values.collect::<String>())
    };
    evaluate(&[file], &stream(events), &Tables::new(), end).iter().map(one).collect::<Vec<_>>().join("; ")
}

fn complete(measure: &str, events: &str) -> String {
    emitted(measure, events, End::LastEvent)
}

#[test]
fn tumbling_windows_are_aligned_and_half_open() {
    let measure = "for each k on A over 5 m every 5 m emit count() as n, sum(x) as total";
    assert_eq!(complete(measure, "A@1:2 A@4:3 A@5:4 C@10"), "0-5 k1 n=2 total=5.0; 5-10 k1 n=1 total=4.0");
    assert_eq!(complete(measure, "A@1:2 C@4"), "");
    assert_eq!(emitted(measure, "A@1 C@4", End::Flush), "0-5 k1 n=1");
    assert_eq!(complete(measure, "A@-1:2 A@0:1 C@5"), "-5-0 k1 n=1 total=2.0; 0-5 k1 n=1 total=1.0");
}

#[test]
fn hopping_windows_overlap() {
    let measure = "on A over 6 m every 2 m emit count() as n";
    assert_eq!(complete(measure, "A@3 A@4 C@12"), "-2-4 n=1; 0-6 n=2; 2-8 n=2; 4-10 n=1");
}

#[test]
fn a_measure_filters_its_events() {
    let measure = "on A or B where x > 1 over 5 m every 5 m emit count() as n, count(B) as b, sum(A.x) as ax, \
                   count(where x > 2) as big, maximum(x where x < 4) as most, count(B) / count() as share";
    assert_eq!(
        complete(measure, "A@0:1 A@1:2 B@2:3 B@3:9 C@5"),
        "0-5 n=3 b=2 ax=2.0 big=2 most=3.0 share=0.6666666666666666"
    );
    assert_eq!(complete(measure, "A@0:1 C@5"), "");
    let percentile = "on A over 5 m every 5 m emit percentile(50, x) as p, distinct(k) as keys, first(x) as f";
    assert_eq!(complete(percentile, "A@0:3 A@1:1/k2 A@2:2 C@5"), "0-5 p=2.0 keys=2 f=3.0");
}

#[test]
fn over_the_last_emits_at_each_event() {
    let measure = "for each k on A where x > 0 over the last 2 emit sum(x) as total";
    assert_eq!(complete(measure, "A@0:1 A@1:2 A@2:0 A@3:4"), "0-0 k1 total=1.0; 0-1 k1 total=3.0; 1-3 k1 total=6.0");
}

#[test]
fn sessions_end_with_their_last_event() {
    let measure = "for each k on A after 3 m idle at most 5 m emit count() as n";
    assert_eq!(complete(measure, "A@0 A@3 A@5 A@6 C@9"), "0-5 k1 n=3; 6-6@9 k1 n=1");
}

#[test]
fn the_top_of_each_window_have_ranks() {
    let measure = "for each k on A over 5 m every 5 m emit sum(x) as total top 2 by total";
    let events = "A@0:1/k3 A@0:5/k2 A@1:1/k1 A@2:9/k9 A@2:1/k9 A@5:1/k1 A@6/k2 C@10";
    assert_eq!(
        complete(measure, events),
        "0-5 k9 total=10.0 rank=1; 0-5 k2 total=5.0 rank=2; 5-10 k1 total=1.0 rank=1; 5-10 k2 rank=2"
    );
    let tie = "A@0:1/k3 A@0:1/k2 A@0:1/k10 C@5";
    assert_eq!(complete(measure, tie), "0-5 k2 total=1.0 rank=1; 0-5 k3 total=1.0 rank=2");
}

#[test]
fn measures_come_after_the_alerts_of_their_time() {
    let file = file(
        "measure a on A over 5 m every 5 m emit count() as n
         rule z on C alert high
         rule w on z alert high
         measure alerts on z over 5 m every 5 m emit count() as n",
    );
    let matches = evaluate(&[file], &stream("A@0 C@4 C@5"), &Tables::new(), End::LastEvent);
    let order: Vec<(&str, i64)> = matches.iter().map(|m| (&*m.rule, m.time_ms / MINUTE_MS)).collect();
    assert_eq!(order, [("w", 4), ("z", 4), ("w", 5), ("z", 5), ("a", 5), ("alerts", 5)]);
}
