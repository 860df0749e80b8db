//! What an engine counts.

use crate::engine::limits::Dropped;
use crate::program::Program;
use crate::schema::TypeId;

/// What an engine has counted since it began.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Events that were judged.
    pub events: u64,
    /// Of these, events of a type that is not declared.
    pub undeclared: u64,
    /// By rule.
    pub rules: Vec<RuleStats>,
    /// By measure.
    pub measures: Vec<MeasureStats>,
}

/// What has been counted for a measure.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeasureStats {
    /// What was emitted: one for each key and window.
    pub emitted: u64,
    /// Events that the measure did not see because a part of its key is missing.
    pub missing_key: u64,
}

/// What has been counted for a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleStats {
    /// Alerts that were sent.
    pub alerts: u64,
    /// Alerts that `at most once per` held back.
    pub suppressed: u64,
    /// Events that the rule did not see because a part of its key is missing.
    pub missing_key: u64,
    /// Runs that a limit ended, or kept from beginning.
    pub dropped: Dropped,
}

impl Stats {
    /// Adds what another shard has counted.
    pub fn add(&mut self, other: &Stats) {
        self.events += other.events;
        self.undeclared += other.undeclared;
        self.rules.resize(self.rules.len().max(other.rules.len()), RuleStats::default());
        for (rule, other) in self.rules.iter_mut().zip(&other.rules) {
            rule.alerts += other.alerts;
            rule.suppressed += other.suppressed;
            rule.missing_key += other.missing_key;
            rule.dropped.add(other.dropped);
        }
        self.measures.resize(self.measures.len().max(other.measures.len()), MeasureStats::default());
        for (measure, other) in self.measures.iter_mut().zip(&other.measures) {
            measure.emitted += other.emitted;
            measure.missing_key += other.missing_key;
        }
    }
}

/// Events without a key, counted for all that listen at one place together: by type and dispatch.
#[derive(Debug)]
pub(super) struct WithoutKey(Vec<Vec<u64>>);

impl WithoutKey {
    pub(super) fn new(program: &Program) -> WithoutKey {
        WithoutKey(program.types.iter().map(|plan| vec![0; plan.dispatch.len()]).collect())
    }

    /// Counts an event of a type that has no key at a dispatch.
    pub(super) fn count(&mut self, type_id: TypeId, dispatch: usize) {
        self.0[type_id.index()][dispatch] += 1;
    }

    /// Adds what was counted to each that listens.
    pub(super) fn add_to(&self, stats: &mut Stats, program: &Program) {
        let dispatches = program.types.iter().flat_map(|plan| &plan.dispatch);
        for (dispatch, count) in dispatches.zip(self.0.iter().flatten()).filter(|(_, count)| **count > 0) {
            for rule in &dispatch.rules {
                stats.rules[rule.index()].missing_key += count;
            }
            for measure in &dispatch.measures {
                stats.measures[measure.index()].missing_key += count;
            }
        }
    }
}
