//! Every metric, by its name.

use std::fmt::{Error, Write};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A label of one topic.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TopicName {
    /// The topic or file.
    pub topic: String,
}

/// Labels of a reason.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TopicReason {
    /// The topic or file.
    pub topic: String,
    /// Why, as one word.
    pub reason: Reason,
}

/// A reason as one stable word.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Reason(pub &'static str);

impl EncodeLabelValue for Reason {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), Error> {
        encoder.write_str(self.0)
    }
}

/// A label of one list or table.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TableName {
    /// The list or table.
    pub table: String,
}

/// Labels of one partition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

/// A label of one rule.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RuleName {
    /// The rule.
    pub rule: String,
}

/// Labels of what a limit did to a rule.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RuleLimit {
    /// The rule.
    pub rule: String,
    /// The limit's setting.
    pub limit: Reason,
}

/// Labels of a rule's alerts.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RuleSeverity {
    /// The rule.
    pub rule: String,
    /// How bad.
    pub severity: Reason,
}

/// Labels of a sink's figure.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SinkFigure {
    /// The sink.
    pub sink: String,
    /// Which figure, by its name.
    pub figure: Reason,
}

/// A label of what came of a wish for other rules.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReloadResult {
    /// `changed` or `refused`.
    pub result: Reason,
}

/// A label of one shard: its first topic and partition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ShardName {
    /// The shard.
    pub shard: String,
}

/// A label of one sink.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SinkName {
    /// The sink.
    pub sink: String,
}

/// Upper ends of the buckets of commit times, in ms. Close together up to the goal of 25 for the slowest hundredth.
const COMMIT_MS: [f64; 20] = [
    0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 25.0, 35.0, 50.0, 100.0, 250.0, 1_000.0,
    5_000.0,
];

/// How many commits took how long.
#[derive(Clone, Debug)]
pub struct CommitTimes(Histogram);

impl CommitTimes {
    /// Counts a commit.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64() * 1_000.0);
    }
}

impl Default for CommitTimes {
    fn default() -> Self {
        CommitTimes(Histogram::new(COMMIT_MS))
    }
}

impl EncodeMetric for CommitTimes {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $name:literal,)+) => {
        /// Every metric. Clones share their values.
        #[derive(Clone, Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        impl Metrics {
            fn register(&self, registry: &mut Registry) {
                $(registry.register($name, concat!($($doc),+).trim(), self.$field.clone());)+
            }
        }
    };
}

metrics! {
    /// Events judged
    events: Family<TopicName, Counter> = "tripline_events",
    /// Bytes of messages read
    bytes: Family<TopicName, Counter> = "tripline_event_bytes",
    /// Events read again, muted, to have open runs back
    replayed: Family<TopicName, Counter> = "tripline_events_replayed",
    /// Messages sent to the dead letters
    dead_letters: Family<TopicReason, Counter> = "tripline_dead_letters",
    /// Events that came after their time was past
    late: Family<TopicReason, Counter> = "tripline_events_late",
    /// Events left out because one with their id had come before
    duplicates: Family<TopicName, Counter> = "tripline_events_duplicate",
    /// Ids forgotten before their time because there were too many: their repeats are judged
    ids_forgotten: Family<TopicName, Counter> = "tripline_event_ids_forgotten",
    /// Events too far ahead of the wall clock to move time
    future: Family<TopicName, Counter> = "tripline_events_future",
    /// Messages without payload that end a row of a table
    tombstones: Family<TopicName, Counter> = "tripline_tombstones",
    /// Rows of a list or table
    table_rows: Family<TableName, Gauge> = "tripline_table_rows",
    /// Times that the changed file of a list or table was taken up
    table_reloads: Family<TableName, Counter> = "tripline_table_reloads",
    /// Files of a list or table, and messages of its topic, that could not be taken up
    table_errors: Family<TableName, Counter> = "tripline_table_errors",
    /// Events that a rule or measure did not see because a part of its key is missing
    key_missing: Family<RuleName, Counter> = "tripline_events_without_key",
    /// Alerts sent
    alerts: Family<RuleSeverity, Counter> = "tripline_alerts",
    /// What measures emitted: one for each key and window
    measurements: Family<RuleName, Counter> = "tripline_measurements",
    /// Alerts held back by at most once per
    suppressed: Family<RuleName, Counter> = "tripline_alerts_suppressed",
    /// Alerts sent without their whole events, or their fields too, because they were larger than the broker takes
    alerts_cut: Counter = "tripline_alerts_cut",
    /// Partial matches that a limit dropped, or kept from beginning
    dropped: Family<RuleLimit, Counter> = "tripline_runs_dropped",
    /// Open partial matches
    open_runs: Gauge = "tripline_open_runs",
    /// Events that wait for their time
    waiting: Gauge = "tripline_events_waiting",
    /// How far the watermark is behind the wall clock in ms
    watermark_lag: Family<TopicPartition, Gauge> = "tripline_watermark_lag_milliseconds",
    /// Messages between the last one read and the end of the partition
    consumer_lag: Family<TopicPartition, Gauge> = "tripline_consumer_lag",
    /// Offset commits
    commits: Counter = "tripline_commits",
    /// How long it took to store alerts, dead letters and offsets, in ms
    commit_times: CommitTimes = "tripline_commit_milliseconds",
    /// Offset commits that failed
    commit_errors: Counter = "tripline_commit_errors",
    /// Transactions with alerts, dead letters and offsets that were given up; what they held is judged again
    aborts: Counter = "tripline_transactions_aborted",
    /// Changes of rules that were asked for, by what came of them
    rule_reloads: Family<ReloadResult, Counter> = "tripline_rule_reloads",
    /// Snapshots of the state of a shard that are there to stay
    snapshots: Counter = "tripline_snapshots",
    /// Snapshots that could not be written
    snapshot_errors: Counter = "tripline_snapshot_errors",
    /// Snapshots that could not be taken up
    snapshots_refused: Counter = "tripline_snapshots_refused",
    /// Bytes of the last snapshot of a shard
    snapshot_bytes: Family<ShardName, Gauge> = "tripline_snapshot_bytes",
    /// How long detection stood still for a snapshot, in ms
    snapshot_pauses: CommitTimes = "tripline_snapshot_pause_milliseconds",
    /// Errors reported by the Kafka client
    kafka_errors: Counter = "tripline_kafka_errors",
    /// Times that the Kafka clients were made anew after an error that they cannot recover from
    rebuilds: Counter = "tripline_kafka_client_rebuilds",
    /// Times that stored events were gone before they were read
    gaps: Family<TopicPartition, Counter> = "tripline_offset_gaps",
    /// Figures of the mail sinks
    mail: Family<SinkFigure, Gauge> = "tripline_mail",
    /// Figures of the other sinks, in alerts and attempts
    sink: Family<SinkFigure, Gauge> = "tripline_sink",
    /// Alerts that a sink has read and not delivered yet
    sink_waiting: Family<SinkName, Gauge> = "tripline_sink_waiting",
    /// Whether a sink delivers nothing until a person changes something
    sink_held: Family<SinkName, Gauge> = "tripline_sink_held",
}

impl Metrics {
    /// All values in the text form of `OpenMetrics`.
    pub fn encode(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            Err(Error) => "# EOF\n".to_owned(),
        }
    }

    /// The counter of a topic, fetched once and kept by the caller.
    pub fn by_topic(family: &Family<TopicName, Counter>, topic: &str) -> Counter {
        family.get_or_create_owned(&TopicName { topic: topic.to_owned() })
    }

    /// Counts a message that went to the dead letters.
    pub fn dead_letter(&self, topic: &str, reason: &'static str) {
        self.dead_letters.get_or_create(&TopicReason { topic: topic.to_owned(), reason: Reason(reason) }).inc();
    }

    /// The labels of a partition.
    pub fn partition(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.to_owned(), partition: u32::try_from(partition).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_with_their_labels() {
        let metrics = Metrics::default();
        metrics.dead_letter("events", "not_json");
        Metrics::by_topic(&metrics.events, "a\"b").inc_by(3);
        let text = metrics.encode();
        assert!(text.contains("tripline_dead_letters_total{topic=\"events\",reason=\"not_json\"} 1"), "{text}");
        assert!(text.contains("tripline_events_total{topic=\"a\\\"b\"} 3"), "{text}");
        metrics.commit_times.observe(Duration::from_micros(3_400));
        let text = metrics.encode();
        assert!(text.contains("tripline_commit_milliseconds_bucket{le=\"3.0\"} 0"), "{text}");
        assert!(text.contains("tripline_commit_milliseconds_bucket{le=\"4.0\"} 1"), "{text}");
    }
}
