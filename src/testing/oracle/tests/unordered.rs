//! `all of` and `each pair of`.

use super::*;

#[test]
fn all_of_takes_one_of_each_in_any_order() {
    assert_eq!(alerts("all of A, B, C within 9 m", "B@0 C@1 A@2 A@3"), "2:0,1,2");
    assert_eq!(alerts("all of A, B within 9 m", "A@0 A@1 B@2 B@3"), "2:0,2");
    assert_eq!(alerts("every all of A, B within 9 m", "A@0 A@1 B@2"), "2:0,2 2:1,2");
}

#[test]
fn of_every_the_completing_event_starts_a_run() {
    assert_eq!(alerts("every all of A, B within 9 m", "A@0 B@1 A@2 B@3"), "1:0,1 2:1,2 3:2,3");
    assert_eq!(alerts("all of A, B within 9 m", "A@0 B@1 A@2 B@3"), "1:0,1 3:2,3");
}

#[test]
fn all_of_takes_the_first_slot_in_the_order_of_writing_that_fits() {
    let rule = "all of A a where x > 1, A b within 9 m";
    // The 5 is `a`, so the 1 is `b`; the 1 is `b`, so the 5 is `a`.
    assert_eq!(alerts(rule, "A@0:5 A@1:1"), "1:0,1");
    assert_eq!(alerts(rule, "A@0:1 A@1:1 A@2:5"), "2:0,2");
    assert_eq!(labels(&format!("rule r for each k on {rule} alert high"), "A@0:5 A@1:6"), "a0 b1");
    assert_eq!(labels(&format!("rule r for each k on {rule} alert high"), "A@0:1 A@1:6"), "b0 a1");
}

#[test]
fn a_condition_of_all_of_waits_for_the_slots_that_it_names() {
    for rule in [
        "all of A a where x > 1 and x is b.x, B b within 9 m",
        "all of A a where x > 1, B b where a.x is x within 9 m",
        "all of A where x > 1, B where A.x is B.x within 9 m",
    ] {
        assert_eq!(alerts(rule, "A@0:2 B@1:3 B@2:2"), "2:0,2", "{rule}");
        assert_eq!(alerts(rule, "B@0:2 A@1:3 A@2:2"), "2:0,2", "{rule}");
        assert_eq!(alerts(rule, "A@0:1 B@1:1"), "", "{rule}");
    }
}

#[test]
fn a_part_of_three_slots_waits_for_the_last() {
    let rule = "all of A a where x is b.x + c.x, B b, C c within 9 m";
    assert_eq!(alerts(rule, "A@0:3 B@1:1 C@2:1 C@3:2"), "3:0,1,3");
    assert_eq!(alerts(rule, "C@0:2 A@1:3 B@2:2 B@3:1"), "3:0,1,3");
}

#[test]
fn a_window_of_all_of_is_as_of_the_event_at_hand() {
    let rule = "all of A a where count(A) over 9 m >= 2, B within 9 m";
    assert_eq!(alerts(rule, "A@0 B@1 A@2"), "2:1,2");
}

#[test]
fn within_and_unless_bound_all_of() {
    assert_eq!(alerts("all of A, B within 5 m", "A@0 B@5"), "5:0,1");
    assert_eq!(alerts("all of A, B within 5 m", "A@0 B@6 A@7"), "7:1,2");
    assert_eq!(alerts("all of A a, B b unless C where x is a.x within 9 m", "A@0:1 C@1:2 B@2"), "2:0,2");
    assert_eq!(alerts("all of A a, B b unless C where x is a.x within 9 m", "A@0:1 C@1:1 B@2"), "");
    assert_eq!(alerts("all of A a, B b unless C where x is a.x within 9 m", "B@0:1 C@1:1 A@2:1"), "2:0,2");
}

#[test]
fn pairs_are_every_combination_in_either_order() {
    assert_eq!(alerts("each pair of A, B within 5 m", "A@0 B@1 A@2 B@9"), "1:0,1 2:1,2");
    assert_eq!(alerts("each pair of A, B within 5 m", "A@0 A@1 B@1"), "1:0,2 1:1,2");
    assert_eq!(alerts("each pair of A, B within 5 m", "A@0 B@5"), "5:0,1");
    assert_eq!(alerts("each pair of A, B within 5 m", "A@0 B@6"), "");
}

#[test]
fn a_pair_of_one_type_is_both_combinations_but_none_with_itself() {
    let rule = "rule r for each k on each pair of A x, A y within 5 m alert high";
    assert_eq!(labels(rule, "A@0 A@1"), "y0 x1 x0 y1");
    assert_eq!(alerts("each pair of A x, A y where x.x > y.x within 5 m", "A@0:1 A@1:2 A@1:2"), "1:0,1 1:0,2");
}

#[test]
fn pairs_are_judged_by_the_names_of_their_sides() {
    let rule = "each pair of A a, B where a.x is B.x and count(A) over 9 m is 2 within 9 m";
    assert_eq!(alerts(rule, "A@0:1 B@1:1 A@2:1 B@3:1"), "2:1,2 3:0,3 3:2,3");
    let sent = "rule r for each k on each pair of A, B within 9 m alert high at most once per 5 minutes";
    assert_eq!(all(sent, "A@0 A@1 B@2 B@7"), "2:0,2 7:0,3+1");
}
