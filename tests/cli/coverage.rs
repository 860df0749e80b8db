//! `test --coverage`: what the tests of a rule would not notice.

use super::{Folder, tripline};

/// A rule, with a place for a comment above its `within`.
const HOP: &str = r#"event login user_id text, country text
event purchase user_id text, country text, amount number

rule hop
  for each user_id
  on login a
  then purchase where country is not a.country
NOTE  within 5 minutes
  alert high "{user_id} from {a.country}"

test hop "abroad at the last moment"
  at 0 s login user_id "u" country "DE"
  at 5 m purchase user_id "u" country "FR"
  expect hop once at 5 m

test hop "another user"
  at 0 s login user_id "u" country "DE"
  at 1 m purchase user_id "v" country "FR"
  expect nothing

test hop "two logins are one hop"
  at 0 s login user_id "u" country "DE"
  at 1 m login user_id "u" country "IT"
  at 2 m purchase user_id "u" country "FR"
  expect hop once
"#;

const LATE: &str = r#"
test hop "too late"
  at 0 s login user_id "u" country "DE"
  at 6 m purchase user_id "u" country "FR"
  expect nothing
"#;

const AT_HOME: &str = r#"
test hop "at home"
  at 0 s login user_id "u" country "DE"
  at 1 m purchase user_id "u" country "DE"
  expect nothing
"#;

/// What is said of the rule with a comment and some more tests.
fn coverage(note: &str, tests: &[&str], code: i32) -> String {
    let folder = Folder::new();
    let note = if note.is_empty() { String::new() } else { format!("  # coverage: {note}\n") };
    let path = folder.file("hop.rules", HOP.replace("NOTE", &note) + &tests.concat());
    let ran = tripline(&["test", "--coverage", &path]).expect(code);
    let (_, said) = ran.out.split_once('\n').expect("the tests are summed up first");
    folder.without(said)
}

#[test]
fn what_is_tested_both_ways_passes() {
    let said = coverage("", &[LATE, AT_HOME], 0);
    assert_eq!(said, "hop: 2/2 steps, 1/1 conditions both ways, 7 mutants, 7 noticed\n");
}

#[test]
fn a_missing_negative_test_is_found() {
    let said = coverage("", &[LATE], 1);
    assert_eq!(
        said,
        "hop: 2/2 steps, 0/1 conditions both ways, 7 mutants, 6 noticed\n  hop.rules:7: country is not a.country dropped\n    a test has to fail only it, so that its being false decides\n"
    );
}

#[test]
fn a_change_that_no_test_notices_is_named() {
    let said = coverage("", &[AT_HOME], 1);
    assert_eq!(
        said,
        "hop: 2/2 steps, 1/1 conditions both ways, 7 mutants, 6 noticed\n  hop.rules:8: within 5 minutes -> within 10 minutes\n    a test has to lie between the two: one alerts and the other does not\n"
    );
}

#[test]
fn a_change_may_be_explained_above_its_clause() {
    let said = coverage("within 5 minutes -> within 10 minutes: nobody waits so long", &[AT_HOME], 0);
    assert_eq!(said, "hop: 2/2 steps, 1/1 conditions both ways, 7 mutants, 6 noticed, 1 explained\n");
}

#[test]
fn an_explanation_needs_a_reason() {
    let said = coverage("within 5 minutes -> within 10 minutes:", &[AT_HOME], 1);
    assert!(said.contains("6 noticed\n") && said.contains("hop.rules:8: stale: "), "{said}");
}

#[test]
fn an_explanation_of_what_is_noticed_is_stale() {
    let said = coverage("within 5 minutes -> within 10 minutes: nobody waits so long", &[AT_HOME, LATE], 1);
    assert_eq!(
        said,
        "hop: 2/2 steps, 1/1 conditions both ways, 7 mutants, 7 noticed\nhop.rules:8: stale: # coverage: within 5 minutes -> within 10 minutes: nobody waits so long\n  nothing is left for it to explain: remove it\n"
    );
}

#[test]
fn a_rule_that_no_test_makes_alert_says_how_far_it_got() {
    let folder = Folder::new();
    let rule = HOP.replace("NOTE", "");
    let (rule, _) = rule.split_once("test hop").expect("it has tests");
    let ran = tripline(&["test", "--coverage", &folder.file("hop.rules", format!("{rule}{}", AT_HOME.trim_start()))]);
    let said = ran.expect(1).out;
    assert!(said.contains("hop: 1/2 steps, 0 mutants, 0 noticed\n"), "{said}");
    assert!(said.contains("no test makes it alert: step 2 of 2 is never taken"), "{said}");
}
