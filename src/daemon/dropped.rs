//! Runs that limits have dropped: counted as they are measured, said once a minute for each rule. Stands between the
//! engines' counts and telemetry; it drops nothing itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Dropped, RuleStats};
use crate::program::Program;
use crate::telemetry::{Metrics, RunsDropped};

const SAY: Duration = Duration::from_mins(1);

/// What was dropped, by rule.
pub(super) struct DroppedRuns {
    program: Arc<Program>,
    metrics: Metrics,
    rules: Vec<Waiting>,
}

/// What was dropped of a rule and not said yet.
#[derive(Clone, Copy, Default)]
struct Waiting {
    dropped: Dropped,
    said: Option<Instant>,
}

impl DroppedRuns {
    /// Nothing yet.
    pub(super) fn new(program: &Arc<Program>, metrics: &Metrics) -> DroppedRuns {
        let rules = vec![Waiting::default(); program.rules.len()];
        DroppedRuns { program: Arc::clone(program), metrics: metrics.clone(), rules }
    }

    /// Counts what an engine has counted, by rule, since it was last asked; says what is due.
    pub(super) fn count(&mut self, since: &[RuleStats], now: Instant) {
        for (at, waiting) in self.rules.iter_mut().enumerate() {
            let dropped = since.get(at).map(|stats| stats.dropped).unwrap_or_default();
            waiting.dropped.add(dropped);
            if waiting.dropped.all() > 0 {
                let rule = &*self.program.rules[at].name;
                RunsDropped { rule, dropped, to_say: waiting.take_due(now) }.emit(&self.metrics);
            }
        }
    }
}

impl Waiting {
    /// What is to be said now.
    fn take_due(&mut self, now: Instant) -> Option<Dropped> {
        if self.said.is_some_and(|said| now.duration_since(said) < SAY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Limits};
    use crate::event::{Event, Position, Value};
    use crate::ruleset::RuleSet;

    const RULES: &str = "event a user text\nevent b user text\nrule ab\n  for each user\n  on every a then b\n  \
                         within 1 hour\n  alert low\n";

    fn stats(runs: u64) -> Vec<RuleStats> {
        let set = RuleSet::from_texts([("test.rules".to_owned(), RULES.to_owned())]);
        let mut engine = Engine::new(set.program().expect("the rules are right"));
        engine.set_limits(Limits { open_runs_per_key: 1, ..Limits::NONE });
        for offset in 0..=runs {
            let event = Event {
                type_id: Some(crate::schema::TypeId(0)),
                time_ms: 0,
                position: Position { offset, ..Position::default() },
                id: None,
                values: vec![Value::Text("u".into())],
            };
            engine.on_event(&event, &mut Vec::new());
        }
        engine.stats().rules
    }

    #[test]
    fn all_are_counted_and_a_rule_speaks_once_a_minute() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        let mut said = |runs: u64, seconds: u64| {
            waiting.dropped.add(stats(runs)[0].dropped);
            waiting.take_due(start + Duration::from_secs(seconds)).map(Dropped::all)
        };
        assert_eq!((said(2, 0), said(3, 30), said(4, 59), said(0, 60)), (Some(2), None, None, Some(7)));

        let set = RuleSet::from_texts([("test.rules".to_owned(), RULES.to_owned())]);
        let metrics = Metrics::default();
        let mut dropped = DroppedRuns::new(&set.program().expect("the rules are right"), &metrics);
        dropped.count(&stats(2), start);
        dropped.count(&stats(3), start);
        let text = metrics.encode();
        let line = "tripline_runs_dropped_total{rule=\"ab\",limit=\"max_open_runs_per_key\"} 5";
        assert!(text.contains(line), "{text}");
    }
}
