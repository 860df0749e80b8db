//! Random rules and streams for the property tests.
//!
//! - `tape`       choices, read off a random list of numbers, so that a case shrinks by shrinking its list;
//! - `tree`       short ways to write parts of a syntax tree;
//! - `types`      the event types that all rules and streams share;
//! - `conditions` random conditions over the fields and steps in sight;
//! - `rules`      random rules, always such that a checker accepts them;
//! - `streams`    random events: ties, exact edges, missing and wrong fields;
//! - `tally`      what occurred, so that a test can assert that its cases say something.
//!
//! The domains are tiny on purpose: what never collides never alerts.

mod conditions;
mod rules;
mod streams;
mod tally;
mod tape;
mod tree;
mod types;

use std::fmt;

use proptest::prelude::*;

pub use self::tally::Tally;
use self::tape::Tape;
use super::oracle::TestEvent;
use crate::lang::ast;

/// A file of rules and a stream to judge by them. Printed as a person would write it down: the rules as text, the
/// events one a line.
#[derive(Clone)]
pub struct Case {
    /// The declarations and one to three rules.
    pub file: ast::File,
    /// The events, ordered by time.
    pub events: Vec<TestEvent>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", crate::lang::fmt::format(&self.file, ""))?;
        self.events.iter().enumerate().try_for_each(|(index, event)| {
            let TestEvent { event_type, time_ms, body, .. } = event;
            writeln!(f, "{index:>2} at {time_ms} {event_type} {body}")
        })
    }
}

/// Valid rule files: the declarations and one to three rules.
pub fn rules() -> impl Strategy<Value = ast::File> {
    Tape::any(RULE_CHOICES).prop_map(|mut tape| rules::file(&mut tape, false))
}

/// Streams of 0 to 60 events, of all types alike.
pub fn streams() -> impl Strategy<Value = Vec<TestEvent>> {
    (Tape::any(STREAM_CHOICES), event_tapes())
        .prop_map(|(mut tape, events)| streams::stream(&mut tape, events, &types::RULED))
}

/// Rules with a stream that is mostly of the types that they name, so that about half of all cases alert.
pub fn case() -> impl Strategy<Value = Case> {
    case_with(false)
}

/// The same with rules that also look at windows: aggregates over time and over the last N, `is new`, `where c for D`.
pub fn windowed_case() -> impl Strategy<Value = Case> {
    case_with(true)
}

fn case_with(windows: bool) -> impl Strategy<Value = Case> {
    // In the order in which proptest shrinks: with few events left, the rule shrinks fast.
    let tapes = (event_tapes(), Tape::any(RULE_CHOICES), Tape::any(STREAM_CHOICES));
    tapes.prop_map(move |(events, mut rule, mut stream)| {
        let file = rules::file(&mut rule, windows);
        let events = streams::stream(&mut stream, events, &rules::named_types(&file));
        Case { file, events }
    })
}

fn event_tapes() -> impl Strategy<Value = Vec<Tape>> {
    proptest::collection::vec(Tape::any(EVENT_CHOICES), 0..=60)
}

/// Enough for three rules of average size; what a rule asks for beyond the end of its tape is the simplest.
const RULE_CHOICES: usize = 240;
const STREAM_CHOICES: usize = 4;
const EVENT_CHOICES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::testing::oracle::{End, evaluate};

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

    fn tally(cases: &impl Strategy<Value = Case>) -> Tally {
        let mut runner = TestRunner::deterministic();
        let mut tally = Tally::default();
        for _ in 0..2000 {
            let case = cases.new_tree(&mut runner).expect("no case is rejected").current();
            let alerts = evaluate(std::slice::from_ref(&case.file), &case.events, End::LastEvent);
            tally.add(&case, alerts.len());
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
        for _ in 0..500 {
            let file = rules().new_tree(&mut runner).expect("no file is rejected").current();
            let text = crate::lang::fmt::format(&file, "");
            let (read, diagnostics) = crate::lang::parse(crate::diagnostic::FileId::default(), &text);
            assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
            assert_eq!(read.items, file.items, "{text}");
        }
    }
}
