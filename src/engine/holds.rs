//! Conditions on alerts: `expect … with a.country is "DE"` in tests of rules, and on what measures emit.

use std::sync::Arc;

use crate::alert::{Alert, AlertEvent};
use crate::engine::eval::{self, Context};
use crate::engine::record::{self, Records};
use crate::engine::runs::Trail;
use crate::event::{Event, Value};
use crate::program::{Condition, Rows, Rule, StepId};

/// Whether a condition on a rule's alerts holds of one. It sees what the alert carries: its events, of an `N or more`
/// step the first and last ones; the aggregates of a session and the total of a risk; and the rows of lists and tables
/// as they are given.
pub fn holds_of_alert(condition: &Condition, rule: &Rule, alert: &Alert, tables: &[Arc<Rows>]) -> bool {
    let mut events = Records::default();
    for shown in &alert.events {
        let Some(step) = (0..).map(StepId).zip(&rule.steps).find(|(_, step)| step.label == shown.step) else {
            continue;
        };
        let AlertEvent { type_id, time_ms, position, ref id, .. } = *shown;
        let event = Event { type_id: Some(type_id), time_ms, position, id: id.clone(), ..Event::default() };
        events.insert(&record::write(step.0, &event, 0, shown.fields.iter().map(|(_, value)| value)));
    }
    let trail = Some(Trail::of_records(events.as_bytes()));
    // The counts of `N or more` steps stand before them, and are seen as aggregates over the events.
    let counts = rule.steps.iter().filter(|step| step.or_more).count();
    let aggregates: Vec<Value> = alert.values.iter().skip(counts).map(|(_, value)| value.clone()).collect();
    let key = key_of(alert);
    let context = Context { trail, key: &key, aggregates: &aggregates, tables, ..Context::default() };
    eval::holds(condition, context)
}

/// Whether a condition on what a measure emits holds. It sees the emitted values, the rank after them, and the key.
pub fn holds_of_emitted(condition: &Condition, emitted: &Alert, tables: &[Arc<Rows>]) -> bool {
    let aggregates: Vec<Value> = emitted.values.iter().map(|(_, value)| value.clone()).collect();
    let context = Context { key: &key_of(emitted), aggregates: &aggregates, tables, ..Context::default() };
    eval::holds(condition, context)
}

fn key_of(alert: &Alert) -> Vec<Value> {
    alert.key.iter().map(|(_, value)| value.clone()).collect()
}
