//! Alerts to another topic, of this broker or of another one. What is stored is acknowledged, and nothing before.
//!
//! A record has the key and the body of the one on the alerts topic, and its `alert_id` as a header, by which readers
//! drop repeats. The producer is idempotent, so its own retries store nothing twice; a crash between storing and
//! acknowledging does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::alert::AlertRecord;
use crate::config::KafkaSettings;
use crate::program::Severity;
use crate::sink::carrier::{Carrier, Refused, Setback, Taken, Trouble};
use crate::sink::kafka::{OutRecord, Outbox, OutboxError};
use crate::telemetry::Metrics;

/// The header with the alert's id.
const ALERT_ID: &str = "alert_id";
/// How long a visit waits for the broker.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A topic sink as the configuration resolved it.
#[derive(Clone, Debug)]
pub struct TopicSettings {
    /// The broker, with all properties of the client.
    pub kafka: KafkaSettings,
    /// The topic, which somebody else makes.
    pub topic: String,
    /// Alerts below it are left to other sinks.
    pub min_severity: Option<Severity>,
}

/// Writes alerts to a topic.
pub(super) struct AlertTopic {
    settings: TopicSettings,
    /// The name under which the broker knows this client.
    client: String,
    metrics: Metrics,
    /// Made anew after an error: a producer that has failed once does not say what became of later records.
    outbox: Option<Arc<Outbox>>,
}

/// Ends the waiting for the broker when nobody waits for its end any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl AlertTopic {
    /// Connects to nothing yet.
    pub(super) fn new(settings: &TopicSettings, client: &str, metrics: Metrics) -> AlertTopic {
        AlertTopic { settings: settings.clone(), client: client.to_owned(), metrics, outbox: None }
    }

    /// Whether the topic is there, in words. Nothing is written.
    pub(super) async fn probe(&mut self) -> Result<String, String> {
        let outbox = self.outbox().map_err(|trouble| trouble.to_string())?;
        let (topic, brokers) = (self.settings.topic.clone(), self.settings.kafka.brokers().to_owned());
        let ask = move || match outbox.partitions(&topic, PROBE_TIMEOUT) {
            Ok(Some(count)) => Ok(format!("topic `{topic}` at {brokers}: {count} partitions (nothing was written)")),
            Ok(None) => Err(format!("topic `{topic}` at {brokers} does not exist")),
            Err(error) => {
                let reason = outbox.trouble().current().unwrap_or_else(|| error.to_string());
                Err(format!("no answer from {brokers}: {reason}"))
            }
        };
        tokio::task::spawn_blocking(ask).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn outbox(&mut self) -> Result<Arc<Outbox>, Trouble> {
        if let Some(outbox) = &self.outbox {
            return Ok(Arc::clone(outbox));
        }
        let made = Outbox::new(&self.settings.kafka, &self.client, self.metrics.clone());
        let outbox = Arc::new(made.map_err(|error| Trouble::Unusable(error.to_string()))?);
        self.outbox = Some(Arc::clone(&outbox));
        Ok(outbox)
    }

    /// Stores records and waits until the broker has them, however long that takes.
    async fn store(&mut self, records: Vec<Record>) -> Result<(), OutboxError> {
        let fatal = |reason: String| OutboxError::Fatal(reason);
        let outbox = self.outbox().map_err(|trouble| fatal(trouble.to_string()))?;
        let topic = self.settings.topic.clone();
        let flag = Arc::<AtomicBool>::default();
        let _stop = StopOnDrop(Arc::clone(&flag));
        let store = move || {
            records.iter().try_for_each(|record| outbox.send(record.out(&topic, &[(ALERT_ID, &record.id)]), &flag))?;
            outbox.drain(|| flag.load(Ordering::Relaxed))
        };
        let stored = tokio::task::spawn_blocking(store).await.unwrap_or_else(|error| Err(fatal(error.to_string())));
        if stored.is_err() {
            self.outbox = None;
        }
        stored
    }

    fn trouble(&self, error: &OutboxError) -> Trouble {
        let reason = format!("{}: {error}", self.settings.kafka.brokers());
        match error {
            // No right to write, no such topic: the client has tried long enough to know.
            OutboxError::Refused { .. } | OutboxError::NoTransactions { .. } | OutboxError::Fenced { .. } => {
                Trouble::Unusable(reason)
            }
            OutboxError::Fatal(_) | OutboxError::Stopped | OutboxError::TooLarge { .. } => {
                Trouble::Away(Setback::new(reason))
            }
        }
    }
}

/// An alert as a record.
#[derive(Clone)]
struct Record {
    id: String,
    key: Option<String>,
    body: String,
}

impl Record {
    fn new(alert: &AlertRecord) -> Record {
        Record { id: alert.alert_id.clone(), key: alert.record_key(), body: alert.to_json() }
    }

    fn out<'a>(&'a self, topic: &'a str, headers: &'a [(&'a str, &'a str)]) -> OutRecord<'a> {
        OutRecord {
            topic,
            partition: None,
            key: self.key.as_ref().map(String::as_bytes),
            payload: Some(self.body.as_bytes()),
            headers,
        }
    }
}

impl Carrier for AlertTopic {
    /// One wait for the broker for so many records.
    fn batch_max(&self) -> usize {
        1_000
    }

    async fn deliver(&mut self, alerts: &[&AlertRecord]) -> Result<Taken, Trouble> {
        let records: Vec<Record> = alerts.iter().map(|alert| Record::new(alert)).collect();
        match self.store(records.clone()).await {
            Ok(()) => return Ok(Taken::default()),
            Err(OutboxError::TooLarge { .. }) => {}
            Err(error) => return Err(self.trouble(&error)),
        }
        // Which one is too large shows when they are sent one by one; some of them come twice by it.
        let mut taken = Taken::default();
        for (index, record) in records.into_iter().enumerate() {
            match self.store(vec![record]).await {
                Ok(()) => {}
                Err(error @ OutboxError::TooLarge { .. }) => {
                    taken.refused.push(Refused { index, reason: error.to_string() });
                }
                Err(error) => return Err(self.trouble(&error)),
            }
        }
        Ok(taken)
    }
}
