//! The JSON object of an alert: what stands on the alerts topic, what `replay` prints, what sinks read.
//!
//! Times are RFC 3339 in UTC with ms. The order of fields is fixed, so the same alert gives the same bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::alert::{Alert, AlertEvent, Kind, WholeEvent};
use crate::event::Value;

/// An alert on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// 32 hexadecimal digits; the same for the same match, so a reader can drop repeats.
    pub alert_id: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's version.
    pub version: String,
    /// `alert` or `measure`.
    pub kind: String,
    /// `info`, `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// The rule's score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The key: an object of its parts; empty for a rule without `for each`.
    pub key: Map<String, Json>,
    /// When it is true.
    pub time: String,
    /// The time of the first event.
    pub started: String,
    /// The window of a measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRecord>,
    /// What happened.
    pub message: String,
    /// Words to filter by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The sinks that are to get it; all where there is none, and of a measure none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// How many alerts of this rule and key were suppressed since the last one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    /// The matched events in order.
    pub events: Vec<EventRecord>,
    /// Aggregates that decided, or that a measure emits.
    #[serde(default)]
    pub values: Map<String, Json>,
}

/// A window on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRecord {
    /// When it begins.
    pub start: String,
    /// When it ends.
    pub end: String,
}

/// A matched event on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The step that took it.
    pub step: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its time.
    pub time: String,
    /// Where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRecord>,
    /// The fields that the rule read, by dotted path.
    pub fields: Map<String, Json>,
    /// The whole event, where alerts carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<WholeEvent>,
}

/// A source position on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The topic or file.
    pub name: String,
    /// The partition; 0 for a file.
    pub partition: u32,
    /// The offset; the line from 1 in a file.
    pub offset: u64,
}

/// The kind of what measures emit.
const MEASURE: &str = "measure";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl AlertRecord {
    /// The wire form of an alert. `sources` names the sources by [`SourceId`](crate::event::SourceId); a position
    /// in an unnamed source is left out.
    pub fn new(alert: &Alert, sources: &[String]) -> AlertRecord {
        AlertRecord {
            alert_id: alert.id.to_string(),
            rule: alert.rule_name.to_string(),
            version: alert.version.to_string(),
            kind: if alert.is_measure() { MEASURE } else { "alert" }.to_owned(),
            severity: alert.severity.as_str().to_owned(),
            score: alert.score,
            key: object(alert.key.iter().map(|(name, value)| (name.as_str(), value))),
            time: rfc3339(alert.time_ms),
            started: rfc3339(alert.started_ms),
            window: window(alert.kind),
            message: alert.message.clone(),
            tags: alert.tags.to_vec(),
            to: alert.targets.to_vec(),
            suppressed: alert.suppressed,
            events: alert.events.iter().map(|event| event_record(event, sources)).collect(),
            values: object(alert.values.iter().map(|(name, value)| (name.as_str(), value))),
        }
    }

    /// Whether it is what a measure emits.
    pub fn is_measure(&self) -> bool {
        self.kind == MEASURE
    }

    /// Whether a sink is to get it: what names no sink goes to all, except that measures go only where they are sent.
    pub fn is_for(&self, sink: &str) -> bool {
        let to_all = self.to.is_empty() && !self.is_measure();
        to_all || self.to.iter().any(|name| name == sink)
    }

    /// One line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an alert is plain data")
    }

    /// The key of the record on the alerts topic: the value itself where the key has one part, a JSON object of its
    /// parts where it has several, nothing where the rule has no key.
    pub fn record_key(&self) -> Option<String> {
        match self.key.len() {
            0 => None,
            1 => self.key.values().next().map(|value| match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            }),
            _ => Some(Json::Object(self.key.clone()).to_string()),
        }
    }
}

fn window(kind: Kind) -> Option<WindowRecord> {
    match kind {
        Kind::Alert => None,
        Kind::Measure(emission) => {
            Some(WindowRecord { start: rfc3339(emission.start_ms), end: rfc3339(emission.end_ms) })
        }
    }
}

fn event_record(event: &AlertEvent, sources: &[String]) -> EventRecord {
    let source = sources.get(usize::from(event.position.source.0)).map(|name| SourceRecord {
        name: name.clone(),
        partition: event.position.partition,
        offset: event.position.offset,
    });
    EventRecord {
        step: event.step.to_string(),
        event_type: event.type_name.to_string(),
        id: event.id.as_ref().map(ToString::to_string),
        time: rfc3339(event.time_ms),
        source,
        fields: object(event.fields.iter().map(|(path, value)| (&**path, value))),
        event: event.whole.as_deref().map(WholeEvent::new),
    }
}

fn object<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>) -> Map<String, Json> {
    entries.filter(|(_, value)| !value.is_missing()).map(|(name, value)| (name.to_owned(), to_json(value))).collect()
}

/// A value as JSON; missing is null.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Missing => Json::Null,
        Value::Boolean(b) => json!(b),
        Value::Integer(i) => json!(i),
        Value::Number(n) => json!(n),
        Value::Text(text) => json!(text.as_str()),
        Value::Time(ms) => json!(rfc3339(*ms)),
        Value::Ip(ip) => json!(ip.to_string()),
        Value::Point(p) => json!({"latitude": p.latitude, "longitude": p.longitude}),
        Value::List(values) => Json::Array(values.iter().map(to_json).collect()),
    }
}

/// An instant as RFC 3339 in UTC with ms; the bare number where it lies outside the years that the form can hold.
pub(crate) fn rfc3339(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => ms.to_string(),
    }
}
