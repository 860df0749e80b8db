//! The detection loop over topics: poll, step, send, and commit what the sent alerts cover.
//!
//! One plain thread; while it reads, others judge what was read before (`workers`). Everything that can fail for good
//! ends a session; the clients are then made anew and the state is read back. Offsets are committed together with all
//! alerts and dead letters before them, or after these (`commit`), so a crash loses none.

mod commit;
mod reload;
mod snapshots;
mod start;
#[cfg(feature = "testing")]
pub(super) mod stepped;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use crate::config::{KafkaSettings, Settings, Start, TopicSource};
use crate::daemon::feed::{Entry, Feed};
use crate::daemon::feeds::{FeedError, Feeds};
use crate::daemon::health::Health;
use crate::daemon::instance::Instance;
use crate::daemon::kept::Kept;
use crate::daemon::live::snapshots::{Coming, Keeper};
use crate::daemon::live::start::{prepare_repartition, read_tables, wait_for_topics};
use crate::daemon::offsets::{Mark, Snapshots};
use crate::daemon::output::{OutputError, Outputs};
use crate::daemon::outside::{Clock, Consumer, Outside};
use crate::daemon::repartition::Repartition;
use crate::daemon::rulebook::Rulebook;
use crate::daemon::shard::{Begin, Rules, Shard};
use crate::daemon::shutdown::Shutdown;
use crate::daemon::tables::Tables;
use crate::daemon::topology::Topology;
use crate::intake::{input_settings, topic_names};
use crate::program::Program;
use crate::sink::kafka::OutboxError;
use crate::source::kafka::{CommittedOffset, Notice, Partition, SourceError};
use crate::telemetry::{
    Assigned, CaughtUp, ClientsRebuilt, CommitFailed, Metrics, OffsetGap, PartitionsRevoked, ReadBack,
};

const BATCH_TIME: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(100);
const MEASURE: Duration = Duration::from_secs(1);
const SAY: Duration = Duration::from_secs(5);
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last drain may take when the daemon stops or partitions are revoked.
const LAST_DRAIN: Duration = Duration::from_secs(3);
/// A partition that has messages and gives none for so long is assigned anew.
const STUCK_AFTER: Duration = Duration::from_secs(30);
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// What a loop is made with.
pub(super) struct Plan<'a> {
    /// The settings.
    pub(super) settings: &'a Settings,
    /// Their broker.
    pub(super) kafka: &'a KafkaSettings,
    /// Their topics.
    pub(super) sources: &'a [TopicSource],
    /// The rules, which may change.
    pub(super) rules: Rulebook,
    /// What is counted.
    pub(super) metrics: Metrics,
    /// What is asked for.
    pub(super) health: Health,
    /// The wish to stop.
    pub(super) shutdown: Shutdown,
    /// What tells this copy from the others.
    pub(super) instance: Instance,
    /// Whether it has a name in the group; not after it was shut out by one of that name.
    pub(super) joins_by_name: Cell<bool>,
    /// Where the clients, the snapshots and the time come from.
    pub(super) outside: &'a dyn Outside,
    /// The time.
    pub(super) clock: Rc<dyn Clock>,
    /// Whether all expected topics have been there once: one that goes missing later is waited for.
    pub(super) has_begun: Cell<bool>,
}

/// Why a session ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// It was asked to, while something that was found could not be sent: nothing more may be committed.
    GaveUp,
    /// The clients have to be made anew.
    Rebuild(String),
    /// A person has to act.
    Failed(anyhow::Error),
}

impl Ended {
    fn reason(&self) -> String {
        match self {
            Ended::Stopped | Ended::GaveUp => "the broker did not acknowledge in time".to_owned(),
            Ended::Rebuild(reason) => reason.clone(),
            Ended::Failed(error) => format!("{error:#}"),
        }
    }
}

impl From<SourceError> for Ended {
    fn from(error: SourceError) -> Ended {
        Ended::Rebuild(error.to_string())
    }
}

impl From<OutputError> for Ended {
    fn from(error: OutputError) -> Ended {
        match error {
            OutputError::Outbox(OutboxError::Stopped) => Ended::GaveUp,
            OutputError::Outbox(OutboxError::Fatal(reason)) => Ended::Rebuild(reason),
            OutputError::Outbox(error @ OutboxError::Fenced { .. }) => Ended::Failed(error.into()),
            error => Ended::Failed(anyhow::Error::new(error).context("stopped, so that nothing is skipped")),
        }
    }
}

impl From<FeedError> for Ended {
    fn from(error: FeedError) -> Ended {
        match error {
            FeedError::Source(error) => error.into(),
            FeedError::Output(error) => error.into(),
        }
    }
}

/// Runs until it is asked to stop, or until a person has to act.
pub(super) fn run(plan: &Plan<'_>) -> anyhow::Result<()> {
    loop {
        let ended = match Session::open(plan) {
            Ok(mut session) => {
                let ended = session.run();
                session.close(&ended);
                ended
            }
            Err(ended) => ended,
        };
        match ended {
            Ended::Stopped | Ended::GaveUp => return Ok(()),
            Ended::Failed(error) => return Err(error),
            Ended::Rebuild(reason) => ClientsRebuilt { reason }.emit(&plan.metrics),
        }
        plan.health.beat(vec!["the kafka clients are made anew".to_owned()]);
        pause(plan, REBUILD_PAUSE);
    }
}

fn pause(plan: &Plan<'_>, time: Duration) {
    let until = plan.clock.now() + time;
    while plan.clock.now() < until && !plan.shutdown.is_asked() {
        plan.clock.sleep(Duration::from_millis(20));
    }
}

/// One life of the clients.
struct Session<'a> {
    plan: &'a Plan<'a>,
    source: Box<dyn Consumer>,
    outputs: Outputs,
    topology: Topology,
    feeds: Feeds,
    tables: Tables,
    keeper: Option<Keeper>,
    program: Arc<Program>,
    /// What the shards of the sources judge of it.
    here: Arc<Program>,
    repartition: Option<Arc<Repartition>>,
    /// The sources, with the repartition topic behind them.
    sources: Vec<TopicSource>,
    /// How many partitions each of the configured ones has.
    counts: Vec<usize>,
    names: Arc<[String]>,
    /// Shards that were taken away, as they were: they may come back unchanged.
    parked: BTreeMap<(usize, i32), Entry>,
    /// Given, but where to begin could not be asked yet.
    pending: Option<(Vec<Partition>, Instant)>,
    assigned: bool,
    reading_back: Option<Reading>,
    committed_at: Instant,
    committed_alerts: u64,
    ticked_at: Instant,
    measured_at: Instant,
    said_at: Instant,
}

/// A partition that was given to this copy, the place of its source, and what was committed.
type Given = (Partition, usize, Option<CommittedOffset>);

struct Reading {
    of: u64,
    since: Instant,
    said: Instant,
}

impl<'a> Session<'a> {
    fn open(plan: &'a Plan<'a>) -> Result<Session<'a>, Ended> {
        let Plan { settings, sources, metrics, shutdown, outside, clock, .. } = plan;
        let active = plan.rules.active();
        let program = &active.program;
        let failed = |error: anyhow::Error| Ended::Failed(error);
        let consumer = |member| {
            let consumer = outside.consumer(member);
            consumer.map_err(|error| failed(anyhow::Error::new(error).context("no kafka client with these properties")))
        };
        let looking = consumer(None)?;
        let counts = wait_for_topics(plan, program, &*looking)?;
        let mut topology = Topology::new(sources, &counts, program).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            failed(anyhow!(crate::daemon::Refused(lines.join("\n"))))
        })?;
        let repartition = prepare_repartition(plan, &mut topology, &counts, program, &*looking)?;
        let mut sources = sources.to_vec();
        sources.extend(repartition.as_ref().map(|repartition| repartition.as_source()));
        let topics: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
        drop(looking);
        let source = consumer(plan.joins_by_name.get().then(|| plan.instance.member(&topics)))?;
        let tables = read_tables(plan, &active)?;
        let names = topic_names(&sources);
        let id = plan.instance.transactional_id();
        let producer = |_: &_| outside.producer(id);
        let outputs = Outputs::open(settings, Arc::clone(&names), metrics.clone(), shutdown.flag(), producer);
        let mut outputs = outputs.map_err(failed)?;
        if repartition.is_some() {
            outputs.need_producer(|| outside.producer(id)).map_err(failed)?;
        }
        // Before any offset is asked for: what an earlier life of this copy left open is then committed or taken back.
        outputs.init(|| {
            plan.health.beat(vec!["the broker has not ended the last transaction yet".to_owned()]);
            shutdown.is_asked()
        })?;
        source.subscribe(&topics)?;
        let now = clock.now();
        Ok(Session {
            plan,
            source,
            outputs,
            feeds: Feeds::new(settings, &sources, program, (metrics, Rc::clone(clock)), repartition.clone())
                .map_err(|error| failed(anyhow::Error::new(error).context("no threads to judge with")))?,
            tables,
            keeper: Keeper::open(plan),
            here: topology.apart.here(program),
            topology,
            program: Arc::clone(program),
            repartition,
            sources,
            counts,
            names,
            parked: BTreeMap::new(),
            pending: None,
            assigned: false,
            reading_back: None,
            committed_at: now,
            committed_alerts: 0,
            ticked_at: now,
            measured_at: now,
            said_at: now,
        })
    }

    fn run(&mut self) -> Ended {
        loop {
            if self.plan.shutdown.is_asked() {
                return Ended::Stopped;
            }
            if let Err(ended) = self.turn() {
                return ended;
            }
        }
    }

    fn turn(&mut self) -> Result<(), Ended> {
        self.read()?;
        self.feeds.collect(&*self.source, &mut self.outputs)?;
        self.tables.poll(self.feeds.entries())?;
        for notice in self.source.notices() {
            self.on_notice(notice)?;
        }
        self.retry_assignment()?;
        self.tick()?;
        self.commit_if_due()?;
        self.reload_if_wished()?;
        self.tables.catch_up(&mut self.feeds)?;
        self.feeds.judge();
        Ok(self.outputs.poll()?)
    }

    /// Reads the next batch, while the last one may be judged.
    fn read(&mut self) -> Result<(), Ended> {
        let idle = self.plan.kafka.commit_interval.min(TICK) / 2;
        let mut wait = if self.feeds.is_at_work() { Duration::ZERO } else { idle };
        let mut began = None;
        for taken in 1.. {
            let feeds = &mut self.feeds;
            match self.source.poll(wait, &mut |message| feeds.on_message(message)) {
                Ok(true) => {}
                Err(SourceError::Fatal(reason)) => return Err(Ended::Rebuild(reason)),
                Err(SourceError::ShutOut(reason)) => return Err(self.shut_out(reason)),
                // An error was told by the client's callback, and the client goes on trying.
                Err(SourceError::Retry(_)) | Ok(false) => break,
            }
            wait = Duration::ZERO;
            let clock = &self.plan.clock;
            let began = *began.get_or_insert_with(|| clock.now());
            if self.feeds.is_full() || (taken % 32 == 0 && clock.since(began) > BATCH_TIME) {
                break;
            }
        }
        Ok(())
    }

    fn on_notice(&mut self, notice: Notice) -> Result<(), Ended> {
        match notice {
            Notice::Assigned(partitions) => {
                self.pending = Some((partitions, self.plan.clock.now()));
                Ok(())
            }
            Notice::Revoked(partitions) => self.on_revoked(&partitions),
            Notice::Progress(report) => {
                if let Some(Partition { topic, number }) = self.feeds.on_progress(&report) {
                    let error = format!("the broker did not store the offset of partition {number} of `{topic}`");
                    CommitFailed { error }.emit(&self.plan.metrics);
                }
                Ok(())
            }
        }
    }

    fn on_revoked(&mut self, partitions: &[Partition]) -> Result<(), Ended> {
        let lost = self.source.is_assignment_lost();
        PartitionsRevoked { partitions: partitions.len(), lost }.emit();
        self.pending = None;
        let committed = if lost { Ok(()) } else { self.commit_last() };
        self.source.unassign()?;
        committed?;
        let entries = self.feeds.take();
        if !lost || !self.is_exactly_once() {
            self.parked = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        } else if self.outputs.is_open() {
            // Another member may have the partitions already, and says the same again.
            return Err(Ended::Rebuild("partitions were lost with alerts that are not committed".to_owned()));
        }
        self.assigned = false;
        self.reading_back = None;
        Ok(())
    }

    fn retry_assignment(&mut self) -> Result<(), Ended> {
        let now = self.plan.clock.now();
        let Some((partitions, due)) = self.pending.take_if(|(_, due)| *due <= now) else { return Ok(()) };
        match self.assign(&partitions) {
            Err(Ended::Rebuild(reason)) => {
                tracing::warn!(reason, "it is not known yet where to begin; asked again");
                self.pending = Some((partitions, due + Duration::from_secs(1)));
                Ok(())
            }
            done => done,
        }
    }

    /// Finds out where each partition begins, makes or finds its shard, and begins to read.
    fn assign(&mut self, partitions: &[Partition]) -> Result<(), Ended> {
        self.begin_group(partitions)?;
        let mut committed = self.source.committed(partitions, BROKER_TIMEOUT)?;
        let mut shards: BTreeMap<(usize, i32), Vec<Given>> = BTreeMap::new();
        for (partition, committed) in partitions.iter().zip(committed.drain(..)) {
            let (source, cohort) = self.place(partition)?;
            let inputs = shards.entry((cohort, partition.number)).or_default();
            inputs.push((partition.clone(), source, committed));
        }
        let (mut entries, mut kept) = (Vec::new(), 0);
        for (id, mut inputs) in shards {
            inputs.sort_by_key(|(_, source, _)| *source);
            match self.unpark(id, &inputs) {
                Some(entry) => {
                    kept += entry.feeds.len();
                    entries.push(entry);
                }
                None => {
                    entries.push(self.rebuild(id, inputs)?);
                    // Large states take their time.
                    self.plan.health.beat(vec!["taking up the state of partitions".to_owned()]);
                }
            }
        }
        self.parked.clear();
        self.tables.give(&mut entries);
        self.feeds.set(entries);
        self.begin_to_read(partitions.len(), kept)
    }

    fn begin_to_read(&mut self, partitions: usize, kept: usize) -> Result<(), Ended> {
        let mut begin = Vec::with_capacity(partitions);
        for Entry { shard, feeds, .. } in self.feeds.entries() {
            begin.extend(feeds.iter().enumerate().map(|(input, feed)| (feed.partition.clone(), shard.next(input))));
        }
        self.source.assign(&begin)?;
        self.assigned = true;
        let to_read_back = self.feeds.to_read_back();
        let now = self.plan.clock.now();
        self.reading_back = to_read_back.map(|of| Reading { of, since: now, said: now });
        Assigned { partitions, kept, to_read_back: to_read_back.unwrap_or(0) }.emit();
        Ok(())
    }

    /// The source and cohort of a partition; one that was not there when the daemon looked needs a new look.
    fn place(&self, partition: &Partition) -> Result<(usize, usize), Ended> {
        let source = self.sources.iter().position(|source| source.topic == partition.topic);
        let cohort = source.and_then(|source| self.topology.cohort_of(source));
        let placed = source.zip(cohort).filter(|(_, cohort)| {
            usize::try_from(partition.number).is_ok_and(|number| number < self.topology.cohorts[*cohort].partitions)
        });
        placed.ok_or_else(|| {
            tracing::error!(
                topic = partition.topic,
                "partitions were added: events of one key may lie in two of them, so rules may miss matches"
            );
            Ended::Rebuild(format!("the topic `{}` has more partitions", partition.topic))
        })
    }

    /// A shard that was taken away and comes back exactly as committed keeps its state.
    fn unpark(&mut self, id: (usize, i32), inputs: &[Given]) -> Option<Entry> {
        let entry = self.parked.remove(&id)?;
        let same = entry.shard.is_speaking()
            && entry.feeds.len() == inputs.len()
            && entry.feeds.iter().zip(inputs).enumerate().all(|(input, (feed, (partition, _, committed)))| {
                let here = entry.shard.next(input);
                feed.partition == *partition && committed.as_ref().is_some_and(|committed| committed.offset == here)
            });
        same.then_some(entry)
    }

    fn rebuild(&mut self, id: (usize, i32), inputs: Vec<Given>) -> Result<Entry, Ended> {
        let (mut begin, mut low) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
        let mut feeds = Vec::with_capacity(inputs.len());
        for (partition, source, committed) in inputs {
            let (from, oldest) = self.begin(&partition, source, committed)?;
            begin.push(from);
            low.push(oldest);
            feeds.push(Feed::new(partition, source, self.plan.clock.now()));
        }
        let rules = self.rules_of(id);
        let coming = Coming { rules: &rules, feeds: &feeds, begin: &begin, low: &low, tables: self.tables.rows() };
        let restored = self.keeper.as_ref().and_then(|keeper| keeper.restore(&coming));
        let (shard, kept) = restored
            .unwrap_or_else(|| (Shard::new(rules, &begin), Kept::new(Snapshots::default(), self.plan.clock.now())));
        Ok(Entry::new(id, shard, feeds, kept))
    }

    /// What a shard judges.
    pub(super) fn rules_of(&self, (cohort, number): (usize, i32)) -> Rules {
        // By the number of all partitions, so that what a shard keeps does not depend on where the others are.
        let limits = self.plan.settings.limits.open.share(self.topology.shards());
        let (sources, partition) = (Arc::clone(&self.names), usize::try_from(number).unwrap_or(0));
        match &self.repartition {
            Some(repartition) if cohort + 1 == self.topology.cohorts.len() => {
                let behind = Some(repartition.shard(partition));
                Rules { program: Arc::clone(&repartition.program), sources, limits, behind }
            }
            _ => Rules { program: Arc::clone(&self.here), sources, limits, behind: None },
        }
    }

    /// Where a partition begins without a snapshot: for a group that knows it, where the group began, muted up to what was
    /// committed. Gives its oldest offset too.
    fn begin(
        &self,
        partition: &Partition,
        source: usize,
        committed: Option<CommittedOffset>,
    ) -> Result<(Begin, i64), Ended> {
        let time = input_settings(self.sources[source].time, self.plan.settings.limits);
        let (low, high) = self.source.bounds(partition, BROKER_TIMEOUT)?;
        let Some(CommittedOffset { offset, metadata }) = committed else {
            return Ok((Begin { from: low, until: low, mark: Mark::new(None, None, false), settings: time }, low));
        };
        let mark = Mark::from_metadata(&metadata).unwrap_or_default();
        let gap = |wanted| {
            let (topic, partition) = (partition.topic.clone(), partition.number);
            OffsetGap { topic, partition, wanted, low, high }.emit(&self.plan.metrics);
        };
        if offset > high {
            gap(offset);
            return Ok((Begin { from: low, until: low, mark: Mark::new(None, None, false), settings: time }, low));
        }
        if offset < low {
            gap(offset);
        }
        let from = mark.start.unwrap_or(low).clamp(low, high);
        Ok((Begin { from, until: offset.max(from), mark, settings: time }, low))
    }

    /// A new group that does not begin at the oldest event stores at once where it begins, for all partitions: that
    /// must depend neither on when it first commits nor on who gets which partition. The member that has the first
    /// partition does it and the others wait for it: two of them would undo each other's first commits. A partition that
    /// has nothing stored later on was added since, and is read from its oldest event.
    fn begin_group(&self, given: &[Partition]) -> Result<(), Ended> {
        for (at, settings) in self.plan.sources.iter().enumerate().filter(|(_, s)| s.start != Start::Earliest) {
            let count = self.topology.cohort_of(at).map_or(0, |cohort| self.topology.cohorts[cohort].partitions);
            let number = |number| Partition { topic: settings.topic.clone(), number };
            let all: Vec<Partition> = (0..i32::try_from(count).unwrap_or(i32::MAX)).map(number).collect();
            let is_mine = |partition: &Partition| given.contains(partition);
            if !all.iter().any(is_mine) || self.source.committed(&all, BROKER_TIMEOUT)?.iter().any(Option::is_some) {
                continue;
            }
            if !all.first().is_some_and(is_mine) {
                let topic = &settings.topic;
                return Err(Ended::Rebuild(format!("another copy has to say where the group begins in `{topic}`")));
            }
            let mut begin = Vec::with_capacity(all.len());
            for partition in &all {
                let from = self.first(partition, settings.start)?;
                begin.push((partition, from, Mark::new(Some(from), None, false).to_metadata()));
            }
            let begin: Vec<_> =
                begin.iter().map(|(partition, from, mark)| (*partition, *from, mark.as_str())).collect();
            self.source.commit(&begin, true)?;
        }
        Ok(())
    }

    fn first(&self, partition: &Partition, start: Start) -> Result<i64, Ended> {
        let (low, high) = self.source.bounds(partition, BROKER_TIMEOUT)?;
        Ok(match start {
            Start::Earliest => low,
            Start::Latest => high,
            Start::Time(ms) => self.source.offset_at(partition, ms, BROKER_TIMEOUT)?.unwrap_or(high),
        })
    }

    fn tick(&mut self) -> Result<(), Ended> {
        let now = self.plan.clock.now();
        if now.duration_since(self.ticked_at) < TICK {
            return Ok(());
        }
        self.ticked_at = now;
        self.feeds.tick(&*self.source, &mut self.outputs)?;
        if let Some(keeper) = &mut self.keeper {
            keeper.look(self.feeds.entries(), Duration::ZERO);
            self.plan.health.snapshots(keeper.trouble());
        }
        self.say_read_back(now);
        self.plan.health.beat(self.not_ready());
        if now.duration_since(self.measured_at) >= MEASURE {
            self.measured_at = now;
            self.feeds.measure();
            self.plan.rules.set_open(self.feeds.open_by_rule());
        }
        if now.duration_since(self.said_at) >= SAY {
            self.said_at = now;
            self.outputs.say_dead_letters();
            self.check_stuck()?;
        }
        Ok(())
    }

    fn check_stuck(&self) -> Result<(), Ended> {
        match self.feeds.stuck(STUCK_AFTER).filter(|_| self.source.trouble().is_none()) {
            Some(Partition { topic, number }) => {
                Err(Ended::Rebuild(format!("partition {number} of `{topic}` has messages and gives none")))
            }
            None => Ok(()),
        }
    }

    fn say_read_back(&mut self, now: Instant) {
        let Some(reading) = &mut self.reading_back else { return };
        match self.feeds.to_read_back() {
            None => {
                let milliseconds = u64::try_from(now.duration_since(reading.since).as_millis()).unwrap_or(u64::MAX);
                CaughtUp { partitions: self.feeds.entries().iter().map(|entry| entry.feeds.len()).sum(), milliseconds }
                    .emit();
                self.reading_back = None;
            }
            Some(left) if now.duration_since(reading.said) >= SAY => {
                reading.said = now;
                ReadBack { done: reading.of.saturating_sub(left), of: reading.of }.emit();
            }
            Some(_) => {}
        }
    }

    fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.assigned {
            reasons.push("no partitions assigned yet".to_owned());
        }
        if let Some(left) = self.feeds.to_read_back() {
            reasons.push(format!("reading back: {left} messages to go"));
        }
        let troubles = self.source.trouble().into_iter().chain(self.outputs.trouble());
        reasons.extend(troubles.map(|trouble| format!("kafka: {trouble}")));
        reasons
    }

    /// Leaves the group, after committing what is done where that can be trusted. Clients that are made anew come back as
    /// the same member.
    fn close(mut self, ended: &Ended) {
        if matches!(ended, Ended::Stopped) {
            let committed = self.commit_all(true).and_then(|()| self.snapshot_last());
            if let Err(ended) = committed {
                CommitFailed { error: ended.reason() }.emit(&self.plan.metrics);
            }
            self.feeds.measure();
            self.outputs.say_dead_letters();
        }
        self.abandon(ended);
        if !matches!(ended, Ended::Rebuild(_)) {
            self.source.close();
        }
    }
}

/// Alerts and dead letters are named in the settings; a topic among them is ours.
pub(super) fn own_topics(settings: &Settings) -> Vec<&str> {
    use crate::config::{AlertsTo, DeadLettersTo};
    let mut topics = Vec::new();
    if let AlertsTo::Topic(topic) = &settings.alerts {
        topics.push(topic.as_str());
    }
    if let DeadLettersTo::Topic(topic) = &settings.dead_letters {
        topics.push(topic.as_str());
    }
    topics
}

/// A broker is configured; the configuration has checked it.
pub(super) fn broker(settings: &Settings) -> anyhow::Result<&KafkaSettings> {
    settings.kafka.as_ref().context("no broker is configured")
}
