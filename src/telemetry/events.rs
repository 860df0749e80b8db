//! What happens to the daemon. `emit` logs and counts together, so that neither is forgotten.

use crate::telemetry::Metrics;
use crate::telemetry::metrics::TopicPartition;

/// Partitions were given to this copy.
#[derive(Debug)]
pub struct Assigned {
    /// How many.
    pub partitions: usize,
    /// How many of them kept their state.
    pub kept: usize,
    /// How many messages have to be read again, muted.
    pub to_read_back: u64,
}

impl Assigned {
    /// Logs it.
    pub fn emit(&self) {
        let Assigned { partitions, kept, to_read_back } = *self;
        tracing::info!(partitions, kept, to_read_back, "partitions assigned");
    }
}

/// Partitions were taken from this copy.
#[derive(Debug)]
pub struct PartitionsRevoked {
    /// How many.
    pub partitions: usize,
    /// Whether they were lost without a word: a time-out, not a rebalance.
    pub lost: bool,
}

impl PartitionsRevoked {
    /// Logs it.
    pub fn emit(&self) {
        let PartitionsRevoked { partitions, lost } = *self;
        if lost {
            tracing::warn!(partitions, "partitions lost: the group did not hear from this copy in time");
        } else {
            tracing::info!(partitions, "partitions revoked");
        }
    }
}

/// The muted reading goes on.
#[derive(Debug)]
pub struct ReadBack {
    /// Messages read so far.
    pub done: u64,
    /// Messages to read in all, as offsets count.
    pub of: u64,
}

impl ReadBack {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(messages = self.done, of = self.of, "reading back to have open runs again");
    }
}

/// Every assigned partition speaks.
#[derive(Debug)]
pub struct CaughtUp {
    /// How many.
    pub partitions: usize,
    /// How long it took.
    pub milliseconds: u64,
}

impl CaughtUp {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(partitions = self.partitions, milliseconds = self.milliseconds, "read back, detection is live");
    }
}

/// Offsets were committed.
#[derive(Debug)]
pub struct Committed {
    /// Of how many partitions.
    pub partitions: usize,
}

impl Committed {
    /// Counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.commits.inc();
        tracing::trace!(partitions = self.partitions, "committed");
    }
}

/// Offsets could not be committed. A later commit covers them; until then a restart repeats alerts.
#[derive(Debug)]
pub struct CommitFailed {
    /// Why.
    pub error: String,
}

impl CommitFailed {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.commit_errors.inc();
        tracing::warn!(error = self.error, "offsets could not be committed; the next commit covers them");
    }
}

/// The client has trouble with the broker. Said once and then at intervals.
#[derive(Debug)]
pub struct BrokerTrouble {
    /// What the client says.
    pub error: String,
    /// What to do, where a person has to.
    pub help: Option<&'static str>,
    /// Whether it is to be logged; otherwise only counted.
    pub loud: bool,
}

impl BrokerTrouble {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.kafka_errors.inc();
        match (self.loud, self.help) {
            (false, _) => tracing::debug!(error = self.error, "kafka"),
            (true, Some(help)) => tracing::error!(error = self.error, help, "kafka refuses this client"),
            (true, None) => tracing::warn!(error = self.error, "trouble with kafka; the client goes on trying"),
        }
    }
}

/// The clients are made anew.
#[derive(Debug)]
pub struct ClientsRebuilt {
    /// Why.
    pub reason: String,
}

impl ClientsRebuilt {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.rebuilds.inc();
        tracing::warn!(reason = self.reason, "the kafka clients are made anew");
    }
}

/// Stored events were gone before they were read, or the topic was made anew.
#[derive(Debug)]
pub struct OffsetGap {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset that was wanted.
    pub wanted: i64,
    /// The oldest offset there is.
    pub low: i64,
    /// The next offset that will be written.
    pub high: i64,
}

impl OffsetGap {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let OffsetGap { topic, partition, wanted, low, high } = self;
        let label = TopicPartition { topic: topic.clone(), partition: u32::try_from(*partition).unwrap_or_default() };
        metrics.gaps.get_or_create(&label).inc();
        tracing::error!(
            topic = topic.as_str(),
            partition,
            wanted,
            low,
            high,
            "events are gone that were not read: retention is too short, or the topic was made anew"
        );
    }
}

/// Messages went to the dead letters since the last time that this was said.
#[derive(Debug)]
pub struct DeadLettersSeen {
    /// How many.
    pub messages: u64,
    /// The last reason.
    pub reason: &'static str,
    /// Where the last one stood.
    pub at: String,
}

impl DeadLettersSeen {
    /// Logs it; each was counted when it was sent.
    pub fn emit(&self) {
        tracing::warn!(
            messages = self.messages,
            last_reason = self.reason,
            last_at = self.at.as_str(),
            "messages that are no events went to the dead letters"
        );
    }
}
