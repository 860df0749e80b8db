//! Partitions of topics, as one member of a consumer group. All calls are made by the one thread that polls.
//!
//! A rebalance is not handled inside the client's callback: it is noted, and the loop that polls handles it right
//! after, when nothing is half done. The client waits for the call to `assign` or `unassign`. Offsets are committed
//! by the caller only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::groups::GroupInfo;
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use crate::config::KafkaSettings;
use crate::kafka::{Trouble, client_config};
use crate::telemetry::Metrics;

/// Without this the client waits a second whenever its queue is full; a smaller queue then costs nothing.
pub(super) const QUEUE_BACKOFF: (&str, &str) = ("fetch.queue.backoff.ms", "5");

/// So long the partitions of a copy that crashed are read by nobody, unless it is started again under its name.
const SESSION_TIMEOUT: (&str, &str) = ("session.timeout.ms", "10000");
/// How long a member with a name is seen off when it leaves. Whatever it takes, nothing is lost: the group gives its
/// partitions away when its session is over.
const LEAVE_MAX: Duration = Duration::from_secs(2);
/// Before a partition without a leader is asked for again.
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: String,
    /// Its number.
    pub number: i32,
}

/// What the client noted while it was polled.
#[derive(Debug)]
pub enum Notice {
    /// These partitions are this member's: read their offsets and call [`KafkaSource::assign`].
    Assigned(Vec<Partition>),
    /// All partitions are taken: commit and call [`KafkaSource::unassign`].
    Revoked(Vec<Partition>),
    /// How far the fetching of each partition is.
    Progress(Vec<Progress>),
}

/// How far the fetching of a partition is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The partition.
    pub partition: Partition,
    /// The next offset to fetch.
    pub next: i64,
    /// Where the end was last seen.
    pub end: i64,
    /// Messages behind the end of the log that were not given out.
    pub lag: i64,
    /// The offset that the broker has stored, as far as the client knows.
    pub committed: i64,
}

/// Why reading went wrong.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The client will never read again: it has to be made anew.
    #[error("the consumer cannot go on: {0}")]
    Fatal(String),
    /// A later member has joined under the same name: the client will never read again.
    #[error("another member of the group has this one's name: {0}")]
    ShutOut(String),
    /// It failed now and may succeed later.
    #[error("{0}")]
    Retry(String),
}

impl From<KafkaError> for SourceError {
    fn from(error: KafkaError) -> SourceError {
        SourceError::Retry(error.to_string())
    }
}

/// What a member of the group had committed of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// What was stored with it.
    pub metadata: String,
}

/// The consumer.
pub struct KafkaSource {
    consumer: BaseConsumer<ConsumerEvents>,
    /// The group, and the name that this member has in it, if any.
    group: String,
    name: Option<String>,
}

impl KafkaSource {
    /// A member of the group. Nothing is connected or read before [`KafkaSource::subscribe`].
    pub fn new(settings: &KafkaSettings, group: &str, metrics: Metrics) -> Result<KafkaSource, SourceError> {
        KafkaSource::named(settings, group, None, metrics)
    }

    /// As [`KafkaSource::new`]. A member with a name (a static member, KIP-345) that comes again before its session is
    /// over gets its partitions back at once; the name belongs to one process and one set of topics.
    pub fn named(
        settings: &KafkaSettings,
        group: &str,
        name: Option<String>,
        metrics: Metrics,
    ) -> Result<KafkaSource, SourceError> {
        let mut config = client_config(settings, group);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Only reached where the offset asked for is gone, which the caller has said by then.
            .set("auto.offset.reset", "earliest")
            // Eager: all partitions move at once, and equal numbers of different topics stay together.
            .set("partition.assignment.strategy", "range")
            // Records of a transaction that failed never happened, and an offset that is about to be committed is
            // awaited.
            .set("isolation.level", "read_committed")
            .set("statistics.interval.ms", "1000");
        let defaults = [QUEUE_BACKOFF, ("queued.min.messages", "10000"), SESSION_TIMEOUT];
        crate::kafka::set_defaults(&mut config, &defaults);
        if let Some(name) = &name {
            config.set("group.instance.id", name);
        }
        let consumer = config.create_with_context(ConsumerEvents::new(metrics))?;
        Ok(KafkaSource { consumer, group: group.to_owned(), name })
    }

    /// Joins the group.
    pub fn subscribe(&self, topics: &[&str]) -> Result<(), SourceError> {
        Ok(self.consumer.subscribe(topics)?)
    }

    /// The next message, or nothing within the time. Afterwards [`KafkaSource::notices`] must be asked.
    pub fn poll(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, SourceError>> {
        match self.consumer.poll(timeout)? {
            Ok(message) => Some(Ok(message)),
            Err(KafkaError::MessageConsumptionFatal(code)) => Some(Err(self.fatal(code))),
            // The context was told already, with the client's own words.
            Err(error) => Some(Err(SourceError::Retry(error.to_string()))),
        }
    }

    /// What was noted since the last time.
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *lock(&self.consumer.context().notices))
    }

    /// The trouble that there is now, if any.
    pub fn trouble(&self) -> &Trouble {
        &self.consumer.context().trouble
    }

    /// Whether the group gave this member's partitions away without asking.
    pub fn is_assignment_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// What was committed of each of these partitions; nothing where the group is new.
    pub fn committed(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<Vec<Option<CommittedOffset>>, SourceError> {
        let committed = self.consumer.committed_offsets(list(partitions, Offset::Invalid)?, timeout)?;
        partitions
            .iter()
            .map(|partition| {
                let found = committed.find_partition(&partition.topic, partition.number);
                let Some(found) = found else { return Ok(None) };
                found.error()?;
                Ok(match found.offset() {
                    Offset::Offset(offset) => Some(CommittedOffset { offset, metadata: found.metadata().to_owned() }),
                    _ => None,
                })
            })
            .collect()
    }

    /// The oldest offset of a partition, and the one that will be written next.
    pub fn bounds(&self, partition: &Partition, timeout: Duration) -> Result<(i64, i64), SourceError> {
        bounds(&self.consumer, partition, timeout)
    }

    /// The first offset of a record stored at or after a time (ms); nothing where there is none yet.
    pub fn offset_at(&self, partition: &Partition, ms: i64, timeout: Duration) -> Result<Option<i64>, SourceError> {
        offset_at(&self.consumer, partition, ms, timeout)
    }

    /// Begins to read these partitions at these offsets: the answer to [`Notice::Assigned`].
    pub fn assign(&self, partitions: &[(Partition, i64)]) -> Result<(), SourceError> {
        Ok(self.consumer.assign(&offsets(partitions.iter().map(|(partition, offset)| (partition, *offset, "")))?)?)
    }

    /// Reads nothing any more: the answer to [`Notice::Revoked`].
    pub fn unassign(&self) -> Result<(), SourceError> {
        Ok(self.consumer.unassign()?)
    }

    /// Stops to fetch a partition. Messages that are under way may still come.
    pub fn pause(&self, partition: &Partition) -> Result<(), SourceError> {
        Ok(self.consumer.pause(&list(std::slice::from_ref(partition), Offset::Invalid)?)?)
    }

    /// Goes on with a paused partition at an offset. The offset is always said: what the client remembers of a
    /// paused partition cannot be relied on.
    pub fn resume_at(&self, partition: &Partition, offset: i64) -> Result<(), SourceError> {
        self.consumer.resume(&list(std::slice::from_ref(partition), Offset::Invalid)?)?;
        let timeout = Duration::from_secs(10);
        Ok(self.consumer.seek(&partition.topic, partition.number, Offset::Offset(offset), timeout)?)
    }

    /// Stores offsets with their metadata. Without waiting, what came of it shows in [`Progress::committed`] only: the
    /// client drops the answer.
    pub fn commit<'a>(
        &self,
        next: impl IntoIterator<Item = (&'a Partition, i64, &'a str)>,
        wait: bool,
    ) -> Result<(), SourceError> {
        let mode = if wait { CommitMode::Sync } else { CommitMode::Async };
        Ok(self.consumer.commit(&offsets(next)?, mode)?)
    }

    /// Who this member is now: offsets in a transaction are stored for it alone. It changes with every rebalance.
    pub(crate) fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    /// How many partitions each topic has; nothing for one that does not exist.
    pub fn partition_counts(&self, topics: &[&str], timeout: Duration) -> Result<Vec<Option<usize>>, SourceError> {
        crate::kafka::partition_counts(self.consumer.client(), topics, timeout).map_err(SourceError::from)
    }

    /// Leaves the group, so that others get the partitions at once. What was assigned must have been committed before. A
    /// member with a name that is dropped in place of this keeps its partitions for the next one of that name, until its
    /// session is over.
    pub fn close(self) {
        self.consumer.context().closing.store(true, Ordering::Relaxed);
        self.consumer.unsubscribe();
        // A client that is dropped says no word of its own if it has a name; so it is waited for that it has left.
        let until = Instant::now() + LEAVE_MAX;
        while self.is_in_group() && Instant::now() < until {
            drop(self.consumer.poll(Duration::from_millis(20)));
        }
    }

    /// Whether the group still has a member of this one's name.
    fn is_in_group(&self) -> bool {
        let Some(name) = &self.name else { return false };
        let found = self.consumer.fetch_group_list(Some(&self.group), Duration::from_millis(500));
        let is_this = |id: &str| id.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-'));
        found.is_ok_and(|list| list.groups().iter().flat_map(GroupInfo::members).any(|member| is_this(member.id())))
    }

    fn fatal(&self, code: RDKafkaErrorCode) -> SourceError {
        let (code, reason) = self.consumer.client().fatal_error().unwrap_or_else(|| (code, code.to_string()));
        match code {
            RDKafkaErrorCode::FencedInstanceId => SourceError::ShutOut(reason),
            _ => SourceError::Fatal(reason),
        }
    }
}

impl Drop for KafkaSource {
    /// The client waits until its last rebalance is answered, also one that was noted and that nobody handles any more.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Relaxed);
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "unassign while closing");
        }
    }
}

/// What the client calls back while it is polled.
struct ConsumerEvents {
    trouble: Trouble,
    notices: Mutex<Vec<Notice>>,
    /// The loop no longer answers rebalances.
    closing: AtomicBool,
}

impl ConsumerEvents {
    fn new(metrics: Metrics) -> ConsumerEvents {
        ConsumerEvents { trouble: Trouble::new(metrics), notices: Mutex::default(), closing: AtomicBool::new(false) }
    }

    fn note(&self, notice: Notice) {
        lock(&self.notices).push(notice);
    }
}

impl ClientContext for ConsumerEvents {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        crate::kafka::log_line(facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.told(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.trouble.seen(&statistics);
        let mut progress = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
        for (topic, found) in statistics.topics {
            for partition in found.partitions.into_values().filter(|partition| partition.partition >= 0) {
                progress.push(Progress {
                    partition: Partition { topic: topic.clone(), number: partition.partition },
                    next: partition.next_offset,
                    end: partition.eof_offset,
                    lag: partition.consumer_lag,
                    committed: partition.committed_offset,
                });
            }
        }
        progress.sort_by(|a, b| a.partition.cmp(&b.partition));
        self.note(Notice::Progress(progress));
    }
}

impl ConsumerContext for ConsumerEvents {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, tpl: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Relaxed) {
            if let Err(error) = consumer.unassign() {
                tracing::debug!(%error, "unassign while closing");
            }
            return;
        }
        let named = |element: &TopicPartitionListElem<'_>| Partition {
            topic: element.topic().to_owned(),
            number: element.partition(),
        };
        let mut partitions: Vec<Partition> = tpl.elements().iter().map(named).collect();
        partitions.sort();
        self.note(match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Notice::Assigned(partitions),
            _ => Notice::Revoked(partitions),
        });
    }
}

/// As [`KafkaSource::bounds`], by any consumer. A partition that has no leader at the moment, as after a broker has come
/// back, is asked again until the time-out.
pub(super) fn bounds<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &Partition,
    timeout: Duration,
) -> Result<(i64, i64), SourceError> {
    let until = Instant::now() + timeout;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match consumer.fetch_watermarks(&partition.topic, partition.number, left.max(LEADER_PAUSE)) {
            Err(error) if has_no_leader(&error) && Instant::now() < until => std::thread::sleep(LEADER_PAUSE),
            bounds => return Ok(bounds?),
        }
    }
}

/// Whether a partition is not to be had because the brokers are choosing who leads it.
fn has_no_leader(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}

/// As [`KafkaSource::offset_at`], by any consumer.
pub(super) fn offset_at<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &Partition,
    ms: i64,
    timeout: Duration,
) -> Result<Option<i64>, SourceError> {
    let asked = list(std::slice::from_ref(partition), Offset::Offset(ms))?;
    let found = consumer.offsets_for_times(asked, timeout)?;
    let found = found.find_partition(&partition.topic, partition.number).map(|element| element.offset());
    Ok(match found {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn list(partitions: &[Partition], offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(&partition.topic, partition.number, offset)?;
    }
    Ok(list)
}

/// Offsets with their metadata, as the client takes them.
pub(crate) fn offsets<'a>(
    next: impl IntoIterator<Item = (&'a Partition, i64, &'a str)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset, metadata) in next {
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_offset(Offset::Offset(offset))?;
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}
