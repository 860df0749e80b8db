//! Random rules and streams for the property tests.
//!
//! - `tape`       choices, read off a random list of numbers, so that a case shrinks by shrinking its list;
//! - `tree`       short ways to write parts of a syntax tree;
//! - `types`      the event types that all rules and streams share;
//! - `conditions` random conditions over the fields and steps in sight;
//! - `rules`      random rules over sequences, always such that a checker accepts them;
//! - `patterns`   the same over `all of`, `each pair of` and sessions;
//! - `two_steps`  sequences of two steps, alike in all but what the second must fulfil by itself;
//! - `waits`      longer ones over a long time, so that a key has many open runs;
//! - `derived`    rules over each other's alerts, and risks;
//! - `measures`   measures;
//! - `lookups`    lists and tables with their contents, and rules that look them up;
//! - `streams`    random events: ties, exact edges, missing and wrong fields;
//! - `tally`      what occurred, so that a test can assert that its cases say something.
//!
//! The domains are tiny on purpose: what never collides never alerts.

mod conditions;
mod derived;
mod lookups;
mod measures;
mod patterns;
mod rules;
mod streams;
mod tally;
mod tape;
mod tree;
mod two_steps;
mod types;
mod waits;

use std::fmt;

use proptest::prelude::*;

use self::rules::{CROWD, Manner, NAMES};
pub use self::tally::Tally;
use self::tape::Tape;
use super::oracle::{Cap, Tables, TestEvent};
use crate::lang::ast;

/// A file of rules and a stream to judge by them. Printed as a person would write it down: the rules as text, the
/// events one a line.
#[derive(Clone)]
pub struct Case {
    /// The declarations and some rules.
    pub file: ast::File,
    /// What the lists and tables from files hold; every column has a declared kind.
    pub tables: Tables,
    /// The events, ordered by time.
    pub events: Vec<TestEvent>,
    /// How many runs of a rule and key may be open, if that is limited.
    pub cap: Option<Cap>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", crate::lang::fmt::format(&self.file, ""))?;
        self.cap.iter().try_for_each(|cap| writeln!(f, "{cap:?}"))?;
        for (name, rows) in &self.tables {
            rows.iter().try_for_each(|(key, row)| writeln!(f, "{name} {key} {row}"))?;
        }
        self.events.iter().enumerate().try_for_each(|(index, event)| {
            let TestEvent { event_type, time_ms, body, .. } = event;
            writeln!(f, "{index:>2} at {time_ms} {event_type} {body}")
        })
    }
}

/// Valid rule files: the declarations and one to three rules.
pub fn rules() -> impl Strategy<Value = ast::File> {
    Tape::any(RULE_CHOICES).prop_map(|mut tape| rules::file(&mut tape, &Manner::plain()))
}

/// Streams of 0 to 60 events, of all types alike.
pub fn streams() -> impl Strategy<Value = Vec<TestEvent>> {
    (Tape::any(STREAM_CHOICES), event_tapes())
        .prop_map(|(mut tape, events)| streams::stream(&mut tape, events, &types::RULED))
}

/// Rules with a stream that is mostly of the types that they name, so that about half of all cases alert.
pub fn case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, |tape| rules::file(tape, &Manner::plain()))
}

/// The same with rules that also look at windows: aggregates over time and over the last N, `is new`, `where c for D`.
pub fn windowed_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, |tape| rules::file(tape, &Manner::windowed()))
}

/// Rules over `all of` and `each pair of`.
pub fn unordered_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, unordered_file)
}

fn unordered_file(tape: &mut Tape) -> ast::File {
    let count = tape.pick(&[1, 1, 2]);
    let manner = if tape.percent(40) { Manner::windowed() } else { Manner::plain() };
    let rules = NAMES[..count].iter().map(|name| patterns::unordered(tape, name, &manner));
    rules::with_declarations(rules.map(ast::Item::Rule).collect::<Vec<_>>())
}

/// Sequences of two steps that may run together.
pub fn two_step_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, two_steps::file)
}

/// Sequences of which a key has many open runs.
pub fn waiting_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, waits::file)
}

/// Rules over sessions.
pub fn session_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, session_file)
}

fn session_file(tape: &mut Tape) -> ast::File {
    let count = tape.pick(&[1, 1, 2]);
    let rules = NAMES[..count].iter().map(|name| patterns::session(tape, name, &Manner::plain()));
    rules::with_declarations(rules.map(ast::Item::Rule).collect::<Vec<_>>())
}

/// Two to four rules over each other's alerts, with windows over alerts, and risks.
pub fn derived_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, derived::file)
}

/// Three to eight short rules over one or two types, that begin with conditions on the event alone.
pub fn crowd_case() -> impl Strategy<Value = Case> {
    case_of(CROWD_CHOICES, |tape| {
        let first = tape.pick(&types::RULED);
        let pool = vec![first, first, tape.pick(&types::RULED)];
        let (count, manner) = (3 + tape.below(CROWD.len() - 2), Manner::crowd(pool));
        let rules = CROWD[..count].iter().map(|name| rules::rule(tape, name, &manner));
        rules::with_declarations(rules.map(ast::Item::Rule).collect::<Vec<_>>())
    })
}

/// Measures, some over alerts.
pub fn measure_case() -> impl Strategy<Value = Case> {
    case_of(RULE_CHOICES, measures::file)
}

/// Rules that look lists and tables up, one of which changes with the stream.
pub fn lookup_case() -> impl Strategy<Value = Case> {
    let tapes = (event_tapes(), Tape::any(RULE_CHOICES), Tape::any(STREAM_CHOICES), Tape::any(TABLE_CHOICES));
    tapes.prop_map(|(events, mut rule, mut stream, mut tables)| {
        let file = lookups::file(&mut rule);
        let mostly: Vec<&str> = rules::named_types(&file).into_iter().chain([lookups::LANDS]).collect();
        let events = streams::stream(&mut stream, events, &mostly);
        Case { file, tables: lookups::contents(&mut tables), events, cap: None }
    })
}

/// Rules of all patterns that can have several runs of a key open, of which few may be.
pub fn capped_case() -> impl Strategy<Value = Case> {
    let case = prop_oneof![case(), crowd_case(), unordered_case(), two_step_case(), two_step_case(), derived_case()];
    let cap = (1..=4_usize, any::<bool>());
    (case, cap).prop_map(|(case, (open_runs_per_key, drop_new))| Case {
        cap: Some(Cap { open_runs_per_key, drop_new }),
        ..case
    })
}

fn case_of(choices: usize, file: impl Fn(&mut Tape) -> ast::File) -> impl Strategy<Value = Case> {
    // In the order in which proptest shrinks: with few events left, the rule shrinks fast.
    let tapes = (event_tapes(), Tape::any(choices), Tape::any(STREAM_CHOICES));
    tapes.prop_map(move |(events, mut rule, mut stream)| {
        let file = file(&mut rule);
        let events = streams::stream(&mut stream, events, &rules::named_types(&file));
        Case { file, tables: Tables::new(), events, cap: None }
    })
}

/// A case read off bytes, for fuzzing: the first says of which kind, those that follow are the choices of the rules, of
/// the stream, and of each event. Lists and tables are left out: they need files.
pub fn case_from(bytes: &[u8]) -> Case {
    let (kind, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (mut rule, rest) = (Tape::of(&rest[..rest.len().min(RULE_CHOICES)]), rest.get(RULE_CHOICES..).unwrap_or(&[]));
    let (mut stream, rest) =
        (Tape::of(&rest[..rest.len().min(STREAM_CHOICES)]), rest.get(STREAM_CHOICES..).unwrap_or(&[]));
    let file = match kind % 8 {
        0 => rules::file(&mut rule, &Manner::plain()),
        1 => rules::file(&mut rule, &Manner::windowed()),
        2 => unordered_file(&mut rule),
        3 => two_steps::file(&mut rule),
        4 => waits::file(&mut rule),
        5 => session_file(&mut rule),
        6 => derived::file(&mut rule),
        _ => measures::file(&mut rule),
    };
    let events = rest.chunks(EVENT_CHOICES).take(60).map(Tape::of).collect();
    let events = streams::stream(&mut stream, events, &rules::named_types(&file));
    Case { file, tables: Tables::new(), events, cap: None }
}

fn event_tapes() -> impl Strategy<Value = Vec<Tape>> {
    proptest::collection::vec(Tape::any(EVENT_CHOICES), 0..=60)
}

/// Enough for three rules of average size; what a rule asks for beyond the end of its tape is the simplest.
const RULE_CHOICES: usize = 240;
const CROWD_CHOICES: usize = 400;
const STREAM_CHOICES: usize = 4;
const TABLE_CHOICES: usize = 12;
const EVENT_CHOICES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::testing::oracle::{End, evaluate, evaluate_capped};

    #[test]
    fn cases_alert_often_and_hold_every_construct() {
        let tally = tally(&case());
        assert_eq!(tally.absent(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.3, "{tally:?}");
    }

    #[test]
    fn windowed_cases_alert_often_and_hold_every_window() {
        let tally = tally(&windowed_case());
        assert_eq!(tally.absent_windows(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.3, "{tally:?}");
    }

    #[test]
    fn unordered_cases_alert_often_and_hold_every_construct() {
        let tally = tally(&unordered_case());
        assert_eq!(tally.absent_unordered(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
    }

    #[test]
    fn two_step_cases_alert_often_and_run_together() {
        let tally = tally(&two_step_case());
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
        let mut runner = TestRunner::deterministic();
        let (mut together, mut grouped, mut in_one_list) = (0, 0, 0);
        for _ in 0..200 {
            let case = two_step_case().new_tree(&mut runner).expect("a case").current();
            for two_step in crate::lang::check(&[case.file]).program.two_steps {
                together += u32::from(!two_step.is_single());
                *(if two_step.by.is_some() { &mut grouped } else { &mut in_one_list }) += 1;
            }
        }
        assert!(together >= 60 && grouped >= 100 && in_one_list >= 10, "{together} {grouped} {in_one_list}");
    }

    #[test]
    fn waiting_cases_alert_often_and_part_many_runs() {
        let tally = tally(&waiting_case());
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
        let mut runner = TestRunner::deterministic();
        let (mut by_value, mut by_state, mut many) = (0, 0, 0);
        for _ in 0..200 {
            let case = waiting_case().new_tree(&mut runner).expect("a case").current();
            let program = crate::lang::check(&[case.file]).program;
            let waits = || program.rules.iter().flat_map(|rule| &rule.waits);
            by_value += u32::from(waits().any(|wait| wait.by.is_some()));
            by_state += u32::from(waits().any(|wait| wait.by.is_none()));
            many += u32::from(waits().next().is_some() && case.events.len() > 30);
        }
        assert!(by_value >= 80 && by_state >= 20 && many >= 60, "{by_value} {by_state} {many}");
    }

    #[test]
    fn session_cases_alert_often_and_hold_every_construct() {
        let tally = tally(&session_case());
        assert_eq!(tally.absent_sessions(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
    }

    #[test]
    fn derived_cases_alert_often_and_hold_every_construct() {
        let tally = tally(&derived_case());
        assert_eq!(tally.absent_derived(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
    }

    #[test]
    fn measure_cases_emit_often_and_hold_every_construct() {
        let tally = tally(&measure_case());
        assert_eq!(tally.absent_measures(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
    }

    #[test]
    fn lookup_cases_alert_often_and_hold_every_construct() {
        let tally = tally(&lookup_case());
        assert_eq!(tally.absent_lookups(), [""; 0], "{tally:?}");
        assert!(tally.share_alerting() >= 0.4, "{tally:?}");
    }

    #[test]
    fn caps_change_what_capped_cases_say() {
        let mut runner = TestRunner::deterministic();
        let mut changed = [0; 2];
        for _ in 0..400 {
            let Case { file, tables, events, cap } = capped_case().new_tree(&mut runner).expect("a case").current();
            let files = [file];
            let said = |cap| evaluate_capped(&files, &events, &tables, End::LastEvent, cap);
            let drop_new = cap.expect("it is capped").drop_new;
            changed[usize::from(drop_new)] += u32::from(said(cap) != said(None));
        }
        assert!(changed.iter().all(|cases| *cases >= 25), "drop oldest, drop new: {changed:?}");
    }

    fn tally(cases: &impl Strategy<Value = Case>) -> Tally {
        let mut runner = TestRunner::deterministic();
        let mut tally = Tally::default();
        for _ in 0..2000 {
            let case = cases.new_tree(&mut runner).expect("no case is rejected").current();
            let alerts = evaluate(std::slice::from_ref(&case.file), &case.events, &case.tables, End::LastEvent);
            tally.add(&case, &alerts);
        }
        tally
    }

    #[test]
    fn every_stream_is_in_order_of_time() {
        let mut runner = TestRunner::deterministic();
        for _ in 0..200 {
            let events = streams().new_tree(&mut runner).expect("no stream is rejected").current();
            assert!(events.is_sorted_by_key(|event| event.time_ms));
        }
    }

    #[test]
    fn every_file_reads_back_from_its_text() {
        let mut runner = TestRunner::deterministic();
        let assert_reads_back = |file: &ast::File| {
            let text = crate::lang::fmt::format(file, "");
            let (read, diagnostics) = crate::lang::parse(crate::diagnostic::FileId::default(), &text);
            assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
            assert_eq!(read.items, file.items, "{text}");
        };
        for _ in 0..200 {
            assert_reads_back(&rules().new_tree(&mut runner).expect("no file is rejected").current());
            assert_reads_back(&unordered_case().new_tree(&mut runner).expect("no case is rejected").current().file);
            assert_reads_back(&session_case().new_tree(&mut runner).expect("no case is rejected").current().file);
            assert_reads_back(&crowd_case().new_tree(&mut runner).expect("no case is rejected").current().file);
            assert_reads_back(&derived_case().new_tree(&mut runner).expect("no case is rejected").current().file);
            assert_reads_back(&measure_case().new_tree(&mut runner).expect("no case is rejected").current().file);
            assert_reads_back(&lookup_case().new_tree(&mut runner).expect("no case is rejected").current().file);
        }
    }
}
