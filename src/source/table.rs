//! The topic of a table, read whole by every copy: all partitions, assigned and not shared with a group, from their
//! beginning to their end and then on. Nothing is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::source::assigned::{Assigned, Found, numbers};
use crate::source::kafka::SourceError;
use crate::telemetry::Metrics;

/// A reader of one topic.
pub struct TableTopic {
    client: Assigned,
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
        let client = Assigned::open(settings, name, &[], metrics)?;
        let counts = client.partition_counts(&[topic], timeout)?;
        let unread: BTreeSet<i32> = numbers(topic, counts.first().copied().flatten())?.collect();
        let mut all = TopicPartitionList::with_capacity(unread.len());
        for partition in &unread {
            all.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        client.assign(&all)?;
        Ok(TableTopic { client, topic: topic.to_owned(), unread, next: BTreeMap::new() })
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
        self.client.trouble().current()
    }

    /// Gives the next message, if one comes within the time. Returns what came.
    pub fn poll(&mut self, timeout: Duration, take: impl FnOnce(TableMessage<'_>)) -> Result<Polled, SourceError> {
        match self.client.found(self.client.consumer.poll(timeout))? {
            Found::Message(message) => {
                self.next.insert(message.partition(), message.offset() + 1);
                take(TableMessage {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key(),
                    payload: message.payload(),
                });
                Ok(Polled::Message)
            }
            Found::End(partition) => {
                self.unread.remove(&partition);
                Ok(Polled::End)
            }
            Found::Nothing => Ok(Polled::Nothing),
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
