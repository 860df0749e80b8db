//! The bench, small: every row runs, and what must find the same does. Nothing here looks at the time.

#[path = "../../examples/bench/suite/mod.rs"]
#[expect(dead_code, unused_imports, reason = "what a row is shown with")]
mod suite;

use std::collections::BTreeMap;
use std::fmt::Write;

use suite::answer::Answer;
use suite::{Group, Row, Work};
use tripline::workload::Settings;

/// Few enough to be quick, and so few users that every rule has something to find in so short a time.
const EVENTS: u64 = 20_000;
const USERS: u64 = 2_000;
const EVENTS_PER_SECOND: u64 = 20;

/// To compile more rules takes a build without optimisation too long.
const RULES_MAX: usize = 1_000;

/// Runs a group and gives what its rows found, a line each.
fn answers(name: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = suite::groups(EVENTS);
    let group: &Group = groups.iter().find(|group| group.name == name).expect("there is such a group");
    let mut seen: BTreeMap<&str, Answer> = BTreeMap::new();
    let mut out = String::new();
    let rules_of = |row: &&Row| row.task.rules.matches("\nrule ").count();
    for row in group.rows.iter().filter(|row| rules_of(row) <= RULES_MAX) {
        let mut task = row.task.clone();
        task.input = Settings { users: USERS, events_per_second: EVENTS_PER_SECOND, ..task.input };
        let measured = task.run(folder.path()).unwrap_or_else(|error| panic!("{name}, {}: {error:#}", row.name));
        assert_eq!(measured.events, task.events, "{name}, {}", row.name);
        if let Some(other) = row.same_as {
            assert_eq!(measured.answer, seen[other], "{name}, {}, and {other}", row.name);
        }
        seen.insert(&row.name, measured.answer);
        if matches!(task.work, Work::Replay(_) | Work::Judge | Work::ReplayByHand(_)) {
            let Answer { alerts, digest } = measured.answer;
            writeln!(out, "{}: {alerts} {digest:016x}", row.name).expect("a string takes all");
        }
    }
    out
}

#[test]
fn bench_decodes_and_checks() {
    assert_eq!(answers("decode") + &answers("check"), "", "nothing that alerts");
}

#[test]
fn bench_opens_a_run_for_each_key() {
    assert_eq!(answers("keys"), "", "nothing that alerts");
}

/// The program that is written by hand finds what tripline finds: the same rules, the same events.
#[test]
fn bench_rules() {
    insta::assert_snapshot!(answers("rules"));
}

#[test]
fn bench_threads() {
    insta::assert_snapshot!(answers("threads"));
}

#[test]
fn bench_many_rules() {
    insta::assert_snapshot!(answers("filters") + &answers("variants") + &answers("thresholds"));
}

#[test]
fn bench_hot_user() {
    insta::assert_snapshot!(answers("hot"));
}
