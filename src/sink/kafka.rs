//! Records to topics, and the alerts topic back to sinks.
//!
//! - [`Outbox`] writes alerts and dead letters: idempotent, to all replicas, never given up; `transaction` in
//!   transactions, with the offsets of the sources;
//! - [`KafkaInbox`] hands a sink the alerts topic as a consumer group of its own.

mod transaction;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaErrorCode;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::alert::AlertRecord;
use crate::config::KafkaSettings;
use crate::kafka::{Trouble, client_config, help, partition_counts};
use crate::sink::kafka::transaction::{Transactions, is_of_transaction};
use crate::sink::{AlertInbox, Delivery, InboxPosition};
use crate::source::kafka::{KafkaSource, Notice, Partition, SourceError};
use crate::telemetry::Metrics;

/// How long one wait for the client is. Its `poll` never returns early and its `flush` waits in steps of 100 ms, so
/// a commit that drains in short steps is tens of times faster.
const DRAIN_STEP: Duration = Duration::from_micros(500);
const FULL_STEP: Duration = Duration::from_millis(1);

/// Why a record was not written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutboxError {
    /// The producer will never write again: it has to be made anew.
    #[error("the producer cannot go on: {0}")]
    Fatal(String),
    /// Another producer writes with the same transactional id: this one must not.
    #[error(
        "another process writes as `{id}` now, so this one ends ({reason}): give each process an `instance` of its own \
         under [kafka]"
    )]
    Fenced {
        /// The transactional id.
        id: String,
        /// What the client says.
        reason: String,
    },
    /// The broker does not let this user write in transactions.
    #[error("no transactions as `{id}`: {reason}")]
    NoTransactions {
        /// The transactional id.
        id: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The broker or the client refuses the record.
    #[error("the topic `{topic}` takes no record: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The record is larger than the client or the broker takes.
    #[error("a record of {bytes} bytes is larger than the topic `{topic}` takes: see message.max.bytes")]
    TooLarge {
        /// The topic.
        topic: String,
        /// The record's size.
        bytes: usize,
    },
    /// It was given up while the broker did not answer.
    #[error("stopped before the broker had everything")]
    Stopped,
}

/// A record to write.
#[derive(Clone, Copy, Debug)]
pub struct OutRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition, where it is not the key that decides it.
    pub partition: Option<i32>,
    /// Decides the partition; any where there is none.
    pub key: Option<&'a [u8]>,
    /// The bytes; a tombstone where there is none.
    pub payload: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Writes records.
pub struct Outbox {
    /// Shared with a call that may never return (`transaction`).
    producer: Arc<BaseProducer<ProducerEvents>>,
    transactions: Option<Transactions>,
}

impl Outbox {
    /// A producer of its own.
    pub fn new(settings: &KafkaSettings, name: &str, metrics: Metrics) -> Result<Outbox, KafkaError> {
        Outbox::open(client_config(settings, name), ProducerEvents::new(metrics, false), None)
    }

    fn open(
        mut config: ClientConfig,
        events: ProducerEvents,
        transactions: Option<Transactions>,
    ) -> Result<Outbox, KafkaError> {
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("statistics.interval.ms", "1000");
        if config.get("linger.ms").is_none() {
            config.set("linger.ms", "2");
        }
        Ok(Outbox { producer: Arc::new(config.create_with_context(events)?), transactions })
    }

    /// Takes a record, into the open transaction where there are any; waits while the client's queue is full, until
    /// `stop`.
    pub fn send(&self, record: OutRecord<'_>, stop: &AtomicBool) -> Result<(), OutboxError> {
        self.begin()?;
        let mut out = BaseRecord::<[u8], [u8]>::to(record.topic);
        if let Some(partition) = record.partition {
            out = out.partition(partition);
        }
        if let Some(key) = record.key {
            out = out.key(key);
        }
        if let Some(payload) = record.payload {
            out = out.payload(payload);
        }
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let insert = |headers: OwnedHeaders, (key, value): &(&str, &str)| {
                headers.insert(Header { key, value: Some(value.as_bytes()) })
            };
            out = out.headers(record.headers.iter().fold(headers, insert));
        }
        loop {
            match self.producer.send(out) {
                Ok(()) => return Ok(()),
                Err((error, back)) => {
                    self.wait_or_refuse(&error, &record, stop)?;
                    out = back;
                }
            }
        }
    }

    /// Waits until the broker has all records, or until `stop`.
    pub fn drain(&self, stop: impl Fn() -> bool) -> Result<(), OutboxError> {
        self.producer.poll(Duration::ZERO);
        while self.producer.in_flight_count() > 0 {
            self.check()?;
            if stop() {
                return Err(OutboxError::Stopped);
            }
            self.producer.poll(DRAIN_STEP);
        }
        self.check()
    }

    /// Lets the client work, without waiting.
    pub fn poll(&self) -> Result<(), OutboxError> {
        self.producer.poll(Duration::ZERO);
        self.check()
    }

    /// How many partitions a topic has; nothing for one that does not exist.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Option<usize>, KafkaError> {
        let counts = partition_counts(self.producer.client(), &[topic], timeout)?;
        Ok(counts.first().copied().flatten())
    }

    /// The trouble that there is now, if any.
    pub fn trouble(&self) -> &Trouble {
        &self.producer.context().trouble
    }

    fn wait_or_refuse(&self, error: &KafkaError, record: &OutRecord<'_>, stop: &AtomicBool) -> Result<(), OutboxError> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) if stop.load(Ordering::Relaxed) => Err(OutboxError::Stopped),
            Some(RDKafkaErrorCode::QueueFull) => {
                self.producer.poll(FULL_STEP);
                self.check()
            }
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Err(OutboxError::TooLarge {
                topic: record.topic.to_owned(),
                bytes: record.payload.map_or(0, <[u8]>::len),
            }),
            Some(RDKafkaErrorCode::Fatal) => Err(self.fatal(error)),
            code if self.transactions.is_some() && is_of_transaction(code) => Err(self.lost(error)),
            code => Err(refused(record.topic, error, code)),
        }
    }

    fn check(&self) -> Result<(), OutboxError> {
        let failure = self.producer.context().failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            return Err(self.ended(code, reason));
        }
        failure.map_or(Ok(()), Err)
    }

    fn fatal(&self, error: &KafkaError) -> OutboxError {
        let fatal = self.producer.client().fatal_error();
        fatal.map_or_else(|| OutboxError::Fatal(error.to_string()), |(code, reason)| self.ended(code, reason))
    }
}

fn refused(topic: &str, error: &KafkaError, code: Option<RDKafkaErrorCode>) -> OutboxError {
    let help = code.and_then(help).map(|help| format!("; {help}")).unwrap_or_default();
    OutboxError::Refused { topic: topic.to_owned(), reason: format!("{error}{help}") }
}

struct ProducerEvents {
    trouble: Trouble,
    /// The first record that was not written: nothing after it may be committed.
    failure: Mutex<Option<OutboxError>>,
    is_transactional: bool,
}

impl ProducerEvents {
    fn new(metrics: Metrics, is_transactional: bool) -> ProducerEvents {
        ProducerEvents { trouble: Trouble::new(metrics), failure: Mutex::default(), is_transactional }
    }
}

impl ClientContext for ProducerEvents {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        crate::kafka::log_line(facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.told(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.trouble.seen(&statistics);
    }
}

impl ProducerContext for ProducerEvents {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.trouble.over(),
            Err((error, message)) => {
                let failure = match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => return,
                    Some(RDKafkaErrorCode::MessageSizeTooLarge) => OutboxError::TooLarge {
                        topic: message.topic().to_owned(),
                        bytes: message.payload().map_or(0, <[u8]>::len),
                    },
                    code if self.is_transactional && is_of_transaction(code) => OutboxError::Fatal(error.to_string()),
                    code => refused(message.topic(), error, code),
                };
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            }
        }
    }
}

/// How many records wait for a sink before the topic is paused.
const INBOX_RECORDS: usize = 256;
const INBOX_COMMIT_EVERY: Duration = Duration::from_millis(500);

/// The alerts topic, for one sink. A thread of its own polls, also while the sink waits for its server, so that the
/// group keeps this member.
pub struct KafkaInbox {
    records: mpsc::Receiver<Delivery>,
    acknowledged: Arc<Mutex<BTreeMap<u32, u64>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl KafkaInbox {
    /// Joins the group of a sink.
    pub fn new(
        settings: &KafkaSettings,
        group: &str,
        topic: &str,
        metrics: Metrics,
    ) -> Result<KafkaInbox, SourceError> {
        let (sender, records) = mpsc::channel(INBOX_RECORDS);
        let acknowledged = Arc::<Mutex<BTreeMap<u32, u64>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let reader = InboxReader {
            settings: settings.clone(),
            group: group.to_owned(),
            topic: topic.to_owned(),
            metrics,
            sender,
            acknowledged: Arc::clone(&acknowledged),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new().name(format!("inbox {group}")).spawn(move || reader.run());
        let thread = thread.map_err(|error| SourceError::Fatal(error.to_string()))?;
        Ok(KafkaInbox { records, acknowledged, stop, thread: Some(thread) })
    }
}

impl AlertInbox for KafkaInbox {
    async fn next(&mut self) -> Option<Delivery> {
        self.records.recv().await
    }

    async fn acknowledge(&mut self, up_to: InboxPosition) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let next = acknowledged.entry(up_to.partition).or_default();
        *next = (*next).max(up_to.offset + 1);
    }
}

impl Drop for KafkaInbox {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.records.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of an inbox panicked");
        }
    }
}

struct InboxReader {
    settings: KafkaSettings,
    group: String,
    topic: String,
    metrics: Metrics,
    sender: mpsc::Sender<Delivery>,
    acknowledged: Arc<Mutex<BTreeMap<u32, u64>>>,
    stop: Arc<AtomicBool>,
}

impl InboxReader {
    /// Reads until it is told to stop; clients that cannot go on are made anew.
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.session() {
                tracing::warn!(group = self.group, %error, "the sink's reading of the alerts topic begins anew");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    fn session(&self) -> Result<(), SourceError> {
        let source = KafkaSource::new(&self.settings, &self.group, self.metrics.clone())?;
        source.subscribe(&[&self.topic])?;
        let mut state = InboxState::default();
        while !self.stop.load(Ordering::Relaxed) {
            let wait = if state.held.is_empty() { Duration::from_millis(100) } else { Duration::from_millis(20) };
            match source.poll(wait) {
                Some(Ok(message)) => state.take(&message),
                Some(Err(SourceError::Retry(_))) | None => {}
                Some(Err(error)) => return Err(error),
            }
            for notice in source.notices() {
                self.handle(&source, &mut state, notice)?;
            }
            self.hand_out(&source, &mut state)?;
            self.commit_if_due(&source, &mut state, false);
        }
        self.commit_if_due(&source, &mut state, true);
        source.close();
        Ok(())
    }

    fn handle(&self, source: &KafkaSource, state: &mut InboxState, notice: Notice) -> Result<(), SourceError> {
        match notice {
            Notice::Assigned(partitions) => {
                let committed = source.committed(&partitions, Duration::from_secs(10));
                // The group is asked anew if the broker does not say where to begin.
                let committed = committed.map_err(|error| SourceError::Fatal(error.to_string()))?;
                let start = |found: Option<crate::source::kafka::CommittedOffset>| found.map_or(0, |c| c.offset);
                let begin: Vec<_> = partitions.into_iter().zip(committed.into_iter().map(start)).collect();
                state.next = begin.iter().cloned().collect();
                self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clear();
                source.assign(&begin)?;
            }
            Notice::Revoked(_) => {
                if !source.is_assignment_lost() {
                    self.commit_if_due(source, state, true);
                }
                source.unassign()?;
                *state = InboxState::default();
            }
            Notice::Progress(_) => {}
        }
        Ok(())
    }

    fn hand_out(&self, source: &KafkaSource, state: &mut InboxState) -> Result<(), SourceError> {
        while let Some(delivery) = state.held.pop_front() {
            match self.sender.try_send(delivery) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(delivery)) => {
                    state.held.push_front(delivery);
                    if !state.paused && state.held.len() >= INBOX_RECORDS {
                        state.paused = true;
                        state.next.keys().try_for_each(|partition| source.pause(partition))?;
                    }
                    return Ok(());
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
            }
        }
        if state.paused {
            state.paused = false;
            state.next.iter().try_for_each(|(partition, next)| source.resume_at(partition, *next))?;
        }
        Ok(())
    }

    fn commit_if_due(&self, source: &KafkaSource, state: &mut InboxState, last: bool) {
        if !last && state.committed_at.elapsed() < INBOX_COMMIT_EVERY {
            return;
        }
        state.committed_at = Instant::now();
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut next = Vec::new();
        for partition in state.next.keys() {
            let Ok(number) = u32::try_from(partition.number) else { continue };
            let Some(offset) = acknowledged.get(&number).and_then(|offset| i64::try_from(*offset).ok()) else {
                continue;
            };
            if state.stored.insert(number, offset) != Some(offset) {
                next.push((partition, offset, ""));
            }
        }
        if !next.is_empty()
            && let Err(error) = source.commit(next, true)
        {
            state.stored.clear();
            tracing::debug!(%error, "sink offsets");
        }
    }
}

struct InboxState {
    held: VecDeque<Delivery>,
    next: BTreeMap<Partition, i64>,
    stored: BTreeMap<u32, i64>,
    paused: bool,
    committed_at: Instant,
}

impl Default for InboxState {
    fn default() -> Self {
        InboxState {
            held: VecDeque::new(),
            next: BTreeMap::new(),
            stored: BTreeMap::new(),
            paused: false,
            committed_at: Instant::now(),
        }
    }
}

impl InboxState {
    fn take(&mut self, message: &impl Message) {
        let partition = Partition { topic: message.topic().to_owned(), number: message.partition() };
        let Some(next) = self.next.get_mut(&partition) else { return };
        if message.offset() < *next {
            return;
        }
        *next = message.offset() + 1;
        let position = InboxPosition {
            partition: u32::try_from(message.partition()).unwrap_or_default(),
            offset: u64::try_from(message.offset()).unwrap_or_default(),
        };
        match serde_json::from_slice::<AlertRecord>(message.payload().unwrap_or_default()) {
            Ok(record) => self.held.push_back(Delivery { record, position }),
            // The next alert's acknowledgement covers it.
            Err(error) => tracing::warn!(?position, %error, "a record on the alerts topic is no alert; sinks skip it"),
        }
    }
}
