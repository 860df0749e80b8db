//! A completed match, handed out before its run is forgotten.

use std::sync::Arc;

use crate::engine::eval::Context;
use crate::engine::lookups::Tables;
use crate::engine::past::Past;
use crate::engine::runs::{NONE, Run, Taken, Trail};
use crate::event::{Event, Value};
use crate::program::{Rule, StepId};

/// A completed match.
#[derive(Clone, Copy)]
pub(super) struct Completed<'a> {
    pub(super) rule: &'a Rule,
    pub(super) trail: Trail<'a>,
    /// The alert's time in ms.
    pub(super) time_ms: i64,
    /// The past of the key as of the completing event; none where a timer completes.
    pub(super) past: Option<Past<'a>>,
    /// What was computed of a session.
    pub(super) aggregates: &'a [Value],
    /// The rows of the lists and tables.
    pub(super) tables: Tables<'a>,
}

impl<'a> Completed<'a> {
    /// What a message or a value of the alert can see.
    pub(super) fn context(&self, key: &'a [Value]) -> Context<'a> {
        Context {
            event: None,
            trail: Some(self.trail),
            key,
            past: self.past,
            aggregates: self.aggregates,
            tables: self.tables,
            memo: None,
        }
    }

    /// The matched events in the order in which they came, each with its step.
    pub(super) fn events(&self) -> Vec<(StepId, &'a Taken)> {
        let steps = (0..).map(StepId).take(self.rule.steps.len());
        let mut events: Vec<_> = steps.flat_map(|step| self.trail.of(step).map(move |taken| (step, taken))).collect();
        // Steps are taken in order, except those of `all of` and `each pair of`.
        events.sort_by_key(|(_, taken)| taken.arrival);
        events
    }

    /// The completing event with its step: the last that was matched.
    pub(super) fn last(&self) -> (StepId, &'a Taken) {
        let steps = (0..).map(StepId).take(self.rule.steps.len());
        let last = steps.filter_map(|step| Some((step, self.trail.last_of(step)?)));
        last.max_by_key(|(_, taken)| taken.arrival).expect("a match has an event")
    }
}

/// What is kept of an event that fits a step; `arrival` is its number among the events judged.
pub(super) fn take(rule: &Rule, step: StepId, event: &Event, arrival: u64) -> Arc<Taken> {
    let type_id = event.type_id.expect("an event that fits has a type");
    let guards = &rule.steps[step.index()].guards;
    let guard = guards.iter().find(|guard| guard.type_id == type_id).expect("the event fits the step");
    let value = |slot: &Option<u16>| slot.map_or(Value::Missing, |slot| event.values[usize::from(slot)].clone());
    Arc::new(Taken {
        type_id,
        arrival,
        time_ms: event.time_ms,
        position: event.position,
        id: event.id.clone(),
        values: guard.captures.iter().map(value).collect(),
    })
}

/// A run of just these events, for matches that are no runs. The events are in the order of their steps.
pub(super) fn run_of(events: impl IntoIterator<Item = (StepId, Arc<Taken>)>) -> Run {
    let mut run = Run::new(NONE, i64::MAX, i64::MAX);
    run.events.extend(events);
    run.start_ms = run.events.iter().map(|(_, taken)| taken.time_ms).min().unwrap_or_default();
    run
}
