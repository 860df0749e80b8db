//! The topic of a table, read whole by every copy: all partitions, assigned and not shared with a group, from their
//! beginning to their end and then on. Nothing is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::kafka::{Trouble, client_config};
use crate::source::kafka::SourceError;
use crate::telemetry::Metrics;

/// A reader of one topic.
pub struct TableTopic {
    consumer: BaseConsumer<Events>,
    topic: String,
    /// The partitions that are not yet read to where they ended.
    unread: BTreeSet<i32>,
    /// By partition the offset after the last message.
    next: BTreeMap<i32, i64>,
}

/// A message of a table's topic.
#[derive(Clone, Copy, Debug)]
pub struct TableMessage<'a> {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The body; nothing where the row ends.
    pub payload: Option<&'a [u8]>,
}

impl TableTopic {
    /// Begins to read a topic. It is an error where the topic is not there.
    pub fn open(
        settings: &KafkaSettings,
        name: &str,
        topic: &str,
        metrics: Metrics,
        timeout: Duration,
    ) -> Result<TableTopic, SourceError> {
        let mut config = client_config(settings, name);
        config
            // A client needs one to assign; nothing joins it and nothing is stored in it.
            .set("group.id", name)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer<Events> = config.create_with_context(Events(Trouble::new(metrics)))?;
        let counts = crate::kafka::partition_counts(consumer.client(), &[topic], timeout)?;
        let Some(Some(count)) = counts.first() else {
            return Err(SourceError::Retry(format!("the topic `{topic}` does not exist")));
        };
        let unread: BTreeSet<i32> = (0..i32::try_from(*count).unwrap_or(i32::MAX)).collect();
        let mut all = TopicPartitionList::with_capacity(unread.len());
        for partition in &unread {
            all.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;
        Ok(TableTopic { consumer, topic: topic.to_owned(), unread, next: BTreeMap::new() })
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether all partitions have been read to where they ended once.
    pub fn is_read(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether everything up to a message has been read.
    pub fn has_read(&self, partition: i32, offset: i64) -> bool {
        self.next.get(&partition).is_some_and(|next| *next > offset)
    }

    /// The trouble that there is now, if any.
    pub fn trouble(&self) -> Option<String> {
        self.consumer.context().0.current()
    }

    /// Gives the next message, if one comes within the time. Returns what came.
    pub fn poll(&mut self, timeout: Duration, take: impl FnOnce(TableMessage<'_>)) -> Result<Polled, SourceError> {
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => {
                self.next.insert(message.partition(), message.offset() + 1);
                take(TableMessage {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key(),
                    payload: message.payload(),
                });
                Ok(Polled::Message)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.unread.remove(&partition);
                Ok(Polled::End)
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                let fatal = self.consumer.client().fatal_error();
                Err(SourceError::Fatal(fatal.map_or_else(|| code.to_string(), |(_, reason)| reason)))
            }
            // Of an error the context was told already, and the client goes on trying.
            None | Some(Err(_)) => Ok(Polled::Nothing),
        }
    }
}

/// What came of asking for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Nothing within the time.
    Nothing,
    /// A message, which was given.
    Message,
    /// A partition is read to its present end.
    End,
}

struct Events(Trouble);

impl ClientContext for Events {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        crate::kafka::log_line(facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.told(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.seen(&statistics);
    }
}

impl ConsumerContext for Events {}
