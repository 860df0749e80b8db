//! An alert as the engine makes it.

use std::fmt;
use std::sync::Arc;

use crate::event::{EventId, Position, Value};
use crate::program::{RuleId, Severity};
use crate::schema::TypeId;

/// A match of a rule, ready to be sent.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The same for the same match wherever and however often the stream is run.
    pub id: AlertId,
    /// The rule.
    pub rule: RuleId,
    /// Its name.
    pub rule_name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// Its weight.
    pub score: Option<f64>,
    /// The key: names and values of its parts.
    pub key: Vec<(String, Value)>,
    /// When it is true, in event time (ms).
    pub time_ms: i64,
    /// The time of the first matched event (ms).
    pub started_ms: i64,
    /// What happened, for people.
    pub message: String,
    /// Words to filter by.
    pub tags: Arc<[String]>,
    /// The sinks that are to get it; all where there is none.
    pub targets: Arc<[String]>,
    /// The matched events in order.
    pub events: Vec<AlertEvent>,
    /// Aggregates that decided, by name.
    pub values: Vec<(String, Value)>,
    /// How many alerts of this rule and key were suppressed since the last one that was sent.
    pub suppressed: u64,
}

impl Alert {
    /// The first matched event.
    pub fn first(&self) -> &AlertEvent {
        self.events.first().expect("an alert has an event")
    }

    /// The last matched event.
    pub fn last(&self) -> &AlertEvent {
        self.events.last().expect("an alert has an event")
    }

    /// The deterministic order of alerts: time, position of the completing event, rule name, position of the first
    /// event, id.
    pub fn order(&self) -> impl Ord + '_ {
        (self.time_ms, self.last().position, &*self.rule_name, self.first().position, self.id)
    }
}

/// A matched event: the fields that the rule read, so that the match can be derived again from the alert.
#[derive(Clone, Debug)]
pub struct AlertEvent {
    /// The step that took it.
    pub step: Arc<str>,
    /// Its type.
    pub type_id: TypeId,
    /// The type's name.
    pub type_name: Arc<str>,
    /// Its own id.
    pub id: Option<EventId>,
    /// Its time in ms.
    pub time_ms: i64,
    /// Where it was read.
    pub position: Position,
    /// Dotted paths and values.
    pub fields: Vec<(Arc<str>, Value)>,
}

/// The first 128 bits of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(pub [u8; 16]);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
