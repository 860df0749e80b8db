//! What the loop over topics asks of the outside: a consumer, a producer, a place for snapshots and a clock.
//!
//! The daemon runs over [`Kafka`]; a simulation gives the same loop a broker, a disk and a clock of its own. Nothing here
//! decides anything: what is asked, and when, is `live`'s and `feeds`' matter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rdkafka::message::Message as _;

use crate::checkpoint::{Folder, Store, Writer};
use crate::config::KafkaSettings;
use crate::sink::kafka::{OutRecord, Outbox, OutboxError};
use crate::source::kafka::{CommittedOffset, KafkaSource, Notice, Partition, SourceError};
use crate::telemetry::Metrics;

/// A partition with its next offset, and what is stored with it.
pub(crate) type Next<'a> = (&'a Partition, i64, &'a str);

/// Makes what a session has.
pub(crate) trait Outside {
    /// The time.
    fn clock(&self) -> Rc<dyn Clock>;

    /// A member of the group, with a name there where it is given one.
    fn consumer(&self, name: Option<String>) -> Result<Box<dyn Consumer>, SourceError>;

    /// A producer; of transactions, where it is given an id for them.
    fn producer(&self, transactional_id: Option<&str>) -> anyhow::Result<Box<dyn Producer>>;

    /// Snapshots under a folder.
    fn store(&self, folder: PathBuf) -> Arc<dyn Store>;

    /// Who writes into them.
    fn writer(&self, store: Arc<dyn Store>) -> std::io::Result<Writer>;

    /// What the numbers of this session's snapshots end in; nothing where time alone tells them from those of others.
    fn sign(&self) -> u32 {
        0
    }
}

/// The time.
pub(crate) trait Clock {
    /// On a clock that only goes on.
    fn now(&self) -> Instant;

    /// On the wall, in ms. Only ever compared with, never counted by.
    fn wall_ms(&self) -> i64;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// How long ago that was.
    fn since(&self, then: Instant) -> Duration {
        self.now().saturating_duration_since(then)
    }
}

/// A message of a topic, as long as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The topic.
    pub(crate) topic: &'a str,
    /// The partition.
    pub(crate) partition: i32,
    /// The offset.
    pub(crate) offset: i64,
    /// When the broker or producer stamped it (ms).
    pub(crate) timestamp_ms: Option<i64>,
    /// Its key.
    pub(crate) key: Option<&'a [u8]>,
    /// Its bytes.
    pub(crate) payload: Option<&'a [u8]>,
}

/// A member of the group, as [`KafkaSource`] is one.
pub(crate) trait Consumer {
    /// Joins the group.
    fn subscribe(&self, topics: &[&str]) -> Result<(), SourceError>;

    /// Gives out the next message. Says whether there was one within the time.
    fn poll(&self, timeout: Duration, take: &mut dyn FnMut(&Message<'_>)) -> Result<bool, SourceError>;

    /// What was noted since the last time.
    fn notices(&self) -> Vec<Notice>;

    /// The trouble that there is now, if any.
    fn trouble(&self) -> Option<String>;

    /// Whether the group gave this member's partitions away without asking.
    fn is_assignment_lost(&self) -> bool;

    /// What was committed of each of these partitions.
    fn committed(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<Vec<Option<CommittedOffset>>, SourceError>;

    /// The oldest offset of a partition, and the one that will be written next.
    fn bounds(&self, partition: &Partition, timeout: Duration) -> Result<(i64, i64), SourceError>;

    /// The first offset of a record stored at or after a time (ms).
    fn offset_at(&self, partition: &Partition, ms: i64, timeout: Duration) -> Result<Option<i64>, SourceError>;

    /// Begins to read these partitions at these offsets.
    fn assign(&self, partitions: &[(Partition, i64)]) -> Result<(), SourceError>;

    /// Reads nothing any more.
    fn unassign(&self) -> Result<(), SourceError>;

    /// Stops to fetch a partition. Messages that are under way may still come.
    fn pause(&self, partition: &Partition) -> Result<(), SourceError>;

    /// Goes on with a paused partition at an offset.
    fn resume_at(&self, partition: &Partition, offset: i64) -> Result<(), SourceError>;

    /// Stores offsets with their metadata, and waits for that where it is told to.
    fn commit(&self, next: &[Next<'_>], wait: bool) -> Result<(), SourceError>;

    /// How many partitions each topic has; nothing for one that does not exist.
    fn partition_counts(&self, topics: &[&str], timeout: Duration) -> Result<Vec<Option<usize>>, SourceError>;

    /// The client itself, where it is one: the transactions of an [`Outbox`] name its member.
    fn as_kafka(&self) -> Option<&KafkaSource>;

    /// Leaves the group.
    fn close(self: Box<Self>);
}

/// Writes records, as [`Outbox`] does.
pub(crate) trait Producer {
    /// Takes a record, into the open transaction where there are any; waits while it has no room, until `stop`.
    fn send(&self, record: OutRecord<'_>, stop: &AtomicBool) -> Result<(), OutboxError>;

    /// Lets it work, without waiting.
    fn poll(&self) -> Result<(), OutboxError>;

    /// Waits until the broker has all records, or until `stop`.
    fn drain(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError>;

    /// Ends what an earlier producer with this id left open, and shuts it out.
    fn init(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError>;

    /// Makes what was sent visible, together with how far the sources are read.
    fn commit(&self, next: &[Next<'_>], source: &dyn Consumer, stop: &dyn Fn() -> bool) -> Result<(), OutboxError>;

    /// Takes back what was sent since the last commit.
    fn abort(&self, longest: Duration) -> Result<(), OutboxError>;

    /// Whether something was sent that is not committed.
    fn is_open(&self) -> bool;

    /// How long the broker leaves a transaction open; nothing where there are none.
    fn transaction_timeout(&self) -> Option<Duration>;

    /// The trouble that there is now, if any.
    fn trouble(&self) -> Option<String>;
}

/// A real broker, this machine's folders and its clock.
pub(super) struct Kafka<'a> {
    /// The broker.
    pub(super) settings: &'a KafkaSettings,
    /// The consumer group.
    pub(super) name: &'a str,
    /// What is counted.
    pub(super) metrics: Metrics,
}

impl Outside for Kafka<'_> {
    fn clock(&self) -> Rc<dyn Clock> {
        Rc::new(SystemClock)
    }

    fn consumer(&self, name: Option<String>) -> Result<Box<dyn Consumer>, SourceError> {
        Ok(Box::new(KafkaSource::named(self.settings, self.name, name, self.metrics.clone())?))
    }

    fn producer(&self, transactional_id: Option<&str>) -> anyhow::Result<Box<dyn Producer>> {
        let metrics = self.metrics.clone();
        let outbox = match transactional_id {
            Some(id) => Outbox::transactional(self.settings, self.name, id, metrics)?,
            None => Outbox::new(self.settings, self.name, metrics)?,
        };
        Ok(Box::new(outbox))
    }

    fn store(&self, folder: PathBuf) -> Arc<dyn Store> {
        Arc::new(Folder::new(folder))
    }

    fn writer(&self, store: Arc<dyn Store>) -> std::io::Result<Writer> {
        Writer::start(store)
    }

    /// A copy that has lost a partition and does not know it yet may write in the same moment as the one that has it.
    fn sign(&self) -> u32 {
        let random = RandomState::new().build_hasher().finish();
        u32::try_from(random >> 32).expect("the upper half of 64 bits")
    }
}

/// This machine's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Consumer for KafkaSource {
    fn subscribe(&self, topics: &[&str]) -> Result<(), SourceError> {
        self.subscribe(topics)
    }

    fn poll(&self, timeout: Duration, take: &mut dyn FnMut(&Message<'_>)) -> Result<bool, SourceError> {
        let Some(message) = self.poll(timeout).transpose()? else { return Ok(false) };
        take(&Message {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key(),
            payload: message.payload(),
        });
        Ok(true)
    }

    fn notices(&self) -> Vec<Notice> {
        self.notices()
    }

    fn trouble(&self) -> Option<String> {
        self.trouble().current()
    }

    fn is_assignment_lost(&self) -> bool {
        self.is_assignment_lost()
    }

    fn committed(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<Vec<Option<CommittedOffset>>, SourceError> {
        self.committed(partitions, timeout)
    }

    fn bounds(&self, partition: &Partition, timeout: Duration) -> Result<(i64, i64), SourceError> {
        self.bounds(partition, timeout)
    }

    fn offset_at(&self, partition: &Partition, ms: i64, timeout: Duration) -> Result<Option<i64>, SourceError> {
        self.offset_at(partition, ms, timeout)
    }

    fn assign(&self, partitions: &[(Partition, i64)]) -> Result<(), SourceError> {
        self.assign(partitions)
    }

    fn unassign(&self) -> Result<(), SourceError> {
        self.unassign()
    }

    fn pause(&self, partition: &Partition) -> Result<(), SourceError> {
        self.pause(partition)
    }

    fn resume_at(&self, partition: &Partition, offset: i64) -> Result<(), SourceError> {
        self.resume_at(partition, offset)
    }

    fn commit(&self, next: &[Next<'_>], wait: bool) -> Result<(), SourceError> {
        self.commit(next.iter().copied(), wait)
    }

    fn partition_counts(&self, topics: &[&str], timeout: Duration) -> Result<Vec<Option<usize>>, SourceError> {
        self.partition_counts(topics, timeout)
    }

    fn as_kafka(&self) -> Option<&KafkaSource> {
        Some(self)
    }

    fn close(self: Box<Self>) {
        KafkaSource::close(*self);
    }
}

impl Producer for Outbox {
    fn send(&self, record: OutRecord<'_>, stop: &AtomicBool) -> Result<(), OutboxError> {
        self.send(record, stop)
    }

    fn poll(&self) -> Result<(), OutboxError> {
        self.poll()
    }

    fn drain(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        self.drain(stop)
    }

    fn init(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        self.init(stop)
    }

    fn commit(&self, next: &[Next<'_>], source: &dyn Consumer, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        let member = source.as_kafka().ok_or_else(|| OutboxError::Fatal("no member of a group".to_owned()))?;
        self.commit(next.iter().copied(), member, stop)
    }

    fn abort(&self, longest: Duration) -> Result<(), OutboxError> {
        self.abort(longest)
    }

    fn is_open(&self) -> bool {
        self.is_open()
    }

    fn transaction_timeout(&self) -> Option<Duration> {
        self.transaction_timeout()
    }

    fn trouble(&self) -> Option<String> {
        self.trouble().current()
    }
}
