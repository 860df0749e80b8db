//! A sink that hands alerts on as they are: a name, what it takes, and the carrier that takes them further.

use std::hash::BuildHasher;
use std::sync::Arc;

use tokio::sync::watch;

use crate::sink::counters::SinkStatus;
use crate::sink::driver::{Driver, Parts, SinkSummary};
use crate::sink::file::{AlertFile, FileSettings};
use crate::sink::filter::Filter;
use crate::sink::postgres::{Postgres, PostgresSettings};
use crate::sink::setting_error::{SettingError, joined};
use crate::sink::topic::{AlertTopic, TopicSettings};
use crate::sink::webhook::{Webhook, WebhookSettings};
use crate::sink::{AlertInbox, Backoff, DeadAlert, DeadLetter, Random};
use crate::telemetry::Metrics;

/// A sink, ready to run.
pub struct AlertSink {
    parts: Parts,
    carrier: Kind,
}

/// What takes the alerts further.
enum Kind {
    Webhook(Box<Webhook>),
    File(AlertFile),
    Topic(Box<AlertTopic>),
    Postgres(Box<Postgres>),
}

/// Why a sink did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Settings that cannot work, all of them.
    #[error("settings of sink '{sink}' are wrong: {}", joined(.errors))]
    Settings {
        /// The sink's name.
        sink: String,
        /// What is wrong.
        errors: Vec<SettingError>,
    },
    /// An alert that cannot be delivered could not be kept either. It is not acknowledged.
    #[error("dead letter of sink '{sink}' cannot be kept")]
    DeadLetter {
        /// The sink's name.
        sink: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl AlertSink {
    /// A sink that posts alerts. Checks the settings and reads the certificates; connects to nothing yet.
    pub fn webhook(name: impl Into<String>, settings: &WebhookSettings) -> Result<AlertSink, SinkError> {
        let name = name.into();
        let webhook = Webhook::new(settings);
        let webhook = webhook.map_err(|errors| SinkError::Settings { sink: name.clone(), errors })?;
        let filter = Filter { sink: name, min_severity: settings.min_severity };
        Ok(AlertSink::new(filter, Kind::Webhook(Box::new(webhook))))
    }

    /// A sink that writes alerts to a file. Checks the settings; opens nothing yet.
    pub fn file(name: impl Into<String>, settings: &FileSettings) -> Result<AlertSink, SinkError> {
        let name = name.into();
        let file = AlertFile::new(settings);
        let file = file.map_err(|errors| SinkError::Settings { sink: name.clone(), errors })?;
        let filter = Filter { sink: name, min_severity: settings.min_severity };
        Ok(AlertSink::new(filter, Kind::File(file)))
    }

    /// A sink that writes alerts to a topic, known to the broker as `client`. Connects to nothing yet.
    pub fn topic(name: impl Into<String>, settings: &TopicSettings, client: &str, metrics: Metrics) -> AlertSink {
        let filter = Filter { sink: name.into(), min_severity: settings.min_severity };
        AlertSink::new(filter, Kind::Topic(Box::new(AlertTopic::new(settings, client, metrics))))
    }

    /// A sink that inserts alerts into a table. Checks the settings and reads the certificates; connects to nothing yet.
    pub fn postgres(name: impl Into<String>, settings: &PostgresSettings) -> Result<AlertSink, SinkError> {
        let name = name.into();
        let postgres = Postgres::new(settings);
        let postgres = postgres.map_err(|errors| SinkError::Settings { sink: name.clone(), errors })?;
        let filter = Filter { sink: name, min_severity: settings.min_severity };
        Ok(AlertSink::new(filter, Kind::Postgres(Box::new(postgres))))
    }

    fn new(filter: Filter, carrier: Kind) -> AlertSink {
        // Jitter must differ between processes; nothing else depends on it.
        let seed = std::hash::RandomState::new().hash_one(&filter.sink);
        let parts = Parts { filter, status: Arc::default(), backoff: Backoff::default(), random: Random::new(seed) };
        AlertSink { parts, carrier }
    }

    /// Another schedule of retries, and the seed of its jitter.
    #[must_use]
    pub fn with_retries(mut self, backoff: Backoff, seed: u64) -> AlertSink {
        self.parts.backoff = backoff;
        self.parts.random = Random::new(seed);
        self
    }

    /// What it says of itself, which can be read while it runs.
    pub fn status(&self) -> Arc<SinkStatus> {
        Arc::clone(&self.parts.status)
    }

    /// Whether the receiver could be reached now, in words, without handing it anything.
    pub async fn probe(&mut self) -> Result<String, String> {
        match &mut self.carrier {
            Kind::Webhook(webhook) => webhook.probe().await,
            Kind::File(file) => file.probe(),
            Kind::Topic(topic) => topic.probe().await,
            Kind::Postgres(postgres) => postgres.probe().await,
        }
    }

    /// Delivers what comes, until the inbox ends and everything is dealt with, or until `shutdown` becomes true (or its
    /// sender is gone): then the attempt in flight gets three seconds, and the rest stays unacknowledged.
    pub async fn run<I: AlertInbox, D: DeadLetter<DeadAlert>>(
        self,
        inbox: I,
        dead_letter: D,
        shutdown: watch::Receiver<bool>,
    ) -> Result<SinkSummary, SinkError> {
        match self.carrier {
            Kind::Webhook(webhook) => Driver::new(self.parts, *webhook, inbox, dead_letter, shutdown).run().await,
            Kind::File(file) => Driver::new(self.parts, file, inbox, dead_letter, shutdown).run().await,
            Kind::Topic(topic) => Driver::new(self.parts, *topic, inbox, dead_letter, shutdown).run().await,
            Kind::Postgres(postgres) => Driver::new(self.parts, *postgres, inbox, dead_letter, shutdown).run().await,
        }
    }
}
