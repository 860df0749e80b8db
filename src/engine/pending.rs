//! Alerts as events for other rules and for risks.
//!
//! An alert becomes an event of a derived type right after the event that completed it. Of several, those of rules that
//! stand lowest come first: a rule over two others sees their alerts in the order in which the rules depend on each
//! other.

use crate::alert::Alert;
use crate::engine::completed::Completed;
use crate::event::{Event, EventId, Key, Text, Value};
use crate::program::{Derived, DerivedValue, RuleId};

/// An alert that other rules are still to see.
#[derive(Debug)]
pub(super) struct Pending {
    level: u16,
    rule: RuleId,
    /// One event for each derived type.
    pub(super) events: Vec<Event>,
}

impl Pending {
    pub(super) fn new(alert: &Alert, key: &[u8], completed: &Completed<'_>) -> Pending {
        let rule = completed.rule;
        let key = Key::from_bytes(key).parts();
        let event = |derived: &Derived| {
            let last = completed.last();
            let value = |value: &DerivedValue| match value {
                DerivedValue::Captured(by_step) => last.value(by_step[last.step.index()].index()),
                DerivedValue::Key(part) => key[usize::from(*part)].clone(),
                DerivedValue::Rule => Value::Text(Text::from(&*rule.name)),
                DerivedValue::Score => rule.alert.score.map_or(Value::Missing, Value::number),
            };
            Event {
                type_id: Some(derived.type_id),
                time_ms: alert.time_ms,
                position: last.position(),
                id: Some(EventId::from(alert.id.to_string())),
                values: derived.values.iter().map(value).collect(),
            }
        };
        Pending { level: rule.level, rule: rule.id, events: rule.derived.iter().map(event).collect() }
    }
}

/// Takes out the alert that is to be seen next: by level, then by the rule's name; of one rule's in the order in which
/// its runs completed, the oldest first.
#[inline]
pub(super) fn next(pending: &mut Vec<Pending>) -> Option<Pending> {
    let order = |(_, alert): &(usize, &Pending)| (alert.level, alert.rule);
    let (at, _) = pending.iter().enumerate().min_by_key(order)?;
    Some(pending.remove(at))
}
