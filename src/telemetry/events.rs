//! What happens to the daemon. `emit` logs and counts together, so that neither is forgotten.

use std::time::Duration;

use crate::engine::{Dropped, Limit};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Reason, ReloadResult, RuleLimit, ShardName, TableName, TopicPartition};

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

/// A snapshot of a shard is there to stay.
#[derive(Debug)]
pub struct SnapshotTaken<'a> {
    /// Its shard.
    pub shard: &'a str,
    /// How large it is.
    pub bytes: usize,
    /// How long detection stood still for it.
    pub pause: Duration,
    /// How long it took to write.
    pub took: Duration,
}

impl SnapshotTaken<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let SnapshotTaken { shard, bytes, pause, took } = *self;
        metrics.snapshots.inc();
        metrics.snapshot_pauses.observe(pause);
        let label = ShardName { shard: shard.to_owned() };
        metrics.snapshot_bytes.get_or_create(&label).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        tracing::debug!(shard, bytes, ?pause, ?took, "snapshot written");
    }
}

/// A snapshot could not be written. The ones before it stay; after a restart more is read back.
#[derive(Debug)]
pub struct SnapshotFailed<'a> {
    /// Its shard.
    pub shard: &'a str,
    /// Where it was to be.
    pub place: &'a str,
    /// Why.
    pub error: &'a std::io::Error,
}

impl SnapshotFailed<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let SnapshotFailed { shard, place, error } = *self;
        metrics.snapshot_errors.inc();
        tracing::warn!(shard, place, %error, "a snapshot could not be written; after a restart more is read back");
    }
}

/// A snapshot that a commit names could not be taken up: the one before it is tried, then the log.
#[derive(Debug)]
pub struct SnapshotRefused<'a> {
    /// Its shard.
    pub shard: &'a str,
    /// Its number.
    pub number: u64,
    /// Where it was looked for.
    pub place: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl SnapshotRefused<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let SnapshotRefused { shard, number, place, reason } = *self;
        metrics.snapshots_refused.inc();
        let number = format!("{number:016x}");
        tracing::error!(shard, number, place, reason, "a snapshot is not taken up");
    }
}

/// A shard has the state of a snapshot.
#[derive(Debug)]
pub struct StateRestored<'a> {
    /// Its shard.
    pub shard: &'a str,
    /// How large the snapshot is.
    pub bytes: usize,
    /// Open runs that go on.
    pub kept: usize,
    /// Rules and measures that are gone or changed since, with how much they had open.
    pub left_out: &'a [(String, usize)],
    /// How long it took.
    pub took: Duration,
}

impl StateRestored<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let StateRestored { shard, bytes, kept, left_out, took } = *self;
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(shard, bytes, open_runs = kept, milliseconds, "state taken up from a snapshot");
        for (name, open) in left_out {
            tracing::warn!(shard, name, open, "is gone or changed since the snapshot: what it had open is left out");
        }
    }
}

/// Other rules run from now on. The line that tells later who changed what, and when.
#[derive(Debug)]
pub struct RulesChanged<'a> {
    /// Who asked.
    pub who: &'a str,
    /// The hash of all rules before.
    pub before: &'a str,
    /// The hash of all rules after.
    pub after: &'a str,
    /// New ones.
    pub added: &'a [String],
    /// Those that are gone.
    pub removed: &'a [String],
    /// Those that match something else.
    pub changed: &'a [String],
    /// Those that only say something else.
    pub reworded: &'a [String],
    /// Open runs that go on.
    pub kept: usize,
    /// How long detection stood still.
    pub pause: Duration,
}

impl RulesChanged<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let RulesChanged { who, before, after, added, removed, changed, reworded, kept, pause } = *self;
        metrics.rule_reloads.get_or_create(&ReloadResult { result: Reason("changed") }).inc();
        let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let names = |names: &[String]| names.join(" ");
        tracing::info!(
            who,
            before,
            after,
            added = names(added),
            removed = names(removed),
            changed = names(changed),
            reworded = names(reworded),
            open_runs = kept,
            milliseconds,
            "the rules were changed"
        );
    }
}

/// The rules could not be changed: the old ones run.
#[derive(Debug)]
pub struct RulesRefused<'a> {
    /// Who asked.
    pub who: &'a str,
    /// The hash of all rules, which run on.
    pub rules: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl RulesRefused<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let RulesRefused { who, rules, reason } = *self;
        metrics.rule_reloads.get_or_create(&ReloadResult { result: Reason("refused") }).inc();
        tracing::error!(who, rules, reason, "the rules could not be changed: the old ones run on");
    }
}

/// Offsets were committed.
#[derive(Debug)]
pub struct Committed {
    /// Of how many partitions.
    pub partitions: usize,
    /// How long it took to store them, with the alerts and dead letters before them.
    pub took: Duration,
}

impl Committed {
    /// Counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Committed { partitions, took } = *self;
        metrics.commits.inc();
        metrics.commit_times.observe(took);
        tracing::trace!(partitions, ?took, "committed");
    }
}

/// A transaction with alerts, dead letters and offsets is given up. Where the broker did not commit it after all, what
/// it held is judged and written again.
#[derive(Debug)]
pub struct TransactionAborted<'a> {
    /// Why.
    pub reason: &'a str,
}

impl TransactionAborted<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.aborts.inc();
        tracing::warn!(reason = self.reason, "a transaction is given up; what it held is judged again");
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

/// The topic of a list or table was read to its end.
#[derive(Debug)]
pub struct TableRead<'a> {
    /// The list or table.
    pub table: &'a str,
    /// How many rows it has.
    pub rows: usize,
    /// How long it took.
    pub milliseconds: u64,
}

impl TableRead<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let TableRead { table, rows, milliseconds } = *self;
        tracing::info!(table, rows, milliseconds, "table read from its topic");
        table_rows(metrics, table, rows);
    }
}

/// More ids came within the time of `drop_duplicates` than are remembered.
#[derive(Debug)]
pub struct IdsForgotten<'a> {
    /// The topic or file.
    pub source: &'a str,
    /// How many were forgotten since it was last said.
    pub forgotten: u64,
}

impl IdsForgotten<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let IdsForgotten { source, forgotten } = *self;
        tracing::warn!(
            source,
            forgotten,
            "more ids within `drop_duplicates` than limits.max_remembered_ids: repeats of the oldest are judged"
        );
        Metrics::by_topic(&metrics.ids_forgotten, source).inc_by(forgotten);
    }
}

/// Limits dropped runs of a rule, or kept them from beginning.
#[derive(Debug)]
pub struct RunsDropped<'a> {
    /// The rule.
    pub rule: &'a str,
    /// How many since it was last counted.
    pub dropped: Dropped,
    /// Where it is to be logged now, how many since it was last logged.
    pub to_say: Option<Dropped>,
}

impl RunsDropped<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let RunsDropped { rule, dropped, to_say } = *self;
        for limit in Limit::ALL.into_iter().filter(|limit| dropped.by(*limit) > 0) {
            let label = RuleLimit { rule: rule.to_owned(), limit: Reason(limit.setting()) };
            metrics.dropped.get_or_create(&label).inc_by(dropped.by(limit));
        }
        let Some(to_say) = to_say else { return };
        let reached: Vec<&str> =
            Limit::ALL.into_iter().filter(|limit| to_say.by(*limit) > 0).map(Limit::setting).collect();
        tracing::warn!(
            rule,
            runs = to_say.all(),
            limits = reached.join(", "),
            "open runs were dropped, or did not begin, so alerts may be missing: raise these settings of [limits], or \
             shorten the rule's `within`"
        );
    }
}

/// The file of a list or table has changed and was taken up.
#[derive(Debug)]
pub struct TableReloaded<'a> {
    /// The list or table.
    pub table: &'a str,
    /// How many rows it has.
    pub rows: usize,
    /// How many rows of the file had a key that stood above already.
    pub repeated: usize,
}

impl TableReloaded<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let TableReloaded { table, rows, repeated } = *self;
        tracing::info!(table, rows, repeated, "table read again: its file has changed");
        metrics.table_reloads.get_or_create(&TableName { table: table.to_owned() }).inc();
        table_rows(metrics, table, rows);
    }
}

/// The file of a list or table has changed and cannot be taken up: what was read before stays.
#[derive(Debug)]
pub struct TableReloadFailed<'a> {
    /// The list or table.
    pub table: &'a str,
    /// What is wrong with the file.
    pub problem: String,
}

impl TableReloadFailed<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let TableReloadFailed { table, problem } = self;
        tracing::error!(table, problem, "the file of a table has changed and cannot be read: its old rows stay");
        metrics.table_errors.get_or_create(&TableName { table: (*table).to_owned() }).inc();
    }
}

/// A message of a table's topic changes nothing.
#[derive(Debug)]
pub struct TableMessageRefused<'a> {
    /// The list or table.
    pub table: &'a str,
    /// Where the message is.
    pub partition: i32,
    /// Where the message is.
    pub offset: i64,
    /// Why.
    pub problem: String,
    /// Whether to log it: the first of many.
    pub loud: bool,
}

impl TableMessageRefused<'_> {
    /// Logs and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let TableMessageRefused { table, partition, offset, problem, loud } = self;
        if *loud {
            tracing::error!(
                table,
                partition,
                offset,
                problem,
                "a message of a table's topic changes nothing; others are counted"
            );
        }
        metrics.table_errors.get_or_create(&TableName { table: (*table).to_owned() }).inc();
    }
}

/// How many rows a list or table has.
pub fn table_rows(metrics: &Metrics, table: &str, rows: usize) {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    metrics.table_rows.get_or_create(&TableName { table: table.to_owned() }).set(rows);
}
