//! A broker with transactions: topics, who may write with a transactional id, and what readers of committed records see.
//! Groups are with their coordinator (`group`).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bug::Bug;
use super::group::Group;
use crate::source::kafka::Partition;

/// The broker ends a transaction that is open for longer, in ms.
pub(super) const TRANSACTION_MS: u64 = 20_100;

/// A record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Nothing for a control record.
    pub(super) body: Option<Body>,
    state: State,
}

/// What a record says.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) key: Option<Rc<[u8]>>,
    pub(super) payload: Rc<[u8]>,
    pub(super) timestamp_ms: i64,
    /// Of a dead letter: the topic, partition and offset of what it was.
    pub(super) origin: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Committed,
    Open,
    Aborted,
}

/// A partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: Vec<Record>,
    /// Up to here all transactions have ended.
    stable: usize,
}

impl Log {
    /// The offset that is written next.
    pub(super) fn end(&self) -> i64 {
        offset(self.records.len())
    }

    /// The offset up to which readers of committed records come.
    pub(super) fn stable(&self) -> i64 {
        offset(self.stable)
    }

    /// The first record at or after an offset that a reader sees, and its offset.
    pub(super) fn next(&self, from: i64, uncommitted: bool) -> Option<(i64, &Body)> {
        let end = if uncommitted { self.records.len() } else { self.stable };
        let mut at = place(from);
        while at < end {
            let record = &self.records[at];
            if let Some(body) = record.body.as_ref().filter(|_| uncommitted || record.state == State::Committed) {
                return Some((offset(at), body));
            }
            at += 1;
        }
        None
    }

    /// All committed records.
    pub(super) fn committed(&self) -> impl Iterator<Item = &Body> {
        self.records.iter().filter(|record| record.state == State::Committed).filter_map(|record| record.body.as_ref())
    }

    fn push(&mut self, body: Option<Body>, state: State) -> i64 {
        self.records.push(Record { body, state });
        self.settle();
        self.end() - 1
    }

    fn settle(&mut self) {
        while self.records.get(self.stable).is_some_and(|record| record.state != State::Open) {
            self.stable += 1;
        }
    }
}

fn offset(at: usize) -> i64 {
    i64::try_from(at).expect("a short log")
}

fn place(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// Why a producer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Another one has its id.
    Fenced,
    /// Its transaction was open for too long.
    Expired,
    /// It is no member of the group any more.
    NoMember,
}

/// Offsets to commit: partition, next offset, metadata.
pub(super) type Offsets = Vec<(Partition, i64, String)>;

#[derive(Debug, Default)]
struct Writer {
    epoch: u32,
    /// The epoch that a timeout has ended.
    expired: Option<u32>,
    open: Option<Open>,
}

#[derive(Debug, Default)]
struct Open {
    since_ms: u64,
    records: Vec<(Partition, usize)>,
    offsets: Offsets,
    /// It is decided that it is committed, and done at this time.
    done_ms: Option<u64>,
}

/// The broker.
#[derive(Debug)]
pub(super) struct Broker {
    logs: BTreeMap<Partition, Log>,
    writers: BTreeMap<String, Writer>,
    pub(super) group: Group,
    pub(super) now_ms: u64,
    /// Until then it answers nobody.
    pub(super) away_until_ms: u64,
    bug: Option<Bug>,
}

impl Broker {
    pub(super) fn new(topics: &[(&str, i32)], bug: Option<Bug>) -> Broker {
        let numbers = |(topic, count): &(&str, i32)| {
            let topic = (*topic).to_owned();
            (0..*count).map(move |number| (Partition { topic: topic.clone(), number }, Log::default()))
        };
        let logs = topics.iter().flat_map(numbers).collect();
        Broker { logs, writers: BTreeMap::new(), group: Group::default(), now_ms: 0, away_until_ms: 0, bug }
    }

    /// Whether it answers nobody.
    pub(super) fn is_away(&self) -> bool {
        self.now_ms < self.away_until_ms
    }

    pub(super) fn log(&self, partition: &Partition) -> &Log {
        &self.logs[partition]
    }

    pub(super) fn logs(&self, topic: &str) -> impl Iterator<Item = (&Partition, &Log)> {
        self.logs.iter().filter(move |(partition, _)| partition.topic == topic)
    }

    pub(super) fn count(&self, topic: &str) -> usize {
        self.logs(topic).count()
    }

    /// Lets time go on: decided transactions are done, and those that are open for too long taken back.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        if self.is_away() {
            return;
        }
        let ids: Vec<String> = self.writers.keys().cloned().collect();
        for id in ids {
            let writer = self.writers.get_mut(&id).expect("it is there");
            let Some(open) = &writer.open else { continue };
            match open.done_ms {
                Some(done_ms) if done_ms <= now_ms => self.end(&id, true),
                None if open.since_ms + TRANSACTION_MS < now_ms => {
                    writer.expired = Some(writer.epoch);
                    writer.epoch += 1;
                    self.end(&id, false);
                }
                _ => {}
            }
        }
        self.group.tick(now_ms);
        self.group.balance(&self.logs.keys().cloned().collect::<Vec<_>>());
    }

    /// Writes a record outside of transactions.
    pub(super) fn append(&mut self, partition: &Partition, body: Body) -> i64 {
        self.log_mut(partition).push(Some(body), State::Committed)
    }

    /// A new producer with this id: it ends what the one before has left, and shuts it out. Gives its epoch.
    pub(super) fn init(&mut self, id: &str) -> u32 {
        let open = self.writers.entry(id.to_owned()).or_default().open.as_ref();
        match open.map(|open| open.done_ms.is_some()) {
            Some(true) => self.end(id, true),
            Some(false) if self.bug != Some(Bug::KeepsOpenTransaction) => self.end(id, false),
            _ => {}
        }
        let writer = self.writers.get_mut(id).expect("made above");
        writer.epoch += 1;
        writer.epoch
    }

    /// Writes a record in a transaction.
    pub(super) fn produce(&mut self, id: &str, epoch: u32, partition: &Partition, body: Body) -> Result<(), Refused> {
        self.open(id, epoch)?;
        let at = place(self.log_mut(partition).push(Some(body), State::Open));
        let writer = self.writers.get_mut(id).expect("it is open");
        writer.open.as_mut().expect("it is open").records.push((partition.clone(), at));
        Ok(())
    }

    /// Puts offsets into a transaction.
    pub(super) fn send_offsets(&mut self, id: &str, epoch: u32, member: u64, offsets: Offsets) -> Result<(), Refused> {
        self.open(id, epoch)?;
        if !self.may_commit(member) {
            return Err(Refused::NoMember);
        }
        let writer = self.writers.get_mut(id).expect("it is open");
        writer.open.as_mut().expect("it is open").offsets.extend(offsets);
        Ok(())
    }

    /// Decides that a transaction is committed; it is done some time later.
    pub(super) fn commit(&mut self, id: &str, epoch: u32, after_ms: u64) -> Result<(), Refused> {
        self.check(id, epoch)?;
        let done_ms = self.now_ms + after_ms;
        if let Some(open) = self.writers.get_mut(id).and_then(|writer| writer.open.as_mut()) {
            open.done_ms = Some(done_ms);
        }
        if after_ms == 0 {
            self.end(id, true);
        }
        Ok(())
    }

    /// Leaves the offsets out of a transaction.
    pub(super) fn forget_offsets(&mut self, id: &str) {
        if let Some(open) = self.writers.get_mut(id).and_then(|writer| writer.open.as_mut()) {
            open.offsets.clear();
        }
    }

    /// Takes a transaction back.
    pub(super) fn abort(&mut self, id: &str, epoch: u32) -> Result<(), Refused> {
        self.check(id, epoch)?;
        self.end(id, false);
        Ok(())
    }

    /// Whether an offset of this partition may be committed any moment.
    pub(super) fn is_pending(&self, partition: &Partition) -> bool {
        let open = self.writers.values().filter_map(|writer| writer.open.as_ref());
        open.flat_map(|open| &open.offsets).any(|(pending, ..)| pending == partition)
    }

    /// Whether this member's offsets are taken.
    pub(super) fn may_commit(&self, member: u64) -> bool {
        self.bug == Some(Bug::IgnoresGeneration) || self.group.is_current(member)
    }

    fn check(&self, id: &str, epoch: u32) -> Result<(), Refused> {
        let writer = &self.writers[id];
        if writer.epoch == epoch || self.bug == Some(Bug::IgnoresEpoch) {
            return Ok(());
        }
        Err(if writer.expired == Some(epoch) && writer.epoch == epoch + 1 { Refused::Expired } else { Refused::Fenced })
    }

    /// The open transaction of a producer; one that is decided is done first.
    fn open(&mut self, id: &str, epoch: u32) -> Result<(), Refused> {
        self.check(id, epoch)?;
        if self.writers[id].open.as_ref().is_some_and(|open| open.done_ms.is_some()) {
            self.end(id, true);
        }
        let now_ms = self.now_ms;
        let writer = self.writers.get_mut(id).expect("it is known");
        writer.open.get_or_insert_with(|| Open { since_ms: now_ms, ..Open::default() });
        Ok(())
    }

    fn end(&mut self, id: &str, committed: bool) {
        let Some(open) = self.writers.get_mut(id).and_then(|writer| writer.open.take()) else { return };
        let state = if committed { State::Committed } else { State::Aborted };
        let mut partitions: Vec<Partition> = Vec::new();
        for (partition, at) in open.records {
            self.log_mut(&partition).records[at].state = state;
            if !partitions.contains(&partition) {
                partitions.push(partition);
            }
        }
        for partition in partitions {
            // The marker of its end takes an offset.
            self.log_mut(&partition).push(None, State::Committed);
        }
        if committed {
            self.group.store(open.offsets);
        }
    }

    fn log_mut(&mut self, partition: &Partition) -> &mut Log {
        self.logs.get_mut(partition).expect("the topic is there")
    }
}
