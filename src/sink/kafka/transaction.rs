//! The transactions of an outbox: what is sent between two commits, and how far the sources were read for it, is there
//! for readers all at once or not at all.
//!
//! What the client asks for, each learned the hard way:
//! - everything in flight is awaited in short steps before a commit, since the client's own wait takes 100 ms (`drain`);
//! - a commit that times out is called again and goes on; it cannot be aborted;
//! - an abort with records in flight fails: they are purged and awaited first. The records of the next transaction would
//!   lack the numbers of those that were purged, so an abort is the last thing that a producer does;
//! - a call to send offsets may never return, whatever time it was given, where the broker was frozen meanwhile: another
//!   thread makes it, which is left behind with the producer then;
//! - the group's metadata is read from the consumer at each commit, so that offsets of a former member are refused;
//! - after an error that is fatal the producer is of no more use either.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::{Producer, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, TopicPartitionList};

use super::{DRAIN_STEP, Outbox, OutboxError, ProducerEvents};
use crate::config::KafkaSettings;
use crate::kafka::{client_config, help};
use crate::source::kafka::{KafkaSource, Partition, offsets};
use crate::telemetry::Metrics;

/// After so long and a commit interval the broker ends a transaction that nobody commits. Readers of the alerts wait so
/// long for a copy that crashed and does not come back; a broker that is away for less costs no reading back.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long a call waits before whoever waits for it is asked whether to go on.
const STEP: Duration = Duration::from_secs(1);
/// Offsets that take longer than this fail the transaction; the daemon must not be silent for half a minute.
const OFFSETS_MAX: Duration = Duration::from_secs(25);

/// The state of an outbox that writes in transactions.
pub(super) struct Transactions {
    id: String,
    timeout: Duration,
    open_since: Mutex<Option<Instant>>,
}

impl Transactions {
    fn open_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.open_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// A producer of transactions. Before anything is sent, [`Outbox::init`] has to end those of an earlier one with the
    /// same id, which can write no more then.
    pub fn transactional(
        settings: &KafkaSettings,
        name: &str,
        id: &str,
        metrics: Metrics,
    ) -> Result<Outbox, KafkaError> {
        let mut config = client_config(settings, name);
        let timeout = timeout(&config, settings.commit_interval);
        config.set("transactional.id", id).set("transaction.timeout.ms", timeout.as_millis().to_string());
        let transactions = Transactions { id: id.to_owned(), timeout, open_since: Mutex::default() };
        Outbox::open(config, ProducerEvents::new(metrics, true), Some(transactions))
    }

    /// Ends what an earlier producer with this id left open, and shuts it out. Takes as long as the broker is away, or
    /// until `stop`.
    pub fn init(&self, stop: impl Fn() -> bool) -> Result<(), OutboxError> {
        loop {
            match self.producer.init_transactions(STEP) {
                Ok(()) => return Ok(()),
                Err(error) => self.go_on(&error, &stop)?,
            }
        }
    }

    /// How long the broker leaves a transaction open; nothing where there are none.
    pub fn transaction_timeout(&self) -> Option<Duration> {
        self.transactions.as_ref().map(|transactions| transactions.timeout)
    }

    /// Whether something was sent that is not committed.
    pub fn is_open(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| transactions.open_since().is_some())
    }

    /// Begins a transaction where there is none. The broker is not asked.
    pub(super) fn begin(&self) -> Result<(), OutboxError> {
        let Some(transactions) = self.transactions.as_ref().filter(|_| !self.is_open()) else { return Ok(()) };
        // After a fatal error the client may never return from the call.
        self.check()?;
        self.producer.begin_transaction().map_err(|error| self.failed(&error))?;
        *transactions.open_since() = Some(Instant::now());
        Ok(())
    }

    /// Makes what was sent visible, together with how far the sources are read: the next offset of each partition, with
    /// its metadata. After an error the transaction may be committed or not: only a new producer's [`Outbox::init`]
    /// decides it.
    pub fn commit<'a>(
        &self,
        next: impl IntoIterator<Item = (&'a Partition, i64, &'a str)>,
        source: &KafkaSource,
        stop: impl Fn() -> bool,
    ) -> Result<(), OutboxError> {
        self.begin()?;
        self.drain(&stop)?;
        let next = offsets(next).map_err(|error| OutboxError::Fatal(error.to_string()))?;
        loop {
            let group = source.group().ok_or_else(|| OutboxError::Fatal("no member of a group".to_owned()))?;
            match self.send_offsets(next.clone(), group, &stop)? {
                Ok(()) => break,
                Err(error) => self.go_on(&error, &stop)?,
            }
        }
        loop {
            match self.producer.commit_transaction(STEP) {
                Ok(()) => break,
                Err(error) => self.go_on(&error, &stop)?,
            }
        }
        self.closed();
        Ok(())
    }

    /// Puts offsets into the transaction, on a thread of its own: where the call does not come back, the producer stays
    /// with it.
    fn send_offsets(
        &self,
        next: TopicPartitionList,
        group: ConsumerGroupMetadata,
        stop: &impl Fn() -> bool,
    ) -> Result<Result<(), KafkaError>, OutboxError> {
        let longest = self.transaction_timeout().unwrap_or(OFFSETS_MAX).min(OFFSETS_MAX);
        let (answer, answered) = mpsc::channel();
        let producer = Arc::clone(&self.producer);
        let call = move || {
            // Whoever asked may have given up.
            drop(answer.send(producer.send_offsets_to_transaction(&next, &group, longest)));
        };
        let thread = thread::Builder::new().name("offsets".to_owned()).spawn(call);
        thread.map_err(|error| OutboxError::Fatal(format!("no thread to send offsets with: {error}")))?;
        let until = Instant::now() + longest + STEP;
        loop {
            match answered.recv_timeout(STEP) {
                Ok(sent) => return Ok(sent),
                Err(RecvTimeoutError::Timeout) if stop() => return Err(OutboxError::Stopped),
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(error) => return Err(OutboxError::Fatal(format!("the client does not send offsets: {error}"))),
            }
        }
    }

    /// Takes back what was sent since the last commit, as the last thing that this producer does. What does not succeed
    /// within `longest` is left to a new producer's [`Outbox::init`], or to the broker.
    pub fn abort(&self, longest: Duration) -> Result<(), OutboxError> {
        if !self.is_open() {
            return Ok(());
        }
        let until = Instant::now() + longest;
        let stop = || Instant::now() > until;
        self.producer.purge(PurgeConfig::default().queue().inflight());
        while self.producer.in_flight_count() > 0 {
            if stop() {
                return Err(OutboxError::Stopped);
            }
            self.producer.poll(DRAIN_STEP);
        }
        loop {
            match self.producer.abort_transaction(until.saturating_duration_since(Instant::now()).min(STEP)) {
                Ok(()) => break,
                Err(error) => self.go_on(&error, &stop)?,
            }
        }
        self.closed();
        Ok(())
    }

    fn closed(&self) {
        if let Some(transactions) = &self.transactions {
            *transactions.open_since() = None;
        }
    }

    /// Whether a call that failed is to be made again: that resumes it.
    fn go_on(&self, error: &KafkaError, stop: &impl Fn() -> bool) -> Result<(), OutboxError> {
        self.producer.poll(Duration::ZERO);
        match error {
            KafkaError::Transaction(cause) if cause.is_retriable() => {}
            KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => {}
            error => return Err(self.failed(error)),
        }
        if stop() { Err(OutboxError::Stopped) } else { Ok(()) }
    }

    /// What a call on the transaction failed of, where it is not made again.
    fn failed(&self, error: &KafkaError) -> OutboxError {
        if let Err(known) = self.check() {
            return known;
        }
        self.refused_or_lost(error.rdkafka_error_code(), error.to_string())
    }

    /// A record is not taken because of the transaction that it belongs to; beginning another one tells why.
    pub(super) fn lost(&self, error: &KafkaError) -> OutboxError {
        match self.producer.begin_transaction() {
            Err(cause) => self.failed(&cause),
            Ok(()) => OutboxError::Fatal(error.to_string()),
        }
    }

    /// What has become of a producer that can do nothing any more. Shut out by another one with the same id, it must not
    /// come back: the two would shut each other out for ever. The broker does the same to a transaction that it ended
    /// because it was open for too long; then there is no other one.
    pub(super) fn ended(&self, code: RDKafkaErrorCode, reason: String) -> OutboxError {
        let Some(transactions) = &self.transactions else { return OutboxError::Fatal(reason) };
        let Transactions { id, timeout, .. } = transactions;
        let is_expired = transactions.open_since().is_some_and(|since| since.elapsed() > timeout.mul_f64(0.9));
        match code {
            RDKafkaErrorCode::Fenced if !is_expired => OutboxError::Fenced { id: id.clone(), reason },
            RDKafkaErrorCode::Fenced => OutboxError::Fatal(format!("the transaction was open for too long: {reason}")),
            code => self.refused_or_lost(Some(code), reason),
        }
    }

    /// A person has to act where there is something to do; otherwise a new producer may be luckier.
    fn refused_or_lost(&self, code: Option<RDKafkaErrorCode>, reason: String) -> OutboxError {
        match (&self.transactions, code.and_then(help)) {
            (Some(Transactions { id, .. }), Some(help)) => {
                OutboxError::NoTransactions { id: id.clone(), reason: format!("{reason}; {help}") }
            }
            _ => OutboxError::Fatal(reason),
        }
    }
}

/// A request may take as long as a transaction, so a property of the one holds for the other.
fn timeout(config: &ClientConfig, commit_interval: Duration) -> Duration {
    let given = |property: &str| config.get(property).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let ours = TIMEOUT + commit_interval;
    given("transaction.timeout.ms")
        .unwrap_or_else(|| given("socket.timeout.ms").map_or(ours, |socket| socket.max(ours)))
}

/// Whether a record was not written because of its transaction or producer, rather than because of itself.
pub(super) fn is_of_transaction(code: Option<RDKafkaErrorCode>) -> bool {
    matches!(
        code,
        Some(
            RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::State
                | RDKafkaErrorCode::Inconsistent
                | RDKafkaErrorCode::MessageTimedOut
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::InvalidProducerIdMapping
                | RDKafkaErrorCode::InvalidTransactionalState
                | RDKafkaErrorCode::OutOfOrderSequenceNumber
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::TransactionCoordinatorFenced
                | RDKafkaErrorCode::UnknownProducerId
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn outbox() -> Outbox {
        let property = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
        let properties =
            vec![property("bootstrap.servers", "127.0.0.1:1"), property("transaction.timeout.ms", "10000")];
        let settings = KafkaSettings { properties, ..KafkaSettings::default() };
        Outbox::transactional(&settings, "fraud", "fraud.one", Metrics::default()).expect("a client")
    }

    /// What is made of being shut out, with a transaction open for so long.
    fn shut_out(open: Option<Duration>) -> OutboxError {
        let outbox = outbox();
        let since = open.map(|open| Instant::now().checked_sub(open).expect("the machine runs for longer"));
        *outbox.transactions.as_ref().expect("there are transactions").open_since() = since;
        outbox.ended(RDKafkaErrorCode::Fenced, "said so".to_owned())
    }

    #[test]
    fn who_is_shut_out_ends_unless_the_broker_ended_a_transaction_that_was_open_for_too_long() {
        let fenced = OutboxError::Fenced { id: "fraud.one".to_owned(), reason: "said so".to_owned() };
        assert_eq!(shut_out(None), fenced);
        assert_eq!(shut_out(Some(Duration::from_secs(1))), fenced);
        let expired = shut_out(Some(Duration::from_millis(9_500)));
        assert!(matches!(&expired, OutboxError::Fatal(reason) if reason.contains("open for too long")), "{expired}");
    }
}
