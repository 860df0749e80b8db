//! A final `then no`.

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
    assert_eq!(written(&evaluate(&[file], &stream("A@0"), &Tables::new(), End::Flush)), "5:0");
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
