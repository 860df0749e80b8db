//! From assigned partitions to shards: decodes messages, steps the shard that they belong to, pauses and resumes
//! partitions, and lets time go on where nothing comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use rdkafka::message::{BorrowedMessage, Message, OwnedMessage};

use crate::config::{Settings, TopicSource};
use crate::daemon::offsets::Mark;
use crate::daemon::output::{DeadLetter, OutputError, Outputs};
use crate::daemon::shard::{Shard, Step, Stepped};
use crate::engine::{Admission, LatePolicy};
use crate::event::Event;
use crate::intake::{Intake, Taken};
use crate::program::Program;
use crate::source::kafka::{KafkaSource, Partition, Progress, SourceError};
use crate::telemetry::{IdsForgotten, Metrics, Reason, RuleName, TopicReason};

/// When so many events of a shard wait for the slowest of its partitions, the others are paused.
const WAITING_MAX: usize = 50_000;
/// They go on when so few wait.
const WAITING_LOW: usize = 10_000;
/// A commit that the broker is not seen to have stored after so long has failed.
const COMMIT_OVERDUE: Duration = Duration::from_secs(5);

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
    sources: Vec<Source>,
    entries: Vec<Entry>,
    event: Event,
    now_ms: i64,
}

/// What is the same for all partitions of a topic.
struct Source {
    topic: String,
    intake: Intake,
    max_future_ms: i64,
    idle_timeout: Duration,
    /// By partition, the shard and its input.
    slots: Vec<Option<(usize, usize)>>,
    counts: Counts,
    events: Counter,
    bytes: Counter,
    replayed: Counter,
    future: Counter,
    duplicates: Counter,
    tombstones: Counter,
}

/// Counted here, added once a batch.
#[derive(Default)]
struct Counts {
    events: u64,
    bytes: u64,
    replayed: u64,
    future: u64,
    duplicates: u64,
    tombstones: u64,
}

/// A shard with its partitions.
pub(super) struct Entry {
    /// Cohort and partition number.
    pub(super) id: (usize, i32),
    /// The shard.
    pub(super) shard: Shard,
    /// Its inputs, in order.
    pub(super) feeds: Vec<Feed>,
    touched: bool,
}

/// A partition of a shard.
pub(super) struct Feed {
    /// The partition.
    pub(super) partition: Partition,
    /// The place of its topic among the sources.
    pub(super) source: usize,
    /// Messages that came although the partition is paused, in order.
    held: VecDeque<OwnedMessage>,
    paused: bool,
    last_message: Instant,
    /// The end of the log at the last report, if the fetching was there.
    end_seen: Option<i64>,
    at_end: bool,
    elapsed_to: Option<Instant>,
    lag: i64,
    moved: Instant,
    moved_next: i64,
    /// The oldest commit that the broker was not seen to store, and when it was sent.
    committing: Option<(i64, Instant)>,
    /// Ids forgotten before their time, as far as it was said.
    forgotten_ids: u64,
}

impl Feed {
    /// A partition from which nothing has come yet.
    pub(super) fn new(partition: Partition, source: usize) -> Feed {
        let now = Instant::now();
        Feed {
            partition,
            source,
            held: VecDeque::new(),
            paused: false,
            last_message: now,
            end_seen: None,
            at_end: false,
            elapsed_to: None,
            lag: 0,
            moved: now,
            moved_next: -1,
            committing: None,
            forgotten_ids: 0,
        }
    }
}

impl Entry {
    /// A shard over these partitions.
    pub(super) fn new(id: (usize, i32), shard: Shard, feeds: Vec<Feed>) -> Entry {
        debug_assert_eq!(shard.inputs(), feeds.len(), "one partition an input");
        Entry { id, shard, feeds, touched: true }
    }
}

impl Feeds {
    /// Over these topics, with no partition yet.
    pub(super) fn new(
        settings: &Settings,
        sources: &[TopicSource],
        program: &Arc<Program>,
        metrics: &Metrics,
    ) -> Feeds {
        let source = |(at, source): (usize, &TopicSource)| Source {
            topic: source.topic.clone(),
            intake: Intake::new(program, at, source, settings.limits),
            max_future_ms: source.max_future_ms,
            idle_timeout: source.idle_timeout,
            slots: Vec::new(),
            counts: Counts::default(),
            events: Metrics::by_topic(&metrics.events, &source.topic),
            bytes: Metrics::by_topic(&metrics.bytes, &source.topic),
            replayed: Metrics::by_topic(&metrics.replayed, &source.topic),
            future: Metrics::by_topic(&metrics.future, &source.topic),
            duplicates: Metrics::by_topic(&metrics.duplicates, &source.topic),
            tombstones: Metrics::by_topic(&metrics.tombstones, &source.topic),
        };
        Feeds {
            program: Arc::clone(program),
            metrics: metrics.clone(),
            sources: sources.iter().enumerate().map(source).collect(),
            entries: Vec::new(),
            event: Event::default(),
            now_ms: wall_clock_ms(),
        }
    }

    /// Replaces the shards. Their partitions begin to be fetched anew.
    pub(super) fn set(&mut self, mut entries: Vec<Entry>) {
        for source in &mut self.sources {
            source.slots.clear();
        }
        // Partitions that are another copy's now have no lag here.
        self.metrics.consumer_lag.clear();
        self.metrics.watermark_lag.clear();
        for (at, entry) in entries.iter_mut().enumerate() {
            for (input, feed) in entry.feeds.iter_mut().enumerate() {
                *feed = Feed::new(feed.partition.clone(), feed.source);
                let slots = &mut self.sources[feed.source].slots;
                let number = usize::try_from(feed.partition.number).expect("partitions are numbered from 0");
                if slots.len() <= number {
                    slots.resize(number + 1, None);
                }
                slots[number] = Some((at, input));
            }
        }
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
        &mut self.entries
    }

    /// A batch begins.
    pub(super) fn begin_batch(&mut self) {
        self.now_ms = wall_clock_ms();
    }

    /// Takes a message as the client gives it.
    pub(super) fn on_message(
        &mut self,
        source: &KafkaSource,
        outputs: &mut Outputs,
        message: &BorrowedMessage<'_>,
    ) -> Result<(), FeedError> {
        let Some(at) = self.sources.iter().position(|source| source.topic == message.topic()) else { return Ok(()) };
        let slot = usize::try_from(message.partition()).ok().and_then(|number| self.sources[at].slots.get(number));
        let Some((entry, input)) = slot.copied().flatten() else { return Ok(()) };
        let Entry { shard, feeds, .. } = &mut self.entries[entry];
        if message.offset() < shard.next(input) {
            return Ok(());
        }
        if shard.is_beyond(input, message.offset()) {
            shard.step(Step::ReadBack { input });
        }
        let feed = &mut feeds[input];
        if feed.paused || shard.is_waiting(input) {
            if feed.held.back().is_none_or(|last| last.offset() < message.offset()) {
                feed.held.push_back(message.detach());
            }
        } else {
            self.process(entry, input, outputs, message)?;
        }
        self.settle(entry, source, outputs)
    }

    /// A batch has ended: what can be released is, alerts are sent, counts added.
    pub(super) fn end_batch(&mut self, outputs: &mut Outputs) -> Result<(), FeedError> {
        for entry in self.entries.iter_mut().filter(|entry| entry.touched) {
            entry.touched = false;
            entry.shard.step(Step::Release);
            for alert in entry.shard.take_alerts() {
                outputs.alert(&alert)?;
            }
        }
        for source in &mut self.sources {
            let Counts { events, bytes, replayed, future, duplicates, tombstones } = std::mem::take(&mut source.counts);
            source.events.inc_by(events);
            source.bytes.inc_by(bytes);
            source.replayed.inc_by(replayed);
            source.future.inc_by(future);
            source.duplicates.inc_by(duplicates);
            source.tombstones.inc_by(tombstones);
        }
        Ok(())
    }

    /// Lets the time of quiet partitions go on, and keeps fast partitions from running away from slow ones.
    pub(super) fn tick(&mut self, source: &KafkaSource, outputs: &mut Outputs) -> Result<(), FeedError> {
        let now = Instant::now();
        for entry in &mut self.entries {
            if entry.shard.is_speaking() {
                for input in 0..entry.feeds.len() {
                    let timeout = self.sources[entry.feeds[input].source].idle_timeout;
                    entry.let_time_go_on(input, timeout, now);
                }
                entry.hold_back(source)?;
            }
        }
        for at in 0..self.entries.len() {
            self.settle(at, source, outputs)?;
        }
        self.end_batch(outputs)
    }

    /// Takes a report of the client on how far its fetching is. A partition whose commit was not stored in time is
    /// returned, and will be committed again.
    pub(super) fn on_progress(&mut self, report: &[Progress]) -> Option<Partition> {
        let mut failed = None;
        for Entry { shard, feeds, .. } in &mut self.entries {
            for (input, feed) in feeds.iter_mut().enumerate() {
                let Ok(found) = report.binary_search_by(|progress| progress.partition.cmp(&feed.partition)) else {
                    continue;
                };
                feed.on_progress(&report[found], shard.next(input));
                if feed.is_commit_overdue(&report[found]) {
                    shard.keep_changed();
                    failed = Some(feed.partition.clone());
                }
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
                    self.metrics.watermark_lag.get_or_create(&label).set(self.now_ms.saturating_sub(watermark));
                }
            }
            let since = shard.take_stats();
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
        let feeds = self.entries.iter().flat_map(|entry| &entry.feeds);
        let stuck = |feed: &&Feed| feed.lag > 0 && !feed.paused && !feed.at_end && feed.moved.elapsed() > after;
        feeds.filter(|feed| feed.held.is_empty()).find(stuck).map(|feed| &feed.partition)
    }

    /// What is to be committed: partitions with the next offset and what is known there.
    pub(super) fn changed(&mut self) -> Vec<(Partition, i64, Mark)> {
        let mut changed = Vec::new();
        for Entry { shard, feeds, .. } in &mut self.entries {
            if shard.take_changed() {
                for (input, feed) in feeds.iter_mut().enumerate() {
                    let next = shard.next(input);
                    feed.committing.get_or_insert((next, Instant::now()));
                    changed.push((feed.partition.clone(), next, shard.mark(input)));
                }
            }
        }
        changed
    }

    /// Everything is to be committed again: the last commit failed.
    pub(super) fn keep_changed(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.shard.keep_changed());
    }

    fn process(
        &mut self,
        at: usize,
        input: usize,
        outputs: &mut Outputs,
        message: &impl Message,
    ) -> Result<(), FeedError> {
        let Entry { shard, feeds, touched, .. } = &mut self.entries[at];
        let now = Instant::now();
        if shard.is_silent() {
            for feed in feeds.iter_mut() {
                feed.heard(now);
            }
        }
        let feed = &mut feeds[input];
        let source = &mut self.sources[feed.source];
        *touched = true;
        feed.heard(now);
        feed.at_end = false;
        let speaking = shard.is_speaking();
        let payload = message.payload();
        source.counts.bytes += payload.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(0));
        let next = message.offset() + 1;
        let trouble = match source.intake.take(message.partition(), message.offset(), payload, &mut self.event) {
            Ok(Taken::Tombstone) => {
                source.counts.tombstones += u64::from(speaking);
                None
            }
            Ok(Taken::Event) => {
                let future_after_ms = self.now_ms.saturating_add(source.max_future_ms);
                let event = &mut self.event;
                let time_ms = event.time_ms;
                let stepped = shard.step(Step::Event { input, event, next, future_after_ms });
                source.count(speaking);
                admitted(stepped, source, speaking, &self.metrics, time_ms)
            }
            Err(error) => Some((error.reason(), error.to_string())),
        };
        if shard.next(input) < next {
            shard.step(Step::Skip { input, next });
        }
        if let Some((reason, detail)) = trouble
            && speaking
        {
            outputs.dead_letter(&DeadLetter {
                source: &source.topic,
                partition: message.partition(),
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis(),
                key: message.key(),
                payload: message.payload(),
                reason,
                detail: &detail,
            })?;
        }
        Ok(())
    }

    /// Pauses partitions that have read back and wait, resumes those whose shard speaks and whose turn it is.
    fn settle(&mut self, at: usize, source: &KafkaSource, outputs: &mut Outputs) -> Result<(), FeedError> {
        for input in 0..self.entries[at].feeds.len() {
            let Entry { shard, feeds, .. } = &mut self.entries[at];
            let feed = &mut feeds[input];
            if !feed.paused && shard.is_waiting(input) {
                feed.paused = true;
                source.pause(&feed.partition)?;
            }
            let stopped = feed.paused || !feed.held.is_empty();
            // The slowest one always goes on: the others wait for it.
            let turn = |entry: &Entry| entry.shard.stream().waiting() <= WAITING_LOW || entry.slowest() == Some(input);
            if stopped && shard.is_speaking() && turn(&self.entries[at]) {
                self.resume(at, input, source, outputs)?;
            }
        }
        Ok(())
    }

    fn resume(
        &mut self,
        at: usize,
        input: usize,
        source: &KafkaSource,
        outputs: &mut Outputs,
    ) -> Result<(), FeedError> {
        while let Some(message) = self.entries[at].feeds[input].held.pop_front() {
            if message.offset() >= self.entries[at].shard.next(input) {
                self.process(at, input, outputs, &message)?;
            }
        }
        let Entry { shard, feeds, .. } = &mut self.entries[at];
        let feed = &mut feeds[input];
        if std::mem::take(&mut feed.paused) {
            feed.moved = Instant::now();
            source.resume_at(&feed.partition, shard.next(input))?;
        }
        Ok(())
    }
}

impl Source {
    fn count(&mut self, speaking: bool) {
        if speaking {
            self.counts.events += 1;
        } else {
            self.counts.replayed += 1;
        }
    }
}

impl Entry {
    fn let_time_go_on(&mut self, input: usize, timeout: Duration, now: Instant) {
        let feed = &mut self.feeds[input];
        // A paused partition is not at its end, whatever was last seen of it.
        if !feed.at_end || feed.paused || now.duration_since(feed.last_message) < timeout {
            return;
        }
        let since = feed.elapsed_to.replace(now).unwrap_or(now);
        let elapsed_ms = i64::try_from(now.duration_since(since).as_millis()).unwrap_or(i64::MAX);
        // What is less than a millisecond is counted next time.
        feed.elapsed_to = Some(since + Duration::from_millis(u64::try_from(elapsed_ms).unwrap_or(0)));
        self.shard.step(Step::Idle { input, elapsed_ms });
        self.touched = true;
    }

    /// Pauses the partitions that are ahead of the slowest one while too many events wait for it.
    fn hold_back(&mut self, source: &KafkaSource) -> Result<(), SourceError> {
        if self.feeds.len() < 2 || self.shard.stream().waiting() < WAITING_MAX {
            return Ok(());
        }
        let slowest = self.slowest();
        for (input, feed) in self.feeds.iter_mut().enumerate() {
            if Some(input) != slowest && !feed.paused {
                feed.paused = true;
                source.pause(&feed.partition)?;
            }
        }
        Ok(())
    }
}

impl Entry {
    /// The input that holds back the time of the others.
    fn slowest(&self) -> Option<usize> {
        (0..self.feeds.len()).filter(|input| !self.shard.is_idle(*input)).min_by_key(|input| self.shard.high_ms(*input))
    }
}

impl Feed {
    /// Whether a commit was sent and not stored for so long that it must have failed. It is forgotten then.
    fn is_commit_overdue(&mut self, progress: &Progress) -> bool {
        self.committing.take_if(|(offset, _)| progress.committed >= *offset);
        self.committing.take_if(|(_, sent)| sent.elapsed() > COMMIT_OVERDUE).is_some()
    }

    fn heard(&mut self, now: Instant) {
        self.last_message = now;
        self.elapsed_to = None;
    }

    fn on_progress(&mut self, progress: &Progress, next: i64) {
        if progress.lag >= 0 {
            self.lag = progress.lag;
        }
        if next != self.moved_next {
            self.moved_next = next;
            self.moved = Instant::now();
        }
        let there = progress.end >= 0 && progress.end == progress.next;
        // Right behind the last message, or twice in a row with no message between: then only control records follow.
        let quiet = self.last_message.elapsed() > Duration::from_millis(900);
        self.at_end = there && (next >= progress.end || (quiet && self.end_seen == Some(progress.end)));
        self.end_seen = there.then_some(progress.end);
    }
}

/// Counts what became of an event; a late one may have to go to the dead letters.
fn admitted(
    stepped: Stepped,
    source: &mut Source,
    speaking: bool,
    metrics: &Metrics,
    time_ms: i64,
) -> Option<(&'static str, String)> {
    let admission = match stepped {
        Stepped::Done => return None,
        Stepped::Event(admission) => admission,
        Stepped::Future(admission) => {
            if speaking {
                source.counts.future += 1;
            }
            admission
        }
    };
    let (policy, letter) = match admission {
        Admission::Accepted => return None,
        Admission::Duplicate => {
            source.counts.duplicates += u64::from(speaking);
            return None;
        }
        Admission::Raised | Admission::Late(LatePolicy::Process) => ("process", false),
        Admission::Late(LatePolicy::Drop) => ("drop", false),
        Admission::Late(LatePolicy::DeadLetter) => ("dead-letter", true),
    };
    if speaking {
        let label = TopicReason { topic: source.topic.clone(), reason: Reason(policy) };
        metrics.late.get_or_create(&label).inc();
    }
    letter.then(|| ("late", format!("event time {time_ms} ms is before the watermark: see lateness and late")))
}

/// The wall clock in ms. Only ever compared with, never counted by.
pub(super) fn wall_clock_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
