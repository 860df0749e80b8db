//! From assigned partitions to shards and back: hands messages to the shards that they belong to, has them judged, and
//! sends what came of it. Pauses and resumes partitions, and lets time go on where nothing comes.
//!
//! Messages are read into the next batch of each shard while the shards may be with the threads that judge the last one
//! (`workers`). Everything else is done with all shards at home, after [`Feeds::collect`].

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Delivery, Settings, TopicSource};
use crate::daemon::batch::{Batch, Record};
use crate::daemon::dropped::DroppedRuns;
use crate::daemon::feed::{Entry, Feed};
use crate::daemon::judge::{Counts, Forward, Judge, Late, Letter, ReadAt};
use crate::daemon::offsets::Mark;
use crate::daemon::output::{DeadLetter, OutputError, Outputs};
use crate::daemon::outside::{Clock, Consumer, Message};
use crate::daemon::repartition::{Marks, Record as Brought, Repartition};
use crate::daemon::shard::{Shard, Step};
use crate::daemon::workers::{Job, Workers};
use crate::program::Program;
use crate::sink::kafka::OutboxError;
use crate::source::kafka::{Partition, Progress, SourceError};
use crate::telemetry::{IdsForgotten, Metrics, Reason, RuleName, TopicReason};
use prometheus_client::metrics::counter::Counter;

/// A batch ends at so many messages of all shards together.
const BATCH_MESSAGES: usize = 8_192;
/// Or at so many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Fewer messages are judged by the loop itself: waking a thread takes longer.
const ALONE_MESSAGES: usize = 64;

/// Why a message could not be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// By the client.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Alerts or dead letters could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// The shards of this copy with their partitions.
pub(super) struct Feeds {
    program: Arc<Program>,
    metrics: Metrics,
    clock: Rc<dyn Clock>,
    dropped: DroppedRuns,
    sources: Vec<Source>,
    delivery: Delivery,
    /// All shards; empty while they are judged.
    entries: Vec<Entry>,
    /// By shard, those that are judged and those that have nothing to be judged.
    away: Vec<Option<Entry>>,
    /// By shard, what was read for the next batch.
    incoming: Vec<Batch>,
    messages: usize,
    bytes: usize,
    judge: Judge,
    workers: Workers,
    repartition: Option<Arc<Repartition>>,
    marks: Option<Marks>,
}

/// What is the same for all partitions of a topic.
struct Source {
    topic: String,
    idle_timeout: Duration,
    /// By partition, the shard and its input.
    slots: Vec<Option<(usize, usize)>>,
    events: Counter,
    bytes: Counter,
    replayed: Counter,
    future: Counter,
    duplicates: Counter,
    tombstones: Counter,
}

impl Feeds {
    /// Over these topics, with no partition yet.
    pub(super) fn new(
        settings: &Settings,
        sources: &[TopicSource],
        program: &Arc<Program>,
        (metrics, clock): (&Metrics, Rc<dyn Clock>),
        repartition: Option<Arc<Repartition>>,
    ) -> std::io::Result<Feeds> {
        let source = |source: &TopicSource| Source {
            topic: source.topic.clone(),
            idle_timeout: source.idle_timeout,
            slots: Vec::new(),
            events: Metrics::by_topic(&metrics.events, &source.topic),
            bytes: Metrics::by_topic(&metrics.bytes, &source.topic),
            replayed: Metrics::by_topic(&metrics.replayed, &source.topic),
            future: Metrics::by_topic(&metrics.future, &source.topic),
            duplicates: Metrics::by_topic(&metrics.duplicates, &source.topic),
            tombstones: Metrics::by_topic(&metrics.tombstones, &source.topic),
        };
        let judge = Judge::new(program, sources, settings.limits, repartition.clone());
        let workers = Workers::start(settings.threads.get() - 1, &judge)?;
        Ok(Feeds {
            program: Arc::clone(program),
            metrics: metrics.clone(),
            clock,
            dropped: DroppedRuns::new(program, metrics),
            sources: sources.iter().map(source).collect(),
            delivery: settings.kafka.as_ref().map_or(Delivery::AtLeastOnce, |kafka| kafka.delivery),
            entries: Vec::new(),
            away: Vec::new(),
            incoming: Vec::new(),
            messages: 0,
            bytes: 0,
            judge,
            workers,
            marks: repartition.clone().map(Marks::new),
            repartition,
        })
    }

    /// Replaces the shards. Their partitions begin to be fetched anew; what was read and not judged is forgotten.
    pub(super) fn set(&mut self, mut entries: Vec<Entry>) {
        debug_assert!(self.away.is_empty(), "all shards are at home");
        for source in &mut self.sources {
            source.slots.clear();
        }
        // Partitions that are another copy's now have no lag here.
        self.metrics.consumer_lag.clear();
        self.metrics.watermark_lag.clear();
        let now = self.clock.now();
        for (at, entry) in entries.iter_mut().enumerate() {
            for (input, feed) in entry.feeds.iter_mut().enumerate() {
                *feed = Feed::new(feed.partition.clone(), feed.source, now);
                let slots = &mut self.sources[feed.source].slots;
                let number = usize::try_from(feed.partition.number).expect("partitions are numbered from 0");
                if slots.len() <= number {
                    slots.resize(number + 1, None);
                }
                slots[number] = Some((at, input));
            }
        }
        self.incoming = entries.iter().map(|_| Batch::default()).collect();
        (self.messages, self.bytes) = (0, 0);
        self.entries = entries;
    }

    /// Takes the shards out.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let entries = std::mem::take(&mut self.entries);
        self.set(Vec::new());
        entries
    }

    /// The shards.
    pub(super) fn entries(&mut self) -> &mut [Entry] {
        debug_assert!(self.away.is_empty(), "all shards are at home");
        &mut self.entries
    }

    /// The shards, to look at.
    pub(super) fn at_home(&self) -> &[Entry] {
        debug_assert!(self.away.is_empty(), "all shards are at home");
        &self.entries
    }

    /// From now on these rules judge, in these shards: one for each that there is, with the same inputs. What was read
    /// stays and is judged by them.
    pub(super) fn change_rules(
        &mut self,
        settings: &Settings,
        sources: &[TopicSource],
        program: &Arc<Program>,
        repartition: Option<Arc<Repartition>>,
        shards: Vec<Shard>,
    ) -> std::io::Result<()> {
        debug_assert!(self.away.is_empty() && shards.len() == self.entries.len(), "one for each, at home");
        self.judge = Judge::new(program, sources, settings.limits, repartition.clone());
        self.marks = repartition.clone().map(Marks::new);
        self.repartition = repartition;
        self.workers = Workers::start(settings.threads.get() - 1, &self.judge)?;
        self.dropped = DroppedRuns::new(program, &self.metrics);
        self.program = Arc::clone(program);
        for (entry, shard) in self.entries.iter_mut().zip(shards) {
            entry.shard = shard;
            entry.feeds.iter_mut().for_each(|feed| feed.forgotten_ids = 0);
            // So that a restart takes up the state of these rules.
            entry.kept.hurry();
            entry.shard.keep_changed();
        }
        Ok(())
    }

    /// How many runs are open of each rule and measure.
    pub(super) fn open_by_rule(&self) -> BTreeMap<String, usize> {
        let mut open = BTreeMap::new();
        for (name, runs) in self.entries.iter().flat_map(|entry| entry.shard.stream().open_by_rule()) {
            *open.entry(name.to_owned()).or_default() += runs;
        }
        open
    }

    /// Takes a message as the client gives it, for the next batch.
    pub(super) fn on_message(&mut self, message: &Message<'_>) {
        let Message { offset, timestamp_ms, key, payload, .. } = *message;
        let Some(source) = self.sources.iter().find(|source| source.topic == message.topic) else { return };
        let slot = usize::try_from(message.partition).ok().and_then(|number| source.slots.get(number));
        let Some((at, input)) = slot.copied().flatten() else { return };
        self.messages += 1;
        self.bytes += key.map_or(0, <[u8]>::len) + payload.map_or(0, <[u8]>::len);
        self.incoming[at].push(Record { input, offset, timestamp_ms, key, payload });
    }

    /// Whether the next batch takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.messages >= BATCH_MESSAGES || self.bytes >= BATCH_BYTES
    }

    /// Whether shards are judged, or their alerts wait to be sent.
    pub(super) fn is_at_work(&self) -> bool {
        !self.away.is_empty() || self.entries.iter().any(|entry| entry.touched)
    }

    /// The partitions of a topic that have messages in the next batch, with the last offset of each.
    pub(super) fn incoming_of(&self, topic: &str) -> Vec<(i32, i64)> {
        let mut ends = Vec::new();
        for (entry, incoming) in self.entries.iter().zip(&self.incoming) {
            for (input, feed) in entry.feeds.iter().enumerate().filter(|(_, feed)| feed.partition.topic == topic) {
                ends.extend(incoming.last_offset(input).map(|offset| (feed.partition.number, offset)));
            }
        }
        ends
    }

    /// Has the next batch judged: at once where it is small, otherwise while the next one is read.
    pub(super) fn judge(&mut self) {
        let read_at = self.read_at();
        let alone = self.messages < ALONE_MESSAGES || self.workers.count() == 0;
        (self.messages, self.bytes) = (0, 0);
        for (entry, incoming) in self.entries.iter_mut().zip(&mut self.incoming) {
            if !incoming.is_empty() {
                entry.touched = true;
                std::mem::swap(&mut entry.batch, incoming);
            }
        }
        if alone {
            let due = self.entries.iter_mut().filter(|entry| !entry.batch.is_empty());
            due.for_each(|entry| self.judge.judge(entry, read_at));
            return;
        }
        for (at, entry) in self.entries.drain(..).enumerate() {
            if entry.batch.is_empty() {
                self.away.push(Some(entry));
            } else {
                self.away.push(None);
                self.workers.give(Job { at, entry, read_at });
            }
        }
    }

    /// Waits until the last batch is judged, and sends what came of it.
    pub(super) fn collect(&mut self, source: &dyn Consumer, outputs: &mut Outputs) -> Result<(), FeedError> {
        while let Some(Job { at, entry, .. }) = self.workers.take(&mut self.judge) {
            self.away[at] = Some(entry);
        }
        self.entries.extend(self.away.drain(..).map(|entry| entry.expect("all are back")));
        for at in 0..self.entries.len() {
            if !self.entries[at].touched {
                continue;
            }
            self.send_found(at, outputs)?;
            self.settle(at, source, outputs)?;
        }
        self.send(outputs)
    }

    /// Sends the alerts of shards that were stepped.
    fn send(&mut self, outputs: &mut Outputs) -> Result<(), FeedError> {
        for entry in self.entries.iter_mut().filter(|entry| entry.touched) {
            entry.touched = false;
            entry.shard.step(Step::Release);
            for alert in entry.shard.take_alerts() {
                outputs.alert(&alert)?;
            }
            for feed in &mut entry.feeds {
                self.sources[feed.source].count(std::mem::take(&mut feed.counts), &self.metrics);
            }
        }
        Ok(())
    }

    /// Sends what was found in a shard's batch, which is done with then.
    fn send_found(&mut self, at: usize, outputs: &mut Outputs) -> Result<(), FeedError> {
        let mut batch = std::mem::take(&mut self.entries[at].batch);
        self.send_on(at, &batch, outputs)?;
        batch.clear();
        self.entries[at].batch = batch;
        Ok(())
    }

    /// Sends the messages of a batch that go to the dead letters or to the repartition topic.
    fn send_on(&mut self, at: usize, batch: &Batch, outputs: &mut Outputs) -> Result<(), FeedError> {
        let entry = &mut self.entries[at];
        let (mut letters, forwards) = (std::mem::take(&mut entry.letters), std::mem::take(&mut entry.forwards));
        self.forward(at, &forwards, batch, &mut letters, outputs)?;
        self.dead_letters(at, &letters, batch, outputs)
    }

    /// Sends events to the repartition topic. One that the topic does not take is judged only where it came from.
    fn forward(
        &self,
        at: usize,
        forwards: &[Forward],
        batch: &Batch,
        letters: &mut Vec<Letter>,
        outputs: &mut Outputs,
    ) -> Result<(), FeedError> {
        let Some(repartition) = &self.repartition else { return Ok(()) };
        let mut bytes = Vec::new();
        for Forward { at: place, places, is_future } in forwards {
            let Record { input, offset, payload, .. } = batch.get(*place);
            let Partition { topic, number } = &self.entries[at].feeds[input].partition;
            let (partition, is_future, payload) = (*number, *is_future, payload.unwrap_or_default());
            bytes.clear();
            Brought::Event { topic, partition, offset, is_future, payload }.write(&mut bytes);
            for to in places {
                match outputs.forward(&repartition.topic, *to, &bytes) {
                    Err(OutputError::Outbox(error @ OutboxError::TooLarge { .. })) => {
                        letters.push(Letter { at: *place, reason: "too_large", detail: error.to_string() });
                        break;
                    }
                    sent => sent?,
                }
            }
        }
        Ok(())
    }

    /// Says behind the repartition topic how far event time has come, before a commit.
    pub(super) fn say_marks(&mut self, outputs: &mut Outputs) -> Result<(), FeedError> {
        let now = self.clock.now();
        match &mut self.marks {
            Some(marks) => Ok(marks.say(&mut self.entries, outputs, now)?),
            None => Ok(()),
        }
    }

    fn dead_letters(
        &self,
        at: usize,
        letters: &[Letter],
        batch: &Batch,
        outputs: &mut Outputs,
    ) -> Result<(), FeedError> {
        for Letter { at: place, reason, detail } in letters {
            let Record { input, offset, timestamp_ms, key, payload } = batch.get(*place);
            let Partition { topic, number } = &self.entries[at].feeds[input].partition;
            let (source, partition) = (topic.as_str(), *number);
            outputs.dead_letter(&DeadLetter {
                source,
                partition,
                offset,
                timestamp_ms,
                key,
                payload,
                reason,
                detail,
            })?;
        }
        Ok(())
    }

    /// Lets the time of quiet partitions go on, and keeps fast partitions from running away from slow ones.
    pub(super) fn tick(&mut self, source: &dyn Consumer, outputs: &mut Outputs) -> Result<(), FeedError> {
        let now = self.clock.now();
        for (entry, incoming) in self.entries.iter_mut().zip(&self.incoming) {
            // Behind the repartition topic time goes on as its marks say.
            if entry.shard.is_speaking() && !entry.shard.is_behind() {
                for input in (0..entry.feeds.len()).filter(|input| incoming.last_offset(*input).is_none()) {
                    let timeout = self.sources[entry.feeds[input].source].idle_timeout;
                    entry.let_time_go_on(input, timeout, now);
                }
                entry.hold_back(source)?;
            }
        }
        for at in 0..self.entries.len() {
            self.settle(at, source, outputs)?;
        }
        self.send(outputs)
    }

    /// Takes a report of the client on how far its fetching is. A partition whose commit was not stored in time is
    /// returned, and will be committed again.
    pub(super) fn on_progress(&mut self, report: &[Progress]) -> Option<Partition> {
        let (mut failed, now) = (None, self.clock.now());
        for (Entry { shard, feeds, .. }, incoming) in self.entries.iter_mut().zip(&self.incoming) {
            for (input, feed) in feeds.iter_mut().enumerate() {
                let Ok(found) = report.binary_search_by(|progress| progress.partition.cmp(&feed.partition)) else {
                    continue;
                };
                feed.on_progress(&report[found], shard.next(input), now);
                if feed.is_commit_overdue(&report[found], now) {
                    shard.keep_changed();
                    failed = Some(feed.partition.clone());
                }
                feed.at_end &= incoming.last_offset(input).is_none();
                // Control records and compaction leave no message right before the committed offset.
                if feed.at_end && feed.held.is_empty() && !shard.is_speaking() {
                    shard.step(Step::ReadBack { input });
                }
            }
        }
        failed
    }

    /// Sets the gauges and adds what the engines have counted.
    pub(super) fn measure(&mut self) {
        let (now, now_ms) = (self.clock.now(), self.clock.wall_ms());
        let (mut open_runs, mut waiting) = (0, 0);
        for Entry { shard, feeds, .. } in &mut self.entries {
            open_runs += gauge(shard.stream().open_runs());
            waiting += gauge(shard.stream().waiting());
            let watermark = shard.stream().watermark();
            for (input, feed) in feeds.iter_mut().enumerate() {
                let label = Metrics::partition(&feed.partition.topic, feed.partition.number);
                self.metrics.consumer_lag.get_or_create(&label).set(feed.lag);
                let total = shard.stream().forgotten_ids(input);
                let forgotten = total - std::mem::replace(&mut feed.forgotten_ids, total);
                if forgotten > 0 {
                    IdsForgotten { source: &feed.partition.topic, forgotten }.emit(&self.metrics);
                }
                if let Some(watermark) = watermark {
                    self.metrics.watermark_lag.get_or_create(&label).set(now_ms.saturating_sub(watermark));
                }
            }
            let since = shard.take_stats();
            self.dropped.count(&since.rules, now);
            for (rule, stats) in self.program.rules.iter().zip(&since.rules) {
                let label = || RuleName { rule: rule.name.to_string() };
                if stats.missing_key > 0 {
                    self.metrics.key_missing.get_or_create(&label()).inc_by(stats.missing_key);
                }
                if stats.suppressed > 0 {
                    self.metrics.suppressed.get_or_create(&label()).inc_by(stats.suppressed);
                }
            }
            for (measure, stats) in self.program.measures.iter().zip(&since.measures) {
                if stats.missing_key > 0 {
                    let label = RuleName { rule: measure.name.to_string() };
                    self.metrics.key_missing.get_or_create(&label).inc_by(stats.missing_key);
                }
            }
        }
        self.metrics.open_runs.set(open_runs);
        self.metrics.waiting.set(waiting);
    }

    /// How many messages are still to be read back, as offsets count; nothing where every shard speaks.
    pub(super) fn to_read_back(&self) -> Option<u64> {
        let left = |shard: &Shard, input| u64::try_from(shard.until(input) - shard.next(input)).unwrap_or(0);
        let muted = self.entries.iter().map(|entry| &entry.shard).filter(|shard| !shard.is_speaking());
        muted.map(|shard| (0..shard.inputs()).map(|input| left(shard, input)).sum()).reduce(|a: u64, b| a + b)
    }

    /// A partition that has messages and gives none, though nothing holds it.
    pub(super) fn stuck(&self, after: Duration) -> Option<&Partition> {
        let now = self.clock.now();
        let mut feeds = self.entries.iter().flat_map(|entry| &entry.feeds);
        feeds.find(|feed| feed.is_stuck(after, now)).map(|feed| &feed.partition)
    }

    /// What is to be committed: partitions with the next offset and what is known there.
    pub(super) fn changed(&mut self) -> Vec<(Partition, i64, Mark)> {
        let (mut changed, now) = (Vec::new(), self.clock.now());
        for Entry { shard, feeds, kept, .. } in &mut self.entries {
            if shard.take_changed() {
                kept.commit((0..feeds.len()).map(|input| shard.next(input)).sum());
                for (input, feed) in feeds.iter_mut().enumerate() {
                    let next = shard.next(input);
                    // A transaction is waited for; otherwise only the client's reports tell what came of a commit.
                    if self.delivery == Delivery::AtLeastOnce {
                        feed.committing.get_or_insert((next, now));
                    }
                    let mark = shard.mark(input).naming(kept.named());
                    changed.push((feed.partition.clone(), next, mark));
                }
            }
        }
        changed
    }

    /// Everything is to be committed again: the last commit failed.
    pub(super) fn keep_changed(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.shard.keep_changed());
    }

    /// Pauses partitions that have read back and wait, goes on with those whose shard speaks and whose turn it is.
    fn settle(&mut self, at: usize, source: &dyn Consumer, outputs: &mut Outputs) -> Result<(), FeedError> {
        for input in 0..self.entries[at].feeds.len() {
            self.entries[at].pause_waiting(input, source)?;
            if self.entries[at].can_go_on(input) {
                self.judge_held(at, input, outputs)?;
                self.entries[at].go_on(input, source, self.clock.now())?;
            }
        }
        Ok(())
    }

    fn judge_held(&mut self, at: usize, input: usize, outputs: &mut Outputs) -> Result<(), FeedError> {
        let read_at = self.read_at();
        let entry = &mut self.entries[at];
        let held = std::mem::take(&mut entry.feeds[input].held);
        if held.is_empty() {
            return Ok(());
        }
        entry.touched = true;
        self.judge.judge_held(entry, &held, read_at);
        self.send_on(at, &held, outputs)
    }

    fn read_at(&self) -> ReadAt {
        ReadAt { now: self.clock.now(), now_ms: self.clock.wall_ms() }
    }
}

impl Source {
    fn count(&self, counts: Counts, metrics: &Metrics) {
        let Counts { events, bytes, replayed, future, duplicates, tombstones, late } = counts;
        self.events.inc_by(events);
        self.bytes.inc_by(bytes);
        self.replayed.inc_by(replayed);
        self.future.inc_by(future);
        self.duplicates.inc_by(duplicates);
        self.tombstones.inc_by(tombstones);
        let Late { processed, dropped, dead_letters } = late;
        for (policy, count) in [("process", processed), ("drop", dropped), ("dead-letter", dead_letters)] {
            if count > 0 {
                let label = TopicReason { topic: self.topic.clone(), reason: Reason(policy) };
                metrics.late.get_or_create(&label).inc_by(count);
            }
        }
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
