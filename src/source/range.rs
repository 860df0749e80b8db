//! A range of topics: every partition from the first record stamped at or after one time to the first stamped at or
//! after another, or to where it ended when reading began. No group is joined, nothing is committed.
//!
//! Each partition has a queue of its own, filled ahead up to a limit, so that whoever reads chooses from which one the
//! next message comes, and those that have to wait take little memory.

use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::kafka::unreachable;
use crate::source::Progress;
use crate::source::assigned::{Assigned, Events, Found, numbers};
use crate::source::kafka::{Partition, QUEUE_BACKOFF, SourceError, bounds, offset_at};
use crate::telemetry::Metrics;

/// How long the broker may take to answer a question.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long nothing may come from a partition that has not ended.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_millis(100);
/// What is fetched ahead of a partition.
const AHEAD: [(&str, &str); 3] =
    [QUEUE_BACKOFF, ("queued.min.messages", "10000"), ("queued.max.messages.kbytes", "2048")];

/// Which records, by the times that Kafka keeps with them (ms): when the producer, or the broker, stamped them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// From the first that is not stamped earlier; from the oldest where there is none.
    pub from_ms: Option<i64>,
    /// To before the first that is not stamped earlier; to the end where there is none.
    pub to_ms: Option<i64>,
}

/// Reads partitions, each from its first offset to its last.
pub struct RangeReader {
    client: Assigned,
    parts: Vec<Part>,
}

struct Part {
    partition: Partition,
    queue: PartitionQueue<Events>,
    first: i64,
    next: i64,
    end: i64,
}

/// A message of a range.
#[derive(Clone, Copy, Debug)]
pub struct RangeMessage<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// When the producer or the broker stamped it (ms); nothing where neither did.
    pub stamped_ms: Option<i64>,
    /// The body.
    pub payload: Option<&'a [u8]>,
}

impl RangeReader {
    /// Finds out where each partition of the topics begins and ends, and begins to read.
    pub fn open(
        settings: &KafkaSettings,
        name: &str,
        topics: &[&str],
        between: Between,
        metrics: Metrics,
    ) -> Result<RangeReader, SourceError> {
        let client = Assigned::open(settings, name, &AHEAD, metrics)?;
        let mut reader = RangeReader { client, parts: Vec::new() };
        let counts = reader.client.partition_counts(topics, ANSWER_MAX).map_err(|error| {
            let poll = || drop(reader.client.consumer.poll(WAIT));
            SourceError::Retry(unreachable(settings, reader.client.trouble(), poll, &error))
        })?;
        for (topic, count) in topics.iter().zip(counts) {
            for number in numbers(topic, count)? {
                let part = reader.part(Partition { topic: (*topic).to_owned(), number }, between)?;
                reader.parts.push(part);
            }
        }
        let mut begin = TopicPartitionList::new();
        for Part { partition, first, .. } in reader.parts.iter().filter(|part| !part.has_ended()) {
            begin.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*first))?;
        }
        reader.client.assign(&begin)?;
        Ok(reader)
    }

    /// The partitions, in the order of their topics and numbers. They are asked for by their place in it.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.parts.iter().map(|part| &part.partition)
    }

    /// Gives the next message of a partition; nothing at the end of its range.
    pub fn next<T>(&mut self, at: usize, take: impl FnOnce(RangeMessage<'_>) -> T) -> Result<Option<T>, SourceError> {
        let part = &mut self.parts[at];
        let until = Instant::now() + SILENCE_MAX;
        while !part.has_ended() {
            match self.client.found(part.queue.poll(WAIT))? {
                Found::Message(message) => {
                    part.next = message.offset() + 1;
                    if message.offset() >= part.end {
                        break;
                    }
                    return Ok(Some(take(RangeMessage {
                        partition: message.partition(),
                        offset: message.offset(),
                        stamped_ms: message.timestamp().to_millis(),
                        payload: message.payload(),
                    })));
                }
                // Compaction and transactions leave offsets without a message before the end.
                Found::End(_) => part.next = part.end,
                Found::Nothing if Instant::now() > until => {
                    let Partition { topic, number } = &part.partition;
                    let what = format!("nothing came of partition {number} of `{topic}`");
                    return Err(self.client.silent(&what, SILENCE_MAX));
                }
                // The client's callbacks are served by polling itself, which gives no message.
                Found::Nothing => drop(self.client.consumer.poll(Duration::ZERO)),
            }
        }
        Ok(None)
    }

    /// How far the partitions have been read, in offsets.
    pub fn progress(&self) -> Progress {
        let count = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
        let done = self.parts.iter().map(|part| count(part.first, part.next.min(part.end)));
        let total = self.parts.iter().map(|part| count(part.first, part.end));
        Progress { read: done.sum(), total: Some(total.sum()) }
    }

    fn part(&self, partition: Partition, between: Between) -> Result<Part, SourceError> {
        let consumer = &self.client.consumer;
        let (low, high) = bounds(consumer, &partition, ANSWER_MAX)?;
        // Of the broker, times before 1970 ask for something else.
        let at = |ms: i64| offset_at(consumer, &partition, ms.max(0), ANSWER_MAX);
        let first = between.from_ms.map_or(Ok(Some(low)), at)?.unwrap_or(high).clamp(low, high);
        let end = between.to_ms.map_or(Ok(None), at)?.unwrap_or(high).clamp(first, high);
        // Before the partitions are assigned, so that none of their messages goes to the client's common queue.
        let queue = consumer.split_partition_queue(&partition.topic, partition.number);
        let queue = queue.ok_or_else(|| SourceError::Retry(format!("the topic `{}` is gone", partition.topic)))?;
        Ok(Part { partition, queue, first, next: first, end })
    }
}

impl Part {
    fn has_ended(&self) -> bool {
        self.next >= self.end
    }
}
