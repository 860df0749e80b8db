//! `why`: the run that fired, or what stopped the nearest one and the changes that fire.

use super::{BAD, Folder, Ran, tripline};

const DECLARED: &str = "\
event login user_id text, country text
event login_failed user_id text
event purchase user_id text, amount number, country text
event page_view user_id text
event add_to_cart user_id text
event step_up_ok user_id text
event reading sensor_id text, temperature number
";

const HOP: &str = "\
rule hop
  for each user_id
  on every login a
  then purchase b where country is not a.country and amount > 20
  within 5 minutes
  alert high \"{a.country}, then {b.country}\"
";

/// Events as lines, their times in seconds.
fn events(lines: &[(i64, &str, &str)]) -> String {
    let line = |(at, (seconds, event_type, fields)): (usize, &(i64, &str, &str))| {
        let ms = 1_767_225_600_000 + seconds * 1000;
        format!("{{\"type\":\"{event_type}\",\"ts\":{ms},\"id\":\"e{}\",{fields}}}\n", at + 1)
    };
    lines.iter().enumerate().map(line).collect()
}

/// Asks about a rule over some events.
fn why(rule: &str, arguments: &[&str], lines: &[(i64, &str, &str)]) -> Ran {
    let folder = Folder::new();
    let rules = folder.file("r.rules", format!("{DECLARED}\n{rule}"));
    let events = folder.file("events.ndjson", events(lines));
    let ran = tripline(&[&["why", "--rules", &rules], arguments, &[&events]].concat());
    Ran { out: folder.without(&ran.out), err: folder.without(&ran.err), ..ran }
}

/// The lines that stand first under "it fires … with".
fn first_change(text: &str) -> &str {
    let (_, changes) = text.split_once("shows, with\n").unwrap_or_else(|| panic!("no change in\n{text}"));
    changes.lines().next().expect("a change has a line").trim()
}

const DE: &str = "\"user_id\":\"u1\",\"country\":\"DE\"";
const FR_150: &str = "\"user_id\":\"u1\",\"country\":\"FR\",\"amount\":150";
const U1: &str = "\"user_id\":\"u1\"";

#[test]
fn a_run_that_fired_is_told_event_by_event() {
    let ran = why(HOP, &["hop", "u1"], &[(0, "login", DE), (60, "login", DE), (200, "purchase", FR_150)]).expect(0);
    insta::assert_snapshot!("fired", ran.out);
}

#[test]
fn an_alert_is_chosen_by_its_time() {
    let lines = [(0, "login", DE), (60, "purchase", FR_150), (1000, "login", DE), (1100, "purchase", FR_150)];
    let ran = why(HOP, &["hop", "u1", "--at", "30s"], &lines).expect(0);
    assert!(ran.out.starts_with("hop fired for user_id u1 at 2026-01-01T00:01:00.000Z (+1 min)\n"), "{}", ran.out);
    assert!(
        ran.out.contains("it also fired at (see --at):\n  2026-01-01T00:18:20.000Z (+18 min 20 s)\n"),
        "{}",
        ran.out
    );
    let last = why(HOP, &["hop", "u1"], &lines).expect(0);
    assert!(last.out.starts_with("hop fired for user_id u1 at 2026-01-01T00:18:20.000Z"), "{}", last.out);
    let between = why(HOP, &["hop", "u1", "--at", "2026-01-01T00:05:00Z"], &lines).expect(1);
    assert!(between.out.contains("it fired at other times:\n"), "{}", between.out);
}

#[test]
fn too_late_is_told_with_the_within_that_would_do() {
    let ran = why(HOP, &["hop", "u1"], &[(0, "login", DE), (370, "purchase", FR_150)]).expect(1);
    insta::assert_snapshot!("within", ran.out);
    assert_eq!(first_change(&ran.out), "within 7 minutes");
}

#[test]
fn a_threshold_moves_to_the_value_that_came() {
    let small = "\"user_id\":\"u1\",\"country\":\"FR\",\"amount\":15.5";
    let ran = why(HOP, &["hop", "u1"], &[(0, "login", DE), (60, "purchase", small)]).expect(1);
    insta::assert_snapshot!("threshold", ran.out);
    assert_eq!(first_change(&ran.out), "then purchase b where country is not a.country and amount >= 15.5");
}

#[test]
fn an_unless_that_ended_the_run_is_named() {
    let rule = HOP.replace("  within", "  unless step_up_ok\n  within");
    let ran =
        why(&rule, &["hop", "u1"], &[(0, "login", DE), (30, "step_up_ok", U1), (60, "purchase", FR_150)]).expect(1);
    assert!(ran.out.contains("until `unless` ended it: step_up_ok e2 at +30 s (events.ndjson:2)"), "{}", ran.out);
    assert_eq!(first_change(&ran.out), "without `unless step_up_ok`");
}

#[test]
fn a_very_next_event_that_did_not_fit_is_named() {
    let rule = HOP.replace("then purchase", "then next purchase");
    let de = FR_150.replace("FR", "DE");
    let ran =
        why(&rule, &["hop", "u1"], &[(0, "login", DE), (30, "purchase", &de), (60, "purchase", FR_150)]).expect(1);
    assert!(ran.out.contains("the very next event did not fit: purchase e2 at +30 s"), "{}", ran.out);
    assert!(ran.out.contains("country is not a.country  \"DE\" is not \"DE\"  false"), "{}", ran.out);
    assert_eq!(first_change(&ran.out), "then purchase b where country is not a.country and amount > 20");
}

#[test]
fn a_count_that_was_not_reached_is_lowered() {
    let rule = "rule burst\n  for each user_id\n  on 5 login_failed\n  within 1 minute\n  alert low\n";
    let lines: Vec<_> = (0..4).map(|second| (second, "login_failed", U1)).collect();
    let ran = why(rule, &["burst", "u1"], &lines).expect(1);
    insta::assert_snapshot!("count", ran.out);
    assert_eq!(first_change(&ran.out), "on 4 login_failed");
}

#[test]
fn a_window_is_shown_with_its_value() {
    let rule =
        "rule spend\n  for each user_id\n  on purchase where sum(purchase.amount) over 10 minutes > 500\n  alert low\n";
    let ran =
        why(rule, &["spend", "u1"], &[(0, "purchase", FR_150), (60, "purchase", FR_150), (900, "purchase", FR_150)]);
    let ran = ran.expect(1);
    insta::assert_snapshot!("window", ran.out);
    assert!(
        ran.out.contains("in place of `on purchase where sum(purchase.amount) over 10 minutes > 500`"),
        "{}",
        ran.out
    );
}

#[test]
fn a_session_is_shown_as_it_closed() {
    let rule = "rule scraping\n  for each user_id\n  on session s of page_view, add_to_cart after 1 minute idle\n  where count(s.page_view) > 3 and count(s.add_to_cart) is 0\n  alert low\n";
    let mut lines: Vec<_> = (0..3).map(|second| (second, "page_view", U1)).collect();
    lines.push((600, "page_view", "\"user_id\":\"u2\""));
    let ran = why(rule, &["scraping", "u1"], &lines).expect(1);
    insta::assert_snapshot!("session", ran.out);
    assert_eq!(first_change(&ran.out), "where count(s.page_view) >= 3 and count(s.add_to_cart) is 0");
}

#[test]
fn the_longest_streak_of_a_held_condition_is_told() {
    let rule = "rule hot\n  for each sensor_id\n  on reading where temperature > 80 for 30 seconds\n  alert low\n";
    let at = |degrees: &str| format!("\"sensor_id\":\"s1\",\"temperature\":{degrees}");
    let (hot, cold) = (at("85"), at("79.5"));
    let lines = [(0, "reading", &*hot), (20, "reading", &*hot), (29, "reading", &*cold), (40, "reading", &*hot)];
    let ran = why(rule, &["hot", "s1"], &lines).expect(1);
    insta::assert_snapshot!("held", ran.out);
    assert_eq!(first_change(&ran.out), "on reading where temperature >= 79.5 for 30 seconds");
}

#[test]
fn slots_that_are_still_free_are_told() {
    let rule = "rule three\n  for each user_id\n  on all of login l, purchase p where p.amount > 10 and p.country is l.country, add_to_cart c\n  within 10 minutes\n  alert low\n";
    let lines = [(0, "purchase", FR_150), (10, "add_to_cart", U1), (20, "login", DE)];
    let ran = why(rule, &["three", "u1"], &lines).expect(1);
    insta::assert_snapshot!("all_of", ran.out);
    assert!(ran.out.contains("p.country is l.country  \"FR\" is \"DE\"  false"), "{}", ran.out);
}

#[test]
fn a_pair_that_is_too_far_apart_is_named() {
    let rule =
        "rule near\n  for each user_id\n  on each pair of page_view v, purchase p\n  within 1 minute\n  alert low\n";
    let ran = why(rule, &["near", "u1"], &[(0, "page_view", U1), (95, "purchase", FR_150)]).expect(1);
    assert!(ran.out.contains("the nearest two are 1 min 35 s apart, and at most 1 minute is allowed"), "{}", ran.out);
    assert_eq!(first_change(&ran.out), "within 2 minutes");
}

#[test]
fn what_came_too_early_for_a_then_no_is_named() {
    let rule =
        "rule cart\n  for each user_id\n  on every add_to_cart\n  then no purchase within 30 minutes\n  alert low\n";
    let lines = [(0, "add_to_cart", U1), (1210, "purchase", FR_150), (9000, "page_view", U1)];
    let ran = why(rule, &["cart", "u1"], &lines).expect(1);
    assert!(ran.out.contains("until what must not come came: purchase e2 at +20 min 10 s"), "{}", ran.out);
    assert_eq!(first_change(&ran.out), "then no purchase within 20 minutes");
}

#[test]
fn a_risk_is_answered_like_a_rule() {
    let rule = format!(
        "{}\nrisk account\n  for each user_id\n  over 1 hour\n  where total >= 80\n  alert critical\n",
        HOP.replace("high", "high score 40")
    );
    let ran = why(&rule, &["account", "u1"], &[(0, "login", DE), (60, "purchase", FR_150)]).expect(1);
    assert!(ran.out.contains("total >= 80  40 >= 80  false"), "{}", ran.out);
    assert_eq!(first_change(&ran.out), "where total >= 40");
}

#[test]
fn events_without_the_key_and_unknown_keys_are_told() {
    let none = why(HOP, &["hop", "u9"], &[(0, "login", "\"country\":\"DE\""), (1, "login", DE)]).expect(1);
    assert!(none.out.contains("not seen by the rule: 1 event without user_id\n"), "{}", none.out);
    assert!(none.out.contains("no event of the rule's types has this key: did you mean `u1`?\n"), "{}", none.out);
}

#[test]
fn what_cannot_be_asked_is_exit_code_3() {
    let unknown = why(HOP, &["hopp", "u1"], &[]).expect(3);
    assert!(unknown.err.contains("no rule is called `hopp`: did you mean `hop`?"), "{}", unknown.err);
    let parts = why(HOP, &["hop", "country=DE,u1"], &[]);
    assert_eq!(parts.code, Some(1), "a key of one part may hold commas: {parts:?}");
    why(HOP, &["hop", "u1", "--at", "noon"], &[]).expect(3);
    let folder = Folder::new();
    let bad = folder.file("bad.rules", BAD);
    tripline(&["why", "--rules", &bad, "any_login", "u1", "no.ndjson"]).expect(2);
}

#[test]
fn lookups_are_shown_and_changed_rules_see_the_same_rows() {
    let folder = Folder::new();
    folder.file("limits.csv", "country,most\nDE,100\nFR,200\n");
    let rule = "table limits from \"limits.csv\" key country\n\nrule above\n  for each user_id\n  on 2 purchase where amount > limits[country].most\n  within 1 minute\n  alert low\n";
    let rules = folder.file("r.rules", format!("{DECLARED}\n{rule}"));
    let path =
        folder.file("events.ndjson", events(&[(0, "purchase", FR_150), (9, "purchase", &FR_150.replace("FR", "DE"))]));
    let ran = tripline(&["why", "--rules", &rules, "above", "u1", &path]).expect(1);
    assert!(ran.out.contains("e2  purchase"), "{}", ran.out);
    assert!(ran.out.contains("amount > limits[country].most  150 > 100  true"), "{}", ran.out);
    assert_eq!(first_change(&ran.out), "on purchase where amount > limits[country].most");
}

#[test]
fn a_run_that_was_dropped_for_a_newer_one_is_told_so() {
    // The first login alone would fit the purchase.
    let mut lines = vec![(0, "login", DE)];
    lines.extend((1..=1_024).map(|second| (second, "login", "\"user_id\":\"u1\",\"country\":\"FR\"")));
    lines.push((1_100, "purchase", FR_150));
    let ran = why(&HOP.replace("5 minutes", "1 hour"), &["hop", "u1", "--at", "0s"], &lines).expect(1);
    assert!(ran.out.contains("until it was dropped for a newer run"), "{}", ran.out);
}
