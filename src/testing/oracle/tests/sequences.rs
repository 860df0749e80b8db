//! Sequences: steps, counts, `next`, `unless`, `within`.

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

#[test]
fn a_cap_drops_the_oldest_run_or_does_not_start_a_new_one() {
    let capped = |on: &str, events: &str, drop_new: bool| {
        let files = [file(&format!("rule r for each k on {on} alert high"))];
        let cap = Some(Cap { open_runs_per_key: 2, drop_new });
        written(&evaluate_capped(&files, &stream(events), &Tables::new(), End::LastEvent, cap))
    };
    let every = "every A then B within 9 m";
    assert_eq!(capped(every, "A@0 A@1 A@2 B@3", false), "3:1,3 3:2,3");
    assert_eq!(capped(every, "A@0 A@1 A@2 B@3", true), "3:0,3 3:1,3");
    // What is over leaves room.
    assert_eq!(capped("every A then B within 1 m", "A@0 A@1 A@2 B@2", true), "2:1,3 2:2,3");
    assert_eq!(capped("each pair of A a, B b within 9 m", "A@0 A@1 A@2 B@3", false), "3:1,3 3:2,3");
    assert_eq!(capped("each pair of A a, B b within 9 m", "A@0 A@1 A@2 B@3", true), "3:0,3 3:1,3");
    // What the condition on its own side refuses is not kept.
    assert_eq!(capped("each pair of A a, B b where a.x > 1 within 9 m", "A@0:2 A@1 A@2 B@3", false), "3:0,3");
}
