//! One `test` block through the engine.

use std::sync::Arc;

use serde_json::json;

use crate::alert::Alert;
use crate::decode::{DecodeLimits, FieldNames, JsonDecoder, TypeSource};
use crate::engine::{AlertOrder, End, Engine, Limits, holds_of_alert, holds_of_emitted};
use crate::event::{Event, Value};
use crate::lang::{Expectation, RuleTest};
use crate::program::{Condition, Program};
use crate::ruletest::{Outcome, reason};

/// When a test begins: 2026-01-01T00:00:00Z, a Thursday, in ms. Functions of the time of day see it.
pub const EPOCH_MS: i64 = 1_767_225_600_000;

/// Runs a test with all rules of the program.
pub fn run_block(program: &Arc<Program>, test: &RuleTest) -> Outcome {
    Outcome { failures: judge(program, test).failures }
}

/// What came of a test.
pub(super) struct Judged {
    pub(super) alerts: Vec<Alert>,
    pub(super) failures: Vec<String>,
    pub(super) engine: Engine,
}

/// Runs a test and keeps what came of it.
pub(super) fn judge(program: &Arc<Program>, test: &RuleTest) -> Judged {
    let events = decode(program, test);
    let mut engine = Engine::new(Arc::clone(program));
    engine.set_limits(Limits::default());
    engine.keep_history();
    let mut alerts = Vec::new();
    for event in &events {
        engine.on_event(event, &mut alerts);
    }
    engine.finish(End::Flush, None, &mut alerts);
    let mut order = AlertOrder::default();
    order.extend(alerts);
    let run = Run { program, test, engine, alerts: order.finish() };
    let failures = run.failures();
    Judged { failures, alerts: run.alerts, engine: run.engine }
}

fn decode(program: &Program, test: &RuleTest) -> Vec<Event> {
    // Names that no declaration can have, so that the events' own fields are free.
    let names = FieldNames {
        event_type: TypeSource::Fields(vec!["@type".to_owned()]),
        time: vec!["@time".to_owned()],
        id: Vec::new(),
    };
    let mut decoder = JsonDecoder::new(program, &names, DecodeLimits::default());
    let decode = |(at, case): (usize, &crate::lang::TestCase)| {
        let mut body = case.body.clone();
        body["@type"] = json!(case.event_type);
        body["@time"] = json!(EPOCH_MS.saturating_add(case.at_ms));
        let mut event = Event::default();
        decoder.decode(body.to_string().as_bytes(), &mut event).expect("a checked test's event is an event");
        event.position.offset = at as u64;
        event
    };
    test.events.iter().enumerate().map(decode).collect()
}

struct Run<'a> {
    program: &'a Program,
    test: &'a RuleTest,
    engine: Engine,
    alerts: Vec<Alert>,
}

impl Run<'_> {
    fn failures(&self) -> Vec<String> {
        let expectations = &self.test.expectations;
        let mut failures: Vec<String> =
            expectations.iter().filter_map(|expected| self.count_failure(expected)).collect();
        for alert in self.alerts.iter().filter(|alert| self.is_unexpected(alert)) {
            failures.push(format!("not expected: {}", describe(alert)));
        }
        failures
    }

    /// What is wrong with the number of alerts that an expectation names.
    fn count_failure(&self, expected: &Expectation) -> Option<String> {
        let alerts: Vec<&Alert> = self.alerts.iter().filter(|alert| *alert.rule_name == *expected.rule).collect();
        let count = alerts.iter().filter(|alert| self.meets(alert, expected)).count() as u64;
        if count == expected.count {
            return None;
        }
        let mut failure = format!("expected {}, got {}", wanted(expected), got(count, &alerts));
        if count < expected.count
            && let Some(rule) = self.program.rule(&expected.rule)
        {
            failure.push_str(&format!("\n{}", reason::nearest(self.program, rule, &self.engine, self.test)));
        }
        Some(failure)
    }

    /// Whether an alert of a rule that the test speaks of is met by none of its expectations.
    fn is_unexpected(&self, alert: &Alert) -> bool {
        let of_rule = |expected: &&Expectation| *expected.rule == *alert.rule_name;
        let mut of_rule = self.test.expectations.iter().filter(of_rule).peekable();
        // A wrong number is told already; here is an alert at a time, or of a kind, that nothing speaks of.
        let counted = of_rule.clone().any(|expected| expected.count == 0 && self.meets(alert, expected));
        of_rule.peek().is_some() && !counted && !of_rule.any(|expected| self.meets(alert, expected))
    }

    fn meets(&self, alert: &Alert, expected: &Expectation) -> bool {
        *alert.rule_name == *expected.rule
            && expected.at_ms.is_none_or(|at_ms| alert.time_ms == EPOCH_MS.saturating_add(at_ms))
            && expected.with.as_ref().is_none_or(|with| self.holds(with, alert))
    }

    fn holds(&self, with: &Condition, alert: &Alert) -> bool {
        let tables = self.engine.tables();
        match self.program.rule(&alert.rule_name) {
            Some(rule) => holds_of_alert(with, rule, alert, tables),
            None => holds_of_emitted(with, alert, tables),
        }
    }
}

fn wanted(expected: &Expectation) -> String {
    let count = match expected.count {
        0 => "no alert".to_owned(),
        1 => "one alert".to_owned(),
        n => format!("{n} alerts"),
    };
    let at = expected.at_ms.map_or_else(String::new, |at_ms| format!(" at {}", reason::since_start(at_ms)));
    let with = if expected.with.is_some() { " with its condition" } else { "" };
    format!("{count} of {}{at}{with}", expected.rule)
}

fn got(count: u64, alerts: &[&Alert]) -> String {
    if alerts.is_empty() {
        return "none".to_owned();
    }
    let all: Vec<String> = alerts.iter().map(|alert| format!("\n  {}", describe(alert))).collect();
    format!("{count} of its {}:{}", alerts.len(), all.concat())
}

fn describe(alert: &Alert) -> String {
    let at = reason::since_start(alert.time_ms - EPOCH_MS);
    let key: Vec<String> =
        alert.key.iter().map(|(name, value)| format!("{name} {}", crate::alert::render_value(value))).collect();
    let what = if alert.is_measure() { emitted(alert) } else { alert.message.clone() };
    format!(
        "{} at {at} for {}: {what}",
        alert.rule_name,
        if key.is_empty() { "all".to_owned() } else { key.join(", ") }
    )
}

fn emitted(alert: &Alert) -> String {
    let value = |(name, value): &(String, Value)| format!("{name} {}", crate::alert::render_value(value));
    alert.values.iter().map(value).collect::<Vec<_>>().join(", ")
}
