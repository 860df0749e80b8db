//! A client that is given its partitions and shares them with nobody: no group is joined, nothing is committed. What
//! readers of whole topics and of parts of them have in common.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::KafkaSettings;
use crate::kafka::{self, Trouble, client_config};
use crate::source::kafka::SourceError;
use crate::telemetry::Metrics;

/// The client.
pub(super) struct Assigned {
    /// Shared with the queues of its partitions.
    pub(super) consumer: Arc<BaseConsumer<Events>>,
}

/// What came of asking for a message.
pub(super) enum Found<'a> {
    /// Nothing within the time.
    Nothing,
    /// A message.
    Message(BorrowedMessage<'a>),
    /// This partition is read to its present end.
    End(i32),
}

impl Assigned {
    /// A client without partitions. `defaults` are properties that the settings outrank.
    pub(super) fn open(
        settings: &KafkaSettings,
        name: &str,
        defaults: &[(&str, &str)],
        metrics: Metrics,
    ) -> Result<Assigned, SourceError> {
        let mut config = client_config(settings, name);
        config
            // A client needs one to assign; nothing joins it and nothing is stored in it.
            .set("group.id", name)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true");
        kafka::set_defaults(&mut config, defaults);
        let consumer = config.create_with_context(Events(Trouble::new(metrics)))?;
        Ok(Assigned { consumer: Arc::new(consumer) })
    }

    /// Begins to read.
    pub(super) fn assign(&self, offsets: &TopicPartitionList) -> Result<(), SourceError> {
        Ok(self.consumer.assign(offsets)?)
    }

    /// The trouble that there is now, if any.
    pub(super) fn trouble(&self) -> &Trouble {
        &self.consumer.context().0
    }

    /// How many partitions each topic has; nothing for one that does not exist.
    pub(super) fn partition_counts(
        &self,
        topics: &[&str],
        timeout: Duration,
    ) -> Result<Vec<Option<usize>>, KafkaError> {
        kafka::partition_counts(self.consumer.client(), topics, timeout)
    }

    /// That nothing comes, with the trouble that there is.
    pub(super) fn silent(&self, what: &str, time: Duration) -> SourceError {
        let trouble = self.trouble().current().map_or_else(String::new, |trouble| format!(": {trouble}"));
        SourceError::Retry(format!("{what} for {} s{trouble}", time.as_secs()))
    }

    /// What the client or the queue of a partition gave.
    pub(super) fn found<'a>(&self, polled: Option<KafkaResult<BorrowedMessage<'a>>>) -> Result<Found<'a>, SourceError> {
        match polled {
            Some(Ok(message)) => Ok(Found::Message(message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Found::End(partition)),
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                let fatal = self.consumer.client().fatal_error();
                Err(SourceError::Fatal(fatal.map_or_else(|| code.to_string(), |(_, reason)| reason)))
            }
            // Of an error the context was told already, and the client goes on trying.
            None | Some(Err(_)) => Ok(Found::Nothing),
        }
    }
}

/// The numbers of a topic's partitions. It is an error where the topic is not there.
pub(super) fn numbers(topic: &str, count: Option<usize>) -> Result<Range<i32>, SourceError> {
    let count = count.ok_or_else(|| SourceError::Retry(format!("the topic `{topic}` does not exist")))?;
    Ok(0..i32::try_from(count).unwrap_or(i32::MAX))
}

/// What the client calls back.
pub(super) struct Events(Trouble);

impl ClientContext for Events {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        kafka::log_line(facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The client calls the end of a partition an error too.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            self.0.told(&error, reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.0.seen(&statistics);
    }
}

impl ConsumerContext for Events {}
