//! Aggregates over windows, `is new`, `where c for D`.

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
fn a_percentile_is_by_nearest_rank() {
    // Of 1, 2, 3, 4: the 25th percentile is the first, the 26th the second; the 0th is the first too.
    for (p, x) in [("0", 1), ("25", 1), ("26", 2), ("50", 2), ("75.5", 4), ("100", 4)] {
        let rule = format!("A where percentile({p}, A.x) over 9 m is {x} and count(A) over 9 m is 4");
        assert_eq!(alerts(&rule, "A@0:3 A@1:1 A@2:4 A@3:2"), "3:3", "{p}");
    }
    assert_eq!(alerts("A where percentile(50, A.s) over 9 m is missing", "A@0"), "0:0");
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
