//! A member of the simulated group, as the daemon's loop has one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::broker::{Broker, Offsets};
use super::bug::Bug;
use super::group::Joining;
use super::pulse::Pulse;
use super::world::World;
use crate::daemon::{Consumer, Message, Next};
use crate::source::kafka::{CommittedOffset, KafkaSource, Notice, Partition, Progress, SourceError};

/// How often the client reports, in ms.
const REPORT_MS: u64 = 1_000;
/// A slow partition gives nothing for up to so long, in ms.
const SLOW_MS: u64 = 15_000;
/// It is heard so late that one is no member any more, in ms.
const LOST_MS: u64 = 3_000;

/// The consumer.
pub(super) struct SimConsumer {
    world: Rc<World>,
    pulse: Arc<Pulse>,
    /// Shared with the producer of its session; 0 before it joins.
    member: Rc<Cell<u64>>,
    name: Option<String>,
    topics: RefCell<Vec<String>>,
    is_gone: Arc<AtomicBool>,
    fetches: RefCell<BTreeMap<Partition, Fetch>>,
    notices: RefCell<Vec<Notice>>,
    report_ms: Cell<u64>,
    /// When it hears that it is no member any more.
    lost_ms: Cell<Option<u64>>,
    is_lost: Cell<bool>,
}

/// How far a partition is fetched.
struct Fetch {
    position: i64,
    is_paused: bool,
    /// How many messages are under way although it is paused.
    under_way: u64,
    slow_until_ms: u64,
    /// The end, where it was last come to.
    end: i64,
}

impl SimConsumer {
    pub(super) fn new(world: Rc<World>, pulse: Arc<Pulse>, member: Rc<Cell<u64>>, name: Option<String>) -> SimConsumer {
        SimConsumer {
            world,
            pulse,
            member,
            name,
            topics: RefCell::default(),
            is_gone: Arc::default(),
            fetches: RefCell::default(),
            notices: RefCell::default(),
            report_ms: Cell::new(0),
            lost_ms: Cell::new(None),
            is_lost: Cell::new(false),
        }
    }

    /// The broker, if it answers.
    fn ask(&self) -> Result<std::cell::RefMut<'_, Broker>, SourceError> {
        if self.pulse.is_dead() {
            return Err(SourceError::Fatal("it is dead".to_owned()));
        }
        let broker = self.world.broker();
        if broker.is_away() { Err(SourceError::Retry("the broker is away".to_owned())) } else { Ok(broker) }
    }

    fn join(&self, broker: &mut Broker) {
        let client = Joining {
            pulse: Arc::clone(&self.pulse),
            is_gone: Arc::clone(&self.is_gone),
            name: self.name.clone(),
            topics: self.topics.borrow().clone(),
        };
        self.member.set(broker.group.join(&client));
        self.lost_ms.set(None);
        self.is_lost.set(false);
    }

    /// What the group has to say.
    fn hear(&self, broker: &mut Broker) {
        let member = self.member.get();
        if member == 0 || self.is_lost.get() || broker.group.is_shut_out(member) {
            return;
        }
        if broker.group.knows(member) {
            for notice in broker.group.notices(member) {
                let revoked = matches!(notice, Notice::Revoked(_));
                let what =
                    if revoked { "is to give up its partitions, as member" } else { "is given partitions, as member" };
                self.pulse.tell(what, i64::try_from(member).unwrap_or(i64::MAX));
                if revoked && self.world.errs(Bug::LosesRevocation, 1) {
                    self.fetches.borrow_mut().clear();
                    broker.group.join_again(member);
                } else {
                    self.notices.borrow_mut().push(notice);
                }
            }
            return;
        }
        if self.is_told(broker.now_ms) {
            self.pulse.tell("hears that it is no member any more", 0);
            self.is_lost.set(true);
            let partitions = self.fetches.borrow().keys().cloned().collect();
            self.notices.borrow_mut().push(Notice::Revoked(partitions));
        }
    }

    /// Whether it has heard by now that it is no member any more.
    fn is_told(&self, now_ms: u64) -> bool {
        let lost_ms = self.lost_ms.get().unwrap_or_else(|| now_ms + self.world.chance.below(LOST_MS));
        self.lost_ms.set(Some(lost_ms));
        lost_ms <= now_ms
    }

    fn report(&self, broker: &Broker) {
        let now_ms = self.world.clock.ms();
        if now_ms < self.report_ms.get() {
            return;
        }
        self.report_ms.set(now_ms + REPORT_MS);
        let fetches = self.fetches.borrow();
        let progress = fetches.iter().map(|(partition, fetch)| Progress {
            partition: partition.clone(),
            next: fetch.position,
            end: if self.world.bug == Some(Bug::EndsTooEarly) { fetch.position } else { fetch.end },
            lag: broker.log(partition).stable() - fetch.position,
            committed: broker.group.committed(partition).map_or(-1001, |committed| committed.offset),
        });
        self.notices.borrow_mut().push(Notice::Progress(progress.collect()));
    }

    /// Gives out one message, of any partition that has one.
    fn give(&self, broker: &Broker, take: &mut dyn FnMut(&Message<'_>)) -> bool {
        let now_ms = self.world.clock.ms();
        let uncommitted = self.world.bug == Some(Bug::ReadsUncommitted);
        let mut fetches = self.fetches.borrow_mut();
        let (count, first) = (fetches.len(), self.world.chance.next());
        for turn in 0..count {
            let at = usize::try_from(first.wrapping_add(turn as u64) % count as u64).expect("below a length");
            let (partition, fetch) = fetches.iter_mut().nth(at).expect("below their number");
            if fetch.slow_until_ms > now_ms || (fetch.is_paused && fetch.under_way == 0) {
                continue;
            }
            let log = broker.log(partition);
            let Some((mut offset, mut body)) = log.next(fetch.position, uncommitted) else {
                (fetch.position, fetch.end) = (log.stable().max(fetch.position), log.stable());
                continue;
            };
            if self.world.errs(Bug::SwapsMessages, 20) {
                (offset, body) = log.next(offset + 1, uncommitted).unwrap_or((offset, body));
            }
            fetch.position = offset + 1;
            fetch.under_way = fetch.under_way.saturating_sub(u64::from(fetch.is_paused));
            take(&Message {
                topic: &partition.topic,
                partition: partition.number,
                offset,
                timestamp_ms: Some(body.timestamp_ms),
                key: body.key.as_deref(),
                payload: Some(&body.payload),
            });
            return true;
        }
        false
    }

    fn fetch(&self, offset: i64) -> Fetch {
        let slow = self.world.strikes(self.world.faults.slow);
        Fetch {
            position: offset + i64::from(offset > 0 && self.world.errs(Bug::SkipsAfterSeek, 3)),
            is_paused: false,
            under_way: 0,
            slow_until_ms: if slow { self.world.clock.ms() + self.world.chance.below(SLOW_MS) } else { 0 },
            end: -1,
        }
    }
}

/// Offsets as they go to the broker.
pub(super) fn offsets(world: &World, next: &[Next<'_>]) -> Offsets {
    let mut offsets: Offsets = next
        .iter()
        .map(|(partition, offset, metadata)| {
            let mark = match world.bug {
                Some(Bug::ForgetsMark) => String::new(),
                Some(Bug::ForgetsWatermark) => without_time(metadata),
                _ => (*metadata).to_owned(),
            };
            ((*partition).clone(), *offset, mark)
        })
        .collect();
    for at in 1..offsets.len() {
        let (before, after) = offsets.split_at_mut(at);
        let ((one, one_next, one_mark), (other, other_next, other_mark)) = (&mut before[at - 1], &mut after[0]);
        if one.number == other.number {
            if world.bug == Some(Bug::CrossesMarks) {
                std::mem::swap(one_mark, other_mark);
            }
            if world.bug == Some(Bug::CrossesOffsets) {
                std::mem::swap(one_next, other_next);
            }
        }
    }
    offsets
}

fn without_time(metadata: &str) -> String {
    let mut mark: serde_json::Value = serde_json::from_str(metadata).expect("our own metadata");
    mark.as_object_mut().expect("an object").retain(|name, _| !matches!(name.as_str(), "high_ms" | "watermark_ms"));
    mark.to_string()
}

impl Consumer for SimConsumer {
    fn subscribe(&self, topics: &[&str]) -> Result<(), SourceError> {
        *self.topics.borrow_mut() = topics.iter().map(|topic| (*topic).to_owned()).collect();
        self.join(&mut self.world.broker());
        Ok(())
    }

    fn poll(&self, _timeout: Duration, take: &mut dyn FnMut(&Message<'_>)) -> Result<bool, SourceError> {
        let broker = self.ask();
        if let Err(SourceError::Retry(_)) = broker {
            return Ok(false);
        }
        let mut broker = broker?;
        if broker.group.is_shut_out(self.member.get()) && self.is_told(broker.now_ms) {
            return Err(SourceError::ShutOut("another one has its name".to_owned()));
        }
        self.hear(&mut broker);
        self.report(&broker);
        // A batch ends where nothing is there at the moment.
        Ok(!self.world.chance.one_in(12) && self.give(&broker, take))
    }

    fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.borrow_mut())
    }

    fn trouble(&self) -> Option<String> {
        self.ask().err().map(|error| error.to_string())
    }

    fn is_assignment_lost(&self) -> bool {
        self.is_lost.get()
    }

    fn committed(&self, partitions: &[Partition], _: Duration) -> Result<Vec<Option<CommittedOffset>>, SourceError> {
        let broker = self.ask()?;
        let is_pending = partitions.iter().any(|partition| broker.is_pending(partition));
        if is_pending && self.world.bug != Some(Bug::IgnoresPendingOffsets) {
            return Err(SourceError::Retry("an offset is about to be committed".to_owned()));
        }
        let committed = |partition: &Partition| {
            let mut committed = broker.group.committed(partition).cloned();
            if let Some(committed) = committed.as_mut().filter(|_| self.world.bug == Some(Bug::ForgetsCommitted)) {
                committed.offset = 0;
            }
            committed
        };
        Ok(partitions.iter().map(committed).collect())
    }

    fn bounds(&self, partition: &Partition, _: Duration) -> Result<(i64, i64), SourceError> {
        Ok((0, self.ask()?.log(partition).stable()))
    }

    fn offset_at(&self, partition: &Partition, ms: i64, _: Duration) -> Result<Option<i64>, SourceError> {
        let broker = self.ask()?;
        let (log, mut from) = (broker.log(partition), 0);
        while let Some((offset, body)) = log.next(from, false) {
            if body.timestamp_ms >= ms {
                return Ok(Some(offset));
            }
            from = offset + 1;
        }
        Ok(None)
    }

    fn assign(&self, partitions: &[(Partition, i64)]) -> Result<(), SourceError> {
        self.pulse.tell("reads partitions", i64::try_from(partitions.len()).unwrap_or(i64::MAX));
        let fetches = partitions.iter().map(|(partition, offset)| (partition.clone(), self.fetch(*offset)));
        *self.fetches.borrow_mut() = fetches.collect();
        Ok(())
    }

    fn unassign(&self) -> Result<(), SourceError> {
        self.fetches.borrow_mut().clear();
        if !self.pulse.is_dead() {
            let mut broker = self.world.broker();
            if self.is_lost.get() || !broker.group.join_again(self.member.get()) {
                self.join(&mut broker);
            }
        }
        Ok(())
    }

    fn pause(&self, partition: &Partition) -> Result<(), SourceError> {
        if let Some(fetch) = self.fetches.borrow_mut().get_mut(partition) {
            (fetch.is_paused, fetch.under_way) = (true, self.world.chance.below(4));
        }
        Ok(())
    }

    fn resume_at(&self, partition: &Partition, offset: i64) -> Result<(), SourceError> {
        if let Some(fetch) =
            self.fetches.borrow_mut().get_mut(partition).filter(|_| !self.world.errs(Bug::NeverResumes, 2))
        {
            *fetch = Fetch { slow_until_ms: fetch.slow_until_ms, ..self.fetch(offset) };
        }
        Ok(())
    }

    fn commit(&self, next: &[Next<'_>], wait: bool) -> Result<(), SourceError> {
        drop(self.ask()?);
        let offsets = offsets(&self.world, next);
        // Nobody hears of a commit that was not waited for.
        let is_lost = !wait && self.world.strikes(self.world.faults.lost_answer);
        let stored = self.pulse.effect("commits offsets", offsets.iter().map(|(_, next, _)| next).sum(), || {
            let mut broker = self.world.broker();
            let may = broker.may_commit(self.member.get());
            if may && !is_lost {
                broker.group.store(offsets);
            }
            may
        });
        match stored {
            Some(true) => Ok(()),
            _ => Err(SourceError::Retry("it is no member of this generation".to_owned())),
        }
    }

    fn partition_counts(&self, topics: &[&str], _: Duration) -> Result<Vec<Option<usize>>, SourceError> {
        let broker = self.ask()?;
        Ok(topics.iter().map(|topic| Some(broker.count(topic)).filter(|count| *count > 0)).collect())
    }

    fn as_kafka(&self) -> Option<&KafkaSource> {
        None
    }

    fn close(self: Box<Self>) {
        if !self.pulse.is_dead() {
            self.pulse.tell("leaves the group", 0);
            self.world.broker().group.leave(self.member.get());
        }
    }
}

impl Drop for SimConsumer {
    /// The group hears of it no more; one that has left is forgotten already.
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }
}
