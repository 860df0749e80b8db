//! Conditions on alerts: `expect … with a.country is "DE"` in tests of rules.

use std::sync::Arc;

use crate::alert::Alert;
use crate::engine::eval::{self, Context};
use crate::engine::runs::{NONE, Run, Taken, Trail};
use crate::event::Value;
use crate::program::{Condition, Rule, StepId};

/// Whether a condition on a rule's alerts holds of one. It sees what the alert carries: of an `N or more` step the
/// first and last events.
pub fn holds_of_alert(condition: &Condition, rule: &Rule, alert: &Alert) -> bool {
    let mut run = Run::new(NONE, alert.started_ms, alert.time_ms);
    for event in &alert.events {
        let Some(step) = (0..).map(StepId).zip(&rule.steps).find(|(_, step)| step.label == event.step) else {
            continue;
        };
        let taken = Taken {
            type_id: event.type_id,
            time_ms: event.time_ms,
            position: event.position,
            id: event.id.clone(),
            values: event.fields.iter().map(|(_, value)| value.clone()).collect(),
        };
        run.events.push((step.0, Arc::new(taken)));
    }
    let key: Vec<Value> = alert.key.iter().map(|(_, value)| value.clone()).collect();
    eval::holds(condition, Context { event: None, trail: Some(Trail { run: &run, shared: &[] }), key: &key })
}
