//! An alert as the engine makes it.

use std::fmt;
use std::sync::Arc;

use crate::event::{EventId, Position, Text, Value};
use crate::program::Severity;
use crate::schema::TypeId;

/// A match of a rule, or what a measure emits, ready to be sent.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The same for the same match wherever and however often the stream is run.
    pub id: AlertId,
    /// What it is.
    pub kind: Kind,
    /// The name of the rule, the risk or the measure.
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
    /// The sinks that are to get it; all where there is none, and of a measure none.
    pub targets: Arc<[String]>,
    /// The matched events in order; none of a measure.
    pub events: Vec<AlertEvent>,
    /// Aggregates that decided, or that a measure emits, by name.
    pub values: Vec<(String, Value)>,
    /// How many alerts of this rule and key were suppressed since the last one that was sent.
    pub suppressed: u64,
}

impl Alert {
    /// The first matched event; none of a measure.
    pub fn first(&self) -> Option<&AlertEvent> {
        self.events.first()
    }

    /// The last matched event; none of a measure.
    pub fn last(&self) -> Option<&AlertEvent> {
        self.events.last()
    }

    /// Whether it is what a measure emits.
    pub fn is_measure(&self) -> bool {
        matches!(self.kind, Kind::Measure(_))
    }

    /// The deterministic order of alerts: time, position of the completing event, rule name, position of the first
    /// event, id. What measures emit at a time comes after its alerts, by name, rank and id.
    pub fn order(&self) -> impl Ord + '_ {
        let position = |event: Option<&AlertEvent>| event.map(|event| event.position);
        let rank = match self.kind {
            Kind::Alert => None,
            Kind::Measure(emission) => emission.rank,
        };
        let (first, last) = (position(self.first()), position(self.last()));
        (self.time_ms, self.is_measure(), last, &*self.rule_name, first, rank, self.id)
    }
}

/// What an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A match of a rule, or a risk that was reached.
    Alert,
    /// What a measure says of a window.
    Measure(Emission),
}

/// A window of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emission {
    /// When it begins (ms).
    pub start_ms: i64,
    /// When it ends (ms).
    pub end_ms: i64,
    /// The key's place among those of the window, from 1, where only the top ones are emitted.
    pub rank: Option<u32>,
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
    /// The whole event as its decoder took it, a JSON object, where that was asked for: see
    /// [`Program::carry`](crate::program::Program::carry).
    pub whole: Option<Text>,
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
