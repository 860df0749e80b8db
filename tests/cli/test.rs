//! `test`: what a failure says, and `JUnit`.

use super::{BAD, Folder, GOOD, tripline};

const TESTED: &str = r#"event login user_id text, country text
event purchase user_id text, country text, amount number
event step_up_ok user_id text

rule hop
  for each user_id
  on every login a
  then purchase where country is not a.country
  unless step_up_ok
  within 5 minutes
  alert high "{user_id} from {a.country}"

"#;

/// What `test` says of one failing test.
fn failure(test: &str) -> String {
    let folder = Folder::new();
    let path = folder.file("hop.rules", format!("{TESTED}test hop \"it\"\n{test}\n"));
    let ran = tripline(&["test", &path]).expect(1);
    folder.without(&ran.out)
}

#[test]
fn passing_tests_are_exit_code_0() {
    let folder = Folder::new();
    let test = "test hop \"it\"\n  at 0 s login user_id \"u\" country \"DE\"\n  at 1 s purchase user_id \"u\" country \
                \"FR\"\n  expect hop once at 1 s\n";
    let ran = tripline(&["test", &folder.file("hop.rules", format!("{TESTED}{test}"))]).expect(0);
    assert_eq!(ran.out, "1 test passed, 0 failed\n");
}

#[test]
fn a_failure_says_how_far_the_nearest_run_got() {
    insta::assert_snapshot!(
        "too_late",
        failure(
            "  at 0 s login user_id \"u\" country \"DE\"\n  at 6 m purchase user_id \"u\" country \"FR\"\n  expect hop once"
        )
    );
    insta::assert_snapshot!(
        "unless",
        failure(
            "  at 0 s login user_id \"u\" country \"DE\"\n  at 1 m step_up_ok user_id \"u\"\n  at 2 m purchase user_id \"u\" country \"FR\"\n  expect hop once"
        )
    );
    insta::assert_snapshot!("no_start", failure("  at 2 m purchase user_id \"u\" country \"FR\"\n  expect hop once"));
    insta::assert_snapshot!(
        "no_key",
        failure("  at 0 s login country \"DE\"\n  at 2 m purchase user_id \"u\" country \"FR\"\n  expect hop once")
    );
}

#[test]
fn a_failure_shows_what_came_instead() {
    insta::assert_snapshot!(
        "unexpected",
        failure(
            "  at 0 s login user_id \"u\" country \"DE\"\n  at 1 m purchase user_id \"u\" country \"FR\"\n  expect nothing"
        )
    );
    insta::assert_snapshot!(
        "other_time",
        failure(
            "  at 0 s login user_id \"u\" country \"DE\"\n  at 1 m purchase user_id \"u\" country \"FR\"\n  expect hop once at 2 m"
        )
    );
    insta::assert_snapshot!(
        "other_condition",
        failure(
            "  at 0 s login user_id \"u\" country \"DE\"\n  at 1 m purchase user_id \"u\" country \"FR\"\n  expect hop once with a.country is \"FR\""
        )
    );
}

#[test]
fn bad_rules_are_exit_code_2_and_missing_files_3() {
    let folder = Folder::new();
    tripline(&["test", &folder.file("bad.rules", BAD)]).expect(2);
    tripline(&["test", "no/such.rules"]).expect(3);
}

#[test]
fn junit_lists_every_test() {
    let folder = Folder::new();
    let fails = "test hop \"it <fails>\"\n  at 0 s login user_id \"u\" country \"DE\"\n  expect hop once\n";
    let passes = "\ntest hop \"it passes\"\n  at 0 s login user_id \"u\" country \"DE\"\n  expect nothing\n";
    let path = folder.file("hop.rules", format!("{TESTED}{fails}{passes}"));
    let report = super::argument(&folder.path("report.xml"));
    tripline(&["test", &path, "--junit", &report]).expect(1);
    insta::assert_snapshot!("junit", folder.without(&std::fs::read_to_string(&report).expect("written")));
}

#[test]
fn only_runs_the_tests_of_that_name() {
    let ran = tripline(&["test", "rules", "--only", "country_hop \"exactly"]).expect(0);
    assert_eq!(ran.out, "1 test passed, 0 failed\n");
}

#[test]
fn a_fixture_lists_every_alert() {
    let folder = Folder::new();
    let rules = folder.file("good.rules", GOOD);
    let scenario = folder.path("scenario");
    std::fs::create_dir(&scenario).expect("writable");
    let write = |name: &str, text: &str| std::fs::write(scenario.join(name), text).expect("writable");
    let login = |user: &str, ts: u32| format!("{{\"type\":\"login\",\"ts\":{ts},\"user_id\":\"{user}\"}}\n");
    write("events.ndjson", &(login("u1", 1) + &login("u2", 2)));
    write("alerts.ndjson", "{\"rule\":\"any_login\",\"key\":{\"user_id\":\"u1\"}}\n");
    let path = super::argument(&scenario);
    let ran = tripline(&["test", &rules, &path]).expect(1);
    assert!(ran.out.contains("not expected: ") && ran.out.contains("\"u2\""), "{}", ran.out);
    tripline(&["test", "--update", &rules, &path]).expect(0);
    tripline(&["test", &rules, &path]).expect(0);
    write("events.ndjson", &login("u1", 1));
    let ran = tripline(&["test", &rules, &path]).expect(1);
    assert!(ran.out.contains("alerts.ndjson:2: expected, and did not come"), "{}", ran.out);
}
