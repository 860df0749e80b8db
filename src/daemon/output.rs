//! Where alerts and dead letters go: topics, files, standard output, and sinks in this process.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::alert::{Alert, AlertRecord};
use crate::config::{AlertsTo, DeadLettersTo, KafkaSettings, Settings};
use crate::daemon::outside::{Consumer, Next, Producer};
use crate::sink::kafka::{OutRecord, OutboxError};
use crate::sink::{Delivery, InboxPosition};
use crate::telemetry::{DeadLettersSeen, Metrics, Reason, RuleName, RuleSeverity};

/// A file of dead letters keeps this much of a message.
const LETTER_BYTES_MAX: usize = 1 << 20;

/// Why something could not be written.
#[derive(Debug, Error)]
pub(super) enum OutputError {
    /// By the producer.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// To a file.
    #[error("cannot write {what}")]
    Io {
        /// What.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

/// A message that is no event, with everything that is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadLetter<'a> {
    /// The topic or file.
    pub(super) source: &'a str,
    /// The partition; 0 for a file.
    pub(super) partition: i32,
    /// The offset; the line for a file.
    pub(super) offset: i64,
    /// When the broker or producer stamped it (ms).
    pub(super) timestamp_ms: Option<i64>,
    /// The message's key.
    pub(super) key: Option<&'a [u8]>,
    /// Its bytes.
    pub(super) payload: Option<&'a [u8]>,
    /// Why, as one word.
    pub(super) reason: &'static str,
    /// Why, as a sentence.
    pub(super) detail: &'a str,
}

/// Both ways out.
pub(super) struct Outputs {
    outbox: Option<Box<dyn Producer>>,
    alerts: Lines,
    letters: Lines,
    channels: Vec<mpsc::Sender<Delivery>>,
    sources: Arc<[String]>,
    metrics: Metrics,
    stop: Arc<AtomicBool>,
    sent: u64,
    emitted: u64,
    unsaid: Option<DeadLettersSeen>,
}

/// One way out.
enum Lines {
    Topic(String),
    Writer { what: String, writer: BufWriter<File> },
    Stdout(BufWriter<io::Stdout>),
    Nowhere,
}

impl Outputs {
    /// Opens what the settings name. A producer is made only where a topic is named; one of transactions waits for
    /// [`Outputs::init`].
    pub(super) fn open(
        settings: &Settings,
        sources: Arc<[String]>,
        metrics: Metrics,
        stop: Arc<AtomicBool>,
        producer: impl FnOnce(&KafkaSettings) -> anyhow::Result<Box<dyn Producer>>,
    ) -> anyhow::Result<Outputs> {
        let alerts = match &settings.alerts {
            AlertsTo::Topic(topic) => Lines::Topic(topic.clone()),
            AlertsTo::File(path) => append(path, "alerts")?,
            AlertsTo::Stdout => Lines::Stdout(BufWriter::new(io::stdout())),
        };
        let letters = match &settings.dead_letters {
            DeadLettersTo::Topic(topic) => Lines::Topic(topic.clone()),
            DeadLettersTo::File(path) => append(path, "dead letters")?,
            DeadLettersTo::Nowhere => Lines::Nowhere,
        };
        let outbox = match &settings.kafka {
            Some(kafka) if matches!(alerts, Lines::Topic(_)) || matches!(letters, Lines::Topic(_)) => {
                Some(producer(kafka)?)
            }
            _ => None,
        };
        Ok(Outputs {
            outbox,
            alerts,
            letters,
            channels: Vec::new(),
            sources,
            metrics,
            stop,
            sent: 0,
            emitted: 0,
            unsaid: None,
        })
    }

    /// Sees to it that there is a producer, wherever alerts go.
    pub(super) fn need_producer(
        &mut self,
        producer: impl FnOnce() -> anyhow::Result<Box<dyn Producer>>,
    ) -> anyhow::Result<()> {
        if self.outbox.is_none() {
            self.outbox = Some(producer()?);
        }
        Ok(())
    }

    /// Gives every alert to a sink in this process as well.
    pub(super) fn connect(&mut self, sink: mpsc::Sender<Delivery>) {
        self.channels.push(sink);
    }

    /// How many alerts were sent, with what measures emitted.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// How much of it measures emitted.
    pub(super) fn emitted(&self) -> u64 {
        self.emitted
    }

    /// Sends an alert, or what a measure emits.
    pub(super) fn alert(&mut self, alert: &Alert) -> Result<(), OutputError> {
        let record = AlertRecord::new(alert, &self.sources);
        self.write_alert(&record)?;
        self.sent += 1;
        let rule = alert.rule_name.to_string();
        if alert.is_measure() {
            self.emitted += 1;
            self.metrics.measurements.get_or_create(&RuleName { rule }).inc();
        } else {
            self.metrics.alerts.get_or_create(&RuleSeverity { rule, severity: Reason(alert.severity.as_str()) }).inc();
        }
        for sink in &self.channels {
            let position = InboxPosition { partition: 0, offset: self.sent };
            // A sink that has ended says so itself.
            if sink.blocking_send(Delivery { record: record.clone(), position }).is_err() {
                tracing::trace!("a sink has ended");
            }
        }
        Ok(())
    }

    /// Sends a message that is no event to the dead letters.
    pub(super) fn dead_letter(&mut self, letter: &DeadLetter<'_>) -> Result<(), OutputError> {
        self.metrics.dead_letter(letter.source, letter.reason);
        let at = format!("{} {} {}", letter.source, letter.partition, letter.offset);
        let messages = self.unsaid.as_ref().map_or(0, |unsaid| unsaid.messages) + 1;
        self.unsaid = Some(DeadLettersSeen { messages, reason: letter.reason, at });
        match &mut self.letters {
            Lines::Nowhere => Ok(()),
            Lines::Topic(topic) => {
                let partition = letter.partition.to_string();
                let offset = letter.offset.to_string();
                let timestamp = letter.timestamp_ms.map(|ms| ms.to_string()).unwrap_or_default();
                let headers = [
                    ("reason", letter.reason),
                    ("detail", letter.detail),
                    ("topic", letter.source),
                    ("partition", &partition),
                    ("offset", &offset),
                    ("timestamp", &timestamp),
                ];
                let record =
                    OutRecord { topic, partition: None, key: letter.key, payload: letter.payload, headers: &headers };
                Ok(self.outbox.as_ref().expect("a topic has a producer").send(record, &self.stop)?)
            }
            lines => lines.line(&serde_json::to_string(&LetterLine::new(letter)).expect("plain data")),
        }
    }

    /// Writes a record to a partition of the repartition topic.
    pub(super) fn forward(&mut self, topic: &str, partition: i32, payload: &[u8]) -> Result<(), OutputError> {
        let record = OutRecord { topic, partition: Some(partition), key: None, payload: Some(payload), headers: &[] };
        Ok(self.outbox.as_ref().expect("it was opened to forward").send(record, &self.stop)?)
    }

    /// Says how many messages went to the dead letters since the last time.
    pub(super) fn say_dead_letters(&mut self) {
        if let Some(unsaid) = self.unsaid.take() {
            unsaid.emit();
        }
    }

    /// Waits until everything is stored, or until `stop`.
    pub(super) fn drain(&mut self, stop: impl Fn() -> bool) -> Result<(), OutputError> {
        self.alerts.store()?;
        self.letters.store()?;
        match &self.outbox {
            Some(outbox) => Ok(outbox.drain(&stop)?),
            None => Ok(()),
        }
    }

    /// Ends the transactions of an earlier producer.
    pub(super) fn init(&self, stop: impl Fn() -> bool) -> Result<(), OutputError> {
        match self.transactions() {
            Some(outbox) => Ok(outbox.init(&stop)?),
            None => Ok(()),
        }
    }

    /// The producer, where it writes in transactions.
    pub(super) fn transactions(&self) -> Option<&dyn Producer> {
        self.outbox.as_deref().filter(|outbox| outbox.transaction_timeout().is_some())
    }

    /// Whether something was sent in a transaction and is not committed.
    pub(super) fn is_open(&self) -> bool {
        self.transactions().is_some_and(Producer::is_open)
    }

    /// Stores what was sent and how far the sources are read, in one transaction, or gives up when it is to `stop`. What
    /// goes to a file is stored first: it may come again, and is never missing.
    pub(super) fn commit(
        &mut self,
        next: &[Next<'_>],
        source: &dyn Consumer,
        stop: impl Fn() -> bool,
    ) -> Result<(), OutputError> {
        self.letters.store()?;
        Ok(self.transactions().expect("there are transactions").commit(next, source, &stop)?)
    }

    /// Hands on what a file or standard output still keeps back.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        self.alerts.flush()
    }

    /// Lets the producer work, without waiting.
    pub(super) fn poll(&self) -> Result<(), OutputError> {
        match &self.outbox {
            Some(outbox) => Ok(outbox.poll()?),
            None => Ok(()),
        }
    }

    /// The producer's trouble, if any.
    pub(super) fn trouble(&self) -> Option<String> {
        self.outbox.as_ref().and_then(|outbox| outbox.trouble())
    }

    fn write_alert(&mut self, record: &AlertRecord) -> Result<(), OutputError> {
        let json = record.to_json();
        let Lines::Topic(topic) = &self.alerts else { return self.alerts.line(&json) };
        let outbox = self.outbox.as_ref().expect("a topic has a producer");
        let key = record.record_key();
        let out = |json: &str| {
            let key = key.as_deref().map(str::as_bytes);
            outbox.send(
                OutRecord { topic, partition: None, key, payload: Some(json.as_bytes()), headers: &[] },
                &self.stop,
            )
        };
        match out(&json) {
            Err(OutboxError::TooLarge { .. }) => {
                self.metrics.alerts_cut.inc();
                tracing::warn!(rule = record.rule, bytes = json.len(), "an alert is sent with less of its events");
                let (shorter, shortest) = cut(record);
                match shorter.map(|shorter| out(&shorter.to_json())) {
                    None | Some(Err(OutboxError::TooLarge { .. })) => Ok(out(&shortest.to_json())?),
                    Some(sent) => Ok(sent?),
                }
            }
            sent => Ok(sent?),
        }
    }
}

/// The same alert for a topic that takes no message of its size: without its whole events, where it has any, and without
/// their fields as well. Then it still says who, what and when; the events can be found by their places.
fn cut(record: &AlertRecord) -> (Option<AlertRecord>, AlertRecord) {
    let has_whole = record.events.iter().any(|event| event.event.is_some());
    let mut shorter = record.clone();
    shorter.events.iter_mut().for_each(|event| event.event = None);
    let mut shortest = shorter.clone();
    shortest.events.iter_mut().for_each(|event| event.fields.clear());
    (has_whole.then_some(shorter), shortest)
}

impl Lines {
    fn line(&mut self, line: &str) -> Result<(), OutputError> {
        let (what, written) = match self {
            Lines::Writer { what, writer } => (what.as_str(), writeln!(writer, "{line}")),
            Lines::Stdout(writer) => ("alerts to standard output", writeln!(writer, "{line}")),
            Lines::Topic(_) | Lines::Nowhere => return Ok(()),
        };
        written.map_err(|source| OutputError::Io { what: what.to_owned(), source })
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        let (what, flushed) = match self {
            Lines::Writer { what, writer } => (what.as_str(), writer.flush()),
            Lines::Stdout(writer) => ("alerts to standard output", writer.flush()),
            Lines::Topic(_) | Lines::Nowhere => return Ok(()),
        };
        flushed.map_err(|source| OutputError::Io { what: what.to_owned(), source })
    }

    fn store(&mut self) -> Result<(), OutputError> {
        let (what, stored) = match self {
            Lines::Writer { what, writer } => (what.as_str(), writer.flush().and_then(|()| sync(writer.get_ref()))),
            Lines::Stdout(writer) => ("alerts to standard output", writer.flush()),
            Lines::Topic(_) | Lines::Nowhere => return Ok(()),
        };
        stored.map_err(|source| OutputError::Io { what: what.to_owned(), source })
    }
}

/// A pipe or a terminal cannot be synced and has nothing to sync.
fn sync(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.sync_data() } else { Ok(()) }
}

fn append(path: &Path, what: &str) -> Result<Lines, OutputError> {
    let what = format!("{what} to {}", path.display());
    match OpenOptions::new().create(true).append(true).open(path) {
        Ok(file) => Ok(Lines::Writer { what, writer: BufWriter::new(file) }),
        Err(source) => Err(OutputError::Io { what, source }),
    }
}

/// A dead letter as a line of a file. Bytes that are no text have their place taken by U+FFFD.
#[derive(Serialize)]
struct LetterLine<'a> {
    reason: &'a str,
    detail: &'a str,
    source: &'a str,
    partition: i32,
    offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    payload: Option<String>,
}

impl<'a> LetterLine<'a> {
    fn new(letter: &DeadLetter<'a>) -> LetterLine<'a> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(LETTER_BYTES_MAX)]).into_owned();
        LetterLine {
            reason: letter.reason,
            detail: letter.detail,
            source: letter.source,
            partition: letter.partition,
            offset: letter.offset,
            timestamp_ms: letter.timestamp_ms,
            key: letter.key.map(text),
            payload: letter.payload.map(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(event: &serde_json::Value) -> AlertRecord {
        serde_json::from_value(json!({
            "alert_id": "0", "rule": "r", "version": "v", "kind": "alert", "severity": "high", "key": {}, "time": "t",
            "started": "t", "message": "m", "events": [event],
        }))
        .expect("a record of the right form")
    }

    #[test]
    fn what_is_cut_first_are_the_whole_events() {
        let mut event = json!({"step": "1", "type": "t", "time": "t", "fields": {"a": 1}, "event": {"a": 1, "b": 2}});
        let (shorter, shortest) = cut(&record(&event));
        event.as_object_mut().expect("an object").remove("event");
        let without_whole = record(&event);
        assert_eq!(shorter.as_ref(), Some(&without_whole));
        event["fields"] = json!({});
        assert_eq!(shortest, record(&event));
        assert_eq!(cut(&without_whole), (None, shortest), "there is nothing whole to cut");
    }
}
